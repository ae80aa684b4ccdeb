"""The model card of an exported model: what it is, how it was trained, and how to load it."""

from __future__ import annotations

import json
import math
from typing import Any

from charnn.config import Config
from charnn.formats.metadata import PYTORCH, without_folders
from charnn.models.labelled_model import LabelledModel
from charnn.models.model import StackModel
from charnn.options import worded
from charnn.training.checkpoint import Checkpoint
from charnn.version import __version__

LONGEST_VOCABULARY = 4_000  # characters of JSON in a card
PIPELINES = {  # by the task: what the hub calls it
    "lm": "text-generation",
    "generate": "text-generation",
    "classify": "text-classification",
    "tag": "token-classification",
    "transduce": "text2text-generation",
}
OUTPUTS = {  # by the task: the line of code that follows `h, _ = rnn(x)`
    "lm": "logits = decoder(h)  # (T, B, V): of the next symbol",
    "generate": "logits = decoder(h)  # (T, B, V + 1): of the next symbol, or the end",
    "tag": "logits = decoder(h)  # (T, B, tags)",
    "classify": "logits = decoder(torch.cat([h[-1, :, :{H}], h[0, :, {H}:]], -1))  # (B, classes)",
}
LOAD = """\
```python
import torch
from safetensors.torch import load_file

weights = load_file("model.safetensors")
{modules}
for name, module in {names}:
    own = {{n.removeprefix(name): w for n, w in weights.items() if n.startswith(name)}}
    module.load_state_dict(own)

ids = torch.zeros(7, 1, dtype=torch.long)  # (T, B): replace them by a text's ids
{x}
h, _ = rnn(x)
{logits}
```
"""


def card(checkpoint: Checkpoint, layout: str) -> str:
    """Return the model card in Markdown, with its front matter."""
    task = checkpoint.task
    front = [
        "---",
        "library_name: charnn",
        f"pipeline_tag: {PIPELINES[task.name]}",
        "tags:",
        *(f"- {tag}" for tag in ("charnn", "character-level", checkpoint.config.model.cell)),
        "---",
    ]
    title = f"# A character-level {checkpoint.model.cell} for {task.title}"
    sections = {
        "": introduction(checkpoint),
        "Training": training(checkpoint),
        "Vocabulary": vocabulary(checkpoint),
        "Use with charnn": with_charnn(checkpoint),
        "Use with PyTorch": with_pytorch(checkpoint, layout),
    }
    parts = ["\n".join(front), title]
    for heading, text in sections.items():
        parts += [f"## {heading}"] if heading else []
        parts.append(text.rstrip())
    return "\n\n".join(parts) + "\n"


def introduction(checkpoint: Checkpoint) -> str:
    """Return what the model is, in a paragraph."""
    model, config = checkpoint.model, checkpoint.config.model
    read = "one-hot vectors"
    if config.embedding_size is not None:
        read = f"an embedding of width {config.embedding_size:,}"
    layers = f"{config.num_layers} layer{'s' if config.num_layers > 1 else ''}"
    directions = ", in both directions" if config.bidirectional else ""
    attention = f", with attention ({config.attention})" if config.attention else ""
    return (
        f"{layers} of {config.hidden_size:,} units on {read}{directions}{attention}: "
        f"{model.parameters.flat.size:,} parameters. Written by charnn {__version__}; the weights, "
        "in `model.safetensors`, are float32."
    )


def training(checkpoint: Checkpoint) -> str:
    """Return how the model was trained, and its loss."""
    progress, corpus = checkpoint.progress, checkpoint.corpus
    unit = checkpoint.task.unit(checkpoint.vocabulary)
    parts = ", ".join(f"{name} {size:,}" for name, size in corpus.parts.items())
    lines = [f"- data: {code(corpus.name)}" + (f" ({parts})" if parts else "")]
    if progress.update:
        lines.append(f"- updates: {progress.update:,}")
    if progress.best_loss is not None:
        loss = progress.best_loss
        where = "validation" if corpus.parts.get("val") else "training"
        lines.append(
            f"- {where} loss: {loss:.4f} nats/{unit} ({loss / math.log(2):.4f} bits/{unit}), at "
            f"update {progress.best_update:,}"
        )
        if progress.best_accuracy is not None:
            accuracy = f"{100 * progress.best_accuracy:.2f} %"
            lines.append(f"- {checkpoint.task.accuracy}: {accuracy}")
    if changed := options_changed(checkpoint.config):
        lines.append(f"- options: {', '.join(changed)}; `config.json` has all of them")
    return "\n".join(lines)


def options_changed(config: Config) -> list[str]:
    """Return the options that differ from the defaults of their task."""
    plain = Config.from_values({"task": config.task.task}).values()
    own = without_folders(config).own_values()
    return [code(f"{n}={worded(v)}") for n, v in own.items() if v != plain[n] and n != "task"]


def vocabulary(checkpoint: Checkpoint) -> str:
    """Return the symbols, as far as a card has room for them."""
    text = json.dumps(checkpoint.vocabulary.to_json())
    if len(text) > LONGEST_VOCABULARY:
        text = f"{text[:LONGEST_VOCABULARY]} ..."
    return (
        "In JSON, as in `config.json`; a symbol's id is its place, counted from 0, and the unknown "
        f"symbol, where there is one, comes last:\n\n    {text}"
    )


def with_charnn(checkpoint: Checkpoint) -> str:
    """Return the commands that use the model."""
    following = checkpoint.task.next_command("model.npz", checkpoint.vocabulary)
    return (
        '```sh\npip install "charnn[safetensors]"\n'
        f"charnn import model.safetensors -o model.npz\ncharnn {following}\n```"
    )


def with_pytorch(checkpoint: Checkpoint, layout: str) -> str:
    """Return code that loads the model into PyTorch, or why there is none."""
    model: Any = checkpoint.model
    if layout != PYTORCH or not isinstance(model, StackModel):
        return (
            "PyTorch has no layer that computes this model. The arrays have charnn's names and "
            "layout; charnn's documentation has its equations."
        )
    config, stack = model.config, model.stack
    D, K, outputs = stack.input.axis.size, stack.output_size, len(model.parameters["b_y"])
    layer = stack.cell.peer.layer if stack.cell.peer is not None else ""
    both = ", bidirectional=True" if config.bidirectional else ""
    modules = {
        "rnn": f"torch.nn.{layer}({D}, {config.hidden_size}, {config.num_layers}{both})",
        "decoder": f"torch.nn.Linear({K}, {outputs})",
    }
    x = f"torch.nn.functional.one_hot({{}}, {D}).float()"
    if config.embedding_size is not None:
        symbols = len(model.parameters["E"])
        modules = {"embedding": f"torch.nn.Embedding({symbols}, {D})"} | modules
        x = "embedding({})"
    if isinstance(model, LabelledModel):
        label = f"torch.full_like(ids, {model.delimiter + 1})"
        x = f"{x.format('ids')} + {x.format(label)}  # the symbol, and the label at every step"
    return LOAD.format(
        modules="\n".join(f"{name} = {made}" for name, made in modules.items()),
        names="(" + ", ".join(f'("{name}.", {name})' for name in modules) + ")",
        x=f"x = {x.format('ids')}",
        logits=OUTPUTS[checkpoint.task.name].replace("{H}", str(config.hidden_size)),
    )


def code(text: str) -> str:
    """Return a text as code in Markdown, on one line and without what would end it."""
    plain = "".join(c if c.isprintable() and c != "`" else "?" for c in text)
    return f"`{plain}`"
