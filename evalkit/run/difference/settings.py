"""In which settings two runs differ, and what each setting is about."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.run.difference.causes import Change
from evalkit.run.difference.opened import within
from evalkit.run.stored import RUN_WIDE

Matter = Literal[
    "samples",
    "data",
    "request",
    "clusters",
    "scoring",
    "prompt",
    "decoding",
    "model",
    "title",
    "execution",
    "intervals",
    "nothing",
]

_MISSING = object()
_AGGREGATES = "aggregates"
_MATTERS: Mapping[str, Matter] = {
    **dict.fromkeys(("limit", "fraction", "spread", "seed"), "samples"),
    "data_root": "data",
    **dict.fromkeys(RUN_WIDE, "scoring"),
    "statistics": "intervals",
}
_WITHOUT_INFLUENCE = {
    "name": "a run's name moves no figure",
    "runs": "where run folders lie moves no figure",
    "model_name": "it is but the name under which the model was chosen",
    "answers_of": "it tells whose answers were judged again",
    "repeats": "each repetition is a run of its own",
    "shard": "it decides who asks about which samples",
    "fresh": "it decides what is kept, not what is asked",
    "max_failures": "it decides when a run stops",
    "missing_data": "it decides which tasks are left out",
    "missing_roles": "it decides which tasks are left out",
    "budget": "it decides when a run stops",
    "cache": "an answer from the cache is one to the very same question",
    "prompt_kinds": "it describes the kinds of question",
    _AGGREGATES: "it decides which averages are taken; those that both runs have are compared above",
}
# Of a task and of a model: what is for people, and how a server is reached.
_FOR_PEOPLE = {
    "title": "it is for people",
    "place": "it decides where tables show the figure",
    "facts": "they are for people",
    "expected_samples": "it decides what tables call partial",
    "card": "it is for people",
    "extra": "it tells how to install what is needed",
    "requires": "it tells how to install what is needed",
    "prices": "they are for the bill",
    "limits": "they pace the requests",
    "api_key_variable": "a key opens the door, no more",
    "api_key_file": "a key opens the door, no more",
}


@dataclass(frozen=True, slots=True)
class ChangedSetting:
    """A setting that differs.

    Attributes:
        change: the setting and its two values.
        matter: what it is about.
        owner: the task or the role that it belongs to; empty if it is the run's.
        reason: of a setting without influence, why it has none.
    """

    change: Change
    matter: Matter
    owner: str = ""
    reason: str = ""


def changed_settings(base: Mapping[str, Any], new: Mapping[str, Any], tasks: Collection[str]) -> list[ChangedSetting]:
    """Return the settings in which two configurations differ, in the order of the configuration.

    Args:
        base: a run's configuration.
        new: another's.
        tasks: names of the tasks that both have results of; the settings of others are left aside.
    """
    roles = [{name for name in config if _is_role(name, config[name])} for config in (base, new)]
    only_in_one = roles[0] ^ roles[1]
    other_classes = {name for name in roles[0] & roles[1] if base[name]["_target_"] != new[name]["_target_"]}
    settings = [dict(_leaves(_compared(config, tasks, only_in_one))) for config in (base, new)]
    found: dict[tuple[str, ...], ChangedSetting] = {}
    for way in dict.fromkeys((*settings[0], *settings[1])):
        values = [each.get(way, _MISSING) for each in settings]
        if values[0] == values[1] or not _tells(way, values, other_classes):
            continue
        change = Change(".".join(way), *(None if value is _MISSING else _shown(value) for value in values))
        found[way] = _placed(change, way, roles[0] | roles[1])
    return [each for way, each in found.items() if not _is_taken_over(way, found)]


def _is_taken_over(way: tuple[str, ...], found: Mapping[tuple[str, ...], ChangedSetting]) -> bool:
    """Return whether a task's setting differs as the run's own of the same name does, which it follows."""
    of_run = found.get(way[2:]) if way[0] == "tasks" and way[-1] in RUN_WIDE else None
    if of_run is None:
        return False
    return (of_run.change.base, of_run.change.new) == (found[way].change.base, found[way].change.new)


def _is_role(name: str, node: Any) -> bool:
    return name != "executor" and "_target_" in within(node)


def _tells(way: tuple[str, ...], values: Sequence[Any], other_classes: Collection[str]) -> bool:
    """Return whether a difference says anything.

    A setting that one run does not have and the other leaves at null says nothing; nor does one that only one of two
    classes takes.
    """
    if _MISSING not in values:
        return True
    return None not in values and way[0] not in other_classes


def _compared(config: Mapping[str, Any], tasks: Collection[str], only_in_one: Collection[str]) -> dict[str, Any]:
    """Return what of a configuration is compared: the tasks of both runs, and of a role of one run alone its class."""
    nodes = {name: node["_target_"] if name in only_in_one else node for name, node in config.items()}
    return {**nodes, "tasks": {name: task for name, task in within(config, "tasks").items() if name in tasks}}


def _leaves(value: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every setting with the way to it."""
    # An average is one thing, of many keys.
    if isinstance(value, Mapping) and value and not (len(way) == 2 and way[0] == _AGGREGATES):
        for key, inner in value.items():
            yield from _leaves(inner, (*way, str(key)))
    elif value != {}:
        yield way, value


def _placed(change: Change, way: tuple[str, ...], roles: Collection[str]) -> ChangedSetting:
    section, *rest = way
    if section in _WITHOUT_INFLUENCE:
        return ChangedSetting(change, "nothing", reason=_WITHOUT_INFLUENCE[section])
    if way == ("statistics", "cluster"):
        return ChangedSetting(change, "clusters")
    if section in _MATTERS:
        return ChangedSetting(change, _MATTERS[section])
    if section == "tasks" and len(rest) > 1:
        return _of_task(change, *rest)
    if section in roles:
        return _of_model(change, section, rest)
    return ChangedSetting(change, "execution")


def _of_task(change: Change, task: str, key: str, *inner: str) -> ChangedSetting:
    if key in _FOR_PEOPLE:
        return ChangedSetting(change, "nothing", task, _FOR_PEOPLE[key])
    if key != "dataset":
        return ChangedSetting(change, "scoring", task)
    return ChangedSetting(change, "clusters" if inner[:1] == ("cluster",) else "data", task)


def _of_model(change: Change, role: str, keys: list[str]) -> ChangedSetting:
    if keys == ["title"]:
        return ChangedSetting(change, "title", role, _FOR_PEOPLE["title"])
    if keys and keys[0] in _FOR_PEOPLE:
        return ChangedSetting(change, "nothing", role, _FOR_PEOPLE[keys[0]])
    if {"generation", "written"} & set(keys):
        return ChangedSetting(change, "decoding", role)
    if keys[:1] == ["prompts"] and keys[-1] == "language_hint":
        return ChangedSetting(change, "request", role)
    return ChangedSetting(change, "prompt" if keys and keys[0] == "prompts" else "model", role)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
