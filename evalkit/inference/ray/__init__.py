"""Models on a Ray cluster: replicas of each, every one at work as a model of one process is."""

from evalkit.inference.ray.executor import RayExecutor

__all__ = ["RayExecutor"]
