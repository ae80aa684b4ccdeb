"""`charnn export`."""

from __future__ import annotations

from pathlib import Path

import click

from charnn.cli.flags import SectionedCommand, complete_files, flag, output_flags


@click.command("export", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@flag(
    "--out",
    "-o",
    metavar="FILE|FOLDER",
    required=True,
    shell_complete=complete_files,
    help="What to write: a name that ends with .safetensors, .onnx or .html, or a folder.",
)
@flag(
    "--weights",
    metavar="float16|int8",
    help="How a page rounds the weights.  [float16]",
)
@flag("--force", is_flag=True, help="Replace an existing file, or a folder that was exported.")
@output_flags()
def command(
    checkpoint: str, out: str, weights: str | None, force: bool, quiet: bool, as_json: bool
) -> None:
    """Write a trained model in a format that other programs read.

    \b
    charnn export runs/shakespeare-lstm -o model.safetensors
    charnn export runs/shakespeare-lstm -o model.onnx
    charnn export runs/shakespeare-lstm -o shakespeare.html
    charnn export runs/shakespeare-lstm -o shakespeare/

    The .html file is a page that writes while one types, in any browser and without a network; it
    is for language models.

    A folder is as models have it on the Hugging Face hub: the weights (model.safetensors), what the
    model is (config.json), and a model card (README.md). Nothing is uploaded. The weights have the
    names and the layout of PyTorch's layers, where PyTorch has such layers. Safetensors
    files and folders can be read back with `charnn import`.
    """
    from charnn.cli.console import say, show_json
    from charnn.formats.outgoing import FOLDER, check_target, export_model
    from charnn.training.archive import load_checkpoint

    kind = check_target(out, force, weights)
    notes = export_model(load_checkpoint(Path(checkpoint)), out, force, weights)
    path = Path(out)
    files = sorted(path.iterdir()) if kind == FOLDER else [path]
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if as_json:
        sizes = {str(file): file.stat().st_size for file in files}
        show_json({"out": out, "files": sizes, "notes": notes})
    elif not quiet:
        for file in files:
            say(f"{file}: {file.stat().st_size:,} bytes")
