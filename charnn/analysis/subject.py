"""Which models are looked into: language models."""

from __future__ import annotations

from charnn.errors import ConfigError
from charnn.models.language_model import LanguageModel
from charnn.training.checkpoint import Checkpoint


def language_model(saved: Checkpoint, command: str) -> LanguageModel:
    """Return a checkpoint's language model. Raises ConfigError for a model of another task."""
    model = saved.model
    if not isinstance(model, LanguageModel):
        raise ConfigError(
            f"a model of {saved.task.title} is not for `charnn {command}`, which is for language "
            f"models; use `charnn {saved.task.next_command('RUN')}`."
        )
    return model
