"""What is asked when a voice is to change, and what similarities are made of."""

import pytest

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.types import Message, Response, Sample, ToolCall
from tasks.tool_loop import Questions, VoiceChange
from tasks.tool_loop.voice import read_embedding
from tests.chains import calls_of, score_of
from tests.tasks.tool_loop.talker import FOLDER, SAMPLES, call_of, offline_tools, result_of

SAMPLE = SAMPLES["voices-en-1"]
BEFORE, AFTER = Response("The sea.", speech=Audio("speech/1.flac")), Response("Aye.", speech=Audio("speech/2.flac"))
CALLED = Response(tool_calls=(ToolCall("timbre_rag", '{"query": "\\u82cf\\u683c\\u5170\\u53e3\\u97f3"}'),))
FOUND = Response("你的音色已经更新完成，请继续对话。", speech=Audio("speech/found.flac"))


def task() -> VoiceChange:
    return VoiceChange(name="voice", title="Voice", dataset=Questions(FOLDER, kinds=["voices"]))


def embeddings(*vectors: str) -> list[Response]:
    return [Response(vector) for vector in vectors]


def test_the_voice_that_was_found_goes_along_and_all_voices_are_compared() -> None:
    asked = calls_of(task(), SAMPLE, [BEFORE, CALLED, FOUND, AFTER, *embeddings("[1, 0]", "[1, 0]", "[1, 0]")])
    assert [call.role for call in asked] == ["model", "model", "tools", "model", *["speaker_encoder"] * 4]
    # The model reads the fixed sentence alone, and its adapter is given the sound beside.
    assert asked[3].request.messages[-1] == Message(
        "tool", ("你的音色已经更新完成，请继续对话。", FOUND.speech or ""), tool_call_id="call-3-0"
    )
    assert [message.role for message in asked[3].request.messages] == ["user", "assistant", "user", "assistant", "tool"]
    assert [call.request.audio[0].locator for call in asked[4:]] == [
        "speech/2.flac",
        "speech/1.flac",
        "voices/scottish_man.flac",
        "controls/scottish_man.flac",
    ]


def test_the_similarity_to_the_voice_asked_for_is_set_against_that_to_the_voice_before() -> None:
    # After the change, before, the voice that was asked for, and another recording of it.
    said = embeddings("[3, 4]", "[4, 3]", "[0, 2]", "[0, 1]")
    statistics = score_of(task(), SAMPLE, [BEFORE, CALLED, FOUND, AFTER, *said]).statistics
    assert statistics["voice_changed"] == (0, 1), "0.8 to the voice asked for, 0.96 to the voice before"
    assert statistics["target_similarity"] == pytest.approx((0.8, 1))
    assert statistics["similarity_rise"] == pytest.approx((0.2, 1))
    assert statistics["call_accuracy"] == (1, 1)
    assert statistics["encoder_check"] == (1, 1)
    changed = embeddings("[0, 5]", "[1, 0]", "[0, 2]", "[9, 0]")
    statistics = score_of(task(), SAMPLE, [BEFORE, CALLED, FOUND, AFTER, *changed]).statistics
    assert statistics["voice_changed"] == (1, 1)
    assert statistics["encoder_check"] == (0, 1), "two recordings of one speaker are not alike"


@pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES.values() if "voices" in sample.id], ids=lambda sample: sample.id
)
def test_the_voices_that_are_asked_for_are_found(sample: Sample) -> None:
    called = call_of(sample)
    assert called is not None
    [*_, asked] = calls_of(task(), sample, [BEFORE, Response(tool_calls=(called,))])
    found = result_of(offline_tools(), asked.request)
    assert found.text == FOUND.text
    assert found.speech is not None
    assert found.speech.digest() == sample.audio[2].digest()
    statistics = score_of(task(), sample, [BEFORE, Response(tool_calls=(called,)), found, Response()]).statistics
    assert statistics["call_accuracy"] == (1, 1)


def test_a_model_that_calls_nothing_or_says_nothing_has_not_changed_its_voice() -> None:
    quiet = score_of(task(), SAMPLE, [BEFORE, Response("I changed it.")]).statistics
    assert quiet["voice_changed"] == (0, 1)
    assert quiet["similarity_rise"] == (0, 0)
    assert quiet["call_accuracy"] == (0, 1)
    assert score_of(task(), SAMPLE).statistics["voice_changed"] == (0, 1)


def test_another_voice_is_no_right_call() -> None:
    wrong = Response(tool_calls=(ToolCall("timbre_rag", '{"query": "小姑娘"}'),))
    statistics = score_of(task(), SAMPLE, [BEFORE, wrong, FOUND, Response("silence")]).statistics
    assert statistics["call_accuracy"] == (0, 1)


@pytest.mark.parametrize(
    "reply", ["", "no", "[]", "[0, 0]", "[NaN, 1]", "[true]", '["1"]', "{}", f"[1{'0' * 400}]", "[" * 9999]
)
def test_what_is_no_vector_fails_the_sample(reply: str) -> None:
    assert read_embedding(reply) is None
    score = score_of(task(), SAMPLE, [BEFORE, CALLED, FOUND, AFTER, Response(reply)])
    assert score.failure is not None
    assert score.failure.kind == "unreadable_reply"
    assert score.statistics["voice_changed"] == (0, 1)


def test_vectors_of_unlike_length_are_not_compared() -> None:
    score = score_of(task(), SAMPLE, [BEFORE, CALLED, FOUND, AFTER, *embeddings("[1, 2]", "[1, 2, 3]")])
    assert score.failure is not None


def test_a_voice_is_spoken() -> None:
    with pytest.raises(ConfigurationError, match="answer_mode must be speech"):
        VoiceChange(name="voice", title="Voice", dataset=Questions(FOLDER), answer_mode="text")
