"""Models for pages, and how a page's script is run in Node: many jobs in one process."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import Config
from charnn.formats.page_file import MODEL_SCRIPTS, description, joined
from charnn.formats.page_weights import packed, rounded
from charnn.nn.parameters import Parameters
from charnn.text.vocabulary import Vocabulary
from charnn.training.checkpoint import Checkpoint, CorpusRecord, empty_parameters
from charnn.training.progress import Progress

V, H, D, M = 11, 10, 5, 7  # symbols, units, width of the embedding, states that attention sees
LETTERS = Vocabulary("\nabcdefghij")
NODE = shutil.which("node")
RUNNER = Path(__file__).with_name("page_runner.js")


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
    """Return a job for the runner: a model, and what is asked of it."""
    weights = packed(checkpoint, rounding)
    return {
        "script": "page",
        "description": description(checkpoint) | {"arrays": weights.arrays},
        "weights": base64.b64encode(weights.content).decode(),
        **wanted,
    }


def results_of(jobs: dict[str, Any], scripts: dict[str, str] | None = None) -> dict[str, Any]:
    """Run jobs in one process of Node; those without a script of their own run the page's."""
    content = {"scripts": {"page": joined(MODEL_SCRIPTS)} | (scripts or {}), "jobs": jobs}
    run = subprocess.run(
        [str(NODE), RUNNER], input=json.dumps(content).encode(), capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, Any] = json.loads(run.stdout)
    return found
