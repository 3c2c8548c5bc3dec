"""Speech in 8-bit numbers: layers against those in full precision, and the whole model against itself."""

import pytest
import torch
from torch import nn

from step_audio_2.errors import UnsupportedError
from step_audio_2.speech.flow_matching import FlowInput, FlowMatching
from step_audio_2.speech.int8_layers import Int8Conv1d, Int8Linear, check_int8
from tests.step_audio_2.golden import golden, golden_json, golden_state_dict
from tests.step_audio_2.int8 import skip_without_int8


@pytest.fixture(autouse=True)
def _processor_with_int8() -> None:
    skip_without_int8()


def of_speech(quantized: bool = False) -> FlowMatching:
    flow = FlowMatching.from_config(golden_json("flow_config")["flow"])
    flow.load_state_dict(golden_state_dict("flow"))
    return flow.quantize() if quantized else flow


def recorded_utterance() -> FlowInput:
    names = ("token", "prompt_token", "prompt_mel", "spk_emb")
    return FlowInput(*(torch.from_numpy(golden("flow_io")[name])[0] for name in names))


@torch.inference_mode()
def test_a_linear_layer_is_near_the_one_it_was_made_of() -> None:
    torch.manual_seed(1)
    linear, states = nn.Linear(256, 96), torch.randn(3, 40, 256)
    # Rows and outputs of very different size each have a scale of their own.
    linear.weight.data[5] *= 1000
    states[1] *= 1e-3
    made, expected = Int8Linear(linear.weight, torch.zeros(96))(states), states @ linear.weight.T
    for part in (slice(0, 1), slice(1, 2)):
        error = (made - expected)[part].norm(dim=(0, 1)) / expected[part].norm(dim=(0, 1))
        assert 0 < float(error.max()) < 0.015


@torch.inference_mode()
def test_a_row_does_not_depend_on_the_others_and_zeros_give_the_bias() -> None:
    torch.manual_seed(2)
    linear = nn.Linear(64, 32)
    layer, states = Int8Linear(linear.weight, linear.bias), torch.randn(20, 64)
    loud = torch.cat((states, 1e4 * torch.randn(5, 64)))
    assert torch.equal(layer(loud)[:20], layer(states))
    assert torch.equal(layer(torch.zeros(1, 64))[0], linear.bias)


@torch.inference_mode()
def test_a_convolution_is_near_the_one_it_was_made_of() -> None:
    torch.manual_seed(3)
    convolution, states = nn.Conv1d(48, 40, 3), torch.randn(2, 48, 30)
    made, expected = Int8Conv1d(convolution.weight, convolution.bias)(states), convolution(states)
    assert made.shape == expected.shape
    assert 0 < float((made - expected).norm() / expected.norm()) < 0.015


def test_speech_is_near_that_in_full_precision_whole_and_in_pieces() -> None:
    exact, fast, utterance = of_speech(), of_speech(quantized=True), recorded_utterance()
    prompt = (utterance.prompt_token[None], utterance.prompt_mel[None], utterance.speaker_embedding[None])
    token = utterance.token[None, :28]
    for mel, expected in (
        (model.inference(token, *prompt) for model in (fast, exact)),
        (model.extend(model.start(*prompt), token) for model in (fast, exact)),
    ):
        assert 0 < float((mel - expected).norm() / expected.norm()) < 0.02


def test_a_padded_batch_equals_each_alone() -> None:
    fast, long = of_speech(quantized=True), recorded_utterance()
    short = FlowInput(long.token[:20], long.prompt_token[:11], long.prompt_mel[:22] + 0.5, -long.speaker_embedding)
    for utterance, mel in zip((short, long), fast.inference_batch([short, long]), strict=True):
        alone = fast.inference_batch([utterance])[0]
        # Rounding in float32 may tip a number over to the next one, no more.
        assert float((mel - alone).norm() / alone.norm()) < 2e-3


def test_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedError, match="int8 is for the CPU; on cuda use float16 or bfloat16"):
        check_int8(torch.device("cuda"))
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    with pytest.raises(UnsupportedError, match="wants a processor with AVX-512 VNNI"):
        check_int8(torch.device("cpu"))
