"""Scheduled sampling's inputs, against an oracle that reads every prefix anew."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import Config
from charnn.engines.shards import Shards
from charnn.generation.feedback import mixed
from charnn.models.delimiters import delimited
from charnn.models.labelled_model import LabelledModel
from charnn.models.language_model import LanguageModel
from charnn.models.model import Model, Sizes
from charnn.models.stack import LayerStates
from charnn.models.transducer import Transducer, within
from charnn.nn.buffers import Buffers
from charnn.nn.teacher_forcing import share_of_data
from charnn.tasks.registry import TASKS
from charnn.text.batches import Batch
from charnn.text.corpus import corpus_in_memory
from charnn.text.vocabulary import Vocabulary

N, V, H = 5, 4, 7  # symbols of the source (or labels), of the target, hidden units
T, B = 6, 3
LENGTHS, TARGET_LENGTHS = np.array([4, 1, 3]), np.array([6, 0, 3])
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "lm": ("lm", {"num_layers": 2}),
    "lm with attention": ("lm", {"attention": "general", "attention_span": 4}),
    "transduce": ("transduce", {"attention": "additive", "bidirectional": True}),
    "transduce without attention": ("transduce", {"attention": None, "num_layers": 2}),
    "generate": ("generate", {"embedding_size": H, "tie_weights": True}),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def subject(kind: str) -> tuple[Model, Batch, LayerStates]:
    """Return a random model in float64 whose predictions are far from even, a batch, and states."""
    task, options = KINDS[kind]
    config = Config.from_values(
        {"task": task, "hidden_size": H, "dropout": 0, "cell": "gru", "init_scale": 3, **options}
    )
    sizes = Sizes(V, V) if task == "lm" else Sizes(N, V)
    model = TASKS[task].model.started(config.model, sizes, 1, np.float64)
    random = np.random.default_rng(2)
    symbols = random.integers(0, V, (T + 1, B))
    if task == "lm":
        states = [
            tuple(random.standard_normal(state.shape) for state in layer)
            for layer in model.zero_states(B)
        ]
        return model, Batch(symbols[:-1], symbols[1:]), states
    if task == "generate":
        labels = random.integers(0, N, (1, B))
        return model, Batch(labels, symbols[:-1], target_lengths=TARGET_LENGTHS), []
    sources = random.integers(0, N, (LENGTHS.max(), B))
    return model, Batch(sources, symbols[:-1], LENGTHS, target_lengths=TARGET_LENGTHS), []


def fed_back(kind: str, share: float, seed: int = 3) -> Batch:
    """Return a kind's batch with a share of the data's symbols."""
    model, batch, states = subject(kind)
    random = np.random.default_rng(seed)
    return TASKS[KINDS[kind][0]]().fed_back(model, batch, states, share, random)


def read(kind: str, batch: Batch) -> Array:
    """Return what a batch's model reads, (T, B), or (T + 1, B) with the delimiter."""
    if KINDS[kind][0] == "lm":
        return batch.inputs
    if batch.fed is not None:
        return batch.fed
    return delimited(batch.targets, batch.target_ends, V)[0]


def last_logits(kind: str, prefix: Array) -> Array:
    """Return the logits (B, V) after a prefix, read by the model as a whole."""
    model, batch, states = subject(kind)
    buffers, rows = Buffers(), prefix.shape[1]
    if isinstance(model, LanguageModel):
        logits, _, _ = model.logits(prefix, states)
    elif isinstance(model, LabelledModel):
        labels = np.broadcast_to(model.label_ids(batch.inputs[0]), prefix.shape)
        zeros = model.stack.zero_states(rows, "d")
        ids = np.stack([prefix, labels], axis=-1)
        h, _, _ = model.stack.run(model.parameters, ids, zeros)
        logits, _ = model.head.logits(model.parameters, h, buffers)
    else:
        assert isinstance(model, Transducer)
        keys, first, _ = model.encode(batch.inputs, batch.lengths, buffers)
        allowed = within(len(batch.inputs), batch.lengths)
        h, _, _ = model.decode(prefix, keys, allowed, first, buffers)
        logits, _ = model.network.head.logits(model.parameters.group("decoder"), h, buffers)
    return logits.reshape(len(prefix), rows, -1)[-1]


def oracle(kind: str, share: float, seed: int = 3) -> Array:
    """Return what is read: symbol by symbol, each drawn after its whole prefix.

    The random numbers are those of `mixed`: first whose the symbols are, then what is drawn.
    """
    _, batch, _ = subject(kind)
    data, random = read(kind, batch), np.random.default_rng(seed)
    whose, uniform = random.random(data.shape), random.random(data.shape)
    found = data.copy()
    for t in range(1, len(data)):
        for b, z in enumerate(last_logits(kind, found[:t])):
            p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
            symbol, passed = 0, p[0]
            while passed <= uniform[t, b] and symbol < len(p) - 1:
                symbol += 1
                passed += p[symbol]
            if whose[t, b] >= share and symbol != V:
                found[t, b] = symbol
    return found


@every_kind
def test_a_share_of_one_is_the_data(kind: str) -> None:
    """Nothing is drawn."""
    _, batch, _ = subject(kind)
    assert np.array_equal(read(kind, fed_back(kind, 1.0)), read(kind, batch))


@every_kind
@pytest.mark.parametrize("share", [1e-9, 0.4, 0.75])
def test_what_is_read_is_the_oracles(kind: str, share: float) -> None:
    """Each symbol is the data's, or drawn after all that was read before it, not after the data."""
    _, batch, _ = subject(kind)
    found = read(kind, fed_back(kind, share))
    assert np.array_equal(found, oracle(kind, share))
    assert share > 0.5 or not np.array_equal(found, read(kind, batch))


@every_kind
def test_only_what_is_read_changes(kind: str) -> None:
    """Targets, sources and lengths stay; the first inputs are the data's."""
    _, batch, _ = subject(kind)
    before = batch.inputs.copy(), batch.targets.copy()
    changed = fed_back(kind, 1e-9)
    assert np.array_equal(read(kind, changed)[0], read(kind, batch)[0])
    names = {"targets", "lengths", "target_lengths", "weights", "inputs"}
    for name in names - ({"inputs"} if KINDS[kind][0] == "lm" else set()):
        assert getattr(changed, name) is getattr(batch, name), name
    assert np.array_equal(batch.inputs, before[0])
    assert np.array_equal(batch.targets, before[1])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind][0] != "lm"])
def test_the_end_is_never_read(kind: str) -> None:
    """Where the end is drawn, the data's symbol stays; the delimiter is read first and no more."""
    for seed in range(20):
        symbols = read(kind, fed_back(kind, 1e-9, seed))
        assert (symbols[0] == V).all()
        assert (symbols[1:] < V).all()


def test_a_model_that_always_ends_reads_the_data() -> None:
    """Where nothing but the delimiter is drawn, nothing changes; a symbol would be read."""
    data = np.random.default_rng(1).integers(0, V, (5, B))
    for symbol in (V, 2):
        logits = np.full((B, V + 1), -1e9)
        logits[:, symbol] = 0
        found = mixed(data, lambda _, z=logits: z, 1e-9, np.random.default_rng(1), V)
        expected = data.copy()
        expected[1:] = data[1:] if symbol == V else symbol
        assert np.array_equal(found, expected)


def test_how_many_are_the_models() -> None:
    """Of many inputs, 1 - share come from the model, at every step alike."""
    data, share = np.zeros((60, 500), np.intp), 0.7
    ones = np.tile([-1e9, 0.0], (500, 1))
    found = mixed(data, lambda _: ones, share, np.random.default_rng(4))
    assert not found[0].any()
    assert found[1:].mean() == pytest.approx(1 - share, abs=4 * (0.21 / found[1:].size) ** 0.5)
    assert np.abs(found[1:].mean(axis=1) - 0.3).max() < 5 * (0.21 / 500) ** 0.5


def test_symbols_are_drawn_as_likely_as_they_are() -> None:
    """The model's symbols have the model's frequencies, not only its likeliest one."""
    p = np.array([0.5, 0.2, 0.3])
    z = np.tile(np.log(p), (400, 1))
    found = mixed(np.zeros((80, 400), np.intp), lambda _: z, 1e-9, np.random.default_rng(5))
    frequencies = np.bincount(found[1:].ravel(), minlength=3) / found[1:].size
    assert np.abs(frequencies - p).max() < 0.01


@every_kind
def test_no_gradient_passes_the_draws(kind: str) -> None:
    """Loss and gradient are those of a batch whose inputs are what was read, given as data."""
    model, batch, states = subject(kind)
    changed = fed_back(kind, 0.4)
    given = replace(
        batch,
        **(
            {"inputs": changed.inputs.copy()}
            if KINDS[kind][0] == "lm"
            else {"fed": oracle(kind, 0.4)}
        ),
    )
    results = []
    for each in (changed, given, batch):
        gradients = model.parameters.zeros_like()
        loss, _, backward = model.loss(each, states)
        backward(gradients)
        results.append((loss, gradients.flat.tobytes()))
    assert results[0] == results[1]
    assert results[0] != results[2]


def run_of(updates: int, **options: Any) -> list[bytes]:
    """Return a run's parameters after each update."""
    text = "the tide came in and the tide went out, and the clock counted both of them\n" * 3
    vocabulary = Vocabulary.from_text(text)
    config = Config.from_values(
        {"hidden_size": H, "batch_size": B, "seq_length": T, "steps": 8, "shards": 1} | options
    )
    corpus = corpus_in_memory(vocabulary.encode(text), vocabulary).cut(config.data)
    model = LanguageModel.initialized(config.model, len(vocabulary), 1)
    shards, found = Shards(config, model, corpus), []
    for update in range(updates):
        shards.update(update, 0.1)
        found.append(shards.model.parameters.flat.tobytes())
    return found


def first_difference(one: list[bytes], other: list[bytes]) -> int | None:
    """Return the first update after which two runs differ."""
    return next(
        (n for n, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) > 1), None
    )


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_runs_differ_once_the_share_has_fallen(kind: str) -> None:
    """The first update has a share of 1, and is that of an ordinary run; with a floor of 1 all."""
    plain = run_of(4)
    sampled = run_of(4, scheduled_sampling=kind, sampling_floor=0.01)
    assert share_of_data(kind, 0, 8, 0.01) == 1
    assert first_difference(plain, sampled) == 1
    assert first_difference(plain, run_of(4, scheduled_sampling=kind, sampling_floor=1)) is None
