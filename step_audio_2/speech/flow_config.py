"""The sizes of the flow model, from the fields of ``flow.yaml`` (section 6.3 of the technical description)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from step_audio_2.errors import CheckpointError

# What the published file fixes, and this code builds in.
_FIXED_FLOW = {"output_type": "mel"}
_FIXED_ENCODER = {
    "input_layer": "linear",
    "up_stride": 2,
    "up_scale_factor": 2,
    "pos_enc_layer_type": "rel_pos_espnet",
    "selfattention_layer_type": "rel_selfattn",
    "key_bias": True,
    "normalize_before": True,
}
_NOTHING: Mapping[str, object] = {}
# Only training needs these.
_UNUSED_ENCODER = frozenset({"dropout_rate", "positional_dropout_rate", "attention_dropout_rate"})


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the encoder that turns codes into conditions for twice as many mel frames."""

    input_size: int
    output_size: int
    pre_lookahead_len: int
    num_blocks: int
    num_up_blocks: int
    attention_heads: int
    linear_units: int


@dataclass(frozen=True)
class EstimatorConfig:
    """Sizes of the diffusion transformer that estimates the flow's velocity."""

    in_channels: int
    out_channels: int
    mlp_ratio: float
    depth: int
    num_heads: int
    head_dim: int
    hidden_size: int


@dataclass(frozen=True)
class FlowConfig:
    """Sizes of the whole flow model, and how strongly it is guided by its conditions."""

    input_size: int
    output_size: int
    spk_embed_dim: int
    vocab_size: int
    encoder: EncoderConfig
    inference_cfg_rate: float
    estimator: EstimatorConfig

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "FlowConfig":
        """Check and take over the fields of ``flow`` in ``flow.yaml``, without its object tags.

        Raises:
            CheckpointError: a field is missing, unknown, of the wrong kind or not supported; the message names it.
        """
        sizes = {"input_size": int, "output_size": int, "spk_embed_dim": int, "vocab_size": int}
        flow = _checked("flow", fields, sizes | {"encoder": dict, "decoder": dict}, _FIXED_FLOW)
        encoder = _checked("flow.encoder", flow.pop("encoder"), _kinds(EncoderConfig), _FIXED_ENCODER, _UNUSED_ENCODER)
        decoder = _checked("flow.decoder", flow.pop("decoder"), {"inference_cfg_rate": float, "estimator": dict})
        estimator = _checked("flow.decoder.estimator", decoder["estimator"], _kinds(EstimatorConfig))
        config = cls(
            encoder=EncoderConfig(**encoder),
            inference_cfg_rate=decoder["inference_cfg_rate"],
            estimator=EstimatorConfig(**estimator),
            **flow,
        )
        config._check_agreement()
        return config

    def _check_agreement(self) -> None:
        encoder, estimator = self.encoder, self.estimator
        wanted = (
            ("flow.encoder.input_size", encoder.input_size, self.input_size, "flow.input_size"),
            ("flow.encoder.output_size", encoder.output_size, encoder.input_size, "flow.encoder.input_size"),
            ("flow.decoder.estimator.out_channels", estimator.out_channels, self.output_size, "flow.output_size"),
            ("flow.decoder.estimator.in_channels", estimator.in_channels, 4 * self.output_size, "4 * flow.output_size"),
        )
        for name, value, expected, reason in wanted:
            if value != expected:
                raise CheckpointError(f"{name} is {value}; it must be {expected}, as {reason} is")
        if encoder.output_size % (2 * encoder.attention_heads):
            raise CheckpointError(
                f"flow.encoder.output_size is {encoder.output_size}; it must be even and a multiple of "
                f"attention_heads, {encoder.attention_heads}"
            )


def _kinds(config: type) -> dict[str, type]:
    return {name: field.type for name, field in config.__dataclass_fields__.items()}  # type: ignore[attr-defined]


def _checked(
    name: str,
    fields: Any,
    kinds: Mapping[str, type],
    fixed: Mapping[str, object] = _NOTHING,
    unused: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Read the fields that ``kinds`` lists; numbers must be positive."""
    if not isinstance(fields, Mapping):
        raise CheckpointError(f"{name} must be a mapping, not {fields!r}")
    known = kinds.keys() | fixed.keys() | unused
    if unknown := sorted(map(str, fields.keys() - known)):
        raise CheckpointError(f"{name} has fields that are not known: {', '.join(unknown)}")
    if missing := sorted((kinds.keys() | fixed.keys()) - fields.keys()):
        raise CheckpointError(f"{name} lacks {', '.join(missing)}")
    for field, only in fixed.items():
        if fields[field] != only:
            raise CheckpointError(f"{name}.{field} is {fields[field]!r}; only {only!r} is supported")
    return {field: _value(f"{name}.{field}", fields[field], kind) for field, kind in kinds.items()}


def _value(name: str, value: Any, kind: type) -> Any:
    if kind is dict:
        return value
    number = isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)
    if not number or value <= 0:
        wanted = "number" if kind is float else "whole number"
        raise CheckpointError(f"{name} is {value!r}; a positive {wanted} is wanted")
    return kind(value)
