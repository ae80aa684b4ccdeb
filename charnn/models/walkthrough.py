"""The tutorial's example, computed: a tiny network learns to spell one word.

From the symbols that it has read, the network predicts the word's next one: input `hell`, target
`ello`. Everything here is a number of the run; `charnn hello` tells the story around them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.config import ModelConfig, WalkthroughConfig
from charnn.errors import InputError
from charnn.models.language_model import LanguageModel
from charnn.nn.losses import softmax
from charnn.text.batches import Batch

LEARNING_RATE = 0.1
OUTPUT_SCALE = 0.05  # of the initial output weights, so that the story begins at even odds
SURE = 0.95  # of every target: then the word is learned
LONGEST_TEXT = 24


@dataclass(frozen=True)
class TimeStep:
    """One time step: the input, its one-hot vector, the state, the output, the loss in nats."""

    symbol: str
    target: str
    x: list[float]
    h: list[float]
    logits: list[float]
    y: list[float]
    target_probability: float
    loss: float


@dataclass(frozen=True)
class Milestone:
    """Where training was after an update: the summed loss, and what the network spells."""

    update: int
    loss: float
    says: str


@dataclass(frozen=True)
class Draw:
    """One step of sampling: the symbol read, the distribution, the symbol drawn."""

    symbol: str
    y: list[float]
    drawn: str


class Walkthrough:
    """A word, its symbols in the order of their appearance, and a small model in float64."""

    def __init__(self, options: WalkthroughConfig) -> None:
        """Refuse a text that has nothing to predict, or is too long to show. Raises InputError."""
        self.text = text = options.text
        if not 2 <= len(text) <= LONGEST_TEXT:
            raise InputError(
                f"text has {len(text)} characters; give a word of 2 to {LONGEST_TEXT}."
            )
        self.symbols = list(dict.fromkeys(text))
        self.ids = np.array([self.symbols.index(symbol) for symbol in text])[:, None]
        self.inputs, self.targets = self.ids[:-1], self.ids[1:]
        config = ModelConfig(
            cell=options.cell,
            hidden_size=options.hidden_size,
            gru_reset=options.gru_reset,
            dropout=0,
        )
        V = len(self.symbols)
        self.model = LanguageModel.initialized(config, V, options.seed, np.float64)
        for name, spec in self.model.head.parameters().items():
            if spec.decays:
                self.model.parameters[name][...] *= OUTPUT_SCALE
        self.random = np.random.default_rng(options.seed)

    @property
    def summed_loss_of_chance(self) -> float:
        """The summed loss of even odds: T ln V."""
        return len(self.inputs) * math.log(len(self.symbols))

    def one_hot(self, symbol: int) -> list[float]:
        """Return a symbol's one-hot vector, (V,)."""
        vector: list[float] = np.eye(len(self.symbols))[symbol].tolist()
        return vector

    def time_steps(self) -> list[TimeStep]:
        """Run forward over the word and return every number of every step."""
        zeros = self.model.zero_states(1)
        h, _, _ = self.model.hidden(self.inputs, zeros)
        logits, _, _ = self.model.logits(self.inputs, zeros)
        y = softmax(logits)
        steps = []
        for t, (symbol, target) in enumerate(
            zip(self.inputs[:, 0], self.targets[:, 0], strict=True)
        ):
            probability = float(y[t, target])
            steps.append(
                TimeStep(
                    symbol=self.symbols[symbol],
                    target=self.symbols[target],
                    x=self.one_hot(symbol),
                    h=h[t, 0].tolist(),
                    logits=logits[t].tolist(),
                    y=y[t].tolist(),
                    target_probability=probability,
                    loss=math.log(1 / probability),
                )
            )
        return steps

    def backward(self) -> tuple[float, dict[str, Array]]:
        """Return the summed loss and its gradient by every parameter, over all time steps."""
        T = len(self.inputs)
        batch = Batch(self.inputs, self.targets)
        loss, _, backward = self.model.loss(batch, self.model.zero_states(1))
        gradients = self.model.parameters.zeros_like()
        backward(gradients)
        gradients.flat[:] *= T  # of the sum instead of the mean
        return T * loss, dict(gradients)

    def spell(self) -> str:
        """Return what the network says after the first symbol, the likeliest each time."""
        return "".join(draw.drawn for draw in self.draws(greedy=True))

    def draws(self, greedy: bool = False) -> list[Draw]:
        """Feed the network its own output from the first symbol on, as many steps as the word."""
        states = self.model.zero_states(1)
        symbol = int(self.ids[0, 0])
        steps = []
        for _ in range(len(self.targets)):
            logits, states, _ = self.model.logits(np.array([[symbol]]), states)
            y = softmax(logits[0])
            chosen = int(np.argmax(y)) if greedy else int(self.random.choice(len(y), p=y))
            steps.append(Draw(self.symbols[symbol], y.tolist(), self.symbols[chosen]))
            symbol = chosen
        return steps

    def train(self, most: int = 2_000) -> list[Milestone]:
        """Descend the gradient until every target is all but sure; return the way there.

        `p <- p - LEARNING_RATE g`, on the summed loss; milestones are the first updates, each
        time that the network spells something else, and the last one.
        """
        milestones: list[Milestone] = []
        for update in range(1, most + 1):
            _, gradients = self.backward()
            for name, gradient in gradients.items():
                self.model.parameters[name][...] -= LEARNING_RATE * gradient
            steps = self.time_steps()
            sure = min(step.target_probability for step in steps) >= SURE
            says = self.spell()
            done = (sure and says == self.text[1:]) or update == most
            if done or update == 1 or says != milestones[-1].says:
                milestones.append(Milestone(update, sum(step.loss for step in steps), says))
            if done:
                break
        return milestones
