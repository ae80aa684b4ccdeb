"""Feeding a model its own output in training: scheduled sampling.

(Bengio et al., 2015.) The inputs of a batch are drawn step by step before the batch is computed in
the ordinary way: each is the data's own symbol, or else one that the model draws after what it has
read so far. No gradient passes the draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from charnn.arrays import Array
from charnn.generation.sampling import draw
from charnn.models.delimiters import delimited
from charnn.models.labelled_model import LabelledModel
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates
from charnn.models.transducer import Transducer
from charnn.nn.losses import softmax
from charnn.text.batches import Batch


def mixed(
    inputs: Array,
    step: Callable[[Array], Array],
    share: float,
    random: np.random.Generator,
    delimiter: int | None = None,
) -> Array:
    """Return inputs (T, B) of which only a share is the data's, and the first all are.

    `step` reads symbols (B,) and returns the logits of the next ones (B, V). A symbol that is drawn
    as the `delimiter` cannot be read: there the data's own stays.
    """
    T, B = inputs.shape
    own = random.random((T, B)) >= share
    uniform = random.random((T, B))
    out: Array = inputs.copy()
    for t in range(1, T):
        drawn = draw(softmax(step(out[t - 1]).astype(np.float64)), uniform[t])
        readable = own[t] if delimiter is None else own[t] & (drawn != delimiter)
        out[t] = np.where(readable, drawn, inputs[t])
    return out


def window_fed_back(
    model: LanguageModel,
    batch: Batch,
    states: LayerStates,
    share: float,
    random: np.random.Generator,
) -> Batch:
    """Return a window of text with a share of the data's symbols."""
    stepper = model.stepper(batch.inputs.shape[1], states)
    return replace(batch, inputs=mixed(batch.inputs, stepper.step, share, random))


def labelled_fed_back(
    model: LabelledModel, batch: Batch, share: float, random: np.random.Generator
) -> Batch:
    """Return labelled sequences with a share of the data's symbols in `fed`."""
    labels = batch.inputs[0]
    stepper = model.stepper(labels)
    inputs, _ = delimited(batch.targets, batch.target_ends, model.delimiter)
    return replace(batch, fed=mixed(inputs, stepper.step, share, random, model.delimiter))


def targets_fed_back(
    model: Transducer, batch: Batch, share: float, random: np.random.Generator
) -> Batch:
    """Return pairs of sequences with a share of the target's symbols in `fed`."""
    stepper = model.decoder_stepper(batch.inputs, batch.lengths)
    inputs, _ = delimited(batch.targets, batch.target_ends, model.delimiter)

    def step(ids: Array) -> Array:
        logits, _ = stepper.step(ids)
        return logits

    return replace(batch, fed=mixed(inputs, step, share, random, model.delimiter))
