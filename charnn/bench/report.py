"""The figures of a benchmark, a row for each point."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

from charnn.bench import measure
from charnn.bench.workload import SAMPLED_SIZES, VOCAB_SIZE, Point, shards, trainer
from charnn.nn.blas import single_thread

SAMPLE_LENGTH, BATCH, BATCH_LENGTH = 400, 64, 100
STAGES = 3  # of an update: see charnn.engines.shard
SMALL = Point("lstm", "before", 1, 256, 16, 64)  # a small update
EVALUATED = 200_000  # symbols


def measured(
    points: list[Point],
    cells: list[str],
    rounds: int,
    peer: str | None,
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """Measure all that a benchmark tells; `advance` is told how many steps are done."""
    peak_one, peak_all = measure.peak_gflops(1), measure.peak_gflops(None)
    waiting = synchronization(rounds)
    commands = (["--help"], ["sample", "--help"])
    start_up = {" ".join(each): measure.start_up_seconds(each) for each in commands}
    advance(2)
    training_rows, sampling_rows = [], []
    for point in points:
        training_rows.append(training(point, rounds, peak_all, peer))
        advance(1)
    memory = dict(measure.peak_memory())
    for cell in cells:
        sampling_rows += sampling(cell, rounds, peer)
        advance(2)
    return {
        "peak_gflops": {"one_thread": peak_one, "all_threads": peak_all},
        "training": training_rows,
        "geometric_means": geometric_means(training_rows),
        "sampling": sampling_rows,
        "synchronization_seconds": waiting,
        "start_up_seconds": start_up,
        "peak_memory_bytes": memory,
    }


def training(point: Point, rounds: int, peak: float, peer: str | None) -> dict[str, Any]:
    """Time a grid point's updates, and the peer's in turn with them."""
    with trainer(point) as run:
        sides: list[Callable[[], object]] = [run.step]
        row: dict[str, Any] = {
            "cell": point.label,
            "layers": point.num_layers,
            "hidden_size": point.hidden_size,
            "batch_size": point.batch_size,
            "seq_length": point.seq_length,
            "shards": point.config.training.shards,
        }
        if peer is not None:
            from charnn.bench.torch_peer import fastest

            rival, threads, kind = fastest(point)
            rival.torch.set_num_threads(threads)
            sides.append(rival.step)
            row |= {"peer_threads": threads, "peer_input": kind}
        seconds, *others = measure.in_turn(sides, rounds)
    row["milliseconds"] = 1000 * seconds
    row["symbols_per_second"] = point.symbols / seconds
    row["share_of_peak"] = point.flops / seconds / (peak * 1e9)
    if others:
        row |= {"peer_milliseconds": 1000 * others[0], "ratio": others[0] / seconds}
    return row


def synchronization(rounds: int) -> float:
    """Return how long the shards of an update wait for each other, in seconds.

    An update has three stages; a stage without work is timed.
    """
    with shards(SMALL) as engine, single_thread():
        taken = measure.seconds_each(engine.synchronize, 100 * rounds)
    return STAGES * median(taken)


def sampling(cell: str, rounds: int, peer: str | None) -> list[dict[str, Any]]:
    """Time sampling of one stream and of 64, and evaluation, for some sizes of a cell."""
    rows = []
    for layers, hidden in SAMPLED_SIZES:
        model = measure.sampling_model(cell, layers, hidden, VOCAB_SIZE)
        sides = [measure.sampler(model, 1, SAMPLE_LENGTH)]
        if peer is not None:
            from charnn.bench.torch_peer import stepwise_sampler

            sides.append(stepwise_sampler(cell, layers, hidden, SAMPLE_LENGTH))
        single, *others = measure.in_turn(sides, rounds)
        batch, evaluation = measure.in_turn(
            [measure.sampler(model, BATCH, BATCH_LENGTH), measure.evaluator(model, EVALUATED)], 2
        )
        row: dict[str, Any] = {
            "cell": cell,
            "layers": layers,
            "hidden_size": hidden,
            "single": SAMPLE_LENGTH / single,
            "batch_of_64": BATCH * BATCH_LENGTH / batch,
            "evaluation": EVALUATED / evaluation,
        }
        if others:
            row |= {"peer_single": SAMPLE_LENGTH / others[0], "ratio": others[0] / single}
        rows.append(row)
    return rows


def geometric_means(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the geometric mean of the ratios to the peer: LSTM, both GRU forms, RNN."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if "ratio" in row:
            ratios[row["cell"].split()[0]].append(row["ratio"])
    return {name: math.exp(sum(map(math.log, each)) / len(each)) for name, each in ratios.items()}
