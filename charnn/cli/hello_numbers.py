"""How `charnn hello` shows symbols, vectors and gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charnn.arrays import Array


def show_gradients(gradients: dict[str, Array]) -> None:
    """Print each gradient's shape and norm, by the parameters' names."""
    import numpy as np

    from charnn.cli.console import show_table

    rows = [
        [
            f"d{name}",
            by(map(str, g.shape)),
            f"{np.linalg.norm(g):.4f}",
        ]
        for name, g in gradients.items()
    ]
    show_table("gradients of the summed loss", ["name", "shape", "norm"], rows, ["name"])


def by(sizes: Iterable[str]) -> str:
    """Return the sizes of an array as a product: `2 x 3`."""
    return " x ".join(sizes)


def shown(symbol: str) -> str:
    """Return a symbol as a table shows it."""
    from charnn.text.vocabulary import symbol_name

    return symbol_name(symbol)


def shown_text(text: str) -> str:
    """Return a text in one printable line."""
    return text if text.isprintable() else repr(text)


def vector(values: list[float], digits: int) -> str:
    """Return a vector as a row of numbers."""
    return " ".join(
        f"{value:.{digits}f}"
        if digits == 0
        else f"{value:+.{digits}f}"
        if min(values) < 0
        else f"{value:.{digits}f}"
        for value in values
    )
