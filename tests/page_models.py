"""Models for pages, and what NumPy computes with their rounded weights."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import Config, SamplingConfig
from charnn.formats.page_file import description
from charnn.formats.page_weights import packed, rounded
from charnn.generation.sampling import encode_prime, sample_ids
from charnn.nn.parameters import Parameters
from charnn.registry import ATTENTIONS, CELLS
from charnn.text.vocabulary import Vocabulary
from charnn.training.checkpoint import Checkpoint, CorpusRecord, empty_parameters
from charnn.training.progress import Progress

V, H, D, M = 11, 10, 5, 7  # symbols, units, width of the embedding, states that attention sees
LETTERS = Vocabulary("\nabcdefghij")
KINDS = [
    {"cell": name, "gru_reset": form} if form else {"cell": name}
    for name in CELLS
    for form in CELLS[name].forms()
]
TIED = {"embedding_size": H, "tie_weights": True}
INPUTS: list[dict[str, Any]] = [{}, {"embedding_size": D}, TIED]
MODELS: list[tuple[str, dict[str, Any]]] = [  # every cell, form and input, with 1 to 3 layers
    ("float16", {**kind, "num_layers": layers, **symbols})
    for kind in KINDS
    for layers in (1, 2, 3)
    for symbols in INPUTS
]
MODELS += [("int8", {**kind, "num_layers": 2, **symbols}) for kind in KINDS for symbols in INPUTS]
MODELS += [
    (rounding, {"cell": "lstm", "attention": attention, "num_layers": layers})
    for attention in ATTENTIONS
    for rounding, layers in (("float16", 1), ("int8", 2))
]


def key(model: tuple[str, dict[str, Any]]) -> str:
    """Return a model's name among the jobs."""
    return f"{model[0]} {model[1]}"


def random_checkpoint(vocabulary: Vocabulary = LETTERS, **options: Any) -> Checkpoint:
    """Return a checkpoint of a small model, all of whose parameters are random."""
    config = Config.from_values({"hidden_size": H, "attention_span": M, **options})
    parameters = empty_parameters(config, vocabulary)
    random = np.random.default_rng(1)
    parameters.flat[:] = 0.3 * random.standard_normal(parameters.flat.shape)
    record = CorpusRecord("play", [], "0" * 64, {})
    return Checkpoint(config, vocabulary, parameters, Progress(), record)


def logits_of(checkpoint: Checkpoint, rounding: str, ids: Array) -> tuple[Array, Array]:
    """Return the logits (T, V) of the rounded model: computed in float32, and in float64."""
    model = rounded(checkpoint, rounding).model
    flat = model.parameters.flat.astype(np.float64)
    exact = replace(model, parameters=Parameters(model.parameters.shapes, flat=flat))
    found = [each.logits(ids[:, None], each.zero_states(1))[0] for each in (model, exact)]
    return found[0], found[1]


def job(checkpoint: Checkpoint, rounding: str = "float16", **wanted: Any) -> dict[str, Any]:
    """Return a model as a page has it, and what is asked of it."""
    weights = packed(checkpoint, rounding)
    return {
        "description": description(checkpoint) | {"arrays": weights.arrays},
        "weights": base64.b64encode(weights.content).decode(),
        **wanted,
    }


def greedy(checkpoint: Checkpoint, prime: str, length: int) -> list[int]:
    """Return the ids that NumPy writes at temperature 0, with weights rounded to float16."""
    vocabulary, options = checkpoint.vocabulary, SamplingConfig(length=length, temperature=0)
    model = rounded(checkpoint, "float16").model
    columns = sample_ids(model, vocabulary, options, encode_prime(vocabulary, prime))
    return [int(ids[0]) for ids in columns]
