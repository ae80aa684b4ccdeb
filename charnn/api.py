"""charnn from Python: what the commands do, without files and flags in the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from charnn.analysis.dynamic import dynamic_score, statistics_for
from charnn.analysis.trace import Trace
from charnn.analysis.trace import trace as trace_ids
from charnn.arrays import Array
from charnn.config import Config, EngineConfig, PredictionConfig, SamplingConfig, check_task
from charnn.config.dynamic import DynamicConfig
from charnn.engines.choice import model_on
from charnn.errors import ConfigError, CorpusError
from charnn.formats.incoming import VocabularySource
from charnn.formats.incoming import import_model as import_from
from charnn.formats.outgoing import export_model
from charnn.models.evaluation import STREAMS
from charnn.models.evaluation import evaluate as evaluate_ids
from charnn.models.gradient_check import check_configuration
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.models.score import Score
from charnn.models.stack import LayerStates
from charnn.nn.central_differences import Comparison
from charnn.tasks.gradient_variants import check_sequences
from charnn.tasks.prediction import Prediction
from charnn.text.corpus import Corpus, corpus_in_memory
from charnn.text.records import source_of
from charnn.text.vocabulary import Vocabulary, count_code_points
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import Checkpoint
from charnn.training.setup import Run, new_run, resume_run


def load(path: str | PathLike[str]) -> Checkpoint:
    """Read a checkpoint, or the best of a run folder. Raises CheckpointError."""
    return load_checkpoint(Path(path))


def corpus(text: str, **options: Any) -> Corpus:
    """Return a text in memory as a corpus, for `train`.

    Options are `tokens`, `min_count` and `vocab`, as of `charnn train`. Raises CorpusError,
    VocabularyError.
    """
    if not text:
        raise CorpusError("the text is empty; give more text.")
    config = Config.from_values(options).data
    if config.vocab is not None:
        vocabulary = Vocabulary.load(Path(config.vocab))
    elif config.tokens == "bytes":
        vocabulary = Vocabulary.of_bytes()
    else:
        vocabulary = Vocabulary.from_counts(count_code_points([text]), config.min_count)
    outside = vocabulary.outside(text)
    if outside and not vocabulary.unknown:
        raise CorpusError(
            f"the text has {outside[0]!r}, which is not in the vocabulary; make one with an "
            "unknown symbol (min_count=2) or from this text."
        )
    return corpus_in_memory(vocabulary.encode(text), vocabulary)


def train(
    *texts: str | PathLike[str] | Corpus,
    out: str | PathLike[str] | None = None,
    force: bool = False,
    init_from: str | PathLike[str] | None = None,
    engine: str = "auto",
    device: str | None = None,
    precision: str = "fp32",
    **options: Any,
) -> Run:
    """Prepare a run on text files, or on a corpus; iterating over it trains, and yields the events.

    Options are those of `charnn train` with underscores: `hidden_size=128`. With `out` the run is
    written to a folder of that name. The engine is chosen as by the command; several ranks are for
    the command alone. Raises CharnnError where a text or option cannot be used.
    """
    return new_run(
        files_or_corpus(texts),
        Config.from_values(options),
        fixed=options,
        out=Path(out) if out is not None else None,
        write=out is not None,
        force=force,
        init_from=Path(init_from) if init_from is not None else None,
        compute=EngineConfig(engine, device, precision),
    )


def resume(
    folder: str | PathLike[str],
    *texts: str | PathLike[str] | Corpus,
    engine: str = "auto",
    device: str | None = None,
    precision: str = "fp32",
    **changes: float | None,
) -> Run:
    """Prepare the rest of a run, with any engine; `steps` or `epochs` may be changed.

    The text is needed only where its files have moved, or where it was a corpus in memory.
    """
    compute = EngineConfig(engine, device, precision)
    return resume_run(Path(folder), files_or_corpus(texts), changes, compute=compute)


def files_or_corpus(texts: Sequence[str | PathLike[str] | Corpus]) -> list[str] | Corpus:
    """Return the one corpus among texts, or their names. Raises CorpusError for a mixture."""
    if len(texts) == 1 and isinstance(texts[0], Corpus):
        return texts[0]
    if any(isinstance(text, Corpus) for text in texts):
        raise CorpusError("a corpus stands alone; give one corpus, or the names of files.")
    return [str(name) for name in texts]


def samples(
    checkpoint: Checkpoint,
    *,
    engine: str = "auto",
    device: str | None = None,
    precision: str = "fp32",
    **options: Any,
) -> list[str]:
    """Draw `num` texts as one batch; options are those of `SamplingConfig`: length, seed, ...

    From a model of generation from a label these are lines of the class `label`, or of each class.
    `engine`, `device` and `precision` are those of `charnn sample`. Raises ConfigError for a model
    that draws no text.
    """
    task = checkpoint.task
    task.check_use("sample")
    check_task(SamplingConfig, options, task.name)
    model = model_on(checkpoint.model, EngineConfig(engine, device, precision))
    drawn = task.samples(model, checkpoint.vocabulary, SamplingConfig(**options))
    return [content["text"] for content in drawn]


def sample(checkpoint: Checkpoint, **options: Any) -> str:
    """Draw one text; options are those of `samples`: length, temperature, prime, ..."""
    return samples(checkpoint, **options | {"num": 1})[0]


def predict(
    checkpoint: Checkpoint,
    texts: Iterable[str],
    *,
    engine: str = "auto",
    device: str | None = None,
    precision: str = "fp32",
    **options: Any,
) -> list[Prediction]:
    """Return the answers to texts, in their order; `prediction.best.text` is the first of each.

    A text is written as a line of the files that the model learned from. Options are those of
    `PredictionConfig`: top, beam, n_best, ...; `engine`, `device` and `precision` are those of
    `charnn predict`. Raises ConfigError for a model that predicts nothing, and CorpusError for a
    text that it cannot read.
    """
    if isinstance(texts, str):
        raise ConfigError("texts is a single text; give a list of texts.")
    task = checkpoint.task
    task.check_use("predict")
    check_task(PredictionConfig, options, task.name)
    chosen = PredictionConfig(**options)
    sources = [source_of(text, checkpoint.config, checkpoint.vocabulary) for text in texts]
    model = model_on(checkpoint.model, EngineConfig(engine, device, precision))
    return task.predictions(model, checkpoint.vocabulary, sources, chosen)


def evaluate(
    checkpoint: Checkpoint,
    text: str,
    streams: int = STREAMS,
    *,
    engine: str = "auto",
    device: str | None = None,
    precision: str = "fp32",
) -> Score:
    """Score a text with its state carried through: nats, bits, perplexity.

    Characters that the model does not know are the unknown symbol. Raises CorpusError where it has
    none, or where the text has fewer than two characters, and ConfigError for a model of another
    task, which `charnn eval` scores. `engine`, `device` and `precision` are those of `charnn eval`.
    """
    ids = ids_to_score(checkpoint, text)
    model = model_on(checkpoint.model, EngineConfig(engine, device, precision))
    return evaluate_ids(model, ids, streams)


def evaluate_dynamically(
    checkpoint: Checkpoint,
    text: str,
    train: Sequence[str | PathLike[str]] = (),
    **options: float,
) -> Score:
    """Score a text with a copy of the model that learns from each segment after it is scored.

    Options are those of `DynamicConfig`: `dynamic_rate`, ...; `train` are the files of the training
    text, where they have moved. Raises as `evaluate` does.
    """
    ids = ids_to_score(checkpoint, text)
    chosen = DynamicConfig(dynamic=True, **options)  # type: ignore[arg-type]
    statistics = statistics_for(checkpoint, [str(name) for name in train])
    return dynamic_score(checkpoint.model, ids, chosen, statistics.ids)


def ids_to_score(checkpoint: Checkpoint, text: str) -> Array:
    """Return a text's ids for a language model. Raises ConfigError, CorpusError."""
    if not isinstance(checkpoint.model, LanguageModel):
        raise ConfigError(
            f"a model of {checkpoint.task.title} is scored on files of examples, not on a text; "
            "use `charnn eval RUN FILE`."
        )
    ids = known_ids(checkpoint.vocabulary, text)
    if len(ids) < 2:
        raise CorpusError(f"the text has {len(ids)} characters; at least 2 are needed.")
    return ids


def known_ids(vocabulary: Vocabulary, text: str) -> Array:
    """Return a text's ids. Raises CorpusError for a character that a model does not know."""
    outside = vocabulary.outside(text)
    if outside and not vocabulary.unknown:
        raise CorpusError(
            f"the text has {outside[0]!r}, which the model does not know; leave it out."
        )
    return vocabulary.encode(text)


def trace(
    source: Checkpoint | LanguageModel, text: str | Array, states: LayerStates | None = None
) -> Trace:
    """Return every gate, state and logit of a language model on a text: `layers`, `logits`.

    The text is a string, for a checkpoint, or ids (T,) or (T, B). It begins at `states`, a trace's
    `final` for example, or at zeros. Characters that the model does not know are the unknown
    symbol. Raises CorpusError where it has none, or for an empty text, and ConfigError for a model
    of another task. `charnn.analysis.trace` has more: windows of long texts, and gradients.
    """
    model = source.model if isinstance(source, Checkpoint) else source
    if not isinstance(model, LanguageModel):
        raise ConfigError("a trace is of a language model, but this model is of another task.")
    if isinstance(text, str):
        if not isinstance(source, Checkpoint):
            raise ConfigError("a model alone has no vocabulary; give its checkpoint, or ids.")
        text = known_ids(source.vocabulary, text)
    if len(text) == 0:
        raise CorpusError("the text is empty; give more text.")
    return trace_ids(model, text, states)


def export(
    checkpoint: Checkpoint,
    path: str | PathLike[str],
    force: bool = False,
    weights: str | None = None,
) -> list[str]:
    """Write a model for other programs: as `.safetensors`, `.onnx`, `.html`, or as a folder.

    The name says which; what exists is replaced with `force` only. `weights` is for a page (.html):
    float16, the default, or int8. Returns what there is to know of the file, in sentences. Raises
    InputError for what cannot be written.
    """
    return export_model(checkpoint, path, force, weights)


def import_model(path: str | PathLike[str], vocab: VocabularySource = None) -> Checkpoint:
    """Read a model that `export` wrote, or a language model's state dictionary from PyTorch.

    `vocab` are the symbols of what charnn did not write: the name of a file, a list of characters
    in the order of their ids, or a dictionary with the id of each. The checkpoint can be sampled
    and scored, and `charnn.training.checkpoint.save_checkpoint` writes it. Raises InputError.
    """
    return import_from(Path(path), vocab)


def gradcheck(
    vocab_size: int = 5,
    seq_length: int = 3,
    seed: int = 1,
    directional: bool = False,
    task: str = "lm",
    **options: Any,
) -> list[Comparison]:
    """Check a random model's gradients; options are those of `ModelConfig`: cell, ...

    `task` is one of those of `charnn train`; what is not a language model is checked on sequences
    of unequal lengths, of `vocab_size` different symbols on either side. Raises ConfigError.
    """
    config = Config.from_values({"hidden_size": 4, "dropout": 0.0, "task": task} | options).model
    if task != "lm":
        sizes = Sizes(vocab_size, vocab_size)
        return check_sequences(task, config, sizes, seq_length, seed, directional)
    model = LanguageModel.initialized(config, vocab_size, seed, "float64")
    return check_configuration(model, seq_length, seed, directional)
