"""The program of a worker process, which computes one shard: see `charnn.engines.shards`."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import IO

from charnn.config import Config
from charnn.engines.shard import Shard, shared_shapes
from charnn.engines.shards_memory import DataPlace, SharedArrays
from charnn.engines.shards_messages import ANSWER, ORDER, Order, carry_out, receive
from charnn.models.model import Sizes


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Be a worker: compute what is ordered until the orders end. The pipes have no buffers."""
    setup = json.loads(orders.readline())
    config = Config.from_values(setup["config"])
    place, sizes = DataPlace(**setup["data"]), Sizes(*setup["sizes"])
    arrays = SharedArrays(shared_shapes(config, sizes), place.shared_bytes, setup["handle"])
    shard = Shard(config, sizes, place.open(arrays), arrays, setup["number"])
    while len(content := receive(orders, ORDER.size)) == ORDER.size:
        order = Order(*ORDER.unpack(content))
        answers.write(ANSWER.pack(*carry_out(shard, order)))


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(io.FileIO(0), io.FileIO(1, "w"))
