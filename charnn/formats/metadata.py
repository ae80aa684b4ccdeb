"""What a file of charnn's own says of itself, so that it can come back: texts by name.

    format          "pt": that other programs may read it with PyTorch
    charnn          the version that wrote it
    charnn_format   the version of what is described here
    layout          "pytorch": PyTorch's names and layout (`charnn.formats.naming`), or "charnn":
                    the parameters as `charnn info` lists them
    config, vocabulary, progress, corpus, provenance
                    as in a checkpoint, in JSON
    digest          SHA-256 over all of this and over the arrays

A file that is handed on says nothing of its author's folders: of the files that the configuration
and the corpus name, only the last part of the name is kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import PureWindowsPath
from typing import Any

from charnn.arrays import Arrays
from charnn.config import Config
from charnn.errors import CharnnError
from charnn.formats.errors import FormatError
from charnn.options import shown
from charnn.tasks.registry import task_of
from charnn.training.archive import corpus_of, progress_of, provenance_of
from charnn.training.checkpoint import Checkpoint, CorpusRecord
from charnn.training.digest import digest
from charnn.training.progress import Progress
from charnn.version import __version__

FORMAT = "1"
PYTORCH, OWN = "pytorch", "charnn"  # layouts
PARTS = ("config", "vocabulary", "progress", "corpus", "provenance")
MARKS = {"charnn", "charnn_format", "layout", "digest"}
NAMES = MARKS | set(PARTS)
FILE_OPTIONS = ("vocab", "val", "test")  # whose values name files


@dataclass(frozen=True)
class Description:
    """What metadata say, checked."""

    layout: str
    config: Config
    vocabulary: Any
    progress: Progress
    corpus: CorpusRecord
    provenance: dict[str, str]


def metadata_of(checkpoint: Checkpoint, layout: str, arrays: Arrays) -> dict[str, str]:
    """Return the metadata of a file that holds a model as these arrays."""
    corpus = replace(checkpoint.corpus, files=[last_part(f) for f in checkpoint.corpus.files])
    parts = {
        "config": without_folders(checkpoint.config).values(),
        "vocabulary": checkpoint.vocabulary.to_json(),
        "progress": asdict(checkpoint.progress),
        "corpus": asdict(corpus),
        "provenance": checkpoint.provenance,
    }
    metadata = {
        "format": "pt",
        "charnn": __version__,
        "charnn_format": FORMAT,
        "layout": layout,
        **{name: json.dumps(part) for name, part in parts.items()},
    }
    return metadata | {"digest": digest(metadata, arrays)}


def without_folders(config: Config) -> Config:
    """Return a configuration that names files without the folders that they were in."""
    values = config.values()
    named = {name: values[name] for name in FILE_OPTIONS if values[name] is not None}
    return config.replace(**{name: last_part(str(file)) for name, file in named.items()})


def last_part(file: str) -> str:
    """Return a file's name without its folders, on whatever system it was written."""
    return PureWindowsPath(file).name or file


def is_ours(metadata: dict[str, str]) -> bool:
    """Return whether metadata are charnn's; one damaged name does not hide them."""
    return len(MARKS & metadata.keys()) > 1


def described(metadata: dict[str, str], arrays: Arrays) -> Description:
    """Return what the metadata of charnn's own file say. Raises FormatError.

    The digest comes first: what only a damage brings about is not shown as somebody's choice.
    """
    if missing := sorted(NAMES - metadata.keys()):
        raise FormatError(f"its metadata lack {', '.join(missing)}; use another copy.")
    if metadata["charnn_format"] != FORMAT:
        raise FormatError(
            f"it has format {shown(metadata['charnn_format'])}, and charnn {__version__} reads "
            f"format {FORMAT}; use a newer charnn, or another copy."
        )
    check_digest(metadata, arrays)
    if metadata["layout"] not in (PYTORCH, OWN):
        raise FormatError(f"its layout is {shown(metadata['layout'])}; use another copy.")
    try:
        values = {name: json.loads(metadata[name]) for name in PARTS}
        if not all(isinstance(value, dict) for value in values.values()):
            raise FormatError("its metadata are not what charnn writes; use another copy.")
        config = Config.from_values(values["config"])
        return Description(
            metadata["layout"],
            config,
            task_of(config).vocabulary(values["vocabulary"]),
            progress_of(values["progress"]),
            corpus_of(values["corpus"]),
            provenance_of(values["provenance"]),
        )
    except CharnnError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"its metadata are damaged ({reason}); use another copy.") from error


def check_digest(metadata: dict[str, str], arrays: Arrays) -> None:
    """Raise FormatError where a file does not hold what was exported."""
    rest = {name: text for name, text in metadata.items() if name != "digest"}
    if digest(rest, arrays) != metadata["digest"]:
        raise FormatError(
            "its content is not what charnn exported (the digest differs); use another copy, or, "
            "if the weights were changed on purpose, save them without charnn's metadata."
        )
