"""Generation: batches that change nothing, sampling by seeds, beams, stops and streams."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from transformers import (
    CompileConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from step_audio_2.generation import batch, new_tokens, stop_criterion, stream
from step_audio_2.log_mel import audio_token_count, log_mel_spectrogram
from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.sampling import Sampling, SeededChoice
from step_audio_2.special_tokens import AUDIO_END, AUDIO_PATCH, AUDIO_START, END_OF_TURN, PAD

SECONDS = ((), (1.3,), (4.0, 0.5), (0.02, 7.0, 2.2), (2.6,), (), (0.7, 0.7), (9.9,))


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> StepAudio2ForCausalLM:
    return StepAudio2ForCausalLM.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def questions() -> list[tuple[list[int], list[torch.Tensor]]]:
    """16 prompts of different lengths: text only, one block of audio, several, one of no places."""
    made = []
    for number in range(16):
        generator = torch.Generator().manual_seed(number)
        ids = torch.randint(0, 700, (3 + 5 * number,), generator=generator).tolist()
        mels = []
        for seconds in SECONDS[number % len(SECONDS)]:
            samples = round(16_000 * seconds)
            loudness = torch.linspace(0, 0.3, samples)
            mels.append(log_mel_spectrogram(loudness * torch.randn(samples, generator=generator)))
            ids += [AUDIO_START, *[AUDIO_PATCH] * audio_token_count(mels[-1].shape[1]), AUDIO_END, 7]
        made.append((ids, mels))
    return made


def answers(
    model: StepAudio2ForCausalLM, questions: Sequence[tuple[list[int], list[torch.Tensor]]], **settings: Any
) -> list[list[int]]:
    inputs = batch([ids for ids, _ in questions], [mels for _, mels in questions], PAD)
    sequences = model.generate(**inputs, eos_token_id=END_OF_TURN, **{"max_new_tokens": 20, **settings})
    padding = PAD if "stop_strings" in settings else None
    return new_tokens(sequences, inputs["input_ids"].shape[1], [END_OF_TURN], padding)


GREEDY: dict[str, Any] = {"do_sample": False}
SAMPLED: dict[str, Any] = {"do_sample": True, "temperature": 0.8, "top_p": 0.9}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        GREEDY,
        {**GREEDY, "repetition_penalty": 1.3},
        {**GREEDY, "num_beams": 3, "repetition_penalty": 1.3, "max_new_tokens": 8},
    ],
)
def test_sixteen_together_get_the_answers_that_each_gets_alone(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]], settings: dict[str, Any]
) -> None:
    together = answers(model, questions, **settings)
    assert together == [answers(model, [question], **settings)[0] for question in questions]
    assert len({tuple(answer) for answer in together}) == len(together)
    assert len({len(answer) for answer in together}) > 1, "answers of different lengths are wanted here"


def test_a_static_cache_changes_no_token(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    assert answers(model, questions, **GREEDY, cache_implementation="static") == answers(model, questions, **GREEDY)


@pytest.mark.slow
def test_decoding_is_one_graph_that_is_compiled_once(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    # What is compiled on CUDA, put through all but the code generator.
    compiling = CompileConfig(backend="eager", mode=None, fullgraph=True)
    compiling._compile_all_devices = True
    settings: dict[str, Any] = {**GREEDY, "cache_implementation": "static", "max_cache_len": 512}
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    for few in (questions[:4], questions[4:8]):
        assert answers(model, few, **settings, compile_config=compiling) == answers(model, few, **GREEDY)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_where_a_row_ends() -> None:
    rows = torch.tensor([[1, 2, 9, PAD, PAD], [1, PAD, 3, PAD, PAD], [1, 2, 3, 4, 5]])
    assert new_tokens(rows, 1, [9]) == [[2, 9], [PAD, 3, PAD, PAD], [2, 3, 4, 5]]
    assert new_tokens(rows, 1, [9], PAD) == [[2, 9], [PAD, 3], [2, 3, 4, 5]]
    assert new_tokens(rows, 1, [PAD]) == [[2, 9, PAD], [PAD], [2, 3, 4, 5]]


def test_padding_on_either_side_changes_no_token(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    inputs = batch([ids for ids, _ in questions], [mels for _, mels in questions], PAD)
    on_the_left = dict(inputs)
    for name in ("input_ids", "attention_mask"):
        on_the_left[name] = torch.stack(
            [row.roll(-int(mask.sum())) for row, mask in zip(inputs[name], inputs["attention_mask"], strict=True)]
        )
    settings: dict[str, Any] = {**GREEDY, "max_new_tokens": 12, "eos_token_id": END_OF_TURN}
    one, other = (model.generate(**arguments, **settings)[:, -12:] for arguments in (inputs, on_the_left))
    assert one.equal(other)


def test_embeddings_of_sixteen_are_those_of_each(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    inputs = batch([ids for ids, _ in questions], [mels for _, mels in questions], PAD)
    with torch.no_grad():
        together = model.embed(inputs["input_ids"], inputs["mels"], inputs["mel_lengths"])
        for row, (ids, mels) in enumerate(questions):
            alone = batch([ids], [mels], PAD)
            expected = model.embed(alone["input_ids"], alone.get("mels"), alone.get("mel_lengths"))[0]
            assert (together[row, : len(ids)] - expected).abs().max() < 1e-5


@pytest.mark.slow
def test_each_step_without_a_cache_gives_the_same_tokens(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    for ids, mels in questions[1:4]:
        arguments = batch([ids], [mels], PAD)
        arguments.pop("attention_mask")
        for _ in range(8):
            with torch.no_grad():
                logits = model(**arguments, use_cache=False).logits
            arguments["input_ids"] = torch.cat([arguments["input_ids"], logits[:, -1:].argmax(-1)], dim=1)
        straight = arguments["input_ids"][0, len(ids) :].tolist()
        cached = answers(model, [(ids, mels)], **GREEDY, max_new_tokens=8)[0]
        assert cached == straight[: len(cached)]
        assert len(cached) == 8 or cached[-1] == END_OF_TURN


def test_a_beam_of_a_prompt_with_several_recordings_hears_them_in_their_order(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    # The original gives beams of such a prompt each other's recordings: its scores are then not those of the prompt.
    ids, mels = questions[3]
    assert len(mels) == 3
    answer = answers(model, [(ids, mels)], **GREEDY, num_beams=4, max_new_tokens=5, length_penalty=0.0)[0]

    def log_probability(tokens: list[int]) -> float:
        arguments = batch([[*ids, *tokens]], [mels], PAD)
        with torch.no_grad():
            steps = model(**arguments).logits[0, len(ids) - 1 : -1].log_softmax(-1)
        return float(steps.gather(1, torch.tensor(tokens)[:, None]).sum())

    greedy = answers(model, [(ids, mels)], **GREEDY, max_new_tokens=5)[0]
    assert log_probability(answer) >= log_probability(greedy) - 1e-4


@pytest.mark.slow
def test_a_sampled_answer_depends_on_its_seed_and_on_nothing_beside(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    seeds = list(range(100, 116))
    together = answers(model, questions, **SAMPLED, seeds=seeds)
    torch.manual_seed(5)
    alone = [
        answers(model, [question], **SAMPLED, seeds=[seed])[0] for question, seed in zip(questions, seeds, strict=True)
    ]
    assert together == alone
    assert answers(model, questions, **SAMPLED, seeds=[seed + 1 for seed in seeds]) != together
    assert together != answers(model, questions, **GREEDY)


@pytest.mark.parametrize(("top_k", "top_p"), [(5, 1.0), (0, 0.6), (50, 0.3), (3, 0.9)])
def test_seeded_choices_follow_the_distribution_that_transformers_samples_from(top_k: int, top_p: float) -> None:
    scores = torch.randn(1, 40, generator=torch.Generator().manual_seed(0)) * 2
    warpers: list[LogitsProcessor] = [TemperatureLogitsWarper(0.7)]
    warpers += [TopKLogitsWarper(top_k)] if top_k else []
    warpers += [TopPLogitsWarper(top_p)] if top_p < 1 else []
    expected = LogitsProcessorList(warpers)(torch.tensor([[0]]), scores)[0].softmax(0)
    draws = 20_000
    choice = SeededChoice(range(draws), Sampling(temperature=0.7, top_k=top_k, top_p=top_p))
    drawn = choice(torch.zeros(draws, 1), scores.expand(draws, -1)).argmax(1)
    shares = torch.bincount(drawn, minlength=40) / draws
    assert not shares[expected == 0].any()
    # Five standard deviations of a share.
    assert ((shares - expected).abs() <= 5 * (expected * (1 - expected) / draws).sqrt()).all()


@pytest.mark.parametrize("setting", [{"temperature": 0.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_sampling_settings_out_of_their_range_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="temperature is"):
        Sampling(**setting)


def test_scores_are_given_where_they_are_asked_for(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    inputs = batch([ids for ids, _ in questions[:3]], [mels for _, mels in questions[:3]], PAD)
    settings: dict[str, Any] = {**GREEDY, "max_new_tokens": 4, "eos_token_id": END_OF_TURN}
    output = model.generate(**inputs, **settings, return_dict_in_generate=True, output_logits=True)
    assert output.sequences.equal(model.generate(**inputs, **settings))
    assert torch.stack(output.logits).argmax(-1)[0].equal(output.sequences[:, inputs["input_ids"].shape[1]])


def test_beams_cannot_be_sampled_from_seeds(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    with pytest.raises(ValueError, match="num_beams=1 or do_sample=false"):
        answers(model, questions[:1], **SAMPLED, num_beams=2, seeds=[0])


def test_what_stops_at_texts_is_made_once_for_a_tokenizer(tokenizer: Any) -> None:
    assert stop_criterion(tokenizer, ("a",)) is stop_criterion(tokenizer, ("a",))
    assert stop_criterion(tokenizer, ("a",)) is not stop_criterion(tokenizer, ("b",))


def test_a_stop_string_ends_its_row_alone(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]], tokenizer: Any
) -> None:
    free = answers(model, questions, **GREEDY)
    words = [tokenizer.decode(token) for answer in free for token in answer[2:-2]]
    stop = next(word for word in words if word.isascii() and len(word.strip()) > 1)
    stopped = answers(model, questions, **GREEDY, stop_strings=[stop], tokenizer=tokenizer)
    for whole, cut in zip(free, stopped, strict=True):
        ends = [end for end in range(1, len(whole) + 1) if stop in tokenizer.decode(whole[:end])]
        assert cut == whole[: ends[0] if ends else None]
    assert any(len(cut) < len(whole) for whole, cut in zip(free, stopped, strict=True))
    assert any(cut == whole for whole, cut in zip(free, stopped, strict=True))


def test_a_stream_gives_the_tokens_of_the_whole_one_step_at_a_time(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    inputs = batch([ids for ids, _ in questions[:3]], [mels for _, mels in questions[:3]], PAD)
    settings: dict[str, Any] = {**GREEDY, "max_new_tokens": 9, "eos_token_id": END_OF_TURN}
    steps = list(stream(model, **inputs, **settings))
    whole = model.generate(**inputs, **settings)[:, inputs["input_ids"].shape[1] :]
    assert torch.tensor(steps).T.equal(whole)


def test_a_stream_that_nobody_reads_on_stops_generating(
    model: StepAudio2ForCausalLM, questions: list[tuple[list[int], list[torch.Tensor]]]
) -> None:
    computed = []
    hook = model.lm_head.register_forward_hook(lambda *_: computed.append(1))
    try:
        steps = stream(model, **batch([questions[0][0]], [[]], PAD), max_new_tokens=5_000, eos_token_id=PAD - 1)
        next(steps)
        steps.close()
    finally:
        hook.remove()
    assert len(computed) < 5_000


def test_a_model_may_write_what_begins_audio(tiny_checkpoint: Path) -> None:
    model = StepAudio2ForCausalLM.from_pretrained(tiny_checkpoint)
    with torch.no_grad():
        model.lm_head = torch.nn.Linear(32, model.config.text_config.vocab_size)
        model.lm_head.bias.zero_()
        model.lm_head.bias[AUDIO_START] = 1
        model.lm_head.weight.zero_()
    assert answers(model, [([1, 2], [])], **GREEDY, max_new_tokens=4) == [[AUDIO_START] * 4]


def test_errors_of_a_stream_reach_its_reader(model: StepAudio2ForCausalLM) -> None:
    with pytest.raises(ValueError, match="no mels"):
        next(stream(model, input_ids=torch.tensor([[AUDIO_START, AUDIO_END]]), max_new_tokens=2))
    with pytest.raises(ValueError, match="beam search cannot be streamed"):
        next(stream(model, input_ids=torch.tensor([[1]]), num_beams=2))
