"""A bare training loop in PyTorch, as people write it: what the engine on PyTorch is measured with.

One `nn.LSTM`, `nn.GRU` or `nn.RNN` of all layers and an `nn.Linear`, one-hot input, cross-entropy,
`clip_grad_norm_` and the fused Adam; the state is carried. In half precision it is autocast with a
gradient scaler.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from charnn.bench.torch_peer import load_torch, torch_layer
from charnn.bench.workload import VOCAB_SIZE, Point

WINDOWS = 20  # of random symbols, read again and again


class BareLoop:
    """A point of the grid: `step()` makes an update."""

    def __init__(
        self, point: Point, device: str = "cpu", precision: str = "fp32", dropout: float = 0.0
    ) -> None:
        """Prepare the loop; how float32 is multiplied has been set before."""
        self.torch = torch = load_torch()
        torch.manual_seed(1)
        between = dropout if point.num_layers > 1 else 0.0
        layer = torch_layer(point.cell)
        self.recurrent = layer(VOCAB_SIZE, point.hidden_size, point.num_layers, dropout=between)
        self.output = torch.nn.Linear(point.hidden_size, VOCAB_SIZE)
        self.modules = torch.nn.ModuleList([self.recurrent, self.output]).to(device)
        self.dropout = dropout
        self.optimizer = torch.optim.Adam(self.modules.parameters(), lr=1e-3, fused=True)
        self.half = precision == "fp16"
        self.scaler = torch.amp.GradScaler(device, enabled=self.half)
        shape = (WINDOWS, point.seq_length + 1, point.batch_size)
        self.ids = torch.randint(0, VOCAB_SIZE, shape).to(device)
        self.device, self.states, self.update = device, None, 0

    def step(self) -> None:
        """Forward, backward, clip, Adam."""
        torch = self.torch
        window = self.ids[self.update % WINDOWS]
        self.update += 1
        with torch.autocast(self.device, torch.float16) if self.half else nullcontext():
            x = torch.nn.functional.one_hot(window[:-1], VOCAB_SIZE).float()
            h, states = self.recurrent(x, self.states)
            self.states = detached(states)
            if self.dropout:
                h = torch.nn.functional.dropout(h, self.dropout)
            logits = self.output(h).view(-1, VOCAB_SIZE)
            loss = torch.nn.functional.cross_entropy(logits, window[1:].reshape(-1))
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()


def detached(states: Any) -> Any:
    """Return states, or a tuple of them, without their history."""
    return tuple(map(detached, states)) if isinstance(states, tuple) else states.detach()
