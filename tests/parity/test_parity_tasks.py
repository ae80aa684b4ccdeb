"""The sequence tasks: losses, gradients and a hundred updates on sequences of unequal lengths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from task_twins import TWINS, TransducerTwin, redundant_biases
from torch_twin import CELLS

from charnn.config import Config
from charnn.generation.decoding import decode
from charnn.models.model import Model, Sizes
from charnn.tasks.registry import task_of
from charnn.text.batches import Batch
from charnn.text.buckets import Buckets
from charnn.text.pairs import Examples, Pairs, Sequences
from charnn.text.symbols import PairVocabulary, Symbols
from charnn.training.setup import prepared

pytestmark = pytest.mark.parity

LOSSES = 1e-4
EXACT = 1e-9
UPDATES = 100
B, H, D = 6, 8, 7
EXAMPLES = 45  # the last batch of an epoch is smaller
SIZES = {  # source and target symbols
    "classify": Sizes(9, 4),
    "tag": Sizes(9, 4),
    "transduce": Sizes(9, 5),
    "generate": Sizes(4, 9),
}
TASKS = [
    *(pytest.param(task, None, id=task) for task in ("classify", "tag", "generate")),
    *(
        pytest.param("transduce", score, id=f"transduce-{score}")
        for score in ("dot", "general", "additive", None)
    ),
]


def config_of(task: str, score: str | None, cell: str, **changes: object) -> Config:
    """Return a run of a small model without dropout, in both directions where that may be."""
    values = {
        "cell": cell,
        "gru_reset": "after",
        "hidden_size": H,
        "dropout": 0.0,
        "batch_size": B,
        "learning_rate": 0.01,
        "lr_schedule": "constant",
        "warmup_steps": 0,
        "clip_norm": None,
        "shards": 1,
        "steps": UPDATES,
        "eval_every": UPDATES,
    }
    if task == "transduce":
        values["attention"] = score
    if task != "generate":
        values["bidirectional"] = True
    return Config().replace(task=task, **(values | changes))


def random_model(config: Config, dtype: type = np.float64) -> Model:
    """Return a model in which no weight and no bias is zero."""
    task = config.task.task
    kind = task_of(config).model
    model = kind.started(config.model, SIZES[task], seed=3, dtype=dtype)
    random = np.random.default_rng(4)
    model.parameters.flat[:] += 0.2 * random.standard_normal(model.parameters.flat.shape)
    return model


def learnable_pairs(task: str) -> Pairs:
    """Return examples of lengths 1 to 8 in which there is something to learn."""
    random = np.random.default_rng(5)
    sizes = SIZES[task]
    sources, targets = [], []
    for number in range(EXAMPLES):
        text = random.integers(0, 9, 1 if number % 9 == 0 else random.integers(1, 9))
        if task == "classify":
            sources, targets = [*sources, text], [*targets, text[:1] % sizes.outputs]
        elif task == "tag":
            before = np.append(text[1:], 0)
            sources, targets = [*sources, text], [*targets, (text + before) % sizes.outputs]
        elif task == "generate":
            label = random.integers(0, sizes.inputs, 1)
            sources, targets = [*sources, label], [*targets, (text // 2 + label) % sizes.outputs]
        else:
            target = text[::-1][: random.integers(1, 9)] % sizes.outputs
            sources, targets = [*sources, text], [*targets, target]
    return Pairs(
        Sequences.of_lists(sources, sizes.inputs), Sequences.of_lists(targets, sizes.outputs)
    )


def dataset_of(task: str) -> Examples:
    """Return the learnable pairs as a dataset without validation or test part."""
    pairs, (inputs, outputs) = learnable_pairs(task), SIZES[task]
    none = pairs.take(np.arange(0))
    names = [f"s{number}" for number in range(9)]
    vocabulary = PairVocabulary(Symbols(tuple(names[:inputs])), Symbols(tuple(names[:outputs])))
    return Examples("learnable", [], vocabulary, pairs, none, none, 0, [])


def batches_of(task: str) -> list[Batch]:
    """Return an epoch of batches; among them one whose sequences are all of length 1."""
    ends = 1 if task in ("transduce", "generate") else 0
    source = Buckets(learnable_pairs(task), B, 1, ends)
    return [source.batch(number) for number in range(source.count)]


@pytest.mark.parametrize("embedding", [None, D], ids=["one-hot", "embedding"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("task", "score", "layers", "bidirectional"),
    [
        (task, score, layers, bidirectional)
        for task, score in (param.values for param in TASKS)
        for layers, bidirectional in ((1, True), (2, True), (2, False))
        if (task, layers, bidirectional) != ("generate", 2, True)  # which reads forwards only
    ],
)
def test_losses_and_gradients(
    task: str, score: str | None, cell: str, layers: int, bidirectional: bool, embedding: int | None
) -> None:
    """In float64 the loss of every batch and the gradients by every weight are PyTorch's."""
    options = {} if task == "generate" else {"bidirectional": bidirectional}
    config = config_of(task, score, cell, num_layers=layers, embedding_size=embedding, **options)
    model = random_model(config)
    twin = TWINS[task](model)
    batches = batches_of(task)
    assert any(batch.ends.max() != batch.ends.min() for batch in batches) or task == "generate"
    for batch in batches[:: 1 if embedding is None else 4]:
        gradients = model.parameters.zeros_like()
        loss, _, backward = model.loss(batch, [])
        backward(gradients)
        twin.zero_grad()
        expected = twin.loss(batch)
        expected.backward()
        assert abs(loss - expected.item()) <= EXACT
        theirs = twin.gradients()
        largest = np.abs(theirs.flat).max()
        for name in gradients:
            assert np.abs(gradients[name] - theirs[name]).max() <= EXACT * largest, name
    assert np.array_equal(twin.weights().flat, model.parameters.flat)
    assert not redundant_biases(twin).any()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("task", "score"), TASKS)
def test_losses_of_100_updates(task: str, score: str | None, cell: str) -> None:
    """Training by the trainer itself, in float32 with Adam, makes PyTorch's losses to 1e-4."""
    config = config_of(task, score, cell)
    model = random_model(config, np.float32)
    twin = TWINS[task](model)
    run = prepared(config, dataset_of(task), model=model)
    ours = [run.step().loss for _ in range(UPDATES)]
    source = run.source
    run.engine.close()

    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    theirs = []
    for update in range(UPDATES):
        loss = twin.loss(source.batch(update))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    assert np.abs(np.subtract(ours, theirs)).max() <= LOSSES
    assert np.mean(ours[-10:]) < np.mean(ours[:10]) - 0.1


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("score", ["dot", "general", "additive", None])
def test_beam_search_is_exhaustive_where_it_can_be(score: str | None, cell: str) -> None:
    """With room for all that can be said in 3 steps, the beam finds PyTorch's 8 likeliest."""
    symbols, longest, best = 3, 3, 8
    config = config_of("transduce", score, cell)
    kind = task_of(config).model
    model = kind.started(config.model, Sizes(9, symbols), seed=3, dtype=np.float64)
    model.parameters.flat[:] += 0.3 * np.random.default_rng(6).standard_normal(
        model.parameters.flat.shape
    )
    twin = TransducerTwin(model)
    ids, lengths = np.array([[3, 7], [5, 0], [1, 0]]), np.array([3, 1])
    found = decode(
        model, ids, lengths, beam=(symbols + 1) ** longest, n_best=best, max_length=longest
    )
    for b, hypotheses in enumerate(found):
        chances = exhaustive(twin, ids[: lengths[b], b], symbols, longest)
        expected = sorted(chances.items(), key=lambda each: -each[1])[:best]
        for hypothesis, (target, log_p) in zip(hypotheses, expected, strict=True):
            assert tuple(hypothesis.ids) == target
            assert abs(hypothesis.log_probability - log_p) <= EXACT


def exhaustive(
    twin: TransducerTwin, source: np.ndarray, symbols: int, longest: int
) -> dict[tuple[int, ...], float]:
    """Return the log probability of every target of `longest` symbols at most, and of its end."""
    chances = {}
    for length in range(longest + 1):
        targets = np.array(list(itertools.product(range(symbols), repeat=length)), np.int64)
        targets = targets.reshape(symbols**length, length).T
        N = targets.shape[1]
        read = np.concatenate([np.full((1, N), symbols), targets])
        predicted = torch.tensor(np.concatenate([targets, np.full((1, N), symbols)]))
        with torch.no_grad():
            logits, _ = twin.logits(
                np.repeat(source[:, None], N, axis=1),
                np.full(N, len(source)),
                read,
                np.full(N, length + 1),
            )
            log_y = torch.log_softmax(logits, -1).gather(2, predicted[..., None])
        for n in range(N):
            chances[tuple(targets[:, n].tolist())] = float(log_y[:, n, 0].sum())
    return chances
