"""The normalisation schemes by which the samples of a task were scored, as its recipe names them."""

from collections.abc import Sequence

from evalkit.results.task_result import TaskResult
from evalkit.text import Scheme, get_scheme


def schemes_of(result: TaskResult) -> tuple[Scheme, ...]:
    """Return the schemes that a recipe names: the task's own, such as ``whisper-en.v1``, then other languages'.

    Raises:
        ConfigurationError: one of them is no longer there.
    """
    recipe = result.metric.recipe
    others = (each.partition(" by ")[0] for each in recipe.get("other_languages", "").split(", ") if each)
    labels = (label.partition("-") for label in (recipe.get("normaliser", ""), *others))
    return tuple(get_scheme(rest.rpartition(".")[0], name) for name, _, rest in labels)


def scheme_for(language: str | None, schemes: Sequence[Scheme]) -> Scheme:
    """Return the scheme by which a sample in a language was scored."""
    own, *others = schemes
    if language is None or not others:
        return own
    code = get_scheme(language).language
    return next((scheme for scheme in others if scheme.language == code), own)
