"""How a training run is shown: live display, plain lines, JSON lines, or results only."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import asdict
from types import TracebackType
from typing import Any

from charnn.cli.console import duration, loss_in_words, say, show, show_json
from charnn.config import Config
from charnn.nn.parameters import count
from charnn.options import options_of, worded
from charnn.training.events import (
    Evaluation,
    Event,
    Finished,
    RolledBack,
    Saved,
    SaveFailed,
)
from charnn.training.run_folder import FILES
from charnn.training.trainer import Trainer


class Reporter:
    """Prints the results at the end of a run on standard output, and nothing else: `--quiet`."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.task = trainer.task
        self.unit = trainer.task.unit(trainer.corpus.vocabulary)

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
        """Describe the run before it starts."""

    def report(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Finished():
                for line in self.results(event):
                    show(line)
            case SaveFailed():
                self.say(warning(event))

    def results(self, event: Finished) -> list[str]:
        """Return the best loss, the test loss if there is one, the time, and what was saved."""
        part = "validation" if self.trainer.corpus.has("val") else "training"
        lines = []
        if event.best_loss is not None:
            best = self.trainer.progress.best_accuracy
            lines.append(
                f"best        {loss_in_words(event.best_loss, self.unit)}"
                f"{self.answers(best, None)} on the {part} part, "
                f"at update {event.best_update:,}"
            )
        if event.test_loss is not None:
            answers = self.answers(event.test_accuracy, event.test_error_rate)
            lines.append(f"test        {loss_in_words(event.test_loss, self.unit)}{answers}")
        how = "" if event.reason == "completed" else f" ({event.reason})"
        lines.append(f"time        {duration(event.seconds)}, {event.update:,} updates{how}")
        if self.trainer.folder is not None:
            files = ", ".join(name for name in FILES if self.trainer.folder.has(name))
            lines.append(f"saved       {self.trainer.folder.path}: {files}")
        return lines

    def answers(self, accuracy: float | None, error_rate: float | None) -> str:
        """Return how many answers are right, in words, or nothing where there are none."""
        shares = ((self.task.accuracy, accuracy), (self.task.error_rate, error_rate))
        return "".join(f", {name} {share:.2%}" for name, share in shares if share is not None)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        say(line)

    def sample(self) -> str:
        """Return a short sample of what the model makes now, always drawn with the same seed."""
        trainer = self.trainer
        return self.task.illustration(trainer.model, trainer.corpus, trainer.config)


class Silence(Reporter):
    """Nothing: a rank that others report for."""

    def report(self, event: Event) -> None:
        """Show nothing."""


class JSONReporter(Reporter):
    """One JSON object per event on standard output."""

    def begin(self, notes: list[str]) -> None:
        """Print the configuration."""
        trainer = self.trainer
        content = {
            "event": "configuration",
            "config": trainer.config.values(),
            "parameters": trainer.model.parameters.flat.size,
            "vocabulary": self.task.sizes(trainer.corpus.vocabulary).inputs,
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
        """Print the effective configuration and the sizes that follow from it."""
        for line in self.preamble():
            self.say(line)
        for note in notes:
            self.say(f"note        {note}")
        self.say("")

    def preamble(self) -> list[str]:
        """Return the lines that describe a run before it starts."""
        trainer = self.trainer
        model, training = trainer.config.model, trainer.config.training
        layers = f"{model.num_layers} layer{'s' if model.num_layers > 1 else ''}"
        inputs = (
            "one-hot input"
            if model.embedding_size is None
            else f"embedding of {model.embedding_size}"
        )
        more = ", bidirectional" if model.bidirectional else ""
        if model.attention is not None:
            more += f", attention {model.attention}"
        epochs = trainer.source.epochs(trainer.total)
        facts = self.task.description(trainer.corpus) | {
            "model": f"{trainer.model.cell}, {layers} of {model.hidden_size}, {inputs}{more}",
            "parameters": f"{count(trainer.model.parameters.shapes):,}",
            "training": f"{trainer.total:,} updates of {self.task.batch_in_words(trainer.config)} "
            f"({epochs:.1f} epochs)",
            "seed": f"{training.seed}",
        }
        lines = [f"{name:<12}{fact}" for name, fact in facts.items()]
        if trainer.folder is not None:
            lines.append(f"run         {trainer.folder.path}")
        values = trainer.config.own_values()
        for name, section in Config.sections().items():
            options = " ".join(
                f"{option}={worded(values[option])}"
                for option in options_of(section)
                if option in values
            )
            if not options:
                continue
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
        """Print evaluations, roll-backs, failures to save, and the end of the run."""
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
            f"{losses}{loss_in_words(loss, self.unit)}"
            f"{self.answers(event.accuracy, event.error_rate)}  "
            f"{speed:,.0f} {self.unit}s/s  {left} left{'  best' if event.improved else ''}"
        )

    def pace(self, update: int, seconds: float) -> tuple[float, str]:
        """Return symbols per second and the time left, from the averages of the run so far."""
        per_update = seconds / max(update, 1)
        speed = self.trainer.source.mean_weight / max(per_update, 1e-9)
        return speed, duration(per_update * (self.trainer.total - update))

    def ending(self, event: Finished) -> list[str]:
        """Return the results, and the next command to type."""
        lines = ["", *self.results(event)]
        if self.trainer.folder is not None:
            interrupted = event.reason == "interrupted"
            name = shlex.quote(str(self.trainer.folder.path))
            trained = self.task.next_command(name, self.trainer.corpus.vocabulary)
            command = f"train --resume {name}" if interrupted else trained
            lines.append(f"next        charnn {command}")
        return lines


def warning(event: SaveFailed) -> str:
    """Return the warning about a failure to save."""
    return f"warning: {event.reason} The run continues and tries again at the next save."
