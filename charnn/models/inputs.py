"""How symbols enter the first layer: as one-hot vectors or by a learned embedding, with labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from charnn.arrays import Array, Arrays
from charnn.nn.buffers import Buffers
from charnn.nn.initializers import gaussian
from charnn.nn.layers import embed, project, project_one_hot
from charnn.nn.parameters import SYMBOLS, Axis, Gradients, ParameterSpec

InputBackward: TypeAlias = Callable[[Array, Gradients, Gradients], None]


class Input(Protocol):
    """What stands before the first layer."""

    @property
    def axis(self) -> Axis:
        """The axis of the first layer's weights that runs over the input."""

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the input's own parameters."""

    def project(
        self, ids: Array, own: Arrays, layer: Arrays, buffers: Buffers, scratch: Buffers
    ) -> tuple[Array, InputBackward]:
        """Return the first layer's share of the pre-activations: ids (T, B) -> a (T, G, B, H).

        `own` are the input's weights, `layer` the first layer's. `backward(da, own, layer)` adds
        to the gradients of both.
        """

    def table(self, own: Arrays, W_xh: Array) -> Array:
        """Return what each symbol contributes: (G, V, H), a row `x W_xh` for each."""


class OneHot:
    """V symbols as one-hot vectors."""

    def __init__(self, vocab_size: int) -> None:
        self.axis = Axis(SYMBOLS, vocab_size)

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return nothing: a one-hot vector has no weights of its own."""
        return {}

    def project(
        self, ids: Array, own: Arrays, layer: Arrays, buffers: Buffers, scratch: Buffers
    ) -> tuple[Array, InputBackward]:
        """See `Input.project`."""
        a, backward_rows = project_one_hot(ids, layer, buffers)

        def backward(da: Array, _own: Gradients, layer: Gradients) -> None:
            backward_rows(da, layer)

        return a, backward

    def table(self, own: Arrays, W_xh: Array) -> Array:
        """Return `W_xh` itself."""
        return W_xh


class Embedding:
    """V symbols as rows of a learned table `E` (V, D)."""

    def __init__(self, vocab_size: int, width: int) -> None:
        self.axis = Axis("D", width)
        self._symbols = Axis(SYMBOLS, vocab_size)

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the table of embeddings."""
        return {"E": ParameterSpec((self._symbols, self.axis), gaussian, "embedding", scales=False)}

    def project(
        self, ids: Array, own: Arrays, layer: Arrays, buffers: Buffers, scratch: Buffers
    ) -> tuple[Array, InputBackward]:
        """See `Input.project`."""
        x, backward_embed = embed(ids, own["E"])
        a, backward_project = project(x, layer, buffers, scratch)

        def backward(da: Array, own: Gradients, layer: Gradients) -> None:
            backward_embed(backward_project(da, layer), own)

        return a, backward

    def table(self, own: Arrays, W_xh: Array) -> Array:
        """Return `E W_xh`."""
        rows: Array = own["E"] @ W_xh
        return rows


class Labelled:
    """Symbols with a label that is the same at every step: the rows of both are added.

    The ids are (T, B, 2), a symbol and a label; labels have ids of their own among the symbols'.
    """

    def __init__(self, symbols: Input) -> None:
        self.axis = symbols.axis
        self._symbols = symbols

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the parameters of the symbols' input: labels are more symbols."""
        return self._symbols.parameters()

    def project(
        self, ids: Array, own: Arrays, layer: Arrays, buffers: Buffers, scratch: Buffers
    ) -> tuple[Array, InputBackward]:
        """See `Input.project`."""
        a, backward_symbols = self._symbols.project(ids[..., 0], own, layer, buffers, scratch)
        labels, unbiased = ids[:1, :, 1], {"W_xh": layer["W_xh"]}
        share, backward_labels = self._symbols.project(
            labels, own, unbiased, buffers.child("label"), scratch
        )
        a += share

        def backward(da: Array, own: Gradients, layer: Gradients) -> None:
            backward_symbols(da, own, layer)
            backward_labels(da.sum(axis=1, keepdims=True), own, layer)

        return a, backward

    def table(self, own: Arrays, W_xh: Array) -> Array:
        """Return the rows of symbols and labels."""
        return self._symbols.table(own, W_xh)


def make_input(vocab_size: int, embedding_size: int | None, labelled: bool = False) -> Input:
    """Return one-hot vectors, or an embedding of some width; `labelled`: each with a label."""
    symbols: Input = OneHot(vocab_size)
    if embedding_size is not None:
        symbols = Embedding(vocab_size, embedding_size)
    return Labelled(symbols) if labelled else symbols
