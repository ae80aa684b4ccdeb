"""Backward functions that use up what their forward pass kept, so that they can be called once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def single_use(backward: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return `backward` with a guard: a second call raises RuntimeError."""
    used = False

    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        nonlocal used
        if used:
            raise RuntimeError(
                "backward was called a second time, but the first call used up what the forward "
                "pass had kept; run forward again."
            )
        used = True
        return backward(*args, **kwargs)

    return guarded
