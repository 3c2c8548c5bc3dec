"""The table of all models, made from their configurations: for ``docs/models.md``."""

from collections.abc import Iterable, Iterator, Sequence

from evalkit.cli.catalogue import Option, read_models
from evalkit.cli.model_facts import abilities, languages, longest_audio, needs
from evalkit.model_card import ModelCard
from reports.published import load_published

Model = tuple[Option, ModelCard]

_HEAD = """\
# Models

<!-- Written by scripts/write_models.py from configs/model/; change those and run it again. -->

Every model here is chosen by `model=NAME`, or for another role by `model@judge=NAME`. [Checkpoints of
transformers](local_models.md) and [models behind a server](served_models.md) run without a name here too.
`evalkit doctor` says what can run on this machine, and with `model=NAME --probe` whether a model answers.
"""


def models_page() -> str:
    """Return ``docs/models.md``."""
    return "\n".join(_page()).rstrip() + "\n"


def _page() -> Iterator[str]:
    models = list(read_models())
    yield _HEAD
    yield from ("## Rows of the published tables", "")
    yield from _table(("Row", "Configuration", "Remark"), _published_rows(models))
    yield from ("", "## What each can do and needs", "")
    yield ("Brackets hold a part of evalkit to install; memory is what the weights take in their usual precision.")
    yield ""
    yield from _table(
        ("Model", "Adapter", "Can", "Languages", "Longest recording", "Needs", "Weights", "Licence"),
        (
            (
                f"`{option.name}`",
                f"`{option.content.get('_target_', '')}`",
                abilities(card),
                languages(card),
                longest_audio(card),
                ", ".join(needs(card, option.content)),
                card.weights,
                card.licence,
            )
            for option, card in models
        ),
    )
    yield from ("", "## What was tried, and how", "")
    yield "On the machines on which evalkit is developed, which have no access to the hub, no keys and no GPU."
    yield ""
    yield from _table(
        ("Model", "Source of its prompts", "Tried", "Not tried"),
        ((f"`{option.name}`", card.prompts, card.tried, card.untried) for option, card in models),
    )
    yield from ("", "## Services that end", "")
    yield from _table(
        ("Model", "Ends or ended", "Use instead"),
        sorted(
            ((f"`{option.name}`", str(card.ends), _code(card.successor)) for option, card in models if card.ends),
            key=lambda row: row[1],
        ),
    )


def _published_rows(models: Sequence[Model]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys(figure.model for figure in load_published()):
        filling = [(option, card) for option, card in models if option.content.get("published") == name]
        remarks = dict.fromkeys(filter(None, (_remark(card) for _, card in filling)))
        yield name, ", ".join(_code(option.name) for option, _ in filling), "; ".join(remarks)


def _remark(card: ModelCard) -> str:
    if card.unavailable:
        return f"nobody can run it: {card.unavailable}"
    if card.ends is not None:
        return f"its service ends, or ended, on {card.ends}"
    return ""


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{' --- |' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
