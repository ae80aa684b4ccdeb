"""The picture of the training display has a real run's figures and loads nothing."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from charnn.api import train
from charnn.cli.picture import draw
from charnn.training.events import Evaluation

SHIPPED = Path(__file__).parents[2] / "docs" / "training.svg"
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'


@pytest.fixture(params=["drawn", "shipped"])
def picture(request: pytest.FixtureRequest, verse: Path) -> str:
    """Return a picture of a small run, and the one in docs/."""
    if request.param == "shipped":
        return SHIPPED.read_text(encoding="utf-8")
    return draw(verse, hidden_size=8, batch_size=2, seq_length=8, steps=60, eval_every=10)


def words(picture: str) -> str:
    """Return the text that a picture shows."""
    root = ET.fromstring(picture)  # noqa: S314  (charnn's own)
    texts = ("".join(element.itertext()) for element in root.iter() if "text" in element.tag)
    return "\n".join(texts).replace("\xa0", " ")


def test_it_shows_the_display(picture: str) -> None:
    """The command, the evaluations so far, the bar, the facts and a sample are there."""
    shown = words(picture)
    assert "$ charnn train" in shown
    for word in ("corpus", "parameters", "best", "epoch", "smoothed", "validation", "sample"):
        assert re.search(rf"\b{word}\b", shown), word


def test_it_loads_nothing(picture: str) -> None:
    """No address but the namespace's, no font face, and only references into the picture."""
    assert picture.count(NAMESPACE) == 1
    assert "://" not in picture.replace(NAMESPACE, "")
    assert "@font-face" not in picture
    assert "href" not in picture
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", picture))


def test_figures_are_the_runs(verse: Path) -> None:
    """The losses are those of the same run without a picture, up to the moment it is taken."""
    options = {"hidden_size": 8, "batch_size": 2, "seq_length": 8, "steps": 60, "eval_every": 10}
    shown = words(draw(verse, **options))
    evaluations = [event for event in train(verse, **options) if isinstance(event, Evaluation)]
    losses = [f"{event.val_loss:.4f}" for event in evaluations]
    assert [loss in shown for loss in losses] == [True] * 2 + [False] * 4
