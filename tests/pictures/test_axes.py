"""Axes: ticks at round numbers, and places that grow with the numbers."""

from __future__ import annotations

import math

import pytest

from charnn.pictures.axes import in_words, linear, logarithmic, nice_step, written


@pytest.mark.parametrize(
    ("low", "high", "ticks", "labels"),
    [
        (0, 10, 5, ["0", "2", "4", "6", "8", "10"]),
        (1.21, 3.6, 6, ["1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0"]),
        (20, 6000, 8, ["0", "1,000", "2,000", "3,000", "4,000", "5,000", "6,000"]),
        (-0.004, 0.004, 4, ["-0.004", "-0.002", "0", "0.002", "0.004"]),
        (0, 2.4e6, 5, ["0", "500,000", "1,000,000", "1,500,000", "2,000,000", "2,500,000"]),
    ],
)
def test_linear_ticks(low: float, high: float, ticks: int, labels: list[str]) -> None:
    """They are multiples of 1, 2 or 5 times a power of ten, written alike."""
    assert linear(low, high, 0, 100, ticks).labels() == labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (1.2, 8, ["1", "2", "5", "10"]),
        (150, 900, ["100", "200", "500", "1,000"]),
        (0.03, 70, ["0.1", "1", "10", "100"]),
        (1, 1e-12, ["10⁻¹²", "10⁻¹⁰", "10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1"]),
        (1e6, 1e12, ["1,000,000", "10⁷", "10⁸", "10⁹", "10¹⁰", "10¹¹", "10¹²"]),
    ],
)
def test_logarithmic_ticks(low: float, high: float, labels: list[str]) -> None:
    """They are decades, with 2 and 5 times these if there are few."""
    axis = logarithmic(min(low, high), max(low, high), 0, 100)
    assert axis.labels() == labels
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert axis.low <= min(low, high)
    assert axis.high >= max(low, high)


def test_places() -> None:
    """A linear axis places a number by its share of the way, a logarithmic one by its logarithm."""
    assert linear(0, 10, 20, 220).place(2.5) == pytest.approx(70)
    assert linear(0, 10, 220, 20).place(2.5) == pytest.approx(170)
    assert logarithmic(1, 1000, 300, 0).place(10) == pytest.approx(200)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 0), (3, 3), (-2, -2), (1e-300, 1e-300), (0, 1e-300), (1e299, 1e300), (7, 7 + 1e-14)],
)
def test_extreme_numbers_have_an_axis(low: float, high: float) -> None:
    """One number alone, tiny and huge ones have a place between the ends, and few ticks."""
    for axis in (linear(low, high, 0, 100), linear(low, high, 0, 100, fit=False)):
        assert 0 <= axis.place(low) <= axis.place(high) <= 100
        assert 1 <= len(axis.ticks) < 20
        assert all(axis.labels())
    if low > 0:
        axis = logarithmic(low, high, 0, 100)
        assert 0 <= axis.place(low) <= axis.place(high) <= 100
        assert 1 <= len(axis.ticks) < 20


def test_steps_and_words() -> None:
    """Steps are rounded up; numbers in sentences have four digits that count."""
    assert [nice_step(rough) for rough in (0.9, 1.1, 2.2, 6, 10)] == [1, 2, 5, 10, 10]
    assert written(1234.5, 0.5) == "1,234.5"
    assert [in_words(v) for v in (0, 1.23456, -0.5, 1234.5, 1e-7, 3e12, math.nan)] == [
        "0", "1.235", "-0.5", "1,234", "1e-07", "3e+12", "nan",
    ]  # fmt: skip
