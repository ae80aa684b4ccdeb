"""`charnn bench`."""

from __future__ import annotations

import math
from typing import Any

import click

from charnn.cli.flags import SectionedCommand, flag, output_flags
from charnn.registry import CELLS


@click.command("bench", cls=SectionedCommand)
@flag("--cell", section="Benchmark", type=click.Choice(list(CELLS)), help="One cell only.  [all]")
@flag("--quick", section="Benchmark", is_flag=True, help="Two sizes and short rounds.")
@flag(
    "--peer",
    section="Benchmark",
    type=click.Choice(["torch"]),
    help="Time PyTorch in turn, where it is installed.",
)
@output_flags()
def command(cell: str | None, quick: bool, peer: str | None, quiet: bool, as_json: bool) -> None:
    """Measure this machine, and training, sampling, evaluation, start-up and memory on it.

    \b
    charnn bench --quick
    charnn bench --cell lstm
    charnn bench --peer torch --json > bench.json

    Figures are medians; with --peer both sides run in turn. The machine should be idle. Share is
    the part of the matrix products' speed that training reaches: all threads' peak is 100 %.
    """
    from charnn.bench import measure, report
    from charnn.bench.torch_peer import load_torch
    from charnn.bench.workload import grid
    from charnn.cli.console import progress_bar, show, show_json, show_table

    if peer is not None:
        load_torch()
    cells = [cell] if cell is not None else list(CELLS)
    points = grid(cells, quick)
    rounds = 3 if quick else 7
    peak_one, peak_all = measure.peak_gflops(1), measure.peak_gflops(None)
    training: list[dict[str, Any]] = []
    sampling: list[dict[str, Any]] = []
    with progress_bar("measuring", len(points) + 2 * len(cells), quiet or as_json) as advance:
        for point in points:
            training.append(report.training(point, rounds, peak_all, peer))
            advance(1)
        for name in cells:
            sampling += report.sampling(name, rounds, peer)
            advance(2)
    start_up = {
        " ".join(arguments): measure.start_up_seconds(arguments)
        for arguments in (["--help"], ["sample", "--help"])
    }
    memory = dict(measure.peak_memory())
    means = report.geometric_means(training)
    if as_json:
        show_json(
            {
                "peak_gflops": {"one_thread": peak_one, "all_threads": peak_all},
                "training": training,
                "geometric_means": means,
                "sampling": sampling,
                "start_up_seconds": start_up,
                "peak_memory_bytes": memory,
            }
        )
        return
    show(f"matrix product (float32): {peak_one:.0f} GFLOP/s on one thread, {peak_all:.0f} on all\n")
    columns = ["cell", "L", "H", "B", "T", "shards", "ms/update", "chars/s", "share"]
    rows = [
        [
            row["cell"],
            *(row[key] for key in ("layers", "hidden_size", "batch_size", "seq_length", "shards")),
            f"{row['milliseconds']:.1f}",
            f"{row['symbols_per_second']:,.0f}",
            f"{row['share_of_peak']:.0%}",
            *([f"{row['peer_milliseconds']:.1f}", f"{row['ratio']:.2f}x"] if peer else []),
        ]
        for row in training
    ]
    show_table("training", [*columns, *(["PyTorch ms", "ratio"] if peer else [])], rows, ["cell"])
    for name, mean in means.items():
        show(f"geometric mean of the ratios, {name}: {mean:.2f}x")
    rows = [
        [
            row["cell"],
            row["layers"],
            row["hidden_size"],
            f"{row['single']:,.0f}",
            f"{row['batch_of_64']:,.0f}",
            f"{row['batch_of_64'] / row['single']:.1f}x",
            f"{row['evaluation']:,.0f}",
            *([f"{row['peer_single']:,.0f}", f"{row['ratio']:.1f}x"] if peer else []),
        ]
        for row in sampling
    ]
    columns = ["cell", "L", "H", "1 stream", "64 streams", "gain", "evaluation"]
    show_table(
        "sampling and evaluation, characters a second",
        [*columns, *(["PyTorch 1 stream", "ratio"] if peer else [])],
        rows,
        ["cell"],
    )
    for arguments, seconds in start_up.items():
        show(f"start-up of charnn {arguments}: {1000 * seconds:.0f} ms")
    for who, size in memory.items():
        show(f"peak memory of {who}: {math.ceil(size / 1e6):,} MB")
