"""Attention in the torch engine: what is exactly 0, what changes nothing, and half precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from charnn.engines.torch.attention import TorchAttention, softmax_of_allowed
from charnn.engines.torch.network import IGNORED, cross_entropy
from charnn.nn.attention import Attention, attentional_parameters
from charnn.nn.buffers import Buffers
from charnn.nn.parameters import Gradients, Parameters, shapes_of
from charnn.registry import ATTENTIONS

pytestmark = pytest.mark.parity

T, S, B, Q = 4, 6, 3, 5
EXACT = 1e-12
PARTS = {"dot": 2, "general": 3, "additive": 3}  # of a query in a key
scores = pytest.mark.parametrize("name", ATTENTIONS)


def both(name: str) -> tuple[Attention, Parameters, TorchAttention]:
    """Return a score in NumPy with random weights, and in PyTorch with the same."""
    attention = ATTENTIONS[name](Q, Q * PARTS[name])
    specs = attention.parameters() | attentional_parameters(Q, Q * PARTS[name])
    parameters = Parameters(shapes_of(specs), np.float64)
    parameters.flat[:] = 0.5 * np.random.default_rng(1).standard_normal(parameters.flat.size)
    peer = TorchAttention(attention).double()
    with torch.no_grad():
        for share, weight in peer.shares(""):
            weight.copy_(torch.from_numpy(share.turned(parameters[share.ours])))
    return attention, parameters, peer


def inputs(name: str, of_each_query: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return queries, keys, and what is allowed: to a query of the second sequence, nothing."""
    random = np.random.default_rng(2)
    queries = random.standard_normal((T, B, Q))
    keys = random.standard_normal((S, B, Q * PARTS[name]))
    allowed = random.random((B, T, S) if of_each_query else (B, S)) < 0.6
    allowed[(1, 0) if of_each_query else 1] = False
    allowed[2, ..., 3] = False
    return queries, keys, allowed


@pytest.mark.parametrize("of_each_query", [False, True])
@scores
def test_contexts_and_gradients(name: str, of_each_query: bool) -> None:
    """As NumPy's, masks included; the weights of what is forbidden are exactly 0."""
    attention, parameters, peer = both(name)
    queries, keys, allowed = inputs(name, of_each_query)
    context, alpha, backward = attention.attend(queries, keys, allowed, parameters, Buffers())
    q, k = (torch.from_numpy(x).requires_grad_() for x in (queries, keys))
    found, weights = peer.attend(q, k, torch.from_numpy(allowed))
    assert np.abs(found.detach().numpy() - context).max() < EXACT
    assert np.abs(weights.detach().numpy() - alpha).max() < EXACT
    by_query = allowed if of_each_query else np.repeat(allowed[:, None], T, 1)
    assert (weights.detach().numpy()[~by_query] == 0).all()
    empty = ~by_query.any(-1).T
    assert empty.any()
    assert (found.detach().numpy()[empty] == 0).all()
    d_context = np.random.default_rng(3).standard_normal(context.shape)
    sums = parameters.zeros_like()
    d_queries, d_keys = backward(d_context, Gradients(sums))
    found.backward(torch.from_numpy(d_context))
    assert np.abs(q.grad.numpy() - d_queries).max() < EXACT
    assert np.abs(k.grad.numpy() - d_keys).max() < EXACT
    for share, weight in peer.score.shares(""):
        assert np.abs(share.turned(weight.grad.numpy()) - sums[share.ours]).max() < EXACT


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e300])
@scores
def test_garbage_in_the_padding_changes_no_bit(name: str, garbage: float) -> None:
    """Not even what is no number."""
    _, _, peer = both(name)
    queries, keys, allowed = inputs(name, of_each_query=False)
    changed = keys.copy()
    changed[~allowed.T] = garbage
    results = []
    for each in (keys, changed):
        peer.zero_grad()
        q, k = (torch.from_numpy(x).requires_grad_() for x in (queries, each))
        out = peer(q, k, torch.from_numpy(allowed))
        out.square().sum().backward()
        grads = [w.grad.clone() for _, w in peer.shares("")]
        results.append([out.detach(), q.grad, k.grad, *grads])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    assert (results[0][2].numpy()[~allowed.T] == 0).all()


def test_the_softmax_is_computed_in_single_precision() -> None:
    """Of 5,000 equal scores in half precision each weighs 1 / 5,000; gradients are numbers."""
    scores = torch.zeros((1, 2, 5000), dtype=torch.float16, requires_grad=True)
    allowed = torch.ones((1, 2, 5000), dtype=torch.bool)
    allowed[0, 1] = False
    alpha = softmax_of_allowed(scores, allowed)
    assert alpha.dtype == torch.float16
    assert torch.equal(alpha[0, 0], torch.full((5000,), 1 / 5000, dtype=torch.float16))
    assert (alpha[0, 1] == 0).all()
    alpha.float().square().sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert torch.equal(softmax_of_allowed(scores, None)[0, 0], alpha[0, 0])


def test_a_loss_in_half_precision_does_not_overflow() -> None:
    """A window's summed loss is beyond what half precision can hold; padding does not count."""
    logits = torch.zeros((50_000, 9), dtype=torch.float16, requires_grad=True)
    targets = torch.zeros(50_000, dtype=torch.int64)
    targets[40_000:] = IGNORED
    loss = cross_entropy(logits, targets, 40_000.0, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(9), rel=1e-5)
    assert (logits.grad[40_000:] == 0).all()
