"""The models of examples in PyTorch, whose sequences all begin at zero states.

See `charnn.models.classifier`, `charnn.models.tagger` and `charnn.models.labelled_model`.
"""

from __future__ import annotations

from torch import Tensor

from charnn.engines.torch.heads import EveryStep, WholeSequence
from charnn.engines.torch.network import StackNetwork, cross_entropy, on_cpu
from charnn.engines.torch.randomness import Randomness
from charnn.engines.torch.stack import LayerStates, TorchStack
from charnn.models.classifier import Classifier
from charnn.models.labelled_model import LabelledModel
from charnn.models.tagger import Tagger
from charnn.text.batches import Batch


class ExampleNetwork(StackNetwork):
    """A stack with a head, and nothing carried: a head at every step, unless a network says."""

    def __init__(self, model: Classifier | Tagger | LabelledModel) -> None:
        super().__init__()
        self.stack = TorchStack(model.stack)
        self._prepared = model.prepared

    def hidden(
        self, ids: Tensor, lengths: Tensor | None, random: Randomness | None = None
    ) -> Tensor:
        """Run the stack from zeros: ids (T, B), lengths (B,) on the CPU -> h (T, B, K)."""
        h, _ = self.stack(ids, self.stack.zero_states(ids.shape[1]), random, lengths)
        return h

    def logits(
        self, ids: Tensor, lengths: Tensor | None, random: Randomness | None = None
    ) -> Tensor:
        """Return the outputs before the softmax: ids (T, B), lengths (B,) -> (T, B, outputs)."""
        return self.head(self.hidden(ids, lengths, random))

    def loss(
        self,
        batch: Batch,
        states: LayerStates,
        random: Randomness | None,
        weight: float,
        smoothing: float,
    ) -> tuple[Tensor, LayerStates]:
        """See `Network.loss`."""
        prepared = self._prepared(batch)
        logits = self.logits(self.tensor(prepared.inputs), on_cpu(prepared.lengths), random)
        return cross_entropy(logits, self.answers(prepared), weight, smoothing), states


class ClassifierNetwork(ExampleNetwork):
    """One output for a whole sequence."""

    def __init__(self, model: Classifier) -> None:
        super().__init__(model)
        H, K = model.stack.hidden_size, model.stack.output_size
        self.head = WholeSequence(H, K, model.sizes.outputs)

    def logits(
        self, ids: Tensor, lengths: Tensor | None, random: Randomness | None = None
    ) -> Tensor:
        """Return the outputs before the softmax: ids (T, B), lengths (B,) -> (B, classes)."""
        return self.head(self.hidden(ids, lengths, random), lengths)

    def answers(self, batch: Batch) -> Tensor:
        """Return the classes, (B,)."""
        return self.tensor(batch.targets[0])


class TaggerNetwork(ExampleNetwork):
    """An output for every symbol of a sequence."""

    def __init__(self, model: Tagger) -> None:
        super().__init__(model)
        self.head = EveryStep(model.stack.output_size, model.sizes.outputs)


class LabelledNetwork(ExampleNetwork):
    """A sequence symbol by symbol, given its label."""

    def __init__(self, model: LabelledModel) -> None:
        super().__init__(model)
        tied = self.stack.embedding if model.config.tie_weights else None
        self.head = EveryStep(model.stack.output_size, model.sizes.outputs + 1, tied)
