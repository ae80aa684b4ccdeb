"""A trainer with its engine, ready to make updates."""

from __future__ import annotations

from charnn.config import Config, EngineConfig
from charnn.engines.choice import make_engine
from charnn.engines.team import ALONE, Team
from charnn.models.model import Model
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset
from charnn.training.checkpoint import Checkpoint
from charnn.training.run_folder import RunFolder
from charnn.training.trainer import Trainer


def prepared(
    config: Config,
    dataset: Dataset,
    folder: RunFolder | None = None,
    *,
    model: Model | None = None,
    resume_from: Checkpoint | None = None,
    may_be_over: bool = False,
    compute: EngineConfig | None = None,
    team: Team = ALONE,
) -> Trainer:
    """Return a trainer with its engine: from a model's weights, random ones, or a checkpoint.

    The ranks of a team must ask for it at the same time.
    """
    task = task_of(config)
    if resume_from is not None:
        model = resume_from.trained_model
    if model is None:
        model = untrained(config, dataset)
    source = task.source(dataset.arrays, config)
    engine = make_engine(config, model, dataset, compute, team)
    return Trainer(config, dataset, source, engine, folder, resume_from, may_be_over)


def untrained(config: Config, dataset: Dataset) -> Model:
    """Return a model with random weights for the symbols of some data."""
    task = task_of(config)
    sizes = task.sizes(dataset.vocabulary)
    return task.model.started(config.model, sizes, config.training.seed)
