"""Files of examples that cannot be used, and runs that they do not fit: one sentence each."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from commands import in_words, refusal, succeed

TINY = ("--hidden-size", 4, "--batch-size", 4, "--steps", 4, "--shards", 1)
CLASSES = "tide\tsea\nwave\tsea\nbell\ttower\nclock\ttower\n" * 3
TAGS = "the\tccv\ntide\tcvcv\nin\tvc\nand\tvcc\n" * 3
PAIRS = "ab\tb a\nbab\tb a b\na\ta\nbb\tb b\n" * 3
VALIDATION = "aab\tb a a\nbba\ta b b\n"
CONLL = "the\tD\ntide\tN\nruns\tV\n\n" * 6
LABELS = "__label__sea the tide\n__label__tower a bell\n" * 6
GOOD = {"classify": CLASSES, "tag": TAGS, "transduce": PAIRS, "generate": CLASSES}

Files = dict[str, str | bytes]
a, b = "a.tsv", "b.tsv"

EVERY: dict[str, tuple[Files, tuple[object, ...], str]] = {  # whatever the task is
    "missing": ({}, (a,), "corpus 'a.tsv' cannot be read (No such file or directory); check the"),
    "a folder": ({"a.tsv/x": ""}, (a,), "corpus 'a.tsv' is a folder; give the names of its files."),
    "empty": ({a: ""}, (a,), "'a.tsv' has no example; give a file with some."),
    "blank lines": ({a: "\n \n\n"}, (a,), "'a.tsv' has no example; give a file with some."),
    "latin-1": (
        {a: b"caf\xe9\tx\n"},
        (a,),
        (
            "corpus 'a.tsv' is not UTF-8: byte 0xe9 at offset 3; give its encoding with --encoding "
            "(latin-1 accepts any byte)."
        ),
    ),
    "utf-16": (
        {a: "tide\tx\n".encode("utf-16")},
        (a,),
        (
            "corpus 'a.tsv' is not UTF-8: byte 0xff at offset 0; it begins as UTF-16 does, so give "
            "--encoding utf-16."
        ),
    ),
    "carriage returns alone": (
        {a: "ab\txy\rab\txy\r"},
        (a,),
        (
            "file 'a.tsv', line 1: it has carriage returns, but the file has no line feed, so "
            "that it "
            "is a single line; save it with line feeds at the ends of lines."
        ),
    ),
    "not packed": ({"a.gz": "ab"}, ("a.gz",), "corpus 'a.gz' cannot be read after byte 0 (Not a"),
    "packed and cut off": (
        {"a.gz": gzip.compress(b"ab\txy\n" * 99)[:-9]},
        ("a.gz",),
        "corpus 'a.gz' cannot be read after byte",
    ),
    "an empty text": ({a: "ab\txy\n\txy\n"}, (a,), "line 2: '\\txy' has an empty text; give one,"),
    "a column too far": (
        {a: "ab\txy\n"},
        (a, "--target-col", 3),
        "line 1: 'ab\\txy' has 2 columns, but the target is column 3; separate columns with tabs,",
    ),
    "one column twice": (
        {a: "ab\txy\n"},
        (a, "--source-col", 2),
        "source_col and target_col are both 2; give each a column of its own.",
    ),
    "a huge line": (
        {a: f"{'x' * 100_001}\ty\n"},
        (a,),
        "x\\ty' has 100,001 symbols, and at most 100,000 are read as one sequence; divide it, or",
    ),
    "standard input twice": ({}, ("-", "-"), "standard input (-) can be read only once; give -"),
    "standard input for two parts": ({}, ("-", "--val", "-"), "can be read only once; give - only"),
    "an option of another task": (
        {},
        (a, "--tokens", "bytes"),
        "tokens is 'bytes', but it is an option of the task lm, and this task is",
    ),
}

CASES: dict[str, tuple[str, Files, tuple[object, ...], str]] = {
    "classify: no tab": (
        "classify",
        {a: CLASSES + "bay\n"},
        (a,),
        "line 13: 'bay' has no tab, but",
    ),
    "classify: no label": (
        "classify",
        {a: CLASSES + "bay\t \n"},
        (a,),
        "file 'a.tsv', line 13: the label is empty; give one, or leave out the line.",
    ),
    "classify: commas": (
        "classify",
        {a: CLASSES.replace("\t", ",")},
        (a,),
        (
            "all examples of 'a.tsv' have the class 'a'; give a file for each class, or lines "
            "text<TAB>class, so that there is something to tell apart."
        ),
    ),
    "classify: one class": ("classify", {a: "tide\tsea\n" * 9}, (a,), "have the class 'sea'; give"),
    "classify: a file twice": (
        "classify",
        {"a.txt": "tide\nwave\n", "b/a.txt": "bell\n"},
        ("a.txt", "b/a.txt"),
        "the files 'a.txt' and 'b/a.txt' both hold the class 'a'; rename one, or put their lines",
    ),
    "classify: a table among class files": (
        "classify",
        {"a.txt": "tide\n", b: CLASSES},
        ("a.txt", b),
        (
            "file 'b.tsv', line 1: 'tide\\tsea' has a tab, but the first line of all had "
            "none, so that "
            "each line was taken for a text of the class that its file is named after; give "
            "--format "
            "tsv, or --format classes."
        ),
    ),
    "classify: labels from line 2 on": (
        "classify",
        {a: "tide\n" + LABELS},
        (a,),
        "line 2: '__label__sea the tide' has __label__, but the first line of all had none,",
    ),
    "classify: a label missing": (
        "classify",
        {a: LABELS + "a bay\n"},
        (a,),
        (
            "file 'a.tsv', line 13: 'a bay' does not begin with __label__; begin each line "
            "with its "
            "label, or choose another --format."
        ),
    ),
    "classify: a new class": (
        "classify",
        {a: CLASSES, b: "bay\tland\n"},
        (a, "--val", b),
        "file 'b.tsv', line 1: the class 'land' is not one of training's ('sea', 'tower'); correct",
    ),
    "classify: a class by a file's name": (
        "classify",
        {"sea.txt": "tide\nwave\n", "land.txt": "hill\nwood\n", "test.txt": "tide\n"},
        ("sea.txt", "land.txt", "--test", "test.txt"),
        (
            "file 'test.txt', line 1: the file's name gives its lines the class 'test', which "
            "is not "
            "one of training's ('land', 'sea'); name it after one of them, or write lines "
            "text<TAB>class."
        ),
    ),
    "tag: too few tags": (
        "tag",
        {a: TAGS + "tide\tc\n"},
        (a,),
        (
            "file 'a.tsv', line 13: 'tide' has 4 symbols, but 'c' has 1 tag; give a tag for each "
            "symbol (--source-sep and --target-sep say what separates them; --format conll reads a "
            "token a line)."
        ),
    ),
    "tag: too many tags": (
        "tag",
        {a: TAGS + "a\tvv\n"},
        (a,),
        "'a' has 1 symbol, but 'vv' has 2 ta",
    ),
    "tag: no blank lines": (
        "tag",
        {a: CONLL.replace("\n\n", "\n")},
        (a, "--format", "conll"),
        (
            "'a.tsv' has only 1 example, and training needs at least 2; give more; in this "
            "format a "
            "blank line ends each sequence."
        ),
    ),
    "tag: a token without its tag": (
        "tag",
        {a: CONLL + "a\t\n"},
        (a,),
        "has an empty token or tag;",
    ),
    "tag: a format of classes": (
        "tag",
        {a: TAGS},
        (a, "--format", "classes"),
        "reads tsv or conll;",
    ),
    "transduce: one example": (
        "transduce",
        {a: "ab\tba\n"},
        (a,),
        "'a.tsv' has only 1 example, and training needs at least 2; give more.",
    ),
    "transduce: no target": (
        "transduce",
        {a: PAIRS + "ab\t\n"},
        (a,),
        "the target of 'ab' is empty",
    ),
    "transduce: no features": (
        "transduce",
        {a: PAIRS},
        (a, "--features-col", 3),
        (
            "line 1: 'ab\\tb a' has 2 columns, but the features are column 3; separate "
            "columns with "
            "tabs, or choose others (--source-col --target-col --features-col)."
        ),
    ),
    "transduce: nothing left to train": (
        "transduce",
        {a: PAIRS},
        (a, "--val-fraction", 0.5, "--test-fraction", 0.49),
        "1 of 12 examples",
    ),
    "generate: a separator of classes": (
        "generate",
        {a: CLASSES},
        (a, "--source-sep", " "),
        (
            "source_sep is ' ', but the task generate reads a class, which is one symbol; give "
            "--target-sep for the symbols of its texts."
        ),
    ),
    "generate: both directions": (
        "generate",
        {a: CLASSES},
        (a, "--bidirectional"),
        "a network that reads backwards sees the future that it should predict; leave it out.",
    ),
}


def put(files: Files) -> None:
    """Write files into the working folder."""
    for name, content in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("task", GOOD)
@pytest.mark.parametrize(("files", "arguments", "sentence"), EVERY.values(), ids=EVERY)
def test_what_no_task_can_use(
    task: str, files: Files, arguments: tuple[object, ...], sentence: str
) -> None:
    """A file that no task can read is refused by each, and nothing is written."""
    put(files)
    assert sentence in refusal("train", *arguments, "--task", task, *TINY, stdin="ab\txy\n")


@pytest.mark.parametrize(("task", "files", "arguments", "sentence"), CASES.values(), ids=CASES)
def test_what_a_task_cannot_use(
    task: str, files: Files, arguments: tuple[object, ...], sentence: str
) -> None:
    """A file that does not fit its task is refused, and nothing is written."""
    put(files)
    assert sentence in refusal("train", *arguments, "--task", task, *TINY)


@pytest.mark.parametrize(
    ("task", "content", "note"),
    [
        (
            "classify",
            CLASSES + "the\tbay\tsea\n",
            (
                "file 'a.tsv', line 13 has 3 columns, and the first line 2: a tab in a text would "
                "shift the columns behind it."
            ),
        ),
        (
            "generate",
            CLASSES.replace("\t", ","),
            "all 12 examples of 'a.tsv' have the class 'a'.",
        ),
        (
            "tag",
            CONLL,
            "read as a token and its tag on each line; --format chooses another format.",
        ),
    ],
)
def test_what_looks_odd_is_told(task: str, content: str, note: str) -> None:
    """A file that can be read, though perhaps not as it was meant, is trained on with a note."""
    put({a: content})
    said = succeed("train", a, "--task", task, *TINY)
    assert note in in_words(said.stdout + said.stderr)


@pytest.mark.parametrize("content", ["\ufeff{}", "{}\n\n", "\n \n{}", "{}ab\0\t{}\n"])
@pytest.mark.parametrize("task", GOOD)
def test_what_is_no_fault(task: str, content: str) -> None:
    """A byte-order mark, blank lines, carriage returns before line feeds and NUL are read."""
    target = {"classify": "sea", "generate": "sea", "tag": "vcc", "transduce": "a"}[task]
    put({a: content.format(GOOD[task], target).replace("\n", "\r\n")})
    succeed("train", a, "--task", task, *TINY[:4], "--steps", 1, "--shards", 1)


def trained(task: str, *arguments: object) -> None:
    """Train in the folder `run` on a file that is good for a task."""
    put({a: GOOD[task]})
    succeed("train", a, "--task", task, *TINY, "--out", "run", *arguments)


@pytest.mark.parametrize("task", GOOD)
def test_resuming_after_the_file_has_changed(task: str) -> None:
    """A run goes on with its own examples alone, wherever they are."""
    trained(task)
    more = ("train", "--resume", "run", "--steps", 5)
    put({a: GOOD[task] + GOOD[task].split("\n")[0] + "\n"})
    other = "the corpus is not the one that the run was trained on (a.tsv); give that text."
    assert refusal(*more) == other
    put({a: ""})
    assert refusal(*more) == "'a.tsv' has no example; give a file with some."
    Path(a).unlink()
    assert "'a.tsv' cannot be read" in refusal(*more)
    put({b: GOOD[task]})
    succeed("train", "--resume", "run", b, "--steps", 5)


def test_resuming_after_the_validation_file_has_moved() -> None:
    """Another name for the same examples is accepted, other examples are not."""
    put({b: VALIDATION})
    trained("transduce", "--val", b)
    put({"c.tsv": VALIDATION, "d.tsv": PAIRS})
    Path(b).unlink()
    more = ("train", "--resume", "run", "--steps", 5)
    assert "'b.tsv' cannot be read" in refusal(*more)
    assert "trained on (a.tsv, b.tsv); give that text." in refusal(*more, "--val", "d.tsv")
    assert "test is c.tsv, but the run to resume has none" in refusal(*more, "--test", "c.tsv")
    succeed(*more, "--val", "c.tsv")
    assert "val: c.tsv" in Path("run/config.yaml").read_text(encoding="utf-8")


STARTS: dict[str, tuple[tuple[Any, ...], str]] = {
    "another task": (
        ("--task", "tag"),
        (
            "the task is tag, but the model to start from has learned the task transduce; give "
            "--init-from a model of the same task."
        ),
    ),
    "other symbols": (
        ("--task", "transduce", "--target-sep", "+"),
        "target_sep is '+', but the model to start from has ' '; leave target_sep out.",
    ),
    "one direction": (
        ("--attention", "dot"),
        "attention is dot, but the model to start from has general; leave attention out.",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), STARTS.values(), ids=STARTS)
def test_starting_from_another_model(arguments: tuple[Any, ...], sentence: str) -> None:
    """A model of another shape, or of other symbols, is no beginning."""
    trained("transduce", "--target-sep", " ")
    assert refusal("train", a, *arguments, "--init-from", "run", "--out", "other") == sentence


def test_starting_from_a_model_keeps_its_symbols() -> None:
    """Separators and features are the model's: no symbol is suddenly unknown."""
    put({b: PAIRS.replace("\n", "\tV;P\n")})
    features = ("--target-sep", " ", "--features-col", 3)
    succeed("train", b, "--task", "transduce", *features, *TINY, "--out", "run")
    said = succeed("train", b, "--init-from", "run", *TINY[2:], "--out", "other")
    assert "unknown" not in said.stdout + said.stderr
    config = Path("other/config.yaml").read_text(encoding="utf-8")
    assert "features_col: 3" in config
