"""How the parameters of a model of one stack and one head are named and laid out in PyTorch.

    charnn                      PyTorch
    E (V, D)                    embedding.weight (V, D)
    layer1/..., layer2/...      rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0,
                                ..._l1; see `charnn.models.correspondence`
    layer1_backward/...         ..._l0_reverse
    W_hy (K, O), b_y (O,)       decoder.weight (O, K), decoder.bias (O,)
    tied: no W_hy               decoder.weight is a copy of the first O rows of embedding.weight

These are the names in a module that has `embedding = nn.Embedding`, `rnn = nn.LSTM` (`nn.GRU`,
`nn.RNN`) and `decoder = nn.Linear`. Without an embedding the layer reads one-hot vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.config import ModelConfig
from charnn.models.correspondence import (
    Convention,
    Share,
    layer_shapes,
    layer_shares,
    pytorch,
    to_ours,
    to_theirs,
)
from charnn.models.model import Model, Sizes, StackModel
from charnn.models.stack import Stack
from charnn.nn.parameters import shapes_of

EMBEDDING, LAYERS, OUTPUT = "embedding.weight", "rnn.", "decoder.weight"
OUTPUT_BIAS = "decoder.bias"


@dataclass(frozen=True)
class Naming:
    """How a model's parameters are laid out: the shares, and the shapes on both sides, by name."""

    shares: tuple[Share, ...]
    theirs: dict[str, Shape]
    ours: dict[str, Shape]
    tied: bool

    def exported(self, parameters: Arrays) -> dict[str, Array]:
        """Return PyTorch's arrays from charnn's; none shares memory with another."""
        arrays = to_theirs(self.shares, parameters, self.theirs)
        if self.tied:
            arrays[OUTPUT][...] = arrays[EMBEDDING][: self.theirs[OUTPUT][0]]
        return arrays

    def imported(self, arrays: Arrays) -> dict[str, Array]:
        """Return charnn's parameters from PyTorch's arrays, of which no more is read than fits."""
        return to_ours(self.shares, arrays, self.ours)

    def bias_moved(self, arrays: Arrays) -> dict[str, Array]:
        """Return the arrays with biases of the recurrent product moved to the input's.

        charnn has one bias where only the sum of the two counts. The GRU's in n stays.
        """
        moved = {name: array.copy() for name, array in arrays.items()}
        for name in [name for name in arrays if name.startswith(f"{LAYERS}bias_hh")]:
            stays = np.zeros(len(arrays[name]), bool)
            for share in self.shares:
                if share.theirs == name:
                    stays[share.rows] = True
            with np.errstate(over="ignore"):  # what becomes infinite is refused with the rest
                moved[name.replace("bias_hh", "bias_ih")] += np.where(stays, 0, arrays[name])
            moved[name][~stays] = 0
        return moved


def naming(kind: type[Model], config: ModelConfig, sizes: Sizes) -> Naming | None:
    """Return how PyTorch lays out the models of a class, or None where it has no such model."""
    if not issubclass(kind, StackModel) or config.attention is not None:
        return None
    stack: Stack = kind.stack_of(config, sizes)
    convention = pytorch(stack.cell)
    if convention is None:
        return None
    ours = shapes_of(kind.specs_of(config, sizes))
    return Naming(
        tuple(shares_of(stack, convention, ours)),
        shapes_in(stack, convention, ours),
        ours,
        config.tie_weights,
    )


def obstacle(kind: type[Model], config: ModelConfig, cell: Any) -> str:
    """Return why PyTorch has no layout for a model, and what to do, for people to read."""
    if not issubclass(kind, StackModel):
        return "an encoder with a decoder is no single layer of PyTorch"
    if config.attention is not None:
        return (
            "no layer of PyTorch has attention to its own past; a new model without --attention "
            "fits"
        )
    if config.cell == "gru":
        return (
            "PyTorch's GRU resets after the recurrent product, and this one before it; a new model "
            "with --gru-reset after fits"
        )
    return (
        f"PyTorch has no layer that computes this cell ({cell}); a new model with --cell lstm, "
        "--cell rnn, or --cell gru --gru-reset after fits"
    )


def shares_of(stack: Stack, convention: Convention, ours: dict[str, Shape]) -> Iterator[Share]:
    """Yield the shares of all parameters."""
    if "E" in ours:
        yield Share("E", EMBEDDING)
    for number, level in enumerate(stack.levels):
        for layer in level:
            for share in layer_shares(stack.cell, stack.hidden_size, convention):
                yield share.under(f"{layer.name}/", LAYERS, ending(number, layer.backwards))
    if "W_hy" in ours:
        yield Share("W_hy", OUTPUT, transposed=True)
    yield Share("b_y", OUTPUT_BIAS)


def shapes_in(stack: Stack, convention: Convention, ours: dict[str, Shape]) -> dict[str, Shape]:
    """Return the names and shapes of PyTorch's arrays."""
    shapes: dict[str, Shape] = {}
    if "E" in ours:
        shapes[EMBEDDING] = ours["E"]
    for number, level in enumerate(stack.levels):
        inputs = stack.output_size if number else stack.input.axis.size
        for layer in level:
            own = layer_shapes(stack.cell, inputs, stack.hidden_size, convention)
            end = ending(number, layer.backwards)
            shapes |= {f"{LAYERS}{name}{end}": shape for name, shape in own.items()}
    (outputs,) = ours["b_y"]
    return shapes | {OUTPUT: (outputs, stack.output_size), OUTPUT_BIAS: (outputs,)}


def ending(number: int, backwards: bool) -> str:
    """Return what PyTorch appends to the names of a layer's arrays; layers count from 0."""
    return f"_l{number}_reverse" if backwards else f"_l{number}"
