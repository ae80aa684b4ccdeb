"""The ranks of a run that torchrun has started: a team, see `charnn.engines.team`.

While a rank does something that may take long (`together`), no collective is under way that could
run into its timeout: the others wait at the store, and go on waiting as long as its pulse beats.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from charnn import errors
from charnn.config import EngineConfig
from charnn.engines.torch.library import device_of
from charnn.engines.torch.meeting import ARRIVAL, agent, end_with, meet
from charnn.errors import CharnnError, ConfigError, WorkerError

Result = TypeVar("Result")
Tensor = Any

TIMEOUT = 60.0  # seconds without a sign from another rank, after which it counts as lost
TELLING = 5.0  # seconds that ranks wait for each other when an error has been told
PAUSE = 0.05  # seconds between looks at the store
NAMELESS = ("", "none")  # torchrun's id of a launch that was given none


class Ranks:
    """This process among those that torchrun has started."""

    def __init__(self, options: EngineConfig) -> None:
        """Meet the other ranks. Raises ConfigError, and WorkerError where one does not come."""
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.timeout = timeout_asked()
        self.lost = self._blamed = False
        self._calls = 0
        end_with(os.getppid())
        with self._contact():
            wait = timedelta(seconds=ARRIVAL)
            self._agents, _, _ = next(rendezvous("env://", timeout=wait))
            prefix = meet(self._agents, self.rank, self.size)
            self._store: Any = dist.PrefixStore(prefix, self._agents)
        self.device = self.together(lambda: self._device(options))
        self._join("cpu:gloo,cuda:nccl" if self.device.type == "cuda" else "gloo")
        self.launch = self._launch()

    def _device(self, options: EngineConfig) -> Any:
        """Return the device of this rank. Raises ConfigError."""
        device = device_of(options, self.local_rank)
        if device.type == "mps" and self.size > 1:
            raise ConfigError(
                f"device is mps, on which one process computes alone, but torchrun has started "
                f"{self.size}; choose --device cpu, or start charnn without torchrun."
            )
        if device.type == "cuda":
            torch.cuda.set_device(device)  # else all ranks would set memory aside on the first
        return device

    def _join(self, backend: str) -> None:
        """Make the group, whose first collective shows that all can reach each other."""
        with self._contact():
            dist.init_process_group(
                backend,
                store=self._store,
                rank=self.rank,
                world_size=self.size,
                timeout=timedelta(seconds=self.timeout),
            )
        self.add_up(torch.zeros(1, device=self.device))
        self.gathered(b"")

    def _launch(self) -> frozenset[str]:
        """Return names of this launch: its id or, where it has none, its agents."""
        name = os.environ.get("TORCHELASTIC_RUN_ID", "")
        own = f"id {name}" if name not in NAMELESS else f"agent {agent()}"
        return frozenset(each.decode() for each in self.gathered(own.encode()))

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by the sum of all ranks': see `Team.add_up`."""
        with self._contact():
            dist.all_reduce(tensor)

    def broadcast(self, tensor: Tensor) -> None:
        """Replace a tensor by rank 0's: see `Team.broadcast`."""
        with self._contact():
            dist.broadcast(tensor, 0)

    def columns_together(self, tensor: Tensor, total: int) -> Tensor:
        """Return all ranks' columns (B_r, ...) as one tensor: see `Team.columns_together`."""
        counts = [total * (r + 1) // self.size - total * r // self.size for r in range(self.size)]
        return self._in_order(tensor, counts)

    def _in_order(self, tensor: Tensor, counts: Sequence[int]) -> Tensor:
        """Return all ranks' (B_r, ...), `counts` of them, as one tensor (B, ...)."""
        own = tensor.new_zeros((max(counts), *tensor.shape[1:]))
        own[: len(tensor)] = tensor
        parts = [torch.empty_like(own) for _ in counts]
        with self._contact():
            dist.all_gather(parts, own)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def from_leader(self, content: bytes) -> bytes:
        """Return rank 0's content: see `Team.from_leader`."""
        size = torch.tensor([len(content)])
        self.broadcast(size)
        whole = bytes_tensor(content, int(size)) if self.rank == 0 else bytes_tensor(b"", int(size))
        self.broadcast(whole)
        return whole.numpy().tobytes()

    def gathered(self, content: bytes) -> list[bytes]:
        """Return what each rank gave: see `Team.gathered`."""
        sizes = torch.zeros(self.size, dtype=torch.int64)
        sizes[self.rank] = len(content)
        self.add_up(sizes)
        counts: list[int] = sizes.tolist()
        whole = self._in_order(bytes_tensor(content, len(content)), counts)
        return [part.numpy().tobytes() for part in whole.split(counts)]

    def together(self, work: Callable[[], Result]) -> Result:
        """Do some work of this rank, and wait until all have done theirs: see `Team.together`."""
        self._calls += 1
        keys = [f"done/{self._calls}/{rank}" for rank in range(self.size)]
        failure: CharnnError | None = None
        with self._pulse():
            try:
                result = work()
            except CharnnError as error:
                failure = error
        if self.lost and failure is not None:
            raise self._cause(keys) or failure
        said = [] if failure is None else [type(failure).__name__, str(failure)]
        with self._contact():
            self._store.set(keys[self.rank], json.dumps(said))
            self._wait(keys)
            found = self._failure(keys)
        if found is not None:
            raise found from failure
        return result

    def _failure(self, keys: Sequence[str]) -> CharnnError | None:
        """Return why the work of one of the ranks has failed, if it has."""
        for rank, key in enumerate(keys):
            outcome = json.loads(self._store.get(key)) if self._store.check([key]) else []
            if outcome:
                kind, sentence = outcome
                where = "" if rank == 0 else f"rank {rank} of {self.size}: "
                error: CharnnError = getattr(errors, kind)(f"{where}{sentence}")
                return error
        return None

    def _cause(self, keys: Sequence[str]) -> CharnnError | None:
        """Return the failure of another rank's work, for which contact to it was lost."""
        with suppress(RuntimeError):
            found = self._failure(keys)
            self._blamed = found is not None
            return found
        return None

    def machine_by_machine(self, work: Callable[[], Result]) -> Result:
        """Do some work on each machine's first rank, then on the others."""
        if self.local_rank == 0:
            result = self.together(work)
            self.together(lambda: None)
            return result
        self.together(lambda: None)
        return self.together(work)

    def tell(self, say: Callable[[], None]) -> None:
        """Have rank 0 tell what ended the run, or the first to lose contact: see `Team.tell`."""
        try:
            if self.lost and not self._blamed:
                if int(self._store.add("lost", 1)) == 1:
                    say()
                return
            if self.rank == 0:
                say()
            self._store.set(f"told/{self.rank}", "")
            self._store.wait(["told/0"], timedelta(seconds=TELLING))
        except RuntimeError:
            if self.rank or self.lost:  # rank 0 has not told it, or the store is gone, too
                say()
        with suppress(RuntimeError):
            keys = [f"told/{rank}" for rank in range(self.size)]
            self._store.wait(keys, timedelta(seconds=TELLING))

    def close(self) -> None:
        """Leave the group; one that has lost a rank is left as it is, for it could hang."""
        if dist.is_initialized() and not self.lost:
            with suppress(RuntimeError):
                dist.destroy_process_group()

    @contextmanager
    def _contact(self) -> Iterator[None]:
        """Raise WorkerError where another rank cannot be reached."""
        try:
            yield
        except RuntimeError as error:  # all errors of torch.distributed are
            self.lost = True
            raise WorkerError(
                f"rank {self.rank} of {self.size} lost contact to the others "
                f"({reason(error)}); the last checkpoint is good, so torchrun goes on from it if "
                "it may restart (--max-restarts), and --resume does at any time."
            ) from error

    @contextmanager
    def _pulse(self) -> Iterator[None]:
        """Show the others at the store that this process lives."""
        ended, key = threading.Event(), f"pulse/{self.rank}"

        def beat() -> None:
            number = 0
            while not ended.wait(min(self.timeout / 8, 2.0)):
                number += 1
                with suppress(RuntimeError):  # the next use of the store tells it
                    self._store.set(key, f"{self._calls} {number}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _wait(self, keys: Sequence[str]) -> None:
        """Wait until all keys are there. Raises RuntimeError where a rank has no pulse any more."""
        seen: dict[int, tuple[bytes, float]] = {}
        missing = list(range(self.size))
        while True:
            missing = [rank for rank in missing if not self._store.check([keys[rank]])]
            if not missing:
                return
            for rank in missing:
                key, now = f"pulse/{rank}", time.monotonic()
                pulse = self._store.get(key) if self._store.check([key]) else b""
                if rank not in seen or seen[rank][0] != pulse:
                    seen[rank] = pulse, now
                elif now - seen[rank][1] > self.timeout:
                    raise RuntimeError(f"rank {rank} shows no sign of life")
            time.sleep(PAUSE)


def timeout_asked() -> float:
    """Return the seconds after which a rank counts as lost. Raises ConfigError."""
    asked = os.environ.get("CHARNN_RANK_TIMEOUT", f"{TIMEOUT}")
    with suppress(ValueError):
        seconds = float(asked)
        if 0 < seconds < 1e6:
            return seconds
    raise ConfigError(
        f"CHARNN_RANK_TIMEOUT is {asked!r}, which is no number of seconds; give one such as 60."
    )


def bytes_tensor(content: bytes, size: int) -> Tensor:
    """Return bytes, or as many zeros, as a tensor (size,)."""
    tensor = torch.zeros(size, dtype=torch.uint8)
    if content:
        tensor.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    return tensor


def reason(error: Exception) -> str:
    """Return the first sentence of what a library says, without its place in the source."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].partition(". ")[0].rpartition("] ")[2].rstrip(".")[:120]
