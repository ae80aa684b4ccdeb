"""What the trials of sequence tasks work on: a file for each, and a run that nothing happens to."""

from __future__ import annotations

import random
import time
from functools import cache
from pathlib import Path
from typing import Any

from charnn.config import TASKS, Config
from charnn.training.setup import new_run

LEARNED = [task for task in TASKS if task != "lm"]  # from files of examples
EXAMPLES = 60
EVAL_EVERY = 30
COMMON: dict[str, Any] = {
    "hidden_size": 8,
    "batch_size": 4,
    "steps": 120,
    "eval_every": EVAL_EVERY,
    "shards": 1,
    "val_fraction": 0.2,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "classify": {"bidirectional": True, "select": "accuracy"},
    "tag": {"bidirectional": True, "recurrent_dropout": 0.2},
    "transduce": {
        "bidirectional": True,
        "attention": "additive",
        "scheduled_sampling": "linear",
        "features_col": 3,
        "target_sep": " ",
    },
    "generate": {"scheduled_sampling": "inverse-sigmoid", "sample_length": 1, "curriculum": 50},
}


def options_for(task: str, **changes: Any) -> dict[str, Any]:
    """Return the options of a task's run."""
    return {**COMMON, **OPTIONS[task], "task": task, **changes}


def examples_in(folder: Path, task: str) -> Path:
    """Write a file of examples for a task."""
    folder.mkdir(parents=True, exist_ok=True)
    path, chance, lines = folder / f"{task}.tsv", random.Random(task), []
    for _ in range(EXAMPLES):
        word = "".join(chance.choices("abcde", k=chance.randint(1, 9)))
        kind = "many" if word.count("a") > 1 else "few"
        target = {
            "classify": kind,
            "tag": "".join("-a"[symbol == "a"] for symbol in word),
            "transduce": f"{' '.join(word[::-1])}\tV;{kind}",
            "generate": kind,
        }[task]
        lines.append(f"{word}\t{target}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@cache
def finished_task_run(folder: Path, task: str) -> tuple[Path, float]:
    """Make a task's run that nothing happens to; return its folder and how long training took."""
    path, run = examples_in(folder, task), folder / f"whole-{task}"
    trainer = new_run([str(path)], Config.from_values(options_for(task)), out=run).trainer
    began = time.perf_counter()
    list(trainer.run())
    return run, time.perf_counter() - began
