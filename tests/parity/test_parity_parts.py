"""The parts by themselves: clipping, cross-entropy, the optimisers' rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_twin import V

from charnn.config import TrainingConfig
from charnn.nn.clipping import clip_by_global_norm, clip_by_value
from charnn.nn.losses import cross_entropy
from charnn.nn.optimizers import CHUNK
from charnn.nn.parameters import Parameters
from charnn.registry import OPTIMIZERS

pytestmark = pytest.mark.parity

SHAPES = {"W_xh": (4, 5, 3), "W_hh": (4, 3, 3), "b_h": (4, 3)}
TORCH_EPSILON = 1e-6  # PyTorch divides by the norm plus this


def random_gradients(dtype: type) -> tuple[Parameters, list[torch.nn.Parameter]]:
    """Return the same gradients as one vector, and as those of several PyTorch parameters."""
    gradients = Parameters(SHAPES, dtype)
    gradients.flat[:] = np.random.default_rng(8).standard_normal(gradients.flat.shape)
    parameters = []
    for array in gradients.values():
        parameters.append(torch.nn.Parameter(torch.tensor(array)))
        parameters[-1].grad = torch.tensor(array)
    return gradients, parameters


def flat_gradient(parameters: list[torch.nn.Parameter]) -> np.ndarray:
    """Return all gradients as one vector."""
    return torch.cat([parameter.grad.reshape(-1) for parameter in parameters]).numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threshold", [0.5, 5.0, 50.0])
def test_clip_by_global_norm(threshold: float, dtype: type) -> None:
    """Clipping by global norm returns and leaves what `clip_grad_norm_` does, but for its 1e-6."""
    gradients, parameters = random_gradients(dtype)
    before = gradients.flat.copy()
    norm = clip_by_global_norm(gradients.flat, threshold)
    torch_norm = torch.nn.utils.clip_grad_norm_(parameters, threshold).item()
    theirs = flat_gradient(parameters)
    rounding = 8 * float(np.finfo(dtype).eps)
    assert gradients.flat.dtype == dtype
    assert abs(norm - torch_norm) <= rounding * torch_norm
    if norm > threshold:
        tolerance = TORCH_EPSILON / norm + rounding
        assert np.abs(gradients.flat - theirs).max() <= tolerance * np.abs(theirs).max()
        assert np.linalg.norm(gradients.flat) == pytest.approx(threshold, rel=rounding)
    else:
        assert np.array_equal(gradients.flat, before)
        assert np.array_equal(gradients.flat, theirs)
    assert (norm > threshold) == (threshold < 50)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_by_value(dtype: type) -> None:
    """Clipping by value leaves exactly what `clip_grad_value_` does."""
    gradients, parameters = random_gradients(dtype)
    before = gradients.flat.copy()
    clip_by_value(gradients.flat, 0.7)
    torch.nn.utils.clip_grad_value_(parameters, 0.7)
    assert np.array_equal(gradients.flat, flat_gradient(parameters))
    assert (gradients.flat != before).any()
    assert (gradients.flat == before).any()


@pytest.mark.parametrize("scale", [1.0, 30.0, 1_000.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy(dtype: type, scale: float) -> None:
    """Losses and the gradient of their mean are PyTorch's, for logits of every size."""
    random = np.random.default_rng(9)
    logits = (scale * random.standard_normal((40, V))).astype(dtype)
    targets = random.integers(0, V, 40)
    torch_logits = torch.tensor(logits, requires_grad=True)
    expected = functional.cross_entropy(torch_logits, torch.tensor(targets), reduction="none")
    expected.mean().backward()
    losses, backward = cross_entropy(logits, targets)
    d_logits = backward(1 / len(losses))
    theirs = expected.detach().numpy()
    rounding = 8 * float(np.finfo(dtype).eps)
    assert losses.dtype == d_logits.dtype == dtype
    assert np.abs(losses - theirs).max() <= rounding * np.abs(theirs).max()
    assert np.abs(d_logits - torch_logits.grad.numpy()).max() <= rounding / len(losses)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_rule(optimizer: str, weight_decay: float) -> None:
    """With constants that are no defaults, and more weights than a chunk, 30 updates are equal."""
    config = TrainingConfig(
        optimizer=optimizer,
        weight_decay=weight_decay,
        momentum=0.8,
        beta1=0.7,
        beta2=0.95,
        rms_decay=0.6,
    )
    rules = {
        "sgd": (torch.optim.SGD, {}),
        "momentum": (torch.optim.SGD, {"momentum": 0.8}),
        "adagrad": (torch.optim.Adagrad, {}),
        "rmsprop": (torch.optim.RMSprop, {"alpha": 0.6}),
        "adam": (torch.optim.Adam, {"betas": (0.7, 0.95)}),
        "adamw": (torch.optim.AdamW, {"betas": (0.7, 0.95)}),
    }
    size, rate = CHUNK + 1_001, 0.02
    random = np.random.default_rng(10)
    p = random.standard_normal(size)
    parameter = torch.nn.Parameter(torch.tensor(p))
    rule, constants = rules[optimizer]
    theirs = rule([parameter], lr=rate, weight_decay=weight_decay, **constants)
    ours = OPTIMIZERS[optimizer].fresh(config, size, p.dtype)
    for t in range(1, 31):
        g = 10.0 ** random.uniform(-9, 2, size) * random.standard_normal(size)
        parameter.grad = torch.tensor(g)
        theirs.step()
        ours.update(p, g, rate, t)
    expected = parameter.detach().numpy()
    assert np.abs(p - expected).max() <= 1e-12 * np.abs(expected).max()
