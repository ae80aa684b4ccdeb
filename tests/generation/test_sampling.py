"""Sampling: the distribution, the draw, whole texts, streams, and where they stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from charnn.arrays import Array
from charnn.config import ModelConfig, SamplingConfig
from charnn.generation import sampling
from charnn.generation.sampling import (
    distribution,
    draw,
    encode_prime,
    first_symbol,
    sample,
    sample_ids,
    stream,
    until,
)
from charnn.models.language_model import LanguageModel
from charnn.models.stepper import Stepper
from charnn.text.vocabulary import Vocabulary

LETTERS = Vocabulary.from_text("\n abcdefghij")
BYTES = Vocabulary.of_bytes()
FOREIGN = "\u00e9"
careful = settings(derandomize=True, deadline=None, max_examples=60)

rows = st.lists(st.floats(-30, 30), min_size=1, max_size=12)
shares = st.floats(1e-3, 1)


def make_model(vocabulary: Vocabulary, **options: Any) -> LanguageModel:
    """Return an untrained model whose symbols are far from equally likely."""
    config = ModelConfig(**{"hidden_size": 7, "cell": "gru"} | options)
    model = LanguageModel.initialized(config, len(vocabulary), 3)
    model.parameters.flat[:] *= 3
    return model


def certain_model(vocabulary: Vocabulary, text: str) -> LanguageModel:
    """Return a model that says a text of different characters round and round, for certain."""
    model = LanguageModel.initialized(
        ModelConfig(cell="rnn", hidden_size=len(vocabulary)), len(vocabulary), 1
    )
    model.parameters.flat[:] = 0
    ids = vocabulary.encode(text).astype(int)
    model.parameters["layer1/W_xh"][0] = np.eye(len(vocabulary)) * 20
    for now, after in zip(ids, np.roll(ids, -1), strict=True):
        model.parameters["W_hy"][now, after] = 100
    return model


def options_of(**values: Any) -> SamplingConfig:
    """Return sampling options: 40 characters with seed 1, unless said otherwise."""
    return SamplingConfig(**{"length": 40, "seed": 1} | values)


def softmax(logits: Iterable[float], temperature: float = 1.0) -> Array:
    """Return the softmax of one row, computed plainly."""
    y = np.exp((np.array(logits, np.float64) - max(logits)) / temperature)
    return y / y.sum()


# The distribution.


@given(rows, st.floats(0.05, 20))
@careful
def test_the_distribution_is_a_softmax(logits: list[float], temperature: float) -> None:
    """Without a cut it is `softmax(logits / temperature)`, and sums to one."""
    (y,) = distribution(np.array([logits]), temperature)
    assert y == pytest.approx(softmax(logits, temperature), abs=1e-12)
    assert y.sum() == pytest.approx(1, abs=1e-12)
    assert y.dtype == np.float64


@given(
    rows,
    st.sampled_from([0, 1e-300, 1e-3, 0.5, 1, 7, 1e300]),
    st.none() | st.integers(1, 15),
    st.none() | shares,
)
@careful
def test_whatever_the_cut_a_distribution_sums_to_one(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    """No temperature and no cut leaves NaN, a negative share, or nothing to draw."""
    for row in distribution(np.array([logits, logits[::-1]]), temperature, top_k, top_p):
        assert row.sum() == pytest.approx(1, abs=1e-12)
        assert (row >= 0).all()
        assert row.max() > 0


@given(st.lists(st.integers(-30, 30), min_size=1, max_size=12))
@careful
@example([0, 0, 0])
@example([1, 3, 3])
def test_temperature_zero_takes_the_likeliest(logits: list[int]) -> None:
    """All is put on one symbol, the first of the likeliest."""
    (y,) = distribution(np.array([logits]), 0)
    expected = np.zeros(len(logits))
    expected[int(np.argmax(logits))] = 1
    assert y.tolist() == expected.tolist()


def test_temperature_zero_sees_the_smallest_difference() -> None:
    """Logits whose exponentials are the same number are told apart."""
    assert distribution(np.array([[0.0, 1e-20, -1.0]]), 0).tolist() == [[0, 1, 0]]


def test_temperature_zero_suits_a_large_vocabulary() -> None:
    """It takes no more memory than the distribution itself."""
    logits = np.zeros((2, 1_000_000), np.float32)
    logits[:, -1] = 1
    assert distribution(logits, 0).argmax(axis=1).tolist() == [999_999, 999_999]


@pytest.mark.parametrize("temperature", [1e-6, 1e-300, 5e-324])
def test_a_tiny_temperature_is_all_but_greedy(temperature: float) -> None:
    """A temperature close to zero divides by almost nothing, and is no NaN."""
    (y,) = distribution(np.array([[1.0, 3.0, 2.0]]), temperature)
    assert y.tolist() == [0, 1, 0]
    (tied,) = distribution(np.array([[3.0, 3.0, 2.0]]), temperature)
    assert tied.tolist() == [0.5, 0.5, 0]


def test_a_huge_temperature_makes_all_symbols_equal() -> None:
    """The hotter, the more even."""
    (y,) = distribution(np.array([[0.0, 50.0, -50.0]]), 1e300)
    assert y == pytest.approx([1 / 3] * 3)


def test_large_logits_do_not_overflow() -> None:
    """Only differences of logits count, even beyond what exp can hold."""
    (y,) = distribution(np.array([[1e38, 1e38, -1e38]], np.float32), 1.0)
    assert y.tolist() == [0.5, 0.5, 0.0]


@given(rows, st.integers(1, 15))
@careful
@example([1.0, 1.0, 1.0, 1.0], 2)
def test_top_k_keeps_k_of_the_likeliest(logits: list[float], k: int) -> None:
    """Exactly k symbols remain, none of them less likely than one cut; their odds stay."""
    y = softmax(logits)
    (cut,) = distribution(np.array([logits]), 1.0, top_k=k)
    kept = cut > 0
    assert kept.sum() == min(k, len(logits))
    assert y[kept].min() >= y[~kept].max(initial=0) - 1e-15
    assert cut[kept] == pytest.approx(y[kept] / y[kept].sum(), rel=1e-9)


@given(rows, shares)
@careful
def test_top_p_keeps_the_smallest_set(logits: list[float], p: float) -> None:
    """What remains holds the share; without its least likely symbol it would not."""
    y = softmax(logits)
    (cut,) = distribution(np.array([logits]), 1.0, top_p=p)
    kept = cut > 0
    share, least = y[kept].sum(), y[kept].min()
    assume(abs(share - least - p) > 1e-9)
    assert share >= p - 1e-9
    assert share - least < p
    assert least >= y[~kept].max(initial=0) - 1e-15
    assert cut[kept] == pytest.approx(y[kept] / y[kept].sum(), rel=1e-9)


def test_top_p_at_its_borders() -> None:
    """A share met exactly is enough; a tiny one keeps one symbol, and 1 keeps them all."""
    logits = np.log(np.array([[0.25, 0.5, 0.125, 0.125]]))
    support = {
        p: np.flatnonzero(distribution(logits, 1.0, top_p=p)).tolist()
        for p in (1e-9, 0.49, 0.51, 0.74, 0.76, 1.0)
    }
    assert support == {
        1e-9: [1],
        0.49: [1],
        0.51: [0, 1],
        0.74: [0, 1],
        0.76: [0, 1, 2],
        1.0: [0, 1, 2, 3],
    }
    (even,) = distribution(np.zeros((1, 4)), 1.0, top_p=0.5)
    assert even.tolist() == [0.5, 0.5, 0, 0]


def test_top_p_cuts_what_top_k_left() -> None:
    """With both, the share is of the k likeliest."""
    logits = np.log(np.array([[0.4, 0.3, 0.2, 0.1]]))
    (y,) = distribution(logits, 1.0, top_k=2, top_p=0.6)
    assert y == pytest.approx([4 / 7, 3 / 7, 0, 0])
    (y,) = distribution(logits, 1.0, top_k=2, top_p=0.5)
    assert y.tolist() == [1, 0, 0, 0]


def test_rows_are_cut_one_by_one() -> None:
    """Each row of a batch has its own order."""
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]))
    y = distribution(logits, 1.0, top_k=1)
    assert y.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_the_logits_are_left_as_they_are() -> None:
    """The distribution is a new array."""
    logits = np.array([[1.0, 2.0, 3.0]])
    distribution(logits, 0.5, 2, 0.9)
    assert logits.tolist() == [[1.0, 2.0, 3.0]]


@given(
    st.lists(st.floats(-20, 20) | st.just(-np.inf), min_size=2, max_size=10),
    st.sampled_from([0, 1e-3, 1, 1e300]),
    st.none() | st.integers(1, 12),
    st.none() | shares,
)
@careful
def test_what_is_forbidden_has_no_share(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    """A logit of minus infinity is a probability of exactly zero, whatever the cut."""
    assume(max(logits) > -np.inf)
    (y,) = distribution(np.array([logits]), temperature, top_k, top_p)
    assert (y[np.isneginf(logits)] == 0).all()
    assert y.sum() == pytest.approx(1, abs=1e-12)


# The draw.


def test_draws_match_the_frequencies() -> None:
    """A hundred thousand draws are distributed as they should be (chi-squared, 4 degrees)."""
    y = np.array([0.5, 0.25, 0.0, 0.15, 0.07, 0.03])
    n = 100_000
    uniform = np.random.default_rng(8).random(n)
    counts = np.bincount(draw(np.broadcast_to(y, (n, 6)), uniform), minlength=6)
    assert counts[2] == 0
    expected = y[y > 0] * n
    assert ((counts[y > 0] - expected) ** 2 / expected).sum() < 18.5


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=10),
    st.floats(0, 1, exclude_max=True) | st.just(np.nextafter(1.0, 0)),
)
@careful
@example([0.0, 1.0, 0.0], 0.0)
@example([0.0, 1.0, 0.0], float(np.nextafter(1.0, 0)))
@example([1.0, 5e-324, 0.0], float(np.nextafter(1.0, 0)))
def test_what_has_no_share_is_never_drawn(shares: list[float], uniform: float) -> None:
    """Whatever the random number, zeros at the beginning, inside and at the end are passed."""
    total = sum(shares)
    assume(total > 0)
    y = np.array([shares]) / total
    assume(np.isfinite(y).all())
    (chosen,) = draw(y, np.array([uniform]))
    assert y[0, chosen] > 0


def test_a_draw_inverts_the_cumulative_sum() -> None:
    """The random number's place in the stacked shares decides."""
    y = np.array([[0.25, 0.5, 0.25]])
    numbers = [0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999]
    assert [int(draw(y, np.array([u]))[0]) for u in numbers] == [0, 0, 1, 1, 2, 2]
    both = draw(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0.3, 0.3]))
    assert both.tolist() == [0, 1]


def test_rounding_does_not_lose_the_last_symbol() -> None:
    """Shares whose sum falls short of one still cover every random number."""
    y = np.full((1, 10), 0.1)
    assert y.cumsum()[-1] < 1
    assert draw(y, np.array([np.nextafter(1.0, 0)])).tolist() == [9]


# Whole texts.


def test_the_same_seed_gives_the_same_text() -> None:
    """A text depends on its seed and on nothing else that is random."""
    model = make_model(LETTERS)
    texts = [sample(model, LETTERS, options_of(seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0][0]) == 40


def test_without_a_seed_texts_differ() -> None:
    """No seed means another text each time."""
    model = make_model(LETTERS)
    model.parameters.flat[:] = 0  # all symbols are equally likely
    texts = {sample(model, LETTERS, options_of(seed=None))[0] for _ in range(3)}
    assert len(texts) == 3


def test_several_samples_are_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """`num` texts are drawn side by side, and are different texts."""
    model = make_model(LETTERS)
    shapes = []
    original = Stepper.step

    def step(self: Stepper, ids: Array) -> Array:
        shapes.append(ids.shape)
        return original(self, ids)

    monkeypatch.setattr(Stepper, "step", step)
    texts = sample(model, LETTERS, options_of(num=5, prime="abc"))
    assert len(set(texts)) == 5
    assert {len(text) for text in texts} == {40}
    assert set(shapes) == {(5,)}


@pytest.mark.parametrize("vocabulary", [LETTERS, BYTES], ids=["characters", "bytes"])
@pytest.mark.parametrize("values", [{}, {"prime": "abc"}, {"stop": "a"}, {"top_k": 3}], ids=str)
def test_a_stream_is_a_sample(vocabulary: Vocabulary, values: dict[str, Any]) -> None:
    """Symbol by symbol or as a whole, the same seed gives the same bytes."""
    model = make_model(vocabulary)
    options = options_of(**values)
    assert b"".join(stream(model, vocabulary, options)) == sample(model, vocabulary, options)[0]


def test_a_stream_comes_as_it_is_made() -> None:
    """Each symbol is yielded before the next is computed; an endless text can be broken off."""
    model = make_model(LETTERS)
    endless = stream(model, LETTERS, options_of(length=None))
    pieces = list(islice(endless, 700))
    assert all(len(piece) == 1 for piece in pieces)
    assert b"".join(pieces[:40]) == sample(model, LETTERS, options_of())[0]


@pytest.mark.parametrize("vocabulary", [LETTERS, BYTES], ids=["characters", "bytes"])
def test_a_text_of_no_length_is_empty(vocabulary: Vocabulary) -> None:
    """Zero characters are none, also of several texts, with and without a stop."""
    model = make_model(vocabulary)
    assert sample(model, vocabulary, options_of(length=0, num=3)) == [b"", b"", b""]
    assert sample(model, vocabulary, options_of(length=0, stop="a")) == [b""]
    assert b"".join(stream(model, vocabulary, options_of(length=0))) == b""


def test_a_sample_has_the_length_asked_for() -> None:
    """The length counts characters, not bytes, and not the prime's."""
    vocabulary = Vocabulary("\u00e9\u20ac\U0001f600")
    model = make_model(vocabulary)
    (text,) = sample(model, vocabulary, options_of(length=50, prime="\u00e9" * 9))
    assert len(text.decode("utf-8")) == 50
    assert len(text) > 100


def test_a_greedy_text_follows_the_likeliest() -> None:
    """At temperature 0 the text is the model's first choice each time, whatever the seed."""
    model = make_model(LETTERS)
    ids = encode_prime(LETTERS, "abc").tolist()
    for _ in range(20):
        logits, _, _ = model.logits(np.array(ids)[:, None], model.zero_states(1))
        ids.append(int(logits[-1].argmax()))
    expected = LETTERS.to_bytes(ids[3:])
    for seed in (1, 2, None):
        options = options_of(length=20, temperature=0, prime="abc", seed=seed)
        assert sample(model, LETTERS, options) == [expected]


def test_a_text_is_drawn_from_the_models_own_output() -> None:
    """What was drawn is fed back: a model that knows a word for certain says it."""
    vocabulary = Vocabulary.from_text("worldly")
    model = certain_model(vocabulary, "world")
    assert sample(model, vocabulary, options_of(length=9, prime="w")) == [b"orldworld"]
    assert sample(model, vocabulary, options_of(length=4, prime="worl")) == [b"dwor"]


def test_the_prime_changes_the_text() -> None:
    """Another prime, another text: its last character counts, and those before it do."""
    model = make_model(LETTERS)
    texts = [sample(model, LETTERS, options_of(prime=prime))[0] for prime in ("aaa", "aaj", "jja")]
    assert len(set(texts)) == 3
    likely = [Stepper(model, 1).read(LETTERS.encode(prime)[:, None])[0] for prime in ("abj", "baj")]
    assert np.abs(likely[0] - likely[1]).max() > 1e-3


def test_a_long_prime_is_read_whole() -> None:
    """However long, the prime is read to its end, with the states carried."""
    model = make_model(LETTERS)
    ids = LETTERS.encode("abcdefghij" * 70)[:, None]
    whole, whole_states, _ = model.logits(ids, model.zero_states(1))
    stepper = Stepper(model, 1)
    assert stepper.read(ids) == pytest.approx(whole[-1:], abs=1e-5)
    assert stepper.states[0][0] == pytest.approx(whole_states[0][0], abs=1e-5)


def test_an_empty_prime_is_no_prime() -> None:
    """Nothing to read, or nothing that the model knows, means that there is no prime."""
    model = make_model(LETTERS)
    texts = [sample(model, LETTERS, options_of(prime=prime))[0] for prime in ("", FOREIGN * 3)]
    assert texts[0] == texts[1]


def test_a_text_starts_as_after_a_newline() -> None:
    """Without a prime, the first symbol is drawn as a line's first."""
    assert sample(make_model(LETTERS), LETTERS, options_of()) == sample(
        make_model(LETTERS), LETTERS, options_of(prime="\n")
    )
    assert first_symbol(LETTERS, np.random.default_rng(1)).tolist() == [0]


def test_without_a_newline_the_start_is_drawn() -> None:
    """A vocabulary that has no newline starts after any of its symbols, never the unknown one."""
    vocabulary = Vocabulary("abc", unknown=True)
    starts = {int(first_symbol(vocabulary, np.random.default_rng(n))[0]) for n in range(50)}
    assert starts == {0, 1, 2}
    (text,) = sample(make_model(vocabulary), vocabulary, options_of())
    assert len(text) == 40


def test_foreign_characters_of_a_prime_are_unknown_or_left_out() -> None:
    """A prime is read as far as the vocabulary can express it."""
    assert encode_prime(LETTERS, f"a{FOREIGN}b").tolist() == LETTERS.encode("ab").tolist()
    known = Vocabulary("ab", unknown=True)
    assert encode_prime(known, f"a{FOREIGN}b").tolist() == [0, 2, 1]
    assert encode_prime(BYTES, FOREIGN).tolist() == [0xC3, 0xA9]
    assert encode_prime(LETTERS, "").tolist() == []


@pytest.mark.parametrize("values", [{}, {"temperature": 0}, {"top_k": 2}, {"top_p": 0.5}], ids=str)
def test_the_unknown_symbol_is_never_drawn(values: dict[str, Any]) -> None:
    """Even where the model finds it the likeliest by far, a text has no unknown symbol."""
    vocabulary = Vocabulary("\nabc", unknown=True)
    model = make_model(vocabulary)
    model.parameters["b_y"][vocabulary.unknown_id] = 50
    texts = sample(model, vocabulary, options_of(num=4, length=100, prime="x", **values))
    assert not any("\N{REPLACEMENT CHARACTER}" in text.decode() for text in texts)
    assert {len(text) for text in texts} == {100}


def test_a_model_of_one_symbol_says_it() -> None:
    """The smallest vocabularies can be sampled."""
    for vocabulary in (Vocabulary("a"), Vocabulary("a", unknown=True)):
        options = options_of(length=5, top_p=0.1)
        assert sample(make_model(vocabulary), vocabulary, options) == [b"aaaaa"]


def test_a_model_of_bytes_gives_bytes() -> None:
    """Raw bytes come out, of which any may be drawn, one a symbol, in a stream as in a sample."""
    model = make_model(BYTES)
    (whole,) = sample(model, BYTES, options_of(length=300, temperature=3))
    pieces = list(stream(model, BYTES, options_of(length=300, temperature=3)))
    assert len(whole) == 300
    assert max(whole) > 0x7F
    assert [len(piece) for piece in pieces] == [1] * 300
    assert b"".join(pieces) == whole


def test_a_model_of_bytes_spells_characters() -> None:
    """Bytes that make up a character arrive one after the other."""
    model = certain_model(BYTES, "\u00e9\u20ac")
    options = options_of(length=10, prime="\u00e9\u20ac")
    assert sample(model, BYTES, options) == ["\u00e9\u20ac".encode() * 2]
    assert b"".join(stream(model, BYTES, options)) == "\u00e9\u20ac".encode() * 2


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("options", [{"num_layers": 2}, {"embedding_size": 3}], ids=str)
def test_states_are_carried_from_symbol_to_symbol(cell: str, options: dict[str, Any]) -> None:
    """Each symbol is drawn from what the model says of the whole text so far."""
    model = make_model(LETTERS, cell=cell, **options)
    text = LETTERS.encode("\n").tolist()
    random = np.random.default_rng(1)
    for ids in islice(sample_ids(model, LETTERS, options_of(), encode_prime(LETTERS, "\n")), 30):
        logits, _, _ = model.logits(np.array(text)[:, None], model.zero_states(1))
        expected = draw(distribution(logits[-1:], 1.0), random.random(1))
        assert ids.tolist() == expected.tolist()
        text.append(int(ids[0]))


# Where a text stops.


def test_the_stop_text_does_not_appear() -> None:
    """A text ends before its stop, and has it nowhere; unstopped it goes on with it."""
    model = make_model(LETTERS)
    (free,) = sample(model, LETTERS, options_of(length=400))
    for stop in (free[:1], free[7:9], free[100:103], free[-3:]):
        (stopped,) = sample(model, LETTERS, options_of(length=400, stop=stop.decode()))
        assert stopped == free[: free.index(stop)]
        assert stop not in stopped


def test_a_stop_may_be_a_byte_that_is_no_text() -> None:
    """A byte model stops at any byte; on the command line it arrives as a surrogate."""
    vocabulary = Vocabulary.of_bytes()
    model = make_model(vocabulary)
    (free,) = sample(model, vocabulary, options_of(length=400))
    stop = next(bytes([byte]) for byte in free if byte > 0xF5)
    options = options_of(length=400, stop=stop.decode("utf-8", "surrogateescape"))
    assert sample(model, vocabulary, options) == [free[: free.index(stop)]]


def test_a_stop_that_never_comes_changes_nothing() -> None:
    """The text held back in expectation of a stop is there at the end."""
    model = make_model(LETTERS)
    (free,) = sample(model, LETTERS, options_of())
    for stop in ("xyz", free[-2:].decode() + "x", free.decode() + "x"):
        assert sample(model, LETTERS, options_of(stop=stop)) == [free]
        assert b"".join(stream(model, LETTERS, options_of(stop=stop))) == free


def test_each_of_several_texts_stops_by_itself() -> None:
    """Texts of one batch end where each has its stop."""
    model = make_model(LETTERS)
    free = sample(model, LETTERS, options_of(num=6, length=200))
    stopped = sample(model, LETTERS, options_of(num=6, length=200, stop="a"))
    assert stopped == [text.split(b"a")[0] for text in free]
    assert len({len(text) for text in stopped}) > 1


def test_a_stop_may_be_any_character() -> None:
    """Stops of several bytes are found, in models of characters and of bytes."""
    vocabulary = Vocabulary.from_text("a\u20acb\U0001f600")
    model = certain_model(vocabulary, "ab\u20ac\U0001f600")
    options = options_of(length=9, prime="a", stop="\u20ac\U0001f600")
    assert sample(model, vocabulary, options) == [b"b"]
    options = options_of(length=9, prime="a", stop="\U0001f600")
    assert b"".join(stream(model, vocabulary, options)).decode() == "b\u20ac"
    model = certain_model(BYTES, "a\u20acb")
    options = options_of(length=9, prime="b", stop="\u20ac")
    assert sample(model, BYTES, options) == [b"a"]
    assert b"".join(stream(model, BYTES, options)) == b"a"


def test_a_possible_stop_is_held_back() -> None:
    """What could become the stop is shown only when it cannot any more."""
    shown = []

    def typed(text: bytes) -> Iterator[bytes]:
        for number in range(len(text)):
            shown.append(bytes(passed))
            yield text[number : number + 1]

    passed = bytearray()
    for piece in until(b"abc", typed(b"xababyabc!")):
        passed += piece
    assert bytes(passed) == b"xababy"
    assert shown == [
        b"",
        b"x",
        b"x",
        b"x",
        b"xab",
        b"xab",
        b"xababy",
        b"xababy",
        b"xababy",
    ]


def test_nothing_is_read_after_the_stop() -> None:
    """When the stop is complete, the next symbol is not even computed."""
    source = iter([b"a", b"s", b"t", b"never read"])
    assert b"".join(until(b"st", source)) == b"a"
    assert next(source) == b"never read"


@given(
    st.lists(st.binary(max_size=3).map(lambda raw: bytes(97 + byte % 2 for byte in raw))),
    st.text("ab", min_size=1, max_size=5).map(str.encode),
)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_until_is_a_cut_before_the_stop(pieces: list[bytes], stop: bytes) -> None:
    """In pieces of any size the result is the text up to the stop; no more is held than needed."""
    whole = b"".join(pieces)
    assert b"".join(until(stop, pieces)) == whole.split(stop)[0]
    read_so_far, given_so_far = bytearray(), bytearray()

    def counted() -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            held = len(read_so_far) + len(piece) - len(given_so_far)
            read_so_far.extend(piece)
            assert held < len(stop)

    for piece in until(stop, counted()):
        given_so_far += piece


@pytest.mark.parametrize("num", [1, 2, 5])
def test_batches_do_not_depend_on_the_threads(num: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large model's samples come in batches, by threads or at once: they are the same."""
    monkeypatch.setattr(sampling, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(sampling, "SIDE_BY_SIDE", 2)
    vocabulary = Vocabulary("abcd")
    model = make_model(vocabulary)
    model.parameters.flat[:] /= 30
    found = []
    for cores in (1, 3):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        found.append(sample(model, vocabulary, options_of(length=40, num=num, seed=3)))
    monkeypatch.setattr(LanguageModel, "gains_by_threads", False)
    found.append(sample(model, vocabulary, options_of(length=40, num=num, seed=3)))
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == num
    assert all(len(text) == 40 for text in found[0])


def test_an_error_in_a_batch_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one thread raises is raised, and no other goes on to its end."""
    monkeypatch.setattr(sampling, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(sampling, "SIDE_BY_SIDE", 1)
    vocabulary = Vocabulary("abcd")
    made = []

    def spoilt(*arguments: Any) -> Iterator[Array]:
        random = arguments[-1]
        for number in range(10**9):
            made.append(number)
            if number == 100:
                raise KeyboardInterrupt
            yield random.integers(0, 4, 1)

    monkeypatch.setattr(sampling, "sample_ids", spoilt)
    with pytest.raises(KeyboardInterrupt):
        sample(make_model(vocabulary), vocabulary, options_of(length=10**9, num=2))
