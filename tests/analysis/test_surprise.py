"""The surprise of each symbol, and the classes of errors: the same as naive Python finds."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from planted_module import planted

from charnn.analysis import error_classes, ngrams, surprise
from charnn.config import ModelConfig
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("\n 'abcde", unknown=True)
V = len(VOCABULARY)
KINDS = error_classes.KINDS
LEXICON = [
    *(
        "a",
        "bad",
        "cab",
        "bed",
        "ace",
        "cabbed",
        "added",
        "bead",
        "bade",
        "dad",
        "decade",
        "caddee",
    ),
    *("beaded", "abed", "cede", "deed", "baa", "dab", "ebb", "add", "babe", "aced", "dace", "bee"),
]


def drawn(size: int, seed: int) -> str:
    """Return a random text of short words, with an unknown symbol here and there."""
    random = np.random.default_rng(seed)
    p = [0.05, 0.2, 0.05, 0.3, 0.2, 0.1, 0.04, 0.03, 0.03]
    return "".join(random.choice(list("\n 'abcde?"), size, p=p))


def model_of(dtype: Any = np.float64, **options: Any) -> LanguageModel:
    """Return a small model whose distributions are far from even."""
    config = ModelConfig(**{"hidden_size": 5, "num_layers": 2, **options})
    model = LanguageModel.initialized(config, V, 3, dtype)
    model.parameters.flat[:] *= 2
    return model


def naive(model: LanguageModel, ids: Any) -> Any:
    """Return the distributions before each symbol but the first, one step after the other."""
    states, found = model.zero_states(1), []
    for now in ids[:-1]:
        logits, states, _ = model.logits(np.array([[now]]), states)
        y = np.exp(logits[0] - logits[0].max())
        found.append(y / y.sum())
    return np.array(found)


def bits_of(model: LanguageModel, ids: Any) -> Any:
    """Return all surprise as one array, with the pieces in the right places."""
    pieces = list(surprise.surprises(model, ids))
    ends = [start + len(bits) for start, bits in pieces]
    assert [start for start, _ in pieces] == [1, *ends[:-1]]
    return np.concatenate([bits for _, bits in pieces])


def test_all_cells(cell_options: dict[str, str]) -> None:
    """The surprise is -log2 of what a naive pass gives the symbol, for every cell and form."""
    model = model_of(**cell_options)
    ids = VOCABULARY.encode(drawn(150, 1))
    y = naive(model, ids)
    expected = -np.log2(y[np.arange(len(y)), ids[1:]])
    np.testing.assert_allclose(bits_of(model, ids), expected, rtol=1e-9)


@pytest.mark.parametrize("options", [{"embedding_size": 4}, {"attention": "dot"}])
def test_other_networks(options: dict[str, Any]) -> None:
    """Embeddings and attention are read, too."""
    model = model_of(**options)
    ids = VOCABULARY.encode(drawn(80, 1))
    y = naive(model, ids)
    expected = -np.log2(y[np.arange(len(y)), ids[1:]])
    np.testing.assert_allclose(bits_of(model, ids), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("chunk", "stream"), [(37, 10_000), (1000, 256), (600, 256), (1 << 19, 300)]
)
def test_chunks_and_streams(chunk: int, stream: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a text is cut, each symbol has its own surprise; a cell forgets what is far back."""
    model = model_of(cell="gru", num_layers=1)
    ids = VOCABULARY.encode(drawn(1_900, 1))
    whole = bits_of(model, ids)
    monkeypatch.setattr(surprise, "CHUNK", chunk)
    monkeypatch.setattr(surprise, "SHORTEST_STREAM", stream)
    np.testing.assert_allclose(bits_of(model, ids), whole, atol=1e-6)


def test_the_mean_is_the_loss() -> None:
    """The sum of the surprise is the loss that `charnn eval` gives."""
    model = model_of(np.float32)
    ids = VOCABULARY.encode(drawn(5_000, 1))
    told: list[int] = []
    found = surprise.read(model, VOCABULARY, ids, advance=told.append)
    assert found.bits == pytest.approx(evaluate(model, ids).nats / math.log(2), rel=1e-6)
    assert found.symbols == sum(told) == len(ids) - 1
    assert sum(kind.symbols for kind in found.kinds) == found.symbols
    assert sum(kind.bits for kind in found.kinds) == pytest.approx(found.bits)


@pytest.mark.parametrize("part", [(0, 9), (0, 0), (1, 2), (40, 47), (690, 900), (300, 420)])
def test_the_part_that_is_shown(part: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each symbol of a part is returned with the five likeliest, wherever chunks end."""
    monkeypatch.setattr(surprise, "CHUNK", 41)
    model = model_of()
    text = drawn(700, 1)
    ids = VOCABULARY.encode(text)
    y = naive(model, ids)
    found = surprise.read(model, VOCABULARY, ids, part=part)
    places = range(part[0], min(part[1], 700))
    assert [each.place for each in found.shown] == list(places)
    assert "".join(each.symbol for each in found.shown) == text[slice(*part)].replace("?", "\ufffd")
    for each in found.shown:
        if each.place == 0:
            assert (each.bits, each.kind, each.guesses) == (None, None, [])
            continue
        before = y[each.place - 1]
        assert each.bits == pytest.approx(-math.log2(before[ids[each.place]]), abs=1e-6)
        best = sorted(range(V), key=lambda at, p=before: -p[at])[:5]
        assert [s for s, _ in each.guesses] == [VOCABULARY.decode([at]) for at in best]
        assert [p for _, p in each.guesses] == pytest.approx([before[at] for at in best], abs=1e-6)


def test_the_most_surprising(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the worst of the whole text, the worst first, with what was likelier."""
    monkeypatch.setattr(surprise, "CHUNK", 41)
    model = model_of()
    ids = VOCABULARY.encode(drawn(300, 1))
    bits = bits_of(model, ids)
    found = surprise.read(model, VOCABULARY, ids).surprising
    assert [each.place for each in found] == (np.argsort(-bits)[:10] + 1).tolist()
    for each in found:
        assert each.bits == pytest.approx(bits[each.place - 1])
        assert max(p for _, p in each.guesses) > 2**-each.bits


# Classes of errors


def occurrences(piece: str, text: str) -> int:
    """Return how often a piece stands in a text; occurrences may overlap."""
    return sum(text.startswith(piece, at) for at in range(len(text) - len(piece) + 1))


def written(words: int, seed: int) -> str:
    """Return a text of words, some of them rare and some the beginning of others."""
    random = np.random.default_rng(seed)
    rank = np.arange(1, len(LEXICON) + 1)
    chosen = random.choice(LEXICON, words, p=1 / rank / (1 / rank).sum())
    ends = random.choice([" ", " ", " ", "\n", "? ", "'"], words)
    return "".join(word + end for word, end in zip(chosen, ends, strict=True))


def naive_kind(text: str, at: int, train: str | None, order: int) -> str:
    """Return the class of an error, by the definitions."""
    if train is not None:
        for k in range(min(order, at), 4, -1):
            context = text[at - k : at]
            if context in train:
                right, seen = occurrences(context + text[at], train), occurrences(context, train)
                if 2 * right > seen:
                    return "n-gram"
                break
        for word in re.finditer("[a-e]+", text):
            if word.start() <= at < word.end():
                same = re.findall(rf"(?<![a-e]){word[0]}(?![a-e])", train)
                if len(same) <= 5 or len(word[0]) > error_classes.LONGEST_WORD:
                    return "rare word"
    if text[at - 1] == "\n":
        return "after newline"
    if text[at].isalpha() and not text[at - 1].isalpha():
        return "word beginning"
    return "other"


def misjudged(module: ModuleType) -> int:
    """Return how many errors a module sorts into another class than the naive definitions do."""
    wrong = 0
    train = "dab " + written(260, 1)
    text = "dab" + drawn(60, 2) + train[500:560] + written(50, 3) + "babe"
    bits = np.random.default_rng(1).uniform(0, 4, len(text))
    ids = VOCABULARY.encode(text)
    for known, order in ((train, 9), (train, 5), (None, 9)):
        encoded = None if known is None else VOCABULARY.encode(known)
        sorter = module.ErrorSorter(VOCABULARY, encoded, order)
        for size in (len(text), 23):
            for start in range(1, len(text), size):
                part = bits[start : start + size]
                found = sorter.sort(ids, start, part)
                expected = [
                    naive_kind(text, start + n, known, order) if each > 1 else "expected"
                    for n, each in enumerate(part)
                ]
                wrong += sum(KINDS[a] != b for a, b in zip(found, expected, strict=True))
    return wrong


@pytest.mark.parametrize("block", [4, 1 << 16])
def test_classes(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each error is in the class of the definitions, wherever texts are cut."""
    monkeypatch.setattr(ngrams, "BLOCK", block)
    monkeypatch.setattr(error_classes, "LONGEST_WORD", 5)
    assert misjudged(error_classes) == 0


FAULTS = {
    "the shortest context": (
        "range(order, SHORTEST_CONTEXT - 1, -1)",
        "range(order, SHORTEST_CONTEXT, -1)",
    ),
    "a half is not more than half": ("(2 * right > seen)", "(2 * right >= seen)"),
    "shorter contexts decide": ("open_ones[decided] = False", "pass"),
    "context off by one": ("contexts[n] - n if n", "contexts[n] - n + 1 if n"),
    "rare up to four": ("<= RARE_COUNT\n", "< RARE_COUNT\n"),
    "all words are rare": ("rare[own] = often", "rare[own] |= often"),
    "a word's first letter": ("~letter[at - 1]", "letter[at - 1]"),
    "newlines themselves": ("piece[at - 1] == self._newline", "piece[at] == self._newline"),
    "certain symbols are errors": ("np.flatnonzero(bits > 1)", "np.flatnonzero(bits > 0.9)"),
    "too little before a part": (
        "max(0, start - max(LONGEST_WORD, self._order) - 1)",
        "max(0, start - 3)",
    ),
    "too little behind a part": ("start + len(bits) + LONGEST_WORD + 1", "start + len(bits)"),
    "no gap at the beginning": ("int(begin == 0 < end), GAP", "int(begin == 0 < end), 1"),
    "no gap at the end": ("len(self) - 1)), GAP", "len(self) - 1)), 1"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_caught(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each typical mistake sorts an error into another class."""
    module = planted(error_classes, FAULTS[name], tmp_path, monkeypatch)
    module.LONGEST_WORD = 5
    monkeypatch.setattr(error_classes, "LONGEST_WORD", 5)
    try:
        caught = misjudged(module) > 0
    except (IndexError, ValueError):
        caught = True
    assert caught


SURPRISE_FAULTS = {
    "natural logarithms": ("[: end - begin] / math.log(2)", "[: end - begin]"),
    "streams in another order": ("bits.T.reshape(-1)", "bits.reshape(-1)"),
    "one symbol late": ("ids[read_at + 1].reshape(-1)", "ids[read_at].reshape(-1)"),
    "no state before a stream": ("depth = WARM_UP if B > 1", "depth = 0 if B > 1"),
    "the text's beginning has a past": ("state[first == 0] = 0", "pass"),
}


@pytest.mark.parametrize("name", SURPRISE_FAULTS)
def test_planted_faults_of_the_surprise(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each typical mistake changes a symbol's surprise."""
    module = planted(surprise, SURPRISE_FAULTS[name], tmp_path, monkeypatch)
    module.SHORTEST_STREAM = 256
    monkeypatch.setattr(surprise, "SHORTEST_STREAM", 256)
    model = model_of()
    ids = VOCABULARY.encode(drawn(800, 1))
    y = naive(model, ids)
    expected = -np.log2(y[np.arange(len(y)), ids[1:]])
    for tried, caught in ((surprise, False), (module, True)):
        ((_, bits),) = tried.surprises(model, ids)
        assert (np.abs(bits - expected).max() > 1e-6) == caught


def test_bytes_and_a_vocabulary_without_newline() -> None:
    """Of bytes, those above 127 are letters; where there is no newline, nothing is after one."""
    vocabulary = Vocabulary.of_bytes()
    ids = vocabulary.encode("für é\n1a")
    sorter = error_classes.ErrorSorter(vocabulary, None, 9)
    kinds = [KINDS[kind] for kind in sorter.sort(ids, 1, np.full(len(ids) - 1, 2.0))]
    assert kinds[:5] == ["other"] * 4 + ["word beginning"]
    assert kinds[-2:] == ["after newline", "word beginning"]
    plain = Vocabulary("ab")
    sorter = error_classes.ErrorSorter(plain, None, 9)
    assert set(sorter.sort(plain.encode("abab"), 1, np.full(3, 2.0))) == {error_classes.OTHER}


def test_one_pair() -> None:
    """A text of two symbols is read."""
    found = surprise.read(model_of(), VOCABULARY, VOCABULARY.encode("ab"), part=(0, 2))
    assert found.symbols == 1
    assert len(found.shown) == 2
    assert [a.place for a, _ in pairwise(found.shown)] == [0]
