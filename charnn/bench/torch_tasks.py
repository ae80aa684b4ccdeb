"""The models of the tasks in PyTorch, and their training: the peers of `charnn bench --task`.

A peer gets its best: the fused Adam, and at each point of the grid the number of threads and the
treatment of unequal lengths (`charnn.bench.torch_stack`) that are fastest for it. Its batches lie
ready as tensors, while charnn makes each batch in its update. Symbols are one-hot, as charnn's are.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from charnn.bench.measure import seconds_each
from charnn.bench.task_workload import BATCHES, TaskPoint
from charnn.bench.torch_attention import TorchAttention
from charnn.bench.torch_peer import load_torch
from charnn.bench.torch_stack import TorchStack, padded
from charnn.models.delimiters import delimited
from charnn.text.batches import Batch
from charnn.text.buckets import Buckets

IGNORED = -100  # the class that PyTorch's cross entropy leaves out


class Variant(NamedTuple):
    """How a peer computes: threads, packed or padded sequences."""

    threads: int
    packed_source: bool
    packed_target: bool

    def __str__(self) -> str:
        """Return it in words."""
        kinds = {True: "packed", False: "padded"}
        sides = [kinds[self.packed_source], kinds[self.packed_target]]
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads}, {'/'.join(dict.fromkeys(sides))}"


class TorchBatch(NamedTuple):
    """A batch as tensors. `read` is what a decoder reads, or a generator."""

    source: Any  # Padded, or None
    read: Any  # Padded, or None
    label: Any
    targets: Any  # (N,), IGNORED behind the ends


class Peer:
    """What all peers have in common: their training."""

    def __init__(self, point: TaskPoint, sizes: tuple[int, int], variant: Variant) -> None:
        self.torch = load_torch()
        self.torch.manual_seed(1)
        self.point, self.sizes, self.variant = point, sizes, variant
        self.modules: list[Any] = []
        self.build()
        self.parameters = [weight for module in self.modules for weight in module.parameters()]
        self.optimizer = self.torch.optim.Adam(self.parameters, lr=1e-3, fused=True)

    def build(self) -> None:
        """Make the modules."""
        raise NotImplementedError

    def logits(self, batch: TorchBatch) -> Any:
        """Return the outputs before the softmax, (N, classes)."""
        raise NotImplementedError

    def add(self, module: Any) -> Any:
        """Keep a module whose parameters are to be trained."""
        self.modules.append(module)
        return module

    def stack(self, symbols: int, bidirectional: bool, packed: bool) -> TorchStack:
        """Return recurrent layers over so many symbols."""
        point = self.point
        sizes = symbols, point.hidden_size, point.num_layers
        stack = TorchStack(point.cell, sizes, bidirectional, packed)
        self.modules += stack.layers
        return stack

    def update(self, batch: TorchBatch) -> None:
        """Forward, backward, clip, Adam."""
        torch = self.torch
        loss = torch.nn.functional.cross_entropy(
            self.logits(batch), batch.targets, ignore_index=IGNORED
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()


class Classifier(Peer):
    """The class of a sequence, from the last states of both directions of the last level."""

    def build(self) -> None:
        """See `Peer.build`."""
        self.encoder = self.stack(self.sizes[0], True, self.variant.packed_source)
        width = 2 * self.point.hidden_size
        self.output = self.add(self.torch.nn.Linear(width, self.sizes[1]))

    def logits(self, batch: TorchBatch) -> Any:
        """See `Peer.logits`."""
        x = self.encoder.inputs(batch.source.ids)
        _, final = self.encoder.run(x, batch.source)
        return self.output(final[0][-1])


class Tagger(Peer):
    """A tag for each step."""

    def build(self) -> None:
        """See `Peer.build`."""
        self.encoder = self.stack(self.sizes[0], True, self.variant.packed_source)
        width = 2 * self.point.hidden_size
        self.output = self.add(self.torch.nn.Linear(width, self.sizes[1]))

    def logits(self, batch: TorchBatch) -> Any:
        """See `Peer.logits`."""
        h, _ = self.encoder.run(self.encoder.inputs(batch.source.ids), batch.source)
        return self.output(h).flatten(0, 1)


class Generator(Peer):
    """The next symbol, of a given class."""

    def build(self) -> None:
        """See `Peer.build`."""
        labels, symbols = self.sizes
        self.decoder = self.stack(symbols + 1 + labels, False, self.variant.packed_target)
        self.output = self.add(self.torch.nn.Linear(self.point.hidden_size, symbols + 1))

    def logits(self, batch: TorchBatch) -> Any:
        """See `Peer.logits`."""
        x = self.decoder.inputs(batch.read.ids) + self.decoder.inputs(batch.label)
        h, _ = self.decoder.run(x, batch.read)
        return self.output(h).flatten(0, 1)


class Transducer(Peer):
    """Encoder, bridge, decoder, attention."""

    def build(self) -> None:
        """See `Peer.build`."""
        torch, point, variant = self.torch, self.point, self.variant
        sources, targets = self.sizes
        H, K = point.hidden_size, 2 * point.hidden_size
        self.encoder = self.stack(sources, True, variant.packed_source)
        self.decoder = self.stack(targets + 1, False, variant.packed_target)
        states = 2 if point.cell == "lstm" else 1
        self.bridges = [
            [self.add(torch.nn.Linear(K, H)) for _ in range(point.num_layers)]
            for _ in range(states)
        ]
        self.attention = None
        if point.attention is not None:
            self.attention = self.add(TorchAttention(point.attention, H, K))
        self.output = self.add(torch.nn.Linear(H, targets + 1))

    def logits(self, batch: TorchBatch) -> Any:
        """See `Peer.logits`."""
        torch = self.torch
        keys, final = self.encoder.run(self.encoder.inputs(batch.source.ids), batch.source)
        first = [
            torch.stack([torch.tanh(bridge(end)) for bridge, end in zip(own, state, strict=True)])
            for own, state in zip(self.bridges, final, strict=True)
        ]
        states = tuple(first) if len(first) > 1 else first[0]
        h, _ = self.decoder.run(self.decoder.inputs(batch.read.ids), batch.read, states)
        if self.attention is not None:
            h = self.attention(h, keys, batch.source.mask)
        return self.output(h).flatten(0, 1)


PEERS: dict[str, type[Peer]] = {
    "classify": Classifier,
    "tag": Tagger,
    "transduce": Transducer,
    "generate": Generator,
}


def torch_batch(task: str, batch: Batch, sizes: tuple[int, int]) -> TorchBatch:
    """Return a batch of charnn's as tensors, with all that can be computed before an update."""
    torch = load_torch()
    T = int(batch.target_ends.max())
    read, label, predicted = None, None, batch.targets[:T]
    lengths = batch.target_ends
    if task in ("transduce", "generate"):
        inputs, predicted = delimited(predicted, lengths, sizes[1])
        lengths = lengths + 1
        read = padded(torch.tensor(inputs), torch.tensor(lengths))
    targets = np.where(np.arange(len(predicted))[:, None] < lengths, predicted, IGNORED)
    source = None
    if task == "generate":
        label = torch.tensor(batch.inputs[:1] + sizes[1] + 1)
    else:
        S = int(batch.ends.max())
        source = padded(torch.tensor(batch.inputs[:S]), torch.tensor(batch.ends))
    return TorchBatch(source, read, label, torch.tensor(targets.reshape(-1)))


def torch_batches(point: TaskPoint) -> list[TorchBatch]:
    """Return an epoch's batches as tensors."""
    examples = point.examples
    sizes = examples.vocabulary.source_size, examples.vocabulary.target_size
    source = Buckets(examples.train, point.batch_size, point.config.training.seed)
    return [torch_batch(point.task, source.batch(n), sizes) for n in range(BATCHES)]


class TorchTaskTraining:
    """One point of the grid in PyTorch: `epoch()` is a pass over all batches."""

    def __init__(self, point: TaskPoint, variant: Variant, batches: list[TorchBatch]) -> None:
        self.torch, self.variant, self.batches = load_torch(), variant, batches
        examples = point.examples
        sizes = examples.vocabulary.source_size, examples.vocabulary.target_size
        self.peer = PEERS[point.task](point, sizes, variant)

    def epoch(self) -> None:
        """Make an update with each batch."""
        for batch in self.batches:
            self.peer.update(batch)


def variants(point: TaskPoint) -> Iterator[Variant]:
    """Yield all ways to compute a point that are worth trying, each of which is exact."""
    threads = sorted({1, os.cpu_count() or 1})
    both, packed = (True, False), (True,)
    for number in threads:
        if point.task == "transduce":
            # An LSTM's cell states at the sources' ends are needed, so they are packed.
            sources = packed if point.cell == "lstm" else both
            for source, target in itertools.product(sources, both):
                yield Variant(number, source, target)
        else:
            for one in both:
                yield Variant(number, one, one)


def fastest(point: TaskPoint) -> TorchTaskTraining:
    """Return the peer at its best for a point, with PyTorch left at its number of threads."""
    torch = load_torch()
    batches = torch_batches(point)
    tried = []
    for number, variant in enumerate(variants(point)):
        torch.set_num_threads(variant.threads)
        training = TorchTaskTraining(point, variant, batches)
        seconds_each(training.epoch, 1)
        tried.append((min(seconds_each(training.epoch, 1)), number, training))
    best = min(tried)[2]
    torch.set_num_threads(best.variant.threads)
    return best
