"""`charnn gradcheck --task`: every form of every task's model, and trained ones."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from commands import data, output, refusal, run, succeed

from charnn.cli.gradcheck_report import print_errors
from charnn.models import transducer
from charnn.nn import recurrent
from charnn.nn.central_differences import Comparison
from charnn.registry import ATTENTIONS, CELLS
from charnn.tasks.gradient_variants import SEQUENCE_TASKS, cells, variants

SMALL = ("--cell", "rnn", "--layers", 1, "--hidden-size", 2, "--seq-length", 2)
PAIRS = "".join(f"{word}\t{word[::-1]}\n" for word in ("ab", "ba", "aab", "b", "bb", "abab"))


def without_gradient(ends, encoder):
    """Forget what comes back through the bridge."""
    return right([0 * d for d in ends], encoder)


right = transducer.by_direction


@cache
def checked(task: str) -> Any:
    """Return a task's check with small models as data, made once."""
    return data("gradcheck", "--task", task, *SMALL)


@pytest.mark.parametrize("task", SEQUENCE_TASKS)
def test_it_passes(task: str) -> None:
    """Every coordinate of every parameter of every variant is right."""
    assert checked(task)["passed"] is True
    found = {result["variant"] for result in checked(task)["results"]}
    (form,) = [form for form, _, _ in cells("rnn")]
    assert found == {v.title for v in variants(task, (1,), 2) if v.fits(form)}
    assert all(": RNN" in result["model"] for result in checked(task)["results"])
    assert not any(result["where"].startswith("dir") for result in checked(task)["results"])


@pytest.mark.parametrize("task", SEQUENCE_TASKS)
def test_the_table(task: str) -> None:
    """The largest error of each variant is shown, and the verdict counts the coordinates."""
    shown = output("gradcheck", "--task", task, *SMALL)
    for variant in {result["variant"] for result in checked(task)["results"]}:
        worst = max(r["error"] for r in checked(task)["results"] if r["variant"] == variant)
        assert re.search(rf"^{re.escape(variant)} +{worst:.0e} *$", shown, re.MULTILINE)
    coordinates = sum(result["size"] for result in checked(task)["results"])
    assert f"over {coordinates:,} coordinates" in shown


def test_all_tasks() -> None:
    """--task all has a table for each; along directions it is quick."""
    flags = ("--directional", "--layers", 1, "--seq-length", 1, "--cell", "mingru")
    shown = output("gradcheck", "--task", "all", *flags)
    titles = ("minGRU", "classification", "tagging", "transduction", "generation from a label")
    for title in titles:
        assert re.search(rf"^{title}", shown, re.MULTILINE)
    assert "over directions" in shown


def test_the_width(capsys: pytest.CaptureFixture[str]) -> None:
    """With all cells side by side the table has 100 columns at most."""
    right = Comparison("W", 1, 2e-7, "", 0.0, 0.0)
    row = {variant.title: right for variant in variants("transduce")}
    print_errors({f"transduction: {form}": {"W": row} for form, _, _ in cells()}, 1e-6)
    shown = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 100
    assert shown.count("2e-07") == len(row) * len(list(cells()))


def test_every_combination_has_a_variant() -> None:
    """Layers, directions and scores meet; one-hot input and embeddings meet each of them."""
    titles = [variant.title for variant in variants("transduce")]
    assert len(set(titles)) == len(titles)
    for score in ("none", *ATTENTIONS):
        own = [title for title in titles if title.endswith(score)]
        forms = {title.removeprefix("one-hot ").removeprefix("embed ") for title in own}
        assert forms == {f"{n}L {bi}{score}" for n in (1, 2) for bi in ("", "bi ")}
        for words in ("1L", "2L", "bi"):
            inputs = {title.split()[0] for title in own if words in title.split()}
            assert inputs == {"one-hot", "embed"}


def test_what_a_cell_does_not_have() -> None:
    """A technique that a cell cannot have is left out; each cell has one at least."""
    for form, _, _ in cells():
        found = [v.title for v in variants("tag") if "drop" in v.title and v.fits(form)]
        assert found
        assert ("weight drop" in found) == ("W_hh" in form.shapes(1, 1))
    assert {options["cell"] for _, _, options in cells()} == set(CELLS)


def test_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is found: exit code 1, and model, variant and parameter are named."""
    monkeypatch.setattr(transducer, "by_direction", without_gradient)
    result = run("gradcheck", "--task", "transduce", *SMALL)
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert re.search(
        r"^transduction: RNN, embed 1L dot: encoder/layer1/W_xh at \(.*\): analytic ",
        result.stderr,
        re.MULTILINE,
    )
    assert "decoder/" not in result.stderr


def test_batches_have_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that enters at the last step of all, and not at each end, is caught."""
    monkeypatch.setattr(
        recurrent,
        "entering_after",
        lambda T, _, d_final: {} if d_final is None else {T: [(slice(None), d) for d in d_final]},
    )
    assert run("gradcheck", "--task", "transduce", *SMALL).exit_code == 1


class TestTrained:
    """A trained model is checked on examples."""

    @pytest.fixture
    def pairs(self) -> Path:
        """Return a file of pairs of equal length."""
        Path("pairs.tsv").write_text(PAIRS * 3, encoding="utf-8")
        return Path("pairs.tsv")

    @pytest.mark.parametrize("task", SEQUENCE_TASKS)
    def test_on_its_own_examples(self, task: str, pairs: Path) -> None:
        """Without --text they are the first of those that it was trained on."""
        train = ("train", pairs, "--task", task, "--hidden-size", 4, "--steps", 2, "--quiet")
        succeed(*train, "--out", "run")
        found = data("gradcheck", "run")
        assert found["passed"] is True
        assert found == data("gradcheck", "--ckpt", "run")
        Path("other.tsv").write_text("b\tb\nbb\tbb\n", encoding="utf-8")
        if task not in ("classify", "generate"):  # whose labels are whole words here
            assert data("gradcheck", "run", "--text", "other.tsv") != found
        pairs.unlink()
        assert "give examples with --text" in refusal("gradcheck", "run")

    def test_a_trained_model_has_its_own_task(self, model: Path) -> None:
        """--task beside a model is refused; so are two models."""
        assert "--task" in refusal("gradcheck", model, "--task", "tag")
        assert "give one model" in refusal("gradcheck", model, "--ckpt", model)

    def test_a_language_model_as_argument(self, model: Path) -> None:
        """A model can be given with or without --ckpt."""
        assert data("gradcheck", model) == data("gradcheck", "--ckpt", model)
