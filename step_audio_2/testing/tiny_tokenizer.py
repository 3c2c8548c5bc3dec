"""A small tokenizer of the same make as the published one, to try things without a checkpoint.

It is a byte-level BPE with Qwen2's rules for cutting text, 512 merges learnt from the sentences below, and all special
tokens at their exact ids. Any text can be encoded, and comes back in Unicode's composed form (NFC), as it does from the
published one. The ids between the merges and the special tokens stand for nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from step_audio_2.special_tokens import (
    BEGIN_OF_TURN_STRING,
    END_OF_TEXT,
    END_OF_TURN,
    FIRST_AUDIO_CODE,
    N_AUDIO_CODES,
    SPECIAL_STRINGS,
)

BEGIN_OF_TURN = END_OF_TURN + 1
N_TEXT_TOKENS = 768
_QWEN_STRINGS = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> "
    "<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> "
    "<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>"
).split()
# From here on Qwen2.5's added tokens do not count as special, that is, survive decoding without special tokens.
_FIRST_ORDINARY = _QWEN_STRINGS.index("<tool_call>")

_SENTENCES = """\
You are a helpful assistant. Please listen carefully to this audio and then translate its content into Chinese speech.
Please briefly explain the important events involved in this audio clip.
The weather in the city is fine today, but there will be rain and wind tomorrow in the north of the country.
What time is it now? It is a quarter past three, and the train leaves from the second platform in ten minutes.
She asked whether the music was too loud for the people who live in the house across the street.
I don't think that's what they've been looking for, but we'll see what the answer is when they're here.

The speaker sounds happy and a little tired; a dog barks, a door closes, and someone laughs in the background.
First the user says something, then the assistant thinks about the question, and then the answer is spoken.
The function takes one argument, the location, and returns the temperature and the chance of rain for the next days.
Could you tell me the name of the song, and who was singing it with the children in the morning?


请记录下你所听到的语音内容。请仔细聆听这段语音，然后将其内容翻译成中文并用语音播报。
你的名字叫做小跃，你情感细腻，观察能力强，擅长分析用户的内容，说话的过程中时刻注意用户的感受。
今天天气很好，我们可以一起去公园散步，明天北方地区会下雨，气温也会下降。
请问现在几点了？现在是下午三点一刻，火车十分钟以后从第二站台出发。
你具备调用工具解决问题的能力，你需要根据用户的需求，自主选择是否调用系统提供的工具来协助用户。
说话的人听起来很高兴，也有一点累；后面有人在笑，有一只狗在叫，还有人关门的声音。
请用口语化形式总结检索结果，简短地回答用户的问题。我想知道这首歌叫什么名字，是谁唱的。

今日はとても天気がいいので、公園を散歩しましょう。これは何の音ですか。もう一度聞いてください。
Quelle heure est-il ? Où est la gare ? Élise a été très contente de la musique que nous avons écoutée à la fenêtre.
[{"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}]
system human assistant input tool_json_schemas 0 1 2 3 4 5 6 7 8 9 0.5 10:30 2025
"""


def write_tiny_tokenizer(folder: str | Path) -> Path:
    """Write the tokenizer in the form in which Qwen2's is published, about 1.5 MB; the same bytes every time.

    Args:
        folder: it is made if need be; ``tokenizer.json``, ``tokenizer_config.json``, ``vocab.json``, ``merges.txt`` and
            ``added_tokens.json`` in it are overwritten.

    Returns:
        The folder, for ``load_tokenizer``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    special = _special_strings()
    tokenizer = _trained()
    model = tokenizer["model"]
    # A special string stands in the vocabulary too: the library numbers added tokens that do not in its own way.
    model["vocab"] |= special
    tokenizer["added_tokens"] = [_added_token(string, token) for string, token in special.items()]
    merges = ["#version: 0.2", *(" ".join(merge) for merge in model["merges"])]
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": 16_384,
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    _write_json(folder / "tokenizer.json", tokenizer)
    _write_json(folder / "tokenizer_config.json", settings)
    _write_json(folder / "vocab.json", model["vocab"])
    _write_json(folder / "added_tokens.json", special)
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    return folder


def _special_strings() -> dict[str, int]:
    return {
        **{string: END_OF_TEXT + index for index, string in enumerate(_QWEN_STRINGS)},
        BEGIN_OF_TURN_STRING: BEGIN_OF_TURN,
        **SPECIAL_STRINGS,
        **{f"<audio_{code}>": FIRST_AUDIO_CODE + code for code in range(N_AUDIO_CODES + 1)},
    }


def _trained() -> dict[str, Any]:
    """Train and return the content of ``tokenizer.json`` without special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    qwen = Qwen2Tokenizer().backend_tokenizer
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer, tokenizer.pre_tokenizer = qwen.normalizer, qwen.pre_tokenizer
    tokenizer.decoder = qwen.decoder
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=N_TEXT_TOKENS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([_SENTENCES], trainer)
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    return content


def _added_token(string: str, token: int) -> dict[str, Any]:
    is_ordinary = END_OF_TEXT + _FIRST_ORDINARY <= token < END_OF_TURN
    return {
        "id": token,
        "content": string,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": not is_ordinary,
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
