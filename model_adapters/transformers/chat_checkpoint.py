"""Loads processor and model of a chat checkpoint, by whatever Auto class knows it."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, first_line
from model_adapters.transformers.checkpoint import load_complete
from model_adapters.transformers.families import Family, family_of
from model_adapters.transformers.sound_processor import sound_processor

# Audio Flamingo 3 and Music Flamingo are known to the second alone.
_AUTO_CLASSES = {
    "MODEL_FOR_MULTIMODAL_LM_MAPPING": "AutoModelForMultimodalLM",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING": "AutoModelForSeq2SeqLM",
}


def load_processor(path: str, source: Mapping[str, Any], chat_template: str | None) -> tuple[Any, Family]:
    """Load a checkpoint's processor, with a chat template, and say of which family it is.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        source: where from, as arguments of ``from_pretrained``.
        chat_template: in Jinja, or a file that holds it; None for the processor's own, or else its tokenizer's.

    Raises:
        ConfigurationError: a library is missing, the checkpoint is for another adapter, or its processor takes no audio
            or has no template.
    """
    import transformers

    model_type = transformers.AutoConfig.from_pretrained(path, **source).model_type
    family = family_of(model_type)
    if family.instead:
        raise ConfigurationError(
            f"{path}: checkpoints of type '{model_type}' have an adapter of their own: "
            f"model={family.instead} model.path={path}"
        )
    for library in family.libraries:
        _import(library, model_type)
    if family.sound_of:
        processor = sound_processor(path, getattr(transformers, family.sound_of), source)
    else:
        processor = transformers.AutoProcessor.from_pretrained(path, **source)
    if feature_extractor(processor) is None:
        raise ConfigurationError(f"{path}: a checkpoint of type '{model_type}' takes no audio by its processor")
    if chat_template is not None:
        processor.chat_template = _template(chat_template)
    elif processor.chat_template is None:
        # Phi-4-multimodal's is lost when its processor is saved; the tokenizer keeps it.
        processor.chat_template = processor.tokenizer.chat_template
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    if processor.chat_template is None and not family.transcribes:
        raise ConfigurationError(
            f"{path}: has no chat template, so it is not known how to ask it; give it one by chat_template="
        )
    return processor, family


def load_model(path: str, family: Family, dtype: Any, source: Mapping[str, Any]) -> Any:
    """Load a checkpoint's model; of one that writes and speaks, the part that writes.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        family: of the checkpoint.
        dtype: of the weights, a type of PyTorch.
        source: where from, as arguments of ``from_pretrained``.

    Raises:
        ConfigurationError: no Auto class knows it, or there are no trained weights for some of it.
    """
    import transformers

    if family.model_class:
        model_class = getattr(transformers, family.model_class)
    else:
        config = transformers.AutoConfig.from_pretrained(path, **source)
        model_class = _auto_class(path, config)
    return load_complete(model_class.from_pretrained, path, dtype, source)


def add_lora(model: Any, path: str, folder: str, source: Mapping[str, Any]) -> None:
    """Put low-rank weights that lie within a checkpoint on top of its model.

    Args:
        model: of the checkpoint.
        path: the checkpoint's folder, or its name on the hub.
        folder: within it, with weights in PEFT's format.
        source: where from, as arguments of ``from_pretrained``.

    Raises:
        ConfigurationError: peft or the weights are missing.
    """
    _import("peft", model.config.model_type)
    hub = {name: source[name] for name in ("revision", "local_files_only")}
    try:
        model.load_adapter(path, adapter_name=folder, adapter_kwargs={"subfolder": folder, **hub})
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: lora: no weights in PEFT's format in '{folder}' ({first_line(error)})"
        ) from error
    model.set_adapter(folder)


def stop_ids(model: Any, tokenizer: Any, family: Family) -> list[int]:
    """Return the tokens that end an answer, as the checkpoint's settings, its tokenizer and its family have them."""
    vocabulary = tokenizer.get_vocab()
    named = [vocabulary[token] for token in (*family.stop, tokenizer.eos_token) if token in vocabulary]
    for settings in (model.generation_config, model.config.get_text_config()):
        ids = settings.eos_token_id
        named += ids if isinstance(ids, list) else [ids]
    return sorted({token for token in named if token is not None})


def feature_extractor(processor: Any) -> Any:
    """Return what makes features of sound in a processor, or None where nothing does."""
    return getattr(processor, "feature_extractor", None) or getattr(processor, "audio_processor", None)


def _auto_class(path: str, config: Any) -> Any:
    import transformers

    for mapping, name in _AUTO_CLASSES.items():
        if type(config) in getattr(transformers, mapping):
            return getattr(transformers, name)
    raise ConfigurationError(
        f"{path}: transformers knows no model that chats about audio for checkpoints of type '{config.model_type}'"
    )


def _import(library: str, model_type: str) -> None:
    try:
        importlib.import_module(library)
    except (ImportError, OSError, RuntimeError) as error:  # one built for another PyTorch raises the last two
        raise ConfigurationError(
            f"checkpoints of type '{model_type}' need {library} as well: pip install {library}, in the build that fits "
            f"PyTorch's ({first_line(error)})"
        ) from error


def _template(chat_template: str) -> str:
    if "{" in chat_template:
        return chat_template
    try:
        return Path(chat_template).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"chat_template: {chat_template} cannot be read ({error.strerror})") from error
