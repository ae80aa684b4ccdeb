"""The program of a worker process: see `charnn.training.parallel`."""

from __future__ import annotations

import sys
from contextlib import suppress

from charnn.training.parallel import serve

if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(sys.stdin.buffer, sys.stdout.buffer)
