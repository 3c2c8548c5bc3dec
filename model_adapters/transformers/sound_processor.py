"""What of a Qwen-Omni's processor deals with text and sound, without what deals with pictures."""

from collections.abc import Mapping
from typing import Any


def sound_processor(path: str, omni: Any, source: Mapping[str, Any]) -> Any:
    """Load a processor that does with text and sound what a checkpoint's own does.

    The processors of Qwen2.5-Omni and Qwen3-Omni cannot be loaded without torchvision, whoever shows them a picture or
    not. That of Qwen2-Audio has the same inputs, and only counts other tokens for a recording, and pads it otherwise.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        omni: the class of the checkpoint's own processor.
        source: where from, as arguments of ``from_pretrained``.
    """
    import transformers

    class SoundProcessor(transformers.Qwen2AudioProcessor):  # type: ignore[misc]
        text_kwargs = omni.text_kwargs
        audio_kwargs = omni.audio_kwargs
        n_window = getattr(omni, "n_window", None)  # which Qwen3-Omni counts tokens by
        _process_audio = omni._process_audio

    settings, _ = omni.get_processor_dict(path, **source)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, **source)
    processor = SoundProcessor(transformers.AutoFeatureExtractor.from_pretrained(path, **source), tokenizer)
    # In published folders it lies in chat_template.json, which the tokenizer does not read. Where there is none, there
    # is to be none: the class would put Qwen2-Audio's.
    processor.chat_template = settings.get("chat_template") or tokenizer.chat_template
    return processor
