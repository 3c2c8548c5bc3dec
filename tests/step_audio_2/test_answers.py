"""Generated ids are taken apart without losing a word, a sound or half a character."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from step_audio_2.answers import (
    Answer,
    AnswerEnd,
    AnswerEvent,
    AnswerStream,
    AudioCodes,
    SpeechDelta,
    split_answer,
)
from step_audio_2.tool_calls import ContentDelta, ToolCall, ToolCallArguments, ToolCallName

EOT, TTS_START, TTS_END, TTS_PAD, CODE, CODE_PAD = 151665, 151693, 151694, 151695, 151696, 158257
CALL = ToolCall("search", '{"query": "明天"}')


def interleaved(text_ids: Sequence[int], codes: Sequence[int]) -> list[int]:
    """Speech as the model generates it: one text token, then four codes, by turns; the text is padded at its end."""
    ids = []
    for turn in range(max(len(text_ids), -(-len(codes) // 4))):
        ids.append(text_ids[turn] if turn < len(text_ids) else TTS_PAD)
        ids += [CODE + code for code in codes[4 * turn : 4 * turn + 4]]
    return ids


def streamed(pieces: Iterable[Sequence[int]], tokenizer: Any, **settings: Any) -> list[AnswerEvent]:
    stream = AnswerStream(tokenizer, **settings)
    return [*(event for piece in pieces for event in stream.push(piece)), *stream.finish()]


def put_together(ids: Sequence[int], events: Sequence[AnswerEvent]) -> Answer:
    """What a client makes of the events."""
    end = events[-1]
    assert isinstance(end, AnswerEnd)
    assert sum(isinstance(event, AnswerEnd) for event in events) == 1
    names = {event.index: event.name for event in events if isinstance(event, ToolCallName)}
    arguments = [event for event in events if isinstance(event, ToolCallArguments)]
    return Answer(
        ids=tuple(ids),
        speech_text="".join(event.text for event in events if isinstance(event, SpeechDelta)),
        audio_codes=tuple(code for event in events if isinstance(event, AudioCodes) for code in event.codes),
        content="".join(event.text for event in events if isinstance(event, ContentDelta)),
        tool_calls=tuple(ToolCall(names[event.index], event.arguments) for event in arguments),
        stopped=end.stopped,
    )


def test_a_spoken_answer_with_a_call(tokenizer: Any) -> None:
    speech = interleaved(tokenizer.encode("请稍等。"), range(40))
    ids = [*speech, TTS_END, *tokenizer.encode(f"Searching.{CALL.text}"), EOT]
    answer = split_answer(ids, tokenizer, spoken=True)
    assert answer == Answer(
        ids=tuple(ids[:-1]),
        speech_text="请稍等。",
        audio_codes=tuple(range(40)),
        content="Searching.",
        tool_calls=(CALL,),
        stopped=True,
    )
    assert answer.text == "请稍等。"


def test_a_written_answer(tokenizer: Any) -> None:
    answer = split_answer([*tokenizer.encode(f"Let me see.{CALL.text}"), EOT], tokenizer, spoken=False)
    assert (answer.text, answer.content, answer.speech_text) == ("Let me see.", "Let me see.", "")
    assert answer.tool_calls == (CALL,)
    refused = split_answer(tokenizer.encode(CALL.text), tokenizer, spoken=False, tool_names=["get_weather"])
    assert refused.text == CALL.text


def test_speech_may_begin_in_the_answer(tokenizer: Any) -> None:
    hi = tokenizer.encode("hi")
    answer = split_answer([*hi, TTS_START, *hi, CODE, TTS_END, *hi, EOT], tokenizer, spoken=False)
    assert (answer.speech_text, answer.content, answer.audio_codes) == ("hi", "hihi", (0,))


def test_a_call_is_found_wherever_it_stands_and_never_spoken(tokenizer: Any) -> None:
    call = tokenizer.encode(CALL.text)
    speech = interleaved(tokenizer.encode("请稍等。"), range(16))
    # Speech may go on in the middle of a call, where it is no speech.
    disturbed = [token for number, token in enumerate(call) for token in (token, CODE + number)][:-1]
    for ids, words, codes in (
        ([*call, EOT], "", ()),
        ([*call, TTS_END, EOT], "", ()),
        ([*speech, *call, EOT], "请稍等。", range(16)),
        ([*speech, *call, TTS_END, EOT], "请稍等。", range(16)),
        ([*speech, *disturbed, *speech, TTS_END, EOT], "请稍等。" * 2, [*range(16), *range(16)]),
        ([*speech, TTS_END, *call, TTS_START, *speech, EOT], "请稍等。" * 2, [*range(16), *range(16)]),
    ):
        answer = split_answer(ids, tokenizer, spoken=True, tool_names=["search"])
        assert (answer.speech_text, answer.audio_codes) == (words, tuple(codes))
        assert (answer.tool_calls, answer.content) == ((CALL,), "")
        assert put_together(answer.ids, streamed([ids], tokenizer, spoken=True, tool_names=["search"])) == answer


def test_a_call_that_does_not_end_is_not_spoken_either(tokenizer: Any) -> None:
    begun = tokenizer.encode(CALL.text)[:-1]
    answer = split_answer([*begun, CODE + 1, EOT], tokenizer, spoken=True)
    assert (answer.speech_text, answer.audio_codes, answer.tool_calls) == ("", (), ())


def test_padding_and_marks_are_neither_text_nor_speech(tokenizer: Any) -> None:
    ids = [*range(151688, 151693), TTS_PAD, CODE + 6560, CODE_PAD, CODE_PAD + 1, 158719]
    answer = split_answer(ids, tokenizer, spoken=True)
    assert (answer.text, answer.content, answer.audio_codes) == ("", "", (6560,))
    assert answer.ids == tuple(ids)


@pytest.mark.parametrize("spoken", [True, False])
def test_a_cut_answer_keeps_its_last_id(spoken: bool, tokenizer: Any) -> None:
    """The original implementation drops it, whatever it is."""
    ids = tokenizer.encode("It rains")
    cut = split_answer(ids, tokenizer, spoken=spoken)
    whole = split_answer([*ids, EOT], tokenizer, spoken=spoken)
    assert cut.text == whole.text == "It rains"
    assert cut.ids == whole.ids == tuple(ids)
    assert (cut.stopped, whole.stopped) == (False, True)


def test_an_answer_ends_at_its_first_stop_token(tokenizer: Any) -> None:
    ids = tokenizer.encode("It rains")
    padded = [*ids, EOT, 151643, 151643]
    assert split_answer(padded, tokenizer, spoken=False) == split_answer([*ids, EOT], tokenizer, spoken=False)
    stream = AnswerStream(tokenizer, spoken=False)
    assert stream.push(padded)[-1] == AnswerEnd(stopped=True)
    assert stream.push(ids) == stream.finish() == []


def test_the_base_model_stops_elsewhere(tokenizer: Any) -> None:
    ids = [*tokenizer.encode("It rains"), 151643]
    assert split_answer(ids, tokenizer, spoken=False).text == "It rains<|endoftext|>"
    assert split_answer(ids, tokenizer, spoken=False, stop_ids=(151643,)).text == "It rains"


def test_other_special_tokens_stay_in_the_text(tokenizer: Any) -> None:
    answer = split_answer(tokenizer.encode("<|im_end|><|BOT|>a"), tokenizer, spoken=False)
    assert answer.text == "<|im_end|><|BOT|>a"


def test_a_character_is_never_cut(tokenizer: Any) -> None:
    ids = tokenizer.encode("饕餮🎉a")
    assert len(ids) == len("饕餮🎉a".encode())
    for spoken, delta in ((True, SpeechDelta), (False, ContentDelta)):
        stream = AnswerStream(tokenizer, spoken=spoken)
        deltas = [stream.push([token]) for token in ids]
        assert deltas == [[], [], [delta("饕")], [], [], [delta("餮")], [], [], [], [delta("🎉")], [delta("a")]]


def test_a_character_may_be_parted_by_its_speech(tokenizer: Any) -> None:
    first, second, third = tokenizer.encode("饕")
    stream = AnswerStream(tokenizer, spoken=True)
    codes = [CODE + 1, CODE + 2, CODE + 3, CODE + 4]
    assert stream.push([first, *codes]) == [AudioCodes((1, 2, 3, 4))]
    assert stream.push([second, *codes, third, *codes]) == [
        AudioCodes((1, 2, 3, 4)),
        SpeechDelta("饕"),
        AudioCodes((1, 2, 3, 4)),
    ]


def test_half_a_character_at_the_end_is_shown(tokenizer: Any) -> None:
    ids = tokenizer.encode("a饕")[:-1]
    stream = AnswerStream(tokenizer, spoken=False)
    assert stream.push(ids) == [ContentDelta("a")]
    assert stream.finish() == [ContentDelta("\N{REPLACEMENT CHARACTER}"), AnswerEnd(stopped=False)]


def test_a_character_that_stands_for_none_may_be_meant(tokenizer: Any) -> None:
    ids = tokenizer.encode("a\N{REPLACEMENT CHARACTER}b")
    assert put_together(ids, streamed([ids], tokenizer, spoken=False)).text == "a\N{REPLACEMENT CHARACTER}b"


def test_the_name_of_a_tool_comes_first(tokenizer: Any) -> None:
    events = streamed([[token] for token in tokenizer.encode(CALL.text)], tokenizer, spoken=False)
    assert events == [ToolCallName(0, "search"), ToolCallArguments(0, CALL.arguments), AnswerEnd(stopped=False)]


TEXT_IDS = st.integers(0, 767) | st.sampled_from([151657, 151658, 151643, 151666, 5000])
AUDIO_IDS = st.integers(151688, 158719)
MARKS = st.sampled_from([TTS_START, TTS_END, TTS_PAD, CODE_PAD, EOT])


@given(
    ids=st.lists(TEXT_IDS | AUDIO_IDS | MARKS, max_size=40),
    calls=st.integers(0, 2),
    positions=st.lists(st.integers(0, 40)),
    spoken=st.booleans(),
)
def test_a_stream_gives_what_all_ids_give(
    tokenizer: Any, ids: list[int], calls: int, positions: list[int], spoken: bool
) -> None:
    ids = [*ids, *tokenizer.encode("饕" + CALL.text) * calls]
    edges = [0, *sorted(position % (len(ids) + 1) for position in positions), len(ids)]
    pieces = [ids[start:end] for start, end in pairwise(edges)]
    whole = split_answer(ids, tokenizer, spoken=spoken)
    assert put_together(whole.ids, streamed(pieces, tokenizer, spoken=spoken)) == whole


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.integers(0, 6560)))
def test_what_is_interleaved_comes_apart_again(tokenizer: Any, text: str, codes: list[int]) -> None:
    text_ids = tokenizer.encode(text, split_special_tokens=True)
    answer = split_answer([*interleaved(text_ids, codes), TTS_END, EOT], tokenizer, spoken=True)
    assert answer.speech_text == tokenizer.decode(text_ids)
    assert answer.audio_codes == tuple(codes)
