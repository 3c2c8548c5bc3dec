"""The model that says back what it hears."""

from evalkit.types import Message, Request
from model_adapters.stand_ins.echo import Echo
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.conftest import asking

FIRST, LAST = (asking(DEMO_SPEECH / "audio" / f"clean-slt-0{number}.flac") for number in (1, 2))


def spoken(*messages: Message) -> Request:
    return Request(messages, output="speech")


def test_the_last_recording_is_said_back_without_a_word() -> None:
    conversation = spoken(*FIRST.messages, Message("assistant", ("Yes?",)), *LAST.messages)
    one, other = Echo().generate([conversation, spoken(*FIRST.messages)])
    assert [one.speech, other.speech] == [LAST.audio[0], FIRST.audio[0]]
    assert [one.text, one.tool_calls, one.error] == ["", (), None]


def test_what_cannot_be_heard_is_answered_with_silence() -> None:
    [response] = Echo().generate([spoken(Message("user", ("Read this.",)))])
    assert response.speech is None
    assert not response.failed


def test_it_is_asked_to_speak_only() -> None:
    capabilities = Echo().capabilities
    assert capabilities.refusal(FIRST, "en") == "does not write"
    assert capabilities.refusal(spoken(*FIRST.messages), "zh") is None
