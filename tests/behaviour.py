"""What each task learns, by how much, with which command: `make behaviour`.

Every run is a `charnn train` in a process of its own; its figure is that of the test part, which no
run was trained on or chosen by, and the median of the seeds stands last. Three data sets are not
charnn's own. Put them into the folder that `--data` names; what is missing is left out:

    names/*.txt                                     github.com/spro/practical-pytorch, data/names
    ice_train.tsv, ice_dev.tsv, ice_test.tsv        github.com/sigmorphon/2021-task1, data/low
    tinyshakespeare.txt                             `charnn fetch tinyshakespeare`
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LAGS = (1, 2, 5, 10, 20, 50, 100)
BEYOND = 40  # symbols of a line of memorise that have one to repeat
LM = (
    "train tinyshakespeare.txt --val-fraction 0.1 --steps 3000 --learning-rate 0.008 "
    "--dropout 0.1 --sample-length 0"
)


@dataclass(frozen=True)
class Behaviour:
    """A row of a table: what is run, and what its figure is.

    `prepare(folder, data, seed)` writes the files that the command names. `figure` reads the last
    event of a run; `bar` is what the median should reach, and None where there is nothing to reach.
    """

    table: str
    name: str
    command: str
    prepare: Callable[[Path, Path, int], None]
    figure: Callable[[dict[str, float]], float]
    unit: str
    bar: float | None = None
    needs: str | None = None  # a file or folder of `--data`


def accuracy(finished: dict[str, float]) -> float:
    """Return the test part's accuracy in percent."""
    return 100 * finished["test_accuracy"]


def charnn(folder: Path, command: str) -> str:
    """Run a charnn command in a folder and return what it printed."""
    arguments = [sys.executable, "-m", "charnn", *shlex.split(command)]
    ended = subprocess.run(
        arguments, cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    if ended.returncode:
        raise SystemExit(f"charnn {command} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout


def nothing(folder: Path, data: Path, seed: int) -> None:
    """Prepare nothing: the command reads files of the data as they are."""


def write(path: Path, lines: Iterable[str]) -> None:
    """Write lines as UTF-8."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))


def made(command: str) -> Callable[[Path, Path, int], None]:
    """Return what makes a data set by `charnn make`, of the run's own seed."""

    def prepare(folder: Path, data: Path, seed: int) -> None:
        charnn(folder, f"make {command} --seed {seed} --force --quiet")

    return prepare


def first_plus_last(folder: Path, data: Path, seed: int) -> None:
    """Make a training set, and a test set of another seed without what is in the first."""
    charnn(folder, f"make first-plus-last --examples 4000 --seed {seed} --out known.tsv --force")
    fresh = charnn(folder, f"make first-plus-last --examples 3000 --seed {seed + 1000}")
    known = set((folder / "known.tsv").read_text(encoding="utf-8").splitlines())
    write(folder / "fresh.tsv", [line for line in fresh.splitlines() if line not in known])


def names(folder: Path, data: Path, seed: int) -> None:
    """Divide the distinct names at random: 80 % training, 10 % validation, 10 % test.

    A name that several languages have is in one part with all of them. The `names_one_*` files are
    the same names, all with one label.
    """
    classes: dict[str, list[str]] = {}
    for path in sorted((data / "names").glob("*.txt")):
        lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
        for name in dict.fromkeys(line for line in lines if line):
            classes.setdefault(name, []).append(path.stem)
    texts = list(classes)
    random.Random(seed).shuffle(texts)
    tenth = len(texts) // 10
    parts = {"test": texts[:tenth], "val": texts[tenth : 2 * tenth], "train": texts[2 * tenth :]}
    for part, chosen in parts.items():
        pairs = [(name, label) for name in chosen for label in classes[name]]
        write(folder / f"names_{part}.tsv", (f"{name}\t{label}" for name, label in pairs))
        write(folder / f"names_one_{part}.tsv", (f"{name}\tname" for name, _ in pairs))


def recalled(lag: int) -> Callable[[dict[str, float]], float]:
    """Return what computes how many of the symbols that have one to repeat are right, in percent.

    A line has `lag` symbols more that have none; whatever is wrong counts against the others.
    """

    def figure(finished: dict[str, float]) -> float:
        return 100 * (1 - (1 - finished["test_accuracy"]) * (lag + BEYOND) / BEYOND)

    return figure


def memorise(lag: int, cell: str, bar: float | None) -> Behaviour:
    """Return a row of the table of lags."""
    length = lag + BEYOND
    source = (
        f"memorise --lag {lag} --symbols ab --min-length {length} --max-length {length} "
        f"--examples 20000 --out memory{lag}.tsv"
    )
    command = (
        f"train memory{lag}.tsv --task tag --no-bidirectional --cell {cell} --hidden-size 128 "
        "--embedding-size none --batch-size 32 --learning-rate 5e-3 --dropout 0 --steps 2000 "
        "--eval-every 500 --val-fraction 0.02 --test-fraction 0.02"
    )
    name = f"lag {lag}, {cell}"
    return Behaviour("memorise", name, command, made(source), recalled(lag), "% recalled", bar)


def behaviours() -> Iterator[Behaviour]:
    """Yield all rows, in the order of the page."""
    for lag in LAGS:
        for cell in ("rnn", "lstm", "gru"):
            bars = {(1, "rnn"): 99.9, (1, "lstm"): 99.9, (1, "gru"): 99.9}
            bars |= {(20, "lstm"): 99.0, (20, "gru"): 99.0}
            yield memorise(lag, cell, bars.get((lag, cell)))
    yield Behaviour(
        "first-plus-last",
        "fresh examples",
        "train known.tsv --test fresh.tsv --task classify --no-bidirectional --hidden-size 64 "
        "--embedding-size none --batch-size 32 --learning-rate 5e-3 --dropout 0.1 --epochs 10 "
        "--eval-every 200",
        first_plus_last,
        accuracy,
        "% right",
        97.0,
    )
    yield Behaviour(
        "addition",
        "3 digits, held out",
        "train sums.tsv --task transduce --no-bidirectional --hidden-size 128 "
        "--embedding-size none --init-scale 1 --batch-size 128 --learning-rate 5e-3 --dropout 0 "
        "--epochs 12 --eval-every 400 --test-fraction 0.1",
        made("addition --examples 50000 --reverse --out sums.tsv"),
        accuracy,
        "% exact",
        99.0,
    )
    yield Behaviour(
        "icelandic",
        "words to phones",
        "train ice_train.tsv --val ice_dev.tsv --test ice_test.tsv --task transduce "
        '--target-sep " " --bidirectional --hidden-size 128 --embedding-size 64 --batch-size 16 '
        "--learning-rate 2e-3 --dropout 0.4 --label-smoothing 0.1 --epochs 50 --eval-every 250 "
        "--init-scale 0.2 --select accuracy",
        nothing,
        accuracy,
        "% exact",
        78.0,
        "ice_train.tsv",
    )
    yield from named()
    yield from techniques()


def named() -> Iterator[Behaviour]:
    """Yield the rows that learn from names."""
    parts = "--val names_{0}val.tsv --test names_{0}test.tsv"
    yield Behaviour(
        "names",
        "18 languages",
        f"train names_train.tsv {parts.format('')} --task classify --bidirectional "
        "--hidden-size 128 --embedding-size 64 --batch-size 64 --learning-rate 3e-3 --dropout 0.3 "
        "--epochs 6 --eval-every 250",
        names,
        accuracy,
        "% right",
        73.0,
        "names",
    )
    for name, prefix in (("with labels", ""), ("one label for all", "one_")):
        yield Behaviour(
            "generation",
            name,
            f"train names_{prefix}train.tsv {parts.format(prefix)} --task generate "
            "--hidden-size 128 --batch-size 64 --learning-rate 5e-3 --dropout 0.2 --epochs 6 "
            "--eval-every 250",
            names,
            lambda finished: finished["test_loss"],
            "nats/char",
            None,
            "names",
        )


def techniques() -> Iterator[Behaviour]:
    """Yield the rows of the training techniques, on a language model."""
    for name, options in (
        ("as it is", ""),
        ("layer normalisation", " --cell layernorm-lstm"),
        ("recurrent dropout, state", " --recurrent-dropout 0.1"),
        ("recurrent dropout, update", " --recurrent-dropout 0.1 --recurrent-dropout-kind update"),
        ("weight drop", " --weight-drop 0.1"),
    ):
        yield Behaviour(
            "techniques",
            name,
            LM + options,
            nothing,
            lambda finished: finished["best_loss"],
            "nats/char",
            None,
            "tinyshakespeare.txt",
        )


def measured(behaviour: Behaviour, data: Path, seeds: list[int]) -> tuple[list[float], float]:
    """Return the figure of each seed, and the mean time of training in seconds."""
    figures, seconds = [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="charnn-behaviour-") as name:
            folder = Path(name)
            for path in data.glob("*.t*"):
                (folder / path.name).write_bytes(path.read_bytes())
            behaviour.prepare(folder, data, seed)
            lines = charnn(folder, f"{behaviour.command} --seed {seed} --out run --json")
            finished = json.loads(lines.splitlines()[-1])
            figures.append(behaviour.figure(finished))
            seconds.append(finished["seconds"])
    return figures, statistics.mean(seconds)


def main() -> int:
    """Print a table for each behaviour; return 1 if a median misses its bar."""
    rows = list(behaviours())
    tables = list(dict.fromkeys(row.table for row in rows))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", help=f"Which: {', '.join(tables)} (none: all).")
    parser.add_argument("--only", default="", help="Rows whose name contains this.")
    parser.add_argument("--data", type=Path, default=Path("runs/data"), help="[runs/data]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="[1 2 3]")
    asked = parser.parse_args()
    if unknown := set(asked.tables) - set(tables):
        parser.error(f"there is no table {', '.join(sorted(unknown))}; choose of {tables}.")
    shown, missed = "", 0
    for row in rows:
        if (asked.tables and row.table not in asked.tables) or asked.only not in row.name:
            continue
        if row.table != shown:
            shown = row.table
            print(f"\n{shown}", flush=True)
        if row.needs is not None and not (asked.data / row.needs).exists():
            print(f"{row.name:28} left out: there is no {asked.data / row.needs}", flush=True)
            continue
        figures, seconds = measured(row, asked.data, asked.seeds)
        median = statistics.median(figures)
        up_to = "" if row.bar is None else f", at least {row.bar:g}"
        each = " ".join(f"{figure:8.4f}" for figure in figures)
        print(f"{row.name:28} {each}  median {median:8.4f} {row.unit}{up_to}, {seconds:.0f} s each")
        print(f"    charnn {row.command}", flush=True)
        missed += row.bar is not None and median < row.bar
    if missed:
        print(f"\n{missed} of the medians are below what they should reach.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
