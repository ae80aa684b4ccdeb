"""Everything about the engine on PyTorch that only a GPU can show: `make gpu`.

    parity        losses as the NumPy engine's, with exactly rounded float32
    bits          two runs with the same bits, PyTorch's deterministic algorithms on
    precision     the final loss in TF32 and float16 against float32's
    speed         characters a second against a bare loop, and the share of the GPU's peak
    graphs        a GRU that resets before the product, with CUDA graphs and without
    learning      the seconds until the validation loss of tinyshakespeare is 1.50 nats

A table is printed, and everything is written as JSON. With `--device cpu --quick` the same code
runs small on a CPU, which checks the script and not the engine; what needs a GPU is then named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts

import numpy as np
import torch

from charnn.bench.bare_loop import BareLoop
from charnn.bench.engines import Setting, run_of, timed
from charnn.bench.workload import Point, random_corpus
from charnn.config import Config, EngineConfig
from charnn.engines.torch.library import multiply_as
from charnn.registry import CELLS
from charnn.text.corpus import Corpus, read_corpus
from charnn.training.events import Evaluation
from charnn.training.setup import prepared
from charnn.training.trainer import Trainer

PRECISIONS = ("fp32", "tf32", "fp16")
SHAKESPEARE = {
    "hidden_size": 384,
    "dropout": 0.5,
    "seq_length": 96,
    "learning_rate": 6e-3,
    "state_reset": 0.01,
    "val_fraction": 0.1,
}
LOSSES, FINAL_LOSS, OF_BARE = 1e-4, 0.005, 0.95  # what must be reached
TARGET = 1.50  # nats
CHAOTIC = {"layernorm-lstm": 5}  # updates, until rounding alone parts NumPy's own precisions


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    device: str
    precisions: tuple[str, ...]
    cells: tuple[str, ...]
    updates: int  # of parity and bits
    steps: int  # of a run whose final loss counts
    seeds: tuple[int, ...]
    sizes: tuple[tuple[int, int, int, int], ...]  # layers, hidden size, batch size, sequence length
    peak: int  # rows and columns of the product whose speed is called the peak
    rounds: int
    learning: dict[str, Any]
    target: float = TARGET


FULL_SIZES = ((2, 512, 128, 64), (3, 1024, 128, 64))
SMALL = {"hidden_size": 16, "seq_length": 12, "batch_size": 8, "val_fraction": 0.1}


def plan_of(device: str, quick: bool) -> Plan:
    """Return what to do on a device."""
    precisions = PRECISIONS if device == "cuda" else ("fp32",)
    if quick:
        sizes, learning = ((1, 16, 4, 5),), SMALL | {"steps": 40, "eval_every": 20}
        return Plan(device, precisions, ("lstm", "gru"), 5, 20, (1,), sizes, 64, 1, learning, 4.2)
    learning = SHAKESPEARE | {"steps": 7_000, "eval_every": 100}
    seeds = (1, 2, 3)
    return Plan(device, precisions, tuple(CELLS), 100, 1_500, seeds, FULL_SIZES, 8192, 7, learning)


@dataclass(frozen=True)
class Row:
    """A figure; `passed` is None where nothing has to be reached, or nothing was run."""

    check: str
    case: str
    figure: str
    passed: bool | None = None


def training(config: Config, corpus: Corpus, plan: Plan, precision: str = "fp32") -> Trainer:
    """Prepare a run on the plan's device."""
    return prepared(config, corpus, compute=Setting(plan.device, precision).options("torch"))


def forms(cells: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each cell with each of its forms."""
    for cell in cells:
        yield from ((cell, form or "before") for form in CELLS[cell].forms())


def parity(plan: Plan) -> Iterator[Row]:
    """Compare the losses of both engines, update by update, for each cell and form."""
    for cell, form in forms(plan.cells):
        for layers in (1, 2):
            point = Point(cell, form, layers, 64, 16, 32)
            corpus = random_corpus(point)
            rule = {"learning_rate": 1e-3, "shards": 1, "val_fraction": 0.0}
            if cell in CHAOTIC:
                rule |= {"optimizer": "sgd", "learning_rate": 0.05}
            config = point.config.replace(**rule)
            numpy_run = prepared(config, corpus, compute=EngineConfig(engine="shards"))
            run = training(config, corpus, plan)
            updates = min(plan.updates, CHAOTIC.get(cell, plan.updates))
            apart = max(abs(numpy_run.step().loss - run.step().loss) for _ in range(updates))
            numpy_run.engine.close()
            label = f"{point.label}, {layers} layers, {updates} updates"
            yield Row("parity", label, f"{apart:.1e} nats apart", apart <= LOSSES)


def bits(plan: Plan) -> Iterator[Row]:
    """Compare everything that two runs end with, bit for bit."""
    torch.use_deterministic_algorithms(True)
    for cell, form in forms(tuple(cell for cell in ("lstm", "gru") if cell in plan.cells)):
        for precision in plan.precisions:
            point = Point(cell, form, 2, 128, 32, 32)
            config = point.config.replace(val_fraction=0.0, dropout=0.2)
            ends = []
            for _ in range(2):
                run = training(config, random_corpus(point), plan, precision)
                for _ in range(plan.updates):
                    run.step()
                ends.append({name: a.tobytes() for name, a in run.engine.export().items()})
            label = f"{point.label}, {precision}, {plan.updates} updates"
            same = ends[0] == ends[1]
            yield Row("bits", label, "the same" if same else "different", same)
    torch.use_deterministic_algorithms(False)


def final_loss(plan: Plan, corpus: Corpus, precision: str, seed: int) -> float:
    """Return the validation loss at the end of a run, in nats."""
    values = {**plan.learning, "steps": plan.steps, "eval_every": plan.steps, "seed": seed}
    run = training(Config.from_values(values), corpus, plan, precision)
    losses = [e.val_loss for e in run.run() if isinstance(e, Evaluation) and e.val_loss is not None]
    return losses[-1]


def precision(plan: Plan, text: Path) -> Iterator[Row]:
    """Compare the final losses of lower precisions with float32's, the means of some seeds."""
    corpus = corpus_of(plan, text)
    means = {
        name: mean(final_loss(plan, corpus, name, seed) for seed in plan.seeds)
        for name in plan.precisions
    }
    exact = means["fp32"]
    for name, loss in means.items():
        label = f"LSTM, {name}, {plan.steps} updates, {len(plan.seeds)} seeds"
        apart = loss - exact
        passed = None if name == "fp32" else apart <= FINAL_LOSS
        yield Row("precision", label, f"{loss:.4f} nats, {apart:+.4f}", passed)
    for name in PRECISIONS[len(plan.precisions) :]:
        yield Row("precision", f"LSTM, {name}", "not run: it needs a GPU")


def peak_flops(plan: Plan, name: str) -> float:
    """Return the speed of a large matrix product in a precision, in operations a second."""
    multiply_as(name)
    dtype = torch.float16 if name == "fp16" else torch.float32
    a = torch.randn(plan.peak, plan.peak, device=plan.device, dtype=dtype)
    seconds = timed({"product": lambda: a @ a}, plan.device, plan.rounds)["product"]
    return float(2 * plan.peak**3 / seconds)


def speed(plan: Plan) -> Iterator[Row]:
    """Measure the engine and a bare loop in turn, without dropout as the bare loop has none."""
    for name in plan.precisions:
        peak = peak_flops(plan, name)
        yield Row("speed", f"matrix product, {name}", f"{peak / 1e12:.2f} TFLOP/s, the peak")
        for size in plan.sizes:
            point = Point("lstm", "before", *size)
            setting = Setting(plan.device, name)
            with run_of(point, setting, "torch") as run:
                loop = BareLoop(point, plan.device, name)
                seconds = timed({"torch": run.step, "bare": loop.step}, plan.device, plan.rounds)
            own, bare = (point.symbols / each for each in seconds.values())
            share = point.flops / seconds["torch"] / peak
            layers, hidden, batch, steps = size
            yield Row(
                "speed",
                f"LSTM {layers} x {hidden}, batch {batch}, T {steps}, {name}",
                f"{own:,.0f} chars/s, bare loop {bare:,.0f}: {own / bare:.2f}; "
                f"{share:.1%} of the peak",
                own >= OF_BARE * bare if plan.device == "cuda" else None,
            )


def graphs(plan: Plan) -> Iterator[Row]:
    """Measure a network that runs step by step with CUDA graphs and without."""
    for name in plan.precisions:
        point = Point("gru", "before", *plan.sizes[0])
        label = f"{point.label} {point.num_layers} x {point.hidden_size}, {name}"
        setting = Setting(plan.device, name)
        with run_of(point, setting, "torch") as captured, run_of(point, setting, "torch") as plain:
            engine: Any = plain.engine
            engine._gradient.graphs = None
            sides = {"graph": captured.step, "plain": plain.step}
            seconds = timed(sides, plan.device, plan.rounds)
        figure = (
            f"{1000 * seconds['graph']:.2f} ms an update, without {1000 * seconds['plain']:.2f}"
        )
        on_gpu = plan.device == "cuda"
        passed = seconds["graph"] < seconds["plain"] if on_gpu else None
        yield Row("graphs", label, figure if on_gpu else f"{figure} (no graphs on a CPU)", passed)


def learning(plan: Plan, text: Path) -> Iterator[Row]:
    """Measure the training seconds until the validation loss is the target."""
    corpus = corpus_of(plan, text)
    for name in plan.precisions:
        run = training(Config.from_values(plan.learning), corpus, plan, name)
        figure, reached = "not reached", False
        for event in run.run():
            if isinstance(event, Evaluation) and (event.val_loss or np.inf) <= plan.target:
                figure = f"{event.seconds:.1f} s, {event.update} updates"
                reached = True
                break
        yield Row("learning", f"{text.name} to {plan.target:.2f} nats, {name}", figure, reached)


def corpus_of(plan: Plan, text: Path) -> Corpus:
    """Return a text as ids, cut into its parts."""
    data = Config.from_values(plan.learning).data
    return read_corpus([str(text)], data).cut(data)


def fetched(path: Path) -> Path:
    """Return tinyshakespeare, downloaded if it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "charnn", "fetch", "tinyshakespeare", "--out", str(path)]
        subprocess.run(command, check=True)
    return path


def main() -> int:
    """Run all checks; return 0, 1 where something is not reached, or 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="small, to check this script")
    parser.add_argument("--text", type=Path, help="a text instead of tinyshakespeare")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu.json"))
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch finds no CUDA GPU here, so nothing was measured.", file=sys.stderr)
        return 2
    plan = plan_of(asked.device, asked.quick)
    text = asked.text or fetched(Path("runs/tinyshakespeare.txt"))
    name = (
        torch.cuda.get_device_name() if plan.device == "cuda" else "a CPU: checks the script only"
    )
    print(f"torch {torch.__version__} on {name}")
    rows, began = [], time.perf_counter()
    checks: list[Callable[[], Iterator[Row]]] = [
        lambda: parity(plan),
        lambda: bits(plan),
        lambda: speed(plan),
        lambda: graphs(plan),
        lambda: precision(plan, text),
        lambda: learning(plan, text),
    ]
    for check in checks:
        for row in check():
            rows.append(row)
            said = {True: "reached", False: "NOT REACHED", None: ""}[row.passed]
            print(f"{row.check:10} {row.case:48} {row.figure}  {said}", flush=True)
    content = {"torch": torch.__version__, "device": name, "rows": [asdict(row) for row in rows]}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{time.perf_counter() - began:.0f} s; figures in {asked.out}")
    return int(any(row.passed is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
