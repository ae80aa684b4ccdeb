"""Dropout inside the recurrence, in two forms.

"state" (Gal and Ghahramani, 2016, "A Theoretically Grounded Application of Dropout in Recurrent
Neural Networks"): one mask m (B, H) for all steps of a window, wherever the state enters a
recurrent product. All gates share it; what carries the state on without a product (the GRU's
(1 - z) h_{t-1}, the LSTM's c) is not masked:

    h_{t-1} W_hh becomes (h_{t-1} m) W_hh,    (r h_{t-1}) W_hn becomes (r h_{t-1} m) W_hn

"update" (Semeniuta et al., 2016, "Recurrent Dropout without Memory Loss"): a mask m_t (B, H) of
each step for the candidate, so that what the state remembers is never dropped:

    LSTM:  c_t = f c_{t-1} + i (g m_t)
    GRU:   h_t = (1 - z) h_{t-1} + z (n m_t)

The masks of a window are drawn before it and given to `charnn.nn.recurrent.unroll`. Where nothing
is dropped (in evaluation and sampling) there are no masks, and nothing is computed for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charnn.nn.buffers import Buffers
from charnn.nn.masks import RecurrentMasks, draw_mask

KINDS = ("state", "update")


@dataclass(frozen=True)
class RecurrentDropout:
    """What is dropped ("state" or "update"), and how often: 0 <= rate < 1.

    A cell says in `Cell.dropouts` which kinds it can have.
    """

    kind: str
    rate: float

    def __post_init__(self) -> None:
        """Raise ValueError for another kind, or a rate out of range."""
        if self.kind not in KINDS:
            raise ValueError(
                f"the kind of recurrent dropout is {self.kind!r}; choose {' or '.join(KINDS)}."
            )
        if not 0 <= self.rate < 1:
            raise ValueError(
                f"the rate of recurrent dropout is {self.rate}; choose one from 0 up to, but not "
                "including, 1."
            )

    def masks(
        self,
        random: np.random.Generator,
        T: int,
        B: int,
        H: int,
        dtype: npt.DTypeLike,
        buffers: Buffers,
    ) -> RecurrentMasks:
        """Draw the masks of one layer for a window of T steps; they lie in `buffers`.

        They must stay what they are until the window's gradient has been computed.
        """
        shape = (B, H) if self.kind == "state" else (T, B, H)
        mask = draw_mask(buffers.array(f"{self.kind} mask", shape, dtype), self.rate, random)
        if self.kind == "state":
            return RecurrentMasks(state=mask)
        return RecurrentMasks(update=mask)
