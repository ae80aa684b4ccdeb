"""Every option of charnn, declared once, and how options are read from and written to YAML.

Users see a flat configuration, with one key (in YAML) or one flag for each option. The code sees
sections: how text is prepared (`DataConfig`), the network (`ModelConfig`) and its training
(`TrainingConfig`). The remaining sections each belong to one command, such as `SamplingConfig` to
`charnn sample`.
"""

from charnn.config.commands import (
    EvaluationConfig,
    GradcheckConfig,
    PredictionConfig,
    SamplingConfig,
    WalkthroughConfig,
    check_task,
)
from charnn.config.configuration import Config, check_names, current_names
from charnn.config.files import LARGEST_YAML, from_yaml, read_yaml, to_yaml
from charnn.config.sections import (
    DEFAULT_STEPS,
    DataConfig,
    ModelConfig,
    RecordsConfig,
    TaskConfig,
    TrainingConfig,
)

__all__ = [
    "DEFAULT_STEPS",
    "LARGEST_YAML",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "GradcheckConfig",
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
