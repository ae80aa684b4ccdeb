"""`charnn bench --engine`."""

from __future__ import annotations

from typing import Any


def measure_engines(
    cell: str | None, quick: bool, chosen: dict[str, Any], quiet: bool, as_json: bool
) -> None:
    """Measure the engines at all sizes, and print what was found."""
    from charnn.bench.engines import Setting, engine_grid, engines_measured
    from charnn.bench.workload import cells_with_a_peer
    from charnn.cli.console import progress_bar, show_json
    from charnn.engines.torch.library import device_of

    setting = Setting(**chosen)
    device_of(setting.options("torch"))
    points = engine_grid([cell] if cell is not None else cells_with_a_peer(), quick)
    with progress_bar("measuring", len(points), quiet or as_json) as advance:
        found = engines_measured(points, setting, 3 if quick else 7, advance)
    if as_json:
        show_json(found)
    else:
        show_engines(found)


def show_engines(found: dict[str, Any]) -> None:
    """Print how fast the engines are at each size, and what follows."""
    from charnn.cli.console import show, show_table

    columns = ["cell", "L", "H", "B", "T", "shards", "threads"]
    keys = ("cell", "layers", "hidden_size", "batch_size", "seq_length", "shards", "threads")
    rows = [
        [
            *(row[key] for key in keys),
            f"{row['shards_milliseconds']:.1f}",
            f"{row['torch_milliseconds']:.1f}",
            f"{row['bare_milliseconds']:.1f}" if "bare_milliseconds" in row else "none",
            "" if row["torch_to_bare"] is None else f"{row['torch_to_bare']:.2f}",
            row["faster"],
        ]
        for row in found["rows"]
    ]
    dropout = f", dropout {found['dropout']:g}" if found["dropout"] else ""
    title = f"milliseconds an update, PyTorch on {found['device']} in {found['precision']}{dropout}"
    columns += ["NumPy", "PyTorch", "bare loop", "PyTorch / bare", "faster"]
    show_table(title, columns, rows, ["cell", "faster"])
    if any(row["torch_to_bare"] is None for row in found["rows"]):
        show(
            "PyTorch has no layer for the GRU that resets before the product: the engine runs it "
            "step by step, and nn.GRU, which resets after it, is only similar."
        )
    for sentence in found["advice"]:
        show(sentence)
