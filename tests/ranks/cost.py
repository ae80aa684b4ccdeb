"""What ranks cost: measured with gloo on this machine, and a model for fast networks.

    python tests/ranks/cost.py

starts torchrun with 1, 2 and 4 ranks, and prints the two tables of docs/scaling.md. The model is
that of a ring: each of W ranks sends and receives 2 (W - 1) / W of the vector in 2 (W - 1) steps,

    t = 2 (W - 1) / W  bytes / bandwidth + 2 (W - 1) latency

(Patarasuk and Yuan, 2009). The bandwidths are those of the links' names, and no such network was
measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any, NamedTuple

SIZES = ((1, 128), (1, 512), (2, 512))  # layers, units of an LSTM
BATCH, STEPS, SYMBOLS = 64, 64, 65
UPDATES = 8
RANKS = (1, 2, 4)
MODELS = {"1 x 256": 346_433, "2 x 512": 3_316_289, "3 x 1024": 21_316_673}


class Network(NamedTuple):
    """A network: its name, bytes a second in one direction, and seconds of latency."""

    name: str
    bandwidth: float
    latency: float


NETWORKS = (
    Network("1 Gbit/s Ethernet", 0.125e9, 100e-6),
    Network("25 Gbit/s Ethernet", 3.1e9, 30e-6),
    Network("400 Gbit/s InfiniBand", 50e9, 5e-6),
    Network("NVLink, 450 GB/s", 450e9, 5e-6),
)


def ring_seconds(parameters: int, ranks: int, network: Network) -> float:
    """Return how long the sum of so many float32 gradients takes."""
    moved = 2 * (ranks - 1) / ranks * 4 * parameters / network.bandwidth
    return moved + 2 * (ranks - 1) * network.latency


def predicted() -> list[str]:
    """Return the rows of the model's table: milliseconds for 2, 8 and 64 ranks."""
    rows = ["| LSTM | Parameters | Network | 2 ranks | 8 ranks | 64 ranks |", "| --- " * 6 + "|"]
    for name, parameters in MODELS.items():
        for network in NETWORKS:
            times = [1000 * ring_seconds(parameters, ranks, network) for ranks in (2, 8, 64)]
            shown = " | ".join(f"{each:.2f}" for each in times)
            rows.append(f"| {name} | {parameters:,} | {network.name} | {shown} |")
    return rows


def measured_here() -> list[dict[str, Any]]:
    """Measure updates and all-reduces as a rank of those that torchrun has started."""
    import numpy as np
    import torch

    from charnn.config import Config, EngineConfig
    from charnn.engines.choice import make_team
    from charnn.engines.torch.engine import TorchEngine
    from charnn.models.language_model import LanguageModel
    from charnn.text.corpus import corpus_in_memory
    from charnn.text.vocabulary import Vocabulary

    options = EngineConfig(engine="torch", device="cpu")
    team = make_team(options)
    vocabulary = Vocabulary("".join(map(chr, range(33, 33 + SYMBOLS))), False, "characters")
    ids = np.random.default_rng(1).integers(0, SYMBOLS, 60_000).astype(np.uint8)
    found = []
    for layers, units in SIZES:
        config = Config.from_values(
            {"num_layers": layers, "hidden_size": units, "batch_size": BATCH, "shards": 1}
            | {"seq_length": STEPS, "dropout": 0.0}
        )
        corpus = corpus_in_memory(ids, vocabulary).cut(config.data)
        model = LanguageModel.initialized(config.model, SYMBOLS, 1)
        engine = TorchEngine(config, model, corpus, options, team)
        vector = torch.zeros(model.parameters.flat.size + 3)
        updates, sums = [], []
        for number in range(UPDATES):
            began = time.perf_counter()
            engine.update(number, 0.001)
            updated = time.perf_counter()
            team.add_up(vector)
            updates.append(updated - began)
            sums.append(time.perf_counter() - updated)
        found.append(
            {
                "model": f"{layers} x {units}",
                "parameters": model.parameters.flat.size,
                "update": median(updates[2:]),
                "sum": median(sums[2:]) if team.size > 1 else 0.0,
            }
        )
    rank = team.rank
    team.close()
    return found if rank == 0 else []


def measured(ranks: int) -> list[dict[str, Any]]:
    """Start some ranks and return what rank 0 has measured."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", str(ranks), __file__, "here"],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("[{")]
    rows: list[dict[str, Any]] = json.loads(line)
    return rows


def main() -> None:
    """Print both tables, or be a rank."""
    if sys.argv[1:] == ["here"]:
        rows = measured_here()
        if rows:
            print(json.dumps(rows), flush=True)
        os._exit(0)  # as charnn's ranks end: PyTorch's threads may abort an ordinary exit
    print("| LSTM | Parameters | Ranks | ms per update | Characters/s | Sum of gradients, ms |")
    print("| --- " * 6 + "|")
    for ranks in RANKS:
        for row in measured(ranks):
            symbols = BATCH * STEPS / row["update"]
            print(
                f"| {row['model']} | {row['parameters']:,} | {ranks} | {1000 * row['update']:.1f} "
                f"| {symbols:,.0f} | {1000 * row['sum']:.2f} |"
            )
    print()
    print("\n".join(predicted()))


if __name__ == "__main__":
    main()
