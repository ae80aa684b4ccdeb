"""A page that writes: a language model in one HTML file that needs no network and no server.

The files of `charnn/formats/page` are put together: `page.html` is the template, `page.css` its
style, the others its script. Nothing is left to load, and the page's policy forbids it:

    default-src 'none'; script-src 'sha256-...'; style-src 'sha256-...'

The model is in two blocks of data: a JSON text that describes it, and its weights in base64
(`charnn.formats.page_weights`). Symbols are code points there, not characters, so that no symbol
can end a block, and halves of surrogate pairs survive.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from charnn.errors import InputError
from charnn.files import write_text
from charnn.formats.page_weights import packed
from charnn.models.language_model import LanguageModel
from charnn.training.checkpoint import Checkpoint
from charnn.version import __version__

FOLDER = files("charnn.formats") / "page"
MODEL_SCRIPTS = ("attention.js", "model.js", "text.js")  # which need no page
SCRIPTS = (*MODEL_SCRIPTS, "drawing.js", "page.js", "start.js")
CELLS = (  # that model.js knows
    *("rnn", "lstm", "gru-before", "gru-after", "mingru", "peephole-lstm"),
    *("layernorm-lstm", "layernorm-gru", "layernorm-rnn"),
)


def write_page(checkpoint: Checkpoint, path: Path, rounding: str) -> None:
    """Write a language model as a page, which appears whole or not at all.

    Raises InputError for a model that no page can hold, and OSError.
    """
    write_text(path, page_of(checkpoint, rounding))


def page_of(checkpoint: Checkpoint, rounding: str) -> str:
    """Return the page's HTML. Raises InputError for a model that no page can hold."""
    refuse(checkpoint)
    weights = packed(checkpoint, rounding)
    style, script = source("page.css"), joined(SCRIPTS)
    policy = {
        "default-src": "'none'",
        "script-src": digest(script),
        "style-src": digest(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return Template(source("page.html")).substitute(
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        title=html.escape(title(checkpoint)),
        introduction=html.escape(introduction(checkpoint)),
        style=style,
        script=script,
        description=data(description(checkpoint) | {"arrays": weights.arrays}),
        weights=base64.b64encode(weights.content).decode("ascii"),
        size=f"{len(weights.content) / 1e6:.2f}",
        rounding=rounding,
        version=__version__,
    )


def refuse(checkpoint: Checkpoint) -> None:
    """Raise InputError for a model that no page can hold."""
    config = checkpoint.config
    if checkpoint.task.model is not LanguageModel:
        raise InputError(
            f"a model of the task {config.task.task} cannot be written as a page; only language "
            "models (the task lm) can."
        )
    if cell_of(checkpoint) not in CELLS:
        raise InputError(
            f"cell is {config.model.cell}, but only models of {', '.join(CELLS)} can be written as "
            "a page."
        )


def cell_of(checkpoint: Checkpoint) -> str:
    """Return what a page calls the cell: its name, and its form if it has several."""
    config = checkpoint.config.model
    forms = type(checkpoint.model.cell).forms()
    return f"{config.cell}-{config.gru_reset}" if config.gru_reset in forms else config.cell


def description(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what the page's script needs to know of a model, for JSON."""
    config, vocabulary = checkpoint.config.model, checkpoint.vocabulary
    return {
        "cell": cell_of(checkpoint),
        "layers": config.num_layers,
        "hidden": config.hidden_size,
        "tied": config.tie_weights,
        "attention": config.attention,
        "span": config.attention_span,
        "tokens": vocabulary.tokens,
        "symbols": [ord(symbol) for symbol in vocabulary.symbols],
        "unknown": vocabulary.unknown,
    }


def source(name: str) -> str:
    """Return a file of the page, whose lines end with a newline on every system."""
    return (FOLDER / name).read_text(encoding="utf-8")


def joined(names: tuple[str, ...]) -> str:
    """Return scripts as one."""
    return "\n".join(source(name) for name in names)


def digest(text: str) -> str:
    """Return what a policy calls a script or style of this content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def data(content: object) -> str:
    """Return JSON that can stand in a block of HTML: nothing in it is a tag."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def title(checkpoint: Checkpoint) -> str:
    """Return the page's title."""
    name = checkpoint.corpus.name
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return f"A network that writes: {plain}" if plain else "A network that writes"


def introduction(checkpoint: Checkpoint) -> str:
    """Return what the model is and how well it knows its text, in a sentence or two."""
    model, config, progress = checkpoint.model, checkpoint.config.model, checkpoint.progress
    layers = f"{config.num_layers} layer{'s' if config.num_layers > 1 else ''}"
    attention = ", with attention to its own past" if config.attention else ""
    unit = "byte" if checkpoint.vocabulary.tokens == "bytes" else "character"
    text = (
        f"{model.cell}, {layers} of {config.hidden_size:,} units{attention}: "
        f"{model.parameters.flat.size:,} weights. It reads one {unit} at a time, and says how "
        "likely each is to come next."
    )
    if progress.best_loss is None or not checkpoint.corpus.parts.get("val"):
        return text
    bits = progress.best_loss / math.log(2)
    return f"{text} In text held back from its training it needs {bits:.2f} bits a {unit}."
