"""By which schemes the texts of an error rate were normalised and counted, as its recipe names them."""

from collections.abc import Sequence

from evalkit.results.task_result import MetricResult
from evalkit.text import Scheme, get_scheme


def schemes_of_metric(metric: MetricResult) -> tuple[Scheme, ...]:
    """Return the schemes that a recipe names: the task's own, such as ``whisper-en.v1``, then other languages'.

    Raises:
        ConfigurationError: one of them is not known.
    """
    others = (each.partition(" by ")[0] for each in metric.recipe.get("other_languages", "").split(", ") if each)
    labels = (label.partition("-") for label in (metric.recipe.get("normaliser", ""), *others))
    return tuple(get_scheme(rest.rpartition(".")[0], name) for name, _, rest in labels)


def scheme_for(language: str | None, schemes: Sequence[Scheme]) -> Scheme:
    """Return the one of a recipe's schemes by which a sample in a language was scored."""
    own, *others = schemes
    if language is None or not others:
        return own
    code = get_scheme(language).language
    return next((scheme for scheme in others if scheme.language == code), own)
