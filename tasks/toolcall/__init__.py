"""StepEval-Audio-Toolcall: calling tools in spoken conversations."""

from tasks.toolcall.sessions import Sessions
from tasks.toolcall.task import ToolCalling

__all__ = ["Sessions", "ToolCalling"]
