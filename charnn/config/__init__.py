"""Every option of charnn, declared once, and how options are read from and written to YAML.

Users see a flat configuration, with one key (in YAML) or one flag for each option. The code sees
sections: what is learned (`TaskConfig`), how text is prepared (`DataConfig`) or files of examples
are read (`RecordsConfig`), the network (`ModelConfig`) and its training (`TrainingConfig`). The
remaining sections each belong to one command, such as `SamplingConfig` to
`charnn sample`.
"""

from charnn.config.commands import (
    MADE,
    EvaluationConfig,
    GradcheckConfig,
    MakeConfig,
    PredictionConfig,
    SamplingConfig,
    WalkthroughConfig,
    check_task,
)
from charnn.config.configuration import Config, check_names, current_names
from charnn.config.dynamic import DynamicConfig
from charnn.config.engine import EngineConfig
from charnn.config.files import LARGEST_YAML, from_yaml, read_yaml, to_yaml
from charnn.config.model import ModelConfig
from charnn.config.sections import DEFAULT_STEPS, DataConfig, TrainingConfig
from charnn.config.tasks import TASKS, RecordsConfig, TaskConfig

__all__ = [
    "DEFAULT_STEPS",
    "LARGEST_YAML",
    "MADE",
    "TASKS",
    "Config",
    "DataConfig",
    "DynamicConfig",
    "EngineConfig",
    "EvaluationConfig",
    "GradcheckConfig",
    "MakeConfig",
    "ModelConfig",
    "PredictionConfig",
    "RecordsConfig",
    "SamplingConfig",
    "TaskConfig",
    "TrainingConfig",
    "WalkthroughConfig",
    "check_names",
    "check_task",
    "current_names",
    "from_yaml",
    "read_yaml",
    "to_yaml",
]
