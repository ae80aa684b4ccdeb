"""The walkthrough's numbers against the equations, and its training and sampling."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from charnn.config import WalkthroughConfig
from charnn.errors import InputError
from charnn.models.walkthrough import LEARNING_RATE, LONGEST_TEXT, SURE, Walkthrough


def walkthrough(text: str = "hello", **options: object) -> Walkthrough:
    """Return a walkthrough as `charnn hello` makes it."""
    return Walkthrough(WalkthroughConfig(text=text, **options))


def test_symbols_are_in_the_order_of_the_text() -> None:
    """The vocabulary of hello is h, e, l, o: as they appear, each once."""
    example = walkthrough()
    assert example.symbols == ["h", "e", "l", "o"]
    assert [example.symbols[n] for n in example.inputs[:, 0]] == list("hell")
    assert [example.symbols[n] for n in example.targets[:, 0]] == list("ello")


def test_one_hot_vectors() -> None:
    """A symbol's vector is 1 at its place and 0 elsewhere."""
    example = walkthrough()
    assert np.array_equal([example.one_hot(n) for n in range(4)], np.eye(4))


def test_the_loss_of_chance() -> None:
    """Even odds lose ln V at each step: 4 ln 4 for hello."""
    assert walkthrough().summed_loss_of_chance == pytest.approx(4 * math.log(4))
    assert walkthrough("abca").summed_loss_of_chance == pytest.approx(3 * math.log(3))


def test_it_is_computed_in_float64() -> None:
    """The numbers that are shown are exact in all their digits."""
    assert walkthrough().model.parameters.flat.dtype == np.float64


def test_the_numbers_of_an_rnn() -> None:
    """State, logits, softmax and loss of every step, written out as the equations have them."""
    example = walkthrough(cell="rnn")
    weights = dict(example.model.parameters.items())
    W_xh, W_hh, b_h = (weights[f"layer1/{name}"][0] for name in ("W_xh", "W_hh", "b_h"))
    W_hy, b_y = weights["W_hy"], weights["b_y"]
    h = [0.0] * 8
    for step, read, target in zip(example.time_steps(), "hell", "ello", strict=True):
        x = example.symbols.index(read)
        h = [
            math.tanh(W_xh[x, j] + sum(h[k] * W_hh[k, j] for k in range(8)) + b_h[j])
            for j in range(8)
        ]
        logits = [sum(h[j] * W_hy[j, v] for j in range(8)) + b_y[v] for v in range(4)]
        total = sum(math.exp(logit) for logit in logits)
        assert (step.symbol, step.target) == (read, target)
        assert step.x == [float(v == x) for v in range(4)]
        assert step.h == pytest.approx(h, abs=1e-12)
        assert step.logits == pytest.approx(logits, abs=1e-12)
        assert step.y == pytest.approx([math.exp(logit) / total for logit in logits], abs=1e-12)
        assert step.target_probability == step.y[example.symbols.index(target)]
        assert step.loss == pytest.approx(-math.log(step.target_probability), abs=1e-12)


def test_every_step_is_consistent(cell_options: dict[str, str]) -> None:
    """With every cell softmax sums to 1 and follows from the logits, and these from h."""
    example = walkthrough(**cell_options)
    parameters = example.model.parameters
    for step in example.time_steps():
        logits = np.array(step.h) @ parameters["W_hy"] + parameters["b_y"]
        assert np.allclose(step.logits, logits, atol=1e-12)
        assert sum(step.y) == pytest.approx(1, abs=1e-12)
        assert np.allclose(step.y, np.exp(logits) / np.exp(logits).sum(), atol=1e-12)


def test_the_state_is_carried(cell_options: dict[str, str]) -> None:
    """The two l of hello are read in different states."""
    _, _, first, second = walkthrough(**cell_options).time_steps()
    assert first.symbol == second.symbol == "l"
    assert not np.allclose(first.h, second.h)


def test_the_summed_loss(cell_options: dict[str, str]) -> None:
    """`backward` returns the sum of the steps' losses, near T ln V before training."""
    example = walkthrough(**cell_options)
    loss, _ = example.backward()
    assert loss == pytest.approx(sum(step.loss for step in example.time_steps()), rel=1e-12)
    assert loss == pytest.approx(example.summed_loss_of_chance, rel=0.05)


def test_the_gradients(cell_options: dict[str, str]) -> None:
    """Each is the gradient of the summed loss: every coordinate, by central differences."""
    example = walkthrough(hidden_size=3, **cell_options)
    _, gradients = example.backward()
    assert gradients.keys() == example.model.parameters.shapes.keys()
    epsilon = 1e-5
    for name, array in example.model.parameters.items():
        for at in np.ndindex(array.shape):
            losses = []
            kept = array[at]
            for sign in (1, -1):
                array[at] = kept + sign * epsilon
                losses.append(sum(step.loss for step in example.time_steps()))
            array[at] = kept
            numeric = (losses[0] - losses[1]) / (2 * epsilon)
            assert gradients[name][at] == pytest.approx(numeric, rel=1e-5, abs=1e-8), (name, at)


def test_backward_changes_nothing() -> None:
    """Gradients are computed anew each time, and the weights are left alone."""
    example = walkthrough()
    before = example.model.parameters.flat.copy()
    first, second = example.backward()[1], example.backward()[1]
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert np.array_equal(example.model.parameters.flat, before)


def test_one_update() -> None:
    """Training takes `LEARNING_RATE` times the gradient off every weight."""
    trained, example = walkthrough(), walkthrough()
    trained.train(most=1)
    for name, gradient in example.backward()[1].items():
        expected = example.model.parameters[name] - LEARNING_RATE * gradient
        assert np.allclose(trained.model.parameters[name], expected, atol=1e-14)


def test_training() -> None:
    """It ends when every target is all but sure and the network says the word."""
    example = walkthrough()
    milestones = example.train()
    assert milestones[-1].says == example.spell() == "ello"
    assert milestones[-1].loss == sum(step.loss for step in example.time_steps())
    assert min(step.target_probability for step in example.time_steps()) >= SURE


def test_milestones() -> None:
    """They are the first update, each time that it says something new, and the last update."""
    milestones = walkthrough().train()
    assert milestones[0].update == 1
    updates = [milestone.update for milestone in milestones]
    assert updates == sorted(set(updates))
    for before, after in pairwise(milestones[:-1]):
        assert before.says != after.says


def test_training_gives_up() -> None:
    """After the most updates training ends, whatever the network says."""
    milestones = walkthrough().train(most=3)
    assert milestones[-1].update == 3
    assert milestones[-1].loss < walkthrough().summed_loss_of_chance


def test_spelling_is_greedy() -> None:
    """`spell` takes the likeliest symbol each time, however often others were drawn before."""
    example = walkthrough()
    draws = example.draws(greedy=True)
    for _ in range(5):
        assert example.spell() == "".join(draw.drawn for draw in draws)
        example.draws()
    for draw in draws:
        assert draw.drawn == example.symbols[int(np.argmax(draw.y))]


def test_sampling_reads_what_it_drew() -> None:
    """From the first symbol on each step reads the one before's draw."""
    example = walkthrough("banana")
    draws = example.draws()
    assert len(draws) == 5
    assert draws[0].symbol == "b"
    assert [draw.symbol for draw in draws[1:]] == [draw.drawn for draw in draws[:-1]]


def test_sampling_follows_the_distribution() -> None:
    """Over many draws the first symbol appears as often as its share says."""
    example = walkthrough()
    first = [example.draws()[0] for _ in range(600)]
    for place, symbol in enumerate(example.symbols):
        share = sum(draw.drawn == symbol for draw in first) / len(first)
        assert share == pytest.approx(first[0].y[place], abs=0.06)


def test_a_trained_network_can_be_fed_its_own_output() -> None:
    """After training, reading its own draws gives the distributions of the table."""
    example = walkthrough()
    example.train()
    for draw, step in zip(example.draws(greedy=True), example.time_steps(), strict=True):
        assert draw.symbol == step.symbol
        assert np.allclose(draw.y, step.y, atol=1e-12)


def test_seeds() -> None:
    """The same seed gives the same weights and draws; another gives others."""
    assert walkthrough(seed=3).time_steps() == walkthrough(seed=3).time_steps()
    assert walkthrough(seed=3).draws() == walkthrough(seed=3).draws()
    assert walkthrough(seed=3).time_steps() != walkthrough(seed=4).time_steps()


@pytest.mark.parametrize("length", [0, 1, LONGEST_TEXT + 1, 1000])
def test_a_bad_length(length: int) -> None:
    """A text with nothing to predict, or too long to show, is refused with its length."""
    with pytest.raises(InputError, match=f"text has {length} characters; .* 2 to 24"):
        walkthrough("x" * length)


@pytest.mark.parametrize("length", [2, LONGEST_TEXT])
def test_the_shortest_and_the_longest(length: int) -> None:
    """Both ends of the range are taken."""
    example = walkthrough("abcdefghijklmnopqrstuvwxyz"[:length])
    assert len(example.time_steps()) == length - 1


def test_one_symbol() -> None:
    """A text of one symbol is certain from the start."""
    example = walkthrough("aaa")
    loss, gradients = example.backward()
    assert loss == 0
    assert not any(gradient.any() for gradient in gradients.values())
    assert example.train()[-1].says == "aa"


@pytest.mark.parametrize("text", ["é😀", "a\0b", "e\N{COMBINING ACUTE ACCENT}"])
def test_any_characters(text: str) -> None:
    """A symbol is a code point, whatever it looks like."""
    example = walkthrough(text)
    assert example.symbols == list(text)
    assert example.train()[-1].says == text[1:]
