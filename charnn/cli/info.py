"""`charnn info`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charnn.cli.flags import SectionedCommand, complete_files, output_flags
from charnn.options import worded

if TYPE_CHECKING:
    from charnn.models.language_model import LanguageModel
    from charnn.models.model import Model
    from charnn.nn.parameters import ParameterSpec
    from charnn.text.symbols import PairVocabulary, Symbols
    from charnn.training.checkpoint import Checkpoint


@click.command("info", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@output_flags()
def command(checkpoint: str, quiet: bool, as_json: bool) -> None:
    """Show what a checkpoint holds: model, parameters, vocabulary, history, provenance.

    \b
    charnn info runs/shakespeare-lstm
    charnn info best.npz --json
    charnn info book.cnn

    Of a file that `charnn compress` wrote it shows the method, the sizes and the model, and whether
    its checksums hold.
    """
    from charnn.cli.info_compressed import is_compressed, show_compressed_file
    from charnn.training.archive import load_checkpoint

    if is_compressed(Path(checkpoint)):
        show_compressed_file(Path(checkpoint), as_json)
        return
    saved = load_checkpoint(Path(checkpoint))
    if as_json:
        show_as_json(saved)
        return
    show_parameters(saved)
    if not quiet:
        show_configuration(saved)
    show_history(saved)
    show_facts(saved)


def show_as_json(saved: Checkpoint) -> None:
    """Print everything but the weights as JSON."""
    from charnn.cli.console import show_json

    shapes = saved.parameters.shapes
    content = {
        "config": saved.config.values(),
        "parameters": {name: list(shape) for name, shape in shapes.items()},
        "parameter_count": saved.parameters.flat.size,
        "vocabulary": saved.vocabulary.to_json(),
        **sizes_of(saved),
        "progress": asdict(saved.progress),
        "corpus": asdict(saved.corpus),
        "provenance": saved.provenance,
    }
    show_json(content)


def sizes_of(saved: Checkpoint) -> dict[str, object]:
    """Return how many symbols there are, on one side or on both."""
    if is_language_model(saved):
        return {"vocabulary_size": len(saved.vocabulary)}
    vocabulary = saved.vocabulary
    return {
        "task": saved.config.task.task,
        "source_size": vocabulary.source_size,
        "target_size": vocabulary.target_size,
        "parts": [asdict(part) for part in parts_of(saved.model)],
    }


def is_language_model(saved: Checkpoint) -> bool:
    """Return whether a model reads and predicts the same symbols."""
    return saved.config.task.task == "lm"


def show_parameters(saved: Checkpoint) -> None:
    """Print the parameters' shapes and counts."""
    from charnn.cli.console import show, show_table

    rows = [
        [name, " x ".join(map(str, shape)), f"{math.prod(shape):,}"]
        for name, shape in saved.parameters.shapes.items()
    ]
    total, model = saved.parameters.flat.size, saved.model
    task = "" if is_language_model(saved) else f"{saved.task.title}, "
    show_table(f"{task}{model.cell}: parameters", ["name", "shape", "count"], rows, ["name"])
    if not is_language_model(saved) or saved.config.model.attention is not None:
        parts = parts_of(model)
        show_table(
            "parts",
            ["part", "formula", "with", "count"],
            [[part.name, part.formula, part.sizes, f"{part.count:,}"] for part in parts],
            ["part", "formula", "with"],
        )
        show(f"total {total:,}, equal to the sum of the parts' formulas\n")
        return
    show(f"total {total:,}, equal to the formula {count_formula(saved.model)} = {total:,}\n")


def show_configuration(saved: Checkpoint) -> None:
    """Print the options and the vocabulary."""
    from charnn.cli.console import show, show_table

    values, vocabulary = saved.config.own_values(), saved.vocabulary
    show_table(
        "configuration",
        ["option", "value"],
        [[name, worded(value)] for name, value in values.items()],
        ["option", "value"],
    )
    if not is_language_model(saved):
        show_symbols(vocabulary)
        return
    names = " ".join(vocabulary.name(n) for n in range(len(vocabulary)))
    show(f"vocabulary: {len(vocabulary)} {vocabulary.tokens}\n  {names}\n")


def show_symbols(vocabulary: PairVocabulary) -> None:
    """Print the symbols of both sides."""
    from charnn.cli.console import show

    sides = {
        "source": vocabulary.source,
        "features": vocabulary.features,
        "target": vocabulary.target,
    }
    for side, symbols in sides.items():
        if len(symbols):
            show(f"{side}: {len(symbols)} symbols\n  {' '.join(names_of(symbols))}\n")


def names_of(symbols: Symbols) -> list[str]:
    """Return symbols as they are shown: characters that cannot be seen by their names."""
    from charnn.text.vocabulary import symbol_name

    names = [symbol_name(name) if len(name) == 1 else name for name in symbols.names]
    return [*names, "unknown"] if symbols.unknown else names


def show_history(saved: Checkpoint) -> None:
    """Draw the course of the losses, where there is one."""
    from charnn.cli.console import show
    from charnn.cli.text_plot import Points, text_plot

    history = saved.progress.history
    if len(history) < 2:
        return
    show("history (* validation, . training)" if history[-1][2] else "history (. training)")
    groups = [
        Points(".", [(update, train) for update, train, _ in history]),
        Points("*", [(update, val) for update, _, val in history if val is not None]),
    ]
    for line in text_plot(groups, "updates", f"nats/{saved.task.unit(saved.vocabulary)}"):
        show(line)
    show("")


def show_facts(saved: Checkpoint) -> None:
    """Print where the model comes from and how far it has come."""
    from charnn.cli.console import duration, loss_in_words, show

    progress, corpus, task = saved.progress, saved.corpus, saved.task
    unit = task.unit(saved.vocabulary)
    parts = ", ".join(f"{name} {size:,}" for name, size in corpus.parts.items())
    best = "not evaluated yet"
    if progress.best_loss is not None:
        best = loss_in_words(progress.best_loss, unit)
        if progress.best_accuracy is not None:
            best += f", {task.accuracy} {100 * progress.best_accuracy:.2f} %,"
        best += f" at update {progress.best_update:,}"
    versions = dict(saved.provenance)
    engine = versions.pop("engine", "shards")
    known = bool(corpus.parts)  # a model that was imported does not say what it was trained on
    facts = {
        "trained on": f"{corpus.name} ({parts})" if known else corpus.name,
        "fingerprint": f"{corpus.fingerprint} (SHA-256 of its ids)" if known else "none",
        "progress": f"{progress.update:,} updates in {duration(progress.seconds)}",
        "best": best,
        "resumable": "yes" if saved.resumable else "no (weights only)",
        "computed by": "NumPy (shards)" if engine == "shards" else engine,
        "written by": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    for name, fact in facts.items():
        show(f"{name:<12}{fact}")


@dataclass(frozen=True)
class Part:
    """A part of a model: the formula of its number of parameters, and what the letters stand for.

    H are a layer's units, K those of both directions, V the symbols that the part reads, D the
    width of their embedding, O the outputs, with the end of a sequence where there is one.
    """

    name: str
    formula: str
    sizes: str
    count: int


def parts_of(model: Model) -> list[Part]:
    """Return the parts of a model, in the order of its parameters."""
    from charnn.nn.parameters import Axis, formula, shapes_of
    from charnn.nn.parameters import count as counted

    def named(axis: Axis) -> Axis:
        wide = axis.name == "H" and axis.size != model.config.hidden_size
        return Axis("K", axis.size) if wide else axis

    groups: dict[str, dict[str, ParameterSpec]] = {}
    for path, spec in model.specs.items():
        part, _, name = path.rpartition("/")
        own = {"E": "embedding", "W_hy": "head", "b_y": "head"}.get(name, "")
        axes = tuple(named(axis) for axis in spec.axes)
        group = groups.setdefault("/".join(filter(None, (part, own))), {})
        group[name] = replace(spec, axes=axes)
    parts = []
    for name, specs in groups.items():
        sizes = {axis.name: axis.size for spec in specs.values() for axis in spec.axes}
        letters = sorted(letter for letter in sizes if letter.isalpha() and letter != "G")
        words = ", ".join(f"{letter} {sizes[letter]:,}" for letter in letters)
        parts.append(Part(name, formula(specs), words, counted(shapes_of(specs))))
    return parts


def count_formula(model: LanguageModel) -> str:
    """Return the formula of the number of parameters, layer by layer."""
    from charnn.nn.parameters import formula

    stack, head = model.stack, model.head
    terms = [formula(stack.input.parameters())] if stack.input.parameters() else []
    first, *upper = stack.layers
    terms.append(formula(stack.layer_parameters(first)))
    if upper:
        terms.append(f"{len(upper)} ({formula(stack.layer_parameters(upper[0]))})")
    return " + ".join([*terms, formula(head.parameters())])
