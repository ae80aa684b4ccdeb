"""The language model in PyTorch: see `charnn.models.language_model`."""

from __future__ import annotations

from torch import Tensor

from charnn.engines.torch.attentive_stack import make_stack
from charnn.engines.torch.heads import EveryStep
from charnn.engines.torch.network import StackNetwork, cross_entropy
from charnn.engines.torch.randomness import Randomness
from charnn.engines.torch.stack import LayerStates
from charnn.models.language_model import LanguageModel
from charnn.text.batches import Batch


class LanguageNetwork(StackNetwork):
    """The language model."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.stack = make_stack(model.stack)
        tied = self.stack.embedding if model.config.tie_weights else None
        self.head = EveryStep(model.stack.hidden_size, model.sizes.outputs, tied)

    def logits(
        self, ids: Tensor, states: LayerStates, random: Randomness | None = None
    ) -> tuple[Tensor, LayerStates]:
        """Run a window: ids (T, B) -> logits (T, B, V), and the states after it."""
        h, after = self.stack(ids, states, random)
        return self.head(h), after

    def loss(
        self,
        batch: Batch,
        states: LayerStates,
        random: Randomness | None,
        weight: float,
        smoothing: float,
    ) -> tuple[Tensor, LayerStates]:
        """See `Network.loss`."""
        logits, after = self.logits(self.tensor(batch.inputs), states, random)
        return cross_entropy(logits, self.answers(batch), weight, smoothing), after
