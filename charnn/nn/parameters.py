"""Parameters: what each of them is, all of them in one flat vector, and their gradients.

A cell, an input or a head declares its parameters as `ParameterSpec`s. All parameters of a model
lie in one contiguous vector, with a named view for each array. So adding gradients, clipping by the
global norm, an optimiser's update, finite differences and a checkpoint are each a line on the
vector, while the mathematics reads the names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape

Start: TypeAlias = Callable[[Array, np.random.Generator], None]
Specs: TypeAlias = Mapping[str, "ParameterSpec"]

ORDER = ("H", "V", "D", "K", "(K + H)", "O")  # of the axes in a formula
SYMBOLS = "V"  # the name of an axis that runs over the vocabulary
OUTPUTS = "O"  # the name of an axis that runs over outputs which are not the input's symbols


class Axis(NamedTuple):
    """An axis of a parameter: its name and its size.

    G gates, V symbols, D layer input, H hidden, K an encoder's states; `(K + H)` is their sum.
    """

    name: str
    size: int


@dataclass(frozen=True)
class ParameterSpec:
    """What a parameter is.

    `start(out, random)` fills it before training; `meaning` says in a few words what it is for;
    `decays` says whether weight decay applies to it (not to biases and gains), `scales` whether
    its start is multiplied by the factor of `Parameters.started` (not that of an embedding).
    """

    axes: tuple[Axis, ...]
    start: Start
    meaning: str
    decays: bool = True
    scales: bool = True

    @property
    def shape(self) -> Shape:
        """The sizes of its axes."""
        return tuple(axis.size for axis in self.axes)

    @property
    def symbol_axis(self) -> int | None:
        """The axis that runs over the vocabulary, if there is one."""
        names = [axis.name for axis in self.axes]
        return names.index(SYMBOLS) if SYMBOLS in names else None


def shapes_of(specs: Specs) -> dict[str, Shape]:
    """Return the parameters' shapes by name."""
    return {name: spec.shape for name, spec in specs.items()}


def prefixed(prefix: str, specs: Specs) -> dict[str, ParameterSpec]:
    """Return specs under the names `prefix/...`."""
    return {f"{prefix}/{name}": spec for name, spec in specs.items()}


def decaying(specs: Specs, dtype: npt.DTypeLike = np.float32) -> Array:
    """Return a vector (P,) that is 1 where weight decay applies, and 0 elsewhere."""
    parts = [np.full(math.prod(spec.shape), spec.decays, dtype) for spec in specs.values()]
    return np.concatenate(parts)


class Parameters(Mapping[str, Array]):
    """Named arrays that are views of one contiguous vector `flat`, in the order of `shapes`."""

    def __init__(
        self,
        shapes: Mapping[str, Shape],
        dtype: npt.DTypeLike = np.float32,
        flat: Array | None = None,
    ) -> None:
        """Lay the arrays out over `flat`, or over zeros; flat.size must be the shapes' total."""
        self.shapes = dict(shapes)
        size = count(self.shapes)
        self.flat = np.zeros(size, dtype) if flat is None else flat
        if self.flat.shape != (size,):
            raise ValueError(f"flat has shape {self.flat.shape}, but the shapes need ({size},)")
        self._views: dict[str, Array] = {}
        self._groups: dict[str, dict[str, Array]] = {}
        start = 0
        for name, shape in self.shapes.items():
            end = start + math.prod(shape)
            self._views[name] = self.flat[start:end].reshape(shape)
            start = end

    @classmethod
    def started(
        cls,
        specs: Specs,
        random: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
        scale: float = 1.0,
    ) -> Parameters:
        """Return parameters as they start, filled in the order of `specs`.

        `scale` is a factor of all weights but biases, gains and embeddings.
        """
        parameters = cls(shapes_of(specs), dtype)
        for name, spec in specs.items():
            spec.start(parameters[name], random)
            if spec.decays and spec.scales and scale != 1:
                parameters[name][...] *= scale
        return parameters

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def group(self, prefix: str) -> dict[str, Array]:
        """Return the arrays named `prefix/...`, without the prefix."""
        if prefix not in self._groups:
            self._groups[prefix] = group(self._views, prefix)
        return self._groups[prefix]

    def zeros_like(self) -> Parameters:
        """Return zeros of the same layout and type: the place for gradients."""
        return Parameters(self.shapes, self.flat.dtype)

    def astype(self, dtype: npt.DTypeLike) -> Parameters:
        """Return a copy in another floating-point type."""
        return Parameters(self.shapes, flat=self.flat.astype(dtype))


class Gradients:
    """Sums of gradients by the parameters' names: what every backward function adds to.

    After `clear` the first addition to an array writes into it, so that clearing costs nothing and
    nothing is read; `settle` then zeroes what was never added to.
    """

    def __init__(self, arrays: Arrays) -> None:
        """Add to `arrays`, beginning with what they hold."""
        self.arrays = arrays
        self._prefix = ""
        self._cleared: set[str] = set()

    def clear(self) -> None:
        """Begin new sums."""
        self._cleared.update(self.arrays)

    def settle(self) -> None:
        """Zero the arrays to which nothing was added since `clear`."""
        for name in self._cleared:
            self.arrays[name][...] = 0
        self._cleared.clear()

    def add(self, name: str, write: Callable[[Array], object]) -> None:
        """Add to the array `name` what `write(out)` computes; it must fill all of `out`."""
        path = self._prefix + name
        total = self.arrays[path]
        if path in self._cleared:
            self._cleared.remove(path)
            write(total)
        else:
            share = np.empty_like(total)
            write(share)
            total += share

    def group(self, prefix: str) -> Gradients:
        """Return the sums named `prefix/...`, to be added to without the prefix."""
        group = Gradients(self.arrays)
        group._prefix = f"{self._prefix}{prefix}/"
        group._cleared = self._cleared
        return group


class Redirected(Gradients):
    """Gradients some of which are added to another array, or changed on the way.

    `routes` say for a name to which array it is added, and how: `add(write, out)` fills `out` with
    what the array gets, and `write(own)` is what `Gradients.add` was given for the name.
    """

    def __init__(
        self,
        gradients: Gradients,
        routes: Mapping[str, tuple[str, Callable[[Callable[[Array], object], Array], object]]],
    ) -> None:
        super().__init__(gradients.arrays)
        self._prefix, self._cleared = gradients._prefix, gradients._cleared
        self._routes = routes

    def add(self, name: str, write: Callable[[Array], object]) -> None:
        """Add to the array that `name` leads to."""
        if name not in self._routes:
            super().add(name, write)
            return
        target, change = self._routes[name]
        super().add(target, lambda out: change(write, out))


def group(arrays: Arrays, prefix: str) -> dict[str, Array]:
    """Return the arrays named `prefix/...`, without the prefix."""
    if isinstance(arrays, Parameters):
        return arrays.group(prefix)
    start = f"{prefix}/"
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }


def gradients_in(arrays: Gradients | Arrays) -> Gradients:
    """Return arrays as gradients to add to."""
    return arrays if isinstance(arrays, Gradients) else Gradients(arrays)


def count(shapes: Mapping[str, Shape]) -> int:
    """Return the number of parameters in a table of shapes."""
    return sum(math.prod(shape) for shape in shapes.values())


def formula(specs: Specs) -> str:
    """Return the number of a layer's parameters as a formula: `4(H^2 + H V + H) + H`.

    What has an axis G for the gates stands in the brackets.
    """
    gates = next((a.size for spec in specs.values() for a in spec.axes if a.name == "G"), 1)
    inside = [product_of(spec.axes) for spec in specs.values() if is_by_gate(spec)]
    beside = [product_of(spec.axes) for spec in specs.values() if not is_by_gate(spec)]
    terms = []
    if inside:
        terms.append(f"{gates if gates > 1 else ''}({sum_of(inside)})")
    if beside:
        terms.append(sum_of(beside))
    return " + ".join(terms)


def is_by_gate(spec: ParameterSpec) -> bool:
    """Return whether a parameter has an axis for the gates."""
    return any(axis.name == "G" for axis in spec.axes)


def product_of(axes: tuple[Axis, ...]) -> str:
    """Return the product of axes, but for the gates', as a formula: `H V`, `H^2`."""
    names = sorted((axis.name for axis in axes if axis.name != "G"), key=ORDER.index)
    powers = {name: names.count(name) for name in names}
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in powers.items())


def sum_of(terms: list[str]) -> str:
    """Return the sum of terms as a formula, squares first: `H^2 + H V + 2 H`."""
    counts = {term: terms.count(term) for term in sorted(terms, key=lambda t: -len(t))}
    ordered = sorted(counts, key=lambda term: ("^" not in term, " " not in term))
    return " + ".join(term if counts[term] == 1 else f"{counts[term]} {term}" for term in ordered)
