"""What a recurrent cell is: one time step and its gradient, written as the papers write them.

The job of a cell is to take the input's share of the pre-activations, `a = x_t W_xh + b_h` with
shape `(G, B, H)`, and the states at t - 1, and to return the states at t. It adds the recurrent
share itself, and knows nothing of time, layers, batches or the input's kind: `charnn.nn.recurrent`
unrolls it over time. Rows are examples, so a product is written `x W` where the papers have `W x`.

To add a cell, write a subclass of `Cell` in a file of its own, with its equations, its parameters
and its step, and name the class in `charnn.registry`. A kernel (`charnn.nn.kernels`) can make it
faster; without one its readable step is what runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from charnn.arrays import Array, Shape
from charnn.nn.initializers import RECURRENT, by_gate, glorot, scaled_glorot
from charnn.nn.kernels.kernel import Kernel, States
from charnn.nn.parameters import SYMBOLS, Axis, ParameterSpec, shapes_of
from charnn.nn.products import ALL_GATES

StepBackward: TypeAlias = Callable[[States], tuple[Array, States]]


@dataclass(frozen=True)
class Starts:
    """What can be chosen of how parameters start."""

    recurrent_init: str = "orthogonal"
    forget_bias: float = 1.0


@dataclass(frozen=True)
class Peer:
    """A cell's counterpart in PyTorch: its class in `torch.nn`, and the order of its gates.

    The weights of the `negated` gates have the opposite sign there. A counterpart that is not the
    `same` computes something similar, at the same cost.
    """

    layer: str
    gates: tuple[str, ...]
    negated: tuple[str, ...] = ()
    same: bool = True


class StepWeights(ABC):
    """The weights that a step uses; they collect their own gradients."""

    @abstractmethod
    def __getitem__(self, name: str) -> Array:
        """Return a weight by its name."""

    @abstractmethod
    def multiply(
        self, h: Array, gates: slice = ALL_GATES
    ) -> tuple[Array, Callable[[Array], Array]]:
        """`u[g] = h W_hh[g]` for some gates: h (B, H) -> u (G, B, H), and `backward(du) -> dh`.

        `backward` adds to the gradient of W_hh, too.
        """

    @abstractmethod
    def drop(self, candidate: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Mask the candidate (B, H) where the run asks for it, once a step: see `Cell.candidate`.

        Returns what the state takes in, and `backward`, which takes its gradient and returns the
        candidate's.
        """

    @abstractmethod
    def add_gradient(self, name: str, gradient: Array) -> None:
        """Add to the gradient of a weight that a step uses without a product."""

    def note(self, **gates: Array) -> None:  # noqa: B027
        """Take note of a step's gates, (B, H) each, as they act: for those who look inside."""

    def note_gradients(self, **states: Array) -> None:  # noqa: B027
        """Take note of gradients that a step's backward function computes on its way.

        Those are of the states behind h, with what they do to h at the same step.
        """


class Cell(ABC):
    """A recurrent cell. Cells are stateless: all that a step computes is passed in or out."""

    title: ClassVar[str]  # as charnn names it to its users
    gates: ClassVar[tuple[str, ...]]
    equations: ClassVar[tuple[str, ...]]  # as the module's docstring has them
    states: ClassVar[tuple[str, ...]] = ("h",)
    candidate: ClassVar[str | None] = None  # the gate that `StepWeights.drop` is for, if any
    symbol_gain: ClassVar[float] = 1.0  # of the initial weights that touch symbols
    kernel: ClassVar[Kernel | None] = None  # what makes it fast; None runs `step` itself
    peer: ClassVar[Peer | None] = None  # its counterpart in PyTorch, if there is one

    @classmethod
    def forms(cls) -> dict[str, Cell]:
        """Return all forms of this cell by the value of the option that chooses among them."""
        return {"": cls()}

    def __str__(self) -> str:
        return self.title

    def parameters(
        self, inputs: Axis, hidden: int, starts: Starts | None = None
    ) -> dict[str, ParameterSpec]:
        """Return the cell's parameters by name, for inputs of an axis and H hidden units.

        `W_xh` and, where there is one, `b_h` make the input's share of the pre-activations.
        """
        starts = starts or Starts()
        G, H = self.gate_axis, Axis("H", hidden)
        biases = by_gate([self.initial_bias(gate, starts) for gate in self.gates])
        return {
            "W_xh": self.input_weights(inputs, hidden),
            "W_hh": ParameterSpec(
                (G, H, H), RECURRENT[starts.recurrent_init], "from the state before"
            ),
            "b_h": ParameterSpec((G, H), biases, "bias", decays=False),
        }

    def input_weights(self, inputs: Axis, hidden: int) -> ParameterSpec:
        """Return `W_xh` (G, D, H): one-hot symbols are weighted by `symbol_gain` at the start."""
        start = scaled_glorot(self.symbol_gain) if inputs.name == SYMBOLS else glorot
        return ParameterSpec((self.gate_axis, inputs, Axis("H", hidden)), start, "from the input")

    @property
    def gate_axis(self) -> Axis:
        """The axis G of weights and pre-activations."""
        return Axis("G", len(self.gates))

    @property
    def dropouts(self) -> tuple[str, ...]:
        """The kinds of `charnn.nn.recurrent_dropout` that are defined for the cell."""
        multiplies = "W_hh" in self.shapes(1, 1)
        return ("state",) * multiplies + ("update",) * (self.candidate is not None)

    def initial_bias(self, gate: str, starts: Starts) -> float:
        """Return the bias that a gate starts with."""
        return 0.0

    def shapes(self, inputs: int, hidden: int) -> dict[str, Shape]:
        """Return the names and shapes of the cell's parameters for D inputs and H hidden units."""
        return shapes_of(self.parameters(Axis("D", inputs), hidden))

    @abstractmethod
    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """Compute the states at time t from those at t - 1, (B, H) each.

        `a` (G, B, H) is the input's share of the pre-activations. `backward(d_states)` takes the
        gradients of the states at t, and returns that of `a` and those of the states at t - 1; the
        weights collect their own. Neither writes to what it is given.
        """
