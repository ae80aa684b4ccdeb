"""`charnn sample`, `eval` and `predict` on the engine of PyTorch, and without PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import charnn
from charnn.cli.main import charnn as program

pytestmark = pytest.mark.parity
torch.set_num_threads(1)

WORDS = ["tide", "lamp", "bells", "night", "goes", "stay", "ring", "gull", "rope", "sail"]
PAIRS = [f"{a}{b}" for a in WORDS for b in WORDS]
TASKS = {
    "lm": PAIRS * 4,
    "classify": [f"{word}\t{'late' if word > 'n' else 'early'}" for word in PAIRS],
    "tag": [f"{word}\t{''.join('v' if c in 'aeiou' else 'c' for c in word)}" for word in PAIRS],
    "transduce": [f"{word}\t{word[::-1]}" for word in WORDS * 6],
    "generate": [f"{word}\t{'short' if len(word) < 9 else 'long'}" for word in PAIRS],
}
OPTIONS: dict[str, Any] = {"hidden_size": 12, "batch_size": 8, "shards": 1, "learning_rate": 0.02}
TORCH = "--engine", "torch", "--device", "cpu"
tasks = pytest.mark.parametrize("task", TASKS)
examples = pytest.mark.parametrize("task", ["classify", "tag", "transduce"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a text or examples, and a run, of each task."""
    folder = tmp_path_factory.mktemp("runs")
    for task, lines in TASKS.items():
        text = folder / f"{task}.tsv"
        shuffled = np.random.default_rng(1).permutation(lines)
        text.write_text("\n".join(shuffled) + "\n", encoding="utf-8")
        more = {"seq_length": 16} if task == "lm" else {}
        list(charnn.train(text, task=task, out=folder / task, steps=40, **OPTIONS, **more))
    return folder


def run(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(program, [str(each) for each in arguments], prog_name="charnn")


def output(*arguments: object) -> str:
    """Run a command that succeeds; return what it wrote."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def near(one: Any, other: Any) -> None:
    """Check that what JSON holds is the same, but for rounding."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        near(list(one.values()), list(other.values()))
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            near(a, b)
    else:
        assert (
            one == pytest.approx(other, rel=1e-5, abs=1e-5) if type(one) is float else one == other
        )


@tasks
def test_eval(task: str, folder: Path) -> None:
    """Losses and shares are those of NumPy."""
    command = "eval", folder / task, folder / f"{task}.tsv", "--json"
    near(json.loads(output(*command, *TORCH)), json.loads(output(*command)))


@examples
def test_predict(task: str, folder: Path) -> None:
    """The same answers, line by line, with the same probabilities."""
    more = {"transduce": ["--beam", 3, "--n-best", 2], "classify": ["--top", 2]}.get(task, [])
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    command = "predict", folder / task, folder / "words.txt", "--json", *more
    ours, theirs = output(*command).splitlines(), output(*command, *TORCH).splitlines()
    assert len(ours) == len(WORDS)
    near([json.loads(line) for line in theirs], [json.loads(line) for line in ours])


@pytest.mark.parametrize("task", ["lm", "generate"])
@pytest.mark.parametrize("flags", [("--temperature", 0), ("--seed", 3), ("--seed", 4, "--num", 3)])
def test_sample(task: str, flags: tuple[object, ...], folder: Path) -> None:
    """The same text at temperature 0, and with the same seed."""
    command = "sample", folder / task, "--len", 40, *flags
    assert output(*command, *TORCH) == output(*command)


def test_python(folder: Path) -> None:
    """The functions take the names of the flags."""
    on_torch: dict[str, Any] = {"engine": "torch", "device": "cpu"}
    model, tagger = charnn.load(folder / "lm"), charnn.load(folder / "tag")
    text = charnn.sample(model, length=30, seed=1, **on_torch)
    assert text == charnn.sample(model, length=30, seed=1)
    score = charnn.evaluate(model, "tidelamp", **on_torch)
    assert score.nats == pytest.approx(charnn.evaluate(model, "tidelamp").nats, rel=1e-5)
    (found,) = charnn.predict(tagger, ["lamp"], **on_torch)
    assert found.best.text == charnn.predict(tagger, ["lamp"])[0].best.text
    with pytest.raises(charnn.CharnnError, match="device is 'tpu'"):
        charnn.sample(model, device="tpu")


COMMANDS = {
    "sample": ("sample", "lm", "--len", 5),
    "eval": ("eval", "classify", "classify.tsv"),
    "predict": ("predict", "tag", "tag.tsv"),
}
commands = pytest.mark.parametrize("command", COMMANDS)


def refusal(command: str, *flags: str) -> str:
    """Return the one sentence with which a command refuses, exit code 2, and writes nothing."""
    result = run(*COMMANDS[command], *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@commands
def test_a_device_that_is_not_there(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GPU there is one sentence; half precision needs one, too."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = refusal(command, "--engine", "torch", "--device", "cuda")
    assert "finds no CUDA GPU" in said
    assert "--device cpu" in said
    assert "needs a CUDA GPU" in refusal(command, "--precision", "fp16")
    assert "leave device out" in refusal(command, "--engine", "shards", "--device", "cpu")


@commands
def test_without_torch(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one sentence that names the extra; NumPy goes on."""
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert 'pip install "charnn[torch]"' in refusal(command, "--engine", "torch")
    output(*COMMANDS[command])
    output(*COMMANDS[command], "--engine", "shards")


@pytest.mark.parametrize(
    "words",
    [*COMMANDS.values(), ("train", "lm.tsv", "--steps", 2, "--hidden-size", 4, "--out", "new")],
    ids=lambda words: words[0],
)
def test_numpy_does_not_import_torch(words: tuple[object, ...], folder: Path) -> None:
    """A command on the engine of NumPy leaves PyTorch alone, though it is installed."""
    code = (
        "import sys\nfrom charnn.cli.main import charnn\n"
        "charnn(sys.argv[1:], standalone_mode=False)\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=folder,
        env={**os.environ, "CHARNN_ENGINE": "shards"},
        check=True,
        capture_output=True,
        timeout=60,
    )
