"""Chat checkpoints of the library transformers, on tiny ones with random weights that are loaded like real ones."""

import dataclasses
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import configs
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request
from model_adapters.transformers.chat import TransformersChat
from model_adapters.transformers.conversation import model_inputs
from tests.model_adapters.conftest import ChatAdapter, ChatCheckpoint, noise
from tests.model_adapters.tiny_chat_models import BUILDERS, NEEDS, WINDOW, prompt_of

SECONDS = (1.3, 0.7, 1.9, 0.4, 1.3)
SHORT = {"max_new_tokens": 8}
AT_HAND = [family for family in BUILDERS if family not in NEEDS]


def asking(path: Path, *instructions: str, **settings: Any) -> Request:
    return Request((Message("user", (Audio(path.name, path), *instructions)),), generation={**SHORT, **settings})


@pytest.fixture
def questions(tmp_path: Path) -> list[Request]:
    """The same about noises of several lengths; two are equally long."""
    paths = [noise(tmp_path / f"{seed}.wav", seconds, seed=seed) for seed, seconds in enumerate(SECONDS)]
    return [asking(path) for path in paths]


def texts(adapter: TransformersChat, *requests: Request) -> list[str]:
    return [response.text for response in adapter.generate(requests)]


def let_write(adapter: TransformersChat, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Have the network write these answers, whatever it is asked, and fill up the shorter ones."""
    import torch

    tokenizer = adapter._processor.tokenizer

    def generate(input_ids: Any, **_: Any) -> Any:
        written = tokenizer(list(answers), padding=True, padding_side="right", return_tensors="pt")["input_ids"]
        return torch.cat([input_ids, written.long()], dim=1)

    monkeypatch.setattr(adapter._model, "generate", generate)


@pytest.mark.parametrize("family", BUILDERS)
def test_a_mixed_batch_gives_what_each_recording_gives_alone(
    family: str, chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    adapter = chat_adapter(family)
    check_adapter(adapter, questions)
    answers = adapter.generate(questions)
    if family != "gemma_4":  # its random weights write one token, whatever they hear
        assert len({answer.text for answer in answers}) > 2
    sound = [answer.usage.input_audio_tokens for answer in answers if answer.usage is not None]
    assert all(sound)
    assert family == "gemma_3n" or sound[2] == max(sound) > min(sound) == sound[3]


def gap(adapter: TransformersChat, requests: Sequence[Request]) -> float:
    """How far the logits of the next token lie apart in a batch and alone, at most, as a share of the largest."""
    import torch

    def logits(*together: Request) -> Any:
        with torch.inference_mode():
            return adapter._model(**adapter._inputs(together)).logits[:, -1]

    batch, alone = logits(*requests), torch.cat([logits(request) for request in requests])
    return float((batch - alone).abs().max() / alone.abs().max())


@pytest.mark.parametrize("family", BUILDERS)
def test_padding_changes_the_next_token_where_the_table_of_families_says_so_and_nowhere_else(
    family: str, chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    """Random weights repeat themselves, so that equal answers alone would prove little."""
    adapter = chat_adapter(family)
    found = gap(adapter, questions)
    assert found > 1e-4 if adapter._family.equal_lengths else found < 1e-5, found


@pytest.mark.parametrize("family", AT_HAND)
def test_a_recording_of_another_rate_with_two_channels_is_heard_as_any(
    family: str, chat_adapter: ChatAdapter, tmp_path: Path
) -> None:
    """The processors take samples as they are: they would hear it three times as long, and two channels not at all."""
    low = np.sin(np.arange(48_000) * 0.01)
    soundfile.write(tmp_path / "stereo.wav", np.stack([low, low], axis=1), 48_000)
    soundfile.write(tmp_path / "mono.wav", low[::3], 16_000)
    stereo, mono = chat_adapter(family).generate([asking(tmp_path / f"{name}.wav") for name in ("stereo", "mono")])
    assert stereo.usage == mono.usage


def test_texts_are_padded_on_the_left_though_the_tokenizer_would_not(chat_adapter: ChatAdapter) -> None:
    adapter = chat_adapter("qwen2_audio")
    requests = [Request((Message("user", (words,)),)) for words in ("Hello?", "Is there anybody who hears this?")]
    assert adapter._inputs(requests)["attention_mask"][0].tolist()[0] == 0
    assert adapter._processor.tokenizer.padding_side == "right"


def test_silence_follows_the_longest_recording_where_the_last_frame_would_change(
    chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    adapter = chat_adapter("qwen3_asr")
    features = model_inputs(adapter._processor, adapter._family, [questions[1]])
    bare = dataclasses.replace(adapter._family, trailing_silence=False)
    reflected = model_inputs(adapter._processor, bare, [questions[1]])
    frames = int(reflected["input_features_mask"].sum())
    assert frames == int(features["input_features_mask"].sum())
    difference = (features["input_features"][..., :frames] - reflected["input_features"][..., :frames]).abs()
    assert difference[..., :-1].max() < 1e-6 < difference[..., -1].max()


def test_only_equally_long_recordings_share_a_batch_where_padding_changes_answers(
    chat_adapter: ChatAdapter, questions: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = chat_adapter("qwen2_audio")
    expected = texts(adapter, *questions)
    batches: list[int] = []
    answer = adapter._answer

    def watched(batch: Sequence[Request]) -> Any:
        batches.append(len(batch))
        return answer(batch)

    monkeypatch.setattr(adapter, "_answer", watched)
    assert texts(adapter, *questions) == expected
    monkeypatch.setattr(adapter, "_family", dataclasses.replace(adapter._family, equal_lengths=True))
    assert texts(adapter, *questions) == expected
    assert batches == [5, 2, 1, 1, 1]


@pytest.mark.parametrize("family", AT_HAND)
def test_the_library_has_nothing_to_say_about_how_it_is_called(
    family: str, chat_adapter: ChatAdapter, questions: list[Request], library_warnings: Callable[[], list[str]]
) -> None:
    """It warns of settings of a processor in the wrong place, and of what a next version does away with."""
    adapter = chat_adapter(family)
    library_warnings()
    adapter.generate(questions[:2])
    assert library_warnings() == []


@pytest.mark.parametrize("family", AT_HAND)
def test_a_checkpoint_that_would_sample_is_decoded_greedily(
    family: str, tmp_path: Path, chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    sampling = {"do_sample": True, "temperature": 5.0, "top_k": 0, "repetition_penalty": 9.0, "max_new_tokens": 3}
    folder = BUILDERS[family](tmp_path / "sampling", **sampling)
    assert json.loads((folder / "generation_config.json").read_text())["do_sample"] is True
    assert texts(TransformersChat(str(folder), device="cpu"), *questions) == texts(chat_adapter(family), *questions)


def test_sampled_answers_depend_on_the_seed_and_the_question_and_on_no_batch(
    chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    adapter, other = chat_adapter("qwen2_audio"), chat_adapter("qwen2_audio", seed=1)
    drawn = [
        dataclasses.replace(question, generation={**SHORT, "temperature": 2.0}, replies=3) for question in questions
    ]
    together = adapter.generate(drawn)
    assert adapter.generate([drawn[2]]) == [together[2]]
    assert together[2].replies[0] == together[2].text
    assert len(set(together[2].replies)) == 3
    assert other.generate([drawn[2]])[0].text != together[2].text
    greedy = dataclasses.replace(questions[2], generation={**SHORT, "temperature": 0})
    assert texts(adapter, greedy) == texts(adapter, questions[2])


def test_the_longest_recording_is_what_the_processor_leaves_whole(chat_adapter: ChatAdapter, tmp_path: Path) -> None:
    """The engine cuts what is longer, and says so; the processors cut without a word, or with one to nobody."""
    limits = {family: chat_adapter(family).capabilities.longest_audio for family in AT_HAND}
    # The limit of the last two is 2.5 windows, of which they keep whole ones.
    windows = {"qwen2_audio": 1, "qwen2_5_omni": 4, "audio_flamingo_3": 2, "glm_asr": 2}
    expected = {family: WINDOW * count for family, count in windows.items()}
    assert limits == {**expected, "qwen3_asr": None, "qwen3_omni": None}
    for family, limit in limits.items():
        longest, longer = (asking(noise(tmp_path / f"{s}.wav", s)) for s in (limit or WINDOW, (limit or WINDOW) + 1))
        heard = [
            answer.usage.input_audio_tokens
            for answer in chat_adapter(family).generate([longest, longer])
            if answer.usage
        ]
        assert (heard[0] == heard[1]) is (limit is not None)
    narrower = chat_adapter("qwen2_audio", longest_audio=1.5, beyond="splits").capabilities
    assert (narrower.longest_audio, narrower.beyond) == (1.5, "splits")
    assert chat_adapter("qwen2_audio", longest_audio=99).capabilities.longest_audio == WINDOW


@pytest.mark.parametrize("family", AT_HAND)
@pytest.mark.parametrize("samples", [1, 150, 300])
def test_the_shortest_recording_is_answered(
    family: str, samples: int, chat_adapter: ChatAdapter, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "moment.wav", np.full(samples, 0.1), 16_000)
    [answer] = chat_adapter(family).generate([asking(tmp_path / "moment.wav")])
    assert answer.usage is not None
    assert answer.usage.input_audio_tokens >= 1


def test_the_prompt_of_qwen2_audio_is_that_of_its_template(chat_adapter: ChatAdapter, questions: list[Request]) -> None:
    adapter, audio = chat_adapter("qwen2_audio"), questions[0].audio[0]
    sound = "<|audio_bos|><|AUDIO|><|audio_eos|>"
    asked = Request((Message("user", (audio, "What is this?")),))
    assert prompt_of(adapter, asked) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\nAudio 1: {sound}\nWhat is this?<|im_end|>\n<|im_start|>assistant\n"
    )
    talked = Request(
        (
            Message("system", ("Be brief.",)),
            Message("user", (audio,)),
            Message("assistant", ("Noise.", Audio("spoken.wav"))),
            Message("user", ("And this?", questions[1].audio[0])),
        )
    )
    assert prompt_of(adapter, talked) == (
        f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nAudio 1: {sound}\n<|im_end|>\n"
        f"<|im_start|>assistant\nNoise.<|im_end|>\n<|im_start|>user\nAnd this?Audio 2: {sound}\n<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_recognisers_are_asked_as_their_authors_ask_them(chat_adapter: ChatAdapter, questions: list[Request]) -> None:
    [message] = questions[0].messages
    in_chinese = dataclasses.replace(questions[0], language="wuu")  # which it knows as Chinese
    context = Request((Message("system", ("Names: Ann",)), message), language="en")
    qwen = chat_adapter("qwen3_asr")
    user = "<|im_start|>user\n<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n<|im_start|>assistant\n"
    assert prompt_of(qwen, questions[0]) == user
    assert prompt_of(qwen, in_chinese) == f"{user}language Chinese<asr_text>"
    assert prompt_of(qwen, context) == (f"<|im_start|>system\nNames: Ann<|im_end|>\n{user}language English<asr_text>")
    assert "<|end_of_audio|>Please transcribe this audio into text<" in prompt_of(chat_adapter("glm_asr"), questions[0])
    worded = asking(Path(questions[0].audio[0].path or ""), "Write it down.")
    assert "<|end_of_audio|>Write it down.<" in prompt_of(chat_adapter("glm_asr"), worded)


def test_fun_asr_nano_is_told_the_language_in_chinese(chat_adapter: ChatAdapter, questions: list[Request]) -> None:
    hinted = dataclasses.replace(questions[0], language="en")
    assert "<|object_ref_start|>语音转写成英文：<" in prompt_of(chat_adapter("fun_asr_nano"), hinted)


def test_a_language_that_a_recogniser_cannot_be_told_is_that_samples_failure(
    chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    requests = [dataclasses.replace(questions[0], language="cy"), questions[1]]
    refused, answered = chat_adapter("qwen3_asr").generate(requests)
    assert refused.error == (
        "the model cannot be told the language 'cy'; model.prompts.asr.language_hint=false leaves it to find out"
    )
    assert not answered.failed


def test_as_many_recordings_as_a_family_takes(chat_adapter: ChatAdapter, questions: list[Request]) -> None:
    (first,), (second,) = questions[0].audio, questions[1].audio
    both = Request((Message("user", (first, second)),), generation=SHORT)
    none = Request((Message("user", ("Hello?",)),), generation=SHORT)
    assert [answer.failed for answer in chat_adapter("qwen2_audio").generate([both, questions[0], none])] == [False] * 3
    flamingo = chat_adapter("audio_flamingo_3").generate([both, questions[0], none])
    assert [answer.error for answer in flamingo] == [
        "the model takes 1 recording in a conversation, this one has 2", None, None,
    ]  # fmt: skip
    asr = chat_adapter("qwen3_asr").generate([both, none])
    assert [answer.error for answer in asr] == [
        f"the model transcribes exactly one recording, this request has {count}" for count in (2, 0)
    ]


@pytest.mark.parametrize("family", AT_HAND)
def test_words_that_would_stand_for_a_recording_cost_their_own_sample_its_answer(
    family: str, chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    adapter = chat_adapter(family)
    token = adapter._processor.audio_token
    named = asking(Path(questions[0].audio[0].path or ""), f"What is {token}?")
    refused, answered = adapter.generate([named, questions[1]])
    assert refused.error == f"the words of the question hold {token}, which stands for a recording"
    assert not answered.failed


@pytest.mark.parametrize("family", ["qwen2_audio", "qwen2_5_omni", "qwen3_omni"])
def test_each_of_several_recordings_stays_with_its_own_question(
    family: str, chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    adapter = chat_adapter(family)
    first, second, third = (question.audio[0] for question in questions[:3])
    pairs = [
        Request((Message("user", ("One:", one, "Two:", two)),), generation=SHORT)
        for one, two in ((first, second), (second, first), (third, first))
    ]
    assert texts(adapter, *pairs) == [texts(adapter, pair)[0] for pair in pairs]
    assert gap(adapter, pairs) < 1e-5


def test_the_frame_of_a_transcript_is_removed_and_that_of_no_other_answer(
    chat_adapter: ChatAdapter, questions: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What removes it also takes the full stop of an answer without a frame, and quotes that belong to it."""
    adapter = chat_adapter("audio_flamingo_3")
    asked = [Request((Message("user", ("Transcribe the input speech.", *each.audio)),)) for each in questions[:2]]
    let_write(
        adapter, monkeypatch, 'The spoken content of the audio is "so it is".<|im_end|>', "A dog barks.<|im_end|>"
    )
    assert texts(adapter, *asked) == ["so it is", "A dog barks"]
    assert texts(adapter, *questions[:2]) == ['The spoken content of the audio is "so it is".', "A dog barks."]


def test_the_language_before_a_transcript_of_qwen3_asr_is_removed(
    chat_adapter: ChatAdapter, questions: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = chat_adapter("qwen3_asr")
    let_write(adapter, monkeypatch, "language English<asr_text>so it is<|im_end|>", "language None<asr_text><|im_end|>")
    assert texts(adapter, *questions[:2]) == ["so it is", ""]


def test_an_answer_may_begin_after_a_transcript(
    chat_adapter: ChatAdapter, questions: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = chat_adapter("qwen2_audio")
    let_write(adapter, monkeypatch, "你好。\nEnglish: Hello.<|im_end|>", "Hello.")
    settings = {**SHORT, "answer_after": r"\n\w+: "}
    answers = adapter.generate([dataclasses.replace(each, generation=settings) for each in questions[:2]])
    assert [answer.text for answer in answers] == ["Hello.", "Hello."]
    let_write(adapter, monkeypatch, "Hello.\n\nYes?<|im_end|>and", "never, never ending")
    ended, cut = adapter.generate(questions[:2])
    assert ended.text == "Hello.\n\nYes?", "a blank line ends nothing"
    assert (ended.finish_reason, cut.finish_reason) == ("stop", "length")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 3}, "'max_tokens' is no decoding setting of transformers_chat, did you mean"),
        ({"answer_after": "("}, r"answer_after: '\(' is no regular expression"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0; it must be a whole number, at least 1"),
    ],
)
def test_decoding_settings_that_cannot_be_are_refused(
    settings: dict[str, Any], message: str, chat_adapter: ChatAdapter, questions: list[Request]
) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        chat_adapter("qwen2_audio").generate([dataclasses.replace(questions[0], generation=settings)])
    assert "\n" not in str(raised.value)


def test_a_template_of_ones_own_replaces_the_checkpoints(
    chat_adapter: ChatAdapter, questions: list[Request], tmp_path: Path
) -> None:
    template = "{% for part in messages[0].content %}{{ part.text or '<|AUDIO|>' }}{% endfor %}"
    (tmp_path / "base.jinja").write_text(template)
    asked = asking(Path(questions[0].audio[0].path or ""), "Recognize: <|en|>")
    for given in (template, str(tmp_path / "base.jinja")):
        adapter = chat_adapter("qwen2_audio", chat_template=given)
        assert prompt_of(adapter, asked) == "<|AUDIO|>Recognize: <|en|>"
    assert adapter.fingerprint() != chat_adapter("qwen2_audio").fingerprint()
    with pytest.raises(ConfigurationError, match=r"chat_template: absent\.jinja cannot be read"):
        chat_adapter("qwen2_audio", chat_template="absent.jinja")


def test_a_template_is_taken_from_the_tokenizer_where_the_processor_has_none(
    chat_checkpoint: ChatCheckpoint, tmp_path: Path, questions: list[Request]
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(chat_checkpoint("audio_flamingo_3"), folder)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ConfigurationError, match="has no chat template, so it is not known how to ask it"):
        TransformersChat(str(folder), device="cpu")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": template}))
    assert "<sound>" in prompt_of(TransformersChat(str(folder), device="cpu"), questions[0])


def test_an_omni_has_its_template_from_the_older_file_or_the_newer(
    chat_adapter: ChatAdapter, chat_checkpoint: ChatCheckpoint, tmp_path: Path, questions: list[Request]
) -> None:
    """The tokenizer alone would not find the older one, in which it was published."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(chat_checkpoint("qwen2_5_omni"), folder)
    older = folder / "chat_template.json"
    (folder / "chat_template.jinja").write_text(json.loads(older.read_text())["chat_template"])
    older.unlink()
    prompt = prompt_of(chat_adapter("qwen2_5_omni"), questions[0])
    assert prompt_of(TransformersChat(str(folder), device="cpu"), questions[0]) == prompt
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ConfigurationError, match="has no chat template"):
        TransformersChat(str(folder), device="cpu")


@pytest.mark.parametrize("family", BUILDERS)
def test_an_answer_ends_at_the_stop_token_even_where_the_checkpoint_names_none(
    family: str, chat_adapter: ChatAdapter, chat_checkpoint: ChatCheckpoint, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(chat_checkpoint(family), folder)
    for name in ("generation_config.json", "config.json"):
        settings = json.loads((folder / name).read_text(), object_hook=_without_stop_tokens)
        (folder / name).write_text(json.dumps(settings))
    adapter = TransformersChat(str(folder), device="cpu")
    vocabulary = adapter._processor.tokenizer.get_vocab()
    named = {vocabulary[token] for token in ("<|im_end|>", *adapter._family.stop) if token in vocabulary}
    assert named <= set(adapter._stop)


def _without_stop_tokens(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "eos_token_id"}


def test_a_model_in_bfloat16_is_given_what_it_takes(chat_adapter: ChatAdapter, questions: list[Request]) -> None:
    adapter = chat_adapter("qwen2_audio", dtype="bfloat16")
    assert adapter._model.dtype.itemsize == 2
    assert all(texts(adapter, *questions))


def test_what_is_no_checkpoint_of_a_chat_model_is_refused(tiny_whisper: Path, tiny_wav2vec2: Path) -> None:
    for folder, message in (
        (tiny_whisper, "has no chat template"),
        (tiny_wav2vec2, "has no chat template"),
        (Path("absent/checkpoint"), "absent/checkpoint: transformers cannot load it"),
    ):
        with pytest.raises(ConfigurationError, match=message) as raised:
            TransformersChat(str(folder), device="cpu", local_files_only=True)
        assert "\n" not in str(raised.value)
    template = "{{ messages }}"
    with pytest.raises(
        ConfigurationError, match="knows no model that chats about audio for checkpoints of type 'wav2v"
    ):
        TransformersChat(str(tiny_wav2vec2), device="cpu", chat_template=template)


def test_weights_that_are_missing_are_not_made_up(chat_checkpoint: ChatCheckpoint, tmp_path: Path) -> None:
    import safetensors.numpy

    folder = tmp_path / "checkpoint"
    shutil.copytree(chat_checkpoint("qwen2_audio"), folder)
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "projector" not in name}
    safetensors.numpy.save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigurationError, match="no trained weights for .*projector"):
        TransformersChat(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("model_type", "library"),
    [
        ("gemma4", "torchvision"),
        ("phi4_multimodal", "torchvision"),
        ("gemma3n", "timm"),
        ("fun_asr_nano", "torchaudio"),
    ],
)
def test_a_library_that_a_family_needs_is_named(
    model_type: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(
        ConfigurationError, match=f"checkpoints of type '{model_type}' need {library} as well"
    ) as raised:
        TransformersChat(str(tmp_path), device="cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "failure", ["RuntimeError('operator torchvision::nms does not exist')", "OSError('libcudart.so: cannot open')"]
)
def test_a_library_that_was_built_for_another_pytorch_is_named_too(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision.py").write_text(f"raise {failure}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "phi4_multimodal"}))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(ConfigurationError, match=r"need torchvision as well: .*in the build that fits PyTorch's"):
        TransformersChat(str(tmp_path), device="cpu")


@pytest.mark.parametrize(
    ("model_type", "configuration"),
    [
        ("voxtral", "voxtral_mini"),
        ("granite_speech", "granite_speech"),
        ("granite_speech_plus", "granite_speech"),
        ("canary", "canary"),
        ("parakeet_ctc", "parakeet"),
        ("parakeet_rnnt", "parakeet"),
        ("parakeet_tdt", "parakeet"),
    ],
)
def test_checkpoints_that_want_an_adapter_of_their_own_are_sent_there(
    model_type: str, configuration: str, tmp_path: Path
) -> None:
    """Asked the common way, Granite Speech would answer without its weights for speech where peft is missing."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ConfigurationError, match=f"of their own: model={configuration} model.path="):
        TransformersChat(str(tmp_path), device="cpu")
    assert (Path(next(iter(configs.__path__))) / "model" / f"{configuration}.yaml").is_file()


def test_weights_of_low_rank_want_peft_and_their_folder(
    chat_checkpoint: ChatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phi-4-multimodal answers badly without them."""
    folder = chat_checkpoint("qwen2_audio")
    if importlib.util.find_spec("peft"):
        with pytest.raises(ConfigurationError, match="lora: no weights in PEFT's format in 'absent-lora'") as raised:
            TransformersChat(str(folder), device="cpu", lora="absent-lora")
        assert "\n" not in str(raised.value)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigurationError, match="checkpoints of type 'qwen2_audio' need peft as well"):
        TransformersChat(str(folder), device="cpu", lora="speech-lora")


@pytest.mark.slow
def test_weights_of_low_rank_lie_on_top_of_the_model(
    chat_checkpoint: ChatCheckpoint, tmp_path: Path, questions: list[Request], chat_adapter: ChatAdapter
) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    import torch
    import transformers

    folder = tmp_path / "checkpoint"
    shutil.copytree(chat_checkpoint("qwen2_audio"), folder)
    model = transformers.AutoModelForMultimodalLM.from_pretrained(folder)
    torch.manual_seed(0)
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "o_proj"], init_lora_weights=False)
    peft.get_peft_model(model, lora).save_pretrained(folder / "speech-lora")
    adapter = TransformersChat(str(folder), device="cpu", lora="speech-lora")
    assert texts(adapter, *questions) != texts(chat_adapter("qwen2_audio"), *questions)
    assert adapter.fingerprint()["lora"] == "speech-lora"
