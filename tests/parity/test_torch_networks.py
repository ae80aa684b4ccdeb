"""The torch engine's networks against the models that they are: losses, gradients and states."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch_networks import (
    DROPOUT,
    FORMS,
    SEED,
    SMOOTHING,
    UPDATE,
    WEIGHT,
    B,
    Result,
    batch_of,
    by_numpy,
    by_torch,
    difference,
    error_of,
    everything,
    in_torch,
    model_of,
    options_of,
)

from charnn.engines.torch.cells import STEPS
from charnn.engines.torch.networks import NETWORKS
from charnn.engines.torch.randomness import Columns, ShardsRandomness
from charnn.nn.cell import Cell
from charnn.tasks.gradient_variants import BASES
from charnn.tasks.registry import TASKS

pytestmark = pytest.mark.parity

EXACT = 1e-9
BOTH = {"bidirectional": True, "num_layers": 2}
HARD: dict[str, dict[str, Any]] = {  # of each task, a form that has most of what there is
    "lm": {"attention": "additive", "attention_span": 3, "num_layers": 2},
    "classify": BOTH,
    "tag": BOTH,
    "generate": {"num_layers": 2},
    "transduce": {**BOTH, "attention": "additive"},
}
forms = pytest.mark.parametrize(
    ("cell", "cell_options"), [pytest.param(f, o, id=name) for f, name, o in FORMS]
)
tasks = pytest.mark.parametrize("task", HARD)


@forms
@tasks
def test_loss_gradient_and_states(task: str, cell: Cell, cell_options: dict[str, str]) -> None:
    """Every form of every model, with all kinds of dropout and without any."""
    for title, options in options_of(task, cell):
        error = error_of(task, {**options, **cell_options}, (True, False))
        assert error < EXACT, (title, error)


def test_nothing_is_missing() -> None:
    """Every form of a cell has a step, and every task's model a network."""
    assert {type(cell) for cell, _, _ in FORMS} == set(STEPS)
    assert {TASKS[name].model for name in TASKS} == set(NETWORKS)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", ["lstm", "gru-before", "gru-after"])
@tasks
def test_parts_add_up_to_the_whole(task: str, name: str, count: int) -> None:
    """Some columns each, with the masks of the whole: losses and gradients are summands."""
    ((cell, options),) = [(form, options) for form, short, options in FORMS if short == name]
    model = model_of(task, {**options, **HARD[task], **everything(cell)})
    batch, states = batch_of(task, model)
    whole = by_torch(model, batch, states, True)
    owns = Columns(B, slice(None), count).parts()
    assert sum(Columns(B, own).count for own in owns) == B
    parts = [by_torch(model, batch, states, True, Columns(B, own)) for own in owns]
    assert abs(sum(part.loss for part in parts) - whole.loss) < EXACT
    assert np.abs(sum(part.gradient for part in parts) - whole.gradient).max() < EXACT
    for number, layer in enumerate(whole.states):
        for kind, state in enumerate(layer):
            joined = np.concatenate([part.states[number][kind] for part in parts])
            assert np.abs(joined - state).max(initial=0) < EXACT


@pytest.mark.parametrize("shards", [2, 3])
def test_masks_of_several_shards(shards: int) -> None:
    """A text's streams drop what the shards of the NumPy engine would drop."""
    options = {"num_layers": 2, "recurrent_dropout": 0.3, **DROPOUT}
    model = model_of("lm", options)
    batch, states = batch_of("lm", model)
    columns = Columns(B, slice(None), shards)
    parts = []
    for number, own in enumerate(columns.parts()):
        some = [tuple(state[own] for state in layer) for layer in states]
        parts.append(by_numpy(model, batch.columns(own), some, True, number))
    whole = by_torch(model, batch, states, True, columns)
    assert abs(sum(part.loss for part in parts) - whole.loss) < EXACT
    assert np.abs(sum(part.gradient for part in parts) - whole.gradient).max() < EXACT


@pytest.mark.parametrize("task", ["generate", "transduce"])
def test_what_is_fed_back_is_read(task: str) -> None:
    """Symbols that the model drew itself stand in the place of the targets."""
    model = model_of(task, {"cell": "lstm", **HARD[task], **DROPOUT})
    batch, states = batch_of(task, model)
    T, columns = batch.targets.shape
    fed = replace(batch, fed=np.random.default_rng(4).integers(0, 10, (T + 1, columns)))
    found = by_torch(model, fed, states, True)
    assert difference(by_numpy(model, fed, states, True), found) < EXACT
    assert difference(by_torch(model, batch, states, True), found) > 1e-3


@pytest.mark.parametrize("cell", ["lstm", "gru", "layernorm-lstm"])
@pytest.mark.parametrize("task", ["classify", "tag", "generate", "transduce"])
def test_what_stands_in_the_padding_changes_no_bit(task: str, cell: str) -> None:
    """Neither in the sources nor in the targets."""
    model = model_of(task, {**BASES[task], "cell": cell, **DROPOUT})
    batch, states = batch_of(task, model)
    inputs, targets = batch.inputs.copy(), batch.targets.copy()
    for array, lengths in ((inputs, batch.lengths), (targets, batch.target_ends)):
        if lengths is not None and len(array) > 1:
            behind = np.arange(len(array))[:, None] >= lengths
            assert behind.any()
            array[behind] = (array[behind] + 1) % 8
    changed = replace(batch, inputs=inputs, targets=targets)
    one, other = (by_torch(model, each, states, True) for each in (batch, changed))
    assert one.loss == other.loss
    assert np.array_equal(one.gradient, other.gradient)


@tasks
def test_batches_that_are_not_padded(task: str) -> None:
    """Lengths that are not given are those of all steps."""
    model = model_of(task, {"cell": "lstm", **HARD[task], **DROPOUT})
    batch, states = batch_of(task, model)
    batch = replace(batch, lengths=None, target_lengths=None)
    one, other = by_numpy(model, batch, states, True), by_torch(model, batch, states, True)
    assert difference(one, other) < EXACT


@tasks
def test_windows_that_follow_each_other(task: str) -> None:
    """What a batch leaves behind is what the next one takes up."""
    model = model_of(task, {"cell": "lstm", **HARD[task]})
    batch, states = batch_of(task, model)
    ours = theirs = states
    for _ in range(3):
        one, other = by_numpy(model, batch, ours, True), by_torch(model, batch, theirs, True)
        assert difference(one, other) < EXACT
        ours, theirs = one.states, other.states


@pytest.mark.parametrize("name", ["lstm", "gru-before", "gru-after", "layernorm-lstm"])
@tasks
def test_half_precision(task: str, name: str) -> None:
    """Everything in between is in float16, the loss is not, and both are near NumPy's float32."""
    ((cell, options),) = [(form, options) for form, short, options in FORMS if short == name]
    model = model_of(task, {**options, **HARD[task], **everything(cell)}, np.float32)
    batch, states = batch_of(task, model)
    expected = by_numpy(model, batch, states, True)
    network, layout = in_torch(model)
    network.half()
    before = [tuple(torch.from_numpy(state).half() for state in layer) for layer in states]
    random = ShardsRandomness(SEED, UPDATE, Columns(B, slice(None)), torch.float32)
    loss, after = network.loss(batch, before, random, WEIGHT, SMOOTHING)
    loss.backward()
    gradients = [weight.grad for weight in layout.weights]
    assert {t.dtype for t in (*gradients, *itertools.chain(*after))} == {torch.float16}
    assert loss.dtype == torch.float32
    found = Result(
        loss.item(),
        layout.read([gradient.float() for gradient in gradients]),
        [tuple(state.detach().numpy() for state in layer) for layer in after],
    )
    assert difference(expected, found) < 0.03


@pytest.mark.parametrize("cell", ["lstm", "gru", "peephole-lstm"])
def test_a_source_without_symbols(cell: str) -> None:
    """Its states at the end are those at the beginning, whatever stands in its padding."""
    model = model_of("transduce", {"cell": cell, **BOTH, **DROPOUT})
    batch, _ = batch_of("transduce", model)
    lengths = np.array([3, 0, 5, 0])
    batch = replace(batch, lengths=lengths)
    one, other = by_numpy(model, batch, [], True), by_torch(model, batch, [], True)
    assert difference(one, other) < EXACT


@tasks
def test_no_sequences(task: str) -> None:
    """A part of a batch that has none has a loss and a gradient of 0."""
    model = model_of(task, {"cell": "lstm", **HARD[task], **DROPOUT})
    batch, states = batch_of(task, model)
    result = by_torch(model, batch, states, True, Columns(B, slice(2, 2)))
    assert result.loss == 0
    assert (result.gradient == 0).all()
