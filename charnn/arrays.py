"""What an array is called in signatures.

Dimensions: `T` time, `B` batch, `V` vocabulary, `D` layer input, `H` hidden, `G` gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Shape: TypeAlias = tuple[int, ...]
