"""Models that a test made itself, described so that a run can open them."""

from collections.abc import Mapping

from evalkit.adapter import Model, ModelAdapter, ServedModelAdapter
from evalkit.inference.endpoint import ModelSpec

_MADE: dict[str, Model] = {}


def spec_of(role: str, model: Model) -> ModelSpec:
    """Describe a model of this process; whoever opens the description gets this very object."""
    key = str(id(model))
    _MADE[key] = model
    function = "served" if isinstance(model, ServedModelAdapter) else "local"
    return ModelSpec(role, role, {"_target_": f"{__name__}.{function}", "key": key})


def specs_of(models: Mapping[str, Model]) -> dict[str, ModelSpec]:
    """Describe the model of each role."""
    return {role: spec_of(role, model) for role, model in models.items()}


def local(key: str) -> ModelAdapter:
    """Return the model that was described."""
    model = _MADE[key]
    assert isinstance(model, ModelAdapter)
    return model


def served(key: str) -> ServedModelAdapter:
    """Return the served model that was described."""
    model = _MADE[key]
    assert isinstance(model, ServedModelAdapter)
    return model
