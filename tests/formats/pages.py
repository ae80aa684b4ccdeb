"""How a page's script is run in Node: many jobs in one process."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from charnn.formats.page_file import MODEL_SCRIPTS, joined

NODE = shutil.which("node")
RUNNER = Path(__file__).with_name("page_runner.js")


def results_of(jobs: dict[str, Any], scripts: dict[str, str] | None = None) -> dict[str, Any]:
    """Run jobs in one process of Node; those without a script of their own run the page's."""
    jobs = {name: {"script": "page"} | job for name, job in jobs.items()}
    content = {"scripts": {"page": joined(MODEL_SCRIPTS)} | (scripts or {}), "jobs": jobs}
    run = subprocess.run(
        [str(NODE), RUNNER], input=json.dumps(content).encode(), capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, Any] = json.loads(run.stdout)
    return found
