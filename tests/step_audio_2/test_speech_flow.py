"""The flow model against recorded outputs of the published code, whole and in pieces."""

import numpy as np
import pytest
import torch

from step_audio_2.speech.flow_decoder import time_schedule
from step_audio_2.speech.flow_matching import FlowInput, FlowMatching
from tests.step_audio_2.golden import golden, golden_json, golden_state_dict


@pytest.fixture(scope="module")
def flow() -> FlowMatching:
    flow = FlowMatching.from_config(golden_json("flow_config")["flow"])
    flow.load_state_dict(golden_state_dict("flow"))
    return flow


def recorded(name: str) -> torch.Tensor:
    return torch.from_numpy(golden("flow_io")[name])


def prompt() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return recorded("prompt_token"), recorded("prompt_mel"), recorded("spk_emb")


def test_encoder_and_its_projection(flow: FlowMatching) -> None:
    tokens = torch.cat((recorded("prompt_token"), recorded("token")), dim=1)
    with torch.inference_mode():
        encoded = flow.encoder(flow.input_embedding(tokens))
        mu = flow.encoder_proj(encoded)
    np.testing.assert_allclose(encoded, recorded("enc_out"), atol=1e-4)
    np.testing.assert_allclose(mu, recorded("mu"), atol=1e-4)


def test_estimator_with_a_padding_mask(flow: FlowMatching) -> None:
    estimator = flow.decoder.estimator
    noisy, mu, prompt_mel = (recorded(f"dit_{name}").transpose(1, 2) for name in ("x", "mu", "cond"))
    with torch.inference_mode():
        conditions = estimator.condition(mu, recorded("dit_spks"), prompt_mel)
        (modulation,) = estimator.modulations(recorded("dit_t")[:1])
        velocity = estimator(noisy, conditions, modulation, recorded("dit_mask")[:, 0] > 0)
    expected = recorded("dit_out").transpose(1, 2)
    np.testing.assert_allclose(velocity[0], expected[0], atol=1e-4)
    np.testing.assert_allclose(velocity[1, :40], expected[1, :40], atol=1e-4)


def test_times(flow: FlowMatching) -> None:
    np.testing.assert_allclose(time_schedule(10), recorded("t_span"), atol=1e-6)
    with torch.inference_mode():
        embedded = flow.decoder.estimator.t_embedder(torch.tensor([0.0, 0.1, 0.5, 0.9]))
    np.testing.assert_allclose(embedded, recorded("t_emb"), atol=1e-4)


def test_whole_utterance(flow: FlowMatching) -> None:
    mel = flow.inference(recorded("token"), *prompt(), noise=recorded("rand_noise_first600"))
    np.testing.assert_allclose(mel, recorded("offline_mel"), atol=1e-4)


def test_pieces(flow: FlowMatching) -> None:
    noise, token = recorded("rand_noise_first600"), recorded("token")
    state = flow.start(*prompt(), noise=noise)
    history = torch.cat((state.encoder.lookahead, state.encoder.upsampled), dim=1).transpose(1, 2)
    np.testing.assert_allclose(history, recorded("setup_conformer_cnn_cache"), atol=1e-4)
    frames = recorded("setup_conformer_att_cache_shape")[3]
    assert {cache.frames * 2 for cache in state.encoder.layers} == {int(frames)}
    assert {cache.frames for cache in state.encoder.up_layers} == {int(frames)}
    # The original has 16 places for steps, of which it uses 10.
    assert state.estimator.attention.shape[1] == recorded("setup_estimator_att_cache_shape")[1]
    assert len(state.estimator.order) == recorded("setup_estimator_att_cache_shape")[4]
    assert state.estimator.convolution[0, 0].shape == (2, 2, 2, 64)

    size, count = int(recorded("stream_chunk_tokens")), int(recorded("stream_num_chunks"))
    for index, shape in enumerate(recorded("stream_att_cache_shapes_after_trim").tolist()):
        begin, last = index * size, index == count - 1
        piece = token[:, begin:] if last else token[:, begin : begin + size + 3]
        mel = flow.extend(state, piece, last, noise)
        np.testing.assert_allclose(mel, recorded(f"stream_mel_{index}"), atol=2e-4)
        assert len(state.estimator.order) == shape[4]


@pytest.mark.parametrize("begun", [False, True])
def test_a_cloned_state_leaves_its_original_as_it_was(flow: FlowMatching, begun: bool) -> None:
    state, token = flow.start(*prompt()), recorded("token")
    if begun:
        flow.extend(state, token[:, :20])
    first, second, third = (state.clone() for _ in range(3))
    mels = [flow.extend(first, token[:, 20:40])]
    flow.extend(second, token[:, 40:60])
    mels.append(flow.extend(first, token[:, 40:], last=True))
    for mel, again in zip(mels, (token[:, 20:40], token[:, 40:]), strict=True):
        expected = flow.extend(third, again, last=again.shape[1] > 20)
        torch.testing.assert_close(mel, expected, atol=0, rtol=0)


def test_a_padded_batch_of_two_voices_equals_each_alone(flow: FlowMatching) -> None:
    prompt_token, prompt_mel, embedding = (tensor[0] for tensor in prompt())
    token = recorded("token")[0]
    utterances = [
        FlowInput(token[:20], prompt_token, prompt_mel, embedding),
        FlowInput(token, prompt_token[:11], prompt_mel[:22] + 0.5, -embedding),
        FlowInput(token[30:31], prompt_token[5:30], prompt_mel[10:60], embedding.flip(0)),
    ]
    together = flow.inference_batch(utterances)
    for utterance, mel in zip(utterances, together, strict=True):
        assert mel.shape == (80, 2 * len(utterance.token))
        torch.testing.assert_close(mel, flow.inference_batch([utterance])[0], atol=1e-4, rtol=0)


def test_the_seed_decides_about_the_noise() -> None:
    fields = golden_json("flow_config")["flow"]
    first, second, third = (FlowMatching.from_config(fields, seed).noise for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert first.shape == (1, 80, 30_000)


def test_half_precision_is_near_full(flow: FlowMatching) -> None:
    fast = FlowMatching.from_config(golden_json("flow_config")["flow"], precision=torch.bfloat16)
    fast.load_state_dict(golden_state_dict("flow"))
    token = recorded("token")[:, :20]
    mel, expected = fast.inference(token, *prompt()), flow.inference(token, *prompt())
    assert mel.dtype == torch.float32
    assert 0 < float((mel - expected).abs().mean()) < 0.05
    pieces, expected = (model.extend(model.start(*prompt()), token, True) for model in (fast, flow))
    assert 0 < float((pieces - expected).abs().mean()) < 0.05


def test_an_unknown_precision() -> None:
    with pytest.raises(ValueError, match="precision is torch.float64; one of torch.float32, torch.float16, "):
        FlowMatching.from_config(golden_json("flow_config")["flow"], precision=torch.float64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token": torch.tensor([[6561]])}, "code 6561 is out of range: codes are 0 to 6560"),
        ({"prompt_token": torch.tensor([[-1] * 40])}, "code -1 is out of range"),
        ({"prompt_mel": torch.zeros(1, 79, 80)}, r"has the shape \[79, 80\]; its 40 codes make it \[80, 80\]"),
        ({"speaker_embedding": torch.zeros(1, 191)}, r"has the shape \[191\]; \[192\] is wanted"),
        ({"noise": torch.zeros(1, 80, 213)}, "noise for 213 mel frames; 214 are wanted"),
    ],
)
def test_bad_input(flow: FlowMatching, changes: dict[str, torch.Tensor], message: str) -> None:
    names = ("prompt_token", "prompt_mel", "speaker_embedding")
    arguments = {"token": recorded("token")} | dict(zip(names, prompt(), strict=True)) | changes
    with pytest.raises(ValueError, match=message):
        flow.inference(**arguments)


def test_pieces_that_are_too_short(flow: FlowMatching) -> None:
    prompt_token, prompt_mel, embedding = prompt()
    with pytest.raises(ValueError, match="the prompt has 2 codes; at least 3 are wanted"):
        flow.start(prompt_token[:, :2], prompt_mel[:, :4], embedding)
    state = flow.start(*prompt())
    with pytest.raises(ValueError, match="a piece has 3 codes; more than 3 are wanted"):
        flow.extend(state, recorded("token")[:, :3])
