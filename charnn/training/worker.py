"""The program of a worker process: see `charnn.training.parallel`."""

from __future__ import annotations

import io
from contextlib import suppress

from charnn.training.parallel import serve

if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(io.FileIO(0), io.FileIO(1, "w"))
