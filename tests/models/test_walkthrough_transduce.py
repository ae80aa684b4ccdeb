"""The walkthrough of the transducer: its numbers against the equations, its training, its end."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sequence_oracle import transducer

from charnn.config import WalkthroughConfig
from charnn.errors import InputError
from charnn.models.walkthrough_transduce import (
    BEGIN,
    END,
    LONGEST_WORD,
    TransductionWalkthrough,
)
from charnn.nn.central_differences import TOLERANCE, check_gradients
from charnn.registry import ATTENTIONS


def walkthrough(text: str = "hello", **options: object) -> TransductionWalkthrough:
    """Return a walkthrough as `charnn hello --task transduce` makes it."""
    return TransductionWalkthrough(WalkthroughConfig(task="transduce", text=text, **options))


def test_the_words() -> None:
    """By default a word is turned around; symbols count in the order of their appearance."""
    example = walkthrough("hallo")
    assert example.target == "ollah"
    assert example.source_symbols == ["h", "a", "l", "o"]
    assert example.target_symbols == ["o", "l", "a", "h"]
    assert example.outputs == ["o", "l", "a", "h", END]
    assert example.inputs[:, 0].tolist() == [4, 0, 1, 1, 2, 3]
    assert example.targets[:, 0].tolist() == [0, 1, 1, 2, 3, 4]
    assert walkthrough("sat", target="sitting").target == "sitting"


@pytest.mark.parametrize(
    ("text", "target", "sentence"),
    [
        ("", None, "^text has 0 characters; "),
        ("a", "", "^target has 0 characters; "),
        ("a" * (LONGEST_WORD + 1), None, "^text has 13 characters; give a word of 1 to 12"),
    ],
)
def test_words_that_cannot_be_shown(text: str, target: str | None, sentence: str) -> None:
    """Empty and long words are refused."""
    with pytest.raises(InputError, match=sentence):
        walkthrough(text, target=target)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_the_loss_is_the_oracles(cell: str, attention: str) -> None:
    """The steps' losses add up to what the naive transducer computes."""
    example = walkthrough("sat", target="sitting", cell=cell, attention=attention, hidden_size=5)
    nats, steps = transducer(
        example.model, example.source[:, 0].tolist(), example.answer[:, 0].tolist(), 0.0
    )
    found = example.decoder_steps()
    assert len(found) == steps == 8
    assert sum(step.loss for step in found) == pytest.approx(nats, rel=1e-12)
    assert example.backward()[0] == pytest.approx(nats, rel=1e-12)
    assert nats == pytest.approx(example.summed_loss_of_chance, rel=0.05)
    assert example.summed_loss_of_chance == pytest.approx(8 * math.log(6))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_number_follows(attention: str) -> None:
    """Each number of a step is computed from those before it, as the equations say."""
    example = walkthrough(attention=attention, cell="gru")
    p = example.model.parameters
    keys = [np.array(step.forward + step.backward) for step in example.encoder_steps()]
    for bridge in example.bridges():
        name = f"bridge/layer1/{bridge.state}"
        expected = np.tanh(np.array(bridge.final) @ p[f"{name}/W_s"] + p[f"{name}/b_s"])
        np.testing.assert_allclose(bridge.first, expected, rtol=0, atol=1e-12)
    steps = example.decoder_steps()
    assert [step.symbol for step in steps] == [BEGIN, *example.target]
    assert [step.target for step in steps] == [*example.target, END]
    for step in steps:
        exponentials = np.exp(step.scores)
        np.testing.assert_allclose(step.attention, exponentials / exponentials.sum(), atol=1e-12)
        context = sum(a * key for a, key in zip(step.attention, keys, strict=True))
        np.testing.assert_allclose(step.context, context, rtol=0, atol=1e-12)
        both = np.concatenate([context, step.h])
        np.testing.assert_allclose(
            step.attentional, np.tanh(both @ p["attention/W_c"]), rtol=0, atol=1e-12
        )
        logits = np.array(step.attentional) @ p["decoder/W_hy"] + p["decoder/b_y"]
        np.testing.assert_allclose(step.logits, logits, rtol=0, atol=1e-12)
        np.testing.assert_allclose(step.y, np.exp(logits) / np.exp(logits).sum(), atol=1e-12)
        assert step.target_probability == step.y[example.outputs.index(step.target)]
        assert step.loss == pytest.approx(-math.log(step.target_probability))


def test_the_ends_of_the_encoder() -> None:
    """The bridge gets ->h of the last symbol and <-h of the first."""
    example = walkthrough()
    steps, (bridge,) = example.encoder_steps(), example.bridges()
    assert [step.symbol for step in steps] == list("hello")
    assert bridge.final == steps[-1].forward + steps[0].backward


def test_the_gradients() -> None:
    """They are those of the summed loss."""
    example = walkthrough("ab", target="bab", hidden_size=2)
    _, gradients = example.backward()
    comparisons = check_gradients(
        lambda: sum(step.loss for step in example.decoder_steps()),
        example.model.parameters,
        {name: gradient.copy() for name, gradient in gradients.items()},
    )
    assert {c.name for c in comparisons if not c.error < TOLERANCE} == set()


def test_training() -> None:
    """The loss falls until the decoder writes the target and ends, sure of every symbol."""
    example = walkthrough()
    milestones = example.train()
    assert milestones[-1].says == example.says() == "olleh"
    assert milestones[-1].loss < 0.5 < milestones[0].loss
    assert all(step.target_probability >= 0.95 for step in example.decoder_steps())
    choices = example.decode()
    assert [choice.chosen for choice in choices] == [*"olleh", END]
    assert [choice.symbol for choice in choices] == [BEGIN, *"olleh"]
    forced = example.decoder_steps()
    for choice, step in zip(choices, forced, strict=True):  # it reads what it should have read
        np.testing.assert_allclose(choice.y, step.y, rtol=0, atol=1e-12)
        np.testing.assert_allclose(choice.attention, step.attention, rtol=0, atol=1e-12)


def test_a_decoder_that_does_not_end_is_stopped() -> None:
    """Untrained, it may go on for ever."""
    example = walkthrough()
    example.model.parameters["decoder/b_y"][-1] = -100
    assert len(example.decode()) == 12
    assert len(example.says()) == 12
