"""The script behind `make gpu` runs on a CPU, small, and says what it could not do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
CHECKS = {"parity", "bits", "speed", "graphs", "precision", "learning"}


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    command = [sys.executable, str(ROOT / "tests/gpu.py"), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_every_check_runs_on_a_cpu(tmp_path: Path) -> None:
    """All six checks give rows, none misses what it has to reach, and what needs a GPU is named."""
    out = tmp_path / "gpu.json"
    text = ROOT / "data/the-tide-clock.txt"
    ended = script("--device", "cpu", "--quick", "--text", str(text), "--out", str(out))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    content = json.loads(out.read_text("utf-8"))
    assert {row["check"] for row in content["rows"]} == CHECKS
    assert {row["passed"] for row in content["rows"]} == {True, None}
    unable = [row["case"] for row in content["rows"] if "not run" in row["figure"]]
    assert unable == ["LSTM, tf32", "LSTM, fp16"]
    assert "script only" in content["device"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    """One sentence, and exit status 2."""
    ended = script()
    assert ended.returncode == 2
    assert ended.stderr == "PyTorch finds no CUDA GPU here, so nothing was measured.\n"
    assert not ended.stdout
