"""The engine on PyTorch makes the NumPy engine's updates: every cell, optimiser and option."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_twin import B, T, V, random_text

import charnn
from charnn import registry
from charnn.config import Config, EngineConfig
from charnn.engines.shards import Shards
from charnn.engines.team import ALONE
from charnn.engines.torch import optimizers
from charnn.engines.torch.engine import TorchEngine
from charnn.engines.torch.layout import Layout
from charnn.models.language_model import LanguageModel
from charnn.nn.parameters import decaying
from charnn.registry import OPTIMIZERS
from charnn.tasks.registry import task_of
from charnn.text.corpus import Corpus, corpus_in_memory
from charnn.text.vocabulary import Vocabulary
from charnn.training.events import Step
from charnn.training.setup import prepared

pytestmark = pytest.mark.parity

UPDATES = 100
LOSSES, EXACT = 1e-4, 1e-9
CPU = EngineConfig(engine="torch", device="cpu")
FORMS = [(name, form) for name, cell in registry.CELLS.items() for form in cell.forms()]
RATES = {
    "sgd": 0.5,
    "momentum": 0.1,
    "adagrad": 0.05,
    "rmsprop": 0.003,
    "adam": 0.003,
    "adamw": 0.003,
}
OPTIONS: dict[str, Any] = {
    "hidden_size": 16,
    "batch_size": B,
    "seq_length": T,
    "dropout": 0.1,
    "steps": UPDATES,
    "eval_every": 50,
    "val_fraction": 0.2,
    "warmup_steps": 0,
    "lr_schedule": "constant",
    "clip_norm": 0.3,
    "shards": 1,
}


def config_of(cell: str = "lstm", form: str = "", **options: Any) -> Config:
    """Return the configuration of a small run."""
    of_form = {"gru_reset": form} if form else {}
    optimizer = options.get("optimizer", "adam")
    rate = {"learning_rate": RATES[optimizer]}
    return Config.from_values(OPTIONS | rate | of_form | {"cell": cell} | options)


def corpus_of(config: Config) -> Corpus:
    """Return a random text in memory in which there is something to learn."""
    vocabulary = Vocabulary("abcdefghijk", unknown=False, tokens="characters")
    assert len(vocabulary) == V
    return corpus_in_memory(random_text(1_500), vocabulary).cut(config.data)


def model_of(config: Config, dtype: str = "float32") -> LanguageModel:
    """Return a model with random weights, none of them 0."""
    model = LanguageModel.initialized(config.model, V, 3, dtype)
    random = np.random.default_rng(4)
    for array in model.parameters.values():
        array += (0.05 * random.standard_normal(array.shape)).astype(dtype)
    return model


def engines(config: Config) -> tuple[Shards, TorchEngine]:
    """Return both engines with the same weights."""
    corpus = corpus_of(config)
    torch_engine = TorchEngine(config, model_of(config), corpus, CPU, ALONE)
    return Shards(config, model_of(config), corpus), torch_engine


def made(engine: Shards | TorchEngine, config: Config, updates: int) -> Iterator[tuple[float, ...]]:
    """Yield the losses and norms of some updates."""
    for number in range(updates):
        yield engine.update(number, config.training.learning_rate)


def assert_same_updates(config: Config, tolerance: float = LOSSES, updates: int = UPDATES) -> None:
    """Check that both engines make the same losses, and score and end alike."""
    numpy_engine, torch_engine = engines(config)
    ours = np.array(list(made(numpy_engine, config, updates)))
    theirs = np.array(list(made(torch_engine, config, updates)))
    assert np.abs(ours - theirs)[:, 0].max() <= tolerance
    assert ours[-10:, 0].mean() < ours[0, 0]
    expected, found = numpy_engine.export(), torch_engine.export()
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == np.float32
        assert np.abs(found[name] - array).max() <= 20 * tolerance, name
    scored = numpy_engine.evaluate("val").nats_per_symbol
    assert abs(torch_engine.evaluate("val").nats_per_symbol - scored) <= tolerance
    numpy_engine.close()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("cell", "form"), FORMS)
def test_every_cell(cell: str, form: str, layers: int) -> None:
    """100 losses with dropout, clipping and an embedding or one-hot are NumPy's.

    The LSTM with layer normalisation is chaotic at this size: after 60 updates NumPy's float32 and
    float64 have parted as far as the two engines have. So it is compared over 30 here, and over 100
    in float64 (`test_exact_losses`).
    """
    options: dict[str, Any] = {"num_layers": layers, "embedding_size": 7 if layers == 2 else None}
    updates = UPDATES
    if cell.startswith("layernorm"):
        options |= {"optimizer": "sgd", "learning_rate": 0.05}
        updates = 30 if cell == "layernorm-lstm" else UPDATES
    assert_same_updates(config_of(cell, form, **options), updates=updates)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer: str, layers: int) -> None:
    """So they are with every rule, its weight decay, and a moving average of the weights."""
    options = {"optimizer": optimizer, "weight_decay": 0.003, "ema_decay": 0.9}
    assert_same_updates(config_of("gru", "after", num_layers=layers, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"shards": 3, "dropout": 0.3},
        {"recurrent_dropout": 0.2, "recurrent_dropout_kind": "state"},
        {"recurrent_dropout": 0.2, "recurrent_dropout_kind": "update"},
        {"weight_drop": 0.2, "cell": "gru", "form": "after"},
        {"weight_drop": 0.2},
        {"state_reset": 0.3, "shards": 2},
        {"clip_value": 0.01, "clip_norm": None},
        {"label_smoothing": 0.1},
        {"embedding_size": 16, "tie_weights": True},
        {"curriculum": 60},
    ],
    ids=lambda options: "-".join(options),
)
def test_every_technique(options: dict[str, Any]) -> None:
    """What a run can be asked for is the same in both engines, masks included."""
    assert_same_updates(config_of(**options), updates=60)


def numpy_training(model: LanguageModel, config: Config, corpus: Corpus) -> list[tuple[float, ...]]:
    """Train in NumPy's float64, without an engine; return each update's loss and norm."""
    training, flat = config.training, model.parameters.flat
    source, gradients = task_of(config).source(corpus.arrays, config), model.parameters.zeros_like()
    rule = OPTIMIZERS[training.optimizer]
    memory = {slot: np.zeros_like(flat) for slot in rule.slots}
    optimizer = rule(training, memory, decaying(model.specs, flat.dtype))
    states, found = model.zero_states(B), []
    for update in range(UPDATES):
        gradients.flat[:] = 0
        if source.begins(update):
            states = model.zero_states(B)
        loss, states, backward = model.loss(source.batch(update), states)
        backward(gradients)
        found.append((loss, float(np.linalg.norm(gradients.flat))))
        optimizer.update(flat, gradients.flat, training.learning_rate, update + 1)
    return found


EVERY_OPTIMIZER = [("gru", "after", optimizer) for optimizer in OPTIMIZERS]
EVERY_FORM = [
    (cell, form, optimizer)
    for (cell, form), optimizer in zip(FORMS, [*OPTIMIZERS] * 2, strict=False)
]


@pytest.mark.parametrize(("cell", "form", "optimizer"), EVERY_OPTIMIZER + EVERY_FORM)
def test_exact_losses(cell: str, form: str, optimizer: str) -> None:
    """In float64 without clipping, 100 losses and norms are NumPy's to 1e-9."""
    options = {"optimizer": optimizer, "weight_decay": 0.003, "clip_norm": None, "dropout": 0.0}
    config = config_of(cell, form, num_layers=2, hidden_size=6, **options)
    corpus = corpus_of(config)
    engine = TorchEngine(config, model_of(config, "float64"), corpus, CPU, ALONE)
    theirs = list(made(engine, config, UPDATES))
    ours = numpy_training(model_of(config, "float64"), config, corpus)
    assert np.abs(np.subtract(ours, theirs)).max() <= EXACT


def arrays_of(engine: TorchEngine) -> dict[str, bytes]:
    """Return the bits of all that updates change."""
    return {name: array.tobytes() for name, array in engine.export().items()}


def test_what_is_exported_can_be_loaded() -> None:
    """Another engine that loads an export makes the same updates from there, bit for bit."""
    config = config_of("gru", "after", optimizer="adam", ema_decay=0.9)
    first, second = engines(config)[1], engines(config.replace(seed=9))[1]
    list(made(first, config, 7))
    taken = {name: array.copy() for name, array in first.export().items()}
    second.load(taken)
    third = engines(config)[1]
    third.load(taken)
    for number in range(7, 12):
        assert third.update(number, 0.01) == first.update(number, 0.01)
    assert arrays_of(third) == arrays_of(first)
    first.load(taken)
    assert arrays_of(first) == arrays_of(second)


@pytest.mark.parametrize(("back", "forth"), [(Shards, TorchEngine), (TorchEngine, Shards)])
def test_a_run_goes_on_in_the_other_engine(back: type, forth: type) -> None:
    """After 30 updates the arrays go to the other engine: losses are those of one engine."""
    config = config_of(optimizer="rmsprop", ema_decay=0.9)
    pair = {type(engine): engine for engine in engines(config)}
    whole = list(made(engines(config)[0], config, 60))
    losses = list(made(pair[back], config, 30))
    pair[forth].load(pair[back].export())
    losses += [pair[forth].update(number, RATES["rmsprop"]) for number in range(30, 60)]
    assert np.abs(np.subtract(whole, losses)).max() <= LOSSES


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_failed_update_changes_nothing(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where loss or gradient is not finite, weights, states, memory and average stay."""
    config = config_of(ema_decay=0.9)
    _, engine = engines(config)
    engine.update(0, 0.01)
    before = arrays_of(engine)
    compute = engine._gradient.compute

    def spoilt(*arguments: Any) -> Any:
        loss, after = compute(*arguments)
        if what == "gradient":
            engine.layout.weights[0].grad.view(-1)[0] = float("nan")
        return (loss * float("inf") if what == "loss" else loss), after

    monkeypatch.setattr(engine._gradient, "compute", spoilt)
    assert not np.isfinite(engine.update(1, 0.01)).all()
    assert arrays_of(engine) == before
    monkeypatch.undo()
    engine.update(1, 0.01)
    assert arrays_of(engine) != before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parameters/b_y", "a weight is not finite"),
        ("average", "a weight is not finite"),
        ("optimizer/v", "the optimiser's memory is not finite"),
        ("state/layer1/c", "a recurrent state is not finite"),
    ],
)
def test_what_is_not_finite_is_named(name: str, words: str) -> None:
    """`not_finite` says in words which kind of array has such a value, None where none has."""
    _, engine = engines(config_of(ema_decay=0.9))
    assert engine.not_finite() is None
    arrays = {each: array.copy() for each, array in engine.export().items()}
    arrays[name].reshape(-1)[-1] = np.inf
    engine.load(arrays)
    assert engine.not_finite() == words


def test_the_trainer_rolls_back_and_goes_on() -> None:
    """A loss that is not finite takes the run back; it ends with a checkpoint that says so."""
    config = config_of(steps=30, eval_every=10)
    run = prepared(config, corpus_of(config), model=model_of(config), compute=CPU)
    compute, calls = run.engine._gradient.compute, []

    def spoilt(*arguments: Any) -> Any:
        calls.append(1)
        loss, after = compute(*arguments)
        return (loss * float("nan") if len(calls) == 15 else loss), after

    run.engine._gradient.compute = spoilt
    names = [type(event).__name__ for event in run.run()]
    assert names.count("RolledBack") == 1
    assert run.progress.update == 30
    assert run.progress.rollbacks == 1
    said = run.checkpoint().provenance["engine"]
    assert said == f"torch {torch.__version__}, cpu, fp32"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cell": "lstm"}, ""),
        ({"cell": "gru", "gru_reset": "after"}, ""),
        ({"cell": "gru"}, "PyTorch has no GRU (reset before), so it runs step by step"),
        ({"cell": "mingru"}, "PyTorch has no minGRU"),
        ({"cell": "lstm", "recurrent_dropout": 0.1}, "drop nothing inside the recurrence"),
    ],
)
def test_what_runs_step_by_step_is_said(options: dict[str, Any], words: str) -> None:
    """A run says once why its network runs step by step, and which GRU does not."""
    (note,) = engines(config_of(**options))[1].notes() or [""]
    assert words in note
    assert ("--gru-reset after" in note) == (options == {"cell": "gru"})
    assert bool(note) == bool(words)


def faulty(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Plant a fault in the engine."""
    begin, update = optimizers.TorchOptimizer.__init__, optimizers.TorchOptimizer.update

    def decaying_all(self: Any, training: Any, weights: Any, some: list[bool]) -> None:
        begin(self, training, weights, [True] * len(some))

    def counting_anew(self: Any, number: int, rate: float) -> None:
        update(self, number % 30, rate)

    def from_zero(self: TorchEngine, *_: Any) -> Any:
        return self._zero_states()

    def averaging(average: list[torch.Tensor], weights: list[torch.Tensor], _: float) -> None:
        for mean, weight in zip(average, weights, strict=True):
            mean.lerp_(weight, 0.1)

    def nowhere(_: Layout) -> list[slice]:
        return []

    rule = optimizers.RULES["adam"]
    monkeypatch.setattr(
        *{
            "decay of biases": (optimizers.TorchOptimizer, "__init__", decaying_all),
            "updates that are counted anew": (optimizers.TorchOptimizer, "update", counting_anew),
            "states that are not carried": (TorchEngine, "_states_before", from_zero),
            "an average without its beginning": (torch, "_foreach_lerp_", averaging),
            "a bias that charnn does not have": (Layout, "empty", property(nowhere)),
            "sign of a memory": (
                optimizers,
                "RULES",
                {"adam": rule._replace(squares=("m", "v"))},
            ),
        }[fault]
    )


@pytest.mark.parametrize(
    "fault",
    [
        "sign of a memory",
        "updates that are counted anew",
        "decay of biases",
        "a bias that charnn does not have",
        "states that are not carried",
        "an average without its beginning",
    ],
)
def test_planted_faults_are_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is not blind: each fault changes losses or arrays by more than it allows."""
    config = config_of("gru", "after", optimizer="adam", weight_decay=0.05, ema_decay=0.9)
    assert_same_updates(config, updates=60)
    faulty(monkeypatch, fault)
    with pytest.raises(AssertionError):
        assert_same_updates(config, updates=60)


def test_masks_that_differ_are_caught() -> None:
    """With the masks of one generator instead of two, losses differ by far more than allowed."""
    config = config_of(shards=2, dropout=0.3)
    numpy_engine, engine = engines(config)
    engine._shards = 1
    ours, theirs = (np.array(list(made(each, config, 20))) for each in (numpy_engine, engine))
    assert np.abs(ours - theirs).max() > 100 * LOSSES
    numpy_engine.close()


def test_python_trains_with_either_engine(tmp_path: Path) -> None:
    """`charnn.train` and `charnn.resume` take an engine; the run does not change with it."""
    corpus = charnn.corpus("she sells sea shells on the sea shore; " * 60)
    options = {"hidden_size": 12, "batch_size": 4, "seq_length": 8, "eval_every": 5, "shards": 1}
    options |= {"lr_schedule": "constant", "warmup_steps": 0}
    whole = charnn.train(corpus, steps=20, **options)
    losses = [event.loss for event in whole if isinstance(event, Step)]
    begun = charnn.train(corpus, steps=10, engine="torch", out=tmp_path / "run", **options)
    mixed = [event.loss for event in begun if isinstance(event, Step)]
    assert begun.checkpoint.provenance["engine"].startswith("torch")
    rest = charnn.resume(tmp_path / "run", corpus, steps=20, engine="shards")
    mixed += [event.loss for event in rest if isinstance(event, Step)]
    assert rest.checkpoint.provenance["engine"] == "shards"
    assert np.abs(np.subtract(losses, mixed)).max() <= LOSSES
    with pytest.raises(charnn.CharnnError, match="device is cpu, but the engine is shards"):
        charnn.train(corpus, engine="shards", device="cpu")
