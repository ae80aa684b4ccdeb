"""What the tests in this folder examine: a recurrent layer and a language model, filled at random.

Both are scalar functions of named float64 arrays, so `comparisons` can hold their gradients against
central differences, coordinate by coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.central_differences import TOLERANCE, Comparison, check_gradients
from charnn.nn.kernels.kernel import States
from charnn.nn.masks import RecurrentMasks
from charnn.nn.recurrent import Backward, recurrent
from charnn.nn.recurrent_dropout import RecurrentDropout
from charnn.text.batches import Batch


def failing(comparisons: list[Comparison]) -> set[str]:
    """Return the names of the arrays whose gradient is wrong by more than the tolerance."""
    return {comparison.name for comparison in comparisons if comparison.error > TOLERANCE}


def max_error(actual: Array, expected: Array) -> float:
    """Return the largest absolute difference of two arrays of one shape."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max())


@dataclass
class Layer:
    """A layer whose value is `sum(h dh) + sum(final d_final)`: gradients enter at all outputs."""

    cell: Cell
    x: Array
    initial: States
    weights: dict[str, Array]
    dh: Array
    d_final: States
    masks: RecurrentMasks | None = None

    @classmethod
    def random(
        cls,
        cell: Cell,
        T: int = 2,
        B: int = 3,
        D: int = 5,
        H: int = 7,
        seed: int = 1,
        drop: str = "",
    ) -> Layer:
        """Fill all arrays: weights that keep the gates off saturation, a value of about 1.

        The rounding of the value is what limits the precision of its differences. `drop` is the
        kind of recurrent dropout, if any; its rate is 0.4.
        """
        random = np.random.default_rng(seed)
        dropout = RecurrentDropout(drop, 0.4) if drop else None
        masks_random = np.random.default_rng(seed + 1)

        def normal(*shape: int) -> Array:
            return random.standard_normal(shape)

        shapes = cell.shapes(D, H)
        return cls(
            cell,
            x=normal(T, B, D),
            initial=tuple(normal(B, H) for _ in cell.states),
            weights={name: normal(*shape) / H**0.5 for name, shape in shapes.items()},
            dh=normal(T, B, H) / (T * B * H) ** 0.5,
            d_final=tuple(normal(B, H) / (B * H) ** 0.5 for _ in cell.states),
            masks=dropout and dropout.masks(masks_random, T, B, H, np.float64, Buffers()),
        )

    def run(self) -> tuple[Array, States, Backward]:
        """Return h, the final states and `backward`."""
        return recurrent(self.cell, self.x, self.initial, self.weights, self.masks)

    def value(self) -> float:
        """Return the scalar whose gradient is checked."""
        h, final, _ = self.run()
        pairs = zip((h, *final), (self.dh, *self.d_final), strict=True)
        return float(sum((output * d_output).sum() for output, d_output in pairs))

    def arrays(self) -> dict[str, Array]:
        """Return all that the value depends on, by name."""
        initial = dict(zip(self._initial_names(), self.initial, strict=True))
        return {"x": self.x, **initial, **self.weights}

    def gradients(self) -> dict[str, Array]:
        """Return the analytic gradient of each of `arrays`."""
        _, _, backward = self.run()
        gradients = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        dx, d_initial = backward(self.dh, gradients, self.d_final)
        return {"x": dx, **dict(zip(self._initial_names(), d_initial, strict=True)), **gradients}

    def comparisons(self) -> list[Comparison]:
        """Compare all coordinates of all gradients."""
        return check_gradients(self.value, self.arrays(), self.gradients())

    def _initial_names(self) -> list[str]:
        return [f"initial {state}" for state in self.cell.states]


@dataclass
class Model:
    """A language model on one window in which symbols repeat and others are absent."""

    model: LanguageModel
    inputs: Array
    targets: Array
    states: LayerStates

    @classmethod
    def random(cls, config: ModelConfig, seed: int = 1) -> Model:
        """Fill all parameters and initial states with random numbers, also the biases."""
        random = np.random.default_rng(seed)
        model = LanguageModel.initialized(config, 5, seed, np.float64)
        model.parameters.flat[:] = 0.5 * random.standard_normal(model.parameters.flat.shape)
        states = model.zero_states(2)
        for state in (state for layer in states for state in layer):
            state[...] = random.standard_normal(state.shape)
        inputs = np.array([[0, 1], [1, 1], [3, 0]])
        targets = np.array([[1, 1], [3, 0], [2, 4]])
        return cls(model, inputs, targets, states)

    def loss(self) -> tuple:
        """Return loss, final states and `backward`; dropout draws the same mask each time."""
        random = np.random.default_rng(7)
        return self.model.loss(Batch(self.inputs, self.targets), self.states, random=random)

    def comparisons(self) -> list[Comparison]:
        """Compare all coordinates of the gradients of all parameters and initial states."""
        _, _, backward = self.loss()
        gradients = self.model.parameters.zeros_like()
        d_states = backward(gradients)
        return check_gradients(
            lambda: self.loss()[0],
            {**self.model.parameters, **self._named(self.states)},
            {**gradients, **self._named(d_states)},
        )

    def _named(self, states: LayerStates) -> dict[str, Array]:
        flat = [state for layer in states for state in layer]
        names = [f"initial {name}" for name in self.model.stack.state_shapes(2)]
        return dict(zip(names, flat, strict=True))
