"""The figures of a task's benchmark, a row for each point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from charnn.bench import measure
from charnn.bench.report import geometric_means
from charnn.bench.task_workload import BATCHES, TaskPoint, task_trainer


def task_measured(
    points: list[TaskPoint], rounds: int, peer: str | None, advance: Callable[[int], object]
) -> dict[str, Any]:
    """Return all figures of a task's benchmark; `advance` is called with the points done."""
    rows = []
    for point in points:
        rows.append(task_training(point, rounds, peer))
        advance(1)
    return {"task": points[0].task, "training": rows, "geometric_means": geometric_means(rows)}


def task_training(point: TaskPoint, rounds: int, peer: str | None) -> dict[str, Any]:
    """Time passes over a point's batches, and the peer's in turn with them."""
    examples = point.examples.train
    with task_trainer(point) as run:

        def epoch() -> None:
            for _ in range(BATCHES):
                run.step()

        sides: list[Callable[[], object]] = [epoch]
        row: dict[str, Any] = {
            "task": point.task,
            "cell": point.label,
            "layers": point.num_layers,
            "hidden_size": point.hidden_size,
            "batch_size": point.batch_size,
            "bidirectional": point.bidirectional,
            "attention": point.attention,
            "shards": run.config.training.shards,
        }
        if peer is not None:
            from charnn.bench.torch_tasks import fastest

            rival = fastest(point)
            sides.append(rival.epoch)
            row |= {"peer_variant": str(rival.variant)}
        seconds, *others = measure.in_turn(sides, rounds)
    symbols = int(examples.sources.starts[-1] + examples.targets.starts[-1])
    row["milliseconds"] = 1000 * seconds / BATCHES
    row["examples_per_second"] = len(examples) / seconds
    row["symbols_per_second"] = symbols / seconds
    if others:
        milliseconds = 1000 * others[0] / BATCHES
        row |= {"peer_milliseconds": milliseconds, "ratio": others[0] / seconds}
    return row
