"""Trials of processes: killed, signalled, and two on one folder."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from material import FLAGS, OPTIONS, ended, finished_run, metrics_are_whole, same, start

from charnn.errors import RunError
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, PREVIOUS
from charnn.training.run_folder import RunFolder

STOPS = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


def go_on(run: Path, text: Path) -> subprocess.Popen[bytes]:
    """Start the rest of a run, or the run again where nothing was saved."""
    if (run / LAST).exists() or (run / PREVIOUS).exists():
        return start("train", "--resume", run)
    return start("train", text, *FLAGS, "--out", run, "--force")


def killed(count: int, folder: Path) -> None:
    """Kill a run at a random moment, go on, and compare with the one that was left alone."""
    whole, seconds = finished_run(folder)
    text, run, chance = folder / "tide.txt", folder / "killed", random.Random(3)
    for _ in range(count):
        shutil.rmtree(run, ignore_errors=True)
        process = go_on(run, text)
        time.sleep(chance.uniform(0.2, 1) * seconds)
        process.kill()
        process.communicate()
        saved = load_checkpoint(run / LAST) if (run / LAST).exists() else None
        if saved is None or saved.progress.update < OPTIONS["steps"]:
            code, said = ended(go_on(run, text))
            assert code == 0, said
        assert same(load_checkpoint(run / LAST), load_checkpoint(whole / LAST))
        assert same(load_checkpoint(run / BEST), load_checkpoint(whole / BEST))
        assert not [entry.name for entry in run.iterdir() if entry.suffix == ".tmp"]
        metrics_are_whole(run)


def signalled(count: int, folder: Path) -> None:
    """Send a run a signal, once or twice: its exit code tells which, and what it saved loads."""
    _, seconds = finished_run(folder)
    text, run, chance = folder / "tide.txt", folder / "signalled", random.Random(4)
    for number in range(count):
        shutil.rmtree(run, ignore_errors=True)
        steps = ["--steps", "100000", "--eval-every", "1000"]
        process = start("train", text, *FLAGS, *steps, "--out", run)
        while not (run / "metrics.jsonl").exists():
            assert process.poll() is None, ended(process)
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.3) * seconds)
        sent = STOPS[number % len(STOPS)]
        process.send_signal(sent)
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 0.002))
            process.send_signal(sent)
        code, said = ended(process)
        assert code == 128 + sent, (code, said)
        if (run / LAST).exists():
            load_checkpoint(run / LAST)


def two_runs(count: int, folder: Path) -> None:
    """Start a second run on the folder of the first: it refuses, and the first is untouched."""
    whole, _ = finished_run(folder)
    text, run = folder / "tide.txt", folder / "shared"
    for number in range(count):
        shutil.rmtree(run, ignore_errors=True)
        first = start("train", text, *FLAGS, "--out", run)
        while not (run / "config.yaml").exists():
            assert first.poll() is None, ended(first)
            time.sleep(0.002)
        os.kill(first.pid, signal.SIGSTOP)
        try:
            second = (
                ["train", text, *FLAGS, "--out", run, "--force"]
                if number % 2 or not (run / LAST).exists()
                else ["train", "--resume", run]
            )
            code, said = ended(start(*second))
        finally:
            os.kill(first.pid, signal.SIGCONT)
        assert code == 2, said
        assert "in use by another process" in said, said
        code, said = ended(first)
        assert code == 0, said
        assert same(load_checkpoint(run / LAST), load_checkpoint(whole / LAST))


def two_holders(count: int, folder: Path) -> None:
    """Hold a run folder elsewhere: here it cannot be taken."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom charnn.training.run_folder import RunFolder\n"
        "RunFolder(Path(sys.argv[1])).take()\nprint(flush=True)\nsys.stdin.read()\n"
    )
    for number in range(count):
        run = folder / f"held{number}"
        run.mkdir(parents=True)
        with subprocess.Popen(
            [sys.executable, "-c", program, str(run)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            try:
                RunFolder(run).take()
                taken = True
            except RunError:
                taken = False
            holder.kill()
        assert not taken
