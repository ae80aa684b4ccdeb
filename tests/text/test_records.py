"""Files of examples: formats, parts, notes, what is unknown, and what is refused."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from charnn.config import Config
from charnn.errors import ConfigError, CorpusError
from charnn.text import source as source_module
from charnn.text.pairs import Examples, Pairs
from charnn.text.record_parts import random_parts
from charnn.text.records import bytes_to_read, read_examples, read_for_scoring_pairs, source_of
from charnn.text.symbols import Symbols
from charnn.text.vocabulary import UNKNOWN_TEXT

TSV = "anna\tx\notto\ty\nab\tx\nno\ty\n"


def config(task: str, **values: object) -> Config:
    """Return a configuration whose validation part is empty unless it is asked for."""
    apart = "val" in values or "val_fraction" in values
    return Config.from_values({"task": task} | ({} if apart else {"val_fraction": 0}) | values)


def write(folder: Path, content: str, name: str = "a.tsv") -> str:
    """Write a file, packed where its name says so, and return its name."""
    path, raw = folder / name, content.encode("utf-8", "surrogateescape")
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return str(path)


def written(pairs: Pairs, examples: Examples) -> list[tuple[str, str]]:
    """Return a part as text, symbols and targets between bars."""
    names = examples.vocabulary
    return [
        (
            "|".join(names.source_symbols(pairs.sources[row])),
            "|".join(names.target.decode(pairs.targets[row])),
        )
        for row in range(len(pairs))
    ]


def read(folder: Path, content: str, task: str, **values: object) -> list[tuple[str, str]]:
    """Return the training part of a file as text."""
    examples = read_examples([write(folder, content)], config(task, **values))
    return written(examples.train, examples)


def refusal(folder: Path, content: str, task: str, **values: object) -> str:
    """Return the sentence with which a file is refused, without its folder."""
    with pytest.raises((CorpusError, ConfigError)) as caught:
        read_examples([write(folder, content)], config(task, **values))
    return str(caught.value).replace(str(folder / "a.tsv"), "a.tsv")


def test_a_table_of_classes(tmp_path: Path) -> None:
    """A text and its class, which is one symbol."""
    assert read(tmp_path, "anna\tItalian\nab b\tDutch \n", "classify") == [
        ("a|n|n|a", "Italian"),
        ("a|b| |b", "Dutch"),
    ]


def test_a_table_of_tags(tmp_path: Path) -> None:
    """A tag for each character, or for each symbol between separators."""
    assert read(tmp_path, "ab\tXY\nb\tX\n", "tag") == [("a|b", "X|Y"), ("b", "X")]
    values = {"source_sep": " ", "target_sep": ","}
    found = read(tmp_path, "the  cat\tDET,N\na\tDET\n", "tag", **values)
    assert found == [("the|cat", "DET|N"), ("a", "DET")]


def test_a_table_of_pairs_with_features(tmp_path: Path) -> None:
    """Columns are chosen; features are symbols beside characters, also where they look alike."""
    content = "ran\tV;a\trun\nx\t\ty\nab\ta\tba\n"
    values = {"source_col": 3, "target_col": 1, "features_col": 2}
    examples = read_examples([write(tmp_path, content)], config("transduce", **values))
    assert written(examples.train, examples) == [
        ("r|u|n|V|a", "r|a|n"),
        ("y", "x"),
        ("b|a|a", "a|b"),
    ]
    names = examples.vocabulary
    assert names.features == Symbols(("V", "a"))
    assert "a" in names.source
    assert examples.train.sources[2].tolist() == [1, 0, len(names.source.names) + 1]


def test_whole_symbols_of_a_target(tmp_path: Path) -> None:
    """Phones are separated; what joins a prediction is kept with the vocabulary."""
    content = "af\taː v\nab\ta p\n"
    assert read(tmp_path, content, "transduce", target_sep=" ")[0] == ("a|f", "aː|v")
    examples = read_examples([write(tmp_path, content)], config("transduce", target_sep=" "))
    assert examples.vocabulary.target_text([1, 3]) == "aː v"


def test_generation_swaps_the_roles(tmp_path: Path) -> None:
    """The class is the source, one symbol; the text is the target; the layout is as before."""
    assert read(tmp_path, "anna\tItalian\nab\tDutch\n", "generate") == [
        ("Italian", "a|n|n|a"),
        ("Dutch", "a|b"),
    ]
    labelled = read(tmp_path, "__label__u a.b\n__label__v b\n", "generate", target_sep=".")
    assert labelled == [("u", "a|b"), ("v", "b")]
    assert read(tmp_path, "one\nclass\n", "generate") == [("a", "o|n|e"), ("a", "c|l|a|s|s")]


def test_fasttext(tmp_path: Path) -> None:
    """The label stands before the text; more spaces, or a tab, may follow it."""
    content = "__label__good  so nice \n__label__bad\tno\n"
    assert read(tmp_path, content, "classify") == [("s|o| |n|i|c|e| ", "good"), ("n|o", "bad")]


def test_a_file_for_each_class(tmp_path: Path) -> None:
    """Classes are the names of files, packed or not."""
    names = [write(tmp_path, "ab\nc\n", "First.txt"), write(tmp_path, "b\n", "Second.x.gz")]
    examples = read_examples(names, config("classify"))
    found = [("a|b", "First"), ("c", "First"), ("b", "Second")]
    assert written(examples.train, examples) == found
    assert (examples.name, examples.files) == (tmp_path.name, names)
    assert read_examples(names, config("generate")).vocabulary.source.names == ("First", "Second")


@pytest.mark.parametrize("gap", ["\n", "\n\n \n", "\r\n"])
@pytest.mark.parametrize("between", ["\t", " ", "   "])
def test_conll(tmp_path: Path, gap: str, between: str) -> None:
    """Tokens and tags are whole symbols; blank lines end sequences, the file's end the last."""
    content = f"the{between}D\ncat{between}N\n{gap}a{between}D"
    assert read(tmp_path, content, "tag") == [("the|cat", "D|N"), ("a", "D")]
    examples = read_examples([write(tmp_path, content)], config("tag"))
    assert examples.notes == [
        "read as a token and its tag on each line; --format chooses another format."
    ]
    found = source_of("a dog\n", config("tag"), examples.vocabulary)
    assert examples.vocabulary.source_symbols(found) == ["a", UNKNOWN_TEXT]


def test_what_auto_decides_by(tmp_path: Path) -> None:
    """The rules at their borders: the first line, or the blank lines, and never the rest."""
    assert read(tmp_path, "\n\nab\tXY\n\nb\tX\n", "tag") == [("a|b", "X|Y"), ("b", "X")]
    assert read(tmp_path, "a\tX\n\nb\tY\nb\tX\n", "tag") == [("a", "X"), ("b|b", "Y|X")]
    values = {"format": "tsv"}
    assert read(tmp_path, "a\tX\n\nb\tY\n", "tag", **values) == [("a", "X"), ("b", "Y")]
    assert read(tmp_path, "x\tab\ty\tc\n" * 2, "generate", source_col=2, target_col=4)
    text = read(tmp_path, "__label__a\tb\nc\td\n", "classify", format="tsv")
    assert text[0][1] == "b"
    names = [write(tmp_path, "\n", "empty.txt"), write(tmp_path, TSV)]
    assert read_examples(names, config("classify")).vocabulary.target.names == ("x", "y")


def test_line_ends_marks_and_separators(tmp_path: Path) -> None:
    """A byte-order mark and carriage returns are dropped; U+2028 and the like end no line."""
    content = "\ufeffa\u2028b\tx\r\n\r\n   \n\x85\x0cc\ty\r\n\ufeffd\tx"
    found = read(tmp_path, content, "classify")
    assert found == [("a|\u2028|b", "x"), ("\x85|\x0c|c", "y"), ("\ufeff|d", "x")]


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Lines that lie in several blocks are whole; progress is told in bytes."""
    name = write(tmp_path, TSV + "\n\nlast\tx")
    whole = read_examples([name], config("classify"))
    monkeypatch.setattr(source_module, "BLOCK", block)
    told: list[int] = []
    assert read_examples([name], config("classify"), None, told.append).fingerprint == (
        whole.fingerprint
    )
    assert sum(told) == Path(name).stat().st_size == bytes_to_read([name], config("classify"))


def test_standard_input_and_packed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read as files are; the size of neither is known before."""
    plain = read_examples([write(tmp_path, TSV)], config("classify"))
    packed = write(tmp_path, TSV, "a.tsv.gz")
    assert read_examples([packed], config("classify")).fingerprint == plain.fingerprint
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TSV.encode())))
    streamed = read_examples(["-"], config("classify"))
    assert (streamed.fingerprint, streamed.name) == (plain.fingerprint, "stdin")
    assert bytes_to_read(["-"], config("classify")) is None
    assert bytes_to_read([packed], config("classify")) is None
    with pytest.raises(CorpusError, match="give - only once"):
        read_examples(["-"], config("classify", val="-"))


BROKEN = {
    "no tab": (
        "classify",
        "ab\tx\n\ncd y\n",
        (
            "file 'a.tsv', line 3: 'cd y' has no tab, but the "
            "target is column 2; separate columns with tabs, or choose others (--source-col "
            "--target-col)."
        ),
    ),
    "no third column": (
        "transduce",
        "a\tb\n",
        ("line 1: 'a\\tb' has 2 columns, but the features are column 3"),
    ),
    "tags": (
        "tag",
        "ab\tXY\nabc\tXY\n",
        (
            "file 'a.tsv', line 2: 'abc' has 3 symbols, but 'XY' has "
            "2 tags; give a tag for each symbol"
        ),
    ),
    "empty text": (
        "classify",
        "ab\tx\n\ty\n",
        ("line 2: '\\ty' has an empty text; give one, or leave out the line."),
    ),
    "empty label": (
        "classify",
        "ab\tx\nb\t \n",
        ("line 2: the label is empty; give one, or leave out the line."),
    ),
    "empty target": (
        "transduce",
        "ab\tx\tf\nb\t\tf\n",
        ("line 2: the target of 'b' is empty; give one."),
    ),
    "several labels": (
        "classify",
        "__label__a __label__b x\n",
        (
            "line 1: '__label__a __label__b x' "
            "has several labels, and one is read; leave the others out."
        ),
    ),
    "no label": ("classify", "__label__a x\nb\n", "line 2: 'b' does not begin with __label__; "),
    "nameless label": ("classify", "__label__ x\n", "line 1: the label is empty"),
    "label alone": ("classify", "__label__x\n", "line 1: '__label__x' has an empty text"),
    "conll, one column": (
        "tag",
        "the D\ncat\n",
        ("line 2: 'cat' has no tab, but the target is column 2"),
    ),
    "conll, empty tag": ("tag", "the\tD\n\ncat\t\n", "line 3: 'cat\\t' has an empty token or tag"),
    "nothing": ("classify", "", "'a.tsv' has no example; give a file with some."),
    "blank lines": ("tag", "\n \n\n", "'a.tsv' has no example; give a file with some."),
    "one class": (
        "classify",
        "ab\tx\ncd\tx\n",
        (
            "all examples of 'a.tsv' have the class 'x'; give a "
            "file for each class, or lines text<TAB>class, so that there is something"
        ),
    ),
    "one tag": ("tag", "ab\tXX\n", "all examples of 'a.tsv' have the tag 'X'; give others"),
    "one example": (
        "transduce",
        "ab\tx\tf\n",
        ("'a.tsv' has only 1 example, and training needs at least 2; give more."),
    ),
    "long line": ("classify", "ab\tx\n" + "y" * 9_999 + "\n", "line 2: 'yyyyyyyy"),
    "not UTF-8": ("classify", "ab\tx\n\udcff\ty\n", "corpus 'a.tsv' is not UTF-8: byte 0xff"),
}


@pytest.mark.parametrize(("task", "content", "sentence"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused(tmp_path: Path, task: str, content: str, sentence: str) -> None:
    """With a sentence that names file, line, what is wrong and what to do."""
    values = {"features_col": 3} if task == "transduce" else {}
    message = refusal(tmp_path, content, task, **values)
    assert sentence in message
    assert message.endswith(".")
    assert len(message) < 450


def test_files_that_cannot_be_used_together(tmp_path: Path) -> None:
    """Two of one class, a folder, a missing file: said before anything is read."""
    names = [write(tmp_path, "a\n", "x.txt"), write(tmp_path, "b\n", "x.gz")]
    with pytest.raises(CorpusError, match="both hold the class 'x'; rename one"):
        read_examples(names, config("classify"))
    with pytest.raises(CorpusError, match="is a folder"):
        read_examples([str(tmp_path)], config("classify"))
    with pytest.raises(CorpusError, match=r"none\.tsv' cannot be read"):
        read_examples([write(tmp_path, "broken\n")], config("tag", val="none.tsv"))


@pytest.mark.parametrize(
    ("task", "values", "sentence"),
    [
        ("tag", {"format": "classes"}, "format is classes, but the task tag reads tsv or conll"),
        ("transduce", {"format": "fasttext"}, "but the task transduce reads tsv; leave out"),
        ("classify", {"format": "conll"}, "the task classify reads tsv or fasttext or classes"),
        ("generate", {"source_sep": " "}, "source_sep is ' ', but the task generate reads a class"),
    ],
)
def test_formats_belong_to_tasks(
    tmp_path: Path, task: str, values: dict[str, object], sentence: str
) -> None:
    """A format of another task is refused."""
    assert sentence in refusal(tmp_path, TSV, task, **values)


def test_random_parts_give_each_class_its_share() -> None:
    """Sizes are exact, classes have their shares, small ones stay in training."""
    labels = np.repeat(np.arange(4), [700, 290, 9, 1])
    train, val, test = random_parts(labels, 1, 0.2, 0.1)
    assert (len(train), len(val), len(test)) == (700, 200, 100)
    assert sorted([*train, *val, *test]) == list(range(1000))
    assert all((np.diff(part) > 0).all() for part in (train, val, test))
    for part, share in ((train, 0.7), (val, 0.2), (test, 0.1)):
        counts = np.bincount(labels[part], minlength=4)
        assert np.abs(counts - share * np.array([700, 290, 9, 1])).max() <= 1
    labels = np.minimum(np.arange(1000), 50)  # 50 classes have a single example
    train, val, _ = random_parts(labels, 1, 0.5, 0.1)
    assert len(val) == 500
    assert set(labels[train]) == set(range(51))


def test_random_parts_depend_on_the_seed_alone() -> None:
    """The same seed divides alike; another one does not; a sorted file is mixed."""
    labels = np.zeros(100, int)
    first = random_parts(labels, 1, 0.3, 0)
    assert all((a == b).all() for a, b in zip(first, random_parts(labels, 1, 0.3, 0), strict=True))
    assert set(first[1]) != set(random_parts(labels, 2, 0.3, 0)[1])
    assert min(first[1]) < 20
    assert max(first[0]) > 80
    assert [len(part) for part in random_parts(labels, 1, 0, 0)] == [100, 0, 0]


def test_parts_are_random_or_files_of_their_own(tmp_path: Path) -> None:
    """A file gives its part whole; the other part is random, if it is asked for."""
    lines = "".join(f"w{number}\tab\n" for number in range(100))
    name, val = write(tmp_path, lines), write(tmp_path, "w5 \tb\nw2\tab\n", "val.tsv")
    examples = read_examples([name], config("transduce", val_fraction=0.1))
    assert examples.parts == {"train": 90, "val": 10, "test": 0}
    examples = read_examples([name], config("transduce", val=val, test_fraction=0.2))
    assert examples.parts == {"train": 80, "val": 2, "test": 20}
    examples = read_examples([name], config("transduce", val_fraction=0.2, test=val))
    assert examples.parts == {"train": 80, "val": 20, "test": 2}
    assert written(examples.test, examples)[1] == ("w|2", "a|b")


def test_classes_without_training_examples_are_told(tmp_path: Path) -> None:
    """Where more is taken away than there is, the classes that lose are named."""
    content = "".join(f"a\tclass {number}\n" for number in range(10))
    message = refusal(tmp_path, content, "classify", val_fraction=0.5)
    assert "5 of 10 classes, such as 'class " in message
    assert "lower --val-fraction" in message


def test_duplicates_over_the_parts_are_told(tmp_path: Path) -> None:
    """Only where source and target are the same."""
    val = write(tmp_path, "anna\tx\nanna\tx\notto\tx\nan\ty\n", "val.tsv")
    examples = read_examples([write(tmp_path, TSV)], config("classify", val=val, test=val))
    expected = "2 of 4 {} examples are also in the training part."
    assert examples.notes == [expected.format("validation"), expected.format("test")]
    assert read_examples([write(tmp_path, TSV)], config("classify")).notes == []


@pytest.mark.parametrize(
    ("task", "content", "sentence"),
    [
        ("classify", "no\tx\nno\tz\n", "line 2: the class 'z' is not one of training's ('x', 'y')"),
        ("generate", "no\tx\nno\tz\n", "line 2: the class 'z' is not one of training's ('x', 'y')"),
        ("tag", "ab\txy\n\n\nab\txQ\n", "line 4: the tag 'Q' is not one of training's ('x', 'y')"),
    ],
)
def test_unknown_answers_are_refused(
    tmp_path: Path, task: str, content: str, sentence: str
) -> None:
    """In validation and test files, and in files to score: nothing could be right."""
    other = write(tmp_path, content, "b")
    name = write(tmp_path, "ab\txy\ncd\tyx\n" if task == "tag" else TSV)
    for part in ("val", "test"):
        with pytest.raises(CorpusError) as caught:
            read_examples([name], config(task, **{part: other}))
        assert f"file '{other}', {sentence}; correct it, or train with examples of it." in str(
            caught.value
        )
    vocabulary = read_examples([name], config(task)).vocabulary
    with pytest.raises(CorpusError) as caught:
        read_for_scoring_pairs([other], config(task), vocabulary)
    assert sentence in str(caught.value)


def test_unknown_symbols_are_counted(tmp_path: Path) -> None:
    """A transduction's test file may hold new symbols on both sides; they have ids, and notes."""
    name, other = write(tmp_path, "ab\txy\nb\ty\n"), write(tmp_path, "aqb\txQQ\n", "b.tsv")
    examples = read_examples([name], config("transduce", test=other))
    assert examples.unknown == 3
    assert examples.notes == [
        "1 of 3 source symbols of the test part is unknown.",
        "2 of 3 target symbols of the test part are unknown, which a model never writes.",
    ]
    names = examples.vocabulary
    assert examples.test.sources.ids.tolist() == [0, names.unknown_source_id, 1]
    assert examples.test.targets.ids.tolist() == [
        0,
        names.target.unknown_id,
        names.target.unknown_id,
    ]
    scored, notes = read_for_scoring_pairs([other], config("transduce"), names)
    assert scored.sources.ids.tolist() == examples.test.sources.ids.tolist()
    assert notes[0] == "1 of 3 source symbols is unknown."


def test_rare_symbols_of_texts_become_unknown(tmp_path: Path) -> None:
    """With a min_count; labels are never rare."""
    content = "aab\tx\nac\ty\n"
    found = read(tmp_path, content, "classify", min_count=2)
    assert found == [(f"a|a|{UNKNOWN_TEXT}", "x"), (f"a|{UNKNOWN_TEXT}", "y")]
    found = read(tmp_path, content, "generate", min_count=2)
    assert found == [("x", f"a|a|{UNKNOWN_TEXT}"), ("y", f"a|{UNKNOWN_TEXT}")]


def test_a_given_vocabulary_is_used(tmp_path: Path) -> None:
    """As when a run is resumed: the same files give the same arrays."""
    name = write(tmp_path, TSV)
    first = read_examples([name], config("classify"))
    again = read_examples([name], config("classify"), first.vocabulary)
    assert again.fingerprint == first.fingerprint
    assert again.vocabulary is first.vocabulary


def test_the_split_and_nothing_else_is_seeded(tmp_path: Path) -> None:
    """Another seed gives other parts of the same size, and the same vocabulary."""
    name = write(tmp_path, "".join(f"{number}\t{number % 3}\n" for number in range(50)))
    one, two, same = (
        read_examples([name], config("classify", val_fraction=0.2, seed=seed)) for seed in (1, 2, 1)
    )
    assert one.fingerprint == same.fingerprint != two.fingerprint
    assert one.parts == two.parts
    assert one.vocabulary == two.vocabulary


@pytest.mark.parametrize(
    ("line", "values", "expected"),
    [
        ("ba\n", {}, "b|a"),
        ("ba\tignored\r\n", {}, "b|a"),
        ("x\tba", {"source_col": 2, "target_col": 1}, "b|a"),
        ("ba", {"source_col": 2, "target_col": 1}, "b|a"),
        ("a\t\tP;V", {"features_col": 3}, "a|P|V"),
        ("a\t\t", {"features_col": 3}, "a"),
        ("a\t\tP;Q", {"features_col": 3}, f"a|P|{UNKNOWN_TEXT}"),
        ("aqb", {}, f"a|{UNKNOWN_TEXT}|b"),
        ("__label__x  ab", {}, "a|b"),
    ],
)
def test_lines_to_predict_from(
    tmp_path: Path, line: str, values: dict[str, object], expected: str
) -> None:
    """The line is the source, or its columns are."""
    names = read_examples(
        [write(tmp_path, "ab\tx\tP;V\nb\ty\tV\n")], config("transduce", features_col=3)
    ).vocabulary
    found = source_of(line, config("transduce", **values), names)
    assert "|".join(names.source_symbols(found)) == expected


def test_lines_that_cannot_be_predicted_from(tmp_path: Path) -> None:
    """An empty one, and one without the columns that are needed."""
    names = read_examples([write(tmp_path, TSV)], config("transduce")).vocabulary
    for line, values, sentence in (
        ("\r\n", {}, "the line '' has an empty text"),
        ("\tx", {}, "the line '\\tx' has an empty text"),
        ("a\tb", {"source_col": 4}, "has 2 columns, and column 4 is needed"),
        ("a\tb", {"features_col": 3}, "has 2 columns, and column 3 is needed"),
        ("a", {"features_col": 3}, "has no tab, but the features are column 3"),
    ):
        with pytest.raises(CorpusError) as caught:
            source_of(line, config("transduce", **values), names)
        assert sentence in str(caught.value)


def test_a_tab_that_a_text_may_hold_is_no_separator(tmp_path: Path) -> None:
    """A model of lines with tabs reads the whole line."""
    names = read_examples(
        [write(tmp_path, "a\tb\n", "x"), write(tmp_path, "b\n", "y")],
        config("classify", format="classes"),
    ).vocabulary
    assert len(source_of("a\tb\n", config("classify", format="classes"), names)) == 3
