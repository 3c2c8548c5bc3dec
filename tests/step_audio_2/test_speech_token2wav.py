"""Codes to speech, end to end: against recorded sound, in batches, and piece by piece."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from step_audio_2.speech.flow_matching import FlowMatching, FlowState
from step_audio_2.speech.noise import Noise, SourceNoise
from step_audio_2.speech.pcm import to_pcm16
from step_audio_2.speech.streaming import SpeechStream
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.speech.vocoder import HiFTVocoder
from step_audio_2.speech.vocoder_stream import VocoderStream, fade_window
from step_audio_2.speech.voice import Voice, VoiceError
from step_audio_2.testing.tiny_token2wav import write_tiny_token2wav
from tests.step_audio_2.golden import golden, golden_json, golden_state_dict

GENERATOR = np.random.default_rng(5)
TOKENS = GENERATOR.integers(0, 6561, 90).tolist()


@pytest.fixture(scope="module")
def recorded_model() -> Token2Wav:
    flow = FlowMatching.from_config(golden_json("flow_config")["flow"])
    flow.load_state_dict(golden_state_dict("flow"))
    vocoder = HiFTVocoder.from_config(golden_json("hift_config"))
    vocoder.load_state_dict(golden_state_dict("hift"))
    return Token2Wav(flow, vocoder.fold_weights())


@pytest.fixture(scope="module")
def recorded_voice() -> Voice:
    flow = golden("flow_io")
    return Voice("recorded", *(torch.from_numpy(flow[name]) for name in ("prompt_token", "prompt_mel", "spk_emb")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_token2wav(tmp_path_factory.mktemp("tiny") / "token2wav")


@pytest.fixture(scope="module")
def token2wav(folder: Path) -> Token2Wav:
    return Token2Wav.from_pretrained(folder)


def write_prompt(path: Path, seconds: float, rate: int = 24_000, channels: int = 1, pitch: float = 220.0) -> Path:
    times = np.arange(int(seconds * rate)) / rate
    sound = 0.3 * np.sin(2 * math.pi * pitch * times) * (1 + np.sin(2 * math.pi * 3 * times)) / 2
    soundfile.write(path, np.repeat(sound[:, None], channels, axis=1), rate)
    return path


@pytest.fixture(scope="module")
def voices(token2wav: Token2Wav, tmp_path_factory: pytest.TempPathFactory) -> list[Voice]:
    folder = tmp_path_factory.mktemp("voices")
    lengths = ((1.3, 220.0), (0.9, 140.0), (2.0, 300.0))
    return [
        token2wav.voice(write_prompt(folder / f"{index}.wav", seconds, pitch=pitch))
        for index, (seconds, pitch) in enumerate(lengths)
    ]


def recorded_noise(name: str | None = None) -> Noise:
    sound = golden("token2wav_io")
    parts = [name] if name else [f"sine_noise_{index}" for index in range(int(sound["num_chunks"]))]
    source = torch.from_numpy(np.concatenate([sound[part][0] for part in parts]))
    return Noise(torch.from_numpy(golden("flow_io")["rand_noise_first600"]), source)


def test_whole_utterance_equals_recorded(recorded_model: Token2Wav, recorded_voice: Voice) -> None:
    tokens = golden("flow_io")["token"][0].tolist()
    waveform = recorded_model(tokens, recorded_voice, recorded_noise("offline_sine_noise"))
    expected = golden("token2wav_io")["offline_wav"][0]
    assert waveform.shape == expected.shape
    np.testing.assert_allclose(waveform * 32767, expected * 32767, atol=3)


def test_pieces_equal_recorded(recorded_model: Token2Wav, recorded_voice: Voice) -> None:
    sound = golden("token2wav_io")
    stream = recorded_model.stream(recorded_voice, recorded_noise())
    tokens = golden("flow_io")["token"][0].tolist()
    for index in range(int(sound["num_chunks"])):
        last = bool(sound[f"last_{index}"])
        fed, tokens = (tokens[: 25 + 3 * (index == 0)], tokens[25 + 3 * (index == 0) :])
        waveform = stream.feed(fed)
        if last:
            assert len(waveform) == 0
            waveform = stream.flush()
        np.testing.assert_allclose(to_pcm16(waveform), sound[f"pcm_{index}"], atol=3)
        kept: Any = stream._vocoder
        np.testing.assert_allclose(kept.mel, sound[f"hift_cache_mel_{index}"], atol=2e-4)
        np.testing.assert_allclose(kept.source, sound[f"hift_cache_source_{index}"], atol=1e-4)
        np.testing.assert_allclose(kept.speech, sound[f"hift_cache_speech_{index}"], atol=1e-4)


def test_a_batch_of_voices_equals_each_alone(token2wav: Token2Wav, voices: list[Voice]) -> None:
    # Some of like length, which share a batch and are padded, and some that do not.
    utterances = [TOKENS[:30], TOKENS[30:], [], TOKENS[:1], TOKENS[:26]]
    speakers = [voices[0], voices[1], voices[0], voices[2], voices[0]]
    together = token2wav.synthesize(utterances, speakers)
    for tokens, voice, waveform in zip(utterances, speakers, together, strict=True):
        assert len(waveform) == 960 * len(tokens)
        torch.testing.assert_close(waveform, token2wav(tokens, voice), atol=1e-4, rtol=0)
    assert not torch.allclose(together[0], token2wav(TOKENS[:30], voices[1]), atol=1e-3)


def test_the_seed_makes_a_run_repeatable(folder: Path, voices: list[Voice]) -> None:
    first, second, other = (Token2Wav.from_pretrained(folder, seed=seed) for seed in (1, 1, 2))
    tokens, voice = TOKENS[:10], voices[0]
    assert torch.equal(first(tokens, voice), first(tokens, voice))
    assert torch.equal(first(tokens, voice), second(tokens, voice))
    assert not torch.equal(first(tokens, voice), other(tokens, voice))


def streamed(stream: SpeechStream, tokens: list[int], size: int) -> list[Tensor]:
    pieces = [stream.feed(tokens[begin : begin + size]) for begin in range(0, len(tokens), size)]
    return [*pieces, stream.flush()]


@pytest.mark.parametrize("count", [0, 1, 25, 27, 28, 52, 53, 90])
def test_a_stream_has_960_samples_a_code_however_it_is_fed(
    token2wav: Token2Wav, voices: list[Voice], count: int
) -> None:
    tokens = TOKENS[:count]
    by_seven = torch.cat(streamed(token2wav.stream(voices[0]), tokens, 7))
    at_once = torch.cat(streamed(token2wav.stream(voices[0]), tokens, 1000))
    assert len(by_seven) == 960 * count
    assert torch.equal(by_seven, at_once)


def test_when_pieces_come(token2wav: Token2Wav, voices: list[Voice]) -> None:
    stream = token2wav.stream(voices[0])
    lengths = [len(stream.feed([token])) for token in TOKENS]
    spoken = {index + 1: length for index, length in enumerate(lengths) if length}
    assert spoken == {28: 20_160, 53: 24_000, 78: 24_000}
    assert len(stream.flush()) == 960 * 90 - 68_160


def test_a_shorter_first_piece_is_heard_earlier(token2wav: Token2Wav, voices: list[Voice]) -> None:
    early = Token2Wav(token2wav.flow, token2wav.vocoder, first_chunk=10)
    stream = early.stream(voices[0])
    lengths = [len(stream.feed([token])) for token in TOKENS]
    assert {index + 1: length for index, length in enumerate(lengths) if length} == {
        13: 10 * 960 - 3840,
        38: 24_000,
        63: 24_000,
        88: 24_000,
    }
    assert sum(lengths) + len(stream.flush()) == 960 * len(TOKENS)
    assert torch.equal(
        torch.cat(streamed(early.stream(voices[0]), TOKENS, 7)),
        torch.cat(streamed(early.stream(voices[0]), TOKENS, 90)),
    )


def test_fewer_steps(folder: Path, recorded_model: Token2Wav, recorded_voice: Voice, voices: list[Voice]) -> None:
    flow, vocoder, prompt = recorded_model.flow, recorded_model.vocoder, recorded_voice
    mel = flow.inference(
        torch.tensor([TOKENS[:10]]), prompt.prompt_token, prompt.prompt_mel, prompt.speaker_embedding, timesteps=5
    )
    expected = recorded_model._sound([mel[0]], SourceNoise(0))[0]
    torch.testing.assert_close(Token2Wav(flow, vocoder, timesteps=5)(TOKENS[:10], prompt), expected)
    assert not torch.allclose(recorded_model(TOKENS[:10], prompt), expected, atol=1e-3)
    assert len(Token2Wav.from_pretrained(folder, timesteps=5)._prompt_state(voices[0], None).modulations) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timesteps": 0}, "timesteps is 0; 1 or more are wanted"),
        ({"first_chunk": 4}, "first_chunk is 4; 5 to 25 codes are wanted"),
        ({"first_chunk": 26}, "first_chunk is 26"),
        ({"precision": torch.int8, "device": "meta"}, "int8 is for the CPU; on meta"),
    ],
)
def test_options_that_cannot_be(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Token2Wav.from_pretrained(folder, **options)


@pytest.mark.parametrize("first_chunk", [5, 25])
def test_no_clicks_where_pieces_meet(recorded_model: Token2Wav, recorded_voice: Voice, first_chunk: int) -> None:
    tokens = golden("flow_io")["token"][0].tolist() * 2
    model = Token2Wav(recorded_model.flow, recorded_model.vocoder, first_chunk=first_chunk)
    pieces = [piece for piece in streamed(model.stream(recorded_voice), tokens, 5) if len(piece)]
    waveform = torch.cat(pieces)
    borders = np.cumsum([len(piece) for piece in pieces])[:-1]
    jumps = waveform.diff().abs().numpy()
    at_borders = max(jumps[border - 2 : border + 2].max() for border in borders)
    assert len(borders) == 5 if first_chunk == 25 else 6
    assert at_borders < np.quantile(jumps, 0.999)


class Moody:
    """A vocoder of a calm tone that sits at another level every time it is asked, and keeps to its source."""

    def __init__(self) -> None:
        self.level = 0.25
        self.made = torch.empty(0)

    def __call__(self, mel: Tensor, source_cache: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        samples = 480 * int(mel[0, 0, 0]) + torch.arange(480 * mel.shape[2])
        if source_cache is not None:
            assert torch.equal(source_cache[0, 0], self.made[samples[:3840]])
        self.made = torch.cat((self.made[: samples[0]], torch.randn(len(samples))))
        self.level = -self.level
        return (torch.sin(samples * (2 * math.pi * 100 / 24_000)) / 2 + self.level)[None], self.made[samples][
            None, None
        ]


def test_the_window_equals_recorded() -> None:
    np.testing.assert_allclose(fade_window(torch.device("cpu")), golden("hift_io")["fade_window"], atol=1e-6)


def test_pieces_fade_into_each_other() -> None:
    stream = VocoderStream(Moody(), SourceNoise(0))  # type: ignore[arg-type]
    mels = [torch.arange(begin, end).repeat(1, 80, 1).float() for begin, end in ((0, 50), (50, 100), (100, 102))]
    pieces = [stream.extend(mel, mel is mels[-1]) for mel in mels]
    assert [len(piece) for piece in pieces] == [20_160, 24_000, 4_800]
    jumps = torch.cat(pieces).diff().abs()
    # The level changes by half; the window begins and ends at 0.08.
    assert float(jumps.max()) < 0.08 * 0.5 + 0.03
    assert float(torch.cat(pieces).abs().max()) < 1.08 * 0.75


def test_streams_of_one_voice_do_not_disturb_each_other(token2wav: Token2Wav, voices: list[Voice]) -> None:
    first, second = token2wav.stream(voices[0]), token2wav.stream(voices[0])
    mixed = [torch.cat([first.feed(TOKENS[:60])]), second.feed(TOKENS[30:]), first.flush(), second.flush()]
    alone = token2wav.stream(voices[0])
    assert torch.equal(torch.cat([alone.feed(TOKENS[:60]), alone.flush()]), torch.cat([mixed[0], mixed[2]]))


def test_a_prompt_is_taken_in_once(
    token2wav: Token2Wav, voices: list[Voice], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = Token2Wav(token2wav.flow, token2wav.vocoder, token2wav._voices)
    started = []
    start = model.flow.start

    def counted(*arguments: Any) -> FlowState:
        started.append(1)
        return start(*arguments)

    monkeypatch.setattr(model.flow, "start", counted)
    for _ in range(3):
        model.stream(voices[0]).feed(TOKENS)
    assert len(started) == 1
    path = write_prompt(tmp_path / "prompt.wav", 1.0)
    voice = model.voice(str(path))
    assert model.voice(path) is voice
    write_prompt(path, 1.2)
    assert model.voice(path) is not voice


def test_padding_codes_are_passed_over(token2wav: Token2Wav, voices: list[Voice]) -> None:
    padded = [6561, *TOKENS[:5], 6561, *TOKENS[5:10], 6561]
    expected = token2wav(TOKENS[:10], voices[0])
    assert torch.equal(token2wav(padded, voices[0]), expected)
    assert torch.equal(token2wav(torch.tensor(padded), voices[0]), expected)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([0, 1, 6562], "code 6562 at place 2 is out of range: codes are 0 to 6560, and 6561 is padding"),
        ([-1], "code -1 at place 0"),
        ([0.5], "codes must be whole numbers in one dimension, not torch.float32"),
        ([[1, 2]], r"codes must be whole numbers in one dimension, not torch.int64 of shape \[1, 2\]"),
        ([1] * 15_000, "noise for 30000 mel frames"),
    ],
)
def test_bad_codes(token2wav: Token2Wav, voices: list[Voice], tokens: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        token2wav(tokens, voices[0])
    if "noise" not in message:
        with pytest.raises(ValueError, match=message):
            token2wav.stream(voices[0]).feed(tokens)


def test_bad_use(token2wav: Token2Wav, voices: list[Voice], recorded_model: Token2Wav) -> None:
    with pytest.raises(ValueError, match="1 utterances and 2 voices"):
        token2wav.synthesize([[1]], voices[:2])
    stream = token2wav.stream(voices[0])
    stream.flush()
    for call in (stream.flush, lambda: stream.feed([1])):
        with pytest.raises(ValueError, match="the utterance is over"):
            call()
    with pytest.raises(ValueError, match="noise for 100 samples is left; 960 are wanted"):
        token2wav([1], voices[0], Noise(source=torch.zeros(100, 9)))
    with pytest.raises(VoiceError, match="no speech tokenizer"):
        recorded_model([1], "prompt.wav")


def test_bad_prompts(token2wav: Token2Wav, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no sound")
    write_prompt(tmp_path / "nothing.wav", 0)
    write_prompt(tmp_path / "blip.wav", 0.1)
    soundfile.write(tmp_path / "broken.wav", np.full(24_000, np.nan, np.float32), 24_000, subtype="FLOAT")
    for name, message in {
        "": "no such file",
        "missing.wav": "the prompt cannot be read (No such file or directory)",
        "empty.wav": "cannot be read as audio",
        "text.wav": "cannot be read as audio",
        "nothing.wav": "the prompt lasts 0.00 s; at least 0.2 s of speech are wanted",
        "blip.wav": "the prompt lasts 0.10 s",
        "broken.wav": "holds samples that are not finite numbers",
    }.items():
        with pytest.raises(VoiceError) as caught:
            token2wav([1], tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: {message}")
        assert "\n" not in str(caught.value)


def test_long_prompts_serve_whole_utterances_only(token2wav: Token2Wav, tmp_path: Path) -> None:
    long, longest = write_prompt(tmp_path / "long.wav", 17.2), write_prompt(tmp_path / "longest.wav", 17)
    assert len(token2wav([1, 2], long)) == 1920
    with pytest.raises(VoiceError, match=r"long.wav: the prompt lasts 17.2 s; 17 s is the longest"):
        token2wav.stream(long)
    token2wav.stream(longest)


def test_what_a_voice_is_made_of(token2wav: Token2Wav, tmp_path: Path) -> None:
    """The first channel gives the codes and the speaker, the mean of all the spectrogram."""
    mono = token2wav.voice(write_prompt(tmp_path / "mono.wav", 1.5, rate=48_000))
    samples, rate = soundfile.read(tmp_path / "mono.wav")
    soundfile.write(tmp_path / "stereo.wav", np.column_stack([samples, np.zeros_like(samples)]), rate)
    stereo = token2wav.voice(tmp_path / "stereo.wav")
    codes = mono.prompt_token.shape[1]
    assert codes == math.ceil(150 / 4)
    assert mono.prompt_mel.shape == (1, 2 * codes, 80)
    assert torch.equal(mono.prompt_token, stereo.prompt_token)
    assert torch.equal(mono.speaker_embedding, stereo.speaker_embedding)
    loud = mono.prompt_mel > -6
    difference = (mono.prompt_mel - stereo.prompt_mel)[loud].mean()
    assert float(difference) == pytest.approx(math.log(2), abs=0.01)


def test_pcm_is_clipped_and_cut_towards_zero() -> None:
    pcm = to_pcm16(torch.tensor([-2.0, -0.99999, -0.00001, 0.00004, 0.5, 2.0]))
    assert pcm.dtype == np.int16
    assert pcm.tolist() == [-32767, -32766, 0, 1, 16383, 32767]
