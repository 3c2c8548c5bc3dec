"""MMAU: multiple-choice questions about sound, speech and music, scored by the benchmark's own string rule.

The rule is that of ``evaluation.py`` in the repository Sakshi113/MMAU (arXiv 2410.19168), with one difference: the
script leaves items without an answer out of its accuracy, and here they count as wrong.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, Unpack, get_args

from evalkit.chain import Chain, Score
from evalkit.datasets import Dataset
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import check_choice
from evalkit.metrics.mean import mean_metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Call, Failure, Sample

Extraction = Literal["response_tag", "none"]
OptionLetters = Literal["kept", "stripped"]

_FIELDS = ("question", "choices")
_LETTERED_CHOICES = "lettered_choices"
_PLAIN_PROMPT = {
    "user": "{audio}{question} Please choose the answer from the following options: [{choices}] "
    "Output the final answer in <RESPONSE> </RESPONSE>."
}
_TAGGED = re.compile(r"<RESPONSE>(.*?)(?:</RESPONSE>|\Z)", re.DOTALL | re.IGNORECASE)
_LETTERED = re.compile(r"\W*\b([A-Za-z])(?:[)\]]|[.:](?=\s))\W*(?=\w)")
_NO_ANSWER_KNOWN = "the data set does not say what the right answer is"


def matches(prediction: str, answer: str, choices: Sequence[str]) -> bool:
    """Return whether a prediction counts as correct by MMAU's official rule.

    Texts are compared as sets of lower-cased words (runs of letters, digits and underscores). The prediction must
    have every word of the answer, and no word that only stands in another choice, a choice with the same words as
    the answer not being another one. So a bare option letter is wrong, as is an explanation that names a second
    choice; "not a dog" is right for "a dog".

    Args:
        prediction: what the model answered.
        answer: the text of the right choice.
        choices: the texts of all choices.
    """
    said, wanted = _words(prediction), _words(answer)
    others = set[str]().union(*(words for choice in choices if (words := _words(choice)) != wanted))
    return bool(said) and wanted <= said and not said & (others - wanted)


def extract_response(text: str) -> str:
    """Return the final answer in ``<RESPONSE> </RESPONSE>``, as MMAU's prompt of Step-Audio 2 asks for it.

    Of several the last that is not blank counts; one that is not closed reaches to the end. A text without the tag
    is all answer.
    """
    tagged = [answer.strip() for answer in _TAGGED.findall(text)]
    if not tagged:
        return text
    return next((answer for answer in reversed(tagged) if answer), "")


def strip_option_letters(prediction: str, answer: str, choices: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """Return the three texts without option letters such as ``(A)``, ``B.``, ``c)`` or ``D:`` before them.

    A letter is only taken off a prediction that goes on after it and only if there are as many choices; a bare
    letter stays, and stays wrong. Choices and answer lose theirs if all choices have them, in order, as some copies of
    the data set do. Where choices begin with letters otherwise, such as keys in music, all texts stay as they are.
    """
    marked = [_letter(choice) for choice in choices]
    if marked == list(range(len(choices))):
        answer, choices = _without_letter(answer), [_without_letter(choice) for choice in choices]
    elif any(mark is not None for mark in marked):
        return prediction, answer, tuple(choices)
    letter = _letter(prediction)
    if letter is not None and letter < len(choices):
        prediction = _without_letter(prediction)
    return prediction, answer, tuple(choices)


class Mmau(DatasetTask):
    """Answer a multiple-choice question about a recording.

    Args:
        extraction: ``response_tag``, see ``extract_response``; or ``none``, to match the whole reply.
        option_letters: ``kept``, as the official rule has it; or ``stripped``, see ``strip_option_letters``.
        **common: see ``DatasetTask``. The data set yields samples with one recording, the right choice as their
            reference, and ``question`` and ``choices`` in their metadata; where the right answer is not public there
            is no reference: such a sample is asked, but counts as failed and adds nothing to the accuracy. The kind of
            question is ``mmau``, with the fields ``{question}`` and ``{choices}``, or ``{lettered_choices}`` for a line
            ``(A) …`` each.

    Raises:
        ConfigurationError: an option is unknown, or the prompt leaves out the question or the choices.
    """

    details = ("extracted_answer",)

    def __init__(
        self,
        *,
        extraction: Extraction = "response_tag",
        option_letters: OptionLetters = "kept",
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(**common)
        check_choice(f"task {self.name}: extraction", extraction, get_args(Extraction))
        check_choice(f"task {self.name}: option_letters", option_letters, get_args(OptionLetters))
        self._extraction = extraction
        self._option_letters = option_letters
        self._prompt = self._prompts.of("mmau", default=_PLAIN_PROMPT, fields=(*_FIELDS, _LETTERED_CHOICES))
        for field, others in (("question", ()), ("choices", (_LETTERED_CHOICES,))):
            if not any(f"{{{name}}}" in self._prompt.user for name in (field, *others)):
                raise ConfigurationError(f"prompt profile, mmau.user: {{{field}}} must stand in it")
        recipe = {"rule": "mmau_string_match.v1", "extraction": extraction, "option_letters": option_letters}
        self.metrics = {"accuracy": mean_metric("Accuracy", recipe=recipe)}

    def samples(self) -> Iterable[Sample]:
        """Return the questions, in the order of the data set.

        Raises:
            DataError: a sample lacks its question or choices.
        """
        return _checked(self._dataset)

    def chain(self, sample: Sample) -> Chain:
        """Ask the one question; what a stand-in for a sample does not know stays in braces."""
        fields = {"question": sample.metadata.get("question", "{question}")}
        if "choices" in sample.metadata:
            choices: Sequence[str] = sample.metadata["choices"]
            fields["choices"] = ", ".join(choices)
            bare = strip_option_letters("", "", choices)[2]
            fields[_LETTERED_CHOICES] = "\n".join(f"({chr(ord('A') + at)}) {choice}" for at, choice in enumerate(bare))
        request = self._prompt.request(sample.audio, language=sample.language, fields=fields)
        response = yield Call("model", request)
        return self._score(sample, response.text)

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as a wrong one."""
        return self._score(sample, "")

    def _score(self, sample: Sample, text: str) -> Score:
        """Score an answer as right or wrong by the official rule."""
        extracted = extract_response(text) if self._extraction == "response_tag" else text
        answer = sample.references[0] if sample.references else ""
        choices: Sequence[str] = sample.metadata["choices"]
        if self._option_letters == "stripped":
            extracted, answer, choices = strip_option_letters(extracted, answer, choices)
        details = {"extracted_answer": extracted}
        if not answer.strip():
            return Score({"accuracy": (0.0, 0.0)}, details, Failure("not_applicable", _NO_ANSWER_KNOWN))
        return Score({"accuracy": (float(matches(extracted, answer, choices)), 1.0)}, details)


def _checked(dataset: Dataset) -> Iterator[Sample]:
    for sample in dataset:
        question, choices = (sample.metadata.get(field) for field in _FIELDS)
        if not isinstance(question, str):
            raise DataError(f"{dataset.source}: sample {sample.id}: the question is {question!r}, not a text")
        if not isinstance(choices, list) or not choices or not all(_is_choice(choice) for choice in choices):
            raise DataError(f"{dataset.source}: sample {sample.id}: the choices are {choices!r}, not a list of texts")
        yield replace(sample, metadata={**sample.metadata, "choices": [str(choice) for choice in choices]})


def _is_choice(value: Any) -> bool:
    """Tell whether a value is a choice; some questions have numbers for choices."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\b\w+\b", text.lower()))


def _letter(text: str) -> int | None:
    """Return which option's letter stands before a text, counted from 0; None if there is none."""
    match = _LETTERED.match(text)
    return ord(match[1].upper()) - ord("A") if match else None


def _without_letter(text: str) -> str:
    return _LETTERED.sub("", text, count=1)
