"""A language model whose weights are small integers: what the integer network computes with.

A weight is `value * 2^-exponent`, with one exponent for each column of a matrix (one for the whole
of a vector, or of an embedding, whose rows may serve as the output's columns). Quantising is exact
arithmetic and one rounding, so every machine makes the same integers of the same weights.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.config.compression import BITS
from charnn.errors import CompressionError, ConfigError
from charnn.models.language_model import LanguageModel, parameter_shapes
from charnn.text.vocabulary import Vocabulary

ARITHMETIC = 1  # the version of the integer network: with another one the digest is another
VECTOR_BITS = 16  # of a bias, a gain or a peephole
EXPONENTS = -14, 40  # the least and the largest
SHAPE = ("cell", "hidden_size", "num_layers", "gru_reset", "embedding_size", "tie_weights")


@dataclass(frozen=True)
class QuantizedArray:
    """Weights as integers: values (rows, columns) int16, exponents (columns,) int8."""

    values: Array
    exponents: Array

    @classmethod
    def of(cls, weights: Array, bits: int, together: bool) -> QuantizedArray:
        """Quantise weights (rows, columns); `together`: all with one exponent.

        Raises CompressionError for a weight that is too large, or no number.
        """
        largest = np.abs(weights).max(axis=0, initial=0).astype(np.float64)
        if together:
            largest = np.full_like(largest, largest.max(initial=0))
        if not np.isfinite(largest).all():
            raise CompressionError(
                "a weight of the model is infinite or not a number; use another model."
            )
        _, above = np.frexp(largest)  # largest < 2^above
        exponents = np.where(largest > 0, bits - 1 - above, 0)
        low, high = EXPONENTS
        if exponents.min(initial=0) < low:
            raise CompressionError(
                f"a weight of the model is {largest.max():.3g}, too large to be computed exactly; "
                "use another model."
            )
        exponents = exponents.clip(max=high)
        limit = 2 ** (bits - 1) - 1
        values = np.rint(np.ldexp(weights.astype(np.float64), exponents)).clip(-limit, limit)
        return cls(values.astype(np.int16), exponents.astype(np.int8))


@dataclass(frozen=True)
class QuantizedModel:
    """The integers of a language model, by the model's own names and in their order."""

    config: ModelConfig
    vocabulary: Vocabulary
    bits: int
    arrays: dict[str, QuantizedArray]

    @classmethod
    def of(cls, model: LanguageModel, vocabulary: Vocabulary, bits: int = BITS) -> QuantizedModel:
        """Quantise a model, its matrices to some bits a weight.

        Raises ConfigError for attention, and CompressionError for a weight that is too large.
        """
        check_compresses(model.config)
        arrays = {}
        for name, (rows, columns) in array_shapes(model.config, len(vocabulary)).items():
            weights = model.parameters[name]
            by_row = weights.swapaxes(0, -2) if weights.ndim > 2 else weights
            kind = is_vector(name), name == "E"
            arrays[name] = QuantizedArray.of(
                by_row.reshape(rows, columns), VECTOR_BITS if kind[0] else bits, any(kind)
            )
        return cls(shape_of(model.config), vocabulary, bits, arrays)

    def description(self) -> dict[str, Any]:
        """Return what there is to know beside the arrays, as JSON has it."""
        config = asdict(self.config)
        return {
            "arithmetic": ARITHMETIC,
            "bits": self.bits,
            "model": {name: config[name] for name in SHAPE},
            "vocabulary": self.vocabulary.to_json(),
        }

    def digest(self) -> bytes:
        """Return a SHA-256 (32 bytes) over all that decides what the network computes."""
        total = hashlib.sha256(json.dumps(self.description(), sort_keys=True).encode("utf-8"))
        for name, array in self.arrays.items():
            total.update(f"\n{name} {array.values.shape}\n".encode())
            total.update(np.ascontiguousarray(array.values, "<i2").data)
            total.update(np.ascontiguousarray(array.exponents, np.int8).data)
        return total.digest()


def check_compresses(config: ModelConfig) -> None:
    """Raise ConfigError for a network that has no integer form."""
    if config.attention is not None:
        raise ConfigError(
            f"the model has attention ({config.attention}), which `charnn compress` cannot compute "
            "in integers; use a model without it."
        )


def shape_of(config: ModelConfig) -> ModelConfig:
    """Return a configuration without what matters in training alone."""
    return ModelConfig(dropout=0.0, **{name: getattr(config, name) for name in SHAPE})


def is_vector(name: str) -> bool:
    """Return whether a parameter is a vector for each unit or gate: a bias, a gain, a peephole."""
    return not name.rpartition("/")[2].startswith(("W_", "E"))


def array_shapes(config: ModelConfig, vocab_size: int) -> dict[str, tuple[int, int]]:
    """Return the shapes (rows, columns) of all arrays: a matrix's gates stand side by side."""
    shapes = {}
    for name, shape in parameter_shapes(config, vocab_size).items():
        if is_vector(name):
            shapes[name] = 1, int(np.prod(shape))
        else:
            shapes[name] = shape[-2], int(np.prod(shape)) // shape[-2]
    return shapes
