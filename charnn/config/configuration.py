"""The configuration of a training run as a whole, flat for its users."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from charnn.config.sections import DataConfig, ModelConfig, TrainingConfig
from charnn.errors import ConfigError
from charnn.options import Option, Section, Value, options_of, shown, suggestion


@dataclass(frozen=True)
class Config:
    """The whole configuration of a training run."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    @classmethod
    def sections(cls) -> dict[str, type[Section]]:
        """Return the sections by the name of their field."""
        return {"model": ModelConfig, "training": TrainingConfig, "data": DataConfig}

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Return every option by name; names are unique over the sections."""
        return {
            name: declared
            for section in cls.sections().values()
            for name, declared in options_of(section).items()
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Config:
        """Build from flat values; options left out keep their defaults. Raises ConfigError."""
        values = current_names(values)
        check_names(values)
        parts: dict[str, Any] = {}
        for field_name, section in cls.sections().items():
            names = options_of(section).keys() & values.keys()
            parts[field_name] = section(**{name: values[name] for name in names})
        return cls(**parts)

    def values(self) -> dict[str, Value]:
        """Return the values of all options in one flat dictionary."""
        return {
            name: value
            for field_name in self.sections()
            for name, value in dataclasses.asdict(getattr(self, field_name)).items()
        }

    def replace(self, **changes: Value) -> Config:
        """Return a copy with some options changed."""
        return Config.from_values(self.values() | current_names(changes))


def current_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names that their options have now. Raises ConfigError for both names."""
    renamed = {
        declared.formerly: name for name, declared in Config.options().items() if declared.formerly
    }
    for former, name in renamed.items():
        if former in values and name in values:
            raise ConfigError(f"{former} is the former name of {name}; give {name} only.")
    return {renamed.get(name, name): value for name, value in values.items()}


def check_names(values: Mapping[str, Any], place: str = "the configuration") -> None:
    """Raise ConfigError for a key that is not an option, suggesting the closest option."""
    known = Config.options()
    for name in values:
        if name not in known:
            key = shown(name)
            guess = suggestion(key.strip("'"), known)
            raise ConfigError(
                f"{place} has the unknown key {key}.{guess} `charnn config` lists all keys."
            )
