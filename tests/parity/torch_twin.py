"""A charnn language model's twin, built from PyTorch's own layers, and the mapping between them.

What differs is mapped by `charnn.models.correspondence`. Of PyTorch's two biases, what is redundant
of bias_hh is zero, and its gradient masked, so that it stays zero and adds nothing to the
gradients' norm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from charnn import registry
from charnn.arrays import Array
from charnn.config import ModelConfig, TrainingConfig
from charnn.models.correspondence import Share, layer_shares, pytorch
from charnn.models.language_model import LanguageModel, parameter_shapes
from charnn.models.model import Sizes
from charnn.models.stack import LayerStates
from charnn.nn.cell import Cell
from charnn.nn.parameters import Parameters

torch.set_num_threads(1)

T, B, V, H, D = 12, 4, 11, 16, 7  # all different; D is the embedding's width
PEERS = {name: cell.peer for name, cell in registry.CELLS.items() if cell.peer is not None}
CELLS = tuple(PEERS)

State = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


class Place(NamedTuple):
    """Where a share of charnn's parameters is, of weights and of their gradients."""

    share: Share
    tensor: torch.nn.Parameter

    def load(self, parameters: Parameters) -> None:
        """Set PyTorch's weights to charnn's."""
        share = self.share
        ours = parameters[share.ours][... if share.gate is None else share.gate]
        self.tensor[self._rows] = torch.tensor(share.turned(ours))

    def collect(self, parameters: Parameters, *, gradients: bool) -> None:
        """Set charnn's parameters to PyTorch's weights, or to their gradients."""
        tensor = self.tensor.grad if gradients else self.tensor.detach()
        share = self.share
        theirs = share.turned(tensor[self._rows].numpy())
        parameters[share.ours][... if share.gate is None else share.gate] = theirs

    @property
    def _rows(self) -> slice:
        return slice(None) if self.share.rows is None else self.share.rows


def layer_places(
    recurrent: torch.nn.Module, suffix: str, cell: Cell, H: int, name: str
) -> Iterator[Place]:
    """Yield where one layer's parameters `name/...` are in PyTorch's, which end with a suffix."""
    for share in layer_shares(cell, H, pytorch(cell)):
        yield Place(share.under(f"{name}/", ""), getattr(recurrent, share.theirs + suffix))


def bias_mask(bias: torch.Tensor, cell: Cell, H: int) -> torch.Tensor:
    """Return 1 where charnn has what is in PyTorch's bias_hh, and 0 where that is redundant."""
    mask = torch.zeros_like(bias)
    for share in layer_shares(cell, H, pytorch(cell)):
        if share.theirs == "bias_hh":
            mask[share.rows] = 1
    return mask


class Twin(torch.nn.Module):
    """The cell's peer (`nn.LSTM`, say) and `nn.Linear` on one-hot vectors or an `nn.Embedding`."""

    def __init__(self, model: LanguageModel) -> None:
        """Take over a charnn model's weights."""
        super().__init__()
        self.model = model
        config = model.config
        dtype = torch.float64 if model.parameters.flat.dtype == np.float64 else torch.float32
        width = config.embedding_size
        self.embedding = None if width is None else torch.nn.Embedding(V, width, dtype=dtype)
        self.peer = PEERS[config.cell]
        layer = getattr(torch.nn, self.peer.layer)
        self.recurrent = layer(width or V, H, config.num_layers, dtype=dtype)
        self.output = torch.nn.Linear(H, V, dtype=dtype)
        self._freeze_redundant_biases()
        self.load(model.parameters)

    def forward(self, ids: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        """Run a window: ids (T, B) -> logits (T * B, V) and the state after it."""
        if self.embedding is None:
            x = functional.one_hot(ids, V).to(self.output.weight.dtype)
        else:
            x = self.embedding(ids)
        h, state = self.recurrent(x, state)
        return self.output(h).reshape(-1, V), state

    def load(self, parameters: Parameters) -> None:
        """Set all weights to those of charnn."""
        with torch.no_grad():
            for place in self._places():
                place.load(parameters)

    def weights(self) -> Parameters:
        """Return all weights as charnn holds them."""
        return self._collect(gradients=False)

    def gradients(self) -> Parameters:
        """Return the gradients of all weights as charnn holds them."""
        return self._collect(gradients=True)

    def redundant_biases(self) -> Array:
        """Return all biases that charnn lacks; they must be zero."""
        found = [bias[mask == 0] for bias, mask in self._recurrent_biases()]
        return torch.cat(found).detach().numpy()

    def _places(self) -> Iterator[Place]:
        if self.embedding is not None:
            yield Place(Share("E", "weight"), self.embedding.weight)
        for layer in range(self.model.config.num_layers):
            name, suffix = f"layer{layer + 1}", f"_l{layer}"
            yield from layer_places(self.recurrent, suffix, self.model.cell, H, name)
        yield from output_places(self.output)

    def _collect(self, *, gradients: bool) -> Parameters:
        collected = self.model.parameters.zeros_like()
        collected.flat[:] = np.nan
        for place in self._places():
            place.collect(collected, gradients=gradients)
        return collected

    def _recurrent_biases(self) -> Iterator[tuple[torch.nn.Parameter, torch.Tensor]]:
        """Yield each bias_hh with its mask: 1 where charnn has that bias."""
        for layer in range(self.model.config.num_layers):
            bias = getattr(self.recurrent, f"bias_hh_l{layer}")
            yield bias, bias_mask(bias, self.model.cell, H)

    def _freeze_redundant_biases(self) -> None:
        for bias, mask in self._recurrent_biases():
            bias.data.zero_()
            bias.register_hook(mask.mul)


def output_places(output: torch.nn.Linear, prefix: str = "") -> Iterator[Place]:
    """Yield where the output layer's weights are."""
    yield Place(Share(f"{prefix}W_hy", "weight", transposed=True), output.weight)
    yield Place(Share(f"{prefix}b_y", "bias"), output.bias)


def random_model(
    cell: str, layers: int, dtype: type = np.float32, embedding: int | None = None
) -> LanguageModel:
    """Return a charnn model of which no weight and no bias is zero.

    A matrix's standard deviation is 1 / sqrt(rows), so that the recurrent ones have eigenvalues of
    magnitude up to about 1. With larger ones an RNN is chaotic: then the last bits of a weight
    change the losses of 100 updates, in either library.
    """
    config = ModelConfig(
        cell=cell,
        hidden_size=H,
        num_layers=layers,
        dropout=0.0,
        gru_reset="after",
        embedding_size=embedding,
    )
    parameters = Parameters(parameter_shapes(config, V), dtype)
    random = np.random.default_rng(4)
    for path, array in parameters.items():
        matrix = path.rpartition("/")[2].startswith("W_")
        scale = array.shape[-2] ** -0.5 if matrix else 0.5
        array[...] = scale * random.standard_normal(array.shape)
    return LanguageModel(config, Sizes(V, V), parameters)


def random_text(length: int) -> Array:
    """Return the ids of a random text in which there is something to learn: a Markov chain."""
    random = np.random.default_rng(5)
    chances = random.dirichlet(np.full(V, 0.3), V).cumsum(axis=1)
    ids = [0]
    for chance in random.random(length - 1):
        ids.append(min(V - 1, int(np.searchsorted(chances[ids[-1]], chance))))
    return np.array(ids, np.uint8)


def random_states(model: LanguageModel) -> LayerStates:
    """Return random states of B streams."""
    random = np.random.default_rng(6)
    return [
        tuple(random.uniform(-1, 1, state.shape).astype(state.dtype) for state in layer)
        for layer in model.zero_states(B)
    ]


def to_torch(states: LayerStates) -> State:
    """Return states as PyTorch has them, h or (h, c), (L, B, H) each, to be differentiated by."""
    stacked = tuple(torch.tensor(state, requires_grad=True) for state in stack_layers(states))
    return stacked if len(stacked) > 1 else stacked[0]


def stack_layers(states: LayerStates) -> tuple[Array, ...]:
    """Return charnn's states as PyTorch stacks them: (h,) or (h, c), (L, B, H) each."""
    return tuple(np.stack(layers) for layers in zip(*states, strict=True))


def parts(state: State) -> tuple[torch.Tensor, ...]:
    """Return a PyTorch state as a tuple: (h,) or (h, c)."""
    return state if isinstance(state, tuple) else (state,)


def detached(state: State) -> State:
    """Return a state through which no gradient flows."""
    cut = tuple(part.detach() for part in parts(state))
    return cut if isinstance(state, tuple) else cut[0]


def torch_windows(ids: Array) -> Iterator[tuple[bool, torch.Tensor, torch.Tensor]]:
    """Yield (is it the text's beginning, inputs, targets) without end: B streams, T steps each."""
    length = (len(ids) - 1) // B
    inputs = torch.tensor(ids[: B * length].astype(np.int64)).view(B, length).T
    targets = torch.tensor(ids[1 : B * length + 1].astype(np.int64)).view(B, length).T
    while True:
        pairs = zip(inputs.split(T), targets.split(T), strict=True)
        for number, (window, shifted) in enumerate(pairs):
            yield number == 0, window, shifted


def torch_optimizer(
    twin: Twin, config: TrainingConfig, biases_decay: bool
) -> torch.optim.Optimizer:
    """Return PyTorch's optimiser; what is not named here has its default in both libraries."""
    optim = torch.optim
    rule = {
        "sgd": optim.SGD,
        "momentum": optim.SGD,
        "adagrad": optim.Adagrad,
        "rmsprop": optim.RMSprop,
        "adam": optim.Adam,
        "adamw": optim.AdamW,
    }[config.optimizer]
    options = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer == "momentum":
        options["momentum"] = 0.9  # PyTorch's default is none
    if biases_decay:
        return rule(twin.parameters(), **options)
    biases = [p for name, p in twin.named_parameters() if "bias" in name]
    others = [p for name, p in twin.named_parameters() if "bias" not in name]
    return rule([{"params": others}, {"params": biases, "weight_decay": 0.0}], **options)


def torch_training(
    twin: Twin, ids: Array, config: TrainingConfig, updates: int, biases_decay: bool = True
) -> tuple[list[float], list[float]]:
    """Train the twin by truncated backpropagation; return each update's loss and gradient norm."""
    optimizer = torch_optimizer(twin, config, biases_decay)
    losses, norms = [], []
    state = None
    for _, (beginning, inputs, targets) in zip(range(updates), torch_windows(ids), strict=False):
        logits, state = twin(inputs, None if beginning else detached(state))
        loss = functional.cross_entropy(logits, targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(twin.parameters(), config.clip_norm)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
    return losses, norms


def torch_evaluation(twin: Twin, ids: Array, window: int) -> float:
    """Return the mean loss on a text read in one stream, the state carried over windows."""
    text = torch.tensor(ids.astype(np.int64))
    nats, state = 0.0, None
    with torch.no_grad():
        for inputs, targets in zip(text[:-1].split(window), text[1:].split(window), strict=True):
            logits, state = twin(inputs[:, None], state)
            nats += functional.cross_entropy(logits, targets, reduction="sum").item()
    return nats / (len(ids) - 1)
