"""The thinking model: a thought that is asked for first, and that is no part of the answer."""

from collections.abc import Callable

import pytest

from evalkit.types import Message, Request
from model_adapters.step_audio_2.served import StepAudio2Server
from tests.model_adapters.serving import Backend, ask, asking
from tests.model_adapters.step_audio_2_exchange import MODEL, WEATHER, demo, exchange, silence
from tests.servers.backends import Answer, ServedRequest, Tokens
from tests.servers.faults import Fault, scripted_faults
from tests.servers.step_audio_answers import prompt_of, spoken
from tests.servers.step_audio_server import StepAudioServer

THOUGHT = "\nA woman, in a hurry.\n"
GREEDY = {"max_new_tokens": 256, "do_sample": False}


def _thinking(answer: str, thought: str = f"{THOUGHT}</think>\n\nand so on") -> Callable[[ServedRequest], Answer]:
    """A model that thinks on if nothing stops it."""

    def backend(request: ServedRequest) -> Answer:
        thinks = prompt_of(request).endswith("<think>")
        tokens = Tokens(100, 0, 30, 0) if thinks else Tokens(140, 0, 5, 0)
        return Answer((thought if thinks else answer,), tokens=tokens)

    return backend


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_thought_precedes_the_answer_and_is_no_part_of_it(stream: bool) -> None:
    backend = Backend(_thinking("Hello."))
    (response,) = exchange(backend, asking(demo(), generation=GREEDY), thinking=True, stream=stream)
    thought, answer = ({**request.fields} for request in backend.requests)
    assert thought["messages"][-1] == {"role": "assistant", "content": "<think>", "eot": False}
    assert (thought["stop"], thought["max_tokens"], thought["temperature"]) == (["</think>"], 2048, 0)
    assert "repetition_penalty" not in thought
    opening = f"<think>{THOUGHT}</think>\n\n"
    assert answer["messages"][-1] == {"role": "assistant", "content": opening, "eot": False}
    assert (answer["max_tokens"], answer["temperature"], answer["repetition_penalty"]) == (256, 0, 1.05)
    assert "stop" not in answer
    assert thought["messages"][:-1] == answer["messages"][:-1]
    assert prompt_of(backend.requests[1]).endswith(f"<|BOT|>assistant\n{opening}")
    assert (response.text, response.finish_reason) == ("Hello.", "stop")
    assert response.usage is not None
    usage = response.usage
    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (2, 240, 35)


def test_an_answer_in_speech_begins_after_the_thought() -> None:
    backend = Backend(_thinking(spoken("Hello.", [1, 2])))
    (response,) = exchange(backend, asking(output="speech"), thinking=True, synthesizer=silence)
    assert prompt_of(backend.requests[0]).endswith("assistant\n<think>")
    assert prompt_of(backend.requests[1]).endswith(f"assistant\n<think>{THOUGHT}</think>\n\n<tts_start>")
    assert response.text == "Hello."
    assert response.speech is not None


def test_a_thought_that_is_cut_short_is_closed() -> None:
    backend = Backend(_thinking("Hello.", "so much to say " * 2000))
    (response,) = exchange(backend, asking(), thinking=True)
    (_, answer) = backend.requests
    assert answer.messages[-1]["content"] == f"<think>{'so much to say ' * 511}so much to say</think>\n\n"
    assert response.text == "Hello."


def test_a_request_that_sets_its_own_repetition_penalty_or_stop_keeps_them_for_the_answer() -> None:
    backend = Backend(_thinking("Hello."))
    exchange(backend, asking(generation={"repetition_penalty": 1.2, "stop": ["\n"]}), thinking=True)
    thought, answer = backend.requests
    assert (thought.fields["stop"], answer.fields["stop"]) == (["</think>"], ["\n"])
    assert [request.fields["repetition_penalty"] for request in (thought, answer)] == [1.2, 1.2]


def test_a_thought_is_not_searched_for_by_beams() -> None:
    backend = Backend(_thinking("B"))
    exchange(backend, asking(generation={"num_beams": 2, "do_sample": False}), thinking=True)
    thought, answer = ({**request.fields} for request in backend.requests)
    assert not {"n", "best_of", "use_beam_search"} & set(thought)
    assert answer["use_beam_search"] is True


def test_a_call_that_is_only_thought_about_stays_in_the_thought() -> None:
    call = '<tool_call>function\nget_weather\n{"city": "Ulm"}</tool_call>'
    backend = Backend(_thinking("It will rain.", f"Perhaps {call}? No.</think>"))
    (response,) = exchange(backend, asking(tools=(WEATHER,)), thinking=True)
    assert [request.tools for request in backend.requests] == [[WEATHER], [WEATHER]]
    assert backend.requests[1].messages[-1]["content"] == f"<think>Perhaps {call}? No.</think>\n\n"
    assert (response.text, response.tool_calls) == ("It will rain.", ())


def test_thoughts_of_earlier_turns_are_not_repeated() -> None:
    said = spoken("Hello.", [1, 2])
    request = asking("Hi.", output="speech")
    (first,) = exchange(Backend(_thinking(said)), request, thinking=True, synthesizer=silence)
    later = Backend(_thinking("Nothing."))
    exchange(later, Request((*request.messages, first.message, Message("user", ("And?",)))), thinking=True)
    assert prompt_of(later.requests[0]) == (
        f"<|BOT|>human\nHi.<|EOT|><|BOT|>assistant\n<tts_start>{said}<|EOT|>"
        "<|BOT|>human\nAnd?<|EOT|><|BOT|>assistant\n<think>"
    )


def test_an_answer_that_fails_takes_its_thought_with_it() -> None:
    backend = Backend(_thinking("Hello."))
    with StepAudioServer(backend, faults=scripted_faults([None, Fault.TOO_MANY])) as server:
        model = StepAudio2Server(MODEL, server.base_url, thinking=True)
        with pytest.raises(Exception, match="HTTP 429"):
            ask(model, asking())
    assert len(backend.requests) == 1
