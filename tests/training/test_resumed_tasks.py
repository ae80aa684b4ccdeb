"""A resumed run of any task is the uninterrupted one, bit for bit, in the middle of an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import content, finish, stop_after, substance

from charnn.config import TASKS, Config
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST
from charnn.training.setup import new_run, resume_run

SMALL: dict[str, Any] = {
    "hidden_size": 5,
    "batch_size": 4,
    "steps": 13,
    "eval_every": 4,
    "warmup_steps": 2,
    "val_fraction": 0.2,
    "test_fraction": 0.1,
    "dropout": 0.2,
    "recurrent_dropout": 0.2,
    "weight_drop": 0.1,
    "label_smoothing": 0.1,
    "curriculum": 6,
    "shards": 1,
}
FED_BACK = {"scheduled_sampling": "inverse-sigmoid", "sampling_floor": 0.3}
OPTIONS: dict[str, dict[str, Any]] = {
    "lm": FED_BACK | {"seq_length": 9, "attention": "dot", "attention_span": 4},
    "classify": {"bidirectional": True, "select": "accuracy"},
    "tag": {"bidirectional": True, "num_layers": 2},
    "transduce": FED_BACK | {"bidirectional": True, "attention": "additive"},
    "generate": FED_BACK | {"embedding_size": 5, "tie_weights": True},
}
EXAMPLES = 30  # 21 of them to learn from: 6 batches an epoch, of which the last is small


def write_data(folder: Path, task: str) -> str:
    """Write a file of data for a task, and return its name."""
    random = np.random.default_rng(1)
    words = ["".join(random.choice(list("abcd"), random.integers(1, 8))) for _ in range(EXAMPLES)]
    targets = {
        "lm": [""] * EXAMPLES,
        "classify": [f"\t{'xy'[word.count('a') > 1]}" for word in words],
        "tag": [f"\t{word.upper()}" for word in words],
        "transduce": [f"\t{word[::-1]}" for word in words],
        "generate": [f"\t{'xy'[len(word) > 3]}" for word in words],
    }[task]
    path = folder / "data.tsv"
    lines = [word + target for word, target in zip(words, targets, strict=True)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("task", "shards"), [*((task, 1) for task in TASKS), ("lm", 2), ("transduce", 2)]
)
def test_a_run_of_each_task_goes_on(task: str, shards: int, tmp_path: Path) -> None:
    """Stopped within the curriculum, within an epoch and at its border: same bits as whole."""
    options = SMALL | OPTIONS[task] | {"task": task, "shards": shards}
    config, names = Config.from_values(options), [write_data(tmp_path, task)]
    whole = new_run(names, config, fixed=options, out=tmp_path / "whole").trainer
    finish(whole)
    for stop in (3, 7) if shards == 1 else (7,):
        folder = tmp_path / f"stopped{stop}"
        stop_after(new_run(names, config, fixed=options, out=folder).trainer, stop)
        resumed = resume_run(folder).trainer
        assert resumed.progress.update == stop
        finish(resumed)
        assert substance(resumed) == substance(whole)
        for name in (LAST, BEST):
            resumed_file, whole_file = (
                content(load_checkpoint(run / name), timed=False)
                for run in (folder, tmp_path / "whole")
            )
            assert resumed_file == whole_file
