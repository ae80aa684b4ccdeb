"""Which engine computes a run."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from charnn.config import Config, EngineConfig
from charnn.engines.engine import Engine
from charnn.engines.shards import Shards
from charnn.engines.team import ALONE, Team
from charnn.engines.torch.library import load_torch
from charnn.errors import ConfigError
from charnn.models.model import Model
from charnn.tasks.task import Dataset

NVIDIA = (Path("/dev/nvidia0"), Path("/dev/dxg"), Path("C:/Windows/System32/nvcuda.dll"))


def chosen(options: EngineConfig) -> str:
    """Return the engine that options mean: `shards` or `torch`. Raises ConfigError."""
    if under_torchrun() and options.engine == "shards":
        raise ConfigError(
            "engine is shards, which computes in processes of its own, but torchrun has started "
            f"this one, of {ranks()}; choose --engine torch, or start charnn without torchrun."
        )
    if options.engine != "auto":
        return options.engine
    asked = options.device is not None or options.precision != "fp32"
    return "torch" if under_torchrun() or asked or has_cuda() else "shards"


def under_torchrun() -> bool:
    """Return whether torchrun, or what names ranks as it does, has started this process."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"))


def ranks() -> int:
    """Return how many processes torchrun has started."""
    return int(os.environ["WORLD_SIZE"]) if under_torchrun() else 1


def reports() -> bool:
    """Return whether this process reports what is wrong before it has met any other rank.

    Of the ranks that torchrun has started on a machine, that is the first.
    """
    return not under_torchrun() or os.environ["LOCAL_RANK"] == "0"


def make_team(options: EngineConfig) -> Team:
    """Return who computes a run together. Raises ConfigError, and WorkerError without the others.

    A single rank under torchrun, which may have been one of several before a restart, is a team.
    """
    if chosen(options) == "shards" or not under_torchrun():
        return ALONE
    load_torch()
    from charnn.engines.torch.ranks import Ranks

    return Ranks(options)


def has_cuda() -> bool:
    """Return whether PyTorch can compute on a GPU; it is not imported where there is none."""
    if find_spec("torch") is None or not any(place.exists() for place in NVIDIA):
        return False
    return bool(load_torch().cuda.is_available())


def make_engine(
    config: Config,
    model: Model,
    dataset: Dataset,
    options: EngineConfig | None = None,
    team: Team = ALONE,
) -> Engine:
    """Return the engine that options mean, holding a model. Raises ConfigError."""
    options = options or EngineConfig()
    if chosen(options) == "shards":
        return Shards(config, model, dataset)
    load_torch()
    from charnn.engines.torch.engine import TorchEngine

    return TorchEngine(config, model, dataset, options, team)


def model_on(model: Any, options: EngineConfig) -> Any:
    """Return a model for scoring, sampling and predicting, on the engine that options mean.

    That is NumPy's model itself, or one that PyTorch computes. Raises ConfigError.
    """
    if ranks() > 1:
        raise ConfigError(
            f"torchrun has started {ranks()} processes, but only `charnn train` computes in "
            "several; start charnn without torchrun."
        )
    if chosen(options) == "shards":
        return model
    load_torch()
    from charnn.engines.torch.inference import on_device

    return on_device(model, options)
