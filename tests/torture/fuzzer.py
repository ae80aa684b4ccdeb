"""Fuzz one reader, guided by coverage, until something else than charnn's own errors comes out.

`python fuzzer.py READER [OPTION OF LIBFUZZER...] [FOLDER OF INPUTS]`, or a file to try it again.
It needs atheris; `fuzz.py` starts it for each reader.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress

import atheris

READER = sys.argv.pop(1)

with atheris.instrument_imports(include=["charnn"]):
    from targets import TARGETS

    for seed in TARGETS[READER].seeds():
        with suppress(Exception):  # it will come again
            TARGETS[READER].fuzz_one(seed)  # charnn imports much only when it is used


def main() -> None:
    """Fuzz the reader that the first argument names."""
    warnings.simplefilter("error")  # a warning is not charnn's own either
    atheris.Setup(sys.argv, TARGETS[READER].fuzz_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
