"""Which engine is faster, size by size: NumPy's shards, PyTorch, or a bare loop on PyTorch.

All make updates of the same model on random symbols, in turn in one run. The bare loop computes
with as many threads as the engine on PyTorch, and reads the same kind of input. PyTorch has no GRU
that resets before the product, so there only the two engines are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

from charnn.bench import measure
from charnn.bench.bare_loop import BareLoop
from charnn.bench.torch_peer import load_torch
from charnn.bench.workload import Point, random_corpus
from charnn.config import EngineConfig
from charnn.registry import CELLS
from charnn.training.setup import prepared
from charnn.training.trainer import Trainer

LAYERS, HIDDEN, BATCHES, STEPS = (1, 2), (128, 256, 512), (16, 64), 64
QUICK_LAYERS, QUICK_HIDDEN = (1,), (128, 256)
CLOSE = 0.05  # times that differ by less are called equal
UPDATES_ON_GPU = 16  # at a time: the GPU is waited for once


@dataclass(frozen=True)
class Setting:
    """On what the engines on PyTorch compute, and with how much dropout all of them do."""

    device: str = "cpu"
    precision: str = "fp32"
    dropout: float = 0.0

    def options(self, engine: str) -> EngineConfig:
        """Return the options of an engine."""
        if engine == "shards":
            return EngineConfig(engine=engine)
        return EngineConfig(engine=engine, device=self.device, precision=self.precision)


def engine_grid(cells: list[str], quick: bool) -> list[Point]:
    """Return the grid's points for all forms of the cells named."""
    forms = [(cell, form or "before") for cell in cells for form in CELLS[cell].forms()]
    layers, hidden = (QUICK_LAYERS, QUICK_HIDDEN) if quick else (LAYERS, HIDDEN)
    return [
        Point(*form, *size, STEPS) for form in forms for size in product(layers, hidden, BATCHES)
    ]


def engines_measured(
    points: list[Point], setting: Setting, rounds: int, advance: Callable[[int], object]
) -> dict[str, Any]:
    """Return the figures of all points and what follows from them, `advice`.

    `advance` is called with the number of points done.
    """
    rows = []
    for point in points:
        rows.append(engines_at(point, setting, rounds))
        advance(1)
    return {
        "device": setting.device,
        "precision": setting.precision,
        "dropout": setting.dropout,
        "rows": rows,
        "advice": advice(rows),
    }


def engines_at(point: Point, setting: Setting, rounds: int) -> dict[str, Any]:
    """Time a point's updates by each engine and by the bare loop, if there is one, in turn."""
    torch = load_torch()
    peer = point.cell_itself.peer
    with run_of(point, setting, "shards") as shards, run_of(point, setting, "torch") as run:
        sides: dict[str, Callable[[], object]] = {"shards": shards.step, "torch": run.step}
        if peer is not None and peer.same:
            loop = BareLoop(point, setting.device, setting.precision, setting.dropout)
            sides["bare"] = loop.step
        run.step()  # it sets the number of threads, which the bare loop keeps
        threads = torch.get_num_threads()
        seconds = timed(sides, setting.device, rounds)
    return {
        "cell": point.label,
        "layers": point.num_layers,
        "hidden_size": point.hidden_size,
        "batch_size": point.batch_size,
        "seq_length": point.seq_length,
        "shards": point.config.training.shards,
        "threads": threads,
        **{f"{name}_milliseconds": 1000 * each for name, each in seconds.items()},
        "torch_to_bare": seconds["torch"] / seconds["bare"] if "bare" in seconds else None,
        "shards_to_torch": seconds["shards"] / seconds["torch"],
        "faster": faster(seconds["shards"], seconds["torch"]),
    }


@contextmanager
def run_of(point: Point, setting: Setting, engine: str) -> Iterator[Trainer]:
    """Prepare a run with an engine: `step()` makes an update."""
    config = point.config.replace(val_fraction=0.0, dropout=setting.dropout)
    run = prepared(config, random_corpus(point), compute=setting.options(engine))
    try:
        yield run
    finally:
        run.engine.close()


def timed(sides: dict[str, Callable[[], object]], device: str, rounds: int) -> dict[str, float]:
    """Return the median seconds of each side's update, measured in turn.

    On a GPU an update is done when the GPU is, so several are made before it is waited for.
    """
    if device == "cpu":
        return dict(zip(sides, measure.in_turn([*sides.values()], rounds), strict=True))
    wait = getattr(load_torch(), device).synchronize

    def several(step: Callable[[], object]) -> Callable[[], object]:
        def work() -> None:
            for _ in range(UPDATES_ON_GPU):
                step()
            wait()

        return work

    seconds = measure.in_turn([several(step) for step in sides.values()], rounds)
    return {name: each / UPDATES_ON_GPU for name, each in zip(sides, seconds, strict=True)}


def faster(shards: float, torch: float) -> str:
    """Return which engine is faster by more than measurements are apart."""
    if max(shards, torch) <= (1 + CLOSE) * min(shards, torch):
        return "equal"
    return "shards" if shards < torch else "torch"


def advice(rows: list[dict[str, Any]]) -> list[str]:
    """Return which engine to choose, a sentence for each cell, and how the bare loop compares."""
    sentences = []
    for cell in dict.fromkeys(row["cell"] for row in rows):
        own = [row for row in rows if row["cell"] == cell]
        kinds = {row["faster"] for row in own} - {"equal"}
        if not kinds:
            sentences.append(f"{cell}: both engines are equally fast.")
        elif len(kinds) == 1:
            sentences.append(f"{cell}: choose --engine {kinds.pop()} at all sizes.")
        else:
            sizes = [size_of(row) for row in own if row["faster"] == "torch"]
            sentences.append(
                f"{cell}: choose --engine torch for {', '.join(sizes)} (layers x H, batch), and "
                "--engine shards else."
            )
    ratios = [row["torch_to_bare"] for row in rows if row["torch_to_bare"] is not None]
    if ratios:
        sentences.append(
            f"The engine on PyTorch takes {min(ratios):.2f} to {max(ratios):.2f} times as long as "
            "the bare loop."
        )
    return sentences


def size_of(row: dict[str, Any]) -> str:
    """Return a row's size in words."""
    return f"{row['layers']} x {row['hidden_size']}, {row['batch_size']}"
