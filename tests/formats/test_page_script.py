"""The script of a page, run in Node, against NumPy with the same rounded weights."""

from __future__ import annotations

import codecs
from typing import Any

import numpy as np
import pytest
from page_models import (
    KINDS,
    LETTERS,
    MODELS,
    TIED,
    V,
    greedy,
    job,
    key,
    logits_of,
    random_checkpoint,
)
from pages import NODE, results_of

from charnn.formats.page_file import CELLS, MODEL_SCRIPTS, joined
from charnn.formats.page_weights import rounded
from charnn.generation.sampling import distribution, draw, encode_prime
from charnn.models.stepper import Stepper
from charnn.text.vocabulary import Vocabulary

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed; apt install nodejs")

TOLERANCE = 1e-5  # against NumPy's float32
EXACT = 1e-10  # against NumPy's float64, which is what JavaScript computes with
IDS = np.random.default_rng(2).integers(0, V, 200)
FAULTS: list[tuple[str, dict[str, Any], str, str]] = [  # name, model, right, wrong
    (
        "gates in another order",
        {"cell": "lstm"},
        "i = sigmoid(a[j]), f = sigmoid(a[H + j]), o",
        "f = sigmoid(a[j]), i = sigmoid(a[H + j]), o",
    ),
    (
        "reset before for after",
        {"cell": "gru", "gru_reset": "after"},
        "step: stepGRUResetAfter",
        "step: stepGRU",
    ),
    (
        "no epsilon",
        {"cell": "layernorm-lstm"},
        "variance / v.length + EPSILON",
        "variance / v.length",
    ),
    (
        "no bias of the output",
        {"cell": "rnn"},
        "this.logits.set(this.b_y)",
        "this.logits.fill(0)",
    ),
    (
        "o without its peephole",
        {"cell": "peephole-lstm"},
        "W.p_o[j] * c[j]",
        "0",
    ),
    (
        "a row less",
        {"cell": "rnn"},
        "for (; k < rows; k++)",
        "for (; k < rows - 1; k++)",
    ),
    (
        "an upper layer that reads the lowest",
        {"cell": "gru", "num_layers": 3},
        "below = layer.h",
        "below = below ?? layer.h",
    ),
    (
        "an embedding that is not transposed",
        {"cell": "rnn", **TIED},
        "transposed(weights.E, this.V, H)",
        "weights.E",
    ),
    (
        "a key that is replaced at once",
        {"cell": "rnn", "attention": "general"},
        "place[0] = (place[0] + 1) % span",
        "place[0] = 0",
    ),
]
PRIME, LENGTH = "bad\n", 120
OPTIONS = {"prime": PRIME, "length": LENGTH}
ODD = Vocabulary("\n ab\u0301\ud800\U0001d518\U0001f600", unknown=True)
PRIMES = ["a\U0001f600b", "x\U0001d518\u00e9x\U0001f601", "\ud800 a"]
LONG = np.random.default_rng(3).integers(0, V, 34_000).tolist()
EDITS = [LONG[:3], LONG[:1], [], LONG[:200], [*LONG[:150], 4, 5], LONG[:150], [*LONG[:149], 0]]


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Run all jobs of this module at once."""
    source = joined(MODEL_SCRIPTS)
    scripts, jobs = {}, {}
    for model in MODELS:
        jobs[key(model)] = job(random_checkpoint(**model[1]), model[0], ids=IDS.tolist())
    for name, options, right, wrong in FAULTS:
        assert source.count(right) == 1, name
        scripts[name] = source.replace(right, wrong)
        jobs[name] = job(random_checkpoint(**options), ids=IDS.tolist()) | {"script": name}
    for kind in KINDS:
        write = OPTIONS | {"temperature": 0, "seed": 1}
        jobs[f"greedy {kind}"] = job(random_checkpoint(**kind, num_layers=2), write=write)
    checkpoint = random_checkpoint()
    for name, seed in (("one", 5), ("one again", 5), ("other", 6)):
        write = OPTIONS | {"temperature": 0.7, "topK": 4, "seed": seed}
        jobs[name] = job(checkpoint, write=write)
    jobs["uniform"] = {"uniform": 20_000, "seed": 5}
    jobs["halves"] = {"numbers": [*range(0x7C00), *range(0x8000, 0xFC00)]}
    jobs["cells"] = {"cells": True}
    for number, prime in enumerate(PRIMES):
        write = {"prime": prime, "length": 60, "temperature": 1, "seed": 1}
        jobs[f"odd {number}"] = job(random_checkpoint(ODD), write=write)
    of_bytes = random_checkpoint(Vocabulary.of_bytes(), tokens="bytes")
    write = {"prime": "\u00e9\U0001f600", "length": 900, "temperature": 1, "seed": 3}
    jobs["bytes"] = job(of_bytes, write=write)
    jobs["byte names"] = job(of_bytes, names=[10, 32, 65, 128, 160, 255])
    jobs["names"] = job(random_checkpoint(ODD), names=list(range(len(ODD))))
    jobs["edits"] = job(checkpoint, edits=EDITS)
    jobs["typed"] = job(checkpoint, edits=[LONG[:n] for n in range(1, 300)])
    jobs["long"] = job(checkpoint, edits=[LONG, LONG[:-1]])
    jobs["read once"] = job(checkpoint, edits=[LONG[:-1]])
    for number, (temperature, top_k, logits) in enumerate(DISTRIBUTIONS):
        wanted = {"logits": logits, "temperature": temperature, "topK": top_k}
        jobs[f"distribution {number}"] = job(checkpoint, distribution=wanted)
    return results_of(jobs, scripts)


TIES = [0.0, 2.0, 2.0, -1.0, 2.0, 0.5, 0.5, 0.5, -3.0, 1.0, 2.0]
DISTRIBUTIONS: list[tuple[float, int | None, list[float]]] = [
    (1.0, None, TIES),
    (0.0, None, TIES),
    (0.5, 3, TIES),
    (2.0, 7, TIES),
    (1.0, 50, TIES),
    (1e-300, None, TIES),
    (0.01, 2, [x * 1e4 for x in TIES]),
]


@pytest.mark.parametrize("model", MODELS, ids=key)
def test_logits(model: tuple[str, dict[str, Any]], results: dict[str, Any]) -> None:
    """For 200 symbols they are NumPy's, for every cell, form, number of layers and input."""
    found = np.array(results[key(model)])
    single, double = logits_of(random_checkpoint(**model[1]), model[0], IDS)
    assert found.shape == (len(IDS), V)
    assert np.abs(found).max() > 0.1
    assert np.abs(found - single).max() < TOLERANCE
    assert np.abs(found - double).max() < EXACT


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
def test_planted_faults_are_caught(
    fault: tuple[str, dict[str, Any], str, str], results: dict[str, Any]
) -> None:
    """The comparison is not blind (a test of the test)."""
    found = np.array(results[fault[0]], dtype=float)  # what is no number has become None
    _, double = logits_of(random_checkpoint(**fault[1]), "float16", IDS)
    assert not np.abs(found - double).max() < 100 * EXACT


def test_every_cell_is_there(results: dict[str, Any]) -> None:
    """The script and the writer know the registry's cells in all their forms."""
    forms = ["-".join(kind.values()) for kind in KINDS]
    assert results["cells"] == list(CELLS) == forms


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_temperature_0(kind: dict[str, Any], results: dict[str, Any]) -> None:
    """The likeliest symbols, one after the other, are those that NumPy writes."""
    checkpoint = random_checkpoint(**kind, num_layers=2)
    assert results[f"greedy {kind}"]["ids"] == greedy(checkpoint, PRIME, LENGTH)


def test_sampling_is_numpys(results: dict[str, Any]) -> None:
    """With the same random numbers, temperature and top k, NumPy draws the same symbols."""
    model = rounded(random_checkpoint(), "float16").model
    stepper = Stepper(model, 1)
    logits = stepper.read(encode_prime(LETTERS, PRIME)[:, None])
    ours = []
    for uniform in results["uniform"][:LENGTH]:
        (symbol,) = draw(distribution(logits, 0.7, 4), np.array([uniform]))
        ours.append(int(symbol))
        logits = stepper.step(np.array([symbol]))
    assert results["one"]["ids"] == ours
    assert len(set(ours)) > 4


def test_seeds(results: dict[str, Any]) -> None:
    """Equal seeds write equal texts, other seeds others; the numbers are spread evenly."""
    assert results["one"] == results["one again"]
    assert results["one"]["ids"] != results["other"]["ids"]
    numbers = np.array(results["uniform"])
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    assert 0 <= numbers.min() < numbers.max() < 1
    assert np.abs(counts / 1000 - 1).max() < 0.15
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03


@pytest.mark.parametrize("number", range(len(DISTRIBUTIONS)))
def test_distributions(number: int, results: dict[str, Any]) -> None:
    """Temperature and top k give NumPy's distribution, also among equal logits."""
    temperature, top_k, logits = DISTRIBUTIONS[number]
    (ours,) = distribution(np.array([logits]), temperature, top_k)
    assert np.allclose(results[f"distribution {number}"], ours, rtol=1e-12, atol=1e-300)


def test_halves(results: dict[str, Any]) -> None:
    """Every finite float16 is read as NumPy reads it, subnormal numbers too."""
    bits = np.array([*range(0x7C00), *range(0x8000, 0xFC00)], np.uint16)
    assert np.array_equal(results["halves"], bits.view(np.float16).astype(float))


@pytest.mark.parametrize("number", range(len(PRIMES)))
def test_code_points(number: int, results: dict[str, Any]) -> None:
    """Characters beyond U+FFFF are one symbol; what is unknown is read as that, and never drawn."""
    prime, found = PRIMES[number], results[f"odd {number}"]
    assert found["strange"] == [c for c in dict.fromkeys(prime) if c not in ODD.symbols]
    assert found["text"] == ODD.decode(found["ids"])
    assert ODD.unknown_id not in found["ids"]
    assert "\U0001d518" in found["text"]
    checkpoint = random_checkpoint(ODD)
    stepper = Stepper(rounded(checkpoint, "float16").model, 1)
    logits = stepper.read(ODD.encode(prime)[:, None])
    logits[:, ODD.unknown_id] = -np.inf
    (first,) = draw(distribution(logits, 1), np.array([uniform_of(1)]))
    assert found["ids"][0] == first


def uniform_of(seed: int) -> float:
    """Return the first number that follows from a seed, transcribed from the generator's paper."""
    mask = 0xFFFFFFFF
    state = (seed + 0x6D2B79F5) & mask
    z = ((state ^ (state >> 15)) * (state | 1)) & mask
    z ^= (z + (((z ^ (z >> 7)) * (z | 61)) & mask)) & mask
    return (z ^ (z >> 14)) / 2**32


def test_bytes(results: dict[str, Any]) -> None:
    """Bytes are decoded as they come: characters when they are complete, others replaced."""
    found = results["bytes"]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    assert found["text"] == decoder.decode(bytes(found["ids"]))
    assert found["strange"] == []
    assert "\ufffd" in found["text"]


def test_names(results: dict[str, Any]) -> None:
    """What cannot be seen has a name."""
    assert results["byte names"] == ["newline", "space", "A", "byte 80", "byte a0", "byte ff"]
    expected = ["newline", "space", "a", "b", "\u25cc\u0301", "U+d800", "\U0001d518", "\U0001f600"]
    assert results["names"] == [*expected, "unknown"]


def test_edits_lose_nothing(results: dict[str, Any]) -> None:
    """After each edit of a text, logits and units are those of the text as it stands."""
    checkpoint = random_checkpoint()
    model = rounded(checkpoint, "float16").model
    for ids, found in zip(EDITS, results["edits"]["found"], strict=True):
        if not ids:
            assert found == {"logits": [0] * V, "units": []}
            continue
        symbols = np.array(ids)[:, None]
        h, _, _ = model.hidden(symbols, model.zero_states(1))
        assert np.abs(np.array(found["units"]) - h[:, 0, 2]).max() < TOLERANCE
        _, double = logits_of(checkpoint, "float16", np.array(ids))
        assert np.abs(np.array(found["logits"]) - double[-1]).max() < EXACT


def test_nothing_is_read_twice(results: dict[str, Any]) -> None:
    """A text that grows is read once; after an edit far behind, little is read again."""
    assert results["typed"]["read"] == 299
    assert results["long"]["read"] < len(LONG) + 2 * 64 + 2
    last = results["long"]["found"][-1]
    assert last["logits"] == results["read once"]["found"][0]["logits"]
    assert last["units"][:-4096] == [None] * (len(LONG) - 1 - 4096)
