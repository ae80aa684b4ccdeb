"""A picture of `charnn train` on a terminal, drawn from a real run, for the README.

    python -m charnn.cli.picture PICTURE.svg CORPUS

trains on the text as `charnn train CORPUS` does, up to the update `MOMENT` of the run, and writes
what the terminal shows then. The options, which `charnn train` lists too, are left out. No run
folder is written.
"""

from __future__ import annotations

import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

from charnn.cli.live import LiveReporter
from charnn.config import Config
from charnn.training.events import Step
from charnn.training.setup import new_run

MOMENT = 0.39  # the share of the run after which the picture is taken


class PictureReporter(LiveReporter):
    """Keeps the lines that stay, and leaves the display undrawn."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lines: list[str] = []

    def begin(self, notes: list[str]) -> None:
        """Keep what a run begins with, but for its options."""
        options = tuple(f"{section}:" for section in Config.sections())
        for line in takewhile(lambda line: not line.startswith(options), self.preamble()):
            self.say(line)
        for note in notes:
            self.say(f"note        {note}")
        self.say("")

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def draw(corpus: Path, **options: Any) -> str:
    """Train on a text, with options as `charnn.train` takes them; return the picture as SVG."""
    run = new_run([str(corpus)], Config.from_values(options), fixed=options, write=False)
    reporter = PictureReporter(run.trainer)
    reporter.say(f"$ charnn train {corpus.name}")
    reporter.begin(run.notes)
    moment = round(MOMENT * run.trainer.total)
    picture = ""
    for event in run:
        if not picture:
            reporter.report(event)
            if isinstance(event, Step) and event.update >= moment:
                picture = reporter.panel.picture(reporter.lines, "charnn train")
                run.trainer.stop_requested = True
    return picture


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(Path(sys.argv[2])), encoding="utf-8", newline="\n")
