"""`charnn hello`: the walkthrough, and that its numbers agree with each other."""

from __future__ import annotations

import math
import re
from functools import cache, partialmethod
from itertools import pairwise

import pytest
from commands import data, in_words, on_terminal, output, refusal

from charnn.models.walkthrough import Walkthrough
from charnn.nn.parameters import count
from charnn.registry import CELLS


def flags(kind: tuple[str, str]) -> list[str]:
    """Return the flags that choose a cell."""
    name, form = kind
    return ["--cell", name, *(["--gru-reset", form] if form else [])]


@pytest.fixture
def found(kind: tuple[str, str]) -> dict:
    """Return the walkthrough with a cell as data."""
    return walkthrough(*flags(kind))


@cache
def walkthrough(*options: str) -> dict:
    """Return a walkthrough as data, made once."""
    return data("hello", *options)


@cache
def story(*options: str) -> str:
    """Return a walkthrough as it is narrated, made once."""
    return output("hello", *options)


def is_bounded(kind: tuple[str, str]) -> bool:
    """Say whether a cell's state lies between -1 and 1, as one that is made by tanh does."""
    name, form = kind
    return "tanh" in " ".join(CELLS[name].forms()[form].equations)


def check_steps(steps: list[dict], symbols: list[str], text: str, bounded: bool) -> None:
    """Check that every number of a table of time steps follows from those before it."""
    assert [step["symbol"] for step in steps] == list(text[:-1])
    assert [step["target"] for step in steps] == list(text[1:])
    for step in steps:
        place = symbols.index(step["symbol"])
        assert step["x"] == [float(n == place) for n in range(len(symbols))]
        assert all(-1 < h < 1 if bounded else math.isfinite(h) for h in step["h"])
        total = sum(math.exp(logit) for logit in step["logits"])
        assert step["y"] == pytest.approx([math.exp(logit) / total for logit in step["logits"]])
        assert sum(step["y"]) == pytest.approx(1, abs=1e-12)
        assert step["target_probability"] == step["y"][symbols.index(step["target"])]
        assert step["loss"] == pytest.approx(-math.log(step["target_probability"]))


def test_the_vocabulary(found: dict) -> None:
    """The symbols are h, e, l, o in this order, with the four one-hot vectors."""
    assert found["symbols"] == ["h", "e", "l", "o"]
    assert found["one_hot"] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_the_shapes(found: dict, kind: tuple[str, str]) -> None:
    """V = 4 and H = 8 give the shapes of all the weights."""
    shapes = {name.removeprefix("layer1/"): shape for name, shape in found["shapes"].items()}
    name, form = kind
    cell = CELLS[name].forms()[form]
    layer = {weight: list(shape) for weight, shape in cell.shapes(4, 8).items()}
    assert shapes == {**layer, "W_hy": [8, 4], "b_y": [4]}
    assert shapes["W_xh"] == [len(cell.gates), 4, 8]


def test_the_time_steps(found: dict, kind: tuple[str, str]) -> None:
    """Input hell, target ello; softmax sums to 1, and each loss is -ln of the target's share."""
    for when in ("before", "after"):
        check_steps(found[when], found["symbols"], "hello", is_bounded(kind))
        assert all(len(step["h"]) == 8 for step in found[when])


def test_the_summed_loss(found: dict) -> None:
    """It is the sum of the steps' losses, and starts within 5 % of 4 ln 4."""
    assert found["summed_loss"] == pytest.approx(sum(step["loss"] for step in found["before"]))
    assert found["summed_loss_of_chance"] == pytest.approx(4 * math.log(4))
    assert found["summed_loss"] == pytest.approx(4 * math.log(4), rel=0.05)


def test_the_gradients(found: dict) -> None:
    """Every weight has a gradient, and none of them is zero."""
    assert found["gradient_norms"].keys() == found["shapes"].keys()
    assert all(norm > 0 for norm in found["gradient_norms"].values())


def test_training(found: dict) -> None:
    """Training lowers the loss until the network says ello."""
    milestones = found["training"]
    assert milestones[0]["update"] == 1
    updates = [milestone["update"] for milestone in milestones]
    assert updates == sorted(set(updates))
    assert milestones[-1]["says"] == "ello"
    assert milestones[-1]["loss"] == pytest.approx(sum(step["loss"] for step in found["after"]))
    assert milestones[-1]["loss"] < 0.05 * found["summed_loss"]


def test_sampling(found: dict) -> None:
    """Sampling starts from h and reads what it has drawn."""
    draws = found["sampling"]
    assert len(draws) == 4
    assert draws[0]["symbol"] == "h"
    for draw, after in pairwise(draws):
        assert after["symbol"] == draw["drawn"]
    for draw in draws:
        assert sum(draw["y"]) == pytest.approx(1)
        assert draw["drawn"] in found["symbols"]
    assert draws[0]["y"] == pytest.approx(found["after"][0]["y"])


def test_it_is_repeatable() -> None:
    """The same seed gives the same numbers, and another seed others."""
    assert data("hello") == walkthrough()
    assert data("hello", "--seed", 2)["before"] != walkthrough()["before"]
    assert output("hello") == story()


@pytest.mark.parametrize("text", ["banana", "ab", "hé 😀", "[b]x"])
def test_another_word(text: str) -> None:
    """--text takes any other short word."""
    found = data("hello", "--text", text)
    assert found["symbols"] == list(dict.fromkeys(text))
    check_steps(found["before"], found["symbols"], text, bounded=True)
    check_steps(found["after"], found["symbols"], text, bounded=True)
    T, V = len(text) - 1, len(set(text))
    assert found["summed_loss_of_chance"] == pytest.approx(T * math.log(V))
    assert found["training"][-1]["says"] == text[1:]


def test_the_word_none() -> None:
    """The word none is a word like any other."""
    assert data("hello", "--text", "none")["symbols"] == ["n", "o", "e"]


def test_another_hidden_size() -> None:
    """--hidden-size changes states and shapes."""
    found = data("hello", "--hidden-size", 20)
    assert all(len(step["h"]) == 20 for step in found["before"])
    assert found["shapes"]["W_hy"] == [20, 4]


def test_the_story(found: dict, kind: tuple[str, str]) -> None:
    """The narrated walkthrough prints the numbers of the data: nothing is written down."""
    shown = story(*flags(kind))
    for when in ("before", "after"):
        for step in found[when]:
            assert f"{step['target_probability']:.4f}" in shown
            assert f"{step['loss']:.4f}" in shown
            for logit, share in zip(step["logits"], step["y"], strict=True):
                assert f"{logit:.2f}" in shown
                assert f"{share:.3f}" in shown
            assert all(f"{h:.2f}" in shown for h in step["h"])
    for draw in found["sampling"]:
        assert all(f"{share:.3f}" in shown for share in draw["y"])
    for norm in found["gradient_norms"].values():
        assert f"{norm:.4f}" in shown
    for milestone in found["training"]:
        assert f"{milestone['loss']:.4f}" in shown
        assert f"h{milestone['says']}" in shown
    assert f"summed loss {found['summed_loss']:.4f}" in shown
    assert f"T ln V = 4 ln 4 = {found['summed_loss_of_chance']:.4f}" in shown


def test_the_story_shows_shapes_and_counts(found: dict, kind: tuple[str, str]) -> None:
    """Each parameter stands in the table with its shape and its number of elements."""
    shown = story(*flags(kind))
    for name, shape in found["shapes"].items():
        short = re.escape(name.removeprefix("layer1/"))
        sizes = re.escape(" x ".join(map(str, shape)))
        assert re.search(
            rf"^ *{short} +{sizes} +{count({name: tuple(shape)})} ", shown, re.MULTILINE
        )
        assert re.search(rf"^ *d{short} +{sizes} +\d", shown, re.MULTILINE)
    assert "V = 4" in shown
    assert "H = 8" in shown


def test_the_diagram() -> None:
    """The network is drawn unrolled: input, state and target of a time step in one column."""
    lines = story().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("   softmax"))
    target, softmax, _, states, _, inputs = lines[start - 1 : start + 5]
    assert target.split() == ["target", *"ello"]
    assert softmax.split() == ["softmax", "y_1", "y_2", "y_3", "y_4"]
    assert " ".join(states.split()) == "W_hh h_0 > h_1 > h_2 > h_3 > h_4"
    assert inputs.split() == ["input", *"hell"]
    for t, (read, predicted) in enumerate(zip("hell", "ello", strict=True), 1):
        place = softmax.index(f"y_{t}")
        assert states.index(f"h_{t}") == place
        assert (inputs[place], target[place]) == (read, predicted)


def test_the_equations(kind: tuple[str, str]) -> None:
    """The cell's own equations are shown."""
    name, form = kind
    shown = story(*flags(kind))
    for equation in CELLS[name].forms()[form].equations:
        assert equation in shown


def test_the_story_ends_with_the_word() -> None:
    """It tells when the word is learned, and samples from its first letter."""
    shown = in_words(story())
    milestones = walkthrough()["training"]
    assert f"After {milestones[-1]['update']} updates it says 'ello'." in shown
    drawn = "".join(draw["drawn"] for draw in walkthrough()["sampling"])
    assert f" h{drawn} " in shown


def test_it_admits_defeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that has not learned the word says so instead of claiming success."""
    monkeypatch.setattr(Walkthrough, "train", partialmethod(Walkthrough.train, most=5))
    shown = in_words(output("hello", "--cell", "lstm"))
    assert "After 5 updates it still says" in shown
    assert "updates it says" not in shown


def test_quiet() -> None:
    """--quiet leaves the tables and drops the story."""
    quiet, whole = output("hello", "--quiet"), story()
    assert len(quiet) < len(whole)
    assert set(quiet.splitlines()) <= set(whole.splitlines())
    assert not re.search(r"^\d\. ", quiet, re.MULTILINE)
    assert "y_1" in quiet
    assert "W_hh" in quiet


@pytest.mark.parametrize("kind_of_output", [[], ["--json"]])
@pytest.mark.parametrize("text", ["", "h", "x" * 25])
def test_a_bad_length(text: str, kind_of_output: list[str]) -> None:
    """A text with nothing to predict, or too long to show, is refused with its length."""
    sentence = refusal("hello", "--text", text, *kind_of_output)
    assert f"{len(text)} characters" in sentence
    assert "2 to 24" in sentence


def test_the_longest_text_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many symbols a word has, no column of a table is cut off."""
    monkeypatch.setattr(Walkthrough, "train", partialmethod(Walkthrough.train, most=5))
    text = "abcdefghijklmnopqrstuvwx"
    shown = output("hello", "--text", text, "--cell", "gru")
    assert "…" not in shown
    found = data("hello", "--text", text, "--cell", "gru")
    assert all(f"{step['loss']:.4f}" in shown for step in found["before"])


def test_an_ordinary_terminal() -> None:
    """On 80 columns no number is cut off."""
    shown = on_terminal("hello", columns=80, TERM="dumb")
    assert "…" not in shown
    for step in walkthrough()["before"]:
        assert f"{step['loss']:.4f}" in shown
        assert f"{step['target_probability']:.4f}" in shown


def test_one_symbol_only() -> None:
    """A text of one symbol is certain: the loss is 0, and is not shown as -0."""
    found = data("hello", "--text", "aaa")
    assert found["summed_loss"] == 0
    assert "-0.0000" not in output("hello", "--text", "aaa")


def test_odd_symbols() -> None:
    """Spaces and control characters are named, in the tables and in the diagram."""
    shown = output("hello", "--text", "a\tb\n")
    assert re.search(r"^ *1 +tab +0 1 0 0", shown, re.MULTILINE)
    assert re.search(r"^ *input +a +tab +b$", shown, re.MULTILINE)
    assert re.search(r"^ *target +tab +b +newline$", shown, re.MULTILINE)
    assert "\t" not in shown


def test_an_unknown_cell() -> None:
    """A cell that does not exist is refused; those that do are listed."""
    assert refusal("hello", "--cell", "transformer").endswith(f"choose {', '.join(CELLS)}.")


def test_every_cell_can_be_walked_through() -> None:
    """--cell offers whatever cells are registered."""
    assert f"--cell {'|'.join(CELLS)} " in in_words(output("hello", "--help"))
