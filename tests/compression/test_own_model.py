"""A model of one text: what it is trained on, how large it is, and that it ends in time."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from charnn.compression import own_model
from charnn.compression.model_size import (
    WIDTHS,
    expected_bits,
    expected_bytes,
    least_count,
    network_bits,
    weights_of,
    width_without_a_limit,
    with_width,
)
from charnn.compression.own_model import counted, encoded, text_of, train_on, vocabulary_of
from charnn.config import ModelConfig

ODD = "the tide 😀 goes\r\nout; ü".encode() + b"\xff\xfe \xf0\x9f" + "é".encode("latin-1") * 3


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Return a file that is no UTF-8."""
    path = tmp_path / "odd.bin"
    path.write_bytes(ODD)
    return path


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
def test_a_text_is_read_without_losing_a_byte(
    block: int, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever blocks end: inside a character, or inside what is none."""
    monkeypatch.setattr(own_model, "BLOCK", block)
    text = "".join(text_of(odd))
    assert text.encode("utf-8", "surrogateescape") == ODD
    counts = counted(odd)
    assert {chr(n): int(counts[n]) for n in np.flatnonzero(counts)} == Counter(text)


def test_rare_characters_have_no_symbol(odd: Path) -> None:
    """They become the unknown symbol, and the ids say so."""
    counts = counted(odd)
    text = "".join(text_of(odd))
    frequent = "".join(sorted(each for each, count in Counter(text).items() if count >= 3))
    vocabulary = vocabulary_of(counts, 3)
    assert (vocabulary.symbols, vocabulary.unknown) == (frequent, True)
    with encoded(odd, vocabulary, len(text)) as corpus:
        assert corpus.ids.tolist() == [
            vocabulary.symbols.index(each) if each in frequent else len(frequent) for each in text
        ]
        place = corpus.path
        assert place is not None
        assert place.exists()
        del corpus
    assert not place.exists()


def test_the_vocabulary_is_never_empty(odd: Path) -> None:
    """The most frequent characters stay, and without rare ones there is no unknown symbol."""
    counts = counted(odd)
    assert counts[ord(vocabulary_of(counts, 1_000).symbols[0])] == counts.max()
    assert not vocabulary_of(counts, 1).unknown


def test_larger_networks_and_longer_training_need_fewer_bits() -> None:
    """The rule of thumb falls in all of its arguments, and has its bounds."""
    assert network_bits(10_000, 1e6) > network_bits(100_000, 1e6) > network_bits(100_000, 1e7)
    assert network_bits(10**9, 1e12) > 1
    assert network_bits(100, 1) == 8
    assert expected_bits(10_000, 10**5, 1e6) > expected_bits(10_000, 10**6, 1e6)
    assert expected_bits(10_000, 10**7, 1e6) == expected_bits(10_000, 10**8, 1e6)
    assert expected_bits(10_000, 10**6, 1e6) < network_bits(10_000, 1e6)
    bits = expected_bits(1_000, 8_000, 1.0)
    assert expected_bytes(1_000, 8_000, 1.0) == pytest.approx(800 + 1_000 * bits)


@pytest.mark.parametrize(
    ("weights", "seen", "bits"),
    [(37_505, 4.1e6, 2.297), (107_713, 4.1e6, 2.002), (346_433, 6.1e6, 1.693)],
)
def test_the_rule_of_thumb_meets_measurements(weights: int, seen: float, bits: float) -> None:
    """Bits a character of networks alone that were trained on 1 MB of English plays."""
    assert network_bits(weights, seen) == pytest.approx(bits, abs=0.06)


@pytest.mark.parametrize(
    ("weights", "characters", "seen", "bits"),
    [
        (6_353, 10_000, 6e4, 3.121),
        (6_353, 100_000, 6e4, 2.503),
        (6_353, 1_115_394, 8.2e5, 2.201),
        (37_505, 1_115_394, 8.2e5, 2.163),
        (14_689, 1_115_394, 4.1e6, 2.156),
    ],
)
def test_it_meets_those_of_files(weights: int, characters: int, seen: float, bits: float) -> None:
    """Bits a character that were coded, of parts of the same text."""
    assert expected_bits(weights, characters, seen) == pytest.approx(bits, abs=0.06)


def test_longer_texts_get_wider_networks() -> None:
    """From the narrowest for some kilobytes to hundreds of units for tens of megabytes."""
    shares = np.zeros(0x110000, np.int64)
    shares[32:92] = 1
    config = ModelConfig(cell="lstm")
    widths = [width_without_a_limit(config, shares * n) for n in (50, 30_000, 200_000, 1_000_000)]
    assert widths[0] == WIDTHS[0]
    assert widths == sorted(set(widths))
    assert least_count(widths[0]) < least_count(widths[-1])


def test_weights_are_counted_by_hand() -> None:
    """An LSTM of H units and V symbols has 4 H (V + H + 1) + (H + 1) V weights."""
    assert weights_of(with_width(ModelConfig(), 48), 31) == 4 * 48 * (31 + 48 + 1) + 49 * 31


def test_training_ends_in_time(tmp_path: Path) -> None:
    """A second is planned, and made; what is told of the progress adds up to it."""
    path = tmp_path / "tide.txt"
    path.write_text("the tide goes out and the lamp stays lit; all night.\n" * 2_000, "utf-8")
    told: list[int] = []
    began = time.perf_counter()
    own = train_on(path, 1.0, advance=told.append)
    assert time.perf_counter() - began < 3
    assert own.updates >= 1
    assert own.passes == pytest.approx(own.updates * 1_024 / path.stat().st_size, rel=0.02)
    assert 0 <= sum(told) <= 1_000 * own.seconds
    assert own.model.vocab_size == len(own.vocabulary)


def test_a_slow_machine_makes_fewer_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If updates take longer than was measured, the end is drawn closer."""
    path = tmp_path / "tide.txt"
    path.write_text("the tide goes out and the lamp stays lit; all night.\n" * 2_000, "utf-8")
    monkeypatch.setattr(own_model.pace_of.__globals__["Pace"], "updates", lambda *_: 100_000)
    began = time.perf_counter()
    own = train_on(path, 1.0)
    assert time.perf_counter() - began < 3
    assert own.updates < 6_000


def test_few_passes_over_a_short_text(tmp_path: Path) -> None:
    """A short text does not take all the time that was given."""
    path = tmp_path / "short.txt"
    path.write_text("the tide goes out and the lamp stays lit.\n" * 30, "utf-8")
    own = train_on(path, 3_600.0)
    assert own.seconds < 20
    assert own.passes <= own_model.MOST_PASSES


@pytest.mark.parametrize("content", [b"", b"t"])
def test_nothing_to_predict(content: bytes, tmp_path: Path) -> None:
    """Two characters are the least that a model can learn from; else it stays untrained."""
    path = tmp_path / "short.txt"
    path.write_bytes(content)
    own = train_on(path, 1.0)
    assert (own.updates, own.passes) == (0, 0.0)
    assert own.model.vocab_size == len(own.vocabulary) == 1
