"""What every engine keeps to: whole updates, the parts' losses, and arrays out and in again."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from charnn.arrays import Array
from charnn.config import Config
from charnn.engines.shards import Shards
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel
from charnn.registry import OPTIMIZERS
from charnn.text.corpus import Corpus, corpus_in_memory, read_corpus
from charnn.text.vocabulary import Vocabulary
from charnn.training.setup import prepared

TEXT = "she sells sea shells on the sea shore; the shells she sells are sea shells, I'm sure.\n" * 8
OPTIONS = {
    "hidden_size": 6,
    "batch_size": 4,
    "seq_length": 7,
    "dropout": 0.2,
    "num_layers": 2,
    "ema_decay": 0.9,
    "val_fraction": 0.2,
    "test_fraction": 0.1,
    "steps": 9,
    "eval_every": 3,
}
PARTS = ("train", "val", "test")
every_number = pytest.mark.parametrize("number", [1, 2])


def config_of(**options) -> Config:
    """Return the configuration of a small run."""
    return Config.from_values(OPTIONS | options)


def memory_corpus(config: Config) -> Corpus:
    """Return the text as a corpus in memory."""
    vocabulary = Vocabulary.from_text(TEXT)
    return corpus_in_memory(vocabulary.encode(TEXT), vocabulary).cut(config.data)


def engine_of(corpus: Corpus | None = None, **options) -> Shards:
    """Return an engine over a new model."""
    config = config_of(**options)
    corpus = corpus or memory_corpus(config)
    model = LanguageModel.initialized(config.model, len(corpus.vocabulary), 1)
    return Shards(config, model, corpus)


def copies(engine: Shards) -> dict[str, Array]:
    """Return copies of all that updates change."""
    return {name: array.copy() for name, array in engine.export().items()}


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    """Check that two exports are the same, bit for bit."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name


@every_number
@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_failed_update_changes_nothing(number, what, value, monkeypatch):
    """Where loss or gradient is not finite, weights, states, memory and average stay."""
    engine = engine_of(shards=number)
    try:
        engine.update(0, 0.1)
        before = copies(engine)
        compute = engine._own.compute

        def spoilt(update: int) -> float:
            loss = compute(update)
            if what == "loss":
                return float(value)
            engine._own._gradients.arrays["b_y"][0] = value
            return loss

        monkeypatch.setattr(engine._own, "compute", spoilt)
        with np.errstate(invalid="ignore", over="ignore"):
            loss, norm = engine.update(1, 0.1)
        assert not (np.isfinite(loss) and np.isfinite(norm))
        assert_same(engine.export(), before)
        monkeypatch.undo()
        engine.update(1, 0.1)
        assert engine.not_finite() is None
        after = engine.export()
        assert all((after[name] != array).any() for name, array in before.items())
    finally:
        engine.close()


@every_number
def test_an_update_of_spoilt_weights_changes_nothing_else(number):
    """A weight that is not finite fails the update, which leaves everything as it was."""
    engine = engine_of(shards=number)
    try:
        engine.update(0, 0.1)
        engine.model.parameters["W_hy"][0, 0] = np.nan
        before = copies(engine)
        assert engine.not_finite() == "a weight is not finite"
        with np.errstate(invalid="ignore"):
            loss, _ = engine.update(1, 0.1)
        assert not np.isfinite(loss)
        assert_same(engine.export(), before)
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parameters/b_y", "a weight is not finite"),
        ("average", "a weight is not finite"),
        ("optimizer/m", "the optimiser's memory is not finite"),
        ("state/layer2/c", "a recurrent state is not finite"),
    ],
)
def test_what_is_not_finite_is_named(name, words):
    """`not_finite` says in words which kind of array has such a value, None where none has."""
    engine = engine_of(shards=1)
    assert engine.not_finite() is None
    engine.export()[name].flat[-1] = -np.inf
    assert engine.not_finite() == words


@every_number
@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_each_part_is_evaluated_as_evaluate_does(number, ema_decay):
    """The loss on `train`, `val` and `test` is `evaluate`'s, of the average where one is kept."""
    engine = engine_of(shards=number, ema_decay=ema_decay)
    config = config_of()
    corpus = memory_corpus(config)
    try:
        for update in range(5):
            engine.update(update, 0.1)
        model = engine.model
        if ema_decay is not None:
            weights = model.parameters.zeros_like()
            weights.flat[:] = engine.export()["average"]
            model = model.with_parameters(weights)
            assert (weights.flat != engine.model.parameters.flat).any()
        for part in PARTS:
            expected = evaluate(model, getattr(corpus, part))
            found = engine.evaluate(part)
            assert found.predictions == expected.predictions
            assert found.nats == pytest.approx(expected.nats, rel=1e-6)
            assert number > 1 or found == expected
    finally:
        engine.close()


@every_number
def test_what_is_exported_can_be_loaded(number):
    """Another engine that loads an export makes the same updates from there, bit for bit."""
    first, second = engine_of(shards=number), engine_of(shards=number, seed=1)
    try:
        for update in range(3):
            first.update(update, 0.05)
        taken = copies(first)
        second.load(taken)
        assert_same(second.export(), taken)
        for update in range(3, 6):
            assert second.update(update, 0.05) == first.update(update, 0.05)
        assert_same(second.export(), first.export())
        first.load(taken)
        assert_same(first.export(), taken)
    finally:
        first.close()
        second.close()


def test_an_export_has_the_checkpoints_names():
    """Every array is there by the name that it has in a file, and is the engine's own memory."""
    engine = engine_of(shards=1)
    exported = engine.export()
    assert {name.partition("/")[0] for name in exported} == {
        *("parameters", "optimizer", "average", "state")
    }
    assert {name for name in exported if name.startswith("state/")} == {
        *("state/layer1/h", "state/layer1/c", "state/layer2/h", "state/layer2/c")
    }
    before = copies(engine)
    engine.update(0, 0.1)
    again = engine.export()
    for name, array in again.items():
        assert np.shares_memory(array, exported[name])
        assert (array != before[name]).any()


@every_number
def test_ids_in_memory_give_the_bits_of_ids_in_a_file(number, tmp_path):
    """Where the ids lie is no part of a run: losses, norms and arrays are equal to the bit."""
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    config = config_of(shards=number)
    in_file, in_memory = read_corpus([str(path)], config.data), memory_corpus(config)
    assert in_file.path is not None
    assert in_memory.path is None
    assert in_file.fingerprint == in_memory.fingerprint
    assert in_file.parts == in_memory.parts
    engines = [engine_of(corpus, shards=number) for corpus in (in_file, in_memory)]
    try:
        one, other = engines
        for update in range(5):
            assert one.update(update, 0.1) == other.update(update, 0.1)
        for part in PARTS:
            assert one.evaluate(part) == other.evaluate(part)
        assert_same(one.export(), other.export())
    finally:
        for engine in engines:
            engine.close()


@pytest.mark.parametrize("flag", [True, False])
def test_any_says_what_it_was_told(flag):
    """In one process, `any` is the flag."""
    assert engine_of(shards=1).any("stop", flag) is flag


def test_close_can_be_called_twice():
    """A second close does nothing."""
    engine = engine_of(shards=2)
    engine.update(0, 0.1)
    engine.close()
    engine.close()
    assert engine._workers == []


def blas_threads() -> list[int]:
    """Return how many threads each BLAS may use now."""
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_blas_has_its_threads_while_the_caller_has_control(monkeypatch):
    """One thread is for updates and evaluations; between two events all is as it was before."""
    config = config_of(shards=1)
    inside: list[int] = []
    loss = LanguageModel.loss

    def watched(self, *arguments, **named):
        inside.extend(blas_threads())
        return loss(self, *arguments, **named)

    monkeypatch.setattr(LanguageModel, "loss", watched)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        events = 0
        for _ in prepared(config, memory_corpus(config)).run():
            assert blas_threads() == before
            events += 1
        assert blas_threads() == before
    assert events > 12
    assert set(before) == {2}
    assert set(inside) == {1}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay_pulls_at_matrices_only(optimizer, cell_options):
    """An update with decay differs for each matrix that is not zero, and for no bias or gain.

    What it differs in is the weight, or the optimiser's memory of it.
    """
    found = []
    for weight_decay in (0.0, 0.5):
        options = {"weight_decay": weight_decay, "clip_norm": None, "ema_decay": None}
        engine = engine_of(shards=1, optimizer=optimizer, **options, **cell_options)
        start = engine.model.parameters.zeros_like()
        start.flat[:] = engine.model.parameters.flat
        engine.update(0, 0.1)
        memory = [array for name, array in engine.export().items() if name.startswith("optimizer/")]
        found.append([engine.model.parameters.flat, *memory])
    changed = start.zeros_like()
    for plain, decayed in zip(*found, strict=True):
        changed.flat[plain != decayed] = 1
    for name, differs in changed.items():
        last = name.rpartition("/")[2]
        if last.startswith(("b", "gain")):
            assert not differs.any(), name
        else:
            assert differs.any() == start[name].any(), name


def test_shards_decay_the_same_weights():
    """Slices that several shards update know which of their weights decay."""
    options = {"optimizer": "adamw", "weight_decay": 0.5, "dropout": 0.0, "batch_size": 6}
    whole, parts = engine_of(shards=1, **options), engine_of(shards=3, **options)
    try:
        for update in range(3):
            whole.update(update, 0.01)
            parts.update(update, 0.01)
        for name, array in parts.export().items():
            np.testing.assert_allclose(array, whole.export()[name], rtol=0, atol=1e-5)
    finally:
        parts.close()
