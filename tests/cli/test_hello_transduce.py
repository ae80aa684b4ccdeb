"""`charnn hello --task transduce`: the walkthrough of an encoder-decoder."""

from __future__ import annotations

from functools import cache

import pytest
from commands import data, in_words, output, refusal

TASK = ("--task", "transduce")


@cache
def found() -> dict:
    """Return the default walkthrough as data, made once."""
    return data("hello", *TASK)


@cache
def story(*options: str) -> str:
    """Return a walkthrough as it is narrated, made once."""
    return output("hello", *TASK, *options)


def test_json() -> None:
    """--json has every number, before and after training."""
    assert found().keys() == {
        *("text", "target", "source_symbols", "target_symbols", "delimiter", "shapes"),
        *("before", "summed_loss", "summed_loss_of_chance", "gradient_norms"),
        *("training", "after", "decoding"),
    }
    assert found()["target"] == "olleh"
    assert found()["training"][-1]["says"] == "olleh"
    assert "".join(step["chosen"] for step in found()["decoding"]) == "olleh<end>"
    assert found()["gradient_norms"].keys() == found()["shapes"].keys()
    for when in ("before", "after"):
        assert len(found()[when]["encoder"]) == 5
        assert len(found()[when]["decoder"]) == 6
        for step in found()[when]["decoder"]:
            assert sum(step["attention"]) == pytest.approx(1)


def test_the_story_has_the_numbers() -> None:
    """Losses, attention and what it writes are in the tables."""
    shown = story()
    assert "How a network learns to turn 'hello' into 'olleh'" in shown
    for when in ("before", "after"):
        assert f"attention alpha_ts, {when} training" in shown
        for step in found()[when]["decoder"]:
            row = "   ".join(f"{weight:.3f}" for weight in step["attention"])
            assert row in shown
            assert f"{step['loss']:.4f}" in shown
    assert f"summed loss {found()['summed_loss']:.4f} nats" in shown
    assert "hello -> olleh" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_quiet() -> None:
    """--quiet leaves out the story, not the tables."""
    quiet = story("--quiet")
    assert "attention alpha_ts, after training" in quiet
    assert "Next:" not in quiet
    lines = {line.rstrip() for line in quiet.splitlines()}
    assert lines <= {line.rstrip() for line in story().splitlines()}


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru"])
def test_cells(cell: str) -> None:
    """Cells with other states or parameters learn it, too."""
    example = data("hello", *TASK, "--text", "abc", "--cell", cell)
    assert example["training"][-1]["says"] == "cba"


def test_words_and_scores() -> None:
    """--text, --target and --attention choose."""
    told = in_words(story("--text", "sat", "--target", "sitting", "--attention", "additive"))
    assert "sat -> sitting" in told
    assert "additive (Bahdanau)" in told


def test_unusual_characters() -> None:
    """A space has a name, and a control character cannot control the terminal."""
    told = story("--text", "a b", "--target", "\x1b a")
    assert "space" in told
    assert "\x1b" not in told


def test_refusals() -> None:
    """What another task has, and what no task has, is refused in a sentence."""
    assert "an option of the task transduce" in refusal("hello", "--target", "x")
    assert "an option of the task transduce" in refusal("hello", "--attention", "dot")
    assert "choose lm, transduce" in refusal("hello", "--task", "tag")
    assert "at least" not in refusal("hello", *TASK, "--text", "")
