"""Heads: tied weights, and one distribution for a whole sequence."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.gradient_check import check_model
from charnn.models.heads import WholeSequence
from charnn.models.labelled_model import LabelledModel
from charnn.models.language_model import LanguageModel
from charnn.models.model import Model, Sizes
from charnn.models.transducer import Transducer
from charnn.nn.buffers import Buffers
from charnn.nn.central_differences import TOLERANCE, check_gradients
from charnn.nn.parameters import OUTPUTS, Axis, Gradients, Parameters
from charnn.text.batches import Batch

T, B, V, H, N = 4, 2, 5, 3, 6  # N: a transducer's source symbols, a labelled model's labels
KINDS: dict[str, tuple[type[Model], str, int]] = {  # with their scope, and their outputs
    "lm": (LanguageModel, "", V),
    "transduce": (Transducer, "decoder/", V + 1),
    "generate": (LabelledModel, "", V + 1),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def model_of(kind: str, tied: bool) -> Model:
    """Return a model with random weights in float64."""
    config = ModelConfig(
        cell="gru", hidden_size=H, embedding_size=H, dropout=0.0, attention=None, tie_weights=tied
    )
    sizes = Sizes(V, V) if kind == "lm" else Sizes(N, V)
    model = KINDS[kind][0].started(config, sizes, 1, np.float64)
    random = np.random.default_rng(1)
    model.parameters.flat[:] = 0.5 * random.standard_normal(model.parameters.flat.size)
    return model


def batch_of(kind: str) -> Batch:
    """Return a random batch."""
    random = np.random.default_rng(2)
    targets = random.integers(0, V, (T, B))
    if kind == "lm":
        return Batch(random.integers(0, V, (T, B)), targets)
    ends = np.array([T, 2])
    if kind == "generate":
        return Batch(random.integers(0, N, (1, B)), targets, target_lengths=ends)
    return Batch(random.integers(0, N, (3, B)), targets, np.array([1, 3]), target_lengths=ends)


def untied(kind: str, model: Model) -> Model:
    """Return a model with weights of its own at the output, of equal values: `W_hy = E^T`."""
    _, scope, outputs = KINDS[kind]
    other = model_of(kind, tied=False)
    for name, array in other.parameters.items():
        own = name == f"{scope}W_hy"
        array[...] = model.parameters[f"{scope}E"][:outputs].T if own else model.parameters[name]
    return other


def result(model: Model, batch: Batch) -> tuple[float, Parameters]:
    """Return a model's loss and gradients."""
    gradients = model.parameters.zeros_like()
    loss, _, backward = model.loss(batch, model.zero_states(B), smoothing=0.1)
    backward(gradients)
    return loss, gradients


@every_kind
def test_tied_weights_are_one_array(kind: str) -> None:
    """A model with tied weights has the parameters of one without, but for `W_hy`."""
    _, scope, outputs = KINDS[kind]
    one, other = (dict(model_of(kind, tied).parameters.shapes) for tied in (True, False))
    assert other.pop(f"{scope}W_hy") == (H, outputs)
    assert one == other


@every_kind
def test_tied_weights_are_equal_weights(kind: str) -> None:
    """The loss is that of an untied model whose `W_hy` is `E^T`, and E has both gradients.

    Rows of E beyond the outputs, which are only read, have the gradient of reading alone.
    """
    _, scope, outputs = KINDS[kind]
    model, batch = model_of(kind, tied=True), batch_of(kind)
    loss, gradients = result(model, batch)
    expected_loss, expected = result(untied(kind, model), batch)
    assert loss == pytest.approx(expected_loss, abs=1e-14)
    both = expected[f"{scope}E"].copy()
    both[:outputs] += expected[f"{scope}W_hy"].T
    for name, gradient in gradients.items():
        right = both if name == f"{scope}E" else expected[name]
        np.testing.assert_allclose(gradient, right, rtol=0, atol=1e-14, err_msg=name)
    assert np.abs(expected[f"{scope}W_hy"]).max() > 1e-3  # neither use is without a gradient
    assert np.abs(expected[f"{scope}E"][:outputs]).max() > 1e-3


@every_kind
def test_every_gradient_of_tied_weights(kind: str) -> None:
    """Every coordinate, the embedding's with both of its uses."""
    model = model_of(kind, tied=True)
    found = check_model(model, batch_of(kind), model.zero_states(B), smoothing=0.1)
    assert {c.name for c in found if not c.error < TOLERANCE} == set()


@every_kind
def test_sums_begin_anew_with_tied_weights(kind: str) -> None:
    """Cleared sums, as a run has them, hold what zeros would: neither use is lost."""
    model, batch = model_of(kind, tied=True), batch_of(kind)
    _, expected = result(model, batch)
    arrays = model.parameters.zeros_like()
    arrays.flat[:] = np.nan
    sums = Gradients(arrays)
    sums.clear()
    model.loss(batch, model.zero_states(B), smoothing=0.1)[2](sums)
    sums.settle()
    np.testing.assert_allclose(arrays.flat, expected.flat, rtol=0, atol=1e-15)


@pytest.fixture(params=[False, True], ids=["one direction", "both"])
def whole(request: pytest.FixtureRequest) -> tuple[WholeSequence, Parameters, Array]:
    """Return a head with random weights, and states (T, B, H) or (T, B, 2 H)."""
    random, width = np.random.default_rng(3), H * (1 + request.param)
    head = WholeSequence(H, width, Axis(OUTPUTS, N))
    parameters = Parameters.started(head.parameters(), random, np.float64)
    parameters.flat[:] = random.standard_normal(parameters.flat.size)
    return head, parameters, random.standard_normal((T, 3, width))


@pytest.mark.parametrize("lengths", [None, [4, 1, 3]], ids=["full", "padded"])
def test_a_sequence_has_one_distribution(
    whole: tuple[WholeSequence, Parameters, Array], lengths: list[int] | None
) -> None:
    """The summary is h at the end, and the other direction's at the beginning: loss and gradients.

    The gradient of h is that of differences, so it is 0 at all other steps and units.
    """
    head, W, h = whole
    classes = np.array([[2, 0, 5]])
    ends = None if lengths is None else np.array(lengths)
    batch = Batch(np.zeros((T, 3), int), classes, ends)

    def naive() -> float:
        total = 0.0
        for b, right in enumerate(classes[0]):
            end = T if lengths is None else lengths[b]
            summary = [*h[end - 1, b, :H], *h[0, b, H:]]
            z = [
                sum(s * w for s, w in zip(summary, W["W_hy"][:, k], strict=True)) + W["b_y"][k]
                for k in range(N)
            ]
            log_p = [z_k - np.log(np.exp(z).sum()) for z_k in z]
            total -= 0.9 * log_p[right] + 0.1 * float(np.mean(log_p))
        return float(total)

    gradients = W.zeros_like()
    loss, weight, backward = head.loss(W, h, batch, Buffers(), 0.1)
    assert loss == pytest.approx(naive(), abs=1e-12)
    assert weight == 3.0
    dh = backward(1.0, Gradients(gradients))
    found = check_gradients(naive, {**W, "h": h}, {**gradients, "h": dh})
    assert {c.name for c in found if not c.error < TOLERANCE} == set()
    half = W.zeros_like()
    again = head.loss(W, h, batch, Buffers(), 0.1)[2](0.5, Gradients(half))
    np.testing.assert_allclose(again, dh / 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(half.flat, gradients.flat / 2, rtol=0, atol=1e-15)
