"""Small runs for the tests of training: a text, a configuration, and what to compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Arrays
from charnn.config import Config
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates
from charnn.text.corpus import Corpus, read_corpus
from charnn.training.checkpoint import Checkpoint
from charnn.training.events import Event
from charnn.training.trainer import Trainer

TEXT = (
    "The tide came in and the tide went out,\n"
    "and the old clock counted both of them.\n"
    "It counted gulls, it counted boats,\n"
    "it counted the rings on the harbour's rope,\n"
    "and once, on a night without a moon,\n"
    "it counted itself, and lost count, and stopped.\n"
)
V = len(set(TEXT))
WINDOWS = 8  # of an epoch of the small run
SMALL = {
    "hidden_size": 6,
    "batch_size": 3,
    "seq_length": 10,
    "steps": 17,
    "eval_every": 5,
    "warmup_steps": 3,
    "val_fraction": 0.1,
    "dropout": 0.3,
    "learning_rate": 0.02,
    "shards": 1,
}


def small_config(**changes: Any) -> Config:
    """Return the configuration of a run of a few updates."""
    return Config.from_values(SMALL | changes)


def write_corpus(folder: Path, text: str = TEXT) -> str:
    """Write the text to train on and return its file's name."""
    path = folder / "tide.txt"
    path.write_bytes(text.encode())
    return str(path)


def small_corpus(folder: Path, config: Config, text: str = TEXT) -> Corpus:
    """Return the text to train on as a corpus."""
    return read_corpus([write_corpus(folder, text)], config.data)


def finish(trainer: Trainer) -> list[Event]:
    """Run to the end and return all events."""
    return list(trainer.run())


def stop_after(trainer: Trainer, update: int) -> list[Event]:
    """Run, and ask to stop as soon as an update was made, as a first Ctrl-C does."""
    events = []
    for event in trainer.run():
        events.append(event)
        trainer.stop_requested = trainer.progress.update >= update
    return events


def of_kind(events: Iterable[Event], *kinds: type) -> list[Any]:
    """Return the events of some kinds."""
    return [event for event in events if isinstance(event, kinds)]


def timeless(events: Iterable[Event]) -> list[Event]:
    """Return events without what a clock put into them."""
    return [replace(event, seconds=0.0) if hasattr(event, "seconds") else event for event in events]


def arrays_of(states: LayerStates) -> list[bytes]:
    """Return the bytes of all layers' states."""
    return [state.tobytes() for layer in states for state in layer]


def bytes_of(arrays: Arrays) -> dict[str, bytes]:
    """Return the bytes of arrays by their names."""
    return {name: array.tobytes() for name, array in arrays.items()}


def substance(trainer: Trainer) -> dict[str, Any]:
    """Return all that a run is, bit for bit, but for the time it took."""
    now = content(trainer.checkpoint())
    return {
        **{name: now[name] for name in ("parameters", "optimizer", "states", "average")},
        "optimizer": bytes_of(trainer.checkpoint().optimizer),
        "states": bytes_of(trainer.checkpoint().states),
        "ema_decay": None
        if trainer.checkpoint().average is None
        else trainer.checkpoint().average.tobytes(),
        "best": trainer.best.parameters.flat.tobytes(),
        "progress": asdict(trainer.progress) | {"seconds": 0.0},
    }


def content(checkpoint: Checkpoint, timed: bool = True) -> dict[str, Any]:
    """Return all that a checkpoint holds, bit for bit."""
    progress = asdict(checkpoint.progress)
    return {
        "config": checkpoint.config.values(),
        "vocabulary": checkpoint.vocabulary.to_json(),
        "parameters": bytes_of(checkpoint.parameters),
        "shapes": checkpoint.parameters.shapes,
        "optimizer": checkpoint.optimizer and bytes_of(checkpoint.optimizer),
        "states": checkpoint.states and bytes_of(checkpoint.states),
        "average": None if checkpoint.average is None else checkpoint.average.tobytes(),
        "progress": progress if timed else progress | {"seconds": 0.0},
        "corpus": asdict(checkpoint.corpus),
        "provenance": checkpoint.provenance,
    }


def naive_loss(model: LanguageModel, ids: Any) -> float:
    """Return the mean loss on a text, one symbol after the other, summed in float64."""
    states = model.zero_states(1)
    losses = []
    for now, after in pairwise(ids):
        logits, states, _ = model.logits(np.array([[now]]), states)
        row = logits[0].astype(np.float64)
        losses.append(np.log(np.exp(row - row.max()).sum()) + row.max() - row[after])
    return float(np.mean(losses))
