"""How a recurrent layer's parameters correspond to the arrays of another program.

What differs between charnn and the others is here and nowhere else: export, import, the engine on
PyTorch and the comparison with PyTorch all read it.

    charnn                             others
    W_xh (G, D, H), x W                (G H, D), W x: transposed, the gates one below the other
    LSTM's gates i, f, o, g            PyTorch: i, f, g, o        ONNX: i, o, f, c (which is g)
    GRU's gates r, z, n                PyTorch: r, z, n           ONNX: z, r, h (which is n)
    GRU: h = (1 - z) h_prev + z n      h = (1 - z) n + z h_prev: z's weights and bias change sign,
                                       since sigma(-a) = 1 - sigma(a)
    b_h (G, H); b_hn (H,) in the       two biases of the input's and the recurrent product: b_h is
    GRU that resets after              the first, the second is 0 but for b_hn

(PyTorch: the documentation of `torch.nn.LSTM` and `torch.nn.GRU`; ONNX: its operators LSTM, GRU and
RNN.) A `Share` says which rows of which array one gate of a parameter is. Applied to arrays of
numbers it converts them; applied to the numbers of places it tells where each number goes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.nn.cell import Cell


@dataclass(frozen=True)
class Share:
    """`theirs[rows] = sign * ours[gate].T`: a gate of a parameter, or all of it where it is None.

    `rows` are None for a whole array; without `transposed` nothing is turned.
    """

    ours: str
    theirs: str
    gate: int | None = None
    rows: slice | None = None
    sign: int = 1
    transposed: bool = False

    def turned(self, array: Array) -> Array:
        """Return `sign * array.T`, which is its own inverse."""
        shaped = array.T if self.transposed else array
        return shaped if self.sign == 1 else -shaped

    def under(self, ours: str, theirs: str, ending: str = "") -> Share:
        """Return the same share of arrays whose names begin, or theirs end, with something more."""
        return replace(self, ours=ours + self.ours, theirs=theirs + self.theirs + ending)


@dataclass(frozen=True)
class Convention:
    """How a program lays out a recurrent layer.

    The order of its gates, by charnn's names, and those whose sign is turned; the names of its
    weights, and of its biases. Where both biases are in one array, `bias_after` is None. Peepholes
    are in one array `peepholes`, in the order `peephole_gates`, or in arrays of their own.
    """

    gates: tuple[str, ...]
    negated: tuple[str, ...] = ()
    input_weights: str = "weight_ih"
    recurrent_weights: str = "weight_hh"
    bias: str = "bias_ih"
    bias_after: str | None = "bias_hh"
    peepholes: str | None = None
    peephole_gates: tuple[str, ...] = ()


ONNX_NAMES = ("W", "R", "B", None)
ONNX = {  # by the operator's name
    "RNN": Convention(("h",), (), *ONNX_NAMES),
    "LSTM": Convention(("i", "o", "f", "g"), (), *ONNX_NAMES, "P", ("i", "o", "f")),
    "GRU": Convention(("z", "r", "n"), ("z",), *ONNX_NAMES),
}


def pytorch(cell: Cell) -> Convention | None:
    """Return PyTorch's convention for a cell, or None where it has no cell that computes this."""
    peer = cell.peer
    return Convention(peer.gates, peer.negated) if peer is not None and peer.same else None


def own_order(cell: Cell) -> Convention:
    """Return charnn's own order of gates and signs, with weights laid out as PyTorch's are."""
    return Convention(cell.gates)


def layer_shares(cell: Cell, hidden: int, convention: Convention) -> Iterator[Share]:
    """Yield the shares of all parameters of a layer of H units; names are those in the layer.

    What only charnn's own order has, such as gains, keeps its name, gates one after the other.
    """
    for name, shape in cell.shapes(1, hidden).items():
        gates = range(len(cell.gates)) if len(shape) > 1 else [None]
        for gate in gates:
            yield share_of(cell, hidden, convention, name, gate)


def share_of(cell: Cell, hidden: int, convention: Convention, name: str, gate: int | None) -> Share:
    """Return the share of one gate of a parameter, or of a parameter that has no gates."""
    own = cell.gates[gate] if gate is not None else name.rpartition("_")[2].removeprefix("h")
    place = convention.gates.index(own) if own in convention.gates else 0
    rows = slice(place * hidden, (place + 1) * hidden)
    sign = -1 if own in convention.negated else 1
    if name in ("W_xh", "W_hh"):
        theirs = convention.input_weights if name == "W_xh" else convention.recurrent_weights
        return Share(name, theirs, gate, rows, sign, transposed=True)
    if name == "b_h":
        return Share(name, convention.bias, gate, rows, sign)
    if name.startswith("b_h"):  # b_hn: of one gate's recurrent product
        if convention.bias_after is not None:
            return Share(name, convention.bias_after, rows=rows, sign=sign)
        start = rows.start + len(cell.gates) * hidden
        return Share(name, convention.bias, rows=slice(start, start + hidden), sign=sign)
    if name.startswith("p_") and convention.peepholes is not None:
        start = convention.peephole_gates.index(own) * hidden
        return Share(name, convention.peepholes, rows=slice(start, start + hidden))
    return Share(name, name, gate, None if gate is None else rows)


def layer_shapes(cell: Cell, inputs: int, hidden: int, convention: Convention) -> dict[str, Shape]:
    """Return the shapes of their arrays for a layer of D inputs and H units, by name.

    Rows that no share fills are 0: biases that charnn does not have.
    """
    rows, ours = len(cell.gates) * hidden, cell.shapes(inputs, hidden)
    shapes: dict[str, Shape] = {convention.input_weights: (rows, inputs)}
    if "W_hh" in ours:
        shapes[convention.recurrent_weights] = (rows, hidden)
    if convention.bias_after is None:
        shapes[convention.bias] = (2 * rows,)
    else:
        shapes |= {convention.bias: (rows,), convention.bias_after: (rows,)}
    for share in layer_shares(cell, hidden, convention):
        if share.theirs == convention.peepholes:
            shapes[share.theirs] = (len(convention.peephole_gates) * hidden,)
        elif share.theirs not in shapes:
            shapes[share.theirs] = (math.prod(ours[share.ours]),)
    return shapes


def to_theirs(
    shares: Iterable[Share], ours: Arrays, shapes: Mapping[str, Shape]
) -> dict[str, Array]:
    """Return their arrays, of these shapes, from charnn's; what no share fills is 0."""
    dtype = next(iter(ours.values())).dtype
    theirs = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
    for share in shares:
        array = ours[share.ours] if share.gate is None else ours[share.ours][share.gate]
        theirs[share.theirs][slice(None) if share.rows is None else share.rows] = share.turned(
            array
        )
    return theirs


def to_ours(
    shares: Iterable[Share], theirs: Arrays, shapes: Mapping[str, Shape]
) -> dict[str, Array]:
    """Return charnn's arrays, of these shapes, from theirs; what no share fills is 0."""
    dtype = next(iter(theirs.values())).dtype
    ours = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
    for share in shares:
        array = theirs[share.theirs]
        if share.rows is not None:
            array = array[share.rows]
        ours[share.ours][... if share.gate is None else share.gate] = share.turned(array)
    return ours


def places(
    shares: Iterable[Share], ours: Mapping[str, Shape], theirs: Mapping[str, Shape]
) -> dict[str, Array]:
    """Return for each number of their arrays which of charnn's parameters it is, counted from 1.

    Parameters are counted in the order of `ours`, as they lie in one vector; the negative number
    stands for the parameter with the other sign, and 0 for what is always 0.
    """
    numbers, start = {}, 1
    for name, shape in ours.items():
        size = math.prod(shape)
        numbers[name] = np.arange(start, start + size).reshape(shape)
        start += size
    return to_theirs(shares, numbers, theirs)
