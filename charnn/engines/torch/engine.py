"""The engine on PyTorch: see `charnn.engines.engine`."""

from __future__ import annotations
