"""The configuration of a training run as a whole, flat for its users."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from charnn.config.model import ModelConfig
from charnn.config.sections import DataConfig, TrainingConfig
from charnn.config.tasks import RecordsConfig, TaskConfig, in_words
from charnn.errors import ConfigError
from charnn.options import Option, Section, Value, options_of, shown, suggestion, worded


@dataclass(frozen=True)
class Config:
    """The whole configuration of a training run."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    records: RecordsConfig = field(default_factory=RecordsConfig)

    def __post_init__(self) -> None:
        """Check that every option is one of the task's. Raises ConfigError."""
        values, task = self.values(), self.task.task
        for name, declared in self.options().items():
            value = values[name]
            if not declared.serves(task) and value != declared.default:
                text = shown(value) if isinstance(value, str) else worded(value)
                reason = f": {declared.because}" if declared.because else ""
                raise ConfigError(
                    f"{name} is {text}, but it is an option of {in_words(declared.tasks)}, and "
                    f"this task is {task}{reason}; leave it out."
                )
        if self.records.val is not None and values["val_fraction"] != DataConfig.val_fraction:
            raise ConfigError(
                f"val_fraction is {values['val_fraction']}, but the validation part is the file "
                f"{shown(self.records.val)}; leave out one of the two."
            )
        if self.records.test is not None and values["test_fraction"]:
            raise ConfigError(
                f"test_fraction is {values['test_fraction']}, but the test part is the file "
                f"{shown(self.records.test)}; leave out one of the two."
            )

    @classmethod
    def sections(cls) -> dict[str, type[Section]]:
        """Return the sections by the name of their field."""
        return {
            "task": TaskConfig,
            "model": ModelConfig,
            "training": TrainingConfig,
            "data": DataConfig,
            "records": RecordsConfig,
        }

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
        values = defaults_of(values) | values
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

    def own_values(self) -> dict[str, Value]:
        """Return the values of the options that the task has: what a person may want to read."""
        options, task = self.options(), self.task.task
        return {name: value for name, value in self.values().items() if options[name].serves(task)}

    def replace(self, **changes: Value) -> Config:
        """Return a copy with some options changed."""
        return Config.from_values(self.values() | current_names(changes))


def defaults_of(values: Mapping[str, Any]) -> dict[str, Value]:
    """Return the defaults of the task that values name, where they are its own.

    The length of a run is not among them where `epochs` or `time` says it.
    """
    options = Config.options()
    task = str(options["task"].parse(values.get("task", TaskConfig.task)))
    own = {
        name: declared.by_task[task]
        for name, declared in options.items()
        if task in declared.by_task
    }
    if any(values.get(name) not in (None, "none") for name in ("epochs", "time")):
        own.pop("steps", None)
    return own


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
