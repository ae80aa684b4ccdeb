"""Attention: values against an oracle, gradients against differences, padding that never acts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from attention_subject import ALLOWED, BY_QUERY, KINDS, LENGTHS, B, K, Q, S, States, Subject, T
from planting import planted
from subjects import failing, max_error

from charnn.errors import ConfigError
from charnn.nn.attention import Attention, attentional_parameters
from charnn.nn.buffers import Buffers
from charnn.nn.parameters import Gradients, Parameters, count, formula, shapes_of
from charnn.registry import ATTENTIONS

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
masks = pytest.mark.parametrize("allowed", ALLOWED)
garbage = pytest.mark.parametrize("rubbish", [1e30, -1e30, math.inf, math.nan])


def test_every_score_is_examined():
    """The registry names nothing that this file does not know."""
    assert {name for name, _ in KINDS} == set(ATTENTIONS)


@kinds
@masks
def test_attention_is_its_definition(kind, allowed):
    """Contexts and weights by the equations, number by number."""
    subject = Subject.random(kind, allowed)
    context, alpha, _ = subject.run()
    expected_context, expected_alpha = subject.expected()
    assert max_error(context, expected_context) < 1e-12
    assert max_error(alpha, expected_alpha) < 1e-12
    assert not alpha[expected_alpha == 0].any()


@kinds
@masks
def test_gradients(kind, allowed):
    """Every coordinate of queries, keys and parameters, unequal lengths, one of them 1."""
    assert failing(Subject.random(kind, allowed).comparisons()) == set()


@kinds
@pytest.mark.parametrize("allowed", ["by length", "by query"])
@garbage
def test_garbage_in_the_padding_changes_no_bit(kind, allowed, rubbish):
    """Contexts, weights and all gradients are the same bits, in float64 and in float32."""
    for subject in (Subject.random(kind, allowed), Subject.random(kind, allowed).in_float32()):
        context, alpha, gradients = subject.run()
        assert context.dtype == alpha.dtype == subject.keys.dtype
        other_context, other_alpha, other_gradients = subject.with_garbage(rubbish).run()
        assert np.array_equal(other_context, context)
        assert np.array_equal(other_alpha, alpha)
        for name, gradient in gradients.items():
            assert np.array_equal(other_gradients[name], gradient), name
            assert np.isfinite(gradient).all()


@kinds
@pytest.mark.parametrize("allowed", ["by length", "by query"])
def test_keys_that_nobody_sees_have_no_gradient(kind, allowed):
    """The gradient of padding is exactly 0, and that of all other keys is not."""
    subject = Subject.random(kind, allowed)
    d_keys = subject.run()[2]["keys"]
    assert not d_keys[~subject.readable()].any()
    assert d_keys[subject.readable()].all()


@kinds
@masks
def test_more_padding_changes_nothing(kind, allowed):
    """Results and gradients to 1e-12, with five more keys behind the ends."""
    subject = Subject.random(kind, allowed)
    context, alpha, gradients = subject.run()
    more_context, more_alpha, more_gradients = subject.padded(5).run()
    assert max_error(more_context, context) < 1e-12
    assert max_error(more_alpha[..., :S], alpha) < 1e-12
    assert not more_alpha[..., S:].any()
    assert not more_gradients["keys"][S:].any()
    more_gradients["keys"] = more_gradients["keys"][:S]
    for name, gradient in gradients.items():
        assert max_error(more_gradients[name], gradient) < 1e-12, name


@kinds
def test_one_sequence_alone_is_the_same(kind):
    """Attention over one sequence, cut to its length, is its share of the batch's."""
    subject = Subject.random(kind)
    context, _, gradients = subject.run()
    context, d_keys = context.copy(), gradients["keys"].copy()
    for b, length in enumerate(LENGTHS):
        alone = Subject(
            subject.attention,
            subject.queries[:, [b]],
            subject.keys[:length, [b]],
            None,
            subject.weights,
            subject.d_context[:, [b]],
        )
        alone_context, _, alone_gradients = alone.run()
        assert max_error(alone_context, context[:, [b]]) < 1e-12
        assert max_error(alone_gradients["keys"], d_keys[:length, [b]]) < 1e-12


@kinds
def test_a_later_key_changes_no_earlier_context(kind):
    """Where queries may look back only, what is to come changes no bit of what is there."""
    subject = Subject.random(kind, "by query")
    before = subject.run()[0][0].copy()
    later = ~BY_QUERY[:, 0].T  # (S, B): what the first queries may not look at
    subject.keys[later] = 100.0
    assert np.array_equal(subject.run()[0][0], before)


@kinds
def test_huge_scores_do_not_overflow(kind):
    """Weights are a distribution, also where the exponential of a score would be infinite."""
    subject = Subject.random(kind).in_float32()
    subject.queries *= 1e4
    context, alpha, gradients = subject.run()
    np.testing.assert_allclose(alpha.sum(axis=-1), 1, rtol=1e-5)
    assert all(np.isfinite(x).all() for x in (context, *gradients.values()))


@kinds
def test_arguments_are_left_alone(kind):
    """Neither direction writes to what it is given, and gradients are added."""
    subject = Subject.random(kind)
    before = [x.copy() for x in (subject.queries, subject.keys, subject.d_context)]
    weights = {name: weight.copy() for name, weight in subject.weights.items()}
    gradients = {name: np.ones_like(weight) for name, weight in weights.items()}
    _, _, backward = subject.attention.attend(
        subject.queries, subject.keys, subject.allowed, subject.weights, Buffers()
    )
    backward(subject.d_context, Gradients(gradients))
    after = (subject.queries, subject.keys, subject.d_context)
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    assert all(np.array_equal(weights[name], subject.weights[name]) for name in weights)
    expected = subject.run()[2]
    for name, gradient in gradients.items():
        assert max_error(gradient, 1 + expected[name]) < 1e-12
    with pytest.raises(RuntimeError, match="second time"):
        backward(subject.d_context, Gradients(gradients))


@kinds
def test_buffers_of_another_shape_can_be_used_again(kind):
    """A batch of other lengths in the same memory has its own results."""
    buffers = Buffers()
    subject = Subject.random(kind)
    for other in (subject.padded(3), subject, subject.padded(1)):
        gradients = {name: np.zeros_like(weight) for name, weight in other.weights.items()}
        context, _, backward = other.attention.attend(
            other.queries, other.keys, other.allowed, other.weights, buffers
        )
        d_queries, d_keys = backward(other.d_context, Gradients(gradients))
        expected_context, _, expected = other.run()
        assert np.array_equal(context, expected_context)
        for name, gradient in {"queries": d_queries, "keys": d_keys, **gradients}.items():
            assert np.array_equal(gradient, expected[name]), name


class TestPrepared:
    """Attention for one step after the other."""

    @kinds
    @pytest.mark.parametrize("allowed", ["all", "by length"])
    def test_it_equals_attention_over_all_steps(self, kind, allowed):
        """Each step's contexts and weights, which later steps do not overwrite."""
        subject = Subject.random(kind, allowed)
        context, alpha, _ = subject.run()
        step = subject.attention.prepared(subject.keys, subject.allowed, subject.weights)
        steps = [step(queries) for queries in subject.queries]
        for t, (context_t, alpha_t) in enumerate(steps):
            assert max_error(context_t, context[t]) < 1e-12
            assert max_error(alpha_t, alpha[:, t]) < 1e-12

    @kinds
    @garbage
    def test_garbage_changes_no_bit(self, kind, rubbish):
        """What stands behind the ends is not read."""
        subject = Subject.random(kind)
        contexts = []
        for keys in (subject.keys, subject.with_garbage(rubbish).keys):
            step = subject.attention.prepared(keys, subject.allowed, subject.weights)
            contexts.append(step(subject.queries[0])[0])
        assert np.array_equal(*contexts)

    @kinds
    @pytest.mark.parametrize("allowed", ["all", "by length"])
    def test_rows_can_be_repeated_and_left_out(self, kind, allowed):
        """What is taken answers like the rows that it was taken from."""
        subject = Subject.random(kind, allowed)
        rows = np.array([2, 2, 0, 2])
        whole = subject.attention.prepared(subject.keys, subject.allowed, subject.weights)
        context, alpha = whole(subject.queries[0])
        taken_context, taken_alpha = whole.take(rows)(subject.queries[0, rows])
        assert max_error(taken_context, context[rows]) < 1e-12
        assert max_error(taken_alpha, alpha[rows]) < 1e-12


class TestDeclarations:
    """Parameters, names and what is refused."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("dot", {}),
            ("general", {"W_a": (Q, K)}),
            ("additive", {"W_q": (Q, Q), "W_k": (K, Q), "v_a": (Q,)}),
        ],
    )
    def test_shapes(self, name, expected):
        """The parameters of each score by name."""
        attention = ATTENTIONS[name](Q, K if expected else Q)
        assert shapes_of(attention.parameters()) == expected
        started = Parameters.started(attention.parameters(), np.random.default_rng(1))
        assert all(0 < np.abs(started[name]).max() < 1.5 for name in started)

    @pytest.mark.parametrize(
        ("name", "expected"), [("general", "H K"), ("additive", "H^2 + H K + H")]
    )
    def test_formulas(self, name, expected):
        """The number of parameters, as `info` shows it."""
        specs = ATTENTIONS[name](Q, K).parameters()
        assert formula(specs) == expected
        text = expected.replace("^", "**").replace("H K", "H*K")
        assert eval(text, {"H": Q, "K": K}) == count(shapes_of(specs))  # noqa: S307

    def test_formula_of_attentional_states(self):
        """The matrix that sees context and state is as tall as both together."""
        specs = attentional_parameters(Q, K)
        assert shapes_of(specs) == {"W_c": (K + Q, Q)}
        assert formula(specs) == "H (K + H)"

    @pytest.mark.parametrize("key_size", [7, 3])
    def test_dot_refuses_sizes_that_do_not_fit(self, key_size):
        """A key that is no multiple of the query is refused in a sentence."""
        with pytest.raises(ConfigError, match=f"query of 5 units by a key of {key_size}, which"):
            ATTENTIONS["dot"](5, key_size)

    def test_every_score_says_what_it_is(self):
        """A title and an equation, for the tables."""
        for name in ATTENTIONS:
            assert ATTENTIONS[name].title
            assert ATTENTIONS[name].equation.startswith("e_ts = ")


class TestAttentionalStates:
    """`h~ = tanh([context; h] W_c)`."""

    def test_definition(self):
        """The product with the two, one behind the other, number by number."""
        states = States.random()
        out, _ = states.run()
        context, h, W_c = (states.arrays[name] for name in ("context", "h", "W_c"))
        for t, b in np.ndindex(T, B):
            both = [*context[t, b], *h[t, b]]
            for j in range(Q):
                expected = math.tanh(sum(x * W_c[i, j] for i, x in enumerate(both)))
                assert abs(out[t, b, j] - expected) < 1e-14

    def test_gradients(self):
        """Every coordinate of contexts, states and W_c."""
        assert failing(States.random().comparisons()) == set()


ATTENTION, SCORES = "charnn.nn.attention", "charnn.nn.attention_scores"
DOT, TWO, GENERAL, ADDITIVE = ("dot", Q), ("dot", 2 * Q), ("general", K), ("additive", K)
FAULTS = {
    "softmax gradient without the mean": (
        ATTENTION,
        'd_scores -= np.einsum("bts,bts->bt", alpha, d_scores)[..., None]',
        "pass",
        DOT,
        "queries",
    ),
    "softmax gradient without alpha": (ATTENTION, "d_scores *= alpha", "pass", DOT, "queries"),
    "keys without their role as values": (
        ATTENTION,
        "np.matmul(alpha.swapaxes(1, 2), d_rows, out=d_keys.swapaxes(0, 1))",
        "d_keys[...] = 0",
        DOT,
        "keys",
    ),
    "keys without their role as keys": (
        ATTENTION,
        "backward_project(d_projected, d_keys, gradients)",
        "pass",
        DOT,
        "keys",
    ),
    "attention on padding": (ATTENTION, "where=~by_query", "where=False", DOT, "values"),
    "attention on padding alone": (ATTENTION, "where=~by_query", "where=by_query", DOT, "values"),
    "padding is read": (
        ATTENTION,
        "clean[~(allowed if allowed.ndim == 2 else allowed.any(axis=1)).T] = 0",
        "pass",
        GENERAL,
        "garbage",
    ),
    "a query's weights summed over the batch": (
        ATTENTION,
        "scores.sum(axis=-1, keepdims=True)",
        "scores.sum(axis=0, keepdims=True)",
        DOT,
        "values",
    ),
    "one direction in the score": (
        SCORES,
        "np.sum(keys.reshape(S, B, K // Q, Q), axis=2, out=projected)",
        "projected[...] = keys[..., :Q]",
        TWO,
        "values",
    ),
    "one direction's gradient": (SCORES, "d_parts += ", "d_parts[:, :, :1] += ", TWO, "keys"),
    "general: keys without W_a": (
        SCORES,
        'd_keys += times(d_projected, W_a, "d_keys by p", buffers)',
        "pass",
        GENERAL,
        "keys",
    ),
    "general: W_a of the contexts": (
        SCORES,
        "np.matmul(d_p.T, k, out=out)",
        "np.matmul(d_p.T, d_keys.reshape(k.shape), out=out)",
        GENERAL,
        "W_a",
    ),
    "additive: keys without W_k": (
        SCORES,
        'd_keys += times(d_projected, W_k.T, "d_keys by p", buffers)',
        "pass",
        ADDITIVE,
        "keys",
    ),
    "additive: tanh' dropped": (SCORES, "np.multiply(u, u, out=u)", "u[...] = 0", ADDITIVE, "W_q"),
    "additive: tanh' without the square": (
        SCORES,
        "np.multiply(u, u, out=u)",
        "pass",
        ADDITIVE,
        "W_k",
    ),
    "additive: v_a dropped": (SCORES, "out *= v_a", "pass", ADDITIVE, "queries"),
    "additive: v_a after tanh'": (
        SCORES,
        'gradients.add("v_a", lambda dv: np.matmul(d_rows, rows(u), out=dv))',
        'gradients.add("v_a", lambda dv: np.matmul(d_rows, 1 - rows(u) ** 2, out=dv))',
        ADDITIVE,
        "v_a",
    ),
}


def problems(subject):
    """Return what is wrong: gradients by name, `values`, and `garbage` where it acts."""
    found = failing(subject.comparisons())
    context, alpha, gradients = subject.run()
    expected_context, expected_alpha = subject.expected()
    if max(max_error(context, expected_context), max_error(alpha, expected_alpha)) > 1e-12:
        found.add("values")
    for name, gradient in subject.with_garbage(math.nan).run()[2].items():
        if not np.array_equal(gradient, gradients[name]):
            found.add("garbage")
    return found


@kinds
def test_without_a_fault_there_is_no_problem(kind):
    """Nothing is reported on what is examined below as it is."""
    assert problems(Subject.random(kind)) == set()


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(name, tmp_path, monkeypatch):
    """The examination reports the planted fault, where it shows."""
    module, right, wrong, kind, shows_in = FAULTS[name]
    copy = planted(module, right, wrong, tmp_path, monkeypatch)
    if module == ATTENTION:
        monkeypatch.setattr(Attention, "attend", copy.Attention.attend)
    subject = Subject.random(kind, scores=copy if module == SCORES else None)
    assert shows_in in problems(subject)


@pytest.mark.parametrize(
    ("right", "wrong", "shows_in"),
    [
        ("tanh_derivative(out, out=da)", "da[...] = 1", "W_c"),
        ("np.matmul(rows(h).T, rows(da), out=dW[K:])", "dW[K:] = 0", "W_c"),
        ("times(da, W_c[:K].T", "times(d_out, W_c[:K].T", "context"),
        ("times(da, W_c[K:].T", "times(d_out, W_c[K:].T", "h"),
    ],
)
def test_a_planted_fault_of_attentional_states_is_caught(
    right, wrong, shows_in, tmp_path, monkeypatch
):
    """The check of gradients reports the fault, in the array where it shows."""
    module = planted(ATTENTION, right, wrong, tmp_path, monkeypatch)
    assert shows_in in failing(States.random().comparisons(module))
