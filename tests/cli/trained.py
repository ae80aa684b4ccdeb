"""The text and the run that the tests of this folder share; `conftest.py` makes the run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from click.testing import Result

LINE = "the tide goes out and a lamp stays lit, all night [bold]bells[/bold] ring: HARK!"
WORDS = LINE.split()
VERSE = "\n".join(
    " ".join(WORDS[number] for number in line)
    for line in np.random.default_rng(1).integers(0, len(WORDS), (90, 6))
)


class Trained(NamedTuple):
    """A run that was made with the options `TINY`: its folder, what was said, and its text."""

    folder: Path
    result: Result
    corpus: Path
