"""The training loop: truncated backpropagation through time over contiguous streams.

    for each window of the epoch:
        loss, gradients   forward and backward, the states carried from the window before
        clip              by value, then by global norm
        update            the optimiser, at the schedule's learning rate
        every so often    evaluate on the whole validation part and save

Teacher forcing: the input at t + 1 is the text's own symbol, whatever the model predicted.

All randomness of an update is drawn from generators seeded by (seed, update, shard), and everything
else that a run needs is in its checkpoint, so a resumed run makes exactly the same updates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.config import DEFAULT_STEPS, Config
from charnn.errors import DivergenceError, RunError
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel, LayerStates
from charnn.nn.blas import single_thread
from charnn.nn.parameters import Parameters
from charnn.text.batches import Streams
from charnn.text.corpus import Corpus
from charnn.training.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    CorpusRecord,
    Progress,
    load_checkpoint,
)
from charnn.training.clipping import clipping_factor
from charnn.training.events import (
    Evaluation,
    Event,
    Finished,
    RolledBack,
    Saved,
    SaveFailed,
    Started,
    Step,
)
from charnn.training.parallel import Shards
from charnn.training.run_folder import METRICS, RunFolder
from charnn.training.schedules import learning_rate
from charnn.training.shard import IdsFile

SMOOTHING = 0.02  # weight of a new loss in the smoothed one
ROLLBACK_FACTOR = 0.5  # of the learning rate, at each return to the last good state


@dataclass(frozen=True)
class Snapshot:
    """A state that was good: what a diverging run returns to."""

    progress: Progress
    arrays: dict[str, Array]


class Trainer:
    """One run: its model, optimiser, position and best loss. `run()` yields what happens."""

    def __init__(
        self,
        config: Config,
        corpus: Corpus,
        model: LanguageModel,
        folder: RunFolder | None = None,
        resume_from: Checkpoint | None = None,
    ) -> None:
        """Prepare a run from `model`'s weights, or the rest of the run of a checkpoint.

        Without `folder` nothing is written.
        """
        self.config = config
        self.corpus = corpus
        self.folder = folder
        source = IdsFile(
            str(corpus.path), corpus.train.dtype.str, len(corpus.train), len(corpus.val)
        )
        self.shards = Shards(config, model, source)
        self.model = model = self.shards.model
        self.streams = self.shards.streams
        self.total = total_updates(config, self.streams)
        self.optimizer_state = self.shards.optimizer_state
        self.average = self.shards.average
        self.evaluated = self.shards.evaluated
        self.progress = Progress()
        self.best_parameters = model.parameters.flat.copy()
        self.stop_requested = False
        self.interrupted = False
        self.unsaved: dict[str, str] = {}  # files that could not be written, and why
        self._unsaved_best: Checkpoint | None = None
        if resume_from is not None:
            self._restore_checkpoint(resume_from)
        self._good = self._snapshot()

    @classmethod
    def start(cls, config: Config, corpus: Corpus, folder: RunFolder | None = None) -> Trainer:
        """Prepare a run from random weights."""
        size, seed = len(corpus.vocabulary), config.training.seed
        return cls(config, corpus, LanguageModel.initialized(config.model, size, seed), folder)

    @property
    def states(self) -> LayerStates:
        """The recurrent states of all streams."""
        return self.shards.states

    def run(self) -> Iterator[Event]:
        """Train to the end, or until `stop_requested` is set, and yield each event.

        What cannot be written is told as SaveFailed, and written with the next save; `unsaved` says
        what is missing at the end. Raises DivergenceError after `max_rollbacks` returns to the last
        good state.
        """
        try:
            for event in self._run():
                failed = self._record(event)
                yield event
                if failed is not None:
                    yield failed
        finally:
            self.shards.close()
            if self.folder is not None:
                self.folder.release()

    def _record(self, event: Event) -> SaveFailed | None:
        """Write an event to the metrics; return the first failure of several."""
        if self.folder is None:
            return None
        try:
            self.folder.record(event)
        except RunError as error:
            known = METRICS in self.unsaved
            self.unsaved[METRICS] = str(error)
            return None if known else SaveFailed(self.progress.update, str(error))
        self.unsaved.pop(METRICS, None)
        return None

    def _run(self) -> Iterator[Event]:
        progress = self.progress
        yield Started(
            progress.update,
            self.total,
            self.streams.windows,
            self.streams.batch_size,
            self.streams.seq_length,
        )
        reason = "completed"
        with single_thread():
            while progress.update < self.total and not self._out_of_patience():
                try:
                    if self.stop_requested:
                        self._check_finite()
                        self.interrupted = True
                        yield from self._save()
                        break
                    yield self.step()
                    if self._evaluation_due():
                        yield self._evaluate()
                        yield from self._save()
                except FloatingPointError as error:
                    yield self._roll_back(str(error))
                    progress = self.progress
            if self.interrupted:
                reason = "interrupted"
            elif self._out_of_patience():
                reason = "early stopping"
            test_loss = None if self.interrupted else self._test()
        yield Finished(
            progress.update,
            reason,
            progress.smoothed_loss,
            progress.best_loss,
            progress.best_update,
            test_loss,
            progress.seconds,
        )

    @np.errstate(over="ignore", invalid="ignore")
    def step(self) -> Step:
        """Make one update. Raises FloatingPointError where the loss or gradient is not finite."""
        began = time.perf_counter()
        progress = self.progress
        epoch, window = divmod(progress.update, self.streams.windows)
        loss = self.shards.compute(progress.update)
        norm, clipped_norm = self.shards.add_gradients()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise FloatingPointError(f"the loss is {loss}, the gradient's norm {norm}")
        rate = self._learning_rate()
        scale = clipping_factor(clipped_norm, self.config.training.clip_norm)
        progress.update += 1
        self.shards.apply(progress.update, rate, scale)
        weight = max(SMOOTHING, 1 / progress.update)
        before = loss if progress.smoothed_loss is None else progress.smoothed_loss
        progress.smoothed_loss = before + weight * (loss - before)
        progress.seconds += time.perf_counter() - began
        return Step(
            progress.update,
            epoch + (window + 1) / self.streams.windows,
            loss,
            progress.smoothed_loss,
            norm,
            rate,
            self.streams.symbols(window),
            progress.seconds,
        )

    def _learning_rate(self) -> float:
        progress = self.progress
        rate = learning_rate(self.config.training, progress.update, self.total, progress.reductions)
        return rate * ROLLBACK_FACTOR**progress.rollbacks

    def _evaluation_due(self) -> bool:
        update = self.progress.update
        return update % self.config.training.eval_every == 0 or update == self.total

    @np.errstate(over="ignore", invalid="ignore")
    def _evaluate(self) -> Evaluation:
        """Evaluate and take note of the best. Raises FloatingPointError for a loss not finite."""
        began = time.perf_counter()
        progress, training = self.progress, self.config.training
        train_loss = progress.smoothed_loss or 0.0
        has_val = len(self.corpus.val) > 1
        val_loss = self.shards.evaluate().nats_per_symbol if has_val else None
        loss = train_loss if val_loss is None else val_loss
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
        self._check_finite()
        improved = progress.best_loss is None or loss < progress.best_loss
        if improved:
            progress.best_loss, progress.best_update = loss, progress.update
            progress.stale = progress.plateau = 0
            self.best_parameters[:] = self.evaluated.parameters.flat
        else:
            progress.stale += 1
            progress.plateau += 1
        if progress.plateau >= training.lr_patience and training.lr_schedule == "plateau":
            progress.reductions += 1
            progress.plateau = 0
        progress.history.append((progress.update, train_loss, val_loss))
        progress.seconds += time.perf_counter() - began
        return Evaluation(
            progress.update,
            progress.update / self.streams.windows,
            train_loss,
            val_loss,
            progress.best_loss or loss,
            improved,
            self._learning_rate(),
            progress.seconds,
        )

    def _check_finite(self) -> None:
        """Raise FloatingPointError where the run's state has a value that is not finite."""
        vectors = {"a weight": [self.model.parameters.flat]}
        vectors["the optimiser's memory"] = list(self.optimizer_state.values())
        vectors["a recurrent state"] = [state for layer in self.states for state in layer]
        for what, arrays in vectors.items():
            if not all(np.isfinite(array).all() for array in arrays):
                raise FloatingPointError(f"{what} is not finite")

    def _test(self) -> float | None:
        """Return the best weights' loss on the test part."""
        ids = self.corpus.test
        return evaluate(self._best_model, ids).nats_per_symbol if len(ids) > 1 else None

    @property
    def _best_model(self) -> LanguageModel:
        """The best weights so far, as a model that shares them."""
        parameters = Parameters(self.model.parameters.shapes, flat=self.best_parameters)
        return LanguageModel(self.config.model, self.model.vocab_size, parameters)

    def _out_of_patience(self) -> bool:
        patience = self.config.training.early_stopping
        return patience is not None and self.progress.stale >= patience

    def _save(self) -> Iterator[Saved | SaveFailed]:
        """Save the last state, and the best if it is this one; it is a good state to return to."""
        self._good = self._snapshot()
        if self.folder is None:
            return
        last = self.checkpoint()
        if self.progress.update == self.progress.best_update:
            parameters, progress = self._best_model.parameters, self.progress.copy()
            self._unsaved_best = Checkpoint(
                last.config, last.vocabulary, parameters, progress, last.corpus
            )
        if self._unsaved_best is not None:
            yield self._write(self.folder, BEST, self._unsaved_best)
            if BEST not in self.unsaved:
                self._unsaved_best = None
        yield self._write(self.folder, LAST, last)

    def _write(self, folder: RunFolder, name: str, checkpoint: Checkpoint) -> Saved | SaveFailed:
        """Write a checkpoint. If that fails the run goes on, and the next save tries again."""
        update = self.progress.update
        try:
            path = folder.save(name, checkpoint)
        except RunError as error:
            self.unsaved[name] = str(error)
            return SaveFailed(update, str(error))
        self.unsaved.pop(name, None)
        return Saved(update, path)

    def checkpoint(self) -> Checkpoint:
        """Return the run as it stands, sharing its arrays."""
        corpus = self.corpus
        return Checkpoint(
            self.config,
            corpus.vocabulary,
            self.model.parameters,
            self.progress,
            CorpusRecord(corpus.name, corpus.files, corpus.fingerprint, corpus.parts),
            self.optimizer_state,
            self.shards.states,
            self.average,
        )

    def _snapshot(self) -> Snapshot:
        arrays = {name: array.copy() for name, array in self.shards.persistent.items()}
        return Snapshot(self.progress.copy(), arrays)

    def _roll_back(self, reason: str) -> RolledBack:
        """Return to the last good state with a lower learning rate. Raises DivergenceError."""
        failed, limit = self.progress.update, self.config.training.max_rollbacks
        rollbacks = self.progress.rollbacks + 1
        if rollbacks > limit:
            raise DivergenceError(
                f"training diverged at update {failed:,} ({reason}) and again after {limit} "
                "returns to the last good state; lower --learning-rate "
                f"({self.config.training.learning_rate:g}) or --clip-norm."
            )
        good = self._good
        self.progress = good.progress.copy()
        self.progress.rollbacks = rollbacks
        for name, array in self.shards.persistent.items():
            array[...] = good.arrays[name]
        if self.folder is not None:
            with suppress(RunError):  # a disk that is full is told at the next save
                self.folder.forget_after(self.progress.update)
        factor = ROLLBACK_FACTOR**rollbacks
        return RolledBack(failed, self.progress.update, reason, factor)

    def _restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take over a checkpoint's state. Raises RunError where it has none, or another corpus."""
        if checkpoint.optimizer is None or checkpoint.states is None:
            raise RunError(f"the checkpoint holds a model only; resume from its run's {LAST}.")
        if checkpoint.corpus.fingerprint != self.corpus.fingerprint:
            raise RunError(
                f"the corpus is not the one that the run was trained on "
                f"({', '.join(checkpoint.corpus.files)}); give that text."
            )
        self.progress = checkpoint.progress.copy()
        if self.progress.update >= self.total:
            raise RunError(
                f"the run has made all its {self.total:,} updates; raise --steps or --epochs to "
                "go on."
            )
        for slot, vector in self.optimizer_state.items():
            vector[:] = checkpoint.optimizer[slot]
        self.shards.set_states(checkpoint.states)
        if self.average is not None and checkpoint.average is not None:
            self.average[:] = checkpoint.average
        if self.folder is not None and self.folder.has(BEST):
            self.best_parameters[:] = load_checkpoint(self.folder.path / BEST).parameters.flat


def total_updates(config: Config, streams: Streams) -> int:
    """Return how many updates a run makes."""
    training = config.training
    if training.epochs is not None:
        return max(1, round(training.epochs * streams.windows))
    return training.steps or DEFAULT_STEPS
