"""A tiny encoder-decoder with attention, computed: it learns to turn one word into another.

The encoder reads the text in both directions, the decoder writes the target from its begin symbol
to its end symbol. Everything here is a number of the run; `charnn hello --task transduce` tells the
story around them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charnn.arrays import Array
from charnn.config import ModelConfig, WalkthroughConfig
from charnn.errors import InputError
from charnn.models.model import Sizes
from charnn.models.stack import LayerStates
from charnn.models.transducer import Transducer
from charnn.models.walkthrough import LEARNING_RATE, OUTPUT_SCALE, SURE, Milestone
from charnn.nn.attention import Attention
from charnn.nn.buffers import Buffers
from charnn.nn.losses import softmax
from charnn.nn.parameters import group
from charnn.text.batches import Batch

LONGEST_WORD = 12
BEGIN, END = "<begin>", "<end>"  # how the one id is shown, on either side


@dataclass(frozen=True)
class EncoderStep:
    """One symbol of the source, and the states of both directions when they have read it."""

    symbol: str
    forward: list[float]
    backward: list[float]


@dataclass(frozen=True)
class Bridge:
    """One state of the decoder: the encoder's final ones, and the first one made of them."""

    state: str
    final: list[float]
    first: list[float]


@dataclass(frozen=True)
class DecoderStep:
    """One step of the decoder; `scores` and `attention` have a number for each source symbol."""

    symbol: str
    target: str
    h: list[float]
    scores: list[float]
    attention: list[float]
    context: list[float]
    attentional: list[float]
    logits: list[float]
    y: list[float]
    target_probability: float
    loss: float


@dataclass(frozen=True)
class Choice:
    """One step of greedy decoding: the symbol read, the attention, the distribution, the choice."""

    symbol: str
    attention: list[float]
    y: list[float]
    chosen: str


class TransductionWalkthrough:
    """Two words, their symbols in the order of their appearance, and a small model in float64."""

    def __init__(self, options: WalkthroughConfig) -> None:
        """Refuse words that are empty or too long to show. Raises InputError."""
        self.text = options.text
        self.target = options.text[::-1] if options.target is None else options.target
        for name, word in (("text", self.text), ("target", self.target)):
            if not 1 <= len(word) <= LONGEST_WORD:
                raise InputError(
                    f"{name} has {len(word)} characters; give a word of 1 to {LONGEST_WORD}."
                )
        self.source_symbols = list(dict.fromkeys(self.text))
        self.target_symbols = list(dict.fromkeys(self.target))
        config = ModelConfig(
            cell=options.cell,
            hidden_size=options.hidden_size,
            gru_reset=options.gru_reset,
            bidirectional=True,
            attention=options.attention,
            dropout=0,
        )
        sizes = Sizes(len(self.source_symbols), len(self.target_symbols))
        self.model = Transducer.started(config, sizes, options.seed, np.float64)
        self.model.parameters["decoder/W_hy"][...] *= OUTPUT_SCALE
        self.source = np.array([self.source_symbols.index(s) for s in self.text])[:, None]
        self.answer = np.array([self.target_symbols.index(s) for s in self.target])[:, None]
        self.inputs = np.concatenate([[[self.model.delimiter]], self.answer])
        self.targets = np.concatenate([self.answer, [[self.model.delimiter]]])

    @cached_property
    def outputs(self) -> list[str]:
        """What the model can predict: the target's symbols and the end."""
        return [*self.target_symbols, END]

    @property
    def attention(self) -> Attention:
        """The score by which the decoder looks at the encoder's states."""
        attention = self.model.network.attention
        assert attention is not None  # noqa: S101 (the configuration has one)
        return attention

    @property
    def summed_loss_of_chance(self) -> float:
        """The summed loss of even odds: T ln V, the end included."""
        return len(self.targets) * math.log(len(self.outputs))

    def shown(self, symbol: int, last: str) -> str:
        """Return a target's symbol by its id; `last` is the name of the begin or end symbol."""
        return [*self.target_symbols, last][symbol]

    def encode(self) -> tuple[Array, LayerStates]:
        """Return the encoder's states (S, 1, 2 H), and the decoder's first states."""
        keys, first, _ = self.model.encode(self.source, None, Buffers())
        return keys, first

    def encoder_steps(self) -> list[EncoderStep]:
        """Return the states of both directions at each symbol of the source."""
        keys, _ = self.encode()
        H = self.model.config.hidden_size
        return [
            EncoderStep(symbol, k[:H].tolist(), k[H:].tolist())
            for symbol, k in zip(self.text, keys[:, 0], strict=True)
        ]

    def bridges(self) -> list[Bridge]:
        """Return what the decoder begins with, and what it is made of."""
        encoder = self.model.network.encoder
        weights = group(self.model.parameters, "encoder")
        zeros = encoder.zero_states(1, np.float64)
        _, final, _ = encoder.run(weights, self.source, zeros)
        _, ((*first,),) = self.encode()
        return [
            Bridge(name, np.concatenate([forward[0], backward[0]]).tolist(), state[0].tolist())
            for name, forward, backward, state in zip(
                self.model.cell.states, *final, first, strict=True
            )
        ]

    def decoder_steps(self) -> list[DecoderStep]:
        """Run the decoder over the target's own symbols: every number of every step."""
        keys, first = self.encode()
        parameters, network = self.model.parameters, self.model.network
        decoder, weights = group(parameters, "decoder"), group(parameters, "attention")
        h, _, _ = network.decoder.run(decoder, self.inputs, first)
        projected, _ = self.attention.project(keys, weights, Buffers())
        scores = np.empty((1, len(h), len(keys)))
        self.attention.score(h, projected, weights, scores, Buffers())
        out, alpha, _ = self.model.decode(self.inputs, keys, None, first, Buffers())
        assert alpha is not None  # noqa: S101
        context = alpha[0] @ keys[:, 0]
        logits, _ = network.head.logits(decoder, out, Buffers())
        y = softmax(logits)
        return [
            DecoderStep(
                symbol=self.shown(int(symbol), BEGIN),
                target=self.shown(int(target), END),
                h=h[t, 0].tolist(),
                scores=scores[0, t].tolist(),
                attention=alpha[0, t].tolist(),
                context=context[t].tolist(),
                attentional=out[t, 0].tolist(),
                logits=logits[t].tolist(),
                y=y[t].tolist(),
                target_probability=float(y[t, target]),
                loss=-math.log(y[t, target]),
            )
            for t, (symbol, target) in enumerate(
                zip(self.inputs[:, 0], self.targets[:, 0], strict=True)
            )
        ]

    def backward(self) -> tuple[float, dict[str, Array]]:
        """Return the summed loss and its gradient by every parameter, over all steps."""
        T = len(self.targets)
        loss, _, backward = self.model.loss(Batch(self.source, self.answer), [])
        gradients = self.model.parameters.zeros_like()
        backward(gradients)
        gradients.flat[:] *= T  # of the sum instead of the mean
        return T * loss, dict(gradients)

    def decode(self) -> list[Choice]:
        """Let the decoder read its own choices, the likeliest each time, until it ends.

        It stops after twice as many symbols as the target has, if it does not end.
        """
        keys, first = self.encode()
        decoder, read = group(self.model.parameters, "decoder"), [self.model.delimiter]
        choices: list[Choice] = []
        while len(choices) < 2 * len(self.targets):
            ids = np.array(read)[:, None]
            out, alpha, _ = self.model.decode(ids, keys, None, first, Buffers())
            assert alpha is not None  # noqa: S101
            y = softmax(self.model.network.head.logits(decoder, out, Buffers())[0][-1])
            chosen = int(y.argmax())
            symbol = self.shown(read[-1], BEGIN)
            weights = alpha[0, -1].tolist()
            choices.append(Choice(symbol, weights, y.tolist(), self.shown(chosen, END)))
            if chosen == self.model.delimiter:
                break
            read.append(chosen)
        return choices

    def says(self) -> str:
        """Return what the decoder writes."""
        return "".join(choice.chosen for choice in self.decode() if choice.chosen != END)

    def train(self, most: int = 2_000) -> list[Milestone]:
        """Descend the gradient until every target is all but sure; return the way there.

        `p <- p - LEARNING_RATE g`, on the summed loss; milestones are the first updates, each
        time that the decoder writes something else, and the last one.
        """
        milestones: list[Milestone] = []
        for update in range(1, most + 1):
            _, gradients = self.backward()
            for name, gradient in gradients.items():
                self.model.parameters[name][...] -= LEARNING_RATE * gradient
            steps = self.decoder_steps()
            sure = min(step.target_probability for step in steps) >= SURE
            says = self.says()
            done = (sure and says == self.target) or update == most
            if done or update == 1 or says != milestones[-1].says:
                milestones.append(Milestone(update, sum(step.loss for step in steps), says))
            if done:
                break
        return milestones
