"""Voices of the library transformers: tiny checkpoints in the form of the published ones, with random weights."""

from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError, DataError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request, Response
from tests.model_adapters.tiny_checkpoints import save_bark, save_vits, save_whisper

transformers = pytest.importorskip("transformers")

from model_adapters.transformers.tts import TransformersTts  # noqa: E402 - after the library is known to be there

TEXTS = ("I saw 2 geese.", "it's late", "a much longer sentence, to make a batch of unequal lengths")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vits(tmp_path_factory.mktemp("vits"))


def saying(text: str, attempt: int = 0) -> Request:
    return Request((Message("user", (text,)),), output="speech", attempt=attempt)


def spoken(response: Response) -> bytes:
    assert response.failure is None
    assert response.speech is not None
    return response.speech.encoded()


def test_a_batch_is_spoken_as_each_text_alone(checkpoint: Path) -> None:
    voice = TransformersTts(str(checkpoint))
    together = voice.generate([saying(text) for text in TEXTS])
    alone = [voice.generate([saying(text)])[0] for text in reversed(TEXTS)]
    assert [spoken(response) for response in together] == [spoken(response) for response in reversed(alone)]
    assert [response.text for response in together] == list(TEXTS)
    assert len({spoken(response) for response in together}) == len(TEXTS)


def test_what_is_drawn_comes_from_the_seed_and_from_nothing_else(checkpoint: Path) -> None:
    import torch

    first, other = (TransformersTts(str(checkpoint), seed=seed) for seed in (0, 1))
    request = saying(TEXTS[0])
    sound = spoken(first.generate([request])[0])
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    assert spoken(first.generate([request])[0]) == sound
    assert torch.equal(torch.random.get_rng_state(), before), "other models' random numbers are left alone"
    assert spoken(other.generate([request])[0]) != sound
    assert spoken(first.generate([saying(TEXTS[0], attempt=1)])[0]) != sound


@pytest.mark.parametrize(("text", "missing"), [("你好", "你 好"), ("I am 45.", "4 5"), ("naïve", "ï")])
def test_what_the_alphabet_lacks_is_no_silence_but_a_failure(checkpoint: Path, text: str, missing: str) -> None:
    (response,) = TransformersTts(str(checkpoint)).generate([saying(text)])
    assert response.failure is not None
    assert response.failure.message == f"the voice's alphabet does not have {missing}"
    assert response.speech is None


def test_characters_may_be_left_out_and_are_noted(checkpoint: Path) -> None:
    voice = TransformersTts(str(checkpoint), unknown_characters="leave_out")
    part, nothing = voice.generate([saying("I am 45."), saying("你好")])
    assert part.notes == ("not in the voice's alphabet, left out: 4 5",)
    assert spoken(part)
    assert nothing.failure is not None, "of which nothing would be left"


def test_it_is_an_adapter_like_any_other(checkpoint: Path) -> None:
    voice = TransformersTts(str(checkpoint), languages=["en"])
    check_adapter(voice, [saying(text) for text in TEXTS])
    assert voice.capabilities.refusal(saying("Guten Tag"), "de") == "does not take the language 'de'"
    assert voice.capabilities.refusal(Request((Message("user", ("hello",)),)), None) == "does not write"
    with pytest.raises(DataError, match="a voice takes a text"):
        voice.generate([Request((Message("user", ("",)),), output="speech")])
    voice.close()


def test_a_checkpoint_that_does_not_speak_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a checkpoint of type 'whisper' makes no speech of text by itself"):
        TransformersTts(str(save_whisper(tmp_path / "whisper")))
    (tmp_path / "config.json").write_text('{"model_type": "speecht5"}')
    with pytest.raises(ConfigurationError, match="type 'speecht5' makes no speech of text by itself"):
        TransformersTts(str(tmp_path))  # it wants a vocoder beside it
    with pytest.raises(ConfigurationError, match="unknown_characters"):
        TransformersTts(str(checkpoint), unknown_characters="drop")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="nothing: no such folder, nor a name on the Hugging Face hub"):
        TransformersTts(str(tmp_path / "nothing"))


def test_a_voice_without_trained_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_vits(tmp_path)
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "conv_post" not in name}
    save_file(kept, folder / "model.safetensors")
    with pytest.raises(ConfigurationError, match="no trained weights for .*conv_post"):
        TransformersTts(str(folder))


@pytest.mark.slow
def test_bark_which_generates_speaks_alike_for_the_same_seed(tmp_path: Path) -> None:
    voice, other = (TransformersTts(str(save_bark(tmp_path)), seed=seed) for seed in (0, 1))
    first, again = (spoken(voice.generate([saying("hello")])[0]) for _ in range(2))
    assert first == again
    assert spoken(other.generate([saying("hello")])[0]) != first
    greedy = TransformersTts(str(tmp_path), synthesis={"do_sample": False})
    assert spoken(greedy.generate([saying("hello")])[0]) != first
