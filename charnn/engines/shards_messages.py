"""What the shards of a run tell each other: orders to a worker, and its answers, through pipes.

An order names a stage of an update (see `charnn.engines.shard`) and what it needs to know; an
answer is six numbers, as many as a score has. All arrays lie in shared memory.
"""

from __future__ import annotations

import os
import select
import struct
import time
from dataclasses import astuple, fields
from enum import IntEnum
from typing import IO, NamedTuple, TypeAlias

from charnn.engines.shard import Shard
from charnn.models.score import Score
from charnn.tasks.task import PARTS

Answer: TypeAlias = tuple[float, ...]

ORDER = struct.Struct("<bqdd")
NUMBERS = len(fields(Score))
ANSWER = struct.Struct(f"<{NUMBERS}d")
AWAKE = 2e-3  # seconds that a process waits awake for a message


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


def carry_out(shard: Shard, order: Order) -> Answer:
    """Do what an order says and return the answer."""
    answer: Answer = ()
    if order.stage == Stage.COMPUTE:
        answer = (shard.compute(order.number),)
    elif order.stage == Stage.ADD_GRADIENTS:
        answer = shard.add_gradients()
    elif order.stage == Stage.APPLY:
        shard.apply(order.number, order.learning_rate, order.scale)
    elif order.stage == Stage.EVALUATE:
        answer = astuple(shard.evaluate(PARTS[order.number]))
    return answer + (0.0,) * (NUMBERS - len(answer))


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
