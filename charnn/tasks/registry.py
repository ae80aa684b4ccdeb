"""The tasks by name: one line for each, in the order of `charnn.config.TASKS`."""

from __future__ import annotations

from charnn.config import Config
from charnn.registry import Registry
from charnn.tasks.task import Task

TASKS = Registry(
    {
        "lm": "charnn.tasks.language_modelling:LanguageModelling",
        "classify": "charnn.tasks.classification:Classification",
        "tag": "charnn.tasks.tagging:Tagging",
        "transduce": "charnn.tasks.transduction:Transduction",
        "generate": "charnn.tasks.label_generation:LabelGeneration",
    }
)


def task_of(config: Config) -> Task:
    """Return the task of a configuration."""
    task: Task = TASKS[config.task.task]()
    return task
