"""What holds for any text, any sizes, any configuration, any logits and any checkpoint.

The profile of `tests/conftest.py` says how many examples of each are tried: a few, or with
`--hypothesis-profile=full` (`make torture`) a thousand.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import asdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from strategies import NAMES, option_values

from charnn.arrays import Array
from charnn.config import Config, read_yaml, to_yaml
from charnn.engines.shard import Shard, shared_shapes
from charnn.engines.shards_memory import SharedArrays
from charnn.generation.sampling import distribution, draw
from charnn.models.language_model import parameter_shapes
from charnn.models.model import Sizes
from charnn.nn.parameters import Parameters
from charnn.options import Value
from charnn.registry import CELLS, OPTIMIZERS
from charnn.text.batches import BOTH, Streams, fit_streams
from charnn.text.vocabulary import Vocabulary
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import Checkpoint, CorpusRecord, save_checkpoint
from charnn.training.progress import Progress

ODD = "\0\r\n\x85\u0301\u200d\u2028\ufeff\U0001f469\U0010ffff"
CHARACTERS = st.characters(codec="utf-8") | st.characters(max_codepoint=0xFF) | st.sampled_from(ODD)
TEXT = st.text(CHARACTERS, min_size=1)
WITH_SURROGATES = st.text(CHARACTERS | st.sampled_from("\ud800\udbff\udc00\udfff"), min_size=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for files that each example writes anew."""
    return tmp_path_factory.mktemp("properties")


# Vocabularies.


@given(WITH_SURROGATES, WITH_SURROGATES)
@example("\udfff\ud800", "\ud800\udfff\U000103ff")
@example("a", "\x00\x60ab\xc3\xc4\xc5\U0010ffff")  # around the table of ids up to "a"
def test_ids_of_characters_are_ranks_by_code_point(text: str, other: str) -> None:
    """Any text of characters, lone surrogates among them, is its ids and comes back from them.

    An id is a character's rank by code point among those of the text; a character that the text
    lacks gets the id that means none.
    """
    vocabulary = Vocabulary.from_text(text)
    ranks = {symbol: rank for rank, symbol in enumerate(sorted(set(text), key=ord))}
    assert len(vocabulary) == len(ranks)
    assert vocabulary.encode(text).tolist() == [ranks[symbol] for symbol in text]
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert vocabulary.missing_id not in ranks.values()
    assert vocabulary.encode(other).tolist() == [
        ranks.get(symbol, vocabulary.missing_id) for symbol in other
    ]


@given(st.lists(st.tuples(CHARACTERS, st.integers(1, 4)), min_size=1), st.integers(2, 4))
def test_rare_characters_share_the_last_id(
    characters: list[tuple[str, int]], min_count: int
) -> None:
    """Characters seen less often than asked are U+FFFD when they come back; the others stay."""
    text = "".join(symbol * count for symbol, count in [*characters, ("a", min_count)])
    counts = Counter(text)
    vocabulary = Vocabulary.from_text(text, min_count)
    ids = vocabulary.encode(text)
    shown = [symbol if counts[symbol] >= min_count else "\ufffd" for symbol in text]
    assert vocabulary.decode(ids) == "".join(shown)
    rare = [counts[symbol] < min_count for symbol in text]
    assert (ids == len(vocabulary) - 1).tolist() == rare
    assert vocabulary.unknown_id == len(vocabulary) - 1


@given(TEXT, st.binary())
def test_bytes_are_their_own_ids(text: str, raw: bytes) -> None:
    """Any text comes back from the ids of its bytes, and any bytes from themselves."""
    vocabulary = Vocabulary.of_bytes()
    ids = vocabulary.encode(text)
    assert ids.tolist() == list(text.encode())
    assert vocabulary.decode(ids) == text
    assert vocabulary.encode_block(raw).tolist() == list(raw)
    assert vocabulary.to_bytes(vocabulary.encode_block(raw)) == raw


@given(WITH_SURROGATES, WITH_SURROGATES, st.sampled_from(["all", "unknown", "bytes"]))
def test_a_saved_vocabulary_gives_the_same_ids(
    folder: Path, text: str, other: str, kind: str
) -> None:
    """What is written as `charnn vocab --out` does it is read as an equal vocabulary.

    Of lone surrogates, which files in UTF-8 cannot have, this holds for either half of a pair:
    JSON has no way to keep both, one after the other, apart from the character that they are.
    """
    assume(not (re.search("[\ud800-\udbff]", text) and re.search("[\udc00-\udfff]", text)))
    vocabulary = (
        Vocabulary.of_bytes()
        if kind == "bytes"
        else Vocabulary("".join(sorted(set(text))), unknown=kind == "unknown")
    )
    path = folder / "vocabulary.json"
    path.write_text(json.dumps(vocabulary.to_json()) + "\n", encoding="utf-8")
    loaded = Vocabulary.load(path)
    assert loaded == vocabulary
    for read in (text, other):
        assert loaded.encode(read).tolist() == vocabulary.encode(read).tolist()
        assert loaded.encode(read).dtype == vocabulary.encode(read).dtype


# Batches.


def check_epoch(streams: Streams) -> None:
    """Check an epoch over the text 0, 1, 2, ..., whose symbols are their own positions."""
    B, S = streams.batch_size, streams.length
    batches = [streams.batch(number) for number in range(streams.count)]
    windows = [(batch.inputs, batch.targets) for batch in batches]
    for number, (inputs, targets) in enumerate(windows):
        assert inputs.size == streams.weight(number)
        assert (targets == inputs + 1).all()
        whole = number < len(windows) - 1
        assert len(inputs) == streams.seq_length if whole else 1 <= len(inputs) <= S
    for (_, targets), (inputs, _) in pairwise(windows):
        assert (inputs[0] == targets[-1]).all()
    first, last = windows[0][0][0], windows[-1][1][-1]
    assert first[0] == 0
    assert (first[1:] == last[:-1]).all()
    read = np.concatenate([inputs.ravel() for inputs, _ in windows])
    assert sorted(read.tolist()) == list(range(S * B))
    assert 0 <= len(streams.ids) - 1 - S * B < B


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 400))
@example(1, 1, 1)
@example(40, 7, 39)
def test_an_epoch_reads_each_position_once(B: int, T: int, more: int) -> None:
    """Targets are inputs shifted by one; a stream, and the next, goes on where one ended.

    Over an epoch each position of the streams is an input exactly once. Of N symbols the last has
    no target, and of the other N - 1 fewer than B are left out, at the end.
    """
    check_epoch(Streams(np.arange(B + more), B, T))


@given(st.integers(2, 400), st.integers(1, 80), st.integers(1, 500))
@example(2, 80, 500)
@example(10, 2, 5)
def test_any_text_of_two_symbols_fills_a_window(N: int, B: int, T: int) -> None:
    """Sizes that are fitted to a text leave it one whole window of all streams at least.

    Windows stay as long as asked, or as the text allows; then there are as many streams.
    """
    batch, steps = fit_streams(N, B, T, BOTH)
    assert steps == min(T, N - 1)
    assert batch == min(B, (N - 1) // steps)
    streams = Streams(np.arange(N), batch, steps)
    assert streams.length >= steps
    check_epoch(streams)


@given(st.data(), st.integers(1, 40), st.integers(1, 20), st.integers(1, 100))
def test_shards_columns_are_the_whole_window(
    data: st.DataObject, B: int, T: int, more: int
) -> None:
    """The streams of all shards, side by side, are each window, and no shard is without one."""
    shards = data.draw(st.integers(1, min(B, 9)), "shards")
    config = Config.from_values(
        {"hidden_size": 1, "batch_size": B, "seq_length": T, "shards": shards, "cell": "rnn"}
    )
    ids = np.arange(B + more)
    sizes = Sizes(2, 2)
    arrays = SharedArrays(shared_shapes(config, sizes), private=True)
    cut = {"train": ids, "val": ids[:0], "test": ids[:0]}
    parts = [Shard(config, sizes, cut, arrays, number) for number in range(shards)]
    whole = Streams(ids, B, T)
    for number in range(whole.count):
        batches = [part.source.batch(number, part._share) for part in parts]
        assert all(batch.inputs.shape[1] for batch in batches)
        expected = whole.batch(number)
        for name in ("inputs", "targets"):
            seen = [getattr(batch, name) for batch in batches]
            assert np.concatenate(seen, axis=1).tolist() == getattr(expected, name).tolist()


# The configuration.


@given(option_values(), st.booleans())
@example(Config().values() | {"vocab": "a\x85b", "encoding": "none"}, False)
def test_yaml_keeps_any_configuration(
    folder: Path, values: dict[str, Value], commented: bool
) -> None:
    """A configuration is read from YAML as it was written, every float to its last bit."""
    config = Config.from_values(values)
    path = folder / "config.yaml"
    comments = dict.fromkeys(values, "why: # 'this'") if commented else None
    path.write_text(to_yaml(config.values(), comments), encoding="utf-8")
    read = read_yaml(path)
    assert repr(read) == repr(values)
    assert Config.from_values(read) == config


@given(option_values())
def test_meta_data_keep_any_configuration(values: dict[str, Value]) -> None:
    """A configuration is read from a checkpoint's JSON as it was written there."""
    config = Config.from_values(values)
    read = Config.from_values(json.loads(json.dumps(config.values())))
    assert repr(read.values()) == repr(values)
    assert read == config


# The distribution to draw from.

FLOAT32 = float(np.finfo(np.float32).max)
COMPARABLE = st.floats(-4, 4, width=32) | st.integers(-3, 3).map(float)  # some are equal
EXTREME = st.floats(-FLOAT32, FLOAT32, width=32) | st.sampled_from(
    [1e30, -1e30, FLOAT32, -FLOAT32, 0.0, -0.0, 1e-45, -math.inf]
)
LOGITS = st.lists(COMPARABLE, min_size=1, max_size=12) | st.lists(
    COMPARABLE | EXTREME, min_size=1, max_size=12
).filter(lambda logits: max(logits) > -math.inf)
TEMPERATURES = st.sampled_from([0.5, 1.0, 2.0]) | st.floats(1e-3, 1e3)
ANY_TEMPERATURE = st.sampled_from([0.0, 5e-324, 1e-300, 1e300, 1.7e308]) | TEMPERATURES


def one_row(logits: list[float], *arguments: Any, **named: Any) -> Array:
    """Return the distribution of one row of logits, which are float32 as a model's."""
    (y,) = distribution(np.array([logits], np.float32), *arguments, **named)
    return y


def ranking(y: Array) -> list[int]:
    """Return ids from the likeliest to the least likely; of equals, the lower id comes first."""
    return sorted(range(len(y)), key=lambda symbol: (-y[symbol], symbol))


def check_kept(y: Array, cut: Array, kept: list[int]) -> None:
    """Check that a cut distribution is another one's on `kept`, to scale, and zero elsewhere."""
    total = math.fsum(y[kept])
    for symbol, share in enumerate(cut):
        if symbol in kept:
            assert share == pytest.approx(y[symbol] / total, rel=1e-12, abs=1e-300)
        else:
            assert share == 0


@given(LOGITS, ANY_TEMPERATURE, st.none() | st.integers(1, 14), st.none() | st.floats(1e-9, 1))
def test_any_logits_give_a_distribution(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    """Shares are not negative and sum to 1, and what has none is never drawn.

    A greater logit has no smaller share, and a cut leaves the order of shares as it was; what is
    forbidden (minus infinity) has none; and another text beside this one changes nothing.
    """
    y = one_row(logits, temperature, top_k, top_p)
    assert (y >= 0).all()
    assert math.fsum(y) == pytest.approx(1, abs=1e-12)
    uncut = one_row(logits, temperature or 1.0)
    assert (np.diff(uncut[ranking(np.array(logits))]) <= 0).all()
    order = ranking(uncut if temperature else np.array(logits, np.float32))
    assert (np.diff(y[order]) <= 0).all()
    assert not y[np.isneginf(logits)].any()
    for uniform in (0.0, 0.5, np.nextafter(1.0, 0)):
        assert y[draw(y[None], np.array([uniform]))[0]] > 0
    both = np.array([logits, logits[::-1]], np.float32)
    assert distribution(both, temperature, top_k, top_p)[0].tolist() == y.tolist()


@given(LOGITS, TEMPERATURES)
@example([1e30, 1e30, -1e30], 1.0)
@example([-1e30, -math.inf], 1.0)
def test_shares_are_exponentials_of_logits(logits: list[float], temperature: float) -> None:
    """Without a cut, shares are as exp(logits / temperature); equal logits have equal shares."""
    y = one_row(logits, temperature)
    exact = [float(np.float32(logit)) for logit in logits]
    powers = [math.exp((logit - max(exact)) / temperature) for logit in exact]
    total = math.fsum(powers)
    for share, power in zip(y, powers, strict=True):
        assert share == pytest.approx(power / total, rel=1e-12, abs=1e-300)


@given(LOGITS)
def test_temperatures_limits(logits: list[float]) -> None:
    """At 0 the first of the likeliest is all; just above, the likeliest share; far up, anyone.

    "Far up" is beyond all differences of logits, and "just above" is below them all.
    """
    exact = np.array(logits, np.float32).astype(np.float64)
    best, allowed = exact == exact.max(), exact > -np.inf
    assert one_row(logits, 0.0).tolist() == (np.arange(len(exact)) == exact.argmax()).tolist()
    assert one_row(logits, 5e-324).tolist() == (best / best.sum()).tolist()
    even = (allowed / allowed.sum()).tolist()
    assert one_row(logits, 1e300).tolist() == pytest.approx(even, rel=1e-12)


@given(LOGITS, TEMPERATURES, st.integers(1, 14))
@example([1.0, 1.0, 1.0], 1.0, 2)
@example([0.0, -math.inf, 0.0], 1.0, 3)
def test_top_k_keeps_exactly_the_k_likeliest(
    logits: list[float], temperature: float, k: int
) -> None:
    """The k likeliest remain, to scale; of equals, those with the lower ids.

    They are fewer only where fewer than k have a share that a float can hold.
    """
    y = one_row(logits, temperature)
    kept = [symbol for symbol in ranking(y)[:k] if y[symbol] > 0]
    event("fewer than k" if len(kept) < k else "k")
    check_kept(y, one_row(logits, temperature, top_k=k), kept)


@given(LOGITS, TEMPERATURES, st.floats(1e-9, 1) | st.sampled_from([0.25, 0.5, 1.0]))
@example([0.0, 0.0, 0.0, 0.0], 1.0, 0.5)
def test_top_p_keeps_the_smallest_set_that_reaches_p(
    logits: list[float], temperature: float, p: float
) -> None:
    """What remains, to scale, is as few of the likeliest as hold p together, within rounding."""
    y = one_row(logits, temperature)
    cut = one_row(logits, temperature, top_p=p)
    count = np.count_nonzero(cut)
    kept = ranking(y)[:count]
    check_kept(y, cut, kept)
    share = sum(Fraction(y[symbol]) for symbol in kept)
    assert share >= p - 1e-14
    assert share - Fraction(y[kept[-1]]) < p + 1e-14


@given(LOGITS, TEMPERATURES, st.integers(1, 14), st.floats(1e-9, 1))
@example([0.0, 0.0, 0.0, 0.0], 1.0, 2, 0.75)
def test_top_p_is_of_what_top_k_left(
    logits: list[float], temperature: float, k: int, p: float
) -> None:
    """With both cuts the share is reached among the k likeliest."""
    y = one_row(logits, temperature, top_k=k)
    cut = one_row(logits, temperature, top_k=k, top_p=p)
    kept = ranking(y)[: np.count_nonzero(cut)]
    check_kept(y, cut, kept)
    share = sum(Fraction(y[symbol]) for symbol in kept)
    assert share >= p - 1e-14
    assert share - Fraction(y[kept[-1]]) < p + 1e-14


# Checkpoints.

LOSSES = st.none() | st.floats(-1e99, 1e99)
COUNTS = st.integers(0, 2**53)
PROGRESS = st.builds(
    Progress,
    update=COUNTS,
    smoothed_loss=LOSSES,
    best_loss=LOSSES,
    best_update=COUNTS,
    best_accuracy=st.none() | st.floats(0, 1),
    stale=COUNTS,
    plateau=COUNTS,
    reductions=COUNTS,
    rollbacks=COUNTS,
    seconds=st.floats(0, 1e9),
    history=st.lists(st.tuples(COUNTS, st.floats(-1e99, 1e99), LOSSES), max_size=3).map(
        lambda rows: sorted(rows, key=lambda row: row[0])
    ),
)
RECORD = st.builds(
    CorpusRecord,
    name=NAMES,
    files=st.lists(NAMES, max_size=2),
    fingerprint=st.text("0123456789abcdef", min_size=64, max_size=64),
    parts=st.fixed_dictionaries(dict.fromkeys(["train", "val", "test"], COUNTS)),
)


def any_numbers(random: np.random.Generator, *shape: int) -> Array:
    """Return float32 numbers of any finite bits: subnormal, huge, negative zeros."""
    numbers = random.integers(0, 2**32, shape, np.uint32).view(np.float32)
    numbers[~np.isfinite(numbers)] = -0.0
    return numbers


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    """Draw a checkpoint of a small model, of the kind that is resumed or of the other."""
    config = Config.from_values(
        {
            "cell": draw(st.sampled_from(list(CELLS))),
            "gru_reset": draw(st.sampled_from(["before", "after"])),
            "hidden_size": draw(st.integers(1, 5)),
            "num_layers": draw(st.integers(1, 3)),
            "embedding_size": draw(st.none() | st.integers(1, 4)),
            "batch_size": draw(st.integers(1, 4)),
            "optimizer": draw(st.sampled_from(list(OPTIMIZERS))),
            "ema_decay": draw(st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True)),
            "learning_rate": draw(st.floats(0, 1, exclude_min=True)),
        }
    )
    symbols = "".join(sorted(set(draw(TEXT))))
    vocabulary = draw(
        st.sampled_from(
            [Vocabulary(symbols), Vocabulary(symbols, unknown=True), Vocabulary.of_bytes()]
        )
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    parameters = Parameters(parameter_shapes(config.model, len(vocabulary)))
    parameters.flat[:] = random.normal(0, 0.5, parameters.flat.size)
    parameters.flat[::7] = -0.0
    rest: dict[str, Any] = {}
    if draw(st.booleans()):
        size, shape = parameters.flat.size, (config.training.batch_size, config.model.hidden_size)
        slots = OPTIMIZERS[config.training.optimizer].slots
        rest["optimizer"] = {slot: any_numbers(random, size) for slot in slots}
        rest["states"] = {
            f"layer{number}/{state}": any_numbers(random, *shape)
            for number in range(1, config.model.num_layers + 1)
            for state in CELLS[config.model.cell].states
        }
        if config.training.ema_decay is not None:
            rest["average"] = parameters.flat[::-1].copy()
    return Checkpoint(config, vocabulary, parameters, draw(PROGRESS), draw(RECORD), **rest)


def content(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return all that a checkpoint holds, every number to its last bit."""
    optimizer, states, average = checkpoint.optimizer, checkpoint.states, checkpoint.average
    return {
        "config": repr(checkpoint.config),
        "vocabulary": checkpoint.vocabulary,
        "shapes": checkpoint.parameters.shapes,
        "parameters": checkpoint.parameters.flat.tobytes(),
        "optimizer": optimizer and {slot: array.tobytes() for slot, array in optimizer.items()},
        "states": states and {name: array.tobytes() for name, array in states.items()},
        "average": None if average is None else average.tobytes(),
        "progress": repr(checkpoint.progress),
        "corpus": asdict(checkpoint.corpus),
        "provenance": checkpoint.provenance,
    }


def logits_of(checkpoint: Checkpoint) -> bytes:
    """Return the bits of the logits that a checkpoint's model gives for a short text."""
    model = checkpoint.model
    ids = np.arange(6).reshape(3, 2) % len(checkpoint.vocabulary)
    logits, _, _ = model.logits(ids, model.zero_states(2))
    return logits.tobytes()


@given(checkpoints())
def test_a_checkpoint_is_read_as_it_was_saved(folder: Path, saved: Checkpoint) -> None:
    """Any model, with or without what it takes to go on, is the same to its last bit when read.

    So are the logits that it computes.
    """
    path = folder / "checkpoint.npz"
    save_checkpoint(path, saved)
    loaded = load_checkpoint(path)
    assert content(loaded) == content(saved)
    assert logits_of(loaded) == logits_of(saved)
