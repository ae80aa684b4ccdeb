"""Files to ids: plain or gzip-compressed text, standard input, one file after the other.

Text is read in blocks and decoded incrementally, and nothing is changed on the way: line endings,
a byte-order mark and NUL are characters like any other.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from charnn.arrays import Array
from charnn.config import DataConfig
from charnn.errors import CorpusError
from charnn.text.vocabulary import Vocabulary, count_code_points

BLOCK = 1 << 20  # bytes
STANDARD_INPUT = "-"


class TextFiles:
    """The text of some files, readable more than once; `-` is standard input, kept on disk."""

    def __init__(self, names: Sequence[str], encoding: str = "utf-8") -> None:
        """Check that every file can be opened. Raises CorpusError."""
        self.names = list(names)
        self.encoding = find_encoding(encoding)
        self._standard_input: IO[bytes] | None = None
        if self.names.count(STANDARD_INPUT) > 1:
            raise CorpusError("standard input (-) can be read once only; give - a single time.")
        for name in self.names:
            with self._open(name):
                pass

    @property
    def name(self) -> str:
        """A short name for the whole: the first file's, without its folder and endings."""
        first = self.names[0]
        if first == STANDARD_INPUT:
            return "stdin"
        return Path(first).name.removesuffix(".gz").split(".")[0] or "corpus"

    def blocks(self) -> Iterator[str]:
        """Yield the text, decoded, in pieces of about a million characters. Raises CorpusError."""
        for name in self.names:
            decoder = self.encoding.incrementaldecoder()
            for offset, block, last in self._raw_blocks(name):
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(block, final=last)
                except UnicodeDecodeError as error:
                    where = offset - pending + error.start
                    raise CorpusError(
                        f"corpus '{name}' is not {self.encoding.name.upper()}: byte "
                        f"0x{error.object[error.start]:02x} at offset {where:,}; name its encoding "
                        "with --encoding (latin-1 reads anything), or use --tokens bytes."
                    ) from error
                if text:
                    yield text

    def raw(self) -> Iterator[bytes]:
        """Yield the bytes of the files, unpacked, in blocks. Raises CorpusError."""
        for name in self.names:
            for _, block, _ in self._raw_blocks(name):
                yield block

    def _raw_blocks(self, name: str) -> Iterator[tuple[int, bytes, bool]]:
        """Yield (offset, block, whether it is the last)."""
        offset = 0
        with self._open(name) as file:
            while True:
                try:
                    block = file.read(BLOCK)
                except (OSError, EOFError, zlib.error) as error:
                    raise CorpusError(
                        f"corpus '{name}' cannot be read after byte {offset:,} ({error}); "
                        "check the file."
                    ) from error
                yield offset, block, not block
                offset += len(block)
                if not block:
                    return

    def _open(self, name: str) -> IO[bytes]:
        if name == STANDARD_INPUT:
            return self._rewound_standard_input()
        path = Path(name)
        if path.is_dir():
            raise CorpusError(f"corpus '{name}' is a folder; give the files in it.")
        try:
            if path.suffix == ".gz":
                return cast("IO[bytes]", gzip.open(path))
            return path.open("rb")
        except OSError as error:
            raise CorpusError(
                f"corpus '{name}' cannot be read ({error.strerror}); check the path."
            ) from error

    def _rewound_standard_input(self) -> IO[bytes]:
        """Return standard input's bytes from the beginning; the first call copies them to disk."""
        if self._standard_input is None:
            self._standard_input = tempfile.NamedTemporaryFile(prefix="charnn-")  # noqa: SIM115
            while block := sys.stdin.buffer.read(BLOCK):
                self._standard_input.write(block)
        self._standard_input.seek(0)
        return cast(IO[bytes], Unclosed(self._standard_input))


class Unclosed:
    """A file that a `with` block does not close."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        return self._file.read(size)

    def __enter__(self) -> Unclosed:
        return self

    def __exit__(self, *_: object) -> None:
        pass


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

    @property
    def parts(self) -> dict[str, int]:
        """Number of symbols in each part."""
        return {"train": len(self.train), "val": len(self.val), "test": len(self.test)}


def read_corpus(
    names: Sequence[str], config: DataConfig, vocabulary: Vocabulary | None = None
) -> Corpus:
    """Read files into ids. Without `vocabulary` the text's own is built, as `config` says.

    Raises CorpusError, and VocabularyError where `--min-count` keeps no character.
    """
    files = TextFiles(names, config.encoding)
    if vocabulary is None:
        vocabulary = make_vocabulary(files, config)
    ids, outside, fingerprint = encode(files, vocabulary)
    if outside and not vocabulary.unknown:
        symbol = next(iter(outside))
        raise CorpusError(
            f"corpus {quoted(names)} has {symbol!r} (U+{ord(symbol):04X}), which is not in the "
            "vocabulary; make one with an unknown symbol (--min-count 2), or from this text too."
        )
    check_length(names, ids, vocabulary)
    N = len(ids)
    test_start = N - int(N * config.test_fraction)
    val_start = test_start - int(N * config.val_fraction)
    return Corpus(
        name=files.name,
        files=files.names,
        ids=ids,
        vocabulary=vocabulary,
        train=ids[:val_start],
        val=ids[val_start:test_start],
        test=ids[test_start:],
        unknown=outside.total(),
        fingerprint=fingerprint,
    )


def read_for_scoring(
    names: Sequence[str], encoding: str, vocabulary: Vocabulary
) -> tuple[Array, Counter[str]]:
    """Return the ids of a text to score, and its characters that the vocabulary lacks, counted.

    Those are the unknown symbol in the ids, or left out of them where there is none. Raises
    CorpusError.
    """
    ids, outside, _ = encode(TextFiles(names, encoding), vocabulary)
    check_length(names, ids, vocabulary)
    return ids, outside


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
    counts = count_code_points(files.blocks())
    if not counts.any():
        raise CorpusError(f"corpus {quoted(files.names)} is empty; give more text.")
    return Vocabulary.from_counts(counts, config.min_count)


def count_symbols(files: TextFiles, vocabulary: Vocabulary) -> Array:
    """Return how often each symbol of a vocabulary occurs, (V,) int64."""
    counts = np.zeros(len(vocabulary) + 1, np.int64)
    blocks = files.raw() if vocabulary.tokens == "bytes" else files.blocks()
    for ids in (vocabulary.encode_block(block) for block in blocks):
        counts += np.bincount(ids, minlength=len(counts))
    return counts[: len(vocabulary)]


def encode(files: TextFiles, vocabulary: Vocabulary) -> tuple[Array, Counter[str], str]:
    """Return a text's ids, its characters that the vocabulary lacks, counted, and a fingerprint.

    Those characters are the unknown symbol in the ids, or left out where there is none. The ids
    lie in a temporary file and are mapped into memory, so a long text takes little of it.
    """
    outside: Counter[str] = Counter()
    fingerprint = hashlib.sha256()
    with tempfile.TemporaryFile(prefix="charnn-") as file:
        for block in files.raw() if vocabulary.tokens == "bytes" else files.blocks():
            ids = vocabulary.encode_block(block)
            if isinstance(block, str):
                missing = ids == vocabulary.missing_id
                if missing.any():
                    outside.update(block[at] for at in np.flatnonzero(missing))
                    ids = ids if vocabulary.unknown else ids[~missing]
            fingerprint.update(ids.data)
            file.write(ids.data)
        if not file.tell():
            return np.zeros(0, vocabulary.id_dtype), outside, fingerprint.hexdigest()
        file.flush()
        return np.memmap(file, vocabulary.id_dtype, "r"), outside, fingerprint.hexdigest()


def find_encoding(name: str) -> codecs.CodecInfo:
    """Return the codec of a text encoding. Raises CorpusError."""
    try:
        info = codecs.lookup(name)
    except LookupError:
        info = None
    if info is None or not getattr(info, "_is_text_encoding", True):
        raise CorpusError(
            f"encoding {name!r} is unknown; give one that Python knows, such as utf-8, latin-1, "
            "cp1252 or utf-16."
        )
    return info


def quoted(names: Sequence[str]) -> str:
    """Return file names as a sentence shows them."""
    return ", ".join(f"'{name}'" for name in names)
