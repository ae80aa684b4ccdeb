"""A language model as an ONNX file, for any program that runs ONNX, such as onnxruntime.

One graph serves for scoring a window and for streaming, which is a window of one symbol:

    inputs   ids             int64    (T, B)      T and B as the caller likes
             layer1_h, ...   float32  (1, B, H)   the states before the window, zeros at first
    outputs  logits          float32  (T, B, V)   before the softmax
             layer1_h_after, ...      (1, B, H)   the states after it, in the order of the inputs

An LSTM's layer has `layer1_h` and `layer1_c`. The leading 1 is ONNX's number of directions.

    x = OneHot(ids), or Gather(embedding, ids)              (T, B, D)
    h = recurrent layers, one over the other                (T, B, H)
    logits = Add(MatMul(h, W_hy), b_y)

The layers are in `charnn.formats.onnx_cells`. Dropout plays no part after training. The vocabulary
is in the file's metadata, so nothing else is needed to use it.

OneHot is as fast as a Gather from the rows of an identity (measured in onnxruntime), and does not
put V x V numbers into the file.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from charnn.errors import InputError
from charnn.files import replacing
from charnn.formats.onnx_cells import OPERATORS, STEPS, recurrent_layer
from charnn.formats.onnx_nodes import Graph, file_content
from charnn.models.language_model import LanguageModel
from charnn.options import worded
from charnn.training.checkpoint import Checkpoint
from charnn.version import __version__


def write_onnx(checkpoint: Checkpoint, path: Path) -> None:
    """Write a language model as an ONNX file, which appears whole or not at all.

    The weights are those that are sampled: averages, where the run kept them. Raises InputError for
    a model that does not fit, and where the library is missing; OSError.
    """
    refuse(checkpoint)
    graph = language_model_graph(checkpoint.model)
    content = file_content(graph, "charnn", facts(checkpoint))
    with replacing(path) as file:
        file.write(content)


def refuse(checkpoint: Checkpoint) -> None:
    """Raise InputError for a model that cannot be written."""
    config = checkpoint.config
    if checkpoint.task.model is not LanguageModel:
        raise InputError(
            f"a model of the task {config.task.task} cannot be written as ONNX; only language "
            "models (the task lm) can."
        )
    if config.model.attention is not None:
        raise InputError(
            f"attention is {config.model.attention}, but a language model with attention cannot be "
            "written as ONNX; only one without can."
        )
    cells = OPERATORS | STEPS
    if config.model.cell not in cells:
        raise InputError(
            f"cell is {config.model.cell}, but only models of {', '.join(cells)} can be written as "
            "ONNX."
        )


def facts(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what the file says of itself: texts by name.

    `symbols` are a JSON list by id, in which null is the unknown symbol; those of a byte vocabulary
    are U+0000 to U+00FF, one for each byte value.
    """
    config, vocabulary = checkpoint.config.model, checkpoint.vocabulary
    unknown = [None] * vocabulary.unknown
    sizes = {"hidden_size": config.hidden_size, "num_layers": config.num_layers}
    return {
        "charnn": __version__,
        "unit": vocabulary.tokens,
        "symbols": json.dumps([*vocabulary.symbols, *unknown]),
        "vocabulary": json.dumps(vocabulary.to_json()),
        "cell": config.cell,
        "vocab_size": str(len(vocabulary)),
        **{name: str(size) for name, size in sizes.items()},
        "embedding_size": worded(config.embedding_size),
    }


def language_model_graph(model: LanguageModel) -> Graph:
    """Return the graph of a language model without attention."""
    graph, H, V = Graph(), model.config.hidden_size, model.vocab_size
    graph.take("ids", np.int64, ("T", "B"))
    x = symbols(graph, model)
    states = {}
    for layer in model.stack.layers:
        for state in model.stack.cell.states:
            name = graph.take(f"{layer}_{state}", np.float32, (1, "B", H))
            states[name] = f"{name}_after"
    for layer in model.stack.layers:
        x = recurrent_layer(graph, model, layer, x)
    weights = model.head.weights(model.parameters)
    if model.config.tie_weights:
        W_hy = graph.add("Transpose", "embedding", perm=[1, 0])
    else:
        W_hy = graph.constant("output_weights", weights["W_hy"])
    product = graph.add("MatMul", x, W_hy)
    graph.add("Add", product, graph.constant("output_bias", weights["b_y"]), outputs=["logits"])
    graph.give("logits", np.float32, ("T", "B", V))
    for after in states.values():
        graph.give(after, np.float32, (1, "B", H))
    return graph


def symbols(graph: Graph, model: LanguageModel) -> str:
    """Add what reads `ids`; return the name of the first layer's input (T, B, D)."""
    if model.config.embedding_size is not None:
        return graph.add("Gather", graph.constant("embedding", model.parameters["E"]), "ids")
    depth = graph.constant("vocab_size", np.array(model.vocab_size))
    values = graph.constant("off_on", np.array([0, 1], np.float32))
    return graph.add("OneHot", "ids", depth, values)
