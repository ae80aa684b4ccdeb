"""The options of the network, each declared once: its default, its bounds and its help."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.config.tasks import FED_BACK, LM, WHOLE
from charnn.errors import ConfigError
from charnn.options import Section, option, shown
from charnn.registry import ATTENTIONS, CELLS


@dataclass(frozen=True)
class ModelConfig(Section):
    """The network."""

    cell: str = option("lstm", "Recurrent cell.", choices=CELLS)
    hidden_size: int = option(
        256,
        "Hidden units in each layer.",
        minimum=1,
        maximum=65_536,
        by_task={"classify": 128, "tag": 128, "transduce": 128, "generate": 128},
    )
    num_layers: int = option(1, "Number of recurrent layers.", minimum=1, maximum=64)
    dropout: float = option(
        0.1,
        "Share of units dropped in training, between layers and before the output.",
        minimum=0,
        below=1,
        by_task={"classify": 0.3, "tag": 0.3, "transduce": 0.3, "generate": 0.3},
        by_text=True,
    )
    gru_reset: str = option(
        "before",
        "GRU: reset gate applied before (Cho et al.) or after (cuDNN) the recurrent product.",
        choices=("before", "after"),
    )
    embedding_size: int | None = option(
        None,
        "Width of a learned embedding (none: one-hot input).",
        minimum=1,
        maximum=65_536,
        by_task={"classify": 64, "tag": 64, "transduce": 64},
    )
    recurrent_init: str = option(
        "orthogonal", "How the recurrent weights are initialised.", choices=("orthogonal", "glorot")
    )
    init_scale: float = option(
        1.0,
        "Factor of the initial weights; biases and embeddings keep theirs.",
        above=0,
        maximum=10,
        by_task={"transduce": 0.2},
    )
    forget_bias: float = option(1.0, "LSTM: initial bias of the forget gate.")
    bidirectional: bool = option(
        False,
        "Read each sequence in both directions (transduce: the encoder's layers).",
        tasks=WHOLE,
        because="a network that reads backwards sees the future that it should predict",
        by_task={"classify": True, "tag": True, "transduce": True},
    )
    attention: str | None = option(
        None,
        "How attention scores the states that it looks at: transduce: those of the encoder; lm: "
        "the model's own past ones (none: no attention).",
        choices=ATTENTIONS,
        tasks=("lm", "transduce"),
        by_task={"transduce": "general"},
    )
    attention_span: int = option(
        64,
        "Past states that a language model's attention looks back at.",
        minimum=1,
        maximum=65_536,
        tasks=LM,
    )
    tie_weights: bool = option(
        False,
        "Use the input's embedding for the output, too; --embedding-size must equal --hidden-size.",
        tasks=FED_BACK,
        because="its outputs are not among its inputs",
    )
    recurrent_dropout: float = option(
        0.0, "Share of units dropped inside the recurrence, in training.", minimum=0, below=1
    )
    recurrent_dropout_kind: str = option(
        "state",
        "Where recurrent dropout acts. state: on the state before a step, with one mask for a "
        "whole window or sequence (Gal and Ghahramani); update: on what a step adds to the state "
        "(Semeniuta et al.).",
        choices=("state", "update"),
    )
    weight_drop: float = option(
        0.0,
        "Share of the recurrent weights dropped in each update (Merity et al.).",
        minimum=0,
        below=1,
    )

    def __post_init__(self) -> None:
        """Check the options against each other, too."""
        super().__post_init__()
        if self.tie_weights and self.embedding_size != self.hidden_size:
            raise ConfigError(
                "tie_weights needs an embedding as wide as the hidden layer, but embedding_size "
                f"is {shown(self.embedding_size)} and hidden_size is {self.hidden_size}; make them "
                "equal, or leave tie_weights out."
            )
        if self.recurrent_dropout or self.weight_drop:
            (cell, *_) = CELLS[self.cell].forms().values()
            kind = self.recurrent_dropout_kind
            if self.recurrent_dropout and kind not in cell.dropouts:
                raise ConfigError(
                    f"recurrent_dropout_kind is {kind}, which the cell {self.cell} cannot have; "
                    f"choose {' or '.join(cell.dropouts) or 'another cell'}."
                )
            if self.weight_drop and "W_hh" not in cell.shapes(1, 1):
                raise ConfigError(
                    f"weight_drop is {self.weight_drop:g}, but the cell {self.cell} has no "
                    "recurrent weights; leave it out, or choose another cell."
                )
