"""What a trained model answers to a source that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.text.pairs import Sequences

SIDE_BY_SIDE = 128  # hypotheses that are computed at once
LARGEST_BATCH = 1 << 16  # symbols of all of them, padded


@dataclass(frozen=True)
class Answer:
    """One answer to a source: as it is written, and its symbols.

    `score` is what answers are ranked by: a probability, or what decoding makes of it. A tagger
    gives each tag's probability in `probabilities`; `attention` (T, S) are the weights of the S
    symbols of the source at each of T steps, the end's included, where the model has attention.
    """

    text: str
    symbols: list[str]
    log_probability: float
    score: float
    probabilities: list[float] | None = None
    attention: Array | None = None

    @property
    def probability(self) -> float:
        """The probability of the whole answer."""
        return math.exp(self.log_probability)

    def to_json(self) -> dict[str, Any]:
        """Return the answer, but for its attention, as JSON has it."""
        content: dict[str, Any] = {
            "prediction": self.text,
            "symbols": self.symbols,
            "probability": self.probability,
            "log_probability": self.log_probability,
            "score": self.score,
        }
        if self.probabilities is not None:
            content["probabilities"] = self.probabilities
        return content


@dataclass(frozen=True)
class Prediction:
    """The symbols of a source as the model read them, and the answers to it, from the best."""

    source: list[str]
    answers: list[Answer]

    @property
    def best(self) -> Answer:
        """The first answer."""
        return self.answers[0]


def in_batches(sources: Sequence[Array], width: int = 1) -> Iterator[tuple[Array, Array, Array]]:
    """Yield all sources, those of similar length together, `width` hypotheses for each.

    A batch is the sources' numbers (B,), their ids (S, B), padded with 0, and their lengths (B,).
    """
    sequences = Sequences.of_lists([source.tolist() for source in sources])
    order = np.argsort(sequences.lengths, kind="stable")
    start = 0
    while start < len(order):
        size = min(max(1, SIDE_BY_SIDE // width), len(order) - start)
        while size > 1 and (
            size * width * sequences.lengths[order[start + size - 1]] > LARGEST_BATCH
        ):
            size //= 2
        rows = order[start : start + size]
        yield rows, sequences.padded(rows), sequences.lengths[rows]
        start += size
