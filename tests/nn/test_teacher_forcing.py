"""Scheduled sampling's share of the data: from 1 down to a floor."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from charnn.config import TrainingConfig
from charnn.nn.teacher_forcing import share_of_data, steepness
from charnn.options import options_of

KINDS = tuple(options_of(TrainingConfig)["scheduled_sampling"].choices or ())
FLOORS = (0.01, 0.3, 0.75, 0.999)
every_kind = pytest.mark.parametrize("kind", KINDS)


def test_every_kind_is_tested() -> None:
    """These are the kinds that the equations are for."""
    assert set(KINDS) == {"linear", "exponential", "inverse-sigmoid"}


@every_kind
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("total", [40, 2_000, 1_000_000])
def test_the_share_falls_from_one_to_the_floor(kind: str, floor: float, total: int) -> None:
    """It begins at 1 (nearly, where it follows a sigmoid), never rises, and ends at the floor."""
    updates = sorted({round(total * n / 200) for n in range(201)})
    shares = [share_of_data(kind, update, total, floor) for update in updates]
    k = steepness(total, floor)
    assert shares[0] == (pytest.approx(k / (k + 1)) if kind == "inverse-sigmoid" else 1.0)
    assert shares[-1] == pytest.approx(floor, rel=1e-9)
    assert all(later < earlier <= 1 for earlier, later in pairwise(shares))


@pytest.mark.parametrize(("total", "floor"), [(2_000, 0.75), (2_000, 0.01), (100_000, 0.3)])
def test_a_sigmoid_begins_at_one_nearly(total: int, floor: float) -> None:
    """In runs as long as runs are, hardly an input is the model's at first."""
    assert share_of_data("inverse-sigmoid", 0, total, floor) > 0.99


@every_kind
def test_half_way(kind: str) -> None:
    """The middle of each course, written out."""
    total, floor = 500, 0.2
    k = steepness(total, floor)
    expected = {
        "linear": 0.6,
        "exponential": math.sqrt(0.2),
        "inverse-sigmoid": k / (k + math.exp(250 / k)),
    }
    assert share_of_data(kind, 250, total, floor) == pytest.approx(expected[kind], rel=1e-12)


@every_kind
def test_behind_its_end_the_share_stays(kind: str) -> None:
    """A run that goes on, as one of more epochs does, stays at the floor."""
    assert share_of_data(kind, 900, 300, 0.4) == share_of_data(kind, 300, 300, 0.4)


@every_kind
@pytest.mark.parametrize("update", [0, 5, 10, 11])
def test_a_floor_of_one_is_the_data_alone(kind: str, update: int) -> None:
    """Not even a rounding error below 1."""
    assert share_of_data(kind, update, 10, 1.0) == 1.0


@pytest.mark.parametrize("floor", [1e-250, 1e-9, *FLOORS, 1 - 1e-15])
@pytest.mark.parametrize("total", [1, 7, 6_000, 10**9])
def test_the_sigmoids_k_solves_its_equation(total: int, floor: float) -> None:
    """`k / (k + exp(total / k))` is the floor: `total / k = log k + log((1 - f) / f)`."""
    k = steepness(total, floor)
    assert total / k == pytest.approx(math.log(k) + math.log((1 - floor) / floor), rel=1e-9)
    assert 0 < share_of_data("inverse-sigmoid", 0, total, floor) <= 1


@every_kind
def test_the_smallest_floor_there_is(kind: str) -> None:
    """No number overflows where the floor is as good as 0."""
    shares = [share_of_data(kind, update, 1_000, 5e-324) for update in (0, 500, 1_000)]
    assert shares[0] > shares[1] > shares[2] >= 0
