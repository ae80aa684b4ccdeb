"""What the recurrent weights alone say of gradients, gate by gate.

    rho(W)      spectral radius: the largest |eigenvalue|; W^k grows or falls like rho^k in the end
    sigma(W)    largest singular value, W's norm; |eigenvalues| <= sigma, and ||W^k|| <= sigma^k

In the RNN a step's Jacobian is W diag(1 - h_t^2), so (Pascanu et al., 2013)

    ||dh_T/dh_{T-k}|| <= product over the k steps of sigma(W) max_i (1 - h_i^2) <= sigma(W)^k

sigma < 1 suffices for gradients to vanish; sigma > 1 is necessary for them to explode, and does not
suffice. An orthogonal W has rho = sigma = 1. For cells with gates no such bound follows from W_hh:
what passes from step to step also goes past it, through the gate that keeps the state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.models.language_model import LanguageModel


@dataclass(frozen=True)
class GateSpectrum:
    """A gate's recurrent weights: their spectral radius and largest singular value."""

    gate: str
    radius: float
    largest_singular: float


def spectra(model: LanguageModel, layer: str) -> list[GateSpectrum]:
    """Return the spectra of a layer's W_hh by gate; nothing for a cell that has none."""
    W_hh = model.parameters.get(f"{layer}/W_hh")
    if W_hh is None:
        return []
    gates = zip(model.cell.gates, W_hh.astype(np.float64), strict=True)
    return [GateSpectrum(gate, spectral_radius(W), norm(W)) for gate, W in gates]


def spectral_radius(W: Array) -> float:
    """Return the largest absolute value of a matrix's eigenvalues."""
    return float(np.abs(np.linalg.eigvals(W)).max())


def norm(W: Array) -> float:
    """Return the largest singular value of a matrix."""
    return float(np.linalg.norm(W, 2))
