"""Beam search: against greedy decoding step by step, and against all targets there are."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.generation.decoding import Hypothesis, decode
from charnn.models.model import Sizes
from charnn.models.transducer import Transducer, within
from charnn.nn.buffers import Buffers
from charnn.nn.losses import log_softmax
from charnn.nn.parameters import group
from charnn.text.batches import Batch

V, N = 3, 6  # target and source symbols
LENGTHS = np.array([5, 1, 3, 2])
LONGEST = 3  # symbols of a target, where all targets are tried
KINDS = {
    "plain": {},
    "two layers, bidirectional": {"num_layers": 2, "bidirectional": True},
    "dot": {"attention": "dot"},
    "general, bidirectional": {"attention": "general", "bidirectional": True},
    "additive, GRU": {"attention": "additive", "cell": "gru", "embedding_size": 4},
}


def transducer(kind: str = "general, bidirectional", seed: int = 1) -> Transducer:
    """Return a random model in float64 whose predictions are far from even."""
    config = ModelConfig(hidden_size=7, dropout=0, **KINDS[kind])
    model = Transducer.started(config, Sizes(N, V), seed, np.float64)
    model.parameters.flat[...] *= 3
    return model


def sources(seed: int = 2) -> Array:
    """Return four sources (S, B), padded with what is no padding elsewhere."""
    return np.random.default_rng(seed).integers(0, N, (LENGTHS.max(), len(LENGTHS)))


def alone(ids: Array, b: int) -> tuple[Array, Array]:
    """Return one source without padding, and its length."""
    return ids[: LENGTHS[b], b : b + 1], LENGTHS[b : b + 1]


def log_probabilities(model: Transducer, source: Array, targets: list[list[int]]) -> list[float]:
    """Return log p of targets of one source (S, 1), from the model's own loss."""
    found = []
    for target in targets:
        ids = np.array([*target, 0], np.intp)[:, None]
        lengths = np.array([len(source)])
        batch = Batch(source, ids, lengths, target_lengths=np.array([len(target)]))
        mean, _, _ = model.loss(batch, [])
        found.append(-mean * (len(target) + 1))
    return found


def greedy(model: Transducer, source: Array, longest: int) -> list[int]:
    """Return the likeliest symbol at each step, each time read anew from the beginning."""
    buffers, prefix = Buffers(), [model.delimiter]
    lengths = np.array([len(source)])
    while len(prefix) <= longest:
        keys, first, _ = model.encode(source, lengths, buffers)
        read = np.array(prefix, np.intp)[:, None]
        allowed = within(len(source), lengths)
        h, _, _ = model.decode(read, keys, allowed, first, buffers)
        logits, _ = model.network.head.logits(group(model.parameters, "decoder"), h, buffers)
        prefix.append(int(logits[-1].argmax()))
        if prefix[-1] == model.delimiter:
            return prefix[1:-1]
    return prefix[1:]


def all_targets(model: Transducer, source: Array) -> list[tuple[float, list[int]]]:
    """Return all targets of at most `LONGEST` symbols of a source, each with log p."""
    targets = [list(ids) for n in range(LONGEST + 1) for ids in product(range(V), repeat=n)]
    return list(zip(log_probabilities(model, source, targets), targets, strict=True))


def ranked(targets: list[tuple[float, list[int]]], penalty: float) -> list[tuple[float, list[int]]]:
    """Return targets with their scores, from the best."""
    return sorted(
        ((p / ((6 + len(target)) / 6) ** penalty, target) for p, target in targets), reverse=True
    )


def same(ours: list[Hypothesis], theirs: list[Hypothesis], steps: int) -> None:
    """Check that two lists of hypotheses are the same, up to 1e-12."""
    assert [each.ids for each in ours] == [each.ids for each in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, rel=0, abs=1e-12)
        assert one.score == pytest.approx(other.score, rel=0, abs=1e-12)
        if one.attention is not None:
            assert other.attention is not None
            shape = len(one.ids) + 1, steps
            assert one.attention[:, :steps].shape == other.attention[:, :steps].shape == shape
            np.testing.assert_allclose(
                one.attention[:, :steps], other.attention[:, :steps], rtol=0, atol=1e-12
            )
            np.testing.assert_allclose(one.attention[:, :steps].sum(axis=1), 1, rtol=1e-12)
            assert not one.attention[:, steps:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_of_one_is_greedy(kind: str) -> None:
    """It takes the likeliest symbol at every step, as one finds who reads all anew each time."""
    model, ids = transducer(kind), sources()
    found = decode(model, ids, LENGTHS, max_length=6)
    expected = [greedy(model, alone(ids, b)[0], 6) for b in range(len(LENGTHS))]
    assert [best.ids for (best,) in found] == expected
    assert len({tuple(target) for target in expected}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_wide_beam_is_an_exhaustive_search(kind: str) -> None:
    """All forty targets of three symbols at most come out, ranked by their score."""
    model, ids = transducer(kind), sources()
    every = [all_targets(model, alone(ids, b)[0]) for b in range(len(LENGTHS))]
    for penalty in (0.0, 0.6, 2.0):
        options = {"n_best": 40, "max_length": LONGEST, "length_penalty": penalty}
        for targets, found in zip(
            every, decode(model, ids, LENGTHS, beam=90, **options), strict=True
        ):
            expected = ranked(targets, penalty)
            assert len(expected) == 40
            assert [each.ids for each in found] == [target for _, target in expected]
            scores = [score for score, _ in expected]
            np.testing.assert_allclose([each.score for each in found], scores, rtol=1e-11)


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_is_decided_early_is_the_best(seed: int) -> None:
    """What is decided before the last step is what an exhaustive search finds."""
    model, ids = transducer(seed=seed), sources(seed)
    for b in range(len(LENGTHS)):
        targets = all_targets(model, alone(ids, b)[0])
        for n_best, penalty in product((1, 2), (0.0, 0.6, 3.0)):
            options = {"n_best": n_best, "length_penalty": penalty, "max_length": LONGEST}
            (found,) = decode(model, *alone(ids, b), beam=90, **options)
            expected = ranked(targets, penalty)[:n_best]
            assert [each.ids for each in found] == [target for _, target in expected]


@pytest.mark.parametrize("penalty", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_and_padding_change_nothing(kind: str, penalty: float) -> None:
    """A source has the same answers alone, beside others, and with garbage behind its end."""
    model, ids = transducer(kind), sources()
    options = {"beam": 3, "n_best": 3, "length_penalty": penalty}
    together = decode(model, ids, LENGTHS, **options)
    padded = decode(model, np.concatenate([ids, ids[::-1]]), LENGTHS, **options)
    for b, found in enumerate(together):
        (by_itself,) = decode(model, *alone(ids, b), **options)
        same(found, by_itself, LENGTHS[b])
        same(padded[b], by_itself, LENGTHS[b])


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_those_of_the_loss(kind: str) -> None:
    """What a hypothesis costs is what the model's loss says of it as a target."""
    model, ids = transducer(kind), sources()
    every = decode(model, ids, LENGTHS, beam=4, n_best=4, max_length=5, length_penalty=1.0)
    for b, found in enumerate(every):
        expected = log_probabilities(model, alone(ids, b)[0], [each.ids for each in found])
        got = [each.log_probability for each in found]
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        scores = [each.score for each in found]
        assert all(a >= b for a, b in pairwise(scores))
        normalized = [p / ((6 + len(each.ids)) / 6) for p, each in zip(got, found, strict=True)]
        np.testing.assert_allclose(scores, normalized, rtol=1e-12)
        assert len({tuple(each.ids) for each in found}) == 4


def endless(model: Transducer, symbol: int) -> Transducer:
    """Let a model prefer one symbol to all others, and the end least of all."""
    model.parameters["decoder/b_y"][...] = 0
    model.parameters["decoder/b_y"][symbol] = 100
    model.parameters["decoder/b_y"][model.delimiter] = -100
    return model


def test_a_target_ends_at_its_greatest_length() -> None:
    """That is twice the source's symbols and 20, or what is asked for; the end has its cost."""
    model, ids = endless(transducer(), 1), sources()
    for max_length, expected in ((None, 2 * LENGTHS + 20), (4, [4] * 4)):
        for b, (best,) in enumerate(decode(model, ids, LENGTHS, max_length=max_length)):
            assert best.ids == [1] * expected[b]
            assert best.attention is not None
            assert best.attention.shape == (expected[b] + 1, len(ids))
            (log_p,) = log_probabilities(model, alone(ids, b)[0], [best.ids])
            assert best.log_probability == pytest.approx(log_p, rel=1e-12)
            assert log_p < -100


def test_the_unknown_symbol_is_never_predicted() -> None:
    """Not even by a model that prefers it; the others keep the probabilities that they have."""
    model, ids = endless(transducer(), V - 1), sources()
    options = {"beam": 3, "n_best": 3, "max_length": 2}
    for b, found in enumerate(decode(model, ids, LENGTHS, unknown=V - 1, **options)):
        assert not any(V - 1 in each.ids for each in found)
        expected = log_probabilities(model, alone(ids, b)[0], [each.ids for each in found])
        np.testing.assert_allclose([each.log_probability for each in found], expected, rtol=1e-12)


def test_there_are_no_more_targets_than_there_are() -> None:
    """Of one symbol at most there are four, the empty one included, however many are wanted."""
    model, ids = transducer(), sources()
    for found in decode(model, ids, LENGTHS, beam=9, n_best=9, max_length=1):
        assert sorted(each.ids for each in found) == [[], [0], [1], [2]]
        total = np.exp([each.log_probability for each in found]).sum()
        assert 0 < total < 1


def test_probabilities_are_of_the_softmax() -> None:
    """The first symbols of a wide beam have the probabilities of the first step."""
    model, ids = transducer(), sources()
    source, length = alone(ids, 0)
    (found,) = decode(model, source, length, beam=90, n_best=40, max_length=LONGEST)
    empty = next(each for each in found if not each.ids)
    buffers = Buffers()
    keys, first, _ = model.encode(source, length, buffers)
    begin = np.full((1, 1), model.delimiter)
    h, _, _ = model.decode(begin, keys, within(len(source), length), first, buffers)
    logits, _ = model.network.head.logits(group(model.parameters, "decoder"), h, buffers)
    expected = log_softmax(logits)[0, model.delimiter]
    assert empty.log_probability == pytest.approx(float(expected), rel=1e-12)
