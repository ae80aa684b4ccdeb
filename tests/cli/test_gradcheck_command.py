"""`charnn gradcheck`: it passes, it fails when it should, and it names what is wrong."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path

import pytest
from commands import data, on_terminal, output, refusal, run, succeed

from charnn.nn.kernels.kernel import Kernel
from charnn.nn.kernels.rnn import RNNKernel
from charnn.registry import CELLS

SMALL = ("--hidden-size", 2, "--seq-length", 2)


def faulty_gradients(self, a, previous, states, memory, da, local):
    """Forget the derivative of tanh."""
    da[0] = 1


@cache
def checked(cell: str) -> dict:
    """Return a cell's check with the default options as data, made once."""
    return data("gradcheck", "--cell", cell)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_the_defaults_pass(cell: str) -> None:
    """Every coordinate of every gradient of every form passes, with one layer and with two."""
    found = checked(cell)
    assert found["passed"] is True
    assert found["tolerance"] == 1e-6
    assert found["worst"] == max(result["error"] for result in found["results"]) < 1e-6
    models = {result["model"] for result in found["results"]}
    assert models == {str(form) for form in CELLS[cell].forms().values()}
    variants = {result["variant"] for result in found["results"]}
    assert len(variants) == 8
    for words in ("one-hot", "embed"):
        for layers in ("1L", "2L"):
            for dropout in ("", " drop"):
                assert f"{words} {layers}{dropout}" in variants


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_every_array_is_checked(cell: str) -> None:
    """Parameters and initial states are all in the results, each in its full size."""
    for form in CELLS[cell].forms().values():
        sizes = {
            result["name"]: result["size"]
            for result in checked(cell)["results"]
            if result["model"] == str(form) and result["variant"] == "embed 2L"
        }
        expected = {"E": 5 * 3, "W_hy": 4 * 5, "b_y": 5}
        for layer, inputs in (("layer1", 3), ("layer2", 4)):
            for name, shape in form.shapes(inputs, 4).items():
                expected[f"{layer}/{name}"] = math.prod(shape)
            for state in form.states:
                expected[f"{layer}/{state}0"] = 2 * 4
        assert sizes == expected
        G = len(form.gates)
        assert (sizes["layer1/W_xh"], sizes["layer2/W_xh"]) == (G * 3 * 4, G * 4 * 4)


def test_all_cells_by_default() -> None:
    """Without --cell every cell in every form has a table, and a verdict ends them."""
    shown = output("gradcheck", "--layers", 1, "--hidden-size", 1, "--seq-length", 1)
    for cell in CELLS:
        for form in CELLS[cell].forms().values():
            assert re.search(rf"^{re.escape(str(form))}$", shown, re.MULTILINE)
    assert shown.splitlines()[-1].startswith("passed: largest relative error ")


def test_the_table() -> None:
    """The table shows each array's error in each variant, and the verdict counts them all."""
    shown = output("gradcheck", "--cell", "rnn")
    found = checked("rnn")
    for result in found["results"]:
        (row,) = [line for line in shown.splitlines() if line.startswith(result["name"] + " ")]
        assert f"{result['error']:.1e}" in row
    assert "…" not in shown
    coordinates = sum(result["size"] for result in found["results"])
    assert shown.splitlines()[-1] == (
        f"passed: largest relative error {found['worst']:.2e} over {coordinates:,} coordinates, "
        "tolerance 1e-06"
    )


def test_an_ordinary_terminal() -> None:
    """On 80 columns every error, and every name, is shown whole."""
    shown = on_terminal("gradcheck", "--cell", "rnn", columns=80, TERM="dumb")
    assert "…" not in shown
    for result in checked("rnn")["results"]:
        assert f"{result['error']:.1e}" in shown
        assert result["name"] in shown


def test_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in a cell's backward is found: exit code 1, and the arrays are named."""
    monkeypatch.setattr(RNNKernel, "local_gradients", faulty_gradients)
    result = run("gradcheck", "--cell", "rnn", *SMALL)
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    for name in ("layer1/W_xh", "layer1/W_hh", "layer1/b_h"):
        assert re.search(
            rf"^RNN, one-hot 1L: {name} at \(.*\): analytic ", result.stderr, re.MULTILINE
        )
    for name in ("W_hy", "b_y"):
        assert f": {name} at " not in result.stderr


def test_a_wrong_gradient_of_one_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the array whose gradient is wrong is named, with both numbers."""

    def doubled(*arguments):
        for _ in range(2):
            right(*arguments)

    right = Kernel.weight_gradients
    monkeypatch.setattr(Kernel, "weight_gradients", doubled)
    result = run("gradcheck", "--cell", "lstm", "--layers", 1, *SMALL)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 4
    for line in lines:
        found = re.search(r"layer1/W_hh at .*: analytic (\S+), numeric (\S+)$", line)
        assert float(found[1]) == pytest.approx(2 * float(found[2]), rel=1e-5)
    assert "FAILED in 4 of " in result.stdout


def test_a_wrong_gradient_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json, too, a failure is exit code 1, and says so in the data."""
    monkeypatch.setattr(RNNKernel, "local_gradients", faulty_gradients)
    result = run("gradcheck", "--cell", "rnn", *SMALL, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["passed"] is False
    assert found["worst"] > 0.01


def test_a_wrong_gradient_along_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random directions find the fault as well."""
    monkeypatch.setattr(RNNKernel, "local_gradients", faulty_gradients)
    result = run("gradcheck", "--cell", "rnn", "--directional", *SMALL)
    assert result.exit_code == 1
    assert "layer1/W_hh at direction" in result.stderr


def test_tolerance() -> None:
    """--tolerance decides: what passes at one in a million fails at one in 10^14."""
    result = run("gradcheck", "--cell", "rnn", *SMALL, "--tolerance", 1e-14)
    assert result.exit_code == 1
    assert "tolerance 1e-14" in result.stdout
    assert data("gradcheck", "--cell", "rnn", *SMALL, "--tolerance", 1)["tolerance"] == 1


def test_layers() -> None:
    """--layers checks that many and no others."""
    found = data("gradcheck", "--cell", "rnn", "--layers", 3, *SMALL)
    assert {result["variant"].split()[1] for result in found["results"]} == {"3L"}
    assert "layer3/W_hh" in {result["name"] for result in found["results"]}


def test_sizes_and_seed() -> None:
    """--hidden-size, --seq-length and --seed change what is checked."""
    plain = data("gradcheck", "--cell", "rnn", "--layers", 1, *SMALL)
    assert data("gradcheck", "--cell", "rnn", "--layers", 1, *SMALL) == plain
    for flags in (["--seed", 2], ["--seq-length", 4]):
        changed = data("gradcheck", "--cell", "rnn", "--layers", 1, *SMALL, *flags)
        assert changed["passed"]
        assert changed["results"][0]["numeric"] != plain["results"][0]["numeric"]
    wide = data("gradcheck", "--cell", "rnn", "--layers", 1, *SMALL, "--hidden-size", 6)
    sizes = {result["name"]: result["size"] for result in wide["results"]}
    assert sizes["layer1/W_hh"] == 36


def test_directions() -> None:
    """--directional checks a large model in no time."""
    flags = ["--cell", "lstm", "--layers", 2, "--hidden-size", 48, "--directional"]
    found = data("gradcheck", *flags)
    assert found["passed"]
    assert all(result["where"].startswith("direction") for result in found["results"])
    assert "over directions" in output("gradcheck", *flags)


def test_quiet() -> None:
    """--quiet prints the verdict only."""
    shown = output("gradcheck", "--cell", "rnn", *SMALL, "--quiet")
    assert shown.count("\n") == 1
    assert shown.startswith("passed")


class TestTrained:
    """`--ckpt`: a trained model's gradients on a text."""

    def test_without_a_text(self, model: Path) -> None:
        """A checkpoint is checked on a line of verse."""
        found = data("gradcheck", "--ckpt", model)
        assert found["passed"]
        names = {result["name"] for result in found["results"]}
        assert {"layer1/W_xh", "layer1/W_hh", "W_hy", "b_y", "layer1/h0", "layer1/c0"} <= names
        assert str(model) in output("gradcheck", "--ckpt", model)

    def test_with_a_text(self, model: Path, verse: Path) -> None:
        """--text gives the text, of which --seq-length characters are used."""
        own = data("gradcheck", "--ckpt", model, "--text", verse, "--seq-length", 12)
        assert own["passed"]
        assert own != data("gradcheck", "--ckpt", model, "--text", verse, "--seq-length", 5)
        assert own["results"] != data("gradcheck", "--ckpt", model, "--seq-length", 12)["results"]

    def test_a_wrong_gradient(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fault is found in a trained model, too."""
        monkeypatch.setattr(Kernel, "weight_gradients", lambda *_: None)
        result = run("gradcheck", "--ckpt", model)
        assert result.exit_code == 1
        assert "layer1/W_hh" in result.stderr
        assert "W_xh" not in result.stderr

    def test_a_text_of_strangers(self, model: Path) -> None:
        """A text of which the model knows nothing cannot be used."""
        Path("strange.txt").write_text("éèêß")
        sentence = refusal("gradcheck", "--ckpt", model, "--text", "strange.txt")
        assert "'strange.txt'" in sentence

    def test_a_model_without_the_line_of_verse(self) -> None:
        """A model that knows none of the built-in text's characters asks for --text."""
        Path("greek.txt").write_text("αβγδε" * 60)
        tiny = ("--hidden-size", 4, "--steps", 1, "--batch-size", 2, "--seq-length", 8)
        succeed("train", "greek.txt", *tiny, "--out", "run", "--quiet")
        assert "--text" in refusal("gradcheck", "--ckpt", "run")
        assert data("gradcheck", "--ckpt", "run", "--text", "greek.txt")["passed"]

    def test_a_text_without_a_model(self, verse: Path) -> None:
        """--text without --ckpt is no use, and says what is missing."""
        assert "--ckpt" in refusal("gradcheck", "--text", verse)

    @pytest.mark.parametrize("flags", [("--cell", "rnn"), ("--layers", 2), ("--hidden-size", 5)])
    def test_what_a_trained_model_decides(self, flags: tuple, model: Path) -> None:
        """A flag that a trained model makes meaningless is refused, not ignored."""
        assert flags[0] in refusal("gradcheck", "--ckpt", model, *flags)
