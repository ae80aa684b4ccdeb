"""`charnn bench --task`."""

from __future__ import annotations

from typing import Any


def measure_tasks(
    task: str,
    cells: list[str],
    rounds: int,
    quick: bool,
    peer: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure a task's training, and print what was found."""
    from charnn.bench.task_report import task_measured
    from charnn.bench.task_workload import task_grid
    from charnn.cli.console import progress_bar, show_json

    points = task_grid(task, cells, quick)
    with progress_bar("measuring", len(points), quiet or as_json) as advance:
        found = task_measured(points, rounds, peer, advance)
    if as_json:
        show_json(found)
    else:
        show_task_report(found, peer is not None)


def show_task_report(found: dict[str, Any], with_peer: bool) -> None:
    """Print what was measured of a task as a table and sentences."""
    from charnn.cli.console import show, show_table

    columns = ["cell", "L", "H", "B", "attention", "shards", "ms/update", "examples/s"]
    keys = ("layers", "hidden_size", "batch_size")
    rows = [
        [
            row["cell"],
            *(row[key] for key in keys),
            row["attention"] or "none",
            row["shards"],
            f"{row['milliseconds']:.1f}",
            f"{row['examples_per_second']:,.0f}",
            *(peer_columns(row) if with_peer else []),
        ]
        for row in found["training"]
    ]
    if found["task"] != "transduce":
        columns.remove("attention")
        rows = [[*row[:4], *row[5:]] for row in rows]
    columns += ["PyTorch ms", "ratio", "PyTorch's way"] if with_peer else []
    both = ", both directions" if found["training"][0]["bidirectional"] else ""
    left = ["cell", "attention", "PyTorch's way"]
    show_table(f"training, task {found['task']}{both}", columns, rows, left)
    for name, mean in found["geometric_means"].items():
        show(f"geometric mean of the ratios, {name}: {mean:.2f}x")


def peer_columns(row: dict[str, Any]) -> list[str]:
    """Return what is shown of the peer."""
    return [f"{row['peer_milliseconds']:.1f}", f"{row['ratio']:.2f}x", row["peer_variant"]]
