"""How a run begins: new, from another model's weights, or where it was left.

What a text is too short for is adapted, and said in a note, unless it was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from charnn.config import Config, EngineConfig, check_names, current_names
from charnn.engines.shards import default_shards
from charnn.engines.team import ALONE, Team
from charnn.errors import RunError
from charnn.options import Value
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset
from charnn.text.corpus import Corpus
from charnn.text.source import STANDARD_INPUT, ignore
from charnn.training.changes import with_changes, with_structure_of, with_vocabulary_of
from charnn.training.checkpoint import Checkpoint
from charnn.training.events import Event
from charnn.training.prepared import prepared as prepared
from charnn.training.prepared import untrained
from charnn.training.run_folder import RunFolder
from charnn.training.timed_run import fitted_to_time
from charnn.training.together import (
    agreed,
    check_alike,
    check_files,
    check_free,
    goes_on,
    last_checkpoint,
    read_by_all,
    shared_checkpoint,
)
from charnn.training.trainer import Trainer


@dataclass(frozen=True)
class Run:
    """A run that is ready to go; iterating over it trains. `notes` say what was adapted."""

    trainer: Trainer
    notes: list[str]

    def __iter__(self) -> Iterator[Event]:
        """Train, and yield each event."""
        return self.trainer.run()

    @property
    def checkpoint(self) -> Checkpoint:
        """The run as it stands, its model included."""
        return self.trainer.checkpoint()


def new_run(
    files: Sequence[str] | Dataset,
    config: Config,
    *,
    fixed: Collection[str] = (),
    out: Path | None = None,
    write: bool = True,
    force: bool = False,
    init_from: Path | None = None,
    advance: Callable[[int], None] = ignore,
    compute: EngineConfig | None = None,
    team: Team = ALONE,
    began: float | None = None,
) -> Run:
    """Prepare a new run on `files` in the folder `out`, by default `runs/<name>-<cell or task>`.

    Data that are in memory can stand for the files. `fixed` names the options that were asked for,
    which are not adapted; `init_from` is a checkpoint whose weights to start from; without `write`
    there is no folder; `advance` is told the bytes read; `compute` says what computes. All ranks of
    a `team` must call this, and rank 0 alone has the folder; where the team's launch has begun this
    run already, the run goes on. What `time` limits `began` at a value of `time.perf_counter`, or
    with this call. Raises CorpusError, ConfigError, CheckpointError, RunError.
    """
    began = time.perf_counter() if began is None else began
    check_alike(team, config.values(), compute)
    source = shared_checkpoint(team, init_from) if init_from is not None else None
    if source is not None:
        config = with_structure_of(source, config, fixed)
    folder = None
    if write:
        path = out or default_folder(files, config)
        folder = RunFolder(path)
        if goes_on(team, folder):
            names = {*fixed} - {"time"}  # which is `steps` by now
            changes = {name: value for name, value in config.values().items() if name in names}
            return resume_run(path, files, changes, compute=compute, team=team)
        check_free(team, folder, force)
    if isinstance(files, Corpus):
        config = with_vocabulary_of(files, config, fixed)
    check_files(team, files, config)
    dataset = read_by_all(team, lambda: dataset_for(files, config, source, advance))
    asked = {*fixed} if source is None else {*fixed, "learning_rate"}  # weights that have learnt
    config, notes = fitted(config, dataset, began, asked, write, compute, team)
    task = task_of(config)
    model = untrained(config, dataset)
    if source is not None:
        new, size = task.adopt(model, dataset.vocabulary, source.model, source.vocabulary)
        notes.append(f"weights from '{init_from}'; {new} of {size} symbols are new to it.")
    own = folder if team.rank == 0 else None

    def prepare() -> Trainer:
        trainer = prepared(config, dataset, own, model=model, compute=compute, team=team)
        if own is not None:
            own.create(config, force, team.launch)  # last of all: what fails leaves an old run
        return trainer

    trainer = team.together(prepare)
    return Run(trainer, [*dataset.notes, *notes, *trainer.engine.notes()])


def fitted(
    config: Config,
    dataset: Dataset,
    began: float,
    asked: Collection[str],
    saves: bool,
    compute: EngineConfig | None,
    team: Team,
) -> tuple[Config, list[str]]:
    """Return a configuration that suits its data and fits its time, and notes of what changed.

    What was `asked` for stays. A learning rate that suits a time is known after its updates.
    """
    task = task_of(config)
    config, notes = task.adapted(config, dataset, asked)
    config, chosen = task.suited(config, dataset, asked)
    config = agreed(team, with_shards(config, dataset))
    config, timing = fitted_to_time(config, dataset, began, saves=saves, compute=compute, team=team)
    if timing:
        config, chosen = task.suited(config, dataset, asked)
    return config, [*notes, *timing, *chosen]


def with_shards(config: Config, dataset: Dataset) -> Config:
    """Return a configuration with a number of shards that suits the work, unless it has one."""
    if config.training.shards is not None:
        return config
    task = task_of(config)
    symbols = task.source(dataset.arrays, config).mean_symbols
    return config.replace(shards=default_shards(config, task.sizes(dataset.vocabulary), symbols))


def default_folder(files: Sequence[str] | Dataset, config: Config) -> Path:
    """Return the folder of a run that was given none."""
    names = files if isinstance(files, Sequence) else files.files or [files.name]
    return Path("runs") / task_of(config).run_name(names, config)


def dataset_for(
    files: Sequence[str] | Dataset,
    config: Config,
    source: Checkpoint | None,
    advance: Callable[[int], None],
) -> Dataset:
    """Return files as data whose vocabulary has all symbols of the checkpoint `source`, too."""
    task = task_of(config)
    if isinstance(files, Corpus):
        return files.cut(config.data)
    if not isinstance(files, Sequence):
        return files
    known = None if source is None else source.vocabulary
    return task.read(files, config, known=known, advance=advance)


def resume_run(
    path: Path,
    files: Sequence[str] | Dataset = (),
    changes: Mapping[str, Value] | None = None,
    *,
    compute: EngineConfig | None = None,
    team: Team = ALONE,
) -> Run:
    """Prepare the rest of the run in a folder, bit for bit as if it had not been interrupted.

    `files` are needed only if the corpus has moved. Of `changes`, `epochs` and `steps` may differ
    from the run's own, and `val` and `test` where these files have moved; `compute` says what
    computes the rest. All ranks of a `team` must call this, and rank 0 alone has the folder. Raises
    RunError, ConfigError, CorpusError, CheckpointError.
    """
    folder = RunFolder(path)
    changes = current_names(changes or {})
    check_names(changes, "the call")
    check_alike(team, changes, compute)
    try:
        return rest_of_run(folder, files, changes, compute, team)
    except BaseException:
        folder.release()
        raise


def rest_of_run(
    folder: RunFolder,
    files: Sequence[str] | Dataset,
    changes: Mapping[str, Value],
    compute: EngineConfig | None,
    team: Team,
) -> Run:
    """Prepare the rest of the run in a folder, which rank 0 takes; see `resume_run`."""
    again = goes_on(team, folder)
    checkpoint, note = last_checkpoint(team, folder)
    config = with_changes(checkpoint.config, changes)
    if isinstance(files, Sequence):
        dataset = dataset_of_run(folder, checkpoint, config, files, team)
    else:
        dataset = dataset_for(files, config, None, ignore)
    own = folder if team.rank == 0 else None

    def prepare() -> Trainer:
        trainer = prepared(
            config,
            dataset,
            own,
            resume_from=checkpoint,
            may_be_over=again,
            compute=compute,
            team=team,
        )
        if own is not None:
            own.forget_after(checkpoint.progress.update)
            if team.launch:
                own.remember(team.launch)
            own.write_config(config)
        return trainer

    notes = [note] if note is not None else []
    if again:
        update = checkpoint.progress.update
        notes.append(f"torchrun has started the run again; it goes on from update {update:,}.")
    trainer = team.together(prepare)
    return Run(trainer, [*notes, *trainer.engine.notes()])


def dataset_of_run(
    folder: RunFolder, checkpoint: Checkpoint, config: Config, files: Sequence[str], team: Team
) -> Dataset:
    """Return the data of a run, from its files or from those given. Raises RunError."""
    record = checkpoint.corpus
    names = list(files) or record.files
    if not names:
        raise RunError(
            "the run was trained on a text in memory; pass the same corpus to charnn.resume."
        )
    if names == [STANDARD_INPUT] == record.files:
        raise RunError(
            f"the run was trained on standard input; give its text as a file: "
            f"charnn train --resume {folder.path} FILE"
        )
    check_files(team, names, config)
    vocabulary = checkpoint.vocabulary
    return read_by_all(team, lambda: checkpoint.task.read(names, config, vocabulary=vocabulary))
