"""PyTorch itself: whether it is there, on which device it computes, and how it multiplies."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from charnn.config import EngineConfig
from charnn.engines.shards import usable_cores
from charnn.errors import ConfigError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT, LARGEST_KEPT = 2**31 - 1, 2**25  # bytes; the second is the most that glibc takes
LEAST_WORK = 3e8  # floating-point operations of a thread's update: less is not worth a thread


def load_torch() -> Any:
    """Import PyTorch. Raises ConfigError where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            "the engine is torch, but PyTorch is not installed; install the extra "
            '`pip install "charnn[torch]"`, or choose --engine shards.'
        ) from error
    return torch


def device_of(options: EngineConfig, local_rank: int = 0) -> Any:
    """Return the device that options mean, of several GPUs that of a rank. Raises ConfigError."""
    torch = load_torch()
    cuda = torch.cuda.is_available()
    kind = options.device or ("cuda" if cuda else "cpu")
    if kind == "cuda" and not cuda:
        raise ConfigError(
            "device is cuda, but PyTorch finds no CUDA GPU here; check its driver and whether "
            "PyTorch was installed with CUDA, or choose --device cpu."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            "device is mps, but PyTorch finds no Apple GPU here; choose --device cpu."
        )
    if options.precision != "fp32" and kind != "cuda":
        raise ConfigError(
            f"precision is {options.precision}, which needs a CUDA GPU, and there is none here; "
            "leave precision out."
        )
    if kind != "cuda":
        return torch.device(kind)
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise ConfigError(
            f"rank {local_rank} of this machine finds {count} GPUs, and each rank needs one of its "
            f"own; start torchrun with --nproc-per-node {count}."
        )
    return torch.device("cuda", local_rank)


def multiply_as(precision: str) -> None:
    """Set how float32 is multiplied on a CUDA GPU: as it stands, or as TF32 where that is asked."""
    torch = load_torch()
    if not torch.cuda.is_available():
        return
    rounded = precision == "tf32"
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # from PyTorch 2.9 on
        kind = "tf32" if rounded else "ieee"
        torch.backends.cuda.matmul.fp32_precision = kind
        torch.backends.cudnn.rnn.fp32_precision = kind
    else:
        torch.backends.cuda.matmul.allow_tf32 = rounded
        torch.backends.cudnn.allow_tf32 = rounded


def threads_for(work: float) -> int | None:
    """Return how many threads of a CPU suit an update of so many floating-point operations.

    None: the environment says it, as torchrun's does. The number depends on nothing that changes
    between runs, because sums, and so bits, depend on it.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, min(usable_cores(), int(work // LEAST_WORK)))


def keep_memory() -> None:
    """Tell the C library to keep what an update frees, for the next one, where it can be told.

    glibc gives memory of this size back to the system and takes it again page by page, which costs
    up to a tenth of an update.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every C library has it
        if mallopt is not None:
            mallopt(M_TRIM_THRESHOLD, KEPT)
            mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
