"""Prompt profiles: how a model family wants a kind of question asked. Data in ``configs/prompts/``, not code."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.text import LANGUAGE_NAMES, LANGUAGES, resolve_language
from evalkit.types import Message, Request

AUDIO_MARK = "{audio}"
_LANGUAGE = "{language}"
_FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")
# The type of each value of an entry, and what to call it.
_VALUES: Mapping[str, tuple[type, str]] = {
    "system": (str, "a text"),
    "user": (str, "a text"),
    "language_hint": (bool, "true or false"),
    "generation": (Mapping, "a mapping of settings"),
    "languages": (Mapping, "a mapping of wordings by language"),
    "written": (Mapping, "a mapping of settings"),
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """How one kind of question is put.

    ``{audio}`` in the user message marks where the recordings go. Other words in braces that a task offers, such as
    ``{question}``, are replaced wherever they stand; so is ``{language}``, by the English name of the language spoken.

    Attributes:
        system: the system message; empty for none.
        user: the user message.
        language_hint: whether the model is told which language is spoken.
        generation: decoding settings.
        languages: how the question is put about some languages, by code, in place of all this.
        kind: of question; empty where that is of no matter.
        written: those that hold instead where the same may be answered in speech, and is answered in writing.
    """

    system: str = ""
    user: str = AUDIO_MARK
    language_hint: bool = False
    generation: Mapping[str, Any] = field(default_factory=dict)
    languages: Mapping[str, "Prompt"] = field(default_factory=dict)
    kind: str = ""
    written: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_entry(cls, kind: str, entry: Mapping[str, Any]) -> "Prompt":
        """Read the entry that a profile has for a kind of question.

        Under ``languages`` it may have further entries, by code of a language; what these leave out is as in the entry.

        Raises:
            ConfigurationError: the entry has a key that is not known, or does not say where the recordings go.
        """
        for key, value in entry.items():
            if key not in _VALUES:
                known = ", ".join(_VALUES)
                raise ConfigurationError(
                    f"prompt profile, {kind}: unknown key '{key}'{hint(key, _VALUES)}; known keys are {known}"
                )
            type_, name = _VALUES[key]
            if not isinstance(value, type_):
                raise ConfigurationError(f"prompt profile, {kind}.{key}: {value!r} is not {name}")
        usual = {key: value for key, value in entry.items() if key != "languages"}
        languages = {}
        for code, wording in entry.get("languages", {}).items():
            where = f"{kind}.languages.{code}"
            if code not in LANGUAGES:
                raise ConfigurationError(f"prompt profile, {where}: no such code of a language{hint(code, LANGUAGES)}")
            if not isinstance(wording, Mapping) or "languages" in wording:
                raise ConfigurationError(f"prompt profile, {where}: {wording!r} is not a mapping of system, user, …")
            languages[code] = replace(cls.from_entry(where, {**usual, **wording}), kind=kind)
        prompt = cls(**usual, languages=languages, kind=kind)
        if prompt.user.count(AUDIO_MARK) != 1:
            raise ConfigurationError(f"prompt profile, {kind}.user: {AUDIO_MARK} must stand in it exactly once")
        return prompt

    def request(
        self,
        content: Sequence[Audio | str],
        *,
        language: str | None,
        fields: Mapping[str, str] | None = None,
        history: Sequence[Message] = (),
        tools: Sequence[Mapping[str, Any]] = (),
        output: Literal["text", "speech"] = "text",
    ) -> Request:
        """Return the request that puts this prompt.

        Args:
            content: what takes the place of ``{audio}``: recordings, or their words for a model that reads.
            language: spoken in the recordings; passed on if the profile wants the model told.
            fields: what takes the place of other words in braces, by word.
            history: earlier turns of the conversation, between the system message and this turn.
            tools: the functions that the model may call.
            output: whether the model is to write or to speak.

        Raises:
            ConfigurationError: the wording names the language, which is not known.
        """
        code = _code(language)
        if (wording := self.languages.get(code or "")) is not None:
            return wording.request(
                content, language=language, fields=fields, history=history, tools=tools, output=output
            )
        if code is not None:
            fields = {**(fields or {}), "language": LANGUAGE_NAMES[code]}
        elif _LANGUAGE in self.system or _LANGUAGE in self.user:
            raise ConfigurationError(f"the prompt profile names the {_LANGUAGE}, which a sample does not say")
        fields = fields or {}
        before, _, after = self.user.partition(AUDIO_MARK)
        before, after = fill(before, fields), fill(after, fields)
        messages = [*history, Message("user", tuple(filter(None, (before, *content, after))))]
        if self.system:
            messages.insert(0, Message("system", (fill(self.system, fields),)))
        return Request(
            tuple(messages),
            language=language if self.language_hint else None,
            generation={**self.generation, **self.written} if self.written and output == "text" else self.generation,
            tools=tuple(tools),
            output=output,
            kind=self.kind,
        )


class Prompts:
    """The prompt profiles of a run's models, from which each task takes the kinds of question that it asks.

    Args:
        profiles: by role, then by kind of question, the entries of the profile.

    Attributes:
        kinds: of question that were asked for so far.
    """

    def __init__(self, profiles: Mapping[str, Mapping[str, Mapping[str, Any] | None]] | None = None) -> None:
        self._profiles = profiles or {}
        self._asked: dict[tuple[str, str], tuple[Prompt, frozenset[str]]] = {}  # by role and kind, with the fields
        self.kinds: set[str] = set()

    def of(
        self,
        kind: str,
        role: str = "model",
        *,
        default: Mapping[str, Any] | None = None,
        fields: Collection[str] = (),
    ) -> Prompt:
        """Return how the model of a role wants a kind of question asked.

        Args:
            kind: of question, such as ``asr``.
            role: of the model.
            default: the entry to use where the profile has none; without it, the bare recording is put.
            fields: the words in braces, beside ``{audio}``, whose place the task's question takes.

        Raises:
            ConfigurationError: the profile's entry cannot be used.
        """
        self.kinds.add(kind)
        entry = self._profiles.get(role, {}).get(kind) or default or {}
        if not isinstance(entry, Mapping):
            raise ConfigurationError(f"{role}.prompts.{kind}: {entry!r} is not a mapping of {', '.join(_VALUES)}")
        prompt = Prompt.from_entry(kind, entry)
        others = self._asked.get((role, kind), (prompt, frozenset()))[1]
        self._asked[role, kind] = prompt, others.union(fields)
        return prompt

    def check_fields(self) -> None:
        """Refuse a profile with a word in braces that no task replaces: the model would be asked with the braces.

        Raises:
            ConfigurationError: names the first such word.
        """
        for (role, kind), (prompt, fields) in self._asked.items():
            for wording in (prompt, *prompt.languages.values()):
                for place, known in (("system", fields | {"language"}), ("user", fields | {"language", "audio"})):
                    _refuse_others(getattr(wording, place), known, f"{role}.prompts.{kind}.{place}")

    def gaps(self) -> list[str]:
        """Return, in a line for people each, the kinds of question that a profile puts without what they are about.

        Where a task has words for a question and the profile no entry for its kind, the model gets the bare recording.
        """
        return [
            f"{role}.prompts has no entry for '{kind}': the model gets the bare recording, and is not told "
            f"{', '.join(sorted(fields))}"
            for (role, kind), (prompt, fields) in self._asked.items()
            if fields and prompt.user == AUDIO_MARK and not prompt.system and self._profiles.get(role)
        ]

    def check_kinds(self, known: Iterable[str]) -> None:
        """Refuse a profile with a kind of question that nobody asks, as one with a misspelt name would have.

        Args:
            known: kinds that are asked by some task, whether it has a part in this run or not.

        Raises:
            ConfigurationError: names the first such kind.
        """
        kinds = sorted(self.kinds.union(known))
        for role, profile in self._profiles.items():
            for kind in profile:
                if kind not in kinds:
                    raise ConfigurationError(
                        f"{role}.prompts: no task asks a question of the kind '{kind}'{hint(kind, kinds)} (kinds are "
                        f"{', '.join(kinds)}; one of your own becomes known with +prompt_kinds.{kind}=DESCRIPTION)"
                    )


def _code(language: str | None) -> str | None:
    """Return the code of a language as normalisation knows it; None where it is not known."""
    try:
        return None if language is None else resolve_language(language)
    except ConfigurationError:
        return None


def _refuse_others(text: str, known: Collection[str], setting: str) -> None:
    for word in _FIELD.findall(text):
        if word not in known:
            there_are = ", ".join(f"{{{each}}}" for each in sorted(known))
            raise ConfigurationError(
                f"{setting}: nothing takes the place of {{{word}}}{hint(word, known)} (there are {there_are})"
            )


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Replace the fields of a template, ``{name}``, at one go, so that no value is searched for further fields.

    Braces around other words stay as they are.

    >>> fill("Q: {question} A: {answer} {}", {"question": "{answer}?", "answer": "yes"})
    'Q: {answer}? A: yes {}'
    """
    if not fields or "{" not in template:
        return template
    pattern = "|".join(re.escape("{" + name + "}") for name in fields)
    return re.sub(pattern, lambda match: fields[match[0][1:-1]], template)
