"""Defaults of a language model that follow from its cell, its text and the length of its run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import charnn
from charnn.config import Config
from charnn.registry import CELLS
from charnn.tasks.text_defaults import FEWEST, LSTM, RNN, RULES, SHORT, suited

BY_TEXT = [name for name, declared in Config.options().items() if declared.by_text]
LONG = 50_000_000  # symbols
PLAY = Path(__file__).parents[2] / "data" / "the-tide-clock.txt"


def chosen(symbols: int, asked: tuple[str, ...] = (), **values: object) -> dict[str, object]:
    """Return what is chosen for a text."""
    config, _ = suited(Config.from_values(values), symbols, asked)
    return {name: config.values()[name] for name in BY_TEXT}


def test_every_cell_has_a_rule() -> None:
    """A new cell needs one, too."""
    assert set(RULES) == set(CELLS)


@pytest.mark.parametrize("cell", CELLS)
def test_all_of_them_are_chosen(cell: str) -> None:
    """The note names the options that are declared to follow from the text, and their values."""
    config, (note,) = suited(Config.from_values({"cell": cell}), 1_000_000, ())
    names = ["steps", "learning_rate", *RULES[cell].companions(1_000_000), "dropout"]
    assert {*names, *RNN.companions(1_000_000)} == set(BY_TEXT)
    words = ", ".join(f"{name}={config.values()[name]}" for name in names)
    assert note == f"defaults for the cell {cell} and 1,000,000 symbols: {words}"


def test_a_short_text_is_read_a_few_times() -> None:
    """A long text takes the cell's most updates, a short one its most passes."""
    assert chosen(LONG)["steps"] == LSTM.steps
    assert chosen(63_625)["steps"] == math.ceil(LSTM.passes * 63_625 / (16 * 64))
    assert chosen(63_625, batch_size=8)["steps"] == math.ceil(LSTM.passes * 63_625 / (8 * 64))
    assert chosen(63_625, cell="rnn")["steps"] == math.ceil(RNN.passes * 63_625 / (16 * 64))


def test_short_runs_take_large_steps() -> None:
    """The learning rate falls with the number of updates; it has a highest value."""
    rates = [chosen(LONG, steps=steps)["learning_rate"] for steps in (10, 1_000, 6_000, 60_000)]
    assert rates[0] == LSTM.highest
    assert rates[2] == LSTM.rate
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 4


def test_wide_networks_take_smaller_steps() -> None:
    """Narrow ones take no larger ones."""
    rates = [chosen(LONG, hidden_size=size)["learning_rate"] for size in (64, 256, 1_024)]
    assert rates == [LSTM.rate, LSTM.rate, LSTM.rate / 2]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("rnn", [0.0063, 0.0063, 0.0039, 0.0031, 0.0031]),
        ("gru", [0.0074, 0.0074, 0.0062, 0.0062, 0.0062]),
        ("lstm", [0.0099, 0.0099, 0.0099, 0.0099, 0.0099]),
    ],
)
def test_long_texts_take_smaller_steps(cell: str, expected: list[float]) -> None:
    """Except with an LSTM; down to the cell's lowest factor."""
    lengths = (600_000, 1_000_000, 1_600_000, 2_000_000, LONG)
    rates = [chosen(symbols, cell=cell, steps=20_000)["learning_rate"] for symbols in lengths]
    assert rates == expected


def test_dropout_grows_with_the_passes() -> None:
    """From none to the cell's highest."""
    found = [chosen(1_000_000, epochs=passes)["dropout"] for passes in (0.1, 3, 6, 12, 100)]
    assert found[0] == 0
    assert found[3] == found[4] == LSTM.dropout
    assert found == sorted(found)
    assert len(set(found)) == 4


def test_dropout_grows_with_the_weights_for_each_symbol() -> None:
    """Few weights and a long text need none; beyond a point, more weights need no more."""
    by_size = [chosen(1_000_000, epochs=6, hidden_size=size)["dropout"] for size in (32, 256, 320)]
    by_length = [chosen(length, epochs=6)["dropout"] for length in (40_000_000, 1_000_000, 640_000)]
    assert by_size[0] == by_length[0] == 0
    assert by_size[1] == by_length[1] == 0.12
    assert by_size[2] == by_length[2] == round(LSTM.dropout / 4 * (320 / 256) ** 2, 2)
    assert chosen(640_000, epochs=6, hidden_size=1_024)["dropout"] == LSTM.dropout / 2


def test_a_few_words_are_learnt_by_heart() -> None:
    """They are read often enough for that, and without dropout."""
    assert chosen(SHORT - 1, batch_size=2)["steps"] == FEWEST
    assert chosen(SHORT - 1, batch_size=2)["dropout"] == 0
    assert chosen(SHORT, batch_size=2)["dropout"] == LSTM.dropout


def test_hello(tmp_path: Path) -> None:
    """The tutorials' text is known after a run with nothing but defaults."""
    text = tmp_path / "hello.txt"
    text.write_text("hello\n" * 3, encoding="utf-8")
    run = charnn.train(text, hidden_size=16)
    for _ in run:
        pass
    assert run.trainer.total == FEWEST
    assert run.trainer.progress.best_loss is not None
    assert run.trainer.progress.best_loss < 0.2


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_options_that_go_with_a_cells_rates(cell: str) -> None:
    """They come with the chosen learning rate; one that is asked for leaves the others."""
    companions, usual = RULES[cell].companions(LONG), Config.from_values({}).values()
    whole = chosen(LONG, cell=cell)
    assert companions
    assert companions.items() <= whole.items()
    found = chosen(LONG, ("learning_rate",), cell=cell)
    assert all(found[option] == usual[option] for option in companions)
    assert chosen(LONG, cell=cell, weight_decay=0.07) == whole | {"weight_decay": 0.07}
    assert chosen(LONG, cell=cell, optimizer="adamw") == whole
    for name in companions.keys() - {"optimizer", "weight_decay"}:
        assert chosen(LONG, (name,), cell=cell) == whole | {name: usual[name]}


@pytest.mark.parametrize("cell", CELLS)
def test_without_weight_decay_steps_are_careful(cell: str) -> None:
    """Those of the cells without a rule of their own, and Adam's constants."""
    usual = Config.from_values({}).values()
    plain = chosen(LONG, cell="layernorm-lstm", steps=2_000)
    expected = {"learning_rate": plain["learning_rate"]}
    expected |= {name: usual[name] for name in ("weight_decay", "beta2", "clip_norm")}
    adam = chosen(LONG, ("optimizer",), cell=cell, steps=2_000)
    none = chosen(LONG, ("weight_decay",), cell=cell, steps=2_000, weight_decay=0)
    assert adam.items() >= {**expected, "optimizer": "adam"}.items()
    assert none == adam


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("rnn", [0.03] * 4), ("gru", [0.05] * 4), ("lstm", [0.05, 0.04, 0.03, 0.03])],
)
def test_short_texts_take_more_weight_decay(cell: str, expected: list[float]) -> None:
    """With an LSTM, up to its highest."""
    lengths = (63_625, 750_000, 1_000_000, LONG)
    assert [chosen(symbols, cell=cell)["weight_decay"] for symbols in lengths] == expected


@pytest.mark.parametrize("cell", CELLS)
def test_other_optimisers_keep_the_constants(cell: str) -> None:
    """A learning rate for AdamW says nothing about theirs."""
    declared = Config.from_values({})
    for name in ("learning_rate", "weight_decay", "beta2", "clip_norm"):
        assert chosen(LONG, cell=cell, optimizer="sgd")[name] == declared.values()[name]


def test_what_is_asked_for_stays() -> None:
    """Also where it is the declared default; the others follow from it."""
    plain = chosen(63_625)
    assert chosen(63_625, ("dropout",), dropout=0.1) == plain | {"dropout": 0.1}
    assert chosen(63_625, ("learning_rate",), learning_rate=0.008)["learning_rate"] == 0.008
    assert chosen(63_625, (), learning_rate=0.5)["learning_rate"] == 0.5
    assert chosen(63_625, (), dropout=0.25)["dropout"] == 0.25
    whole = Config.from_values({"steps": 5, "dropout": 0.1, "learning_rate": 0.008})
    assert suited(whole, 63_625, ("dropout", "learning_rate")) == (whole, [])


def test_a_run_for_a_time_is_not_known_yet() -> None:
    """Its number of updates comes first."""
    config = Config.from_values({"time": "3m"})
    assert suited(config, 63_625, ()) == (config, [])


def test_runs_have_them() -> None:
    """They are in the run's configuration, said in its notes, and other weights keep their rate."""
    run = charnn.train(PLAY, hidden_size=4, steps=2)
    config, (note,) = suited(Config.from_values({"hidden_size": 4, "steps": 2}), 63_625, ())
    assert run.trainer.config == config.replace(shards=run.trainer.config.training.shards)
    assert note in run.notes
    timed = charnn.train(PLAY, hidden_size=4, time="3s").trainer.config
    same = chosen(63_625, hidden_size=4, steps=timed.training.steps)
    assert (timed.model.dropout, timed.training.learning_rate) == (
        same["dropout"],
        same["learning_rate"],
    )


def test_weights_that_have_learnt_keep_the_constant_rate(tmp_path: Path) -> None:
    """Large steps would undo what the weights know."""
    first = charnn.train(PLAY, hidden_size=4, steps=2, out=tmp_path / "run")
    for _ in first:
        pass
    again = charnn.train(PLAY, hidden_size=4, steps=2, init_from=tmp_path / "run")
    assert again.trainer.config.training.learning_rate == 0.008
