"""What is fuzzed of the sequence tasks: files of examples, vocabularies of pairs, lines to predict.

The rules are those of `targets.py`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_material import Choices, Target, one_line, scratch
from task_material import LEARNED

from charnn.config import Config
from charnn.errors import CharnnError
from charnn.text.pairs import Examples
from charnn.text.records import read_examples, source_of
from charnn.text.symbols import PairVocabulary, Symbols

DATA = Path(__file__).parent.parent.parent / "data"
SEPARATORS = (None, " ", "::", "\u2028")
FORMATS = ("auto", "tsv", "fasttext", "classes", "conll")


# Files of examples.


def layout(choices: Choices) -> dict[str, Any]:
    """Return options of how a file is read; zeros give a classifier's defaults."""
    values: dict[str, Any] = {"task": choices.pick(LEARNED), "format": choices.pick(FORMATS)}
    values["source_sep"] = choices.pick(SEPARATORS)
    target_sep, features_col = choices.pick(SEPARATORS), choices.pick([None, 3])
    if values["task"] != "classify":
        values["target_sep"] = target_sep
    if values["task"] == "transduce":
        values["features_col"] = features_col
    values["val_fraction"] = choices.pick([0.0, 0.5])
    values["min_count"] = choices.pick([1, 2])
    return values


def read_records(data: bytes) -> None:
    """Read bytes as a file of examples; what is read is whole, and read again it is the same."""
    path, choices = scratch() / "examples.tsv", Choices(data)
    values = layout(choices)
    path.write_bytes(choices.rest())
    try:
        config = Config.from_values(values)
        examples = read_examples([str(path)], config)
    except CharnnError as error:
        one_line(error)
        return
    check_examples(examples, values["task"])
    again = read_examples([str(path)], config, examples.vocabulary)
    assert again.fingerprint == examples.fingerprint
    assert all("\n" not in note for note in examples.notes)


def check_examples(examples: Examples, task: str) -> None:
    """Check that all ids are known and all lengths are those of the task."""
    vocabulary = examples.vocabulary
    assert len(examples.train) > 1
    assert PairVocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary
    for part in (examples.train, examples.val, examples.test):
        sources, targets = part.sources, part.targets
        assert len(sources) == len(targets)
        assert (sources.lengths > 0).all()
        assert (targets.lengths > 0).all()
        assert int(sources.ids.max(initial=0)) < vocabulary.source_size
        assert int(targets.ids.max(initial=0)) < vocabulary.target_size
        if task == "tag":
            assert (sources.lengths == targets.lengths).all()
        if task in ("classify", "generate"):
            labels = targets if task == "classify" else sources
            assert (labels.lengths == 1).all()
        for row in range(min(3, len(part))):
            vocabulary.source_text(sources[row])
            vocabulary.target_text(targets[row])


def record_seeds() -> list[bytes]:
    """Return files of each format, for each task."""
    texts = [path.read_bytes()[:600] for path in sorted(DATA.glob("*.tsv"))]
    texts += [
        b"",
        b"\xef\xbb\xbftide\tsea\r\nbell\ttower\r\n\r\nwave\tsea\r\n",
        b"ab\txy\nc\tz\n\xf0\x9f\x98\x80\t\xcc\x81\nab\txy\n",
        b"ab\tba\tV;PST\na\ta\t\nb\tb\tV;3;SG\n",
        b"__label__sea the tide\n__label__tower a bell\n__label__sea a wave\n",
        b"the\tD\ntide\tN\n\nin\tP\n\nit\tN\nis\tV\n",
        b"the D\ntide N\n\nin P\nit N\n",
        b"tide::sea\tx y\nbell\tx\n::\tx\n",
        b"one line\ror another\r",
        b"\xff\xfet\0i\0",
    ]
    heads = [
        bytes([task, form, sep, sep, columns, 1, 0])
        for task in range(len(LEARNED))
        for form, sep, columns in ((0, 0, 0), (4, 1, 1), (1, 2, 0))
    ]
    return [head + text for head in heads for text in texts]


def record_words() -> list[bytes]:
    """Return what files of examples are made of."""
    words = [
        "__label__",
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "::",
        "\u2028",
        "\ufeff",
        ";",
        "\0",
    ]
    return [word.encode() for word in words]


# Vocabularies of pairs.


def read_pair_vocabulary(data: bytes) -> None:
    """Read bytes as the JSON of a vocabulary of pairs; what is read can be used and written."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        vocabulary = PairVocabulary.from_json(content)
    except CharnnError as error:
        one_line(error)
        return
    assert PairVocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary
    names, features = vocabulary.source.names, vocabulary.features.names
    ids = vocabulary.encode_source(names, features)
    assert ids.tolist() == list(range(len(names) + len(features)))
    assert vocabulary.source_symbols(ids) == [*names, *features]
    assert vocabulary.target.encode(vocabulary.target.names).max() < vocabulary.target_size
    other = vocabulary.encode_source(["no such symbol anywhere"])
    assert vocabulary.source.unknown == (int(other[0]) == vocabulary.unknown_source_id)
    vocabulary.source_text(ids)
    vocabulary.target_text(range(vocabulary.target_size))


def small_vocabularies() -> list[PairVocabulary]:
    """Return vocabularies of each kind."""
    return [
        PairVocabulary(Symbols(("a", "b"), True), Symbols(("x", "y"))),
        PairVocabulary(Symbols(("a", "b"), True), Symbols(("x", "yy")), " ", "::"),
        PairVocabulary(
            Symbols(("\t", "a"), True), Symbols(("\ud800",)), None, " ", Symbols(("PST", "V"))
        ),
        PairVocabulary(Symbols(("sea", "tower")), Symbols(("\0", "a"), True)),
    ]


def pair_vocabulary_seeds() -> list[bytes]:
    """Return vocabularies of pairs, and JSON that is none."""
    texts = [json.dumps(vocabulary.to_json()) for vocabulary in small_vocabularies()]
    texts += [texts[0].replace('["a", "b"]', names) for names in ('["b", "b"]', '["", "a"]')]
    return [text.encode() for text in [*texts, "[]", "{}", "1", '{"format": "charnn-pairs-2"}']]


def pair_vocabulary_words() -> list[bytes]:
    """Return what vocabularies of pairs are made of."""
    keys = [*small_vocabularies()[0].to_json(), *Symbols().to_json()]
    words = ["charnn-pairs-1", "true", "false", "null", "NaN", '""', '"\\ud800"', "[]", "{}"]
    return [f'"{key}": '.encode() for key in keys] + [word.encode() for word in words]


# Lines to predict from.


@cache
def prepared() -> tuple[tuple[Config, PairVocabulary], ...]:
    """Return configurations with vocabularies that fit them."""
    plain, spaced, featured, _ = small_vocabularies()
    with_features = {"task": "transduce", "features_col": 3, "target_sep": " "}
    swapped = {"task": "transduce", "source_col": 2, "target_col": 1}
    return (
        (Config.from_values({"task": "classify"}), plain),
        (Config.from_values({"task": "tag", "source_sep": " ", "target_sep": "::"}), spaced),
        (Config.from_values(with_features), featured),
        (Config.from_values(swapped), plain),
    )


def read_line(data: bytes) -> None:
    """Read bytes as a line to predict from: its symbols are all ids of the vocabulary."""
    choices = Choices(data)
    config, vocabulary = choices.pick(prepared())
    line = choices.rest().decode("utf-8", "replace")
    try:
        ids = source_of(line, config, vocabulary)
    except CharnnError as error:
        one_line(error)
        return
    assert len(ids) > 0
    assert np.all((ids >= 0) & (ids < vocabulary.source_size))


def line_seeds() -> list[bytes]:
    """Return lines for each configuration."""
    lines = [
        "ab",
        "a b\tx",
        "ab\tx\tV;PST\r\n",
        "__label__x ab",
        "\t\t",
        "",
        "\n",
        "\ufeffab",
        "\0",
    ]
    return [bytes([number]) + line.encode() for number in range(4) for line in lines]


TASK_TARGETS = {
    "examples": Target(read_records, record_seeds, record_words),
    "pairs": Target(read_pair_vocabulary, pair_vocabulary_seeds, pair_vocabulary_words),
    "line": Target(read_line, line_seeds, record_words),
}
