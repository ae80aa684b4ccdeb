"""`charnn bench`."""

from __future__ import annotations

import math
from typing import Any

import click

from charnn.cli.flags import SectionedCommand, complete_files, flag, output_flags
from charnn.config import TASKS
from charnn.errors import ConfigError
from charnn.registry import CELLS


@click.command("bench", cls=SectionedCommand)
@flag(
    "--task",
    section="Benchmark",
    type=click.Choice(list(TASKS)),
    metavar="|".join(TASKS),
    default="lm",
    help="Task to measure. lm: all measurements; others: training, on random examples shaped like "
    "real ones.  [lm]",
)
@flag(
    "--cell",
    section="Benchmark",
    type=click.Choice(list(CELLS)),
    metavar="|".join(CELLS),
    help="One cell only.  [all; with --peer, all that the peer has]",
)
@flag("--quick", section="Benchmark", is_flag=True, help="Two sizes and short rounds.")
@flag(
    "--peer",
    section="Benchmark",
    type=click.Choice(["torch"]),
    metavar="torch",
    help="Measure PyTorch, too, if it is installed.",
)
@flag(
    "--engine",
    "engines",
    section="Engines",
    is_flag=True,
    help="Measure training only, size by size: by NumPy, by the engine on PyTorch, and by a bare "
    "loop in PyTorch; and say which engine is faster here.",
)
@flag(
    "--device",
    section="Engines",
    type=click.Choice(["cpu", "cuda"]),
    metavar="cpu|cuda",
    help="With --engine: where PyTorch computes.  [cpu]",
)
@flag(
    "--precision",
    section="Engines",
    type=click.Choice(["fp32", "tf32", "fp16"]),
    metavar="fp32|tf32|fp16",
    help="With --engine: how PyTorch multiplies on a CUDA GPU.  [fp32]",
)
@flag(
    "--dropout",
    section="Engines",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="RATE",
    help="With --engine: dropout of all sides.  [0]",
)
@flag(
    "--compress",
    "text",
    section="Compression",
    metavar="TEXT",
    shell_complete=complete_files,
    help="Compress a text by a model, and beside it by gzip, bzip2, xz and, where they are "
    "installed, zstd, brotli and 7-Zip's PPMd.",
)
@flag(
    "--model",
    section="Compression",
    metavar="CKPT",
    shell_complete=complete_files,
    help="With --compress: the language model.",
)
@output_flags()
def command(
    task: str,
    cell: str | None,
    quick: bool,
    peer: str | None,
    engines: bool,
    device: str | None,
    precision: str | None,
    dropout: float | None,
    text: str | None,
    model: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure this machine, and training, sampling, evaluation, start-up and memory on it.

    \b
    charnn bench --quick
    charnn bench --cell lstm
    charnn bench --peer torch --json > bench.json
    charnn bench --task transduce --peer torch
    charnn bench --engine
    charnn bench --compress sonnets.txt --model runs/shakespeare-lstm

    Figures are medians; with --peer and --engine all sides run in turn. The machine should be
    idle. The column "share" compares the speed of training with that of a large matrix product on
    all threads, which is 100 %.
    """
    if text is not None or model is not None:
        from charnn.cli.bench_compress import measure_compression

        measure_compression(click.get_current_context(), text, model, quiet, as_json)
        return
    of_engines = {"device": device, "precision": precision, "dropout": dropout}
    chosen = {name: value for name, value in of_engines.items() if value is not None}
    if engines:
        from charnn.cli.bench_engines import measure_engines

        refuse_beside_engine(task=task if task != "lm" else None, peer=peer)
        measure_engines(cell, quick, chosen, quiet, as_json)
        return
    for name in chosen:
        raise ConfigError(f"{name} is given, which bench takes only with --engine; leave it out.")
    cells, rounds = cells_of(cell, peer), 3 if quick else 7
    if task != "lm":
        from charnn.cli.bench_tasks import measure_tasks

        measure_tasks(task, cells, rounds, quick, peer, quiet, as_json)
        return
    measure_all(cells, rounds, quick, peer, quiet, as_json)


def cells_of(cell: str | None, peer: str | None) -> list[str]:
    """Return the cells to measure. Raises ConfigError for one that the peer does not have."""
    from charnn.bench.torch_peer import load_torch, torch_layer
    from charnn.bench.workload import cells_with_a_peer

    if peer is None:
        return [cell] if cell is not None else list(CELLS)
    load_torch()
    if cell is None:
        return cells_with_a_peer()
    torch_layer(cell)
    return [cell]


def measure_all(
    cells: list[str], rounds: int, quick: bool, peer: str | None, quiet: bool, as_json: bool
) -> None:
    """Measure everything about language models, and print what was found."""
    from charnn.bench import report
    from charnn.bench.workload import grid
    from charnn.cli.console import progress_bar, show_json

    points = grid(cells, quick)
    work = len(points) + 2 * len(cells) + 2
    with progress_bar("measuring", work, quiet or as_json) as advance:
        found = report.measured(points, cells, rounds, peer, advance)
    if as_json:
        show_json(found)
    else:
        show_report(found, peer is not None)


def refuse_beside_engine(**given: str | None) -> None:
    """Raise ConfigError where something is given that `--engine` does not measure."""
    for name, value in given.items():
        if value is not None:
            raise ConfigError(
                f"{name} is {value}, but --engine measures the training of language models, and "
                f"PyTorch beside it; leave out --{name} or --engine."
            )


def show_report(found: dict[str, Any], with_peer: bool) -> None:
    """Print what was measured as tables and sentences."""
    from charnn.cli.console import show, show_table

    peak = found["peak_gflops"]
    show(
        f"matrix product (float32): {peak['one_thread']:.0f} GFLOP/s on one thread, "
        f"{peak['all_threads']:.0f} on all\n"
    )
    columns = ["cell", "L", "H", "B", "T", "shards", "ms/update", "chars/s", "share"]
    keys = ("layers", "hidden_size", "batch_size", "seq_length", "shards")
    rows = [
        [
            row["cell"],
            *(row[key] for key in keys),
            f"{row['milliseconds']:.1f}",
            f"{row['symbols_per_second']:,.0f}",
            f"{row['share_of_peak']:.0%}",
            *([f"{row['peer_milliseconds']:.1f}", f"{row['ratio']:.2f}x"] if with_peer else []),
        ]
        for row in found["training"]
    ]
    peer_columns = ["PyTorch ms", "ratio"] if with_peer else []
    show_table("training", [*columns, *peer_columns], rows, ["cell"])
    for name, mean in found["geometric_means"].items():
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
            *([f"{row['peer_single']:,.0f}", f"{row['ratio']:.1f}x"] if with_peer else []),
        ]
        for row in found["sampling"]
    ]
    columns = ["cell", "L", "H", "1 stream", "64 streams", "gain", "evaluation"]
    peer_columns = ["PyTorch 1 stream", "ratio"] if with_peer else []
    title = "sampling and evaluation, characters a second"
    show_table(title, [*columns, *peer_columns], rows, ["cell"])
    seconds = found["synchronization_seconds"]
    show(f"synchronization of the shards: {1000 * seconds:.2f} ms an update")
    for arguments, seconds in found["start_up_seconds"].items():
        show(f"start-up of charnn {arguments}: {1000 * seconds:.0f} ms")
    for who, size in found["peak_memory_bytes"].items():
        show(f"peak memory of {who}: {math.ceil(size / 1e6):,} MB")
