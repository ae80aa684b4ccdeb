"""The models in PyTorch: which network computes which model."""

from __future__ import annotations

from typing import Any

from charnn.engines.torch.example_networks import (
    ClassifierNetwork,
    LabelledNetwork,
    TaggerNetwork,
)
from charnn.engines.torch.language_network import LanguageNetwork
from charnn.engines.torch.network import Network
from charnn.engines.torch.transducer_network import TransducerNetwork
from charnn.errors import ConfigError
from charnn.models.classifier import Classifier
from charnn.models.labelled_model import LabelledModel
from charnn.models.language_model import LanguageModel
from charnn.models.model import Model
from charnn.models.tagger import Tagger
from charnn.models.transducer import Transducer

__all__ = ["NETWORKS", "Network", "network_of"]

NETWORKS: dict[type[Model], Any] = {
    LanguageModel: LanguageNetwork,
    Classifier: ClassifierNetwork,
    Tagger: TaggerNetwork,
    LabelledModel: LabelledNetwork,
    Transducer: TransducerNetwork,
}


def network_of(model: Model) -> Network:
    """Return the network of a model, with weights of 0. Raises ConfigError where there is none."""
    if type(model) not in NETWORKS:
        raise ConfigError(
            f"the engine is torch, which has no network of a {type(model).__name__}; choose "
            "--engine shards."
        )
    network: Network = NETWORKS[type(model)](model)
    return network
