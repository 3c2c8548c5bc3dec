"""The encoder, the adaptor and the decoder against the recorded outputs of the original."""

from typing import Any

import pytest
import torch

from step_audio_2.log_mel import log_mel_spectrogram, padded_mels, pieces
from step_audio_2.model import StepAudio2ForCausalLM
from tests.step_audio_2.golden import golden
from tests.step_audio_2.test_log_mel import waveform

# Which recordings each recorded prompt hears.
HEARD = {"one": (0,), "two": (0, 1), "batch2": (1, 0, 1), "long": (2,), "text": ()}


def mels_of(*numbers: int) -> list[torch.Tensor]:
    """Spectrograms of all pieces of recordings of the golden files."""
    return [log_mel_spectrogram(piece) for number in numbers for piece in pieces(waveform(number))]


def inputs(name: str) -> dict[str, torch.Tensor]:
    """A recorded prompt as the model takes it."""
    recorded = golden("llm_outputs")
    arguments = {"input_ids": torch.from_numpy(recorded[f"{name}_input_ids"]).long()}
    if name != "text":
        arguments["attention_mask"] = torch.from_numpy(recorded[f"{name}_attention_mask"]).long()
        arguments["mels"], arguments["mel_lengths"] = padded_mels(mels_of(*HEARD[name]))
    return arguments


@pytest.mark.parametrize(("name", "number", "piece"), [("0_0", 0, 0), ("1_0", 1, 0), ("2_0", 2, 0), ("2_1", 2, 1)])
def test_audio_is_encoded_as_by_the_original(
    golden_model: StepAudio2ForCausalLM, name: str, number: int, piece: int
) -> None:
    recorded = golden("encoder")
    mels, lengths = padded_mels([mels_of(number)[piece]])
    frames = lengths + 2
    with torch.no_grad():
        encoded = golden_model.encoder(mels, frames, lengths)[0]
        embeddings, counts = golden_model.encode_audio(mels, lengths)
    assert (encoded - torch.from_numpy(recorded[f"enc{name}"])).abs().max() < 1e-5
    assert counts.tolist() == recorded[f"adp{name}_len"].tolist()
    assert (embeddings[0] - torch.from_numpy(recorded[f"adp{name}"])).abs().max() < 1e-5


def test_an_embedding_does_not_depend_on_the_batch_unless_asked_to_as_in_the_original(
    golden_model: StepAudio2ForCausalLM,
) -> None:
    recorded = golden("encoder")
    order = [tuple(pair) for pair in recorded["batch_order"]]
    names = [f"{number}_{piece}" for number, piece in order]
    mels, lengths = padded_mels([mels_of(number)[piece] for number, piece in order])
    assert lengths.tolist() == recorded["batch_wav_lens"].tolist()
    try:
        for padded, source in ((False, "adp"), (True, "batch_adp")):
            golden_model.padded_audio = padded
            with torch.no_grad():
                embeddings, counts = golden_model.encode_audio(mels, lengths)
            assert counts.tolist() == recorded["batch_adp_len"].tolist()
            for row, name in enumerate(names):
                expected = torch.from_numpy(recorded[f"{source}{name}"])[: counts[row]]
                assert (embeddings[row, : counts[row]] - expected).abs().max() < 1e-5
    finally:
        golden_model.padded_audio = False
    # The two differ, and so the switch is tested.
    alone, together = recorded["adp2_1"][12], recorded["batch_adp2_1"][12]
    assert abs(alone - together).max() > 0.1


@pytest.mark.parametrize("name", ["one", "two", "batch2", "long", "text"])
def test_logits_are_those_of_the_original(golden_model: StepAudio2ForCausalLM, name: str) -> None:
    recorded = golden("llm_outputs")
    arguments = inputs(name)
    # The recorded prompt with two pieces of one recording had them in one padded batch.
    golden_model.padded_audio = name == "long"
    try:
        with torch.no_grad():
            logits = golden_model(**arguments).logits[..., torch.from_numpy(recorded["logit_ids"])]
    finally:
        golden_model.padded_audio = False
    expected = torch.from_numpy(recorded["long_logits_last8" if name == "long" else f"{name}_logits"])
    difference = (logits[:, -expected.shape[1] :] - expected).abs()
    if "attention_mask" in arguments:
        difference = difference[arguments["attention_mask"][:, -expected.shape[1] :].bool()]
    assert difference.max() < 2e-4


@pytest.mark.parametrize("penalty", ["", "_rep1.05", "_rep1.6"])
@pytest.mark.parametrize("name", ["one", "two"])
def test_greedy_tokens_are_those_of_the_original(golden_model: StepAudio2ForCausalLM, name: str, penalty: str) -> None:
    arguments = inputs(name)
    sequences = golden_model.generate(
        **arguments,
        max_new_tokens=24,
        do_sample=False,
        repetition_penalty=float(penalty.removeprefix("_rep") or 1),
        eos_token_id=151665,
    )
    length = arguments["input_ids"].shape[1]
    assert sequences[:, :length].equal(arguments["input_ids"])
    assert sequences[0, length:].tolist() == golden("llm_outputs")[f"gen_{name}{penalty}"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mels": None}, "2 audio blocks, but there are no mels"),
        ({"one mel": True}, "2 audio blocks, but there are 1 spectrograms"),
        ({"mel_lengths": torch.tensor([0, 400])}, r"between 1 and 400.*\[0, 400\]"),
        ({"mel_lengths": torch.tensor([130, 401])}, "between 1 and 400"),
        ({"mel_lengths": torch.tensor([130])}, "one for each of 2 spectrograms"),
        ({"cut": 60}, "more places than its row has"),
    ],
)
def test_audio_that_does_not_fit_the_prompt_is_refused(
    golden_model: StepAudio2ForCausalLM, change: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = inputs("two")
    if change.pop("one mel", False):
        arguments |= {"mels": arguments["mels"][:1], "mel_lengths": arguments["mel_lengths"][:1]}
    if cut := change.pop("cut", None):
        arguments |= {name: arguments[name][:, :cut] for name in ("input_ids", "attention_mask")}
    with pytest.raises(ValueError, match=message):
        golden_model(**(arguments | change))


def test_a_spectrogram_longer_than_the_table_of_positions_is_refused(golden_model: StepAudio2ForCausalLM) -> None:
    with pytest.raises(ValueError, match="3002 frames; 3000 is the most"):
        golden_model.encode_audio(torch.zeros(1, 128, 3002), torch.tensor([3000]))


def test_half_precision_stays_near(golden_model: StepAudio2ForCausalLM, golden_folder: Any) -> None:
    model = StepAudio2ForCausalLM.from_pretrained(golden_folder, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    with torch.no_grad():
        half = model(**inputs("two")).logits[0, -1].float()
        whole = golden_model(**inputs("two")).logits[0, -1]
    assert torch.nn.functional.cosine_similarity(half, whole, dim=0) > 0.99
