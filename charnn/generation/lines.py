"""Drawing lines of given classes: symbol by symbol, until the model ends them.

x_1 = the begin symbol, y_t = softmax(logits_t / temperature), truncated as in
`charnn.generation.sampling`, then x_{t+1} ~ y_t, until that is the end symbol

The model reads the line's label beside each symbol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.config import SamplingConfig
from charnn.generation.sampling import distribution, draw
from charnn.models.labelled_model import LabelledModel
from charnn.nn.blas import single_thread


@dataclass(frozen=True)
class Line:
    """A line that was drawn: its label, its ids without the end, and whether it ended itself."""

    label: int
    ids: list[int]
    ended: bool


def draw_lines(
    model: LabelledModel,
    labels: Array,
    options: SamplingConfig,
    random: np.random.Generator,
    prime: Array | None = None,
    unknown: int | None = None,
) -> list[Line]:
    """Draw a line of each label, (B,), side by side.

    Every line begins with the ids of `prime` (P,), which are no part of the result. It has
    `options.length` symbols at most, and never the id `unknown`.
    """
    B = len(labels)
    stepper = model.stepper(labels)
    begin = np.concatenate([[model.delimiter], [] if prime is None else prime]).astype(np.intp)
    drawn: list[Array] = []
    ended = np.zeros(B, bool)
    with single_thread():
        logits = stepper.read(np.repeat(begin[:, None], B, axis=1))
        while not ended.all() and (options.length is None or len(drawn) < options.length):
            if unknown is not None:
                logits[:, unknown] = -np.inf
            y = distribution(logits, options.temperature, options.top_k, options.top_p)
            ids = draw(y, random.random(B))
            ended |= ids == model.delimiter
            drawn.append(ids)
            logits = stepper.step(ids)
    lines = []
    for b, row in enumerate(np.array(drawn, np.intp).reshape(-1, B).T.tolist()):
        length = row.index(model.delimiter) if ended[b] else len(row)
        lines.append(Line(int(labels[b]), row[:length], bool(ended[b])))
    return lines
