"""The language model against the naive one, its invariances, and what it does when trained."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference import REFERENCES, language_model

from charnn.config import ModelConfig, TrainingConfig
from charnn.models import stack as module
from charnn.models.adoption import adopt_weights
from charnn.models.language_model import LanguageModel, parameter_shapes
from charnn.nn.buffers import Buffers
from charnn.nn.optimizers import Adam
from charnn.nn.parameters import SYMBOLS, count
from charnn.text.batches import Batch

V = 11
SIZES = [(1, None), (3, 4)]  # layers, embedding
SIZE_IDS = ["one layer", "three layers, embedding"]


@pytest.fixture(params=SIZES, ids=SIZE_IDS)
def config(request, cell_options):
    """Return small models: each cell with one to three layers, one-hot and embedded."""
    num_layers, embedding_size = request.param
    return ModelConfig(
        **cell_options,
        hidden_size=7,
        num_layers=num_layers,
        embedding_size=embedding_size,
        dropout=0.0,
    )


def random_model(config, dtype=np.float64, seed=1):
    """Return a model all of whose parameters, biases too, are random."""
    model = LanguageModel.initialized(config, V, seed, dtype)
    random = np.random.default_rng(seed)
    model.parameters.flat[:] = 0.4 * random.standard_normal(model.parameters.flat.shape)
    return model


def random_states(model, B, seed=2):
    """Return random initial states."""
    random = np.random.default_rng(seed)
    states = model.zero_states(B)
    for state in flat(states):
        state[...] = random.standard_normal(state.shape)
    return states


def random_ids(T, B, seed=3):
    """Return inputs and targets (T, B) of a random text: a target is the input that follows."""
    ids = np.random.default_rng(seed).integers(0, V, (T + 1, B))
    return ids[:-1], ids[1:]


def flat(states):
    """Return the states of all layers as one list of arrays."""
    return [state for layer in states for state in layer]


def assert_close(actual, expected, tolerance=1e-12):
    """Compare the states of two models."""
    for one, other in zip(flat(actual), flat(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def test_loss_is_the_naive_loss(kind, config):
    """The mean loss and the final states are those of one-hot products and `-log softmax`."""
    model = random_model(config)
    (inputs, targets), states = random_ids(5, 3), random_states(model, 3)
    loss, final, _ = model.loss(Batch(inputs, targets), states)
    expected, expected_final = language_model(
        REFERENCES[kind].step, model.parameters, inputs, targets, states
    )
    assert loss == pytest.approx(expected.mean(), rel=0, abs=1e-12)
    assert_close(final, expected_final)


def test_dropout_is_on_the_output_of_each_layer(kind, config, monkeypatch):
    """Masks lie between the layers and before the output, and not on what a layer carries on."""
    config = ModelConfig(**{**vars(config), "dropout": 0.25})
    model = random_model(config)
    (inputs, targets), states = random_ids(5, 3), random_states(model, 3)
    masks = np.random.default_rng(4).uniform(0, 2, (config.num_layers, 5, 3, 7))
    unused = iter(masks)

    def known_dropout(x, rate, *_):
        assert rate == 0.25
        return x * next(unused), None

    monkeypatch.setattr(module, "dropout", known_dropout)
    loss, final, _ = model.loss(Batch(inputs, targets), states, random=np.random.default_rng(0))
    expected, expected_final = language_model(
        REFERENCES[kind].step, model.parameters, inputs, targets, states, masks
    )
    assert loss == pytest.approx(expected.mean(), rel=0, abs=1e-12)
    assert_close(final, expected_final)


def test_dropout_is_off_without_a_generator(cell_options):
    """Without `random` a model with dropout computes what the same model without it does."""
    with_dropout = random_model(ModelConfig(**cell_options, hidden_size=7, dropout=0.5))
    without = random_model(ModelConfig(**cell_options, hidden_size=7, dropout=0.0))
    inputs, targets = random_ids(5, 3)
    states = without.zero_states(3)
    expected = without.loss(Batch(inputs, targets), states)[0]
    assert with_dropout.loss(Batch(inputs, targets), states)[0] == expected
    random = np.random.default_rng(1)
    assert with_dropout.loss(Batch(inputs, targets), states, random=random)[0] != expected
    assert without.loss(Batch(inputs, targets), states, random=random)[0] == expected


def test_sequence_equals_its_chunks(config):
    """Logits and final states of a window are those of its parts with carried states."""
    model = random_model(config)
    (ids, _), states = random_ids(12, 3), random_states(model, 3)
    expected, expected_final, _ = model.logits(ids, states)
    logits = []
    for part in np.split(ids, (5, 6, 10)):
        part_logits, states, _ = model.logits(part, states)
        logits.append(part_logits)
    np.testing.assert_allclose(np.concatenate(logits), expected, rtol=0, atol=1e-12)
    assert_close(states, expected_final)


def test_streams_are_independent(config):
    """A stream has the same logits alone as in a batch."""
    model = random_model(config)
    (ids, _), states = random_ids(6, 4), random_states(model, 4)
    expected = model.logits(ids, states)[0].reshape(6, 4, V)
    for b in range(4):
        row = slice(b, b + 1)
        own = [tuple(state[row] for state in layer) for layer in states]
        alone, _, _ = model.logits(ids[:, row], own)
        np.testing.assert_allclose(alone, expected[:, b], rtol=0, atol=1e-12)


def test_buffers_change_nothing(config):
    """Windows of several shapes in shared buffers have the bits of windows in fresh ones."""
    model = random_model(config, np.float32)
    buffers = Buffers()
    for T, B in [(5, 3), (7, 2), (2, 3), (5, 3)]:
        (inputs, targets), states = random_ids(T, B, seed=T), random_states(model, B)
        results = []
        for memory in (None, buffers):
            gradients = model.parameters.zeros_like()
            loss, final, backward = model.loss(Batch(inputs, targets), states, buffers=memory)
            d_states = backward(gradients)
            results.append([np.array(loss), gradients.flat, *flat(final), *flat(d_states)])
        assert all(map(np.array_equal, *results))


def test_carried_states_outlive_the_buffers(config):
    """The states handed on are copies: the next window in the same buffers leaves them alone."""
    model, buffers = random_model(config), Buffers()
    _, final, _ = model.logits(random_ids(5, 3)[0], model.zero_states(3), buffers=buffers)
    before = [state.copy() for state in flat(final)]
    model.logits(random_ids(5, 3, seed=9)[0], final, buffers=buffers)
    assert all(map(np.array_equal, flat(final), before))


def test_gradients_are_added(config):
    """`backward` adds to what is there: two calls for a batch give twice the gradient."""
    model, batch = random_model(config), Batch(*random_ids(5, 3))
    states = random_states(model, 3)
    once, twice = model.parameters.zeros_like(), model.parameters.zeros_like()
    model.loss(batch, states)[2](once)
    for _ in range(2):
        model.loss(batch, states)[2](twice)
    np.testing.assert_allclose(twice.flat, 2 * once.flat, rtol=1e-12, atol=1e-15)


def test_backward_is_refused_twice(config):
    """A second call of a loss's `backward` raises instead of returning other gradients."""
    model = random_model(config)
    _, _, backward = model.loss(Batch(*random_ids(5, 3)), model.zero_states(3))
    backward(model.parameters.zeros_like())
    with pytest.raises(RuntimeError, match="second time"):
        backward(model.parameters.zeros_like())


class RecordingBuffers(Buffers):
    """Buffers that note the types they were asked for."""

    def __init__(self, pages=None, dtypes=None):
        super().__init__(pages)
        self.dtypes = set() if dtypes is None else dtypes

    def child(self, name):
        """Return a scope that notes its types, too."""
        return self._children.setdefault(name, RecordingBuffers(self._pages, self.dtypes))

    def array(self, name, shape, dtype):
        """Note the type."""
        self.dtypes.add(np.dtype(dtype))
        return super().array(name, shape, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_type_everywhere(config, dtype):
    """Parameters, states, scratch, logits and gradients all stay in the model's type."""
    config = ModelConfig(**{**vars(config), "dropout": 0.3})
    model, buffers = LanguageModel.initialized(config, V, 1, dtype), RecordingBuffers()
    random = np.random.default_rng(1)
    inputs, targets = random_ids(5, 3)
    initial = model.zero_states(3)
    logits, final, _ = model.logits(inputs, initial, random=random, buffers=buffers)
    _, _, backward = model.loss(Batch(inputs, targets), final, random=random, buffers=buffers)
    gradients = model.parameters.zeros_like()
    d_states = backward(gradients)
    states = flat(initial) + flat(final) + flat(d_states)
    arrays = [model.parameters.flat, logits, gradients.flat, *states]
    assert {array.dtype for array in arrays} | buffers.dtypes == {np.dtype(dtype)}


@pytest.mark.parametrize(("num_layers", "embedding_size"), SIZES, ids=SIZE_IDS)
def test_first_loss_is_ln_v(cell_options, num_layers, embedding_size):
    """A fresh model finds all symbols about equally likely: its loss is ln V within 5%."""
    config = ModelConfig(
        **cell_options,
        hidden_size=128,
        num_layers=num_layers,
        embedding_size=embedding_size,
    )
    model = LanguageModel.initialized(config, 65, 1)
    ids = np.random.default_rng(1).integers(0, 65, (65, 16))
    loss, _, _ = model.loss(Batch(ids[:-1], ids[1:]), model.zero_states(16))
    assert loss == pytest.approx(math.log(65), rel=0.05)


def test_one_batch_can_be_memorised(cell_options):
    """At most 300 updates of Adam bring the loss on one batch of random text below 0.05."""
    config = ModelConfig(**cell_options, hidden_size=24)
    model = LanguageModel.initialized(config, V, 1)
    inputs, targets = random_ids(10, 4)
    inputs[0] = range(4)  # streams that begin alike could not be told apart
    states, gradients = model.zero_states(4), model.parameters.zeros_like()
    adam = Adam.fresh(TrainingConfig(), gradients.flat.size, gradients.flat.dtype)
    losses = []
    for t in range(1, 301):
        loss, _, backward = model.loss(Batch(inputs, targets), states)
        losses.append(loss)
        gradients.flat[:] = 0
        backward(gradients)
        adam.update(model.parameters.flat, gradients.flat, 0.01, t)
        if loss < 0.05:
            break
    assert losses[-1] < 0.05


@pytest.mark.parametrize(("num_layers", "embedding_size"), SIZES, ids=SIZE_IDS)
def test_parameter_count_is_the_textbooks(kind, cell_options, num_layers, embedding_size):
    """Each layer has its cell's number of weights, the output H V + V, an embedding V D."""
    H = 12
    config = ModelConfig(
        **cell_options, hidden_size=H, num_layers=num_layers, embedding_size=embedding_size
    )
    in_cell = REFERENCES[kind].count
    expected = in_cell(embedding_size or V, H) + (num_layers - 1) * in_cell(H, H) + H * V + V
    if embedding_size is not None:
        expected += V * embedding_size
    assert count(parameter_shapes(config, V)) == expected


def test_parameter_shapes_of_a_small_lstm():
    """Names and shapes, in their order: gates in front, the first layer reads one-hot vectors."""
    shapes = parameter_shapes(ModelConfig(cell="lstm", hidden_size=3, num_layers=2), 5)
    assert list(shapes.items()) == [
        ("layer1/W_xh", (4, 5, 3)),
        ("layer1/W_hh", (4, 3, 3)),
        ("layer1/b_h", (4, 3)),
        ("layer2/W_xh", (4, 3, 3)),
        ("layer2/W_hh", (4, 3, 3)),
        ("layer2/b_h", (4, 3)),
        ("W_hy", (3, 5)),
        ("b_y", (5,)),
    ]


def test_parameter_shapes_of_an_embedding():
    """The embedding comes first, and the first layer reads its width."""
    config = ModelConfig(cell="gru", gru_reset="after", hidden_size=3, embedding_size=2)
    shapes = parameter_shapes(config, 5)
    assert list(shapes) == [
        "E", "layer1/W_xh", "layer1/W_hh", "layer1/b_h", "layer1/b_hn", "W_hy", "b_y"
    ]  # fmt: skip
    assert shapes["E"] == (5, 2)
    assert shapes["layer1/W_xh"] == (3, 2, 3)


def test_state_shapes_name_the_states(config):
    """`state_shapes` lists the arrays of `zero_states` in their order, layer by layer."""
    model = random_model(config)
    shapes = model.stack.state_shapes(3)
    states = flat(model.zero_states(3))
    assert list(shapes.values()) == [state.shape for state in states] == [(3, 7)] * len(states)
    assert list(shapes) == [
        f"layer{number}/{state}"
        for number in range(1, config.num_layers + 1)
        for state in model.cell.states
    ]
    assert not any(state.any() for state in states)


def test_equal_seeds_give_equal_models(config):
    """The seed alone decides how a model starts."""
    one, same, other = (LanguageModel.initialized(config, V, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.parameters.flat, same.parameters.flat)
    assert not np.array_equal(one.parameters.flat, other.parameters.flat)


@pytest.mark.parametrize("recurrent_init", ["orthogonal", "glorot"])
def test_recurrent_weights_start_as_asked(config, recurrent_init):
    """`recurrent_init` decides whether each gate's weights from the state start orthogonal."""
    config = ModelConfig(**{**vars(config), "recurrent_init": recurrent_init})
    model = LanguageModel.initialized(config, V, 1, np.float64)
    for name in (name for name in model.parameters if name.endswith("/W_hh")):
        for W in model.parameters[name]:
            is_orthogonal = np.allclose(W.T @ W, np.eye(7), rtol=0, atol=1e-12)
            assert is_orthogonal == (recurrent_init == "orthogonal")


@pytest.mark.parametrize("embedding_size", [None, 5])
def test_initial_weights_are_scaled_as_asked(config, embedding_size):
    """`init_scale` is a factor of every weight, but not of biases, gains and embeddings."""
    ones, small = (
        LanguageModel.initialized(
            ModelConfig(**{**vars(config), "embedding_size": embedding_size, "init_scale": scale}),
            V,
            1,
            np.float64,
        )
        for scale in (1.0, 0.25)
    )
    for name, spec in ones.specs.items():
        factor = 0.25 if spec.decays and name != "E" else 1.0
        assert np.array_equal(small.parameters[name], factor * ones.parameters[name]), name


def test_biases_and_gains_start_neutral(config):
    """What does not decay starts at 0 or, as the forget gate's bias, at 1; gains near 1.

    A gate's gains start alike: at 1, or lower where the first loss would else be above ln V.
    """
    model = LanguageModel.initialized(config, V, 1)
    for name, spec in model.specs.items():
        array = model.parameters[name]
        if "gain" in spec.meaning:
            assert (array == array[..., :1]).all()
            assert ((array >= 0.5) & (array <= 1)).all()
        elif not spec.decays and spec.axes[0].name == "G":
            forget = [gate == "f" for gate in model.cell.gates]
            assert (array[forget] == 1).all()
            assert not np.delete(array, np.flatnonzero(forget), axis=0).any()
        elif not spec.decays or "cell state" in spec.meaning:
            assert not array.any()
        else:
            assert array.all()


def test_forget_bias_is_an_option():
    """An LSTM's forget gate starts with the bias asked for, in each layer."""
    config = ModelConfig(cell="lstm", hidden_size=3, num_layers=2, forget_bias=2.5)
    model = LanguageModel.initialized(config, V, 1)
    for number in (1, 2):
        assert model.parameters[f"layer{number}/b_h"].sum(axis=1).tolist() == [0, 7.5, 0, 0]


@pytest.fixture(params=[None, 4], ids=["one-hot", "embedding"])
def old_and_new(request, cell_options):
    """Return a model, and one with another vocabulary and other weights."""
    config = ModelConfig(**cell_options, hidden_size=7, num_layers=2, embedding_size=request.param)
    return (
        random_model(config),
        LanguageModel.initialized(config, V + 2, seed=8, dtype=np.float64),
    )


def test_adopted_weights_belong_to_the_symbol(old_and_new):
    """Over a text of shared symbols, the new model's scores of these are the old model's."""
    old, new = old_and_new
    symbols = {12: 0, 0: 3, 5: 4, 7: 10}  # new id -> old id
    adopt_weights(new, old, {SYMBOLS: symbols})
    text = np.random.default_rng(1).choice(list(symbols), (6, 2))
    translated = np.vectorize(symbols.get)(text)
    new_logits, _, _ = new.logits(text, new.zero_states(2))
    old_logits, _, _ = old.logits(translated, old.zero_states(2))
    np.testing.assert_allclose(
        new_logits[:, list(symbols)], old_logits[:, list(symbols.values())], rtol=0, atol=1e-12
    )


def test_unknown_symbols_keep_their_weights(old_and_new):
    """A symbol that the source lacks keeps its input row and output column, the rest is copied."""
    old, new = old_and_new
    before = new.parameters.astype(np.float64)
    adopt_weights(new, old, {SYMBOLS: {id_: id_ for id_ in range(V)}})
    own_symbols = slice(V, None)
    assert np.array_equal(new.parameters["W_hy"][:, own_symbols], before["W_hy"][:, own_symbols])
    assert np.array_equal(new.parameters["b_y"][own_symbols], before["b_y"][own_symbols])
    if "E" in before:
        assert np.array_equal(new.parameters["E"][own_symbols], before["E"][own_symbols])
        assert np.array_equal(new.parameters["layer1/W_xh"], old.parameters["layer1/W_xh"])
    else:
        rows = np.s_[:, own_symbols]
        assert np.array_equal(new.parameters["layer1/W_xh"][rows], before["layer1/W_xh"][rows])
    for name, spec in new.specs.items():
        if spec.symbol_axis is None:
            assert np.array_equal(new.parameters[name], old.parameters[name]), name


def test_no_shared_symbol(old_and_new):
    """Vocabularies with nothing in common share what does not belong to a symbol."""
    old, new = old_and_new
    before = new.parameters.astype(np.float64)
    adopt_weights(new, old, {SYMBOLS: {}})
    assert np.array_equal(new.parameters["W_hy"], before["W_hy"])
    assert np.array_equal(new.parameters["layer2/W_xh"], old.parameters["layer2/W_xh"])
