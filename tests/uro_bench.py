"""URO-Bench for tests: tasks of a mode, samples, chains played through, and models to run them with."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Audio
from evalkit.chain import ChainRun, Score
from evalkit.types import Call, Request, Response, Sample
from tasks.uro_bench import EmotionGeneration, JudgedAnswers, JudgedDialogues, JudgedSpeech, Repetition, UroBenchSubset
from tasks.uro_bench.subsets import load_subsets
from tasks.uro_bench.task import SpokenConversations
from tests.chains import score_of

_CLASSES: Mapping[str, type[SpokenConversations]] = {
    mode: kind
    for kind in (EmotionGeneration, JudgedAnswers, JudgedDialogues, JudgedSpeech, Repetition)
    for mode in kind.modes
}


def task_of_mode(
    mode: str, language: str = "en", folder: Path = Path("nowhere"), **settings: Any
) -> SpokenConversations:
    """A task of the first subset in that mode and language."""
    subset = next(s for s in load_subsets().values() if (s.mode, s.language) == (mode, language))
    dataset = UroBenchSubset(folder, language=None if mode == "ml" else language)
    return _CLASSES[mode](name="uro", title="URO", subset=subset.name, language=language, dataset=dataset, **settings)


def sample_of(mode: str, rounds: Sequence[Sequence[str]], language: str = "en") -> Sample:
    """A sample of these rounds of question, answer (which is not part of it) and reference."""
    return Sample(
        "7",
        tuple(Audio(f"{number}.wav") for number in range(len(rounds))),
        tuple(reference for _, _, reference in rounds),
        None if mode == "ml" else language,
        {"emotion": "happy", "style": "sweet", "requirement": "French"},
        {"questions": [question for question, _, _ in rounds]},
    )


def chain_through(task: SpokenConversations, sample: Sample, answers: Sequence[Response]) -> tuple[list[Call], Score]:
    """Every call of a sample's chain as far as there are answers to it, and the score that these amount to."""
    run = ChainRun(task.chain(sample), task.unanswered, sample, task=task.name)
    asked: list[Call] = []
    for answer in answers:
        if run.call is None:
            break
        asked.append(run.call)
        run.send(answer)
    asked += [run.call] if run.call is not None else []
    return asked, score_of(task, sample, answers[: len(asked)])


class Parrot(ModelAdapter):
    """Says what it heard last, in the voice that it heard; says nothing to recordings named ``silence``."""

    capabilities = Capabilities(sample_rate=16_000, speech_output=True)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(request.audio[-1]) for request in requests]

    def _answer(self, heard: Audio) -> Response:
        if "silence" in heard.locator:
            return Response()
        words = Path(str(heard.path)).with_suffix(".txt").read_text(encoding="utf-8")
        return Response(words, speech=Audio(heard.locator, heard.path))

    def fingerprint(self) -> dict[str, Any]:
        return {"adapter": "parrot"}


class SameWords(ModelAdapter):
    """A judge that counts: 5 if half of the instruction's words come back, else 2, and 1 less in its last reply.

    It replies "4/5" when asked for the first time about apples, and to anything about umbrellas.
    """

    capabilities = Capabilities(sample_rate=None, audio_input=False)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        prompt = str(request.messages[-1].content[0])
        instruction, response = (
            set(
                re.findall(
                    r"\w+", prompt.partition(f"### [{part}]\n")[2].partition("###")[0].partition("After")[0].lower()
                )
            )
            for part in ("Instruction", "Response")
        )
        mark = 5 if 2 * len(instruction & response) >= len(instruction) else 2
        replies = (str(mark), str(mark), str(mark - 1))
        if ("apples" in instruction and request.attempt == 0) or "umbrella" in instruction:
            replies = ("4/5",) * 3
        assert request.replies == len(replies)
        return Response(replies[0], replies=replies)

    def fingerprint(self) -> dict[str, Any]:
        return {"adapter": "same words"}
