"""Models that PyTorch computes look like NumPy's from outside: losses, answers, draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch_networks import FORMS, Options, batch_of, in_torch, model_of

from charnn.config import EngineConfig, ModelConfig, SamplingConfig
from charnn.engines.choice import model_on
from charnn.engines.torch import steppers
from charnn.engines.torch.inference import OutsideLanguageModel, outside
from charnn.engines.torch.steppers import TorchDecoderStepper, TorchStepper
from charnn.generation import sampling
from charnn.generation.decoding import Hypothesis, decode
from charnn.generation.lines import draw_lines
from charnn.generation.sampling import sample
from charnn.models import evaluation
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel
from charnn.tasks.registry import TASKS
from charnn.text.vocabulary import Vocabulary

pytestmark = pytest.mark.parity
torch.set_num_threads(1)

EXACT: dict[str, Any] = {"rel": 0, "abs": 1e-9}
ON_TORCH = EngineConfig(engine="torch", device="cpu")
BOTH = {"bidirectional": True, "num_layers": 2}
FULL: dict[str, Options] = {  # of each task, a form that has most of what there is
    "lm": {"attention": "additive", "attention_span": 3, "num_layers": 2},
    "classify": BOTH,
    "tag": BOTH,
    "generate": {"num_layers": 2},
    "transduce": {**BOTH, "attention": "general"},
}
LETTERS = Vocabulary("\nabcdefgh")
forms = pytest.mark.parametrize("options", [pytest.param(o, id=name) for _, name, o in FORMS])
examples = pytest.mark.parametrize("task", [name for name in FULL if name != "lm"])


def pair(task: str, **options: Any) -> tuple[Any, Any]:
    """Return a model, and what PyTorch makes of it."""
    model = model_of(task, {**FULL[task], **options})
    return model, model_on(model, ON_TORCH)


def language_models(**options: Any) -> tuple[LanguageModel, Any]:
    """Return a language model in which differences do not grow, and what PyTorch makes of it."""
    config = ModelConfig(**{"hidden_size": 7, **options})
    model = LanguageModel.initialized(config, len(LETTERS), 1, np.float64)
    model.parameters.flat[:] *= 1.5
    return model, model_on(model, ON_TORCH)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut a text of 250 symbols into three streams, which are read in windows of 16."""
    for name, value in (("SHORTEST_STREAM", 80), ("WARM_UP", 20), ("WINDOW", 16)):
        monkeypatch.setattr(evaluation, name, value)


def text(N: int) -> np.ndarray:
    """Return a random text."""
    return np.random.default_rng(5).integers(0, len(LETTERS), N)


@forms
@examples
def test_scores(task: str, options: dict[str, str]) -> None:
    """Loss, right answers and edits are those of NumPy, for padded examples."""
    ours, theirs = pair(task, **options)
    batch, _ = batch_of(task, ours)
    expected, found = (TASKS[task]().score(model, batch) for model in (ours, theirs))
    assert found.nats == pytest.approx(expected.nats, **EXACT)
    assert replace(found, nats=0.0) == replace(expected, nats=0.0)


@forms
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("attention", [None, "additive"])
def test_a_text(attention: str | None, options: dict[str, str]) -> None:
    """A text cut into streams has the loss that NumPy finds; so do parts of it, added up."""
    ours, theirs = language_models(attention=attention, num_layers=2, **options)
    ids = text(250)
    expected, found = evaluate(ours, ids), evaluate(theirs, ids)
    assert found.nats == pytest.approx(expected.nats, rel=1e-9)
    assert found.predictions == len(ids) - 1
    parts = [evaluate(theirs, ids, share=(k, 2)) for k in range(2)]
    assert all(part.predictions for part in parts)
    assert sum(part.nats for part in parts) == pytest.approx(found.nats, rel=1e-9)
    assert sum(part.predictions for part in parts) == found.predictions


@pytest.mark.usefixtures("short")
def test_a_stream_that_does_not_begin_again_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stream begins at zeros, whatever its warm-up has read: the test above can fail."""
    ours, theirs = language_models()
    ids = text(250)
    monkeypatch.setattr(OutsideLanguageModel, "begun_again", lambda _, states, __: states)
    assert evaluate(theirs, ids).nats != pytest.approx(evaluate(ours, ids).nats, rel=1e-9)


@forms
@pytest.mark.parametrize("task", ["lm", "generate"])
def test_symbol_by_symbol(
    task: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prime that is read in windows, and what follows, have NumPy's logits."""
    monkeypatch.setattr(steppers, "WINDOW", 3)
    ours, theirs = pair(task, **options)
    ids = np.random.default_rng(4).integers(0, 9, (8, 2))
    start = np.array([1, 4]) if task == "generate" else 2
    one, other = ours.stepper(start), theirs.stepper(start)
    np.testing.assert_allclose(other.read(ids[:7]), one.read(ids[:7]), rtol=0, atol=1e-9)
    found = other.step(ids[7])
    np.testing.assert_allclose(found, one.step(ids[7]), rtol=0, atol=1e-9)
    found[:, 2] = -np.inf  # whoever draws forbids symbols


def decoded(model: Any, batch: Any, beam: int) -> list[Hypothesis]:
    """Return the likeliest targets of a batch's sources, one after the other."""
    found = decode(model, batch.inputs, batch.ends, beam=beam, n_best=beam)
    assert {len(each) for each in found} == {beam}
    return [hypothesis for each in found for hypothesis in each]


@forms
@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("attention", ["dot", None])
def test_decoding(beam: int, attention: str | None, options: dict[str, str]) -> None:
    """The same targets with the same probabilities and attention, by greedy and beam search."""
    ours, theirs = pair("transduce", attention=attention, **options)
    batch, _ = batch_of("transduce", ours)
    expected, found = (decoded(model, batch, beam) for model in (ours, theirs))
    assert [each.ids for each in found] == [each.ids for each in expected]
    for one, other in zip(expected, found, strict=True):
        assert other.log_probability == pytest.approx(one.log_probability, **EXACT)
        if attention is not None:
            np.testing.assert_allclose(other.attention, one.attention, rtol=0, atol=1e-9)


def test_a_beam_that_keeps_its_rows_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypotheses go on from the states of those that they extend: the test above can fail."""
    ours, theirs = pair("transduce")
    batch, _ = batch_of("transduce", ours)
    monkeypatch.setattr(TorchDecoderStepper, "take", lambda _, __: None)
    expected, found = (decoded(model, batch, 3) for model in (ours, theirs))
    assert [each.score for each in found] != pytest.approx([each.score for each in expected])


@pytest.mark.parametrize("task", ["lm", "generate", "transduce"])
def test_scheduled_sampling(task: str) -> None:
    """What a model reads of its own draws is what NumPy's would read."""
    ours, theirs = pair(task)
    batch, states = batch_of(task, ours)
    tensors = [tuple(torch.from_numpy(state) for state in layer) for layer in states]
    expected, found = (
        TASKS[task]().fed_back(model, batch, own, 0.3, np.random.default_rng(6))
        for model, own in ((ours, states), (theirs, tensors))
    )
    read, data = (expected.fed, batch.fed) if task != "lm" else (expected.inputs, batch.inputs)
    assert data is None or not np.array_equal(read, data)
    assert np.array_equal(found.fed if task != "lm" else found.inputs, read)


@pytest.mark.parametrize("values", [{"temperature": 0.0}, {"top_k": 3}, {"num": 5}], ids=str)
def test_drawn_texts(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed draws the same text, also where there are several batches."""
    monkeypatch.setattr(sampling, "SIDE_BY_SIDE", 2)
    monkeypatch.setattr(sampling, "WORTH_A_THREAD", 10)
    ours, theirs = language_models(num_layers=2)
    assert not theirs.gains_by_threads
    for vocabulary in (LETTERS, Vocabulary("abcdefghi")):  # one without a newline to begin with
        for prime in ("abc", ""):
            options = SamplingConfig(length=60, seed=3, prime=prime, **values)
            assert sample(theirs, vocabulary, options) == sample(ours, vocabulary, options)


def test_drawn_lines() -> None:
    """The same seed draws the same lines of each label."""
    ours, theirs = pair("generate")
    options, labels = SamplingConfig(length=30), np.array([0, 3, 3, 5])
    expected, found = (
        draw_lines(model, labels, options, np.random.default_rng(8), np.array([1, 2]))
        for model in (ours, theirs)
    )
    assert found == expected
    assert {line.ended for line in found} == {True} or any(len(line.ids) == 30 for line in found)


def test_another_label_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines depend on their labels: the test above can fail."""
    ours, theirs = pair("generate")
    original = TorchStepper.__init__

    def init(self: TorchStepper, network: Any, states: Any, labels: Any = None) -> None:
        original(self, network, states, labels[::-1])

    monkeypatch.setattr(TorchStepper, "__init__", init)
    labels = np.array([0, 5])
    first = np.full((1, 2), ours.delimiter)
    expected, found = (model.stepper(labels).read(first) for model in (ours, theirs))
    assert np.abs(found - expected).max() > 1e-3


@pytest.mark.parametrize("task", FULL)
def test_half_precision(task: str) -> None:
    """In float16 scores are near those of float32, and nothing that comes back is in float16."""
    model: Any = model_of(task, FULL[task], np.float32)
    network, _ = in_torch(model)
    half: Any = outside(model, network.half().eval())
    if task == "lm":
        expected, found = (evaluate(each, text(90)).nats for each in (model, half))
        assert half.stepper(2).step(np.array([1, 2])).dtype == np.float32
    else:
        batch, _ = batch_of(task, model)
        expected, found = (TASKS[task]().score(each, batch).nats for each in (model, half))
    assert found == pytest.approx(expected, rel=0.02)
