"""charnn from Python: what the commands do, without files and flags in the way."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from charnn.config import Config, ModelConfig, SamplingConfig
from charnn.errors import CorpusError
from charnn.generation.sampling import sample as sample_bytes
from charnn.models.evaluation import STREAMS, Score
from charnn.models.evaluation import evaluate as evaluate_ids
from charnn.models.gradcheck import check_configuration
from charnn.models.language_model import LanguageModel
from charnn.nn.gradcheck import Comparison
from charnn.training.checkpoint import Checkpoint, load_checkpoint
from charnn.training.setup import Run, new_run, resume_run


def load(path: str | PathLike[str]) -> Checkpoint:
    """Read a checkpoint, or the best of a run folder. Raises CheckpointError."""
    return load_checkpoint(Path(path))


def train(
    *files: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    force: bool = False,
    init_from: str | PathLike[str] | None = None,
    **options: Any,
) -> Run:
    """Prepare a run on text files; iterating over it trains, and yields the events.

    Options are those of `charnn train` with underscores: `hidden_size=128`. With `out` the run is
    written to a folder of that name. Raises CharnnError where a text or option cannot be used.
    """
    return new_run(
        [str(name) for name in files],
        Config.from_values(options),
        fixed=options,
        out=Path(out) if out is not None else None,
        write=out is not None,
        force=force,
        init_from=Path(init_from) if init_from is not None else None,
    )


def resume(
    folder: str | PathLike[str], *files: str | PathLike[str], **changes: float | None
) -> Run:
    """Prepare the rest of a run; `steps` or `epochs` may be given anew."""
    return resume_run(Path(folder), [str(name) for name in files], changes)


def samples(checkpoint: Checkpoint, **options: Any) -> list[str]:
    """Draw `num` texts as one batch; options are those of `SamplingConfig`: length, seed, ..."""
    texts = sample_bytes(checkpoint.model, checkpoint.vocabulary, SamplingConfig(**options))
    return [text.decode("utf-8", "replace") for text in texts]


def sample(checkpoint: Checkpoint, **options: Any) -> str:
    """Draw one text; options are those of `SamplingConfig`: length, temperature, prime, ..."""
    return samples(checkpoint, **options | {"num": 1})[0]


def evaluate(checkpoint: Checkpoint, text: str, streams: int = STREAMS) -> Score:
    """Score a text with its state carried through: nats, bits, perplexity.

    Characters that the model does not know are the unknown symbol. Raises CorpusError where it has
    none, or where the text has fewer than two characters.
    """
    vocabulary = checkpoint.vocabulary
    outside = vocabulary.outside(text)
    if outside and not vocabulary.unknown:
        raise CorpusError(
            f"the text has {outside[0]!r}, which the model does not know; leave it out."
        )
    ids = vocabulary.encode(text)
    if len(ids) < 2:
        raise CorpusError(f"the text has {len(ids)} characters; at least 2 are needed.")
    return evaluate_ids(checkpoint.model, ids, streams)


def gradcheck(
    vocab_size: int = 5,
    seq_length: int = 3,
    seed: int = 1,
    directional: bool = False,
    **options: Any,
) -> list[Comparison]:
    """Check a random model's gradients; options are those of `ModelConfig`: cell, ..."""
    config = ModelConfig(**{"hidden_size": 4, "dropout": 0.0} | options)
    model = LanguageModel.initialized(config, vocab_size, seed, "float64")
    return check_configuration(model, seq_length, seed, directional)
