"""Models in PyTorch that look like NumPy's from outside, for scoring, sampling and predicting.

Tasks and generation use few methods of a model (`charnn.models`), which take and return arrays;
here they compute on the network's device, without gradients. What a text's states are between two
windows is the model's own business, so they stay on the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from charnn.arrays import Array
from charnn.config import EngineConfig
from charnn.engines.torch.example_networks import ExampleNetwork
from charnn.engines.torch.language_network import LanguageNetwork
from charnn.engines.torch.library import device_of, multiply_as
from charnn.engines.torch.network import Network, on_cpu
from charnn.engines.torch.networks import network_of
from charnn.engines.torch.stack import LayerStates
from charnn.engines.torch.steppers import TorchDecoderStepper, TorchStepper, to_host
from charnn.engines.torch.transducer_network import TransducerNetwork
from charnn.models.classifier import Classifier
from charnn.models.correspondence import to_theirs
from charnn.models.labelled_model import LabelledModel
from charnn.models.language_model import LanguageModel
from charnn.models.model import Model
from charnn.models.tagger import Tagger
from charnn.models.transducer import Transducer
from charnn.nn.buffers import Buffers
from charnn.text.batches import Batch

ModelKind = TypeVar("ModelKind", bound=Model)
NetworkKind = TypeVar("NetworkKind", bound=Network)


class Outside(Generic[ModelKind, NetworkKind]):
    """A model, and the network that has its weights."""

    gains_by_threads = False  # a device computes one large batch fastest

    def __init__(self, model: ModelKind, network: NetworkKind) -> None:
        self._model, self._network = model, network
        self.size = model.size


class OutsideLanguageModel(Outside[LanguageModel, LanguageNetwork]):
    """A language model: see `charnn.models.language_model`."""

    @property
    def vocab_size(self) -> int:
        """Number of symbols, V."""
        return self._model.vocab_size

    def zero_states(self, batch_size: int) -> LayerStates:
        """Return the states at the beginning of a text, on the device."""
        return self._network.stack.zero_states(batch_size)

    @torch.inference_mode()
    def losses(
        self,
        ids: Array,
        targets: Array,
        states: LayerStates,
        buffers: Buffers,
    ) -> tuple[Array, LayerStates]:
        """Run a window: ids and targets (T, B) -> the losses (T, B), and the states after it."""
        network = self._network
        logits, after = network.logits(network.tensor(ids), states)
        rows = single(logits).flatten(0, 1)
        nats = functional.cross_entropy(rows, network.tensor(targets).flatten(), reduction="none")
        return to_host(nats).reshape(ids.shape), after

    @torch.inference_mode()
    def read(self, ids: Array, states: LayerStates, buffers: Buffers) -> LayerStates:
        """Return the states after a window: ids (T, B)."""
        after: LayerStates = self._network.stack(self._network.tensor(ids), states)[1]
        return after

    @torch.inference_mode()
    def begun_again(self, states: LayerStates, rows: Array) -> LayerStates:
        """Return states of which those of some rows, (B,) of bool, are the first of a text."""
        places = torch.from_numpy(rows).to(self._network.device)
        return [
            tuple([s.masked_fill(places.view(-1, *[1] * (s.dim() - 1)), 0) for s in layer])
            for layer in states
        ]

    def stepper(self, batch_size: int, states: LayerStates | None = None) -> TorchStepper:
        """Return what reads B texts symbol by symbol, from some states on, or from zeros."""
        first = self.zero_states(batch_size) if states is None else states
        return TorchStepper(self._network, first)


class OutsideExampleModel(Outside[Classifier | Tagger, Any]):
    """A classifier or a tagger: see `charnn.models.classifier` and `charnn.models.tagger`."""

    @torch.inference_mode()
    def log_probabilities(self, ids: Array, lengths: Array, buffers: Buffers) -> Array:
        """Return log probabilities: ids (T, B), lengths (B,) -> (B, classes), (T, B, tags)."""
        logits: Tensor = self._network.logits(self._network.tensor(ids), on_cpu(lengths))
        return to_host(torch.log_softmax(single(logits), -1))


class Delimited(Outside[ModelKind, NetworkKind]):
    """A model whose targets are sequences between a begin and an end."""

    _model: Any

    @property
    def delimiter(self) -> int:
        """The id that is read before the first symbol, and predicted after the last one."""
        delimiter: int = self._model.delimiter
        return delimiter

    @torch.inference_mode()
    def mean_loss(self, batch: Batch) -> float:
        """Return the mean loss of a batch in nats per target, the ends included."""
        ends = batch.target_ends
        weight = float(ends.sum() + len(ends))
        loss, _ = self._network.loss(batch, [], None, weight, 0.0)
        return float(loss)


class OutsideLabelledModel(Delimited[LabelledModel, ExampleNetwork]):
    """A labelled language model: see `charnn.models.labelled_model`."""

    def stepper(self, labels: Array) -> TorchStepper:
        """Return what reads sequences of these labels (B,) symbol by symbol."""
        zeros = self._network.stack.zero_states(len(labels))
        return TorchStepper(self._network, zeros, self._model.label_ids(labels))


class OutsideTransducer(Delimited[Transducer, TransducerNetwork]):
    """A transducer: see `charnn.models.transducer`."""

    def decoder_stepper(
        self, ids: Array, lengths: Array | None, beam: int = 1
    ) -> TorchDecoderStepper:
        """Return what reads targets of sources (S, B) symbol by symbol, `beam` of each source."""
        return TorchDecoderStepper(self._network, ids, lengths, beam)


OUTSIDES: dict[type[Model], Any] = {
    LanguageModel: OutsideLanguageModel,
    Classifier: OutsideExampleModel,
    Tagger: OutsideExampleModel,
    LabelledModel: OutsideLabelledModel,
    Transducer: OutsideTransducer,
}


def single(logits: Tensor) -> Tensor:
    """Return logits in single precision if they are in half, whose softmax is too coarse."""
    return logits.float() if logits.dtype == torch.float16 else logits


def outside(model: Model, network: Network) -> Any:
    """Return what looks like a model from outside, and computes with a network's weights."""
    return OUTSIDES[type(model)](model, network)


@contextmanager
def in_evaluation(network: Network) -> Iterator[None]:
    """Keep a network that is trained from setting memory aside for gradients."""
    network.eval()
    try:
        yield
    finally:
        network.train()


def on_device(model: Model, options: EngineConfig) -> Any:
    """Return what looks like a model, and computes on the device that options mean.

    Raises ConfigError where the device or the network is not there.
    """
    device = device_of(options)
    multiply_as(options.precision)
    network = network_of(model).to(device, getattr(torch, model.parameters.flat.dtype.name))
    give_weights(network, model)
    if options.precision == "fp16":
        network.half()
    return outside(model, network.eval())


@torch.no_grad()
def give_weights(network: Network, model: Model) -> None:
    """Write a model's weights into its network; a `Layout`, which goes both ways, takes longer."""
    shares = list(network.shares())
    weights = {share.theirs: weight for share, weight in shares}
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    arrays = to_theirs([share for share, _ in shares], model.parameters, shapes)
    for name, weight in weights.items():
        weight.copy_(torch.from_numpy(arrays[name]))
