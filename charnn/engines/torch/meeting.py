"""How ranks find each other, and how they know the agent of torchrun that has started them.

Torchrun's agents host a store of keys and values. An agent keeps its store over restarts, with all
that earlier attempts have left in it, so the ranks first agree on a prefix that no earlier attempt
has used: each announces itself by a name that it has just drawn, and rank 0 answers to that name.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

ARRIVAL = 300.0  # seconds that ranks may need until all have started
PAUSE = 0.05  # seconds between looks at the store


def meet(store: Any, rank: int, size: int) -> str:
    """Return a prefix for keys that all ranks have agreed on, and that was never used before.

    Raises RuntimeError where one does not come. What earlier attempts have left is harmless: a
    name is new, so only the rank that has drawn it reads the answer to it.
    """
    name, deadline = uuid.uuid4().hex, time.monotonic() + ARRIVAL
    store.set(f"charnn/hello/{rank}", name)
    if rank:
        store.wait([f"charnn/answer/{name}"], timedelta(seconds=ARRIVAL))
        prefix: str = store.get(f"charnn/answer/{name}").decode()
        store.set(f"{prefix}/here/{rank}", "")
        return prefix
    prefix = f"charnn/{name}"
    missing, answered = list(range(1, size)), set()
    while missing:
        for other in missing:
            key = f"charnn/hello/{other}"
            greeting = store.get(key).decode() if store.check([key]) else ""
            if greeting and greeting not in answered:
                store.set(f"charnn/answer/{greeting}", prefix)
                answered.add(greeting)
        missing = [other for other in missing if not store.check([f"{prefix}/here/{other}"])]
        if time.monotonic() > deadline:
            raise RuntimeError(f"rank {missing[0]} did not start within {ARRIVAL:.0f} s")
        time.sleep(PAUSE)
    return prefix


def end_with(parent: int) -> None:
    """End this process at once when its parent ends, so that a killed agent leaves no rank."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if sys.platform != "win32":  # where a process keeps the number of its parent
        threading.Thread(target=watch, daemon=True).start()


def agent() -> str:
    """Return what tells the agent that has started this process from all others, ever."""
    parent = os.getppid()
    began = ""
    stat = Path(f"/proc/{parent}/stat")
    with suppress(OSError):
        if stat.exists():
            began = (
                stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
            )
            began += Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        elif sys.platform != "win32":
            asked = ["ps", "-o", "lstart=", "-p", str(parent)]
            began = subprocess.run(  # noqa: S603
                asked, capture_output=True, text=True, check=False
            ).stdout.strip()
    return f"{platform.node()} {parent} {began}"
