"""The training loop: truncated backpropagation through time.

    for each batch of the epoch:
        update            forward, backward, clip, the optimiser: the engine's work
        every so often    evaluate on the whole validation part and save

Teacher forcing: the input at t + 1 is the text's own symbol, whatever the model predicted.

All randomness of an update is drawn from generators that are seeded by the run's seed and the
update's number. Everything else that a run needs is in its checkpoint, so a resumed run makes
exactly the same updates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from charnn.arrays import Arrays
from charnn.config import Config
from charnn.engines.engine import Engine
from charnn.errors import RunError
from charnn.nn.parameters import Parameters
from charnn.nn.schedules import learning_rate
from charnn.registry import SCHEDULES
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset, total_updates
from charnn.text.batches import Source
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, Checkpoint, CorpusRecord, versions
from charnn.training.events import Evaluation, Event, Finished, RolledBack, Started, Step
from charnn.training.progress import GradientNorms, Progress
from charnn.training.rollback import FACTOR, GoodState
from charnn.training.run_folder import RunFolder
from charnn.training.saving import Saver


class Trainer:
    """One run: its engine, position and best loss. `run()` yields what happens."""

    def __init__(
        self,
        config: Config,
        corpus: Dataset,
        source: Source,
        engine: Engine,
        folder: RunFolder | None = None,
        resume_from: Checkpoint | None = None,
        may_be_over: bool = False,
    ) -> None:
        """Prepare a run of `engine` on the batches of `source`, or the rest of a checkpoint's run.

        Without `folder` nothing is written. The rest `may_be_over` where nobody asked for more.
        """
        self.config = config
        self.task = task_of(config)
        self.corpus = corpus
        self.source = source
        self.engine = engine
        self.folder = folder
        self.total = total_updates(config, source)
        self._schedule = SCHEDULES[config.training.lr_schedule]
        self.progress = Progress()
        self._norms = GradientNorms(config.training)
        self.saver = Saver(folder, config.training.save_every)
        self.stop_requested = False
        self.interrupted = False
        if resume_from is not None:
            self._restore(resume_from)
            if not may_be_over:
                self._check_not_over()
        self.best = self.checkpoint().best_only()
        if resume_from is not None and folder is not None and folder.has(BEST):
            self.best = load_checkpoint(folder.path / BEST)
        self._good = GoodState(engine, self.progress)

    def run(self) -> Iterator[Event]:
        """Train to the end, or until `stop_requested` is set, and yield each event.

        What cannot be written is reported as SaveFailed, and written with the next save; `unsaved`
        says what is missing at the end. Raises DivergenceError after `max_rollbacks` returns to the
        last good state.
        """
        try:
            for event in self._run():
                failed = self.saver.record(event)
                yield event
                if failed is not None:
                    yield failed
        finally:
            self.engine.close()
            self.saver.release()

    def _run(self) -> Iterator[Event]:
        yield self._started()
        while self.progress.update < self.total and not self._out_of_patience():
            try:
                if self.engine.any("stop", self.stop_requested):
                    self._check_finite()
                    self.interrupted = True
                    self._good.keep(self.progress)
                    yield from self._save()
                    break
                yield self.step()
                if self._evaluation_due():
                    yield self._evaluate()
                    self._good.keep(self.progress)
                    yield from self._save()
                elif self.engine.any("save", self.saver.due):
                    self._check_finite()
                    yield from self._save()
            except FloatingPointError as error:
                yield self._roll_back(str(error))
        yield self._finished()

    @np.errstate(over="ignore", invalid="ignore")
    def step(self) -> Step:
        """Make one update. Raises FloatingPointError where the loss or gradient is not finite."""
        began = time.perf_counter()
        progress, rate = self.progress, self._learning_rate()
        loss, norm = self.engine.update(progress.update, rate)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise FloatingPointError(f"the loss is {loss}, the gradient's norm {norm}")
        progress.count_update(loss)
        self._norms.add(norm)
        progress.seconds += time.perf_counter() - began
        return Step(
            progress.update,
            self.source.epochs(progress.update),
            loss,
            progress.smoothed_loss or loss,
            norm,
            rate,
            round(self.source.weight(progress.update - 1)),
            progress.seconds,
        )

    @np.errstate(over="ignore", invalid="ignore")
    def _evaluate(self) -> Evaluation:
        """Evaluate and take note of the best. Raises FloatingPointError for a loss not finite."""
        began = time.perf_counter()
        progress, training = self.progress, self.config.training
        train_loss = progress.smoothed_loss or 0.0
        score = self.engine.evaluate("val") if self.corpus.has("val") else None
        val_loss = None if score is None else score.nats_per_symbol
        loss = train_loss if val_loss is None else val_loss
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
        self._check_finite()
        accuracy = None if score is None else score.accuracy
        improved = progress.count_evaluation(
            train_loss, val_loss, accuracy, by_accuracy=training.select == "accuracy"
        )
        if training.lr_schedule == "plateau":
            progress.reduce_after(training.lr_patience)
        progress.seconds += time.perf_counter() - began
        if improved:
            self.best = self.checkpoint().best_only()
        return Evaluation(
            progress.update,
            self.source.epochs(progress.update),
            train_loss,
            val_loss,
            progress.best_loss or loss,
            improved,
            self._learning_rate(),
            progress.seconds,
            accuracy,
            None if score is None else score.error_rate,
            **self._norms.take(),
        )

    def checkpoint(self) -> Checkpoint:
        """Return the run as it stands, sharing the engine's arrays except for the weights.

        Where the run has several participants, all of them must ask at the same time.
        """
        return self._checkpoint_of(self.engine.export())

    @property
    def model(self) -> Any:
        """The model as it stands: what is evaluated and sampled. Its weights are copies."""
        arrays = self.engine.weights()
        checkpoint = self._checkpoint_of(arrays, resumable=False)
        if "average" not in arrays:
            return checkpoint.model
        flat = arrays["average"].copy()
        return checkpoint.model_of(Parameters(checkpoint.parameters.shapes, flat=flat))

    def _checkpoint_of(self, arrays: Arrays, resumable: bool = True) -> Checkpoint:
        """Return the run as it stands, with the engine's arrays or some of them."""
        corpus = self.corpus
        return Checkpoint.of_arrays(
            self.config,
            corpus.vocabulary,
            arrays,
            self.progress,
            CorpusRecord(corpus.name, corpus.files, corpus.fingerprint, corpus.parts),
            resumable,
            provenance=versions() | self.engine.provenance(),
        )

    @property
    def unsaved(self) -> dict[str, str]:
        """The files that could not be written, and why."""
        return self.saver.unsaved

    def _learning_rate(self) -> float:
        progress, training = self.progress, self.config.training
        rate = learning_rate(
            self._schedule, training, progress.update, self.total, progress.reductions
        )
        return rate * FACTOR**progress.rollbacks

    def _evaluation_due(self) -> bool:
        update = self.progress.update
        return update % self.config.training.eval_every == 0 or update == self.total

    def _out_of_patience(self) -> bool:
        patience = self.config.training.early_stopping
        return patience is not None and self.progress.stale >= patience

    def _check_finite(self) -> None:
        """Raise FloatingPointError where the run's state has a value that is not finite."""
        reason = self.engine.not_finite()
        if reason is not None:
            raise FloatingPointError(reason)

    def _save(self) -> Iterator[Event]:
        """Save the last state, and the best if it is this one."""
        best_now = self.progress.update == self.progress.best_update
        yield from self.saver.save(self.checkpoint(), self.best if best_now else None)

    def _roll_back(self, reason: str) -> RolledBack:
        """Return to the last good state with a lower learning rate. Raises DivergenceError."""
        training = self.config.training
        advice = f"lower --learning-rate ({training.learning_rate:g}) or --clip-norm."
        self.progress, event = self._good.return_from(
            self.progress, reason, training.max_rollbacks, advice
        )
        self._norms.take()  # those since the good state are of updates that are undone
        if self.folder is not None:
            with suppress(RunError):  # a full disk is reported at the next save
                self.folder.forget_after(self.progress.update)
        return event

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Take over a checkpoint's state. Raises RunError where it has none, or another corpus."""
        if not checkpoint.resumable:
            raise RunError(f"the checkpoint holds a model only; resume from its run's {LAST}.")
        if checkpoint.corpus.fingerprint != self.corpus.fingerprint:
            records = checkpoint.config.records
            apart = [name for name in (records.val, records.test) if name is not None]
            raise RunError(
                f"the corpus is not the one that the run was trained on "
                f"({', '.join([*checkpoint.corpus.files, *apart])}); give that text."
            )
        self.progress = checkpoint.progress.copy()
        self.engine.load(checkpoint.named_arrays())

    def _check_not_over(self) -> None:
        """Raise RunError where the run has made all its updates."""
        if self.progress.update >= self.total:
            raise RunError(
                f"the run has made all its {self.total:,} updates; raise --steps or --epochs to "
                "train it further."
            )

    def _started(self) -> Started:
        training = self.config.training
        position = self.progress.update, self.total, self.source.count
        return Started(*position, training.batch_size, training.seq_length)

    def _finished(self) -> Finished:
        progress = self.progress
        reason = "early stopping" if self._out_of_patience() else "completed"
        if self.interrupted:
            reason = "interrupted"
        test = None
        if not self.interrupted and self.corpus.has("test"):
            test = self.task.evaluate(self.best.model, self.corpus.arrays, "test")
        return Finished(
            progress.update,
            reason,
            progress.smoothed_loss,
            progress.best_loss,
            progress.best_update,
            None if test is None else test.nats_per_symbol,
            progress.seconds,
            None if test is None else test.accuracy,
            None if test is None else test.error_rate,
        )
