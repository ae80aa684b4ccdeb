"""What ranks exchange, how they meet again after a restart, and that long work is waited for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as dist
from launches import FULL, launched

from charnn.engines.torch.meeting import agent, meet

EXCHANGE = """
import time, torch
from charnn.config import EngineConfig
from charnn.engines.choice import make_team
from charnn.errors import CorpusError
team = make_team(EngineConfig())
rank, size = team.rank, team.size
assert size == 3
for content in (b"", bytes(range(256)) * 1000):
    assert team.from_leader(content if rank == 0 else b"mine") == content
assert team.gathered(b"a" * rank) == [b"", b"a", b"aa"]
for total in (7, 2, 3):
    whole = torch.arange(total * 2.0).reshape(total, 2)
    own = whole[total * rank // size : total * (rank + 1) // size]
    assert torch.equal(team.columns_together(own, total), whole), total
summed = torch.full((2,), float(rank))
team.add_up(summed)
assert summed.tolist() == [3.0, 3.0]
team.broadcast(summed.mul_(rank + 1))
assert summed.tolist() == [3.0, 3.0]

def work(late):
    time.sleep(6 * late)
    if rank:
        raise CorpusError(f"text {rank} is bad.")

assert team.machine_by_machine(lambda: rank) == rank
try:
    team.together(lambda: work(rank == 1))
    raise SystemExit("nothing was raised")
except CorpusError as error:
    assert str(error) == "rank 1 of 3: text 1 is bad."
told = []
team.tell(lambda: told.append(rank))
assert told == ([0] if rank == 0 else [])
team.close()
os._exit(0)
"""


@pytest.mark.skipif(not FULL, reason="every other trial shows it, too")
def test_what_ranks_exchange() -> None:
    """Bytes, sums and columns; work of 6 s does not run into a timeout of 3 s."""
    with launched(3, CHARNN_PLANTED=EXCHANGE, CHARNN_RANK_TIMEOUT="3") as launch:
        assert launch.end() == 0, launch.output


def test_what_an_earlier_attempt_has_left_is_harmless() -> None:
    """Ranks meet again and again in the same store, in any order, each time under a new prefix."""
    store = dist.HashStore()
    store.set_timeout(timedelta(seconds=20))
    store.set("charnn/hello/1", "a name of a rank that is dead")
    store.set("charnn/hello/2", "another")
    prefixes = set()
    for attempt in range(3):

        def late(rank: int, attempt: int = attempt) -> str:
            time.sleep(0.1 * ((rank + attempt) % 3))
            return meet(store, rank, 3)

        with ThreadPoolExecutor(3) as pool:
            met = set(pool.map(late, range(3)))
        assert len(met) == 1
        prefixes |= met
    assert len(prefixes) == 3


def test_an_agent_is_known_by_its_start() -> None:
    """Two calls agree, from any thread; the number of a process alone would come again."""
    names = [agent()]
    thread = threading.Thread(target=lambda: names.append(agent()))
    thread.start()
    thread.join()
    assert names[0] == names[1]
    assert len(names[0].split()) >= 3
