"""The options of what computes; they are no part of a run's configuration."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.errors import ConfigError
from charnn.options import Section, option, options_of


@dataclass(frozen=True)
class EngineConfig(Section):
    """What computes, and on what: no part of a run, so that it can go on with another engine."""

    engine: str = option(
        "auto",
        "What computes: NumPy in several processes (shards), or PyTorch (torch). auto: torch "
        "under torchrun and where there is a CUDA GPU, else shards.",
        choices=("auto", "shards", "torch"),
    )
    device: str | None = option(
        None,
        "Where PyTorch computes (none: on the CUDA GPU, or the CPU where there is none).",
        choices=("cpu", "cuda", "mps"),
    )
    precision: str = option(
        "fp32",
        "How PyTorch multiplies: exactly rounded float32, or on a CUDA GPU faster, with rounded "
        "factors (tf32) or half precision (fp16).",
        choices=("fp32", "tf32", "fp16"),
    )

    def __post_init__(self) -> None:
        """Check the options against each other, too."""
        super().__post_init__()
        if self.engine == "shards":
            for name in ("device", "precision"):
                value, default = getattr(self, name), options_of(EngineConfig)[name].default
                if value != default:
                    raise ConfigError(
                        f"{name} is {value}, but the engine is shards, which computes with NumPy "
                        f"in float32; leave {name} out, or choose --engine torch."
                    )
        if self.precision != "fp32" and self.device in ("cpu", "mps"):
            raise ConfigError(
                f"precision is {self.precision}, which needs a CUDA GPU, but the device is "
                f"{self.device}; leave precision out."
            )
