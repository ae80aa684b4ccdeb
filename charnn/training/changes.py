"""What a configuration takes from where a run begins: a corpus, another model, or an older run."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from charnn.config import Config
from charnn.errors import ConfigError
from charnn.options import Value, shown, worded
from charnn.text.corpus import Corpus
from charnn.training.checkpoint import Checkpoint

STRUCTURE = (
    "task",
    "cell",
    "hidden_size",
    "num_layers",
    "gru_reset",
    "embedding_size",
    "bidirectional",
    "attention",
    "tie_weights",
    "tokens",
    "source_sep",
    "target_sep",
)
WITH_FEATURES = ("features_col", "features_sep")  # the model's, unless others are asked for
MAY_CHANGE = ("epochs", "steps")  # of a run that is resumed
MAY_MOVE = ("val", "test")  # files of a run that is resumed


def with_vocabulary_of(corpus: Corpus, config: Config, fixed: Collection[str]) -> Config:
    """Return a configuration for a corpus that has its vocabulary. Raises ConfigError."""
    tokens = corpus.vocabulary.tokens
    for name in ("tokens", "min_count", "vocab", "encoding"):
        if name in fixed and not (name == "tokens" and config.data.tokens == tokens):
            raise ConfigError(
                f"{name} is given, but the corpus has its vocabulary already; leave {name} out, or "
                "give it to charnn.corpus."
            )
    return config.replace(tokens=tokens)


def with_structure_of(source: Checkpoint, config: Config, fixed: Collection[str]) -> Config:
    """Return a configuration with the network of a checkpoint. Raises ConfigError on a conflict."""
    own, theirs = config.values(), source.config.values()
    if "task" in fixed and own["task"] != theirs["task"]:
        raise ConfigError(
            f"the task is {own['task']}, but the model to start from has learned the task "
            f"{theirs['task']}; give --init-from a model of the same task."
        )
    for name in STRUCTURE:
        if name in fixed and own[name] != theirs[name]:
            raise ConfigError(
                f"{name} is {worded(own[name])}, but the model to start from has "
                f"{worded(theirs[name])}; leave {name} out."
            )
    names = [*STRUCTURE, *(name for name in WITH_FEATURES if name not in fixed)]
    return config.replace(**{name: theirs[name] for name in names})


def with_changes(config: Config, changes: Mapping[str, Value]) -> Config:
    """Return a resumed run's configuration. Raises ConfigError for a change it cannot take."""
    own = config.values()
    if changes.get("time") is not None:
        raise ConfigError(
            f"time is {shown(changes['time'])}, but the number of updates of the run to resume is "
            "fixed; leave time out, or give steps or epochs to train it further."
        )
    moved = {name: changes[name] for name in MAY_MOVE if own[name] and changes.get(name)}
    for name, value in changes.items():
        if name not in (*MAY_CHANGE, *moved) and value != own[name]:
            raise ConfigError(
                f"{name} is {worded(value)}, but the run to resume has {worded(own[name])}; "
                "leave it out, or start a new run (--init-from keeps the weights)."
            )
    length = {name: changes[name] for name in MAY_CHANGE if changes.get(name) is not None}
    if length:
        length = dict.fromkeys(MAY_CHANGE) | length
    return config.replace(**moved, **length) if moved or length else config
