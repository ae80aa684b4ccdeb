"""The tables of sigma, tanh and exp against `decimal` at 60 digits."""

from __future__ import annotations

from decimal import Decimal

import naive_parts
import numpy as np
import pytest

from charnn.compression import tables

TABLES = {
    "sigma": (naive_parts.sigma_entry, 16 << 10, 16 << 10),
    "tanh": (naive_parts.tanh_entry, 8 << 10, 8 << 10),
    "exponential": (naive_parts.exponential_entry, 0, 18 << 10),
}


def wrong_entries(name: str) -> list[int]:
    """Return the places of a table's entries that are not the correctly rounded values."""
    entry, left, right = TABLES[name]
    table = getattr(tables, name)()
    expected = [entry(k) for k in range(-left, right + 1)]
    if table.centre != left or len(table.values) != len(expected):
        return [*range(-left, right + 1)]
    values = table.values.tolist()
    return [k - left for k, value in enumerate(values) if value != expected[k]]


@pytest.mark.parametrize("name", TABLES)
def test_entries(name: str) -> None:
    """Each of them is the correctly rounded value."""
    assert wrong_entries(name) == []


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("places", [12, 14, 15])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lookup(name: str, places: int, dtype: type) -> None:
    """Halves are rounded up, and outside of the table its nearest entry counts."""
    entry, left, right = TABLES[name]
    unit = 1 << (places - 10)
    near = [*range(-3 * unit, 3 * unit + 1), 100 * unit + unit // 2, -100 * unit - unit // 2]
    far = [sign * at for sign in (-1, 1) for at in (left * unit, right * unit, 1 << 22)]
    x = np.array([near + far], dtype)
    found = getattr(tables, name)()(x, places)[0].tolist()
    clipped = [min(max(naive_parts.half_up(int(k), places - 10), -left), right) for k in x[0]]
    assert found == [entry(k) for k in clipped]


def test_bounds() -> None:
    """A gate is below 1, a state at most 1, and what is never likely has no mass."""
    assert tables.sigma().values.max() == 2**15 - 1
    assert np.abs(tables.tanh().values).max() == 2**15
    assert tables.exponential().values[[0, -1]].tolist() == [2**24, 0]


def test_read_only() -> None:
    """A table is shared, so that nobody may write on it."""
    for made in (tables.sigma, tables.tanh, tables.exponential):
        with pytest.raises(ValueError, match="read-only"):
            made().values[0] = 1


@pytest.mark.parametrize("multiple", [1, 2])
def test_powers(multiple: int) -> None:
    """The error of the last of many powers is below 2^-130."""
    powers = tables.powers_of_e(multiple, 18 << 10)
    exact = (Decimal(-18 * multiple)).exp() * 2**tables.PRECISION
    assert abs(powers[-1] - exact) < 2 ** (tables.PRECISION - 130)
