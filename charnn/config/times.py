"""Times as people write them: 90s, 5m, 1.5h, 1h30m."""

from __future__ import annotations

import math
import re

from charnn.errors import ConfigError
from charnn.options import shown

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
PART = r"[0-9]+(?:\.[0-9]+)?[smhd]"


def seconds_of(text: str) -> float:
    """Return a time such as `90s`, `5m`, `1.5h` or `1h30m` in seconds. Raises ConfigError."""
    compact = "".join(text.lower().split())
    parts = re.findall(PART, compact)
    if not parts or "".join(parts) != compact:
        raise ConfigError(
            f"time is {shown(text)}; give a number with its unit: 90s, 5m, 1.5h or 1h30m."
        )
    seconds = sum(float(part[:-1]) * UNITS[part[-1]] for part in parts)
    if not 0 < seconds < math.inf:
        raise ConfigError(f"time is {shown(text)}; give more than no time, such as 5m.")
    return seconds
