"""From what was found in each task and in the settings to causes, each said in a sentence."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from evalkit.run.difference.attribution import FAILURES
from evalkit.run.difference.causes import UNDER_TEST, CauseKey, Change, Kind
from evalkit.run.difference.drafts import Drafts
from evalkit.run.difference.evidence import Evidence
from evalkit.run.difference.settings import ChangedSetting
from evalkit.run.difference.suspects import Suspects

_OWN: Mapping[Kind, str] = {
    "references": "other references",
    "recordings": "other recordings under the same ids",
    "facts": "other facts that they are asked or scored by",
}
_ASKED: Mapping[Kind, str] = {
    "prompt": "asked in other words",
    "decoding": "asked to decode otherwise",
    "request": "asked with other fields of the request",
}
_SHOWN_IDS = 5


def note_task(evidence: Evidence, drafts: Drafts) -> None:
    """Note every cause that a task's records show."""
    _note_samples(evidence, drafts)
    _note_questions(evidence, drafts)
    _note_failures(evidence, drafts)
    _note_empty(evidence, drafts)
    _note_answers(evidence, drafts)


def _note_samples(evidence: Evidence, drafts: Drafts) -> None:
    title = evidence.results[0].title
    for ids, alone, other in zip(evidence.only_in_one, ("base", "new"), reversed(evidence.samples), strict=True):
        if ids:
            skipped = sum(each in other.skipped for each in ids)
            sentence = f"{title}: {_counted(len(ids), 'sample')} in the {alone} run alone ({_listed(ids)})"
            sentence += f", {skipped:,} of them skipped by the other." if skipped else "."
            drafts.note(CauseKey("samples"), sentence=sentence, task=evidence.name)
    for kind, ids in evidence.own.items():
        drafts.note(
            CauseKey(kind),
            sentence=f"{title}: {len(ids):,} of {_counted(evidence.shared, 'sample')} with {_OWN[kind]} "
            f"({_listed(ids)}).",
            example=evidence.reference if kind == "references" else None,
            task=evidence.name,
        )


def _note_questions(evidence: Evidence, drafts: Drafts) -> None:
    for key, count in evidence.asked.items():
        if key.kind not in _ASKED:
            continue
        whom = "the model" if key.role == UNDER_TEST else f"the {key.role}"
        drafts.note(
            key,
            sentence=f"{evidence.results[0].title}: {whom} was {_ASKED[key.kind]} in {count:,} of "
            f"{_counted(evidence.compared[key.role] or evidence.shared, 'sample')}.",
            example=evidence.examples[key] if key.kind == "prompt" else None,
            task=evidence.name,
        )


def _note_failures(evidence: Evidence, drafts: Drafts) -> None:
    title = evidence.results[0].title
    if scored := evidence.groups.count(FAILURES) - len(evidence.failed_once):
        sentence = f"{title}: {_counted(scored, 'sample')} scored although someone gave no answer in one run."
        drafts.note(CauseKey("failures"), sentence=sentence, task=evidence.name)
    for side, run in zip(evidence.samples, ("base", "new"), strict=True):
        kinds = Counter(side.failures[each] for each in evidence.failed_once if each in side.failures)
        if kinds:
            reasons = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
            sentence = f"{title}: {_counted(kinds.total(), 'sample')} failed in the {run} run alone"
            drafts.note(CauseKey("failures"), sentence=f"{sentence} ({reasons}).", task=evidence.name)


def _note_empty(evidence: Evidence, drafts: Drafts) -> None:
    for ids, run in zip(evidence.empty_once, ("base", "new"), strict=True):
        if ids:
            sentence = (
                f"{evidence.results[0].title}: {_counted(len(ids), 'sample')} answered with nothing in the {run} run "
                f"alone ({_listed(ids)}); what this is worth is part of the above."
            )
            drafts.note(CauseKey("empty"), sentence=sentence, task=evidence.name)


def _note_answers(evidence: Evidence, drafts: Drafts) -> None:
    """Note who answered the very same question otherwise, where that is by chance or by something unknown."""
    causes = {key for group in evidence.groups for key in group}
    for key in causes:
        if key.kind in ("chance", "software", "hardware", "execution", "unexplained"):
            roles = [role for role in evidence.answered if key.role in ("", role)]
            count = sum(evidence.answered[role] for role in roles)
            sentence = (
                f"{evidence.results[0].title}: the very same question was answered otherwise in {count:,} of "
                f"{_counted(evidence.shared, 'sample')}"
            )
            why = {
                "chance": ", and answers are drawn by chance (a temperature above 0, or do_sample).",
                "unexplained": " by what is the same model, by all that was recorded.",
            }.get(key.kind, ", and no setting of the model explains it.")
            drafts.note(key, sentence=sentence + why, example=evidence.examples.get(key), task=evidence.name)


def _note_intervals(evidence: Evidence, drafts: Drafts) -> None:
    base, new = evidence.results
    if base.resampled != new.resampled:
        change = Change(f"{base.title}: drawn by", base.resampled, new.resampled)
        drafts.note(CauseKey("intervals"), changes=[change], task=evidence.name)
    of_the_same = not evidence.differing and not any(evidence.only_in_one)
    for key, metric in base.metrics.items():
        other = new.metrics.get(key)
        if of_the_same and other and metric.value == other.value and metric.interval != other.interval:
            sentence = f"{base.title}: {metric.name} of the same answers is {metric.text} and {other.text}."
            drafts.note(CauseKey("intervals"), sentence=sentence, task=evidence.name)


def note_models(suspects: Suspects, tasks: Sequence[Evidence], drafts: Drafts) -> None:
    """Note models that are others, and software and machines that may have a part in answers."""
    answered = sum((evidence.answered for evidence in tasks), Counter[str]())
    same = sum((evidence.same for evidence in tasks), Counter[str]())
    asked = {role for evidence in tasks for role in evidence.roles}
    for role, changes in suspects.models.items():
        key = CauseKey("model", role)
        if role not in asked:
            _all_harmless(drafts, changes, f"no sample of the tasks of both runs was put to the {role}")
        elif key in drafts or answered[role] or role in suspects.others:
            sentence = (
                f"To the very same question it answered otherwise in {answered[role]:,} of {same[role]:,} samples."
            )
            drafts.note(key, changes=changes, sentence=sentence if same[role] else "It was asked nothing alike.")
        else:
            _all_harmless(drafts, changes, f"the {role} is the same, and answered alike what both runs asked")
    for key, changes in suspects.environment.items():
        if key in drafts:
            drafts.note(key, changes=changes)
        elif key.kind == "execution":
            _all_harmless(drafts, changes, "it decides how questions are carried out, not what is asked")
        elif answered:
            drafts.note(key, changes=changes, sentence="It may have a part in the answers that differ.")
        else:
            _all_harmless(drafts, changes, "every question that both runs put was answered alike")
    _all_harmless(drafts, suspects.light, "it makes no answers and no figures")


def note_settings(settings: Iterable[ChangedSetting], tasks: Sequence[Evidence], drafts: Drafts) -> None:
    """Note settings with the cause that they are a part of, or as harmless where what they decide is the same."""
    asked = {role for evidence in tasks for role in evidence.roles}
    compared = {role for evidence in tasks for role in evidence.compared}
    # Which samples were selected says more than where the data set lies.
    for setting in sorted(settings, key=lambda each: each.matter == "data"):
        change = setting.change
        if setting.matter == "nothing" or (
            setting.matter == "title" and CauseKey("model", setting.owner) not in drafts
        ):
            drafts.harmless(change, setting.reason)
        elif setting.matter == "intervals":
            drafts.note(CauseKey("intervals"), changes=[change])
        elif setting.matter == "clusters":
            if any(evidence.results[0].resampled != evidence.results[1].resampled for evidence in tasks):
                drafts.note(CauseKey("intervals"), changes=[change])
            else:
                drafts.harmless(change, "what is drawn for the intervals is the same")
        elif setting.matter == "samples" or setting.matter == "data":
            _note_data(drafts, setting, tasks)
        elif setting.matter == "prompt" or setting.matter == "decoding" or setting.matter == "request":
            key = CauseKey(setting.matter, setting.owner)
            if setting.owner not in asked:
                drafts.harmless(change, f"no sample of the tasks of both runs was put to the {setting.owner}")
            elif key in drafts or setting.owner not in compared:
                drafts.note(key, changes=[change])
            else:
                drafts.harmless(change, "no question that both runs put is another for it")


def note_consequences(tasks: Iterable[Evidence], drafts: Drafts) -> None:
    """Note how models were asked and intervals made, after the settings from which this follows."""
    for evidence in tasks:
        _note_intervals(evidence, drafts)
        for key, changes in evidence.settings.items():
            drafts.note(key, changes=changes)


def _note_data(drafts: Drafts, setting: ChangedSetting, tasks: Sequence[Evidence]) -> None:
    """Note a setting of what the samples are with what it changed in its task, or in any if it is the run's."""
    concerned = [evidence for evidence in tasks if setting.owner in ("", evidence.name)]
    kinds: list[Kind] = ["samples"] if any(any(evidence.only_in_one) for evidence in concerned) else []
    if setting.matter == "data":
        kinds += [kind for evidence in concerned for kind in evidence.own]
    if kinds:
        drafts.note(CauseKey(kinds[0]), changes=[setting.change])
    else:
        drafts.harmless(setting.change, "the samples, their references and their recordings are the same")


def _all_harmless(drafts: Drafts, changes: Iterable[Change], reason: str) -> None:
    for change in changes:
        drafts.harmless(change, reason)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN_IDS:,} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(ids[:_SHOWN_IDS]) + more
