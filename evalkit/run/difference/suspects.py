"""What could have the very same question answered otherwise: another model, chance, other software, another machine."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.adapter import SERVER_SAYS
from evalkit.run.difference.attribution import UNEXPLAINED, Keys
from evalkit.run.difference.causes import CauseKey, Change
from evalkit.run.difference.opened import OpenedRun, within
from evalkit.run.difference.settings import ChangedSetting

# Packages that make answers, sound or figures; others come and go without a trace in them.
_WEIGHTY = frozenset(
    "accelerate cn2an ctranslate2 faster-whisper flash-attn funasr jieba librosa numpy onnxruntime opencc "
    "openai-whisper pocketsphinx rapidfuzz regex sacrebleu safetensors sglang soundfile soxr speechmos tokenizers "
    "torch torchaudio transformers vllm".split()
)
_VERSIONS = "versions"
_HARDWARE = ("processor", "accelerators", "platform")


@dataclass(frozen=True, slots=True)
class Suspects:
    """What differs between two runs beside what was asked.

    Attributes:
        models: by role, in what the model or its settings differ.
        others: the roles whose models are others by what was recorded of them, or by their settings if nothing was; of
            the rest the settings differ alone.
        environment: by software, hardware and execution, what differs.
        light: packages that differ and have no part in answers or figures.
    """

    models: Mapping[str, Sequence[Change]]
    others: frozenset[str]
    environment: Mapping[CauseKey, Sequence[Change]]
    light: Sequence[Change]

    def of_model(self, role: str) -> Keys:
        """Return the model of a role as a cause, if it is another one."""
        return frozenset({CauseKey("model", role)}) if role in self.others else frozenset()

    def of_answer(self, role: str, *, sampled: bool) -> Keys:
        """Return why the model of a role may have answered the very same question otherwise.

        Args:
            role: who answered.
            sampled: whether the answer was drawn by chance.
        """
        if role in self.others:
            return self.of_model(role)
        if sampled:
            return frozenset({CauseKey("chance", role)})
        if role in self.models:
            return frozenset({CauseKey("model", role)})
        return frozenset(self.environment) or UNEXPLAINED


def suspects(base: OpenedRun, new: OpenedRun, settings: Sequence[ChangedSetting], tasks: Collection[str]) -> Suspects:
    """Find out in what models, software and machines of two runs differ.

    Args:
        base: a run.
        new: another one.
        settings: in which they differ.
        tasks: that both have results of.
    """
    roles = dict.fromkeys((*_recorded_roles(base, new), *(each.owner for each in settings if each.matter == "model")))
    others = {role: list(_identity(role, base, new, tasks)) for role in roles}
    models = {
        role: [*(each.change for each in settings if each.matter == "model" and each.owner == role), *others[role]]
        for role in roles
    }
    titles = {each.owner: each.change for each in settings if each.matter == "title"}
    software = [within(run.session, "software") for run in (base, new)]
    packages = list(_changes("", *(within(each, "packages") for each in software)))
    weighty = [change for change in packages if change.what.lower().replace("_", "-") in _WEIGHTY]
    environment = {
        CauseKey("software"): [
            *_changes("", *({"Python": each["python"]} if "python" in each else {} for each in software)),
            *weighty,
            *(change for role in roles for change in _versions(role, base, new)),
        ],
        CauseKey("hardware"): [
            change
            for change in _changes("", *(within(run.session, "hardware") for run in (base, new)))
            if change.what in _HARDWARE
        ],
        CauseKey("execution"): [each.change for each in settings if each.matter == "execution"],
    }
    return Suspects(
        {role: [titles[role], *changes] if role in titles else changes for role, changes in models.items() if changes},
        frozenset(role for role in roles if others[role] or (models[role] and not _is_recorded(role, base, new))),
        {key: changes for key, changes in environment.items() if changes},
        [change for change in packages if change not in weighty],
    )


def _recorded_roles(*runs: OpenedRun) -> Iterator[str]:
    """Yield the roles of which provenance says who filled them, or the results, if it was not kept."""
    for run in runs:
        yield from within(run.provenance, "models")
        for task in run.result.tasks.values():
            yield from task.models


def _identity(role: str, base: OpenedRun, new: OpenedRun, tasks: Collection[str]) -> Iterator[Change]:
    """Yield in what the models of a role differ by what was recorded of them."""
    recorded = [within(run.provenance, "models", role) for run in (base, new)]
    if _is_recorded(role, base, new):
        left_aside = [SERVER_SAYS, _VERSIONS]  # versions are software
        if any(within(run.config, role, "generation") for run in (base, new)):
            left_aside.append("generation")  # the user's, which are seen in what was asked
        own = [{key: value for key, value in each.items() if key not in left_aside} for each in recorded]
        yield from _changes(f"{role}: ", *own)
        # What a server says of itself may be said at one time and not at another.
        said = [within(each, SERVER_SAYS) for each in recorded]
        shared = [key for key in said[0] if key in said[1]]
        yield from _changes(f"{role}, by its server: ", *({key: each[key] for key in shared} for each in said))
    else:
        yield from _fingerprints(role, base, new, tasks)
    answered = [
        {name for task in tasks for name in within(run.provenance, "usage", task, role, "answered_by")}
        for run in (base, new)
    ]
    if answered[0] != answered[1] and all(answered):
        yield Change(f"{role}: answered by", *(", ".join(sorted(map(str, names))) for names in answered))


def _is_recorded(role: str, *runs: OpenedRun) -> bool:
    return all(within(run.provenance, "models", role) for run in runs)


def _fingerprints(role: str, base: OpenedRun, new: OpenedRun, tasks: Collection[str]) -> Iterator[Change]:
    for task in tasks:
        found = [run.result.tasks[task].models.get(role) for run in (base, new)]
        if found[0] and found[1] and found[0].fingerprint != found[1].fingerprint:
            yield Change(f"{role}: fingerprint", *(f"{each.title}@{each.fingerprint}" for each in found if each))
            return


def _versions(role: str, *runs: OpenedRun) -> Iterator[Change]:
    yield from _changes(f"{role}: ", *(within(run.provenance, "models", role, _VERSIONS) for run in runs))


def _changes(prefix: str, base: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Yield in what two records differ, by the dotted names of their fields; none if one of them says nothing."""
    if not base or not new:
        return
    for key in dict.fromkeys((*base, *new)):
        before, after = base.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(f"{prefix}{key}.", before, after)
        else:
            yield Change(f"{prefix}{key}", _text(before), _text(after))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
