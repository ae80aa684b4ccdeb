"""Twins of the sequence tasks' models, from PyTorch's own layers, with charnn's weights.

Layers are `nn.RNN`, `nn.LSTM` and `nn.GRU` over packed sequences (`stack_twin`), with
`bidirectional=True` where charnn reads in both directions; losses are `cross_entropy` means with
`ignore_index`. Bridge and attention are written out from the papers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from stack_twin import DTYPES, StackTwin
from torch.nn import functional
from torch_twin import Place, output_places

from charnn.arrays import Array
from charnn.models.correspondence import Share
from charnn.models.model import Model
from charnn.nn.parameters import Parameters
from charnn.text.batches import Batch

IGNORED = -100


class TaskTwin(torch.nn.Module):
    """What all twins have in common: the mapping of weights, and the loss."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.dtype = model, DTYPES[model.parameters.flat.dtype.char]
        self.build()
        with torch.no_grad():
            for place in self.places():
                place.load(model.parameters)

    def build(self) -> None:
        """Make the modules."""
        raise NotImplementedError

    def places(self) -> Iterator[Place]:
        """Yield where all weights are."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean loss of a batch's targets."""
        raise NotImplementedError

    def linear(self, inputs: int, outputs: int, bias: bool = True) -> torch.nn.Linear:
        """Return a linear layer."""
        return torch.nn.Linear(inputs, outputs, bias, dtype=self.dtype)

    def weights(self) -> Parameters:
        """Return all weights as charnn holds them."""
        return self._collect(gradients=False)

    def gradients(self) -> Parameters:
        """Return the gradients of all weights as charnn holds them."""
        return self._collect(gradients=True)

    def _collect(self, *, gradients: bool) -> Parameters:
        collected = self.model.parameters.zeros_like()
        collected.flat[:] = np.nan
        for place in self.places():
            place.collect(collected, gradients=gradients)
        return collected


class ClassifierTwin(TaskTwin):
    """The last states of both directions, and a class."""

    def build(self) -> None:
        """See `TaskTwin.build`."""
        stack = self.model.stack
        self.stack = StackTwin(stack, self.model)
        self.output = self.linear(stack.output_size, self.model.sizes.outputs)

    def places(self) -> Iterator[Place]:
        """See `TaskTwin.places`."""
        yield from self.stack.places()
        yield from output_places(self.output)

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `TaskTwin.loss`."""
        x = self.stack.inputs(torch.tensor(batch.inputs))
        _, final = self.stack(x, batch.ends)
        return functional.cross_entropy(self.output(final[0][-1]), torch.tensor(batch.targets[0]))


class TaggerTwin(ClassifierTwin):
    """A tag for each step."""

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `TaskTwin.loss`."""
        h, _ = self.stack(self.stack.inputs(torch.tensor(batch.inputs)), batch.ends)
        return masked_loss(self.output(h), batch.targets, batch.ends)


class LabelledTwin(TaskTwin):
    """The next symbol, with a label's row added to each symbol's."""

    def build(self) -> None:
        """See `TaskTwin.build`."""
        self.stack = StackTwin(self.model.stack, self.model)
        self.output = self.linear(self.model.config.hidden_size, self.model.sizes.outputs + 1)

    def places(self) -> Iterator[Place]:
        """See `TaskTwin.places`."""
        yield from self.stack.places()
        yield from output_places(self.output)

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `TaskTwin.loss`."""
        end = self.model.sizes.outputs
        read, predicted = with_delimiter(batch.targets, batch.target_ends, end)
        labels = torch.tensor(batch.inputs[:1]) + end + 1
        x = self.stack.inputs(torch.tensor(read)) + self.stack.inputs(labels)
        h, _ = self.stack(x, batch.target_ends + 1)
        return masked_loss(self.output(h), predicted, batch.target_ends + 1)


class TransducerTwin(TaskTwin):
    """Encoder, bridge, decoder and attention."""

    def build(self) -> None:
        """See `TaskTwin.build`."""
        network, config = self.model.network, self.model.config
        H, K = config.hidden_size, network.encoder.output_size
        self.encoder = StackTwin(network.encoder, self.model, "encoder/")
        self.decoder = StackTwin(network.decoder, self.model, "decoder/")
        self.bridges = torch.nn.ModuleList(self.linear(K, H) for _ in network.bridges)
        self.score = config.attention
        self.matrices = torch.nn.ParameterDict(
            {
                name.removeprefix("attention/"): torch.zeros(spec.shape, dtype=self.dtype)
                for name, spec in self.model.specs.items()
                if name.startswith("attention/")
            }
        )
        self.output = self.linear(H, self.model.sizes.outputs + 1)

    def places(self) -> Iterator[Place]:
        """See `TaskTwin.places`."""
        yield from self.encoder.places()
        for name, bridge in zip(self.model.network.bridges, self.bridges, strict=True):
            yield Place(Share(f"{name}/W_s", "weight", transposed=True), bridge.weight)
            yield Place(Share(f"{name}/b_s", "bias"), bridge.bias)
        for name, matrix in self.matrices.items():
            yield Place(Share(f"attention/{name}", name), matrix)
        yield from self.decoder.places()
        yield from output_places(self.output, "decoder/")

    def encode(self, sources: Array, lengths: Array) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the keys (S, B, K) and the decoder's first states, (levels, B, H) each."""
        keys, final = self.encoder(self.encoder.inputs(torch.tensor(sources)), lengths)
        # Bridges go level by level, and within a level by kind of state.
        first: list[list[torch.Tensor]] = [[] for _ in final]
        bridges = iter(self.bridges)
        for level in range(len(final[0])):
            for kind, state in enumerate(final):
                first[kind].append(torch.tanh(next(bridges)(state[level])))
        return keys, [torch.stack(states) for states in first]

    def logits(
        self, sources: Array, lengths: Array, read: Array, steps: Array
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return logits (T, B, V) of decoders that have read symbols (T, B), and alpha."""
        keys, first = self.encode(sources, lengths)
        h, _ = self.decoder(self.decoder.inputs(torch.tensor(read)), steps, first)
        if self.score is None:
            return self.output(h), None
        context, alpha = self.attend(h, keys, lengths)
        joined = torch.cat([context, h], -1)
        return self.output(torch.tanh(joined @ self.matrices["W_c"])), alpha

    def attend(
        self, h: torch.Tensor, keys: torch.Tensor, lengths: Array
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the contexts (T, B, K) and weights (T, B, S), step by step of each sequence."""
        W = self.matrices
        contexts, alphas = [], []
        for b, length in enumerate(lengths):
            k = keys[: int(length), b]  # nothing behind the end is even there
            scores = []
            for q in h[:, b]:
                if self.score == "dot":
                    scores.append(k.view(len(k), -1, len(q)).sum(1) @ q)
                elif self.score == "general":
                    scores.append(k @ (q @ W["W_a"]))
                else:
                    scores.append(torch.tanh(q @ W["W_q"] + k @ W["W_k"]) @ W["v_a"])
            alpha = torch.softmax(torch.stack(scores), -1)
            contexts.append(alpha @ k)
            alphas.append(functional.pad(alpha, (0, len(keys) - int(length))))
        return torch.stack(contexts, 1), torch.stack(alphas, 1)

    def loss(self, batch: Batch) -> torch.Tensor:
        """See `TaskTwin.loss`."""
        lengths = batch.target_ends
        read, predicted = with_delimiter(batch.targets, lengths, self.model.sizes.outputs)
        logits, _ = self.logits(batch.inputs, batch.ends, read, lengths + 1)
        return masked_loss(logits, predicted, lengths + 1)


TWINS: dict[str, type[TaskTwin]] = {
    "classify": ClassifierTwin,
    "tag": TaggerTwin,
    "transduce": TransducerTwin,
    "generate": LabelledTwin,
}


def masked_loss(logits: torch.Tensor, targets: Array, lengths: Array) -> torch.Tensor:
    """Return the mean over the targets within the lengths: logits (T, B, V), targets (T, B)."""
    inside = np.arange(len(targets))[:, None] < lengths
    kept = torch.tensor(np.where(inside, targets, IGNORED))
    return functional.cross_entropy(
        logits.flatten(0, 1), kept.flatten(), ignore_index=IGNORED, reduction="mean"
    )


def with_delimiter(symbols: Array, lengths: Array, delimiter: int) -> tuple[Array, Array]:
    """Return what is read and what is predicted, column by column, as lists have it."""
    T, B = symbols.shape
    read, predicted = np.zeros((2, T + 1, B), np.int64)
    for b, length in enumerate(lengths):
        target = symbols[:length, b].tolist()
        read[: length + 1, b] = [delimiter, *target]
        predicted[: length + 1, b] = [*target, delimiter]
    return read, predicted


def redundant_biases(twin: TaskTwin) -> Any:
    """Return all biases that charnn lacks; they must be zero."""
    stacks = [module for module in twin.modules() if isinstance(module, StackTwin)]
    found = [bias[mask == 0] for stack in stacks for bias, mask in stack.recurrent_biases()]
    return torch.cat(found).detach().numpy()
