"""A training run on a terminal: a live display, with evaluations as lines above it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from charnn.cli.console import TrainingPanel, loss_in_words, say
from charnn.cli.reporters import (
    JSONReporter,
    PlainReporter,
    Reporter,
)
from charnn.training.events import Evaluation, Event, Finished, Step
from charnn.training.trainer import Trainer


class LiveReporter(PlainReporter):
    """A live display on a terminal, with a sample at every evaluation."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer)
        self.panel = TrainingPanel(trainer.total, self.unit)
        self.live = False

    def __enter__(self) -> LiveReporter:
        return self

    def begin(self, notes: list[str]) -> None:
        """Print the description of the run, then open the display."""
        super().begin(notes)
        self.panel.open()
        self.live = True

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the display if it is open."""
        if self.live:
            self.live = False
            with suppress(OSError, SystemExit):  # the terminal may have been closed
                self.panel.close()

    def say(self, line: str) -> None:
        """Print a line above the display, where it stays."""
        if self.live:
            self.panel.print(line)
        else:
            say(line)

    def report(self, event: Event) -> None:
        """Update the display; evaluations are also printed as lines above it."""
        match event:
            case Step():
                self.show_step(event)
            case Evaluation():
                super().report(event)
                self.panel.facts["validation"] = (
                    f"{loss_in_words(event.val_loss, self.unit)}, best {event.best_loss:.4f}"
                    f"{self.answers(event.accuracy, event.error_rate)}"
                )
                self.panel.sample = self.sample()
            case Finished():
                sample = self.panel.sample
                self.close()
                if sample:
                    self.say(f"\nsample      {self.task.illustration_title}\n\n{sample}")
                super().report(event)
            case _:
                super().report(event)
        if self.live:
            self.panel.refresh()

    def show_step(self, event: Step) -> None:
        """Show the figures of an update on the display."""
        speed, left = self.pace(event.update, event.seconds)
        panel = self.panel
        panel.update = event.update
        panel.facts["epoch"] = f"epoch {event.epoch:.2f}"
        panel.facts["left"] = f"{left} left"
        panel.facts["training"] = loss_in_words(event.loss, self.unit)
        panel.facts["smoothed"] = loss_in_words(event.smoothed_loss, self.unit)
        panel.facts["gradient"] = (
            f"norm {event.gradient_norm:.3f}   learning rate {event.learning_rate:.2g}   "
            f"{speed:,.0f} {self.unit}s/s"
        )


def make_reporter(trainer: Trainer, quiet: bool, as_json: bool) -> Reporter:
    """Return the reporter that fits the flags and the terminal."""
    if as_json:
        return JSONReporter(trainer)
    if quiet:
        return Reporter(trainer)
    return LiveReporter(trainer) if is_terminal() else PlainReporter(trainer)


def is_terminal() -> bool:
    """Return whether standard error can show a live display."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
