"""Answers that are generated side by side, and come and go: each as if it were alone."""

import gc
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from step_audio_2.assistant import Asked, Assistant, Kind, Reply
from step_audio_2.chat import AudioPart, Message, Part, Question
from step_audio_2.sampling import Decoding, Sampling

SAMPLED = {"do_sample": True, "temperature": 0.7}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"repetition_penalty": 1.3},
    {"stop_strings": ["a", "e"]},
    SAMPLED,
    {**SAMPLED, "top_p": 0.9, "repetition_penalty": 1.05},
    {**SAMPLED, "top_k": 5},
]
SLOTS = 7  # a number that no other size of the tiny model is


@pytest.fixture(scope="module")
def chat(tiny_checkpoint: Path) -> Assistant:
    return Assistant.from_pretrained(tiny_checkpoint)


def sound(seconds: float, seed: int) -> AudioPart:
    noise = torch.randn(round(16_000 * seconds), generator=torch.Generator().manual_seed(seed))
    return AudioPart(noise * torch.linspace(0, 0.3, len(noise)))


def text(words: int) -> Question:
    return Question([Message("user", "word " * words)])


def various(count: int, seed: int) -> Iterator[tuple[Question, dict[str, Any]]]:
    """Questions of different lengths, each with settings of its own."""
    draw = random.Random(seed)
    for number in range(count):
        heard: list[Part] = [
            sound(draw.uniform(0.3, 3), number),
            "And?",
            *([sound(1, number + 99)] if draw.random() < 0.2 else []),
        ]
        content: str | list[Part] = "word " * draw.randint(1, 60) if draw.random() < 0.4 else heard
        seeds = tuple(range(number, number + draw.choice([1, 1, 3])))
        question = Question([Message("user", content)], spoken=draw.random() < 0.5, seeds=seeds)
        yield question, {**SETTINGS[number % len(SETTINGS)], "max_new_tokens": draw.choice([1, 4, 12, 40])}


@contextmanager
def steps_of(assistant: Assistant, seen: Callable[[int, int], None]) -> Iterator[None]:
    """Tell how many rows of how many positions the decoder computes, each time before it does."""

    def hook(module: Any, arguments: Any, given: dict[str, Any]) -> None:
        seen(*given["inputs_embeds"].shape[:2])

    handle = assistant.model.model.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def caches() -> int:
    """How many tensors there are with a row for each slot and a place for each position."""
    tensors = (each for each in gc.get_objects() if type(each) is torch.Tensor)
    return sum(tensor.dim() == 4 and tensor.shape[0] == SLOTS for tensor in tensors)


def replies_of(outcome: list[Reply] | ValueError) -> list[Reply]:
    assert isinstance(outcome, list)
    return outcome


@pytest.mark.parametrize(("kind", "slots", "count"), [("chat", 2, 8), ("chat", 5, 10), ("base", 8, 8), ("think", 3, 4)])
def test_each_question_is_answered_as_it_is_alone(chat: Assistant, kind: Kind, slots: int, count: int) -> None:
    assistant = Assistant(chat.model, chat.tokenizer, kind)
    questions = list(various(count, seed=slots))
    asked = (Asked(question, Decoding.of(settings)) for question, settings in questions)
    answered = list(assistant.answer_each(asked, slots))
    assert sorted(position for position, _ in answered) == list(range(count))
    for position, outcome in answered:
        question, settings = questions[position]
        assert outcome == assistant.answer([question], **settings)[0]


def test_no_row_is_computed_for_nothing_and_the_next_enters_when_one_leaves(chat: Assistant) -> None:
    steps: list[tuple[int, int]] = []
    pulled = given = 0

    def asked() -> Iterator[Asked]:
        nonlocal pulled
        for words, tokens in zip((5, 90, 30, 60, 10, 20), (3, 30, 9, 2, 14, 5), strict=True):
            pulled += 1
            assert pulled - given <= 2
            yield Asked(text(words), Decoding(tokens))

    tokens = 0
    with steps_of(chat, lambda rows, positions: steps.append((rows, positions))):
        for _, outcome in chat.answer_each(asked(), slots=2):
            given += 1
            tokens += replies_of(outcome)[0].output_tokens
    assert given == 6
    # The first token of an answer comes of reading its prompt, every other of one row in one step.
    assert sum(rows for rows, positions in steps if positions == 1) == tokens - given
    assert sum(rows for rows, positions in steps if positions > 1) == given


def test_newcomers_are_read_a_few_at_a_time_while_the_others_go_on(chat: Assistant) -> None:
    steps: list[tuple[int, int]] = []
    with steps_of(chat, lambda rows, positions: steps.append((rows, positions))):
        answered = dict(chat.answer_each((Asked(text(300), Decoding(9)) for _ in range(8)), slots=8))
    assert len(answered) == 8
    length = len(chat.prompt(text(300)).input_ids)
    reads = [index for index, (_, positions) in enumerate(steps) if positions > 1]
    assert all(rows * positions <= 2048 for rows, positions in steps)
    assert steps[reads[0]] == (2048 // length, length)
    assert len(reads) > 1
    assert all(later > index + 1 for index, later in itertools.pairwise(reads))


def test_a_question_that_is_too_long_costs_no_other_its_answer(chat: Assistant) -> None:
    asked = [Asked(question, Decoding(9)) for question in (text(3), text(16_400), text(9))]
    answered = dict(chat.answer_each(asked, slots=2))
    with pytest.raises(ValueError, match=r"the prompt has \d+ tokens; 16383 is the most"):
        raise answered.pop(1)  # type: ignore[misc]
    assert answered == {
        0: chat.answer([text(3)], max_new_tokens=9)[0],
        2: chat.answer([text(9)], max_new_tokens=9)[0],
    }


def test_what_is_cancelled_ends_where_it_is(chat: Assistant) -> None:
    """One before it begins, one while others are under way."""
    whole = [chat.answer([text(words)], max_new_tokens=60)[0] for words in (5, 90)]
    flags = [Event(), Event(), Event()]
    flags[2].set()
    steps = 0

    def seen(rows: int, positions: int) -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            flags[1].set()

    with steps_of(chat, seen):
        asked = [Asked(text(words), Decoding(60), flag) for words, flag in zip((5, 90, 7), flags, strict=True)]
        answered = {position: replies_of(outcome) for position, outcome in chat.answer_each(asked, slots=3)}
    assert answered[0] == whole[0]
    ((cut,), ((full,))) = answered[1], whole[1]
    assert cut.output_tokens == 4 < full.output_tokens
    assert cut.answer.ids == full.answer.ids[:4]
    assert answered[2][0].output_tokens == 0


@pytest.mark.slow
def test_nothing_is_held_once_the_answers_end_or_nobody_wants_more(chat: Assistant) -> None:
    assert list(chat.answer_each(iter(()), SLOTS)) == []
    asked = [Asked(text(words), Decoding(tokens)) for words, tokens in ((4, 2), (90, 30), (9, 20))]
    answers = chat.answer_each(asked, SLOTS)
    next(answers)
    assert caches()
    answers.close()
    assert not caches()
    assert len(list(chat.answer_each(asked, SLOTS))) == 3
    assert not caches()


@pytest.mark.parametrize("what", ["the model", "the source"])
def test_an_error_goes_to_the_caller_and_the_cache_is_free_even_while_it_is_held(chat: Assistant, what: str) -> None:
    steps = 0

    def seen(rows: int, positions: int) -> None:
        nonlocal steps
        steps += 1
        if what == "the model" and steps == 5:
            raise torch.OutOfMemoryError("no memory is left")

    def asked() -> Iterator[Asked]:
        for number in range(SLOTS + 2):
            if what == "the source" and number == SLOTS + 1:
                raise OSError("no recording is left")
            yield Asked(text(9 + number), Decoding(2 + 9 * number))

    with steps_of(chat, seen), pytest.raises((torch.OutOfMemoryError, OSError), match="is left") as raised:
        list(chat.answer_each(asked(), SLOTS))
    assert raised.tb is not None
    assert not caches()
    assert len(list(chat.answer_each([Asked(text(3), Decoding(3))], SLOTS))) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_beams": 2}, "num_beams: only for batches that stay together"),
        ({"streamer": None}, "streamer: only for batches that stay together"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"repetition_penalty": 0.0}, r"repetition_penalty 0\.0"),
        ({"do_sample": True, "top_p": 0.0}, r"top_p 0\.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Decoding.of(settings)


def test_settings_have_the_names_that_generate_has_for_them() -> None:
    given = {"max_new_tokens": 7, "do_sample": True, "top_k": 3, "repetition_penalty": 1.1, "stop_strings": ["."]}
    assert Decoding.of(given) == Decoding(7, Sampling(top_k=3), 1.1, (".",))
    assert Decoding.of({"do_sample": False, "num_beams": 1, "temperature": 0.5}) == Decoding()


def test_there_is_at_least_one_slot(chat: Assistant) -> None:
    with pytest.raises(ValueError, match="slots is 0; it must be at least 1"):
        next(chat.answer_each([Asked(text(1), Decoding())], slots=0))
