"""Make all trials in full and print a table: `make torture`."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from trials import EVERY, TRIALS


def main() -> None:
    """Make the trials; the exit code is 1 where one did not hold."""
    failures = 0
    print("| trial | count | seconds | result |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="charnn-torture-") as folder:
        os.environ["CHARNN_CACHE"] = str(Path(folder) / "cache")
        for name, (trial, _, count) in TRIALS.items():
            began = time.perf_counter()
            try:
                trial(count, Path(folder))
                result = "holds"
            except AssertionError as error:
                failures += 1
                result = f"fails: {' '.join(str(error).split())[:200]}"
            seconds = time.perf_counter() - began
            counted = "all" if count == EVERY else f"{count:,}"
            print(f"| {name} | {counted} | {seconds:.0f} | {result} |", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
