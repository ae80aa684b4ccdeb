"""Trials of the sequence tasks: runs killed or stopped, checkpoints damaged or hostile."""

from __future__ import annotations

import random
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

from damage import none_is_silent
from hostile import members_of
from material import ended, loads_or_tells, metrics_are_whole, same, start
from task_hostile import FILES
from task_material import COMMON, EVAL_EVERY, LEARNED, examples_in, finished_task_run, options_for

from charnn.config import Config
from charnn.errors import CheckpointError
from charnn.registry import ATTENTIONS, CELLS
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, PREVIOUS
from charnn.training.setup import new_run, resume_run

CHOICES: dict[str, tuple[Any, ...]] = {  # of any task
    "num_layers": (1, 2),
    "dropout": (0.0, 0.3),
    "recurrent_dropout": (0.0, 0.3),
    "label_smoothing": (0.0, 0.1),
    "curriculum": (None, 20),
    "optimizer": ("adam", "momentum"),
    "lr_schedule": ("cosine", "plateau"),
    "ema_decay": (None, 0.9),
    "early_stopping": (None, 2),
    "embedding_size": (None, 3),
}
OF_TASK: dict[str, dict[str, tuple[Any, ...]]] = {
    "classify": {"bidirectional": (False, True), "select": ("loss", "accuracy")},
    "tag": {"bidirectional": (False, True), "select": ("loss", "accuracy")},
    "transduce": {
        "bidirectional": (False, True),
        "select": ("loss", "accuracy"),
        "attention": (None, *ATTENTIONS),
        "scheduled_sampling": (None, "linear", "exponential", "inverse-sigmoid"),
    },
    "generate": {"scheduled_sampling": (None, "linear", "exponential", "inverse-sigmoid")},
}
SLOWEST, LARGEST = 1.0, 200e6  # seconds and bytes in which a hostile file is refused


def killed_task(count: int, folder: Path) -> None:
    """Kill runs of each task in turn while they train, go on, and compare with the whole ones."""
    chance = random.Random(21)
    for number in range(count):
        task = LEARNED[::-1][number % len(LEARNED)]  # one that samples from itself comes first
        whole, seconds = finished_task_run(folder, task)
        path, run = folder / f"{task}.tsv", folder / "killed-task"
        shutil.rmtree(run, ignore_errors=True)
        flags = [f"--{name.replace('_', '-')}={each}" for name, each in options_for(task).items()]
        flags = [flag.removesuffix("=True") for flag in flags]
        process = start("train", path, *flags, "--out", run)
        while not (run / "config.yaml").exists():
            assert process.poll() is None, ended(process)
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 1) * seconds)
        process.kill()
        process.communicate()
        saved = load_checkpoint(run / LAST) if (run / LAST).exists() else None
        if saved is None and not (run / PREVIOUS).exists():
            config = Config.from_values(options_for(task))
            list(new_run([str(path)], config, out=run, force=True).trainer.run())
        elif saved is None or saved.progress.update < COMMON["steps"]:
            list(resume_run(run).trainer.run())
        for name in (LAST, BEST):
            assert same(load_checkpoint(run / name), load_checkpoint(whole / name)), (task, name)
        assert not [entry.name for entry in run.iterdir() if entry.suffix == ".tmp"]
        metrics_are_whole(run, EVAL_EVERY)


def varied(task: str, chance: random.Random) -> dict[str, Any]:
    """Return options of a task, drawn at random."""
    drawn = {name: chance.choice(of) for name, of in (CHOICES | OF_TASK[task]).items()}
    cell = chance.choice([*CELLS])
    (kind, *_) = CELLS[cell].forms().values()
    drawn["cell"] = cell
    drawn["weight_drop"] = chance.choice([0.0, 0.2]) if "W_hh" in kind.shapes(1, 1) else 0.0
    if "state" not in kind.dropouts:
        drawn["recurrent_dropout"] = 0.0
    changes = {"steps": 24, "eval_every": 7, "lr_patience": 1, "learning_rate": 0.01}
    return options_for(task, **drawn, **changes)


def resumed_task(count: int, folder: Path) -> None:
    """Stop and resume runs of the tasks with varied options: the same bits as the whole ones."""
    chance = random.Random(22)
    for number in range(count):
        task = LEARNED[::-1][number % len(LEARNED)]
        path, options = examples_in(folder, task), varied(task, chance)
        config, stop_at = Config.from_values(options), chance.randrange(1, 24)
        for name in ("kept", "parts"):
            shutil.rmtree(folder / name, ignore_errors=True)
        list(new_run([str(path)], config, out=folder / "kept").trainer.run())
        parts = new_run([str(path)], config, out=folder / "parts").trainer
        for _event in parts.run():
            parts.stop_requested = parts.progress.update >= stop_at
        if parts.interrupted:
            list(resume_run(folder / "parts").trainer.run())
        for name in (LAST, BEST):
            one, other = (load_checkpoint(folder / run / name) for run in ("kept", "parts"))
            assert same(one, other), (options, stop_at, name)
            for best in ("best_loss", "best_accuracy", "best_update"):
                found = getattr(one.progress, best), getattr(other.progress, best)
                assert found[0] == found[1], (options, stop_at, name, best)


def damaged_task(count: int, folder: Path) -> None:
    """Cut off a checkpoint of each task at random bytes, and flip any of its bits."""
    chance, cut = random.Random(23), folder / "cut.npz"
    for task in LEARNED:
        run, _ = finished_task_run(folder, task)
        content = (run / LAST).read_bytes()
        for _ in range(count):
            cut.write_bytes(content[: chance.randrange(len(content))])
            assert loads_or_tells(cut) is None, task
        none_is_silent(run / LAST, [*range(len(content))], count, folder)


def hostile_task(count: int, folder: Path) -> None:
    """Load files made to harm: each is refused for what it is, quickly and in little memory."""
    run, _ = finished_task_run(folder, "transduce")
    members, path = members_of(run / LAST), folder / "hostile-task.npz"
    assert loads_or_tells(run / LAST) is not None
    for name, (make, reason) in [*FILES.items()][:: max(1, len(FILES) // count)]:
        path.write_bytes(make(members))
        began = time.perf_counter()
        found = said(path)
        seconds = time.perf_counter() - began
        tracemalloc.start()
        try:
            said(path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert reason in found, (name, found)
        assert seconds < SLOWEST, (name, seconds)
        assert peak < LARGEST, (name, peak)


def said(path: Path) -> str:
    """Return why a checkpoint is refused, in one line."""
    try:
        load_checkpoint(path)
    except CheckpointError as error:
        message = str(error)
        assert path.name in message, message
        assert "\n" not in message, message
        return message
    return "it was loaded"
