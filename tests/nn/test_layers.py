"""Input, dropout and output: the values (their gradients are checked in test_gradients.py)."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.models.inputs import Embedding, OneHot
from charnn.nn.buffers import Buffers
from charnn.nn.layers import affine, dropout, embed, project, sums_by_symbol

IDS = np.array([[0, 3, 3], [3, 1, 0]])


@pytest.fixture
def random():
    """Return a generator that is the same for each test."""
    return np.random.default_rng(3)


def test_project_is_a_product_for_each_gate(random):
    """`a[t, g] = x[t] W_xh[g] + b_h[g]`, all sizes different."""
    x, W, b = (random.standard_normal(shape) for shape in [(2, 3, 5), (4, 5, 7), (4, 7)])
    a, _ = project(x, {"W_xh": W, "b_h": b}, Buffers(), Buffers())
    expected = np.array([[x_t @ W_g + b_g for W_g, b_g in zip(W, b, strict=True)] for x_t in x])
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-14)


def test_an_embedding_projects_rows_of_its_table(random):
    """A symbol's share is `E[id] W_xh + b_h`."""
    E, W, b = (random.standard_normal(shape) for shape in [(4, 5), (2, 5, 7), (2, 7)])
    layer = {"W_xh": W, "b_h": b}
    a, _ = Embedding(4, 5).project(IDS, {"E": E}, layer, Buffers(), Buffers())
    expected = np.einsum("tbv,vd,gdh->tgbh", np.eye(4)[IDS], E, W) + b[:, None]
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-13)


def test_one_hot_symbols_pick_rows(random):
    """A symbol's share is `one_hot(id) W_xh + b_h`."""
    W, b = random.standard_normal((2, 4, 7)), random.standard_normal((2, 7))
    a, _ = OneHot(4).project(IDS, {}, {"W_xh": W, "b_h": b}, Buffers(), Buffers())
    expected = np.einsum("tbv,gvh->tgbh", np.eye(4)[IDS], W) + b[:, None]
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-14)


def test_embed_picks_rows(random):
    """The embedding of a symbol is its row of E."""
    E = random.standard_normal((4, 5))
    x, _ = embed(IDS, E)
    assert np.array_equal(x, np.eye(4)[IDS] @ E)


def test_sums_by_symbol_are_the_product_with_one_hot_vectors(random):
    """Rows are added up by their symbol; a symbol that does not occur has zeros."""
    da = random.standard_normal((2, IDS.size, 3))
    out = np.full((2, 5, 3), np.nan)
    sums_by_symbol(IDS, da, out)
    expected = np.einsum("nv,gnh->gvh", np.eye(5)[IDS.ravel()], da)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-14)
    assert not out[:, [2, 4]].any()


def test_affine_is_a_product(random):
    """`y = x W + b`."""
    x, W, b = (random.standard_normal(shape) for shape in [(3, 4), (4, 5), (5,)])
    expected = np.einsum("nh,hv->nv", x, W) + b
    y, _ = affine(x, {"W_hy": W, "b_y": b}, Buffers())
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_zeroes_a_share_and_scales_the_rest(random, rate):
    """A share `rate` becomes zero; what stays is divided by `1 - rate`."""
    x = random.uniform(1, 2, (50, 40, 100))
    out, _ = dropout(x, rate, random, Buffers())
    kept = out != 0
    standard_deviation = (rate * (1 - rate) / x.size) ** 0.5
    assert abs(1 - kept.mean() - rate) < 4 * standard_deviation
    np.testing.assert_allclose(out[kept], x[kept] / (1 - rate), rtol=1e-4)


def test_dropout_keeps_the_mean(random):
    """In the mean over masks, dropout changes nothing."""
    x = np.full((100, 100, 20), 3.0)
    out, _ = dropout(x, 0.3, random, Buffers())
    standard_error = 3 * (0.3 / 0.7 / x.size) ** 0.5
    assert abs(out.mean() - 3) < 4 * standard_error


def test_dropout_of_nothing_changes_nothing(random):
    """At rate 0 the output is the input."""
    x = random.standard_normal((2, 3, 4))
    out, _ = dropout(x, 0.0, random, Buffers())
    assert np.array_equal(out, x)


def test_dropout_masks_follow_the_generator():
    """Equal seeds give equal masks, other seeds others, and one generator never twice the same."""
    x = np.ones((4, 5, 6))

    def masks(seed):
        random = np.random.default_rng(seed)
        return [dropout(x, 0.5, random, Buffers())[0] for _ in range(2)]

    (first, second), (again, _), (other, _) = masks(1), masks(1), masks(2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_cell_without_a_bias_of_the_input_gets_none(random):
    """Where there is no `b_h`, dense and one-hot input are the product alone."""
    x, W = random.standard_normal((2, 3, 5)), random.standard_normal((4, 5, 7))
    a, _ = project(x, {"W_xh": W}, Buffers(), Buffers())
    np.testing.assert_allclose(a, np.einsum("tbd,gdh->tgbh", x, W), rtol=0, atol=1e-14)
    a, _ = OneHot(5).project(IDS, {}, {"W_xh": W}, Buffers(), Buffers())
    expected = np.einsum("tbv,gvh->tgbh", np.eye(5)[IDS], W)
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-14)


def test_dropout_is_differentiated_once(random):
    """The gradient of dropout uses up the mask, so a second call is refused."""
    _, backward = dropout(np.ones((2, 3)), 0.5, random, Buffers())
    backward(np.ones((2, 3)))
    with pytest.raises(RuntimeError, match="second time"):
        backward(np.ones((2, 3)))
