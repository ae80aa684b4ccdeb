"""The language model as a network of integers: the same bits on every machine.

Everything that it computes is an integer held in a floating-point array, and each operation is
exact, or rounded as IEEE 754 says: no order of additions, no kernel and no processor changes a bit.
`charnn.compression.product`, `tables` and `integer_cells` say how.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.compression.integer_cells import CELLS
from charnn.compression.normalization import largest_normalized
from charnn.compression.product import PLACES, Product
from charnn.compression.quantized import QuantizedArray, QuantizedModel, is_vector
from charnn.compression.tables import UNIT
from charnn.errors import CompressionError
from charnn.models.stack import LayerStates, layer_name, make_cell
from charnn.nn.kernels.kernel import States

LARGEST = 1 << 37  # states and biases are below: a gate times their sum is below 2^53


class IntegerNetwork:
    """Symbols in, the logits of the next ones out, in units of 2^-14 nats."""

    def __init__(self, quantized: QuantizedModel) -> None:
        """Prepare the weights. Raises CompressionError where they are too large to be exact."""
        config = quantized.config
        self.vocab_size = len(quantized.vocabulary)
        self.hidden_size = config.hidden_size
        self.cell = CELLS[type(make_cell(config)).__name__]
        arrays = quantized.arrays
        self._layers: list[IntegerLayer] = []
        for number in range(1, config.num_layers + 1):
            prefix = f"{layer_name(number)}/"
            own = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
            below = self._layers[-1] if self._layers else arrays.get("E")
            self._layers.append(IntegerLayer(self, own, below))
        largest = self._layers[-1].largest
        bias = in_places(arrays["b_y"])
        self._output = Product(output_weights(arrays), largest, beside=largest_of(bias))
        self._bias = bias.astype(self._output.dtype)

    def zero_states(self, lanes: int) -> LayerStates:
        """Return the states at the beginning of a text, (L, H) each."""
        shape = lanes, self.hidden_size
        return [tuple(np.zeros(shape) for _ in range(self.cell.states)) for _ in self._layers]

    def read(self, ids: Array, states: LayerStates) -> LayerStates:
        """Return the states after one more symbol in each lane: ids (L,)."""
        after: LayerStates = []
        x: Array = ids
        for layer, before in zip(self._layers, states, strict=True):
            after.append(layer.step(x, before))
            x = after[-1][0]
        return after

    def logits(self, states: LayerStates) -> Array:
        """Return the logits of the next symbol, (L, V)."""
        y = self._output(states[-1][0])
        y += self._bias
        return y


class IntegerLayer:
    """A recurrent layer; it holds its weights for its cell's step."""

    def __init__(
        self,
        network: IntegerNetwork,
        arrays: dict[str, QuantizedArray],
        below: IntegerLayer | QuantizedArray | None,
    ) -> None:
        """Give the arrays by the cell's names, and the layer or the embedding below, if any."""
        self._cell = network.cell
        H, places = network.hidden_size, self._cell.places
        vectors = {name: array for name, array in arrays.items() if is_vector(name)}
        self._vectors = {name: in_places(array) for name, array in vectors.items()}
        self._factors = {
            name: (array.values[0].astype(np.float64), array.exponents.astype(np.int64))
            for name, array in vectors.items()
        }
        self._input: Product | None = None
        self._rows = np.empty((0, 0))
        W_xh = arrays["W_xh"]
        if isinstance(below, IntegerLayer):
            self._input = Product(W_xh, below.largest, places)
            largest = self._input.largest
        else:
            rows = shifted(W_xh, places) if below is None else embedded(below, W_xh, places)
            largest = largest_of(rows)
            self._rows = self._cell.share(rows, self)
        beside = largest + largest_of(self._vectors.get("b_h", np.zeros(1)))
        self._products = [
            Product(columns(arrays["W_hh"], gates, H), 1 << UNIT, places, beside)
            for gates in self._cell.groups
        ]
        exact = [product.dtype is np.float32 for product in self._products]
        if exact and all(exact) and places == PLACES:  # `beside` bounds the sums with these rows
            self._rows = self._rows.astype(np.float32)
        if places != PLACES:
            check_normalizable(largest, *(product.largest for product in self._products), N=4 * H)
        # A state that is not bounded is a mean of candidates, which are the input's share.
        self.largest: int = 1 << UNIT if self._cell.bounded else beside << (UNIT - PLACES)
        if max(self.largest, *map(largest_of, self._vectors.values())) >= LARGEST:
            raise CompressionError(
                "the model's weights are too large to be added up exactly; use another model."
            )

    def step(self, x: Array, states: States) -> States:
        """Return the states after a step: of symbols (L,), or of the states (L, H) below."""
        if self._input is None:
            a: Array = self._rows.take(x, axis=0)
        else:
            a = self._cell.share(self._input(x), self)
        return self._cell.step(a, states, self)

    def multiply(self, h: Array, group: int = 0) -> Array:
        """See `Weights.multiply`."""
        return self._products[group](h)

    def plus(self, name: str) -> Array:
        """See `Weights.plus`."""
        return self._vectors[name]

    def times(self, name: str, x: Array, places: int) -> Array:
        """See `Weights.times`."""
        values, exponents = self._factors[name]
        y: Array = values * x
        y *= np.ldexp(1.0, PLACES - places - exponents)
        return np.rint(y, out=y)


def check_normalizable(*largest: int, N: int) -> None:
    """Check the sum of what is normalised. Raises CompressionError."""
    if sum(largest) > largest_normalized(N):
        raise CompressionError(
            "the model's weights are too large to be normalised exactly; use another model."
        )


def largest_of(array: Array) -> int:
    """Return the largest |x| of integers."""
    return int(np.abs(array).max(initial=0))


def in_places(vector: QuantizedArray) -> Array:
    """Return a vector (N,) in units of 2^-14."""
    places: Array = shifted(vector, PLACES)[0]
    return places


def shifted(array: QuantizedArray, places: int) -> Array:
    """Return an array in units of 2^-places, rounded."""
    exponents = places - array.exponents.astype(np.int64)
    rows: Array = np.rint(np.ldexp(array.values.astype(np.float64), exponents))
    return rows


def embedded(E: QuantizedArray, W_xh: QuantizedArray, places: int) -> Array:
    """Return `E W_xh` (V, G H) in units of 2^-places, rounded."""
    exact = E.values.astype(np.float64) @ W_xh.values.astype(np.float64)  # sums are below 2^53
    exponents = places - int(E.exponents[0]) - W_xh.exponents.astype(np.int64)
    rows: Array = np.rint(np.ldexp(exact, exponents))
    return rows


def columns(matrix: QuantizedArray, gates: slice, H: int) -> QuantizedArray:
    """Return the columns of some gates."""
    of = np.arange(len(matrix.exponents)).reshape(-1, H)[gates].ravel()
    return QuantizedArray(matrix.values[:, of], matrix.exponents[of])


def output_weights(arrays: dict[str, QuantizedArray]) -> QuantizedArray:
    """Return `W_hy` (H, V), which is the transposed embedding where they are tied."""
    if "W_hy" in arrays:
        return arrays["W_hy"]
    E = arrays["E"]
    return QuantizedArray(E.values.T, np.full(len(E.values), E.exponents[0], np.int8))
