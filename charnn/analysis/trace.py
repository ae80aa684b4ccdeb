"""Every gate, state and logit of a language model on a text, and a loss's gradient by every state.

Layers count from 1 at the input. Of a window of T symbols, B texts side by side:

    gates[name][t]     (B, H)   as they act at step t: sigma and tanh are applied
    states[name][t]    (B, H)   before step t; [0] are the initial ones, [T] those after the window
    logits[t]          (B, V)   after step t: what is expected of the symbol at t + 1

and of the loss at the last step alone, L_T = -log softmax(logits[T - 1])[target], the gradient by
the states k steps before it, `gradients[name][k] = dL_T/ds_{T-k}`, (B, H). It is the whole one: a
state moves, and so does all that is computed from it, in its own layer, in those above it and in
attention. Only h_t and c_t of one step share something: h_t = o_t tanh(c_t). There dL/dc_t has the
way through h_t, as papers define it, and dL/dh_t holds c_t. Nothing is dropped.

The readable steps of the cells compute all of it (`charnn.analysis.observed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charnn.analysis.observed import Notes, Unwanted, observed
from charnn.arrays import Array
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates, Stack
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.nn.losses import cross_entropy

WINDOW = 256  # time steps that `trace_windows` computes at once


@dataclass(frozen=True)
class LayerTrace:
    """What a layer computed: gates (T, B, H) and states (T + 1, B, H), by their names."""

    name: str
    gates: dict[str, Array]
    states: dict[str, Array]


@dataclass(frozen=True)
class Trace:
    """What a model computed on ids (T, B): its layers, logits (T, B, V), and the states after it.

    `final` are for the next window; where the model attends to its past, the past states are last.
    """

    ids: Array
    layers: list[LayerTrace]
    logits: Array
    final: LayerStates


@dataclass(frozen=True)
class StateGradients:
    """The losses (B,) in nats at the last step, and their gradients by earlier states.

    `layers` has a dictionary for each layer: by the state's name (K + 1, B, H), the lag first.
    `traced` are the gates and states of all steps.
    """

    losses: Array
    layers: list[dict[str, Array]]
    traced: list[LayerTrace]


def trace(model: LanguageModel, ids: Array, states: LayerStates | None = None) -> Trace:
    """Return all that a model computes on ids (T, B), or (T,) for B = 1, in its own precision.

    It begins at `states`, or at zeros. Memory grows with T: `trace_windows` is for long texts.
    Raises ValueError where there are no ids.
    """
    ids = as_columns(ids)
    with single_thread():
        stack, told = observed(model)
        before = model.zero_states(ids.shape[1]) if states is None else states
        h, final, _ = stack.run(model.parameters, ids, before)
        logits, _ = model.head.logits(model.parameters, h, Buffers())
    return Trace(ids, traced(stack, told), logits.reshape(*ids.shape, -1), final)


def trace_windows(
    model: LanguageModel, ids: Array, states: LayerStates | None = None, window: int = WINDOW
) -> Iterator[Trace]:
    """Yield the traces of a text's windows, one after the other: together they are the text's.

    The states are carried from each window to the next, and memory does not grow with the text.
    """
    ids = as_columns(ids)
    for start in range(0, len(ids), window):
        part = trace(model, ids[start : start + window], states)
        states = part.final
        yield part


def state_gradients(
    model: LanguageModel, ids: Array, lags: int, states: LayerStates | None = None
) -> StateGradients:
    """Return the gradients of the loss at the last step by the states up to `lags` steps before.

    Of ids (T + 1, B), or (T + 1,), the last are predicted, and only they are scored. It begins at
    `states`, or at zeros; the gradient by the state after the first symbol is that of lag T - 1.
    Raises ValueError for more lags than that.
    """
    ids = as_columns(ids)
    T = len(ids) - 1
    if not 0 <= lags < T:
        raise ValueError(f"lags is {lags}, but {T} steps have lags from 0 to {T - 1}")
    with single_thread():
        stack, told = observed(model)
        before = model.zero_states(ids.shape[1]) if states is None else states
        h, _, backward_stack = stack.run(model.parameters, ids[:-1], before)
        head = model.head.weights(model.parameters)
        losses, backward_loss = cross_entropy(h[-1] @ head["W_hy"] + head["b_y"], ids[-1])
        dh = np.zeros_like(h)
        dh[-1] = backward_loss(1.0) @ head["W_hy"].T
        backward_stack(dh, Unwanted(), None)
    layers = [
        {state: np.stack(notes.gradients[state][: lags + 1]) for state in stack.cell.states}
        for notes in told
    ]
    return StateGradients(losses, layers, traced(stack, told))


def traced(stack: Stack, told: list[Notes]) -> list[LayerTrace]:
    """Return what the layers of a stack told of their gates and states."""
    names = stack.cell.states
    return [
        LayerTrace(
            name,
            {gate: np.stack(notes.gates[gate]) for gate in stack.cell.gates},
            {
                state: np.stack(values)
                for state, values in zip(names, zip(*notes.states, strict=True), strict=True)
            },
        )
        for name, notes in zip(stack.layers, told, strict=True)
    ]


def as_columns(ids: Array) -> Array:
    """Return ids (T,) as (T, 1), and (T, B) as they are. Raises ValueError for others, or none."""
    ids = np.asarray(ids)
    if ids.ndim not in (1, 2) or ids.size == 0:
        raise ValueError(f"ids have the shape {ids.shape}; give (T,) or (T, B), with T >= 1")
    return ids[:, None] if ids.ndim == 1 else ids
