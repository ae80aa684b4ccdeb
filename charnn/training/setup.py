"""How a run begins: new, from another model's weights, or where it was left.

What a text is too short for is adapted, and said in a note, unless it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from charnn.config import Config, EngineConfig, check_names, current_names
from charnn.engines.choice import make_engine
from charnn.engines.shards import default_shards
from charnn.engines.team import ALONE, Team
from charnn.errors import ConfigError, RunError
from charnn.models.model import Model
from charnn.options import Value, worded
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset
from charnn.text.corpus import Corpus
from charnn.text.source import STANDARD_INPUT, ignore
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import LAST, PREVIOUS, Checkpoint
from charnn.training.events import Event
from charnn.training.run_folder import RunFolder
from charnn.training.trainer import Trainer

STRUCTURE = (
    "task",
    "cell",
    "hidden_size",
    "num_layers",
    "gru_reset",
    "embedding_size",
    "bidirectional",
    "attention",
    "tie_weights",
    "tokens",
    "source_sep",
    "target_sep",
)
WITH_FEATURES = ("features_col", "features_sep")  # the model's, unless others are asked for
MAY_CHANGE = ("epochs", "steps")  # of a run that is resumed
MAY_MOVE = ("val", "test")  # files of a run that is resumed


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


def prepared(
    config: Config,
    dataset: Dataset,
    folder: RunFolder | None = None,
    *,
    model: Model | None = None,
    resume_from: Checkpoint | None = None,
    compute: EngineConfig | None = None,
    team: Team = ALONE,
) -> Trainer:
    """Return a trainer with its engine: from a model's weights, random ones, or a checkpoint."""
    task = task_of(config)
    if resume_from is not None:
        model = resume_from.trained_model
    if model is None:
        model = untrained(config, dataset)
    source = task.source(dataset.arrays, config)
    engine = make_engine(config, model, dataset, compute, team)
    return Trainer(config, dataset, source, engine, folder, resume_from)


def untrained(config: Config, dataset: Dataset) -> Model:
    """Return a model with random weights for the symbols of some data."""
    task = task_of(config)
    sizes = task.sizes(dataset.vocabulary)
    return task.model.started(config.model, sizes, config.training.seed)


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
) -> Run:
    """Prepare a new run on `files` in the folder `out`, by default `runs/<name>-<cell or task>`.

    Data that are in memory can stand for the files. `fixed` names the options that were asked for,
    which are not adapted; `init_from` is a checkpoint whose weights to start from; without `write`
    there is no folder; `advance` is told the bytes read. Raises CorpusError, ConfigError,
    CheckpointError, RunError.
    """
    source = load_checkpoint(init_from) if init_from is not None else None
    if source is not None:
        config = with_structure_of(source, config, fixed)
    folder = None
    if write:
        folder = RunFolder(out or default_folder(files, config))
        folder.check_free(force)
    if isinstance(files, Corpus):
        config = with_vocabulary_of(files, config, fixed)
    dataset = dataset_for(files, config, source, advance)
    task = task_of(config)
    config, notes = task.adapted(config, dataset, fixed)
    if config.training.shards is None:
        symbols = task.source(dataset.arrays, config).mean_symbols
        shards = default_shards(config, task.sizes(dataset.vocabulary), symbols)
        config = config.replace(shards=shards)
    model = untrained(config, dataset)
    if source is not None:
        new, size = task.adopt(model, dataset.vocabulary, source.model, source.vocabulary)
        notes.append(f"weights from '{init_from}'; {new} of {size} symbols are new to it.")
    trainer = prepared(config, dataset, folder, model=model)
    if folder is not None:
        folder.create(config, force)  # last of all: whatever fails before leaves an old run alone
    return Run(trainer, [*dataset.notes, *notes])


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
    path: Path, files: Sequence[str] | Dataset = (), changes: Mapping[str, Value] | None = None
) -> Run:
    """Prepare the rest of the run in a folder, bit for bit as if it had not been interrupted.

    `files` are needed only if the corpus has moved. Of `changes`, `epochs` and `steps` may differ
    from the run's own, and `val` and `test` where these files have moved. Raises RunError,
    ConfigError, CorpusError, CheckpointError.
    """
    folder = RunFolder(path)
    if not (folder.has(LAST) or folder.has(PREVIOUS)):
        raise RunError(
            f"'{path}' is not a run folder (it has no {LAST}); give the folder of a run."
        )
    folder.take()
    try:
        return rest_of_run(folder, files, changes or {})
    except BaseException:
        folder.release()
        raise


def rest_of_run(
    folder: RunFolder, files: Sequence[str] | Dataset, changes: Mapping[str, Value]
) -> Run:
    """Prepare the rest of the run in a folder that this process holds; see `resume_run`."""
    checkpoint, note = folder.load_last()
    changes = current_names(changes)
    check_names(changes, "the call")
    config = with_changes(checkpoint.config, changes)
    if isinstance(files, Sequence):
        dataset = dataset_of_run(folder, checkpoint, config, files)
    else:
        dataset = dataset_for(files, config, None, ignore)
    trainer = prepared(config, dataset, folder, resume_from=checkpoint)
    folder.forget_after(checkpoint.progress.update)
    folder.write_config(config)
    return Run(trainer, [note] if note is not None else [])


def dataset_of_run(
    folder: RunFolder, checkpoint: Checkpoint, config: Config, files: Sequence[str]
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
    return checkpoint.task.read(names, config, vocabulary=checkpoint.vocabulary)


def with_vocabulary_of(corpus: Corpus, config: Config, fixed: Collection[str]) -> Config:
    """Return a configuration for a corpus that has its vocabulary. Raises ConfigError."""
    tokens = corpus.vocabulary.tokens
    for name in ("tokens", "min_count", "vocab", "encoding"):
        if name in fixed and not (name == "tokens" and config.data.tokens == tokens):
            raise ConfigError(
                f"{name} is given, but the corpus has its vocabulary already; leave {name} out, or "
                "give it to charnn.corpus."
            )
    return config.replace(tokens=tokens)


def with_structure_of(source: Checkpoint, config: Config, fixed: Collection[str]) -> Config:
    """Return a configuration with the network of a checkpoint. Raises ConfigError on a conflict."""
    own, theirs = config.values(), source.config.values()
    if "task" in fixed and own["task"] != theirs["task"]:
        raise ConfigError(
            f"the task is {own['task']}, but the model to start from has learned the task "
            f"{theirs['task']}; give --init-from a model of the same task."
        )
    for name in STRUCTURE:
        if name in fixed and own[name] != theirs[name]:
            raise ConfigError(
                f"{name} is {worded(own[name])}, but the model to start from has "
                f"{worded(theirs[name])}; leave {name} out."
            )
    names = [*STRUCTURE, *(name for name in WITH_FEATURES if name not in fixed)]
    return config.replace(**{name: theirs[name] for name in names})


def with_changes(config: Config, changes: Mapping[str, Value]) -> Config:
    """Return a resumed run's configuration. Raises ConfigError for a change it cannot take."""
    own = config.values()
    moved = {name: changes[name] for name in MAY_MOVE if own[name] and changes.get(name)}
    for name, value in changes.items():
        if name not in (*MAY_CHANGE, *moved) and value != own[name]:
            raise ConfigError(
                f"{name} is {worded(value)}, but the run to resume has {worded(own[name])}; "
                "leave it out, or start a new run (--init-from keeps the weights)."
            )
    length = {name: changes[name] for name in MAY_CHANGE if changes.get(name) is not None}
    if length:
        length = dict.fromkeys(MAY_CHANGE) | length
    return config.replace(**moved, **length) if moved or length else config
