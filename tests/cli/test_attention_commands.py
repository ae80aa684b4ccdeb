"""A language model with attention, from the command line: trained, gone on with, and used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import TINY, arrays, data, output, succeed
from test_resume import interrupted

import charnn

ATTENTIVE = ("--attention", "general", "--attention-span", 5, "--shards", 1, "--seed", 3)
VERSE = "The tide came in and the tide went out,\nand the old clock counted both of them.\n" * 12


@pytest.fixture(autouse=True)
def verse() -> str:
    """Write a text to train on."""
    Path("verse.txt").write_text(VERSE, encoding="utf-8")
    return "verse.txt"


@pytest.mark.parametrize("options", [(), ("--embedding-size", 16, "--tie-weights")])
def test_a_model_is_trained_and_used(options: tuple[object, ...], verse: str) -> None:
    """Train, info, eval, sample: the model is the same one in all of them."""
    succeed("train", verse, *TINY, *ATTENTIVE, *options, "--out", "run", "--quiet")
    model = charnn.load("run").model
    assert (model.config.attention, model.config.attention_span) == ("general", 5)
    assert model.parameters.shapes["attention/W_c"] == (32, 16)
    assert ("W_hy" in model.parameters) == (not options)
    assert "attention" in output("info", "run")
    whole = data("eval", "run", verse, "--streams", 1)["nats_per_char"]
    ids = charnn.load("run").vocabulary.encode(VERSE)[:, None]
    logits, _, _ = model.logits(ids[:-1], model.zero_states(1))
    z = logits.astype(np.float64)
    nats = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), ids[1:, 0]]
    assert whole == pytest.approx(nats.mean(), rel=1e-5)
    assert whole < np.log(len(charnn.load("run").vocabulary))
    sample = ("sample", "run", "--len", 40, "--seed", 1, "--prime", "The ")
    assert output(*sample) == output(*sample)
    greedy = output(*sample, "--temperature", 0)
    read = charnn.load("run").vocabulary.encode(greedy.removesuffix("\n"))[:44, None]
    logits, _, _ = model.logits(read[:-1], model.zero_states(1))
    assert greedy.startswith("The ")
    assert np.array_equal(logits.argmax(axis=1)[3:], read[4:, 0])  # the window's likeliest symbols
    several = output(*sample, "--temperature", 0, "--num", 2).split("\n---\n")
    assert [each.rstrip("\n") for each in several] == [greedy.rstrip("\n")] * 2


def test_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped in the middle of an epoch and resumed has the bits of a whole one."""
    options = ("verse.txt", *TINY, *ATTENTIVE)
    succeed("train", *options, "--out", "whole", "--quiet")
    assert interrupted(monkeypatch, *options, "--out", "parts", at=27).exit_code == 130
    carried = arrays(Path("parts/last.npz"), "state/")
    assert "state/attention/memory" in carried
    assert any(carried["state/attention/memory"])
    succeed("train", "--resume", "parts", "--quiet")
    for prefix in ("parameters/", "state/"):
        whole = arrays(Path("whole/last.npz"), prefix)
        assert whole
        assert arrays(Path("parts/last.npz"), prefix) == whole
