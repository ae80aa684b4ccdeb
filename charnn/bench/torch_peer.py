"""The same work in PyTorch, where it is installed: the peer of `charnn bench --peer torch`.

It gets its best: the fused Adam, the number of threads and the input (one-hot or embedding) that
are fastest for it at each point.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from charnn.bench.measure import seconds_each
from charnn.bench.workload import VOCAB_SIZE, Point, cells_with_a_peer
from charnn.errors import ConfigError
from charnn.registry import CELLS


def load_torch() -> Any:
    """Import PyTorch. Raises ConfigError where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            "peer is torch, but PyTorch is not installed; install torch==2.13.0 beside charnn."
        ) from error
    return torch


def torch_layer(cell: str) -> Any:
    """Return PyTorch's class for a cell. Raises ConfigError where it has none."""
    peer = CELLS[cell].peer
    if peer is None:
        raise ConfigError(
            f"peer is torch, but PyTorch has no {cell}; choose {', '.join(cells_with_a_peer())}."
        )
    return getattr(load_torch().nn, peer.layer)


class TorchTraining:
    """One point of the grid in PyTorch: `step()` makes an update."""

    def __init__(self, point: Point, one_hot: bool) -> None:
        self.torch = torch = load_torch()
        self.point = point
        torch.manual_seed(1)
        layer = torch_layer(point.cell)
        width = VOCAB_SIZE if one_hot else point.hidden_size
        self.embedding = None if one_hot else torch.nn.Embedding(VOCAB_SIZE, width)
        self.recurrent = layer(width, point.hidden_size, point.num_layers)
        self.output = torch.nn.Linear(point.hidden_size, VOCAB_SIZE)
        modules = [self.recurrent, self.output, *([] if one_hot else [self.embedding])]
        self.parameters = [weight for module in modules for weight in module.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-3, fused=True)
        shape = (20, point.seq_length + 1, point.batch_size)
        self.ids = torch.randint(0, VOCAB_SIZE, shape)
        self.states: Any = None
        self.update = 0

    def step(self) -> None:
        """Forward, backward, clip, Adam; the state is carried."""
        torch = self.torch
        window = self.ids[self.update % len(self.ids)]
        self.update += 1
        inputs, targets = window[:-1], window[1:]
        if self.embedding is None:
            x = torch.nn.functional.one_hot(inputs, VOCAB_SIZE).float()
        else:
            x = self.embedding(inputs)
        h, states = self.recurrent(x, self.states)
        self.states = (
            tuple(state.detach() for state in states)
            if isinstance(states, tuple)
            else states.detach()
        )
        logits = self.output(h).view(-1, VOCAB_SIZE)
        loss = torch.nn.functional.cross_entropy(logits, targets.reshape(-1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()


def fastest(point: Point) -> tuple[TorchTraining, int, str]:
    """Return the peer at its best for a point, its number of threads, and its input."""
    torch = load_torch()
    tried: list[tuple[float, int, TorchTraining, int, str]] = []
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        for one_hot in (True, False):
            training = TorchTraining(point, one_hot)
            seconds_each(training.step, 2)
            taken = min(seconds_each(training.step, 4))
            tried.append((taken, len(tried), training, threads, "one-hot" if one_hot else "embed"))
    _, _, training, threads, kind = min(tried)
    return training, threads, kind


def stepwise_sampler(
    cell: str, num_layers: int, hidden_size: int, length: int
) -> Callable[[], object]:
    """Return work that samples one stream in PyTorch, a symbol at a time.

    PyTorch is left with the number of threads that is fastest for it.
    """
    torch = load_torch()
    layer = torch_layer(cell)
    recurrent = layer(VOCAB_SIZE, hidden_size, num_layers)
    output = torch.nn.Linear(hidden_size, VOCAB_SIZE)
    rows = torch.eye(VOCAB_SIZE)[:, None, None]

    def work() -> None:
        with torch.inference_mode():
            symbol, states = 0, None
            for _ in range(length):
                h, states = recurrent(rows[symbol], states)
                y = torch.softmax(output(h[0, 0]), 0)
                symbol = int(torch.multinomial(y, 1))

    tried = []
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        seconds_each(work, 1)
        tried.append((min(seconds_each(work, 3)), threads))
    torch.set_num_threads(min(tried)[1])
    return work
