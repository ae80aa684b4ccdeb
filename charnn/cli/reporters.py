"""Who shows a training run: a live display, plain lines, JSON lines, or nobody."""

from __future__ import annotations

import shlex
import sys
import textwrap
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any

from charnn.cli.console import TrainingPanel, duration, loss_in_words, say, show_json
from charnn.config import Config, SamplingConfig
from charnn.generation.sampling import sample
from charnn.nn.parameters import count
from charnn.options import options_of
from charnn.training.events import (
    Evaluation,
    Event,
    Finished,
    RolledBack,
    Saved,
    SaveFailed,
    Step,
)
from charnn.training.run_folder import FILES
from charnn.training.trainer import Trainer

SAMPLE_TEMPERATURE = 0.8


class Reporter:
    """Reports only how a run ends: `--quiet`."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.unit = trainer.corpus.vocabulary.unit

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def begin(self, notes: list[str]) -> None:
        """Say what is going to be done."""

    def report(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, SaveFailed):
            self.say(warning(event))

    def say(self, line: str) -> None:
        """Print a line that stays."""
        say(line)

    def sample(self) -> str:
        """Return a short sample of the model as it is now, the same symbols drawn every time."""
        training = self.trainer.config.training
        options = SamplingConfig(
            length=training.sample_length, temperature=SAMPLE_TEMPERATURE, seed=training.seed
        )
        (text,) = sample(self.trainer.model, self.trainer.corpus.vocabulary, options)
        return text.decode("utf-8", "replace")


class JSONReporter(Reporter):
    """One JSON object per event on standard output."""

    def begin(self, notes: list[str]) -> None:
        """Print the configuration."""
        trainer = self.trainer
        content = {
            "event": "configuration",
            "config": trainer.config.values(),
            "parameters": trainer.model.parameters.flat.size,
            "vocabulary": len(trainer.corpus.vocabulary),
            "corpus": {"name": trainer.corpus.name, **trainer.corpus.parts},
            "run": str(trainer.folder.path) if trainer.folder else None,
            "notes": notes,
        }
        show_json(content)

    def report(self, event: Event) -> None:
        """Print an event."""
        content: dict[str, Any] = {"event": type(event).__name__.lower(), **asdict(event)}
        if isinstance(event, Saved):
            content["path"] = str(event.path)
        if isinstance(event, Evaluation):
            content["sample"] = self.sample()
        show_json(content)


class PlainReporter(Reporter):
    """One plain line per evaluation on standard error."""

    def begin(self, notes: list[str]) -> None:
        """Print the effective configuration and what it amounts to."""
        for line in self.preamble():
            self.say(line)
        for note in notes:
            self.say(f"note        {note}")
        self.say("")

    def preamble(self) -> list[str]:
        """Return the lines that a run begins with."""
        trainer = self.trainer
        corpus, model, training = trainer.corpus, trainer.config.model, trainer.config.training
        parts = ", ".join(f"{name} {size:,}" for name, size in corpus.parts.items())
        layers = f"{model.num_layers} layer{'s' if model.num_layers > 1 else ''}"
        inputs = (
            "one-hot" if model.embedding_size is None else f"embedding of {model.embedding_size}"
        )
        unknown = f", {corpus.unknown:,} became unknown" if corpus.vocabulary.unknown else ""
        window = f"{training.batch_size} x {training.seq_length} {self.unit}s"
        epochs = trainer.total / trainer.source.count
        lines = [
            f"corpus      {corpus.name}: {len(corpus.ids):,} {self.unit}s ({parts})",
            f"vocabulary  {len(corpus.vocabulary)} symbols{unknown}",
            f"model       {trainer.model.cell}, {layers} of {model.hidden_size}, {inputs} input",
            f"parameters  {count(trainer.model.parameters.shapes):,}",
            f"training    {trainer.total:,} updates of {window} ({epochs:.1f} epochs)",
            f"seed        {training.seed}",
        ]
        if trainer.folder is not None:
            lines.append(f"run         {trainer.folder.path}")
        for name, section in Config.sections().items():
            values = trainer.config.values()
            options = " ".join(
                f"{option}={'none' if values[option] is None else values[option]}"
                for option in options_of(section)
            )
            lines += textwrap.wrap(
                f"{name + ':':<11} {options}",
                98,
                subsequent_indent=" " * 12,
                break_on_hyphens=False,
            )
        if trainer.progress.update:
            lines.append(f"resumed     after update {trainer.progress.update:,}")
        return lines

    def report(self, event: Event) -> None:
        """Print evaluations, roll-backs and the end."""
        match event:
            case Evaluation():
                self.say(self.evaluation_line(event))
            case RolledBack():
                self.say(
                    f"update {event.failed_update:,}: {event.reason}; back to update "
                    f"{event.update:,}, learning rate x {event.learning_rate_factor:g}"
                )
            case Finished():
                for line in self.ending(event):
                    self.say(line)
            case SaveFailed():
                self.say(warning(event))

    def evaluation_line(self, event: Evaluation) -> str:
        """Return an evaluation as one line."""
        speed, left = self.pace(event.update, event.seconds)
        losses = f"train {event.train_loss:.4f}  val " if event.val_loss is not None else "train "
        loss = event.train_loss if event.val_loss is None else event.val_loss
        return (
            f"{event.update:>7,}/{self.trainer.total:,}  epoch {event.epoch:.2f}  "
            f"{losses}{loss_in_words(loss, self.unit)}  "
            f"{speed:,.0f} {self.unit}s/s  {left} left{'  best' if event.improved else ''}"
        )

    def pace(self, update: int, seconds: float) -> tuple[float, str]:
        """Return symbols per second and the time left, from the run's own averages."""
        training = self.trainer.config.training
        per_update = seconds / max(update, 1)
        speed = training.batch_size * training.seq_length / max(per_update, 1e-9)
        return speed, duration(per_update * (self.trainer.total - update))

    def ending(self, event: Finished) -> list[str]:
        """Return what was saved, the best loss, and the next command to type."""
        part = "validation" if len(self.trainer.corpus.val) > 1 else "training"
        lines = [""]
        if event.best_loss is not None:
            lines.append(
                f"best        {loss_in_words(event.best_loss, self.unit)} on the {part} part, "
                f"at update {event.best_update:,}"
            )
        if event.test_loss is not None:
            lines.append(f"test        {loss_in_words(event.test_loss, self.unit)}")
        how = "" if event.reason == "completed" else f" ({event.reason})"
        lines.append(f"time        {duration(event.seconds)}, {event.update:,} updates{how}")
        if self.trainer.folder is not None:
            run = self.trainer.folder.path
            files = ", ".join(name for name in FILES if self.trainer.folder.has(name))
            lines.append(f"saved       {run}: {files}")
            interrupted, name = event.reason == "interrupted", shlex.quote(str(run))
            command = f"train --resume {name}" if interrupted else f"sample {name} --len 500"
            lines.append(f"next        charnn {command}")
        return lines


class LiveReporter(PlainReporter):
    """A live display on a terminal, with a sample at every evaluation."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer)
        self.panel = TrainingPanel(trainer.total, self.unit)
        self.live = False

    def __enter__(self) -> LiveReporter:
        return self

    def begin(self, notes: list[str]) -> None:
        """Print the preamble, then open the display."""
        super().begin(notes)
        self.panel.open()
        self.live = True

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the display, once."""
        if self.live:
            self.live = False
            with suppress(OSError, SystemExit):  # the terminal may be gone
                self.panel.close()

    def say(self, line: str) -> None:
        """Print a line that stays, above the display."""
        if self.live:
            self.panel.print(line)
        else:
            say(line)

    def report(self, event: Event) -> None:
        """Update the display; evaluations stay as lines above it."""
        match event:
            case Step():
                self.show_step(event)
            case Evaluation():
                super().report(event)
                self.panel.facts["validation"] = (
                    f"{loss_in_words(event.val_loss, self.unit)}, best {event.best_loss:.4f}"
                )
                self.panel.sample = self.sample()
            case Finished():
                sample = self.panel.sample
                self.close()
                if sample:
                    self.say(f"\nsample      at temperature {SAMPLE_TEMPERATURE:g}\n\n{sample}")
                super().report(event)
            case _:
                super().report(event)
        if self.live:
            self.panel.refresh()

    def show_step(self, event: Step) -> None:
        """Put an update's figures on the display."""
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


def warning(event: SaveFailed) -> str:
    """Return what is said of a failure to save."""
    return f"warning: {event.reason} The run goes on and tries again at the next save."


def make_reporter(trainer: Trainer, quiet: bool, as_json: bool) -> Reporter:
    """Return the reporter that flags and the terminal ask for."""
    if as_json:
        return JSONReporter(trainer)
    if quiet:
        return Reporter(trainer)
    return LiveReporter(trainer) if is_terminal() else PlainReporter(trainer)


def is_terminal() -> bool:
    """Say whether standard error can show a live display."""
    import os

    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
