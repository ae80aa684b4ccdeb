"""The loss on a whole text: against the naive one, and however the text is cut."""

from __future__ import annotations

import gc
import math
import tracemalloc
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from reference import REFERENCES, language_model
from threadpoolctl import threadpool_info, threadpool_limits

from charnn.config import ModelConfig, TrainingConfig
from charnn.models import evaluation
from charnn.models.evaluation import SHORTEST_STREAM, STREAMS, WINDOW, evaluate
from charnn.models.language_model import LanguageModel
from charnn.models.score import Score
from charnn.nn.optimizers import Adam
from charnn.text.batches import Batch

V = 6


def text(N, seed=1):
    """Return N ids in which a symbol follows from the two before it, four times out of five."""
    rule = np.random.default_rng(0).integers(0, V, (V, V)).tolist()
    random = np.random.default_rng(seed)
    noise, noisy = random.integers(0, V, N).tolist(), (random.random(N) < 0.2).tolist()
    ids = noise[:2]
    for t in range(2, N):
        ids.append(noise[t] if noisy[t] else rule[ids[-2]][ids[-1]])
    return np.array(ids, np.uint16)


@cache
def trained(config, updates=200):
    """Return a model in float32 that has learned the rule of `text`."""
    model = LanguageModel.initialized(config, V, 1)
    streams = text(16 * (20 * updates + 1)).reshape(16, -1).T
    gradients = model.parameters.zeros_like()
    adam = Adam.fresh(TrainingConfig(), gradients.flat.size, gradients.flat.dtype)
    states = model.zero_states(16)
    for t in range(1, updates + 1):
        window = streams[20 * (t - 1) : 20 * t + 1]
        _, states, backward = model.loss(Batch(window[:-1], window[1:]), states)
        gradients.flat[:] = 0
        backward(gradients)
        adam.update(model.parameters.flat, gradients.flat, 0.02, t)
    return model


@pytest.fixture(params=["rnn", "lstm", "layernorm-lstm"])
def model(request):
    """Return trained models: with one state and with two, with a kernel and without."""
    return trained(ModelConfig(cell=request.param, hidden_size=12))


@pytest.fixture
def lstm():
    """Return one trained model, for what does not depend on the cell."""
    return trained(ModelConfig(cell="lstm", hidden_size=12))


def test_the_model_has_learned(model):
    """The models of these tests do better than chance by far, so their states matter."""
    assert evaluate(model, text(2000, seed=2)).nats_per_symbol < 0.75 * math.log(V)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_one_stream_is_the_naive_loss(kind, cell_options, num_layers):
    """The summed loss is that of the naive model over the whole text, without a cut."""
    config = ModelConfig(**cell_options, hidden_size=7, num_layers=num_layers)
    model = LanguageModel.initialized(config, V, 1, np.float64)
    model.parameters.flat[:] *= 2
    ids = text(3 * WINDOW + 17)
    expected, _ = language_model(
        REFERENCES[kind].step, model.parameters, ids[:-1, None], ids[1:, None], model.zero_states(1)
    )
    score = evaluate(model, ids, streams=1)
    assert score.predictions == len(ids) - 1
    assert score.nats == pytest.approx(expected.sum(), rel=1e-12)


def test_one_stream_is_symbol_after_symbol(model):
    """In float32, too, windows add up to one prediction at a time with the states carried."""
    ids = text(2 * WINDOW + 5).astype(np.int64)
    states, nats = model.zero_states(1), 0.0
    for now, following in pairwise(ids):
        loss, states, _ = model.loss(Batch(np.array([[now]]), np.array([[following]])), states)
        nats += loss
    score = evaluate(model, ids, streams=1)
    assert score.nats_per_symbol == pytest.approx(nats / (len(ids) - 1), rel=0, abs=1e-6)


def test_many_streams_are_close_to_one(lstm):
    """Cut into 64 streams, each warmed up, a text has the loss that it has in one piece."""
    ids = text(STREAMS * SHORTEST_STREAM + 40, seed=3)
    one, many = (evaluate(lstm, ids, streams).nats_per_symbol for streams in (1, STREAMS))
    assert many == pytest.approx(one, rel=0, abs=1e-7)


def test_warm_up_makes_them_close(lstm, monkeypatch):
    """With one symbol of warm-up the cuts do show: the test above can fail."""
    ids = text(8 * SHORTEST_STREAM + 1, seed=3)
    one = evaluate(lstm, ids, 1).nats_per_symbol
    monkeypatch.setattr(evaluation, "WARM_UP", 1)
    assert abs(evaluate(lstm, ids, 8).nats_per_symbol - one) > 1e-5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_ids_of_any_integer_type(lstm, dtype):
    """The loss does not depend on how ids are stored."""
    ids = text(300)
    assert evaluate(lstm, ids.astype(dtype)) == evaluate(lstm, ids)


def test_two_symbols_are_one_prediction(model):
    """The shortest text has one prediction, from states of zero."""
    logits, _, _ = model.logits(np.array([[3]]), model.zero_states(1))
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    score = evaluate(model, np.array([3, 5]))
    assert score.predictions == 1
    assert score.nats == pytest.approx(-math.log(p[5]), rel=0, abs=1e-6)


LENGTHS = [
    2,
    WINDOW,
    WINDOW + 1,
    WINDOW + 2,
    2 * SHORTEST_STREAM,  # one prediction short of two streams
    2 * SHORTEST_STREAM + 1,
    3 * SHORTEST_STREAM + 3,  # streams of unequal length
    5 * SHORTEST_STREAM + 12,
]


@pytest.mark.parametrize("N", LENGTHS)
def test_advance_adds_up_to_all_predictions(lstm, N):
    """What `advance` is told sums to N - 1, also where the last stream is shorter."""
    steps = []
    score = evaluate(lstm, text(N), advance=steps.append)
    assert sum(steps) == score.predictions == N - 1
    assert min(steps) > 0


@pytest.mark.parametrize("N", LENGTHS)
def test_each_symbol_is_predicted_once(N):
    """Where a symbol's loss depends on the symbol alone, the sum counts each but the first once."""
    model = LanguageModel.initialized(ModelConfig(hidden_size=2), V, 1, np.float64)
    model.parameters.flat[:] = 0
    model.parameters["b_y"][:] = np.log([0.1, 0.3, 0.05, 0.25, 0.2, 0.1])
    ids = text(N)
    expected = -model.parameters["b_y"][ids[1:]].sum()
    assert evaluate(model, ids).nats == pytest.approx(expected, rel=1e-12)


def test_large_vocabularies_shorten_the_window(lstm, monkeypatch):
    """Logits are held to `LARGEST_LOGITS` elements, and the loss stays what it was."""
    ids = text(2 * SHORTEST_STREAM + 1)
    expected = evaluate(lstm, ids).nats
    sizes = []
    logits = LanguageModel.logits

    def recorded(self, window, states, **options):
        sizes.append(window.size * V)
        return logits(self, window, states, **options)

    monkeypatch.setattr(LanguageModel, "logits", recorded)
    monkeypatch.setattr(evaluation, "LARGEST_LOGITS", 10 * 2 * V + 3)
    assert evaluate(lstm, ids).nats == pytest.approx(expected, rel=1e-6)
    assert max(sizes) == 10 * 2 * V


def test_memory_does_not_grow_with_the_text(lstm):
    """A text four times as long takes less than one byte more for each further symbol."""

    def peak(N):
        ids = text(N)
        gc.collect()  # empties Python's own free lists, which would hide allocations
        tracemalloc.start()
        evaluate(lstm, ids, streams=2)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    short, long = 4 * SHORTEST_STREAM, 16 * SHORTEST_STREAM
    peak(2 * SHORTEST_STREAM)  # what is imported or cached once
    assert peak(long) - peak(short) < long - short


def test_blas_has_one_thread(lstm):
    """The loss is computed by one thread, so its bits do not depend on the machine's cores."""
    threads = set()

    def note_threads(_):
        libraries = [each for each in threadpool_info() if each["user_api"] == "blas"]
        threads.update(blas["num_threads"] for blas in libraries)

    with threadpool_limits(2):
        evaluate(lstm, text(300), advance=note_threads)
    assert threads == {1}


def test_the_model_is_left_as_it_was(lstm):
    """Evaluation writes to no parameter."""
    before = lstm.parameters.flat.copy()
    evaluate(lstm, text(300))
    assert np.array_equal(lstm.parameters.flat, before)


def test_score_in_its_units():
    """A mean loss in nats, in bits and as a perplexity."""
    score = Score(nats=30 * math.log(8), predictions=30)
    assert score.nats_per_symbol == pytest.approx(math.log(8), rel=1e-12)
    assert score.bits_per_symbol == pytest.approx(3, rel=1e-12)
    assert score.perplexity == pytest.approx(8, rel=1e-12)


def test_perplexity_of_a_hopeless_model_is_finite():
    """A loss whose exponential overflows is capped, not an error."""
    assert math.isfinite(Score(nats=1e6, predictions=1).perplexity)


@pytest.mark.parametrize("N", [2, 1500, 4321])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_the_scores_of_parts_add_up_to_the_wholes(lstm, N, parts):
    """Each part scores some of the streams; together all symbols are scored once."""
    ids = text(N)
    whole = evaluate(lstm, ids)
    scores = [evaluate(lstm, ids, share=(number, parts)) for number in range(parts)]
    assert sum(score.predictions for score in scores) == whole.predictions == N - 1
    assert sum(score.nats for score in scores) == pytest.approx(whole.nats, rel=1e-6)
