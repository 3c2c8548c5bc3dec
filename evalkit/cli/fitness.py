"""Whether one model is fit for a run: its service's end, what it needs here, its server's list, one answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit.cli.can_run import model_state
from evalkit.cli.catalogue import Folders
from evalkit.errors import ConfigurationError, EvalkitError
from evalkit.hints import hint
from evalkit.model_card import ModelCard
from evalkit.printable import printable
from evalkit.run.composition import compose_run, configurations
from evalkit.run.explanation import in_our_words
from evalkit.run.model_probe import ask_once, listing
from evalkit.run.plan import Plan, plan_from_config
from evalkit.types import Usage

_TASK = "demo_clean"  # whose recordings are part of evalkit
_DAYS_BEFORE_THE_END = 60
_PATIENCE = 60  # seconds for which a server may be away or busy
_LONGEST_QUOTATION = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what was found.

    Attributes:
        about: what it is about, in a word.
        text: what was found.
        fit: whether it keeps nobody from a run.
    """

    about: str
    text: str
    fit: bool = True


def examine(words: Sequence[str], folders: Folders, *, probe: bool) -> int:
    """Print what is found of one model; 0 if it is fit for a run, else 1.

    Args:
        words: ``model=NAME`` and its settings.
        folders: with further configurations.
        probe: whether it is asked a question.

    Raises:
        ConfigurationError: the words name no model, or a setting cannot be.
    """
    if not any(word.startswith("model=") for word in words):
        raise ConfigurationError("say which model: evalkit doctor model=NAME --probe")
    composition = compose_run([*words, f"task={_TASK}"], folders)
    fit = True
    for finding in _findings(composition.config, composition.choices, folders, probe=probe):
        fit = fit and finding.fit
        print(printable(f"{finding.about:<8}{'' if finding.fit else 'NO: '}{finding.text}"), flush=True)
    return 0 if fit else 1


def _findings(config: DictConfig, choices: Mapping[str, Any], folders: Folders, *, probe: bool) -> Iterator[Finding]:
    """Yield what is found, the cheapest first, as far as it makes sense to go on."""
    with configurations(folders):
        settings: Any = OmegaConf.to_container(config.model, resolve=True)
    card = ModelCard.from_settings(settings.get("card"), "model.card")
    today = date.today()
    if ending := card.ending(today, soon=_DAYS_BEFORE_THE_END):
        yield Finding("end", ending, fit=not card.ended(today))
    if card.unavailable:
        yield Finding("model", card.unavailable, fit=False)
        return
    state = model_state(settings)
    yield Finding("here", state.removeprefix("no: ").removeprefix("yes, "), fit=state == "yes")
    if state != "yes" or not probe:
        return
    if "patience" in (settings.get("limits") or {}) and not settings.get("launch"):  # which may take long to load
        config.model.limits.patience = min(_PATIENCE, config.model.limits.patience)
    try:
        with in_our_words():
            plan = plan_from_config(config, choices)
            yield from _listed(plan, str(settings.get("model")), today)
            yield from _answered(plan, card)
    except EvalkitError as error:
        yield Finding("stopped", str(error), fit=False)


def _listed(plan: Plan, name: str, today: date) -> Iterator[Finding]:
    """Yield what the server's list of models says; nothing where there is no list."""
    found = listing(plan)
    if found is None:
        return
    if not found.listed:
        yield Finding("list", f"the server lists no model '{name}'{hint(name, found.others)}", fit=False)
        return
    yield Finding("list", f"the server lists the model '{name}'")
    if found.ends:
        ended = found.ends <= today.isoformat()
        yield Finding("end", f"the server says that it {'ended' if ended else 'ends'} on {found.ends}", fit=not ended)


def _answered(plan: Plan, card: ModelCard) -> Iterator[Finding]:
    """Yield how one question was answered."""
    answered = ask_once(plan, hears=card.hears)
    response = answered.response
    if response.failure is not None:
        yield Finding("answer", f"{response.failure.kind}: {response.failure.message}", fit=False)
        return
    words = " ".join(response.text.split())
    shown = f'"{words[:_LONGEST_QUOTATION]}{"…" if len(words) > _LONGEST_QUOTATION else ""}"' if words else ""
    given = ", ".join(filter(None, (shown, "speech" if response.speech is not None else "")))
    took = f"in {response.seconds or 0:.1f} s ({answered.seconds:.1f} s in all)"
    yield Finding("answer", f"{given or 'empty'} {took}{_cost(answered.usage)}", fit=bool(given))


def _cost(usage: Usage) -> str:
    return f", cost {usage.cost:.6f}" if usage.cost is not None else ""
