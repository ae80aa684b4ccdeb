"""What the shards of a run tell each other: orders to a worker, and its answers, through pipes.

An order names a stage of an update (see `charnn.engines.shard`) and what it needs to know; an
answer is two numbers. All arrays lie in shared memory.
"""

from __future__ import annotations

import os
import select
import struct
import time
from enum import IntEnum
from typing import IO, NamedTuple

from charnn.engines.shard import Shard

ORDER = struct.Struct("<bqdd")
ANSWER = struct.Struct("<dd")
AWAKE = 2e-3  # seconds that a process waits awake for a message
PARTS = ("train", "val", "test")


class Stage(IntEnum):
    """What a shard is told to do."""

    COMPUTE = 1
    ADD_GRADIENTS = 2
    APPLY = 3
    EVALUATE = 4
    NOTHING = 5  # shows how long telling and answering take


class Order(NamedTuple):
    """A stage, and what it needs to know: an update's number, or a part's place in `PARTS`."""

    stage: Stage
    number: int = 0
    learning_rate: float = 0.0
    scale: float = 1.0  # of the gradients


def carry_out(shard: Shard, order: Order) -> tuple[float, float]:
    """Do what an order says and return the answer."""
    if order.stage == Stage.COMPUTE:
        return shard.compute(order.number), 0.0
    if order.stage == Stage.ADD_GRADIENTS:
        return shard.add_gradients()
    if order.stage == Stage.APPLY:
        shard.apply(order.number, order.learning_rate, order.scale)
    elif order.stage == Stage.EVALUATE:
        score = shard.evaluate(PARTS[order.number])
        return score.nats, score.predictions
    return 0.0, 0.0


def receive(pipe: IO[bytes], size: int) -> bytes:
    """Read `size` bytes from a pipe without a buffer; fewer only where it has ended."""
    stay_awake(pipe)
    content = b""
    while len(content) < size and (piece := pipe.read(size - len(content))):
        content += piece
    return content


def stay_awake(pipe: IO[bytes]) -> None:
    """Wait for something to read, but not for long.

    Waking a sleeping process takes 30 us and more, several times in an update.
    """
    if not hasattr(select, "poll"):  # Windows
        return
    readable = select.poll()
    readable.register(pipe, select.POLLIN)
    end = time.perf_counter() + AWAKE
    while not readable.poll(0) and time.perf_counter() < end:
        os.sched_yield()  # another shard may have this core
