"""How much the configurations of hosted services send at once: what their documentation allows, and no more."""

from collections.abc import Mapping

import numpy as np
import pytest

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_waveform
from evalkit.errors import PermanentError, TransientError
from tests.model_adapters.serving import asking, configured, outcomes

# By configuration, the largest WAV file in bytes: 25 MiB at OpenAI; what makes 10 MB of base64 for a chat, of one
# recording at DashScope and of the whole request at StepFun; 7 MiB for StepFun's recogniser.
_LARGEST: Mapping[str, int] = {
    "gpt_4o_transcribe": 25 << 20,
    "gpt_transcribe": 25 << 20,
    "qwen_omni_turbo": 7_500_000,
    "qwen3_omni_flash": 7_500_000,
    "qwen3_asr_flash": 7_500_000,
    "step_audio_2": 7_500_000,
    "step_audio_2_mini_hosted": 7_500_000,
    "stepfun_asr": 7 << 20,
}
_BESIDE = 1_000  # bytes: the head of the file, and what else stands in a request


def _silence(size: int) -> Audio:
    wav = wav_of_waveform(np.zeros(size // 2, np.float32), 16_000)
    return Audio("silence.wav", content=lambda: wav)


@pytest.mark.parametrize("name", _LARGEST)
def test_the_largest_recording_that_a_service_takes_is_sent_and_a_larger_one_is_not(name: str) -> None:
    model = configured(name, base_url="http://127.0.0.1:9/v1", api_key_variable=None)
    fits, too_large = (asking(_silence(_LARGEST[name] + more)) for more in (-_BESIDE, _BESIDE))
    tried, refused = outcomes(model, fits, too_large)
    assert isinstance(tried, TransientError), tried
    assert tried.unavailable
    assert isinstance(refused, PermanentError)
    assert str(refused).startswith("not sent: ")


@pytest.mark.parametrize(
    ("name", "most"), [("step_audio_2", 30), ("qwen_omni_turbo", 1), ("qwen3_omni_flash", 1), ("qwen3_asr_flash", 1)]
)
def test_no_more_recordings_are_sent_than_a_service_takes_in_a_request(name: str, most: int) -> None:
    model = configured(name, base_url="http://127.0.0.1:9/v1", api_key_variable=None)
    fits, too_many = (asking(*[_silence(3_200)] * number) for number in (most, most + 1))
    tried, refused = outcomes(model, fits, too_many)
    assert isinstance(tried, TransientError), tried
    assert isinstance(refused, PermanentError)
    assert str(refused) == (f"not sent: {most + 1} recordings, the service takes {most} (request_limits.recordings)")
