"""Fuzz charnn's readers, each in a process of its own, and print a table: `make fuzz`.

`python tests/torture/fuzz.py [--seconds 600] [READER ...]`. The exit code is 1 where a reader
crashed; the input that did it is kept, and `python tests/torture/fuzzer.py READER FILE` tries it
again.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from targets import TARGETS

KEPT = Path("runs/fuzz")
FUZZER = Path(__file__).parent / "fuzzer.py"
LONGEST = 65_536  # bytes of an input
MEMORY, ONE_INPUT = 2_048, 10  # MB, seconds


def seed(reader: str, folder: Path) -> tuple[Path, Path]:
    """Write the inputs that a reader's fuzzing begins with, and the words that they are made of."""
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir(parents=True)
    for number, content in enumerate(TARGETS[reader].seeds()):
        (corpus / f"{number:04}").write_bytes(content)
    lines = ("".join(f"\\x{byte:02x}" for byte in word) for word in TARGETS[reader].words())
    words.write_text("".join(f'"{line}"\n' for line in lines), encoding="utf-8")
    return corpus, words


def fuzz(reader: str, seconds: int, folder: Path) -> tuple[int, str]:
    """Fuzz a reader; return the number of executions and what came of it."""
    corpus, words = seed(reader, folder)
    kept = KEPT / reader
    kept.mkdir(parents=True, exist_ok=True)
    log = kept / "log.txt"
    log.unlink(missing_ok=True)
    options: dict[str, object] = {
        "max_total_time": seconds,
        "max_len": LONGEST,
        "rss_limit_mb": MEMORY,
        "timeout": ONE_INPUT,
        "artifact_prefix": f"{kept}/",
        "print_final_stats": 1,
    }
    if words.stat().st_size:
        options["dict"] = words
    flags = [f"-{name}={value}" for name, value in options.items()]
    result = subprocess.run(
        [sys.executable, str(FUZZER), reader, *flags, str(corpus)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"TMPDIR": str(folder)},
        check=False,
    )
    output = result.stdout.decode("utf-8", "replace")
    counts = re.findall(r"^(?:stat::number_of_executed_units: |#|Done )(\d+)", output, re.MULTILINE)
    executions = max(map(int, counts), default=0)
    if result.returncode == 0:
        return executions, "no crash"
    inputs = re.findall(r"Test unit written to (\S+)", output)
    log.write_text(output, encoding="utf-8")
    return executions, f"crash: {', '.join(inputs) or 'no input'}, see {log}"


def main() -> None:
    """Fuzz the readers that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=600, help="for each reader")
    arguments = parser.parse_args()
    unknown = set(arguments.readers) - set(TARGETS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: choose {', '.join(TARGETS)}")
    crashes = 0
    print("| reader | seconds | executions | result |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="charnn-fuzz-") as folder:
        for reader in arguments.readers or TARGETS:
            executions, result = fuzz(reader, arguments.seconds, Path(folder) / reader)
            crashes += result != "no crash"
            print(f"| {reader} | {arguments.seconds} | {executions:,} | {result} |", flush=True)
    sys.exit(1 if crashes else 0)


if __name__ == "__main__":
    main()
