"""Runs of each task that learns from examples, made once and not to be changed."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

import charnn

FOLDER = tempfile.TemporaryDirectory(prefix="charnn-tests-")
atexit.register(FOLDER.cleanup)
WORDS = [
    "tide",
    "lamp",
    "bells",
    "night",
    "goes",
    "stay",
    "ring",
    "harbour",
    "tower",
    "gull",
    "rope",
    "sail",
    "anchor",
    "buoy",
]
PAIRS = [f"{a}{b}" for a in WORDS for b in WORDS]
OPTIONS = {
    "hidden_size": 16,
    "batch_size": 16,
    "eval_every": 30,
    "shards": 1,
    "learning_rate": 0.02,
}


def tags(word: str) -> str:
    """Return v or c for each letter."""
    return "".join("v" if letter in "aeiou" else "c" for letter in word)


def phones(word: str) -> str:
    """Return the letters as they sound, with spaces between them: each has one symbol or two."""
    return " ".join("eI" if letter == "a" else letter for letter in word)


EXAMPLES = {
    "classify": [f"{word}\t{'vowel' if tags(word)[-1] == 'v' else 'consonant'}" for word in PAIRS],
    "tag": [f"{word}\t{tags(word)}" for word in PAIRS],
    "transduce": [f"{word}\t{phones(word)}" for word in WORDS * 4],
    "generate": [
        *(f"{word}\tsoft" for word in PAIRS),
        *(f"{word.upper()}\tloud" for word in PAIRS),
    ],
    "features": [f"{word}\t{phones(word)}\tV;PST" for word in WORDS * 4],
}
MORE: dict[str, dict[str, object]] = {
    "transduce": {"target_sep": " ", "bidirectional": True},
    "features": {"target_sep": " ", "features_col": 3},
}


@cache
def run_of(kind: str) -> Path:
    """Return the folder of a run: of a task, or of one of its forms."""
    file, folder = Path(FOLDER.name, f"{kind}.tsv"), Path(FOLDER.name, kind)
    lines = np.random.default_rng(1).permutation(EXAMPLES[kind])
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    task = "transduce" if kind == "features" else kind
    list(charnn.train(file, task=task, out=folder, steps=60, **OPTIONS | MORE.get(kind, {})))
    return folder


def write(kind: str, count: int | None = None) -> str:
    """Write examples of a kind to a file in the working folder; return its name."""
    Path(f"{kind}.tsv").write_text("\n".join(EXAMPLES[kind][:count]) + "\n", encoding="utf-8")
    return f"{kind}.tsv"
