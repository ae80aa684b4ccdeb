"""The integer network written a second time, naively: lists of Python's integers, one lane.

It follows the equations in the docstrings of `charnn.compression` and shares no code with them:
the tables come from `decimal`, sums from `sum`, and each rounding is spelled out. All is exact but
the two operations that the definition of layer normalisation gives to IEEE 754, a quotient and a
root, for which Python's floats are asked. Weights come from a QuantizedModel's integers.
"""

from __future__ import annotations

from collections.abc import Callable

from naive_parts import (
    ADDED,
    BEFORE_NORM,
    STATE,
    Product,
    TooLargeError,
    Weights,
    embedded,
    half_even,
    largest_normalized,
    normalized,
    sigma,
    tanh,
)

from charnn.compression.quantized import QuantizedModel


def product_of(gate: list[int], x: list[int]) -> list[int]:
    """Return gate times x, in x's units."""
    return [half_even(g * each, STATE) for g, each in zip(gate, x, strict=True)]


def plus(*vectors: list[int]) -> list[int]:
    """Return the sum of vectors."""
    return [sum(each) for each in zip(*vectors, strict=True)]


def mixed(h: list[int], n: list[int], z: list[int]) -> list[int]:
    """Return (1 - z) h + z n, rounded once."""
    return [
        half_even(((1 << STATE) - c) * a + c * b, STATE) for a, b, c in zip(h, n, z, strict=True)
    ]


class Layer:
    """One layer; `largest` is that of |h|, in units of 2^-15."""

    def __init__(
        self, kind: str, H: int, arrays: dict[str, Weights], below: Layer | Weights | None
    ) -> None:
        self.kind, self.H, self.arrays = kind, H, arrays
        self.v = {
            name: W.in_places(ADDED)[0] for name, W in arrays.items() if not name.startswith("W")
        }
        normed = kind.startswith("layernorm")
        places = BEFORE_NORM if normed else ADDED
        W = arrays["W_xh"]
        self.input: Product | None = None
        self.rows: list[list[int]] = []
        if isinstance(below, Layer):
            self.input = Product(W, below.largest, places)
            largest = self.input.largest
        else:
            self.rows = W.in_places(places) if below is None else embedded(below, W, places)
            largest = max(abs(x) for row in self.rows for x in row)
        beside = largest + max(map(abs, self.v.get("b_h", [0])))
        parts = {"gru-before": [(0, 2 * H), (2 * H, 3 * H)], "mingru": []}
        self.products = [
            Product(arrays["W_hh"].columns(*part), 1 << STATE, places, beside)
            for part in parts.get(kind, [(0, len(W.exponents))])
        ]
        if normed and largest + self.products[0].largest > largest_normalized(4 * H):
            raise TooLargeError
        self.largest = beside * 2 if kind == "mingru" else 1 << STATE

    def step(self, x: int | list[int], states: list[list[int]]) -> list[list[int]]:
        """Return the states after a step."""
        a = self.rows[x] if isinstance(x, int) else self.input(x)
        return STEPS[self.kind](self, a, *states)

    def gates(self, a: list[int]) -> list[list[int]]:
        """Return the gates' parts of a vector."""
        return [a[k : k + self.H] for k in range(0, len(a), self.H)]

    def normed(self, gain: str, x: list[int], places: int = BEFORE_NORM) -> list[int]:
        """Return gain LN(x)."""
        return self.arrays[gain].times(0, normalized(x, places), ADDED)


def rnn(layer: Layer, a: list[int], h: list[int]) -> list[list[int]]:
    """RNN: see `charnn.nn.rnn`."""
    return [list(map(tanh, plus(a, layer.v["b_h"], layer.products[0](h))))]


def lstm(layer: Layer, a: list[int], h: list[int], c: list[int]) -> list[list[int]]:
    """LSTM, with peepholes or without."""
    a_i, a_f, a_o, a_g = layer.gates(plus(a, layer.v["b_h"], layer.products[0](h)))
    peeps = layer.kind == "peephole-lstm"
    if peeps:
        a_i = plus(a_i, layer.arrays["p_i"].times(0, c, STATE))
        a_f = plus(a_f, layer.arrays["p_f"].times(0, c, STATE))
    c = new_cell_state(a_i, a_f, a_g, c)
    if peeps:
        a_o = plus(a_o, layer.arrays["p_o"].times(0, c, STATE))
    return [product_of(list(map(sigma, a_o)), [tanh(each, STATE) for each in c]), c]


def new_cell_state(a_i: list[int], a_f: list[int], a_g: list[int], c: list[int]) -> list[int]:
    """Return f c + i g, rounded once."""
    return [
        half_even(sigma(f) * each + sigma(i) * tanh(g), STATE)
        for i, f, g, each in zip(a_i, a_f, a_g, c, strict=True)
    ]


def gru_before(layer: Layer, a: list[int], h: list[int]) -> list[list[int]]:
    """GRU whose reset gate acts before the product."""
    a_r, a_z, a_n = layer.gates(plus(a, layer.v["b_h"]))
    u_r, u_z = layer.gates(layer.products[0](h))
    q = product_of(list(map(sigma, plus(a_r, u_r))), h)
    n = list(map(tanh, plus(a_n, layer.products[1](q))))
    return [mixed(h, n, list(map(sigma, plus(a_z, u_z))))]


def gru_after(layer: Layer, a: list[int], h: list[int]) -> list[list[int]]:
    """GRU whose reset gate acts after the product."""
    return reset_after(layer, plus(a, layer.v["b_h"]), layer.products[0](h), h)


def reset_after(layer: Layer, v: list[int], u: list[int], h: list[int]) -> list[list[int]]:
    """Its state, of the input's and the recurrent share."""
    (v_r, v_z, v_n), (u_r, u_z, u_n) = layer.gates(v), layer.gates(u)
    m = product_of(list(map(sigma, plus(v_r, u_r))), plus(u_n, layer.v["b_hn"]))
    return [mixed(h, list(map(tanh, plus(v_n, m))), list(map(sigma, plus(v_z, u_z))))]


def min_gru(layer: Layer, a: list[int], h: list[int]) -> list[list[int]]:
    """The minimal GRU."""
    a_z, a_n = layer.gates(plus(a, layer.v["b_h"]))
    return [mixed(h, [2 * each for each in a_n], list(map(sigma, a_z)))]


def layernorm_lstm(layer: Layer, a: list[int], h: list[int], c: list[int]) -> list[list[int]]:
    """LSTM with layer normalisation."""
    u = layer.normed("gain_h", layer.products[0](h))
    a_i, a_f, a_o, a_g = layer.gates(plus(layer.normed("gain_x", a), layer.v["b"], u))
    c = new_cell_state(a_i, a_f, a_g, c)
    limit = largest_normalized(layer.H)
    held = [min(max(each, -limit), limit) for each in c]
    y = plus(layer.normed("gain_c", held, STATE), layer.v["b_c"])
    return [product_of(list(map(sigma, a_o)), list(map(tanh, y))), c]


def layernorm_gru(layer: Layer, a: list[int], h: list[int]) -> list[list[int]]:
    """GRU with layer normalisation."""
    v = plus(layer.normed("gain_x", a), layer.v["b"])
    return reset_after(layer, v, layer.normed("gain_h", layer.products[0](h)), h)


def layernorm_rnn(layer: Layer, a: list[int], h: list[int]) -> list[list[int]]:
    """RNN with layer normalisation."""
    u = layer.normed("gain", plus(a, layer.products[0](h)))
    return [list(map(tanh, plus(u, layer.v["b"])))]


STEPS: dict[str, Callable[..., list[list[int]]]] = {
    "rnn": rnn,
    "lstm": lstm,
    "peephole-lstm": lstm,
    "gru-before": gru_before,
    "gru-after": gru_after,
    "mingru": min_gru,
    "layernorm-lstm": layernorm_lstm,
    "layernorm-gru": layernorm_gru,
    "layernorm-rnn": layernorm_rnn,
}


class NaiveNetwork:
    """One lane of the network: symbols in, logits out, in units of 2^-14."""

    def __init__(self, quantized: QuantizedModel) -> None:
        """Raises TooLargeError where the weights are."""
        config = quantized.config
        arrays = {name: Weights.of(array) for name, array in quantized.arrays.items()}
        kind = f"gru-{config.gru_reset}" if config.cell == "gru" else config.cell
        self.layers: list[Layer] = []
        for number in range(config.num_layers):
            prefix = f"layer{number + 1}/"
            own = {name[len(prefix) :]: W for name, W in arrays.items() if name.startswith(prefix)}
            below = self.layers[-1] if self.layers else arrays.get("E")
            self.layers.append(Layer(kind, config.hidden_size, own, below))
        W_hy = arrays["W_hy"] if "W_hy" in arrays else arrays["E"].transposed()
        self.bias = arrays["b_y"].in_places(ADDED)[0]
        self.output = Product(W_hy, self.layers[-1].largest, beside=max(map(abs, self.bias)))
        two = kind in {"lstm", "peephole-lstm", "layernorm-lstm"}
        zeros = [0] * config.hidden_size
        self.states = [[zeros, zeros] if two else [zeros] for _ in self.layers]

    def read(self, symbol: int) -> None:
        """Read a symbol."""
        x: int | list[int] = symbol
        for number, layer in enumerate(self.layers):
            self.states[number] = layer.step(x, self.states[number])
            x = self.states[number][0]

    def logits(self) -> list[int]:
        """Return the logits of the next symbol."""
        return plus(self.output(self.states[-1][0]), self.bias)
