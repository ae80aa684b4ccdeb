"""A digest over all that a checkpoint holds."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from charnn.arrays import Arrays


def digest(meta: dict[str, Any], arrays: Arrays) -> str:
    """Return a SHA-256 over the meta data and every array's name, type, shape and bytes."""
    total = hashlib.sha256(json.dumps(meta, sort_keys=True).encode("utf-8"))
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()
