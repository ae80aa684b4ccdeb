"""Trials of a run's course: numbers that are not finite, and runs stopped and resumed."""

from __future__ import annotations

import itertools
import random
import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
from material import OPTIONS, same, text_in

from charnn.config import Config
from charnn.engines.shard import Shard
from charnn.registry import OPTIMIZERS, SCHEDULES
from charnn.training.checkpoint import BEST, LAST, load_checkpoint
from charnn.training.events import RolledBack
from charnn.training.setup import new_run, resume_run


class Poison:
    """At one update, something that is not a number comes into a loss, a gradient or a weight."""

    def __init__(self, chance: random.Random) -> None:
        self.update = chance.randrange(40)
        self.where = chance.choice(["loss", "gradient", "weight"])
        self.value = chance.choice([float("nan"), float("inf"), float("-inf")])
        self.share = chance.random()
        self.given = False
        self._compute = Shard.compute

    def compute(self, shard: Shard, update: int) -> float:
        """Do what `Shard.compute` does, and poison it once."""
        loss = self._compute(shard, update)
        if update != self.update or self.given:
            return loss
        self.given = True
        if self.where == "loss":
            return self.value
        poisoned = shard.gradients if self.where == "gradient" else shard.model.parameters
        poisoned.flat[int(self.share * poisoned.flat.size)] = self.value
        return loss


def not_finite(count: int, folder: Path) -> None:
    """Put a NaN or an infinity into a run: it returns to its last good state and goes on."""
    text, chance = text_in(folder), random.Random(7)
    for _ in range(count):
        run = folder / "poisoned"
        shutil.rmtree(run, ignore_errors=True)
        config = Config.from_values({**OPTIONS, "steps": 40})
        trainer = new_run([str(text)], config, out=run).trainer
        poison = Poison(chance)
        with patch.object(Shard, "compute", lambda *a, poison=poison: poison.compute(*a)):
            events = list(trainer.run())
        assert [event for event in events if isinstance(event, RolledBack)], vars(poison)
        for name in (BEST, LAST):
            assert np.isfinite(load_checkpoint(run / name).parameters.flat).all()


def resumed(count: int, folder: Path) -> None:
    """Stop and resume runs of all kinds: each ends as one that was not stopped, bit for bit."""
    text, chance = text_in(folder), random.Random(8)
    kinds = list(
        itertools.product(
            [("rnn", "before"), ("lstm", "before"), ("gru", "before"), ("gru", "after")],
            (1, 2),
            (0.0, 0.3),
            OPTIMIZERS,
            SCHEDULES,
            ("characters", "bytes"),
        )
    )
    for kind in chance.sample(kinds, count):
        (cell, gru_reset), num_layers, dropout, optimizer, lr_schedule, tokens = kind
        config = Config.from_values(
            {
                **OPTIONS,
                "cell": cell,
                "gru_reset": gru_reset,
                "num_layers": num_layers,
                "dropout": dropout,
                "optimizer": optimizer,
                "lr_schedule": lr_schedule,
                "tokens": tokens,
                "learning_rate": 0.01,
                "lr_patience": 1,
                "lr_decay_every": 7,
                "average": chance.choice([None, 0.9]),
                "early_stopping": chance.choice([None, 2]),
                "steps": 40,
                "eval_every": 6,
            }
        )
        for name in ("kept", "parts"):
            shutil.rmtree(folder / name, ignore_errors=True)
        whole = new_run([str(text)], config, out=folder / "kept").trainer
        list(whole.run())
        parts = new_run([str(text)], config, out=folder / "parts").trainer
        stop_at = chance.randrange(1, 40)
        for _event in parts.run():
            parts.stop_requested = parts.progress.update >= stop_at
        if parts.interrupted:
            list(resume_run(folder / "parts").trainer.run())
        for name in (LAST, BEST):
            one, other = (load_checkpoint(folder / run / name) for run in ("kept", "parts"))
            assert same(one, other), (kind, stop_at, name)
            assert one.progress.best_loss == other.progress.best_loss, (kind, stop_at, name)
