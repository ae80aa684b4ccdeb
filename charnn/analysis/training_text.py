"""The text that a model was trained on, and the text that was held out from it, as ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from charnn.arrays import Array
from charnn.errors import CorpusError
from charnn.text.corpus import encode
from charnn.text.source import STANDARD_INPUT, TextFiles, quoted
from charnn.training.checkpoint import Checkpoint

REMEDY = "give its text with --train FILE"


@dataclass(frozen=True)
class TrainingText:
    """Ids (N,) of the part that was trained on, and ids (M,) of the validation part, if any."""

    name: str
    train: Array
    held_out: Array
    notes: list[str] = field(default_factory=list)  # what the user should know, in sentences


def training_text(saved: Checkpoint, names: Sequence[str] = ()) -> TrainingText:
    """Return the text of a language model's training, from its files or from others.

    Files that hold the text of the training are cut into its parts; all of another text counts as
    trained on. Raises CorpusError where the text cannot be read, saying which file is missing.
    """
    record, notes = saved.corpus, list[str]()
    files = list(names) or files_of(saved)
    config, vocabulary = saved.config, saved.vocabulary
    encoded = encode(TextFiles(files, config.data.encoding), vocabulary)
    ids = encoded.ids
    if encoded.fingerprint == record.fingerprint:
        sizes = record.parts
        train, val = sizes["train"], sizes["train"] + sizes["val"]
        return TrainingText(record.name, ids[:train], ids[train:val], notes)
    if names:
        whole = "another text than the one that the model was trained on"
    else:
        whole = "not what it was when the model was trained on it"
    notes.append(f"{quoted(files)} is {whole}; all of it counts as training text.")
    if encoded.outside and not vocabulary.unknown:
        notes.append(
            f"{quoted(files)} has {encoded.outside.total():,} characters that are unknown to the "
            "model; they are left out."
        )
    return TrainingText(", ".join(files), ids, ids[:0], notes)


def files_of(saved: Checkpoint) -> list[str]:
    """Return the names of the files that a model was trained on. Raises CorpusError."""
    files = saved.corpus.files
    if not files:
        raise CorpusError(f"the model was not trained on a file that it could name; {REMEDY}.")
    if STANDARD_INPUT in files:
        raise CorpusError(f"the model was trained on standard input; {REMEDY}.")
    missing = [name for name in files if not Path(name).exists()]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        raise CorpusError(
            f"the model was trained on {quoted(files)}, and {quoted(missing)} {are} not there; "
            f"{REMEDY}."
        )
    return files
