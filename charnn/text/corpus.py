"""A corpus: a text as ids, cut into contiguous parts for training, validation and test."""

from __future__ import annotations

import atexit
import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from charnn.arrays import Array
from charnn.config import DataConfig
from charnn.errors import CorpusError
from charnn.text.cache import Entry, cache_folder, entry_name
from charnn.text.source import TextFiles, quoted
from charnn.text.vocabulary import CODE_POINTS, Vocabulary, count_code_points


@dataclass(frozen=True)
class Corpus:
    """A text as ids, cut into contiguous parts: training, validation and test, in this order."""

    name: str
    files: list[str]
    ids: Array
    vocabulary: Vocabulary
    train: Array
    val: Array
    test: Array
    unknown: int  # how many characters became the unknown symbol
    fingerprint: str  # SHA-256 of the ids
    path: Path | None  # of the file that the ids are mapped from; None where they are in memory

    @property
    def parts(self) -> dict[str, int]:
        """Number of symbols in each part."""
        return {"train": len(self.train), "val": len(self.val), "test": len(self.test)}

    @property
    def arrays(self) -> dict[str, Array]:
        """The ids of each part."""
        return {"train": self.train, "val": self.val, "test": self.test}

    @property
    def notes(self) -> list[str]:
        """Nothing: what becomes of a text is said elsewhere."""
        return []

    def has(self, part: str) -> bool:
        """Return whether there is something to score in a part: two symbols or more."""
        return self.parts[part] > 1

    def cut(self, config: DataConfig) -> Corpus:
        """Return the same text cut into the parts that a configuration asks for."""
        train, val, test = parts_of(self.ids, config)
        return replace(self, train=train, val=val, test=test)


def read_corpus(
    names: Sequence[str], config: DataConfig, vocabulary: Vocabulary | None = None
) -> Corpus:
    """Read files into ids, as `encode_corpus` does."""
    return encode_corpus(TextFiles(names, config.encoding), config, vocabulary)


def encode_corpus(
    files: TextFiles, config: DataConfig, vocabulary: Vocabulary | None = None
) -> Corpus:
    """Return a text as ids. Without `vocabulary` the text's own is built, as `config` says.

    Raises CorpusError, and VocabularyError where `--min-count` keeps no character.
    """
    if vocabulary is None:
        vocabulary = make_vocabulary(files, config)
    encoded = encode(files, vocabulary)
    if encoded.outside and not vocabulary.unknown:
        symbol = next(iter(encoded.outside))
        raise CorpusError(
            f"corpus {quoted(files.names)} has {symbol!r} (U+{ord(symbol):04X}), which is not in "
            "the vocabulary; make one with an unknown symbol (--min-count 2) or from this text."
        )
    check_length(files.names, encoded.ids, vocabulary)
    train, val, test = parts_of(encoded.ids, config)
    return Corpus(
        name=files.name,
        files=files.names,
        ids=encoded.ids,
        vocabulary=vocabulary,
        train=train,
        val=val,
        test=test,
        unknown=encoded.outside.total(),
        fingerprint=encoded.fingerprint,
        path=encoded.path,
    )


def corpus_in_memory(ids: Array, vocabulary: Vocabulary, name: str = "memory") -> Corpus:
    """Return ids (N,) that are not in a file as a corpus. Raises CorpusError for an invalid one.

    All of it is its training part until `Corpus.cut`.
    """
    ids = np.ascontiguousarray(ids, vocabulary.id_dtype)
    check_length([name], ids, vocabulary)
    if ids.max() >= len(vocabulary):
        raise CorpusError(
            f"the ids go up to {ids.max()}, but the vocabulary has {len(vocabulary)} symbols; "
            "encode the text with this vocabulary, without characters that it lacks."
        )
    unknown = 0 if vocabulary.unknown_id is None else int((ids == vocabulary.unknown_id).sum())
    return Corpus(
        name=name,
        files=[],
        ids=ids,
        vocabulary=vocabulary,
        train=ids,
        val=ids[:0],
        test=ids[:0],
        unknown=unknown,
        fingerprint=hashlib.sha256(ids.data).hexdigest(),
        path=None,
    )


def parts_of(ids: Array, config: DataConfig) -> tuple[Array, Array, Array]:
    """Cut ids (N,) into the parts for training, validation and test."""
    N = len(ids)
    test_start = N - int(N * config.test_fraction)
    val_start = test_start - int(N * config.val_fraction)
    return ids[:val_start], ids[val_start:test_start], ids[test_start:]


def read_for_scoring(
    names: Sequence[str], encoding: str, vocabulary: Vocabulary
) -> tuple[Array, Counter[str]]:
    """Return the ids of a text to score, and its characters that the vocabulary lacks, counted.

    Those are the unknown symbol in the ids, or left out of them where there is none. Raises
    CorpusError.
    """
    encoded = encode(TextFiles(names, encoding), vocabulary)
    check_length(names, encoded.ids, vocabulary)
    return encoded.ids, encoded.outside


def check_length(names: Sequence[str], ids: Array, vocabulary: Vocabulary) -> None:
    """Raise CorpusError for a text in which nothing can be predicted."""
    if len(ids) < 2:
        size = f"a single {vocabulary.unit}" if len(ids) else f"no {vocabulary.unit}"
        raise CorpusError(
            f"the text {quoted(names)} has {size} that the model can read, and at least 2 are "
            "needed to predict one from the other; give more text."
        )


def make_vocabulary(files: TextFiles, config: DataConfig) -> Vocabulary:
    """Return the vocabulary that a configuration asks for. Raises CorpusError."""
    if config.vocab is not None:
        vocabulary = Vocabulary.load(Path(config.vocab))
        if vocabulary.tokens != config.tokens:
            raise CorpusError(
                f"vocabulary file '{config.vocab}' holds {vocabulary.tokens}, but tokens is "
                f"{config.tokens}; give --tokens {vocabulary.tokens}."
            )
        return vocabulary
    if config.tokens == "bytes":
        return Vocabulary.of_bytes()
    counts = count_characters(files)
    if not counts.any():
        raise CorpusError(f"corpus {quoted(files.names)} is empty; give more text.")
    return Vocabulary.from_counts(counts, config.min_count)


def count_characters(files: TextFiles) -> Array:
    """Return how often each code point occurs, (0x110000,), from the cache if it is there."""
    entry = Entry(entry_name(["counts", files.signature()]))
    record = entry.use() if files.cacheable else None
    if record is None:
        counts = count_code_points(files.blocks())
        if files.cacheable:
            found = np.flatnonzero(counts)
            pairs = [found.tolist(), counts[found].tolist()]
            with suppress(OSError):
                entry.write({"source": files.names, "counts": pairs})
        return counts
    counts = np.zeros(CODE_POINTS, np.int64)
    points, numbers = record["counts"]
    counts[points] = numbers
    return counts


def count_symbols(files: TextFiles, vocabulary: Vocabulary) -> Array:
    """Return how often each symbol of a vocabulary occurs, (V,) int64."""
    counts = np.zeros(len(vocabulary) + 1, np.int64)
    blocks = files.raw() if vocabulary.tokens == "bytes" else files.blocks()
    for ids in (vocabulary.encode_block(block) for block in blocks):
        counts += np.bincount(ids, minlength=len(counts))
    return counts[: len(vocabulary)]


@dataclass(frozen=True)
class Encoded:
    """A text as ids, mapped from a file."""

    ids: Array
    path: Path
    outside: Counter[str]  # characters that the vocabulary lacks
    fingerprint: str  # SHA-256 of the ids


def encode(files: TextFiles, vocabulary: Vocabulary) -> Encoded:
    """Return a text's ids, from the cache if they are there.

    Characters that the vocabulary lacks are the unknown symbol, or left out where there is none.
    Raises CorpusError.
    """
    entry = Entry(entry_name([files.signature(), vocabulary.to_json()]))
    record = entry.use() if files.cacheable else None
    if record is None:
        try:
            with entry.writing_ids() as file:
                record = encode_blocks(files, vocabulary, file)
            entry.write(record)
        except OSError as error:
            raise CorpusError(
                f"the encoded text cannot be kept in '{cache_folder()}' ({error.strerror}); free "
                "space there, or name another folder in CHARNN_CACHE."
            ) from error
    if not files.cacheable:
        atexit.register(entry.remove)
    ids = (
        np.memmap(entry.ids_path, vocabulary.id_dtype, "r")
        if record["bytes"]
        else np.zeros(0, vocabulary.id_dtype)
    )
    return Encoded(ids, entry.ids_path, Counter(record["outside"]), record["fingerprint"])


def encode_blocks(files: TextFiles, vocabulary: Vocabulary, file: IO[bytes]) -> dict[str, Any]:
    """Write a text's ids to a file and return the record of its cache entry."""
    outside: Counter[str] = Counter()
    fingerprint = hashlib.sha256()
    size = 0
    for block in files.raw() if vocabulary.tokens == "bytes" else files.blocks():
        ids = vocabulary.encode_block(block)
        if isinstance(block, str):
            missing = ids == vocabulary.missing_id
            if missing.any():
                outside.update(block[at] for at in np.flatnonzero(missing))
                ids = ids if vocabulary.unknown else ids[~missing]
        fingerprint.update(ids.data)
        file.write(ids.data)
        size += ids.nbytes
    return {
        "source": files.names,
        "bytes": size,
        "outside": outside,
        "fingerprint": fingerprint.hexdigest(),
    }
