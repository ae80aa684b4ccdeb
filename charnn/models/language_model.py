"""The language model: ids in, a distribution over the next symbol out.

x_t   = one-hot or embedded symbol
h_t   = recurrent layers, one over the other, with dropout between them
y_t   = softmax(h_t W_hy + b_y)
L     = mean over t and b of -log y_t[target]     in nats per symbol
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Shape
from charnn.config import ModelConfig
from charnn.nn import initializers
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell, States
from charnn.nn.layers import affine, dropout, project, project_ids
from charnn.nn.losses import cross_entropy
from charnn.nn.parameters import Parameters
from charnn.nn.recurrent import unroll
from charnn.registry import CELLS

LayerStates: TypeAlias = list[States]
LogitsBackward: TypeAlias = Callable[[Array, Parameters], LayerStates]
LossBackward: TypeAlias = Callable[[Parameters], LayerStates]


def make_cell(config: ModelConfig) -> Cell:
    """Return the form of the cell that a configuration names."""
    forms = CELLS[config.cell].forms()
    return forms[config.gru_reset if config.gru_reset in forms else ""]


def layer_name(number: int) -> str:
    """Return the prefix of a layer's parameters; layers count from 1 at the input."""
    return f"layer{number}"


def parameter_shapes(config: ModelConfig, vocab_size: int) -> dict[str, Shape]:
    """Return the one table of all parameters' names and shapes, in their order in memory."""
    cell, H = make_cell(config), config.hidden_size
    shapes: dict[str, Shape] = {}
    inputs = vocab_size
    if config.embedding_size is not None:
        inputs = config.embedding_size
        shapes["E"] = vocab_size, inputs
    for number in range(1, config.num_layers + 1):
        for name, shape in cell.shapes(inputs, H).items():
            shapes[f"{layer_name(number)}/{name}"] = shape
        inputs = H
    return shapes | {"W_hy": (H, vocab_size), "b_y": (vocab_size,)}


@dataclass(frozen=True)
class LanguageModel:
    """A configuration and its parameters; everything else is computed."""

    config: ModelConfig
    vocab_size: int
    parameters: Parameters

    @classmethod
    def initialized(
        cls, config: ModelConfig, vocab_size: int, seed: int, dtype: npt.DTypeLike = np.float32
    ) -> LanguageModel:
        """Return an untrained model: equal seeds give equal weights."""
        parameters = Parameters(parameter_shapes(config, vocab_size), dtype)
        random = np.random.default_rng(seed)
        cell = make_cell(config)
        for path, array in parameters.items():
            name = path.rpartition("/")[2]
            if name == "E":
                initializers.gaussian(array, random)
            elif name == "W_hh" and config.recurrent_init == "orthogonal":
                initializers.orthogonal(array, random)
            elif name == "W_hy" or (path == "layer1/W_xh" and config.embedding_size is None):
                initializers.glorot(array, random, gain=cell.symbol_gain)
            elif name.startswith("W_"):
                initializers.glorot(array, random)
            elif name == "b_h":
                array.T[...] = [cell.initial_bias(gate, config.forget_bias) for gate in cell.gates]
        return cls(config, vocab_size, parameters)

    @property
    def cell(self) -> Cell:
        """The recurrent cell."""
        return make_cell(self.config)

    def state_shapes(self, batch_size: int) -> dict[str, Shape]:
        """Return the names and shapes of the recurrent states: `layer1/h`, ..."""
        return {
            f"{layer_name(number)}/{state}": (batch_size, self.config.hidden_size)
            for number in range(1, self.config.num_layers + 1)
            for state in self.cell.states
        }

    def zero_states(self, batch_size: int) -> LayerStates:
        """Return the states at the beginning of a text, (B, H) each."""
        shape, dtype = (batch_size, self.config.hidden_size), self.parameters.flat.dtype
        return [
            tuple(np.zeros(shape, dtype) for _ in self.cell.states)
            for _ in range(self.config.num_layers)
        ]

    def layer_parameters(self, parameters: Parameters, number: int) -> dict[str, Array]:
        """Return one layer's arrays by their own names; the first has the embedding E, too."""
        own = parameters.group(layer_name(number))
        return own | {"E": parameters["E"]} if number == 1 and "E" in parameters else own

    def logits(
        self,
        ids: Array,
        states: LayerStates,
        *,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[Array, LayerStates, LogitsBackward]:
        """Run a window: ids (T, B) -> logits (T * B, V), the states after it, and `backward`.

        With `random`, dropout is on. `backward(d_logits, gradients)` fills in the gradients of all
        parameters and returns those of the initial states; it can be called once. With `buffers`,
        what is returned is good until the next window.
        """
        buffers = buffers or Buffers()
        h, final, backward_layers = self.hidden(ids, states, random=random, buffers=buffers)
        top = h.reshape(ids.size, -1)
        W_hy = self.parameters["W_hy"]
        logits, backward_affine = affine(top, W_hy, self.parameters["b_y"], buffers)

        def backward(d_logits: Array, gradients: Parameters) -> LayerStates:
            d_top = backward_affine(d_logits, gradients["W_hy"], gradients["b_y"])
            return backward_layers(d_top.reshape(h.shape), gradients)

        return logits, final, backward

    def hidden(
        self,
        ids: Array,
        states: LayerStates,
        *,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[Array, LayerStates, LogitsBackward]:
        """Run the layers between input and output: ids (T, B) -> h (T, B, H) of the last.

        Returns h, the states after the window, and `backward(dh, gradients)`, as `logits` does.
        """
        buffers = buffers or Buffers()
        numbers = range(1, self.config.num_layers + 1)
        backward_project, backward_unroll, backward_dropout = {}, {}, {}
        final = []
        weights = self.layer_parameters(self.parameters, 1)
        a, backward_ids = project_ids(ids, weights, buffers, f"{layer_name(1)}/")
        for number in numbers:
            name = f"{layer_name(number)}/"
            h, after, backward_unroll[number] = unroll(
                self.cell, a, states[number - 1], weights, buffers, name
            )
            final.append(after)
            if random is not None and self.config.dropout:
                h, backward_dropout[number] = dropout(h, self.config.dropout, random, buffers, name)
            if number < self.config.num_layers:
                weights = self.layer_parameters(self.parameters, number + 1)
                name = f"{layer_name(number + 1)}/"
                a, backward_project[number + 1] = project(
                    h, weights["W_xh"], weights["b_h"], buffers, name
                )

        def backward(dh: Array, gradients: Parameters) -> LayerStates:
            d_initial = []
            for number in reversed(numbers):
                own = self.layer_parameters(gradients, number)
                if number in backward_dropout:
                    dh = backward_dropout[number](dh)
                da, d_states = backward_unroll[number](dh, own, None)
                d_initial.append(d_states)
                if number == 1:
                    backward_ids(da, own)
                else:
                    dh = backward_project[number](da, own)
            return d_initial[::-1]

        return h, final, backward

    def loss(
        self,
        inputs: Array,
        targets: Array,
        states: LayerStates,
        *,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
        symbols: int | None = None,
    ) -> tuple[float, LayerStates, LossBackward]:
        """Return the mean loss of a window in nats per symbol: inputs and targets (T, B).

        With it come the states after the window, and `backward(gradients)`, which fills in
        the gradients of all parameters and returns those of the initial states; it can be called
        once. Where the window is a part of a larger one, `symbols` is the number of the whole's
        targets, and the loss is the part's share of the whole's mean.
        """
        logits, final, backward_logits = self.logits(inputs, states, random=random, buffers=buffers)
        symbols = symbols or targets.size
        losses, backward_losses = cross_entropy(logits, targets.reshape(-1))

        def backward(gradients: Parameters) -> LayerStates:
            return backward_logits(backward_losses(1 / symbols), gradients)

        return float(losses.sum(dtype=np.float64)) / symbols, final, backward


def adopt_weights(model: LanguageModel, source: LanguageModel, symbols: Mapping[int, int]) -> None:
    """Copy a model's weights into one with another vocabulary: `symbols` maps ids to the source's.

    What belongs to a symbol (a row of the input, a column of the output) is copied by the symbol;
    symbols that the source lacks keep the weights that they have.
    """
    ours, theirs = list(symbols), list(symbols.values())
    one_hot = model.config.embedding_size is None
    symbol_axis = {"layer1/W_xh": 1} if one_hot else {"E": 0}
    symbol_axis |= {"W_hy": 1, "b_y": 0}
    for name, array in model.parameters.items():
        if name in symbol_axis:
            rows = np.moveaxis(array, symbol_axis[name], 0)
            rows[ours] = np.moveaxis(source.parameters[name], symbol_axis[name], 0)[theirs]
        else:
            array[...] = source.parameters[name]
