"""What holds of every task: its place in the registry, its shares, and its shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import TASKS as NAMES
from charnn.config import Config
from charnn.engines.shard import Shard, shared_shapes
from charnn.models.model import Model
from charnn.models.score import Score
from charnn.tasks import examples_task
from charnn.tasks.registry import TASKS, task_of
from charnn.tasks.task import Dataset, Task

EXAMPLES = 40
OPTIONS: dict[str, dict[str, Any]] = {
    "lm": {"seq_length": 9, "attention": "general", "attention_span": 5},
    "classify": {"bidirectional": True},
    "tag": {"bidirectional": True, "num_layers": 2},
    "transduce": {"bidirectional": True, "attention": "additive", "embedding_size": 4},
    "generate": {"embedding_size": 6, "tie_weights": True},
}
every_task = pytest.mark.parametrize("name", NAMES)


def config_of(name: str, **options: Any) -> Config:
    """Return the configuration of a small run of a task."""
    common = {"hidden_size": 6, "dropout": 0, "batch_size": 5, "val_fraction": 0.5, "cell": "gru"}
    return Config.from_values({"task": name} | common | OPTIONS[name] | options)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """Return data of each task."""
    folder, found = tmp_path_factory.mktemp("data"), {}
    random = np.random.default_rng(1)
    words = ["".join(random.choice(list("abcd"), n % 7 + 1)) for n in range(EXAMPLES)]
    targets = {
        "classify": lambda word: "xy"[word.count("a") > 1],
        "tag": str.upper,
        "transduce": lambda word: word[::-1] * (1 + len(word) % 2),
        "generate": lambda word: "xy"[len(word) > 3],
    }
    for name in NAMES:
        path = Path(folder, f"{name}.tsv")
        lines = words * 60 if name == "lm" else [f"{word}\t{targets[name](word)}" for word in words]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        config = config_of(name)
        found[name] = task_of(config).read([str(path)], config)
    return found


def model_of(name: str, dataset: Dataset) -> Model:
    """Return a random model in float64."""
    config = config_of(name)
    task = task_of(config)
    return task.model.started(config.model, task.sizes(dataset.vocabulary), 1, np.float64)


def test_the_registry_has_the_tasks_of_the_configuration() -> None:
    """The same names in the same order, each of a task that calls itself so."""
    assert tuple(TASKS) == NAMES
    assert [TASKS[name].name for name in NAMES] == list(NAMES)
    assert Config.options()["task"].choices == NAMES
    titles = [TASKS[name].title for name in NAMES]
    assert len({*titles}) == len({TASKS[name].model for name in NAMES}) == len(NAMES)
    for name in NAMES:
        found = task_of(Config.from_values({"task": name}))
        assert type(found) is TASKS[name]
        assert isinstance(found, Task)


@every_task
@pytest.mark.parametrize("part", ["train", "val"])
def test_shares_of_a_score_add_up(
    name: str, part: str, datasets: dict[str, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two or three shares, each with a part of the whole, are the whole score."""
    monkeypatch.setattr(examples_task, "SIDE_BY_SIDE", 4)
    dataset, task = datasets[name], task_of(config_of(name))
    model = model_of(name, dataset)
    whole = task.evaluate(model, dataset.arrays, part)
    for n in (2, 3):
        shares = [task.evaluate(model, dataset.arrays, part, (k, n)) for k in range(n)]
        assert all(0 < share.predictions < whole.predictions for share in shares)
        total = sum(shares, Score(0.0, 0))
        assert total.predictions == whole.predictions
        assert total.nats == pytest.approx(whole.nats, rel=1e-10)
        assert total.accuracy == whole.accuracy
        assert total.error_rate == whole.error_rate


@every_task
def test_every_prediction_is_scored_once(name: str, datasets: dict[str, Dataset]) -> None:
    """A score has as many predictions as the part has targets, with the ends that are scored."""
    dataset, task = datasets[name], task_of(config_of(name))
    score = task.evaluate(model_of(name, dataset), dataset.arrays, "val")
    if name == "lm":
        expected = dataset.parts["val"] - 1
    else:
        targets = dataset.val.targets.lengths
        expected = int(targets.sum()) + (len(targets) if name in ("transduce", "generate") else 0)
    assert score.predictions == expected


def updates(name: str, dataset: Dataset, number: int) -> tuple[list[float], dict[str, Array]]:
    """Make some updates with a number of shards, all in this process.

    Returns each update's loss, and all that updates change.
    """
    config = config_of(name, shards=number, optimizer="sgd")
    task = task_of(config)
    sizes = task.sizes(dataset.vocabulary)
    arrays = {
        array: np.zeros(shape, np.float32) for array, shape in shared_shapes(config, sizes).items()
    }
    start = task.model.started(config.model, sizes, 1)
    arrays["parameters"][:] = start.parameters.flat
    shards = [Shard(config, sizes, dataset.arrays, arrays, k) for k in range(number)]
    losses = []
    for update in range(5):
        losses.append(sum([shard.compute(update) for shard in shards]))
        for shard in shards:
            shard.add_gradients()
        for shard in shards:
            shard.apply(update + 1, 0.5, 1.0)
    assert np.abs(arrays["parameters"] - start.parameters.flat).max() > 0.01
    kept = {array: value for array, value in arrays.items() if not array.startswith("gradients")}
    return losses, kept


@every_task
@pytest.mark.parametrize("number", [2, 3])
def test_shards_are_one_run(name: str, number: int, datasets: dict[str, Dataset]) -> None:
    """Several shards of uneven size have the losses, weights and states of one, to rounding."""
    losses, arrays = updates(name, datasets[name], 1)
    found, parts = updates(name, datasets[name], number)
    assert found == pytest.approx(losses, rel=1e-5)
    assert list(parts) == list(arrays)
    for array, value in arrays.items():
        np.testing.assert_allclose(parts[array], value, rtol=0, atol=1e-5, err_msg=array)
