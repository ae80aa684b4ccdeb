"""Two agents on this machine as two nodes: one dies, or the one that hosts the meeting place."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from launches import FLAGS, FULL, Launch, distance, launched, recorded, resumed, saved, text_of

from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import LAST

Whole = Callable[[int], tuple[Path, float]]
QUICK = "last_call_timeout=3,keep_alive_interval=1,keep_alive_max_attempt=3,join_timeout=60"

pytestmark = pytest.mark.skipif(not FULL, reason="whole nodes are for the long form")


def node(port: int) -> tuple[str, ...]:
    """Return torchrun's flags for one node of one or two."""
    place = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}")
    return ("--nnodes", "1:2", *place, "--max-restarts", "3", "--rdzv-conf", QUICK)


def free_port() -> int:
    """Return a port that nothing uses now."""
    with socket.socket() as place:
        place.bind(("localhost", 0))
        port: int = place.getsockname()[1]
        return port


def lose(launch: Launch) -> None:
    """Let a node die: its agent and its ranks, at once."""
    for process in launch.processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    launch.agent.wait()


def begun_on_two(host: Launch, guest: Launch, run: Path) -> None:
    """Wait until a run on two nodes has saved something."""
    host.wait_for(lambda: recorded(run) >= 60 and saved(run))
    assert host.ranks()
    assert guest.ranks()


def test_a_lost_node(whole: Whole, tmp_path: Path) -> None:
    """The other node goes on alone from the last checkpoint, to the run's end."""
    run = tmp_path / "run"
    command = ["train", text_of(run), *FLAGS, "--steps", "600", "--out", run]
    torchrun = node(free_port())
    with launched(1, *command, torchrun=torchrun, CHARNN_RANK_TIMEOUT="5") as host:
        host.wait_for(lambda: len(host.processes()) > 0)
        with launched(1, *command, torchrun=torchrun, CHARNN_RANK_TIMEOUT="5") as guest:
            begun_on_two(host, guest, run)
            lose(guest)
            assert host.end() == 0, host.output
    assert recorded(run) == 600


def test_a_joining_node(tmp_path: Path) -> None:
    """The agents restart all ranks for it: the run is saved, and goes on with one rank more.

    PyTorch 2.13's agents wait for each other in vain where the new node becomes the first, unless
    each meeting has a store of its own.
    """
    run = tmp_path / "run"
    command = ["train", text_of(run), *FLAGS, "--steps", "600", "--out", run]
    torchrun = node(free_port())
    more = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with launched(1, *command, torchrun=torchrun, **more) as host:
        host.wait_for_update(run, 100)
        with launched(1, *command, torchrun=torchrun, **more) as guest:
            assert host.end() == 0, host.output
            assert guest.end() == 0, guest.output
            assert "(interrupted)" in host.output
    assert recorded(run) == 600
    last = load_checkpoint(run / LAST)
    assert "2 ranks" in last.provenance["engine"]


def test_a_lost_host(whole: Whole, tmp_path: Path) -> None:
    """The other node ends, too, leaves no process, and the run can be resumed."""
    run = tmp_path / "run"
    command = ["train", text_of(run), *FLAGS, "--out", run]
    torchrun = node(free_port())
    with launched(1, *command, torchrun=torchrun, CHARNN_RANK_TIMEOUT="5") as host:
        host.wait_for(lambda: len(host.processes()) > 0)
        with launched(1, *command, torchrun=torchrun, CHARNN_RANK_TIMEOUT="5") as guest:
            begun_on_two(host, guest, run)
            lose(host)
            assert guest.end() != 0
    assert saved(run)
    resumed(1, run)
    assert distance(run, whole(2)[0]) < 1e-4
