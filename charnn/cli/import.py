"""`charnn import`."""

from __future__ import annotations

from pathlib import Path

import click

from charnn.cli.flags import SectionedCommand, complete_files, flag, output_flags
from charnn.errors import InputError


@click.command("import", cls=SectionedCommand)
@click.argument("model", metavar="FILE|FOLDER", shell_complete=complete_files)
@flag(
    "--vocab",
    section="Model",
    metavar="FILE.json",
    shell_complete=complete_files,
    help="The symbols of a model that charnn did not export, in the order of their ids.",
)
@flag(
    "--out",
    "-o",
    metavar="FILE.npz",
    required=True,
    shell_complete=complete_files,
    help="The checkpoint to write.",
)
@flag("--force", is_flag=True, help="Replace an existing file.")
@output_flags()
def command(
    model: str, vocab: str | None, out: str, force: bool, quiet: bool, as_json: bool
) -> None:
    """Make a checkpoint of a model from another program, or of one that was exported.

    \b
    charnn import model.safetensors -o model.npz
    charnn import model.pt --vocab vocab.json -o model.npz

    A safetensors file or folder of `charnn export` comes back bit for bit. A file from elsewhere
    holds the state dictionary of a language model in PyTorch: nn.LSTM, nn.GRU or nn.RNN (of tanh),
    an nn.Linear, and perhaps an nn.Embedding. Its vocabulary is a file of `charnn vocab --out`, a
    JSON list of the characters in the order of their ids, or a JSON object with the id of each.

    The checkpoint can be sampled, scored, and trained further with --init-from. Files of PyTorch
    (.pt) are loaded as weights only: what else they hold is refused and never run.
    """
    from charnn.cli.console import say, show_json
    from charnn.formats.incoming import import_model
    from charnn.training.checkpoint import save_checkpoint

    check_target(out, force)
    checkpoint = import_model(Path(model), vocab)
    try:
        save_checkpoint(Path(out), checkpoint)
    except OSError as error:
        raise unwritable(out, error) from error
    following = checkpoint.task.next_command(out, checkpoint.vocabulary)
    task, cell = checkpoint.task.title, str(checkpoint.model.cell)
    count = checkpoint.parameters.flat.size
    relu = vocab is not None and checkpoint.config.model.cell == "rnn"
    notes = ["the RNN is taken to be one of tanh, which its arrays do not say."] if relu else []
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if as_json:
        content = {"out": out, "task": task, "cell": cell, "parameters": count, "notes": notes}
        show_json(content)
    elif not quiet:
        say(f"{out}: {task}, {cell}, {count:,} parameters")
        say(f"next: charnn {following}")


def check_target(out: str, force: bool) -> None:
    """Raise InputError where a checkpoint of this name must not, or cannot, be written."""
    path = Path(out)
    if path.suffix.lower() != ".npz":
        raise InputError(f"--out '{out}' is no name of a checkpoint; choose one ending with .npz.")
    try:
        if path.is_dir():
            raise InputError(f"'{out}' is a folder; name a file with --out.")
        if path.exists() and not force:
            raise InputError(
                f"'{out}' exists; replace it with --force, or choose another name with --out."
            )
        if not path.absolute().parent.is_dir():
            raise InputError(f"folder '{path.parent}' does not exist; make it first.")
    except OSError as error:
        raise unwritable(out, error) from error


def unwritable(out: str, error: OSError) -> InputError:
    """Return that a file cannot be written, and why."""
    return InputError(f"'{out}' cannot be written ({error.strerror}); choose another place.")
