"""Recurrent layers in ONNX's operators: one of its own for a layer, or a loop over time.

ONNX has RNN, LSTM (with peepholes as its input P) and GRU (`linear_before_reset` 1 where the reset
gate acts after the product). Other cells are a `Scan`, whose body is the step of the cell's module:

    a = x W_xh                      for all t at once
    v = gain_x LN(a) + b            of the LSTM and the GRU with layer normalisation, otherwise a
    h_t = step(v_t, h_{t-1})        in the loop; with c of the LSTM

The gates of a loop are in charnn's order (`own_order`), side by side: v is (T, B, G H).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array
from charnn.formats.onnx_nodes import Graph
from charnn.models.correspondence import ONNX, layer_shapes, layer_shares, own_order, to_theirs
from charnn.models.language_model import LanguageModel
from charnn.nn.normalization import EPSILON
from charnn.nn.parameters import group

OPERATORS = {"rnn": "RNN", "lstm": "LSTM", "peephole-lstm": "LSTM", "gru": "GRU"}  # by the cell

Weights: TypeAlias = Callable[[str], str]  # the constant of a layer's weights, by their name
Step: TypeAlias = Callable[[Graph, str, list[str], Weights], list[str]]


def recurrent_layer(graph: Graph, model: LanguageModel, layer: str, x: str) -> str:
    """Add a recurrent layer over x (T, B, D); return the name of its h (T, B, H).

    It reads the states `layer1_h`, ... and makes `layer1_h_after`, ..., (1, B, H) each.
    """
    add = operator if model.config.cell in OPERATORS else loop
    return add(graph, model, layer, x)


def operator(graph: Graph, model: LanguageModel, layer: str, x: str) -> str:
    """Add a layer for which ONNX has an operator: see `recurrent_layer`."""
    config, cell, H = model.config, model.stack.cell, model.config.hidden_size
    name = OPERATORS[config.cell]
    ours = group(model.parameters, layer)
    shapes = layer_shapes(cell, ours["W_xh"].shape[1], H, ONNX[name])
    theirs = to_theirs(layer_shares(cell, H, ONNX[name]), ours, shapes)
    W, R, B, P = (
        graph.constant(f"{layer}_{each}", theirs[each][None]) if each in theirs else ""
        for each in ("W", "R", "B", "P")
    )
    states = [f"{layer}_{state}" for state in cell.states]
    attributes = {"hidden_size": H}
    if name == "GRU":
        attributes["linear_before_reset"] = int(config.gru_reset == "after")
    Y = graph.add(
        name,
        *(x, W, R, B, "", *states),  # all sequences are as long as the window
        *([P] if P else []),
        outputs=[f"{layer}_Y", *(f"{state}_after" for state in states)],
        **attributes,
    )
    return graph.add("Squeeze", Y, axes(graph, 1))


def loop(graph: Graph, model: LanguageModel, layer: str, x: str) -> str:
    """Add a layer as a loop over time: see `recurrent_layer`."""
    cell, H = model.stack.cell, model.config.hidden_size
    ours = group(model.parameters, layer)
    shapes = layer_shapes(cell, ours["W_xh"].shape[1], H, own_order(cell))
    theirs = to_theirs(layer_shares(cell, H, own_order(cell)), ours, shapes)

    def weights(name: str) -> str:
        array: Array = theirs[name]
        return graph.constant(f"{layer}_{name}", array.T)

    v = graph.add("MatMul", x, weights("weight_ih"))
    if "gain_x" in theirs:
        v = normalised(graph, v, weights("gain_x"), weights("b"))
    body = Graph(scope=f"{layer}_step_")
    before = [body.take(f"{layer}_{state}_before", np.float32, ("B", H)) for state in cell.states]
    v_t = body.take(f"{layer}_v", np.float32, ("B", len(cell.gates) * H))
    after = STEPS[model.config.cell](body, v_t, before, weights)
    for each in (*after, body.add("Identity", after[0])):
        body.give(each, np.float32, ("B", H))
    first = [graph.add("Squeeze", f"{layer}_{state}", axes(graph, 0)) for state in cell.states]
    last, h = [f"{layer}_{state}_last" for state in cell.states], f"{layer}_Y"
    graph.add(*("Scan", *first, v), outputs=[*last, h], body=body.proto(layer), num_scan_inputs=1)
    for state, each in zip(cell.states, last, strict=True):
        graph.add("Unsqueeze", each, axes(graph, 0), outputs=[f"{layer}_{state}_after"])
    return h


def min_gru(body: Graph, v: str, states: list[str], W: Weights) -> list[str]:
    """See `charnn.nn.min_gru`."""
    z, n = gates(body, body.add("Add", v, W("bias_ih")), 2)
    return [mixed(body, states[0], body.add("Sigmoid", z), n)]


def layer_norm_rnn(body: Graph, v: str, states: list[str], W: Weights) -> list[str]:
    """See `charnn.nn.layer_norm_rnn`."""
    total = body.add("Add", v, body.add("MatMul", states[0], W("weight_hh")))
    return [body.add("Tanh", normalised(body, total, W("gain"), W("b")))]


def layer_norm_gru(body: Graph, v: str, states: list[str], W: Weights) -> list[str]:
    """See `charnn.nn.layer_norm_gru`; the second bias is 0 but for b_hn."""
    u = body.add("MatMul", states[0], W("weight_hh"))
    v_r, v_z, v_n = gates(body, v, 3)
    u_r, u_z, m = gates(body, normalised(body, u, W("gain_h"), W("bias_hh")), 3)
    r = body.add("Sigmoid", body.add("Add", v_r, u_r))
    z = body.add("Sigmoid", body.add("Add", v_z, u_z))
    n = body.add("Tanh", body.add("Add", v_n, body.add("Mul", r, m)))
    return [mixed(body, states[0], z, n)]


def layer_norm_lstm(body: Graph, v: str, states: list[str], W: Weights) -> list[str]:
    """See `charnn.nn.layer_norm_lstm`."""
    h, c = states
    u = normalised(body, body.add("MatMul", h, W("weight_hh")), W("gain_h"))
    *sigmoids, g = gates(body, body.add("Add", v, u), 4)
    i, f, o = (body.add("Sigmoid", each) for each in sigmoids)
    c = body.add("Add", body.add("Mul", f, c), body.add("Mul", i, body.add("Tanh", g)))
    y = body.add("Tanh", normalised(body, c, W("gain_c"), W("b_c")))
    return [body.add("Mul", o, y), c]


STEPS: dict[str, Step] = {
    "mingru": min_gru,
    "layernorm-lstm": layer_norm_lstm,
    "layernorm-gru": layer_norm_gru,
    "layernorm-rnn": layer_norm_rnn,
}


def gates(body: Graph, v: str, count: int) -> list[str]:
    """Split (B, G H) into G values (B, H)."""
    names = [f"{v}_gate_{number}" for number in range(1, count + 1)]
    body.add("Split", v, outputs=names, axis=1)
    return names


def mixed(body: Graph, h: str, z: str, n: str) -> str:
    """`(1 - z) h + z n`, as h + z (n - h)."""
    return body.add("Add", h, body.add("Mul", z, body.add("Sub", n, h)))


def normalised(graph: Graph, v: str, gain: str, *bias: str) -> str:
    """`gain LN(v) + bias`: see `charnn.nn.normalization`."""
    return graph.add("LayerNormalization", v, gain, *bias, axis=-1, epsilon=EPSILON)


def axes(graph: Graph, axis: int) -> str:
    """Return the constant that names an axis."""
    return graph.constant(f"axis_{axis}", np.array([axis]))
