"""Step-Audio 2: an audio encoder, an adaptor, and a Qwen2 decoder that reads embeddings of audio between its tokens.

The names of modules are those of the published weights. The decoder is the one of the library transformers, and so are
its key/value cache and its search strategies; what is added here is hearing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    PreTrainedModel,
    Qwen2Model,
)
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from step_audio_2.checkpoint import check_weights, checkpoint_folder
from step_audio_2.configuration import PAD_TOKEN, STOP_TOKENS, StepAudio2Config, read_configuration
from step_audio_2.encoder import Adaptor, AudioEncoder
from step_audio_2.errors import CheckpointError
from step_audio_2.grouping import group_by_length
from step_audio_2.sampling import seeded_sampling
from step_audio_2.special_tokens import AUDIO_START

# Spectrogram frames that the encoder takes at once: 16 pieces of 25 seconds.
_FRAMES_AT_ONCE = 16 * 2502


class StepAudio2ForCausalLM(PreTrainedModel, GenerationMixin):
    """The model that listens and writes; what it writes may hold the codes of speech.

    Args:
        config: as read from ``config.json``.

    Attributes:
        padded_audio: False computes every recording's embeddings as if it were alone. True lets the padding of a batch
            into a recording's last embedding, as the original implementation does, where they then depend on the
            longest recording of the batch.
    """

    config_class = StepAudio2Config
    base_model_prefix = "model"
    input_modalities = ("audio", "text")
    _supports_sdpa = True
    _supports_flash_attn = True
    _can_compile_fullgraph = True
    _no_split_modules = ["Qwen2DecoderLayer", "EncoderBlock"]  # noqa: RUF012 - the library's way to say it
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012

    def __init__(self, config: StepAudio2Config) -> None:
        super().__init__(config)
        self.padded_audio = False
        self.model = Qwen2Model(config.text_config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.encoder = AudioEncoder(config.audio_encoder_config)
        self.adapter = Adaptor(config.audio_encoder_config)
        self.post_init()
        self.generation_config = _ends_and_padding()

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, **options: Any) -> Self:
        """Load a published checkpoint, or one that ``save_pretrained`` wrote.

        Weights go one by one from the file to where they stay, so there is never a second copy of them in memory.

        Args:
            name_or_path: a folder, or the name of a repository on the Hugging Face hub.
            **options: those of transformers, such as ``dtype=torch.bfloat16``, ``device_map="cuda"`` or, for several
                GPUs, ``device_map="auto"``; code of the repository is never run.

        Raises:
            CheckpointError: the configuration does not fit, or a weight is missing, cut short or of another shape; the
                message names it.
        """
        fetching = {name: options.pop(name) for name in ("cache_dir", "revision", "token") if name in options}
        folder = checkpoint_folder(str(name_or_path), **fetching)
        config = options.pop("config", None) or read_configuration(folder)
        try:
            with torch.device("meta"):
                expected = {name: tuple(tensor.shape) for name, tensor in cls(config).state_dict().items()}
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RuntimeError) as error:
            raise CheckpointError(f"{folder}: config.json describes no model that can be built ({error})") from error
        check_weights(folder, expected)
        model: Self = super().from_pretrained(folder, config=config, **options | {"trust_remote_code": False})
        # The original puts its decoding settings together for each call: what a folder's generation_config.json says of
        # sampling and penalties would change answers here, and none there.
        said = model.generation_config
        model.generation_config = _ends_and_padding(said.eos_token_id, said.pad_token_id)
        return model

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of token embeddings."""
        table: nn.Module = self.model.embed_tokens
        return table

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        mels: Tensor | None = None,
        mel_lengths: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        labels: Tensor | None = None,
        **further: Any,
    ) -> CausalLMOutputWithPast:
        """Compute the logits of the next token at every position, and the loss where it is known.

        Args:
            input_ids: [rows, length]; each ``<audio_start>`` is followed by as many places as its audio takes.
            attention_mask: [rows, length], 0 where a row is padded.
            mels: [n, 128, frames], the spectrograms of all rows in row-major order of the audio blocks.
            mel_lengths: [n], the frames of each less two.
            position_ids: [rows, length]; 0, 1, 2, … over the row where not given.
            past_key_values: the cache of what went before.
            inputs_embeds: instead of ``input_ids``.
            use_cache: whether to return the cache.
            logits_to_keep: how many last positions to compute logits for; 0 for all.
            labels: [rows, length], the tokens of ``input_ids`` that are to be learnt, and -100 where there are none, as
                in the places of audio.
            **further: passed on to the decoder.

        Returns:
            ``logits`` [rows, length, vocabulary] and ``past_key_values``; with labels, ``loss``, the mean cross entropy
            of each label after what goes before it.

        Raises:
            ValueError: audio blocks and spectrograms do not match, or there are labels for positions without logits.
        """
        if labels is not None and (not isinstance(logits_to_keep, int) or logits_to_keep):
            raise ValueError("labels are for all positions: leave logits_to_keep out")
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("either input_ids or inputs_embeds must be given")
            # What the model wrote itself is looked up alone: an <audio_start> among it has no audio.
            written = past_key_values is not None and mels is None
            inputs_embeds = self.model.embed_tokens(input_ids) if written else self.embed(input_ids, mels, mel_lengths)
        output: BaseModelOutputWithPast = self.model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            **further,
        )
        states = output.last_hidden_state
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(states[:, kept])
        loss = None if labels is None else self.loss_function(logits, labels, logits.shape[-1], **further)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )

    def encode_audio(self, mels: Tensor, mel_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode spectrograms as embeddings of the language model's input.

        Args:
            mels: [n, 128, frames], zeros on the right of shorter ones.
            mel_lengths: [n], the frames of each less two.

        Returns:
            The embeddings [n, positions, width], and of each how many count [n].

        Raises:
            ValueError: a length is impossible.
        """
        weight = self.encoder.conv1.weight
        mels = mels.to(weight.device, weight.dtype)
        valid = mel_lengths.to(weight.device, torch.long)
        if len(valid) != len(mels) or not bool(((valid > 0) & (valid + 2 <= mels.shape[-1])).all()):
            raise ValueError(
                f"mel_lengths must be between 1 and {mels.shape[-1] - 2}, the frames less two, one for each of "
                f"{len(mels)} spectrograms; they are {mel_lengths.tolist()}"
            )
        counts = ((valid + 1) // 2 // 2 - 1) // 2 + 1
        if self.padded_audio:
            every = torch.full_like(valid, mels.shape[-1])
            return self.adapter(self.encoder(mels, every, valid)), counts
        positions = ((mels.shape[-1] + 1) // 2 // 2 + 1) // 2
        embeddings = mels.new_zeros(len(mels), positions, self.config.audio_encoder_config.llm_dim)
        for group in group_by_length((valid + 2).tolist(), _FRAMES_AT_ONCE):
            frames = valid[group] + 2
            encoded = self.adapter(self.encoder(mels[group, :, : int(frames.max())], frames, valid[group]))
            embeddings[group, : encoded.shape[1]] = encoded
        return embeddings, counts

    def embed(self, input_ids: Tensor, mels: Tensor | None = None, mel_lengths: Tensor | None = None) -> Tensor:
        """Embed the decoder's input [rows, length, width]: tokens, and audio in the places kept for it.

        Args:
            input_ids: see ``forward``.
            mels: see ``forward``.
            mel_lengths: see ``forward``.

        Raises:
            ValueError: there are more or fewer audio blocks than spectrograms, or an audio has no room in its row.
        """
        embeddings: Tensor = self.model.embed_tokens(input_ids)
        rows, starts = (input_ids == AUDIO_START).nonzero(as_tuple=True)
        if mels is None or mel_lengths is None:
            if len(starts):
                raise ValueError(f"input_ids hold {len(starts)} audio blocks, but there are no mels and mel_lengths")
            return embeddings
        if len(starts) != len(mels):
            raise ValueError(f"input_ids hold {len(starts)} audio blocks, but there are {len(mels)} spectrograms")
        audio, counts = self.encode_audio(mels, mel_lengths)
        audio, counts = audio.to(embeddings.device, embeddings.dtype), counts.to(embeddings.device)
        if bool((starts + counts >= input_ids.shape[1]).any()):
            raise ValueError("an audio takes more places than its row has after <audio_start>")
        number, offset = (
            torch.arange(audio.shape[1], device=counts.device).expand(len(counts), -1) < counts[:, None]
        ).nonzero(as_tuple=True)
        return embeddings.index_put((rows[number], starts[number] + 1 + offset), audio[number, offset])

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        mels: Tensor | None = None,
        mel_lengths: Tensor | None = None,
        *,
        seeds: Sequence[int] | None = None,
        **settings: Any,
    ) -> Any:
        """Continue token sequences: each audio is encoded once, and each step computes one position a row.

        Rows may be padded on either side, and do not influence each other. Unlike in the original implementation,
        each beam of a beam search hears its own row's audio, however many blocks the row has, and padding does not
        count as said before for a repetition penalty.

        Args:
            input_ids: see ``forward``.
            attention_mask: see ``forward``.
            mels: see ``forward``.
            mel_lengths: see ``forward``.
            seeds: one for each row, where ``do_sample`` is set: what a row draws is then decided by its seed alone,
                whatever else is in the batch.
            **settings: those of transformers: ``max_new_tokens``, ``do_sample``, ``temperature``, ``top_p``, ``top_k``,
                ``repetition_penalty``, ``num_beams``, ``num_return_sequences``, ``eos_token_id``, ``stop_strings`` with
                ``tokenizer``, ``streamer``, ``cache_implementation="static"`` and so on.

        Returns:
            [rows, length + new]: the input as it was given, and the new tokens, padded after a stop token; with
            ``return_dict_in_generate`` this is the attribute ``sequences``.

        Raises:
            ValueError: see ``forward``.
        """
        embeddings = self.embed(input_ids, mels, mel_lengths)
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        ids, mask, embeddings = _padded_on_the_left(input_ids, attention_mask, embeddings)
        if seeds is not None and settings.get("do_sample"):
            settings, choice = seeded_sampling(settings, self.generation_config, seeds)
            settings["logits_processor"] = LogitsProcessorList([*settings.get("logits_processor", ()), choice])
        length = ids.shape[1]

        def with_prompts(sequences: Tensor) -> Tensor:
            prompts = input_ids.repeat_interleave(len(sequences) // len(input_ids), dim=0)
            return torch.cat([prompts.to(sequences.device), sequences[:, length:]], dim=1)

        output = super().generate(input_ids=ids, inputs_embeds=embeddings, attention_mask=mask, **settings)
        if isinstance(output, Tensor):
            return with_prompts(output)
        output.sequences = with_prompts(output.sequences)
        return output


def _ends_and_padding(ends: int | list[int] | None = None, padding: int | None = None) -> GenerationConfig:
    """Return settings of generation that say when to stop, and nothing else."""
    return GenerationConfig(
        eos_token_id=list(STOP_TOKENS) if ends is None else ends, pad_token_id=PAD_TOKEN if padding is None else padding
    )


def _padded_on_the_left(ids: Tensor, mask: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move the padding of rows to the left, and leave no more of it than needed.

    Padding repeats the row's first token, so that a penalty on what was said before sees nothing that was not.
    """
    lengths = mask.sum(dim=1)
    longest = int(lengths.max())
    if longest == ids.shape[1] and bool((mask[:, -1] == 1).all()) and bool((lengths == longest).all()):
        return ids, mask, embeddings
    rows = [
        (ids[row, kept], functional.pad(embeddings[row, kept], (0, 0, longest - int(kept.sum()), 0)))
        for row, kept in enumerate(mask.bool())
    ]
    moved = torch.stack([torch.cat([row[:1].expand(longest - len(row)), row]) for row, _ in rows])
    places = torch.arange(longest, device=mask.device)
    return moved, (places >= longest - lengths[:, None]).to(mask.dtype), torch.stack([states for _, states in rows])


# So that whatever asks transformers for a model by its folder finds this one, and runs no code of the folder.
for _auto in (AutoModel, AutoModelForCausalLM):
    _auto.register(StepAudio2Config, StepAudio2ForCausalLM, exist_ok=True)
