"""`charnn sample --label`: lines of a class."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import lines_of, output, refusal, run
from task_runs import run_of

import charnn


def test_lines_of_a_class() -> None:
    """One a line, as many as asked for, and the same from the same seed."""
    flags = ("--label", "soft", "--num", 5, "--seed", 3)
    shown = output("sample", run_of("generate"), *flags)
    assert shown.count("\n") == 5
    assert shown.endswith("\n")
    assert "\t" not in shown
    assert output("sample", run_of("generate"), *flags) == shown
    assert output("sample", run_of("generate"), *flags[:-1], 4) != shown


def test_json() -> None:
    """What was drawn, of what, and whether the model ended it."""
    flags = ("--num", 3, "--seed", 3, "--len", 4)
    shown = output("sample", run_of("generate"), "--label", "soft", *flags).splitlines()
    found = lines_of(output("sample", run_of("generate"), "--label", "soft", *flags, "--json"))
    assert [each["text"] for each in found] == shown
    for number, each in enumerate(found):
        assert (each["sample"], each["seed"], each["label"]) == (number, 3, "soft")
        assert len(each["text"]) <= 4
        assert each["ended"] or len(each["text"]) == 4


def test_without_a_label_each_class_has_its_turn() -> None:
    """The lines are those of a file to learn from: text, tab, class."""
    shown = output("sample", run_of("generate"), "--num", 2, "--seed", 1).splitlines()
    assert [line.split("\t")[1] for line in shown] == ["loud", "loud", "soft", "soft"]
    Path("more.tsv").write_text("\n".join(shown) + "\n", encoding="utf-8")
    assert "nats/char" in output("eval", run_of("generate"), "more.tsv")


def test_labels_differ() -> None:
    """The model does what it is told."""
    saved = charnn.load(run_of("generate"))
    loud, soft = (
        "".join(charnn.samples(saved, label=label, num=40, seed=1)) for label in ("loud", "soft")
    )
    assert sum(map(str.isupper, loud)) > 0.8 * len(loud)
    assert sum(map(str.islower, soft)) > 0.8 * len(soft)


def test_greedy_lines_are_all_the_same() -> None:
    """At temperature 0 chance has no part."""
    flags = ("--label", "soft", "--num", 3, "--temperature", 0)
    shown = output("sample", run_of("generate"), *flags, "--seed", 1).splitlines()
    assert len(set(shown)) == 1
    assert output("sample", run_of("generate"), *flags, "--top-k", 3).splitlines() == shown


def test_a_prime_begins_every_line() -> None:
    """It is continued; symbols that the model does not know are noted."""
    flags = ("--label", "soft", "--num", 3, "--prime", "tow", "--seed", 2)
    shown = output("sample", run_of("generate"), *flags).splitlines()
    assert all(line.startswith("tow") for line in shown)
    assert len(set(shown)) > 1
    result = run("sample", run_of("generate"), "--label", "soft", "--prime", "Ü")
    assert result.stderr == (
        "note: the prime has 'Ü', which the model does not know; read as unknown.\n"
    )
    assert "\ufffd" not in result.stdout


@pytest.mark.parametrize(
    ("kind", "flags", "words"),
    [
        ("generate", ["--label", "sof"], "choose one of loud, soft. Did you mean 'soft'?"),
        ("generate", ["--stop", "x"], "stop is an option for models of the task lm"),
        ("generate", ["--num", 0], "num is 0"),
        ("classify", [], "a model of classification is not for `charnn sample`; use `charnn pr"),
        ("tag", ["--label", "v"], "use `charnn predict RUN FILE`"),
        ("transduce", [], "use `charnn predict RUN FILE`"),
    ],
)
def test_refusals(kind: str, flags: list, words: str) -> None:
    """One sentence says what to do instead."""
    assert words in refusal("sample", run_of(kind), *flags)


def test_a_language_model_has_no_labels(model: Path) -> None:
    """It refuses one."""
    assert "it knows no classes" in refusal("sample", model, "--label", "x")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("tag", "predict runs/x FILE"), ("generate", "sample runs/x --label loud")],
)
def test_what_comes_after_training(kind: str, words: str) -> None:
    """The last line of a training run is the command that its model is for."""
    saved = charnn.load(run_of(kind))
    assert saved.task.next_command("runs/x", saved.vocabulary) == words
    file = run_of(kind).parent / f"{kind}.tsv"
    flags = ("--hidden-size", 4, "--steps", 1, "--shards", 1, "--out", "runs/x")
    result = run("train", file, "--task", kind, *flags)
    assert result.stderr.splitlines()[-1] == f"next        charnn {words}"
