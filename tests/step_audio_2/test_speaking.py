"""Speech that is heard while the answer is still being generated."""

from pathlib import Path

import pytest
import torch

from step_audio_2.answers import AnswerEnd, AudioCodes
from step_audio_2.assistant import Assistant
from step_audio_2.chat import Message, Question
from step_audio_2.checkpoint import DEFAULT_VOICE, TOKEN2WAV
from step_audio_2.speaking import Sound, speak
from step_audio_2.special_tokens import END_OF_TURN, FIRST_AUDIO_CODE
from step_audio_2.speech import Token2Wav

pytestmark = pytest.mark.slow

QUESTION = Question([Message("user", "Say something long.")], spoken=True)


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint: Path) -> Assistant:
    """Speaks mostly in codes, for as long as it may."""
    assistant = Assistant.from_pretrained(tiny_checkpoint)
    with torch.no_grad():
        assistant.model.lm_head.weight[FIRST_AUDIO_CODE : FIRST_AUDIO_CODE + 512] *= 2
        assistant.model.lm_head.weight[END_OF_TURN] = 0
    return assistant


@pytest.fixture(scope="module")
def token2wav(tiny_checkpoint: Path) -> Token2Wav:
    return Token2Wav.from_pretrained(tiny_checkpoint / TOKEN2WAV)


def test_sound_comes_before_the_answer_is_whole_and_adds_up_to_it(
    assistant: Assistant, token2wav: Token2Wav, tiny_checkpoint: Path
) -> None:
    voice = tiny_checkpoint / DEFAULT_VOICE
    events = list(speak(assistant, QUESTION, token2wav, voice, max_new_tokens=120))
    ((reply,),) = assistant.answer([QUESTION], max_new_tokens=120)
    codes = [code for event in events if isinstance(event, AudioCodes) for code in event.codes]
    assert tuple(codes) == reply.answer.audio_codes
    assert len(codes) > 60
    sounds = [event for event in events if isinstance(event, Sound)]
    assert len(sounds) > 2
    assert [sound.seconds for sound in sounds] == sorted(sound.seconds for sound in sounds)
    first = events.index(sounds[0])
    assert sum(isinstance(event, AudioCodes) for event in events[first:]) > 10, "there was more to come"
    assert isinstance(events[-1], AnswerEnd)
    waveform = torch.cat([sound.waveform for sound in sounds])
    assert len(waveform) == 960 * len(codes)
    whole = token2wav.stream(voice)
    assert waveform.equal(torch.cat([whole.feed(codes), whole.flush()]))


def test_an_answer_without_codes_makes_no_sound(tiny_checkpoint: Path, token2wav: Token2Wav) -> None:
    silent = Assistant.from_pretrained(tiny_checkpoint)
    with torch.no_grad():
        silent.model.lm_head.weight[FIRST_AUDIO_CODE:] = 0
    events = list(speak(silent, QUESTION, token2wav, tiny_checkpoint / DEFAULT_VOICE, max_new_tokens=8))
    assert not any(isinstance(event, Sound | AudioCodes) for event in events)
    assert isinstance(events[-1], AnswerEnd)
