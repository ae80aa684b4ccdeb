"""How a run begins: new, from another model's weights, or where it was left.

What a text is too short for is adapted, and said in a note, unless it was asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from charnn.config import Config, check_names, current_names
from charnn.engines.shards import Shards, default_shards
from charnn.errors import ConfigError, RunError
from charnn.models.language_model import LanguageModel, adopt_weights
from charnn.options import Value
from charnn.text.batches import Streams, fit_streams
from charnn.text.corpus import Corpus, encode_corpus, make_vocabulary, read_corpus
from charnn.text.source import STANDARD_INPUT, TextFiles
from charnn.text.vocabulary import Vocabulary
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import LAST, PREVIOUS, Checkpoint
from charnn.training.events import Event
from charnn.training.run_folder import RunFolder
from charnn.training.trainer import Trainer

STRUCTURE = ("cell", "hidden_size", "num_layers", "gru_reset", "embedding_size")
MAY_CHANGE = ("epochs", "steps")  # of a run that is resumed


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
    corpus: Corpus,
    folder: RunFolder | None = None,
    *,
    model: LanguageModel | None = None,
    resume_from: Checkpoint | None = None,
) -> Trainer:
    """Return a trainer with its engine: from a model's weights, random ones, or a checkpoint."""
    training = config.training
    if resume_from is not None:
        model = resume_from.trained_model
    if model is None:
        model = LanguageModel.initialized(config.model, len(corpus.vocabulary), training.seed)
    source = Streams(corpus.train, training.batch_size, training.seq_length)
    engine = Shards(config, model, corpus)
    return Trainer(config, corpus, source, engine, folder, resume_from)


def new_run(
    files: TextFiles | Sequence[str] | Corpus,
    config: Config,
    *,
    fixed: Collection[str] = (),
    out: Path | None = None,
    write: bool = True,
    force: bool = False,
    init_from: Path | None = None,
) -> Run:
    """Prepare a new run on `files` in the folder `out`, by default `runs/<corpus>-<cell>`.

    A corpus that is in memory can stand for the files. `fixed` names the options that were asked
    for, which are not adapted; `init_from` is a checkpoint whose weights to start from; without
    `write` there is no folder. Raises CorpusError, ConfigError, CheckpointError, RunError.
    """
    if not isinstance(files, (TextFiles, Corpus)):
        files = TextFiles(files, config.data.encoding)
    source = load_checkpoint(init_from) if init_from is not None else None
    if source is not None:
        config = with_structure_of(source, config, fixed)
    folder = None
    if write:
        folder = RunFolder(out or Path(f"runs/{files.name}-{config.model.cell}"))
        folder.check_free(force)
    if isinstance(files, Corpus):
        config = with_vocabulary_of(files, config, fixed)
        corpus = files.cut(config.data)
    else:
        corpus = corpus_for(files, config, source)
    config, notes = adapted(config, corpus, fixed)
    size = len(corpus.vocabulary)
    if config.training.shards is None:
        config = config.replace(shards=default_shards(config, size))
    model = LanguageModel.initialized(config.model, size, config.training.seed)
    if source is not None:
        adopt_weights(model, source.model, shared_ids(corpus.vocabulary, source.vocabulary))
        new = size - len(shared_ids(corpus.vocabulary, source.vocabulary))
        notes.append(f"weights from '{init_from}'; {new} of {size} symbols are new to it.")
    trainer = prepared(config, corpus, folder, model=model)
    if folder is not None:
        folder.create(config, force)  # last of all: whatever fails before leaves an old run alone
    return Run(trainer, notes)


def resume_run(
    path: Path, files: Sequence[str] | Corpus = (), changes: Mapping[str, Value] | None = None
) -> Run:
    """Prepare the rest of the run in a folder, bit for bit as if it had not been interrupted.

    `files` are needed only if the corpus has moved. Of `changes`, `epochs` and `steps` may differ
    from the run's own. Raises RunError, ConfigError, CorpusError, CheckpointError.
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
    folder: RunFolder, files: Sequence[str] | Corpus, changes: Mapping[str, Value]
) -> Run:
    """Prepare the rest of the run in a folder that this process holds; see `resume_run`."""
    checkpoint, note = folder.load_last()
    changes = current_names(changes)
    check_names(changes, "the call")
    config = with_changes(checkpoint.config, changes)
    if isinstance(files, Corpus):
        corpus = files.cut(config.data)
    else:
        corpus = corpus_of_run(folder, checkpoint, files)
    trainer = prepared(config, corpus, folder, resume_from=checkpoint)
    folder.forget_after(checkpoint.progress.update)
    folder.write_config(config)
    return Run(trainer, [note] if note is not None else [])


def corpus_for(files: TextFiles, config: Config, source: Checkpoint | None) -> Corpus:
    """Return files as a corpus whose vocabulary has all symbols of `source`, too."""
    vocabulary = None
    if source is not None and config.data.vocab is None:
        vocabulary = union(make_vocabulary(files, config.data), source.vocabulary)
    return encode_corpus(files, config.data, vocabulary)


def corpus_of_run(folder: RunFolder, checkpoint: Checkpoint, files: Sequence[str]) -> Corpus:
    """Return the corpus of a run, from its files or from those given. Raises RunError."""
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
    return read_corpus(names, checkpoint.config.data, checkpoint.vocabulary)


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
    for name in (*STRUCTURE, "tokens"):
        if name in fixed and own[name] != theirs[name]:
            raise ConfigError(
                f"{name} is {own[name]}, but the model to start from has {theirs[name]}; "
                f"leave {name} out."
            )
    return config.replace(**{name: theirs[name] for name in (*STRUCTURE, "tokens")})


def with_changes(config: Config, changes: Mapping[str, Value]) -> Config:
    """Return a resumed run's configuration. Raises ConfigError for a change it cannot take."""
    own = config.values()
    for name, value in changes.items():
        if name not in MAY_CHANGE and value != own[name]:
            raise ConfigError(
                f"{name} is {value}, but the run to resume has {own[name]}; leave it out, or start "
                "a new run (--init-from keeps the weights)."
            )
    length = {name: changes[name] for name in MAY_CHANGE if changes.get(name) is not None}
    return config.replace(**(dict.fromkeys(MAY_CHANGE) | length)) if length else config


def adapted(config: Config, corpus: Corpus, fixed: Collection[str]) -> tuple[Config, list[str]]:
    """Return a configuration that fits the text, and notes of what changed. Raises CorpusError."""
    training, notes = config.training, []
    batch, steps = fit_streams(
        len(corpus.train),
        training.batch_size,
        training.seq_length,
        frozenset({"batch_size", "seq_length"} - set(fixed)),
    )
    changes = [
        f"{name} {now} instead of {before}"
        for name, now, before in (
            ("batch_size", batch, training.batch_size),
            ("seq_length", steps, training.seq_length),
        )
        if now != before
    ]
    if changes:
        size = len(corpus.train)
        notes.append(f"the training part has {size:,} symbols: {', '.join(changes)}.")
    if config.data.val_fraction and len(corpus.val) < 2:
        notes.append("the text is too short for a validation part: the best is by training loss.")
    return config.replace(batch_size=batch, seq_length=steps), notes


def union(first: Vocabulary, second: Vocabulary) -> Vocabulary:
    """Return the vocabulary of the symbols of both."""
    symbols = "".join(sorted({*first.symbols, *second.symbols}))
    return Vocabulary(symbols, first.unknown or second.unknown, first.tokens)


def shared_ids(first: Vocabulary, second: Vocabulary) -> dict[int, int]:
    """Return the ids of the symbols that both have: first's to second's."""
    places = {symbol: number for number, symbol in enumerate(second.symbols)}
    shared = {n: places[symbol] for n, symbol in enumerate(first.symbols) if symbol in places}
    if first.unknown_id is not None and second.unknown_id is not None:
        shared[first.unknown_id] = second.unknown_id
    return shared
