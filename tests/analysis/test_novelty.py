"""What of a sample stands in the training text: the same as naive sets and searches find."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from planted_module import planted

from charnn.analysis import ngrams, novelty
from charnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("\nabc", unknown=True)
LENGTHS = (2, 3, 5, 8)
STRANGE = "?"  # the unknown symbol


def ids_of(text: str) -> Any:
    """Return a text's ids."""
    return VOCABULARY.encode(text)


def drawn(size: int, seed: int) -> str:
    """Return a random text, with an unknown symbol here and there."""
    random = np.random.default_rng(seed)
    return "".join(random.choice(list("\nabc?"), size, p=[0.1, 0.5, 0.2, 0.15, 0.05]))


def stands(piece: str, train: str) -> bool:
    """Return whether a piece of a sample stands in the training text."""
    return STRANGE not in piece and piece in train


def naive(sample: str, train: str, run: int) -> dict[str, Any]:
    """Return the figures of a sample, by searching for every piece of it."""
    N = len(sample)
    known = {}
    for n in sorted({*LENGTHS, run}):
        pieces = [sample[at : at + n] for at in range(N - n + 1)]
        hits = sum(stands(piece, train) for piece in pieces)
        known[n] = hits / len(pieces) if pieces else None
    longest = None
    for n in range(N, 0, -1):
        at = next((at for at in range(N - n + 1) if stands(sample[at : at + n], train)), None)
        if at is not None:
            place = train.index(sample[at : at + n])
            longest = (at, n, place, train[:place].count("\n") + 1)
            break
    covered = [False] * N
    for at in range(N - run + 1):
        if stands(sample[at : at + run], train):
            covered[at : at + run] = [True] * run
    runs, at = [], 0
    for inside, group in groupby(covered):
        size = len(list(group))
        if inside:
            runs.append((at, at + size))
        at += size
    return {"known": known, "longest": longest, "runs": runs}


def figures(copied: Any) -> dict[str, Any]:
    """Return the same figures of what was found."""
    run = copied.longest
    longest = None if run is None else (run.start, run.length, run.place, run.line)
    return {"known": copied.known, "longest": longest, "runs": copied.runs}


def cases() -> list[tuple[str, str, str]]:
    """Return samples, training texts and held-out texts: independent, copied, short, empty."""
    found = []
    for seed in range(12):
        train = drawn(400, seed)
        sample = drawn(60, 100 + seed)
        if seed % 3:  # pieces of the training text, of lengths between those asked for
            size = 7 * (seed % 5) + 4
            sample = sample[:20] + train[50 : 50 + size] + sample[20:] + train[:size]
        found.append((sample, train, drawn((0, 30, 200)[seed % 3], 200 + seed)))
    found.append(("a", "bcabc", "ab"))
    found.append(("??", "??aa", ""))
    found.append((drawn(90, 5), "", "abc"))
    return found


def differences(module: ModuleType) -> int:
    """Return how many of the cases a module gets wrong."""
    wrong = 0
    for sample, train, held_out in cases():
        for run in (3, 9):
            found = module.novelty(
                {"one": ids_of(sample), "two": ids_of(sample[::-1])},
                ids_of(train),
                ids_of(held_out),
                VOCABULARY,
                run=run,
                lengths=LENGTHS,
            )
            beside = held_out[: len(sample)]
            expected = [naive(each, train, run) for each in (sample, sample[::-1], beside)]
            if not beside:
                assert found.held_out is None
            copies = [*found.samples, *([found.held_out] if beside else [])]
            wrong += sum(figures(a) != b for a, b in zip(copies, expected, strict=False))
    return wrong


@pytest.mark.parametrize("block", [3, 64, 1 << 16])
def test_naive_sets_find_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares, longest runs, places, lines and copied runs are those of a naive search."""
    monkeypatch.setattr(ngrams, "BLOCK", block)
    monkeypatch.setattr(novelty, "BLOCK", block)
    assert differences(novelty) == 0


FAULTS = {
    "one n-gram too few": ("max(begin, end - n + 1)), n)", "max(begin, end - n)), n)"),
    "across the border of two texts": ("max(begin, end - n + 1)), n)", "end), n)[: self._room(n)]"),
    "unknown symbols match": ("return places[known]", "return places"),
    "the share of all places": ("found[n][begin : end - n + 1] >= 0", "found[n][begin:end] >= 0"),
    "a run's end": ("np.add.at(depth, hits + n, -1)", "np.add.at(depth, hits + n - 1, -1)"),
    "the search ends too early": ("if high - low <= 1:", "if high - low <= 2:"),
    "the longest possible run": ("0, end - begin + 1", "0, end - begin"),
    "another text's run": (
        "(starts[n] >= self.begin) & (starts[n] < self.end)",
        "(starts[n] >= 0)",
    ),
    "lines from 0": ("return 1 + int(sum(ends))", "return int(sum(ends))"),
    "a line's own end counts": ("min(at + BLOCK, place)]", "min(at + BLOCK, place + 1)]"),
    "the last of the longest runs": ("self.places[0]", "self.places[-1]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_caught(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each typical mistake gives other figures."""
    module = planted(novelty, FAULTS[name], tmp_path, monkeypatch)
    module.Parts._room = lambda parts, n: len(parts.ids) - n + 1
    try:
        caught = differences(module) > 0
    except (IndexError, ValueError):
        caught = True
    assert caught


def judged(sample: str, train: str, held_out: str = "", **options: Any) -> tuple[Any, str]:
    """Return what is found of a sample, and the verdict."""
    found = novelty.novelty(
        {"sample": ids_of(sample)}, ids_of(train), ids_of(held_out), VOCABULARY, **options
    )
    return found, found.verdict(found.samples[0])


def test_a_piece_of_the_training_text() -> None:
    """A sample that is a piece of the training text is called that."""
    train = drawn(500, 1).replace(STRANGE, "a")
    found, verdict = judged(train[100:300], train, drawn(200, 2))
    assert verdict == "All of it stands in the training text, in one run of 200 symbols."
    assert found.samples[0].longest.place == 100


def test_mostly_copied() -> None:
    """A sample of which most is copied is called that, with the share."""
    train = drawn(500, 1).replace(STRANGE, "a")
    sample = train[:150] + STRANGE * 50
    _, verdict = judged(sample, train, run=40)
    assert "Most of it is copied: runs of 40 symbols" in verdict
    assert "cover 75% of it" in verdict


def test_compared_with_held_out_text() -> None:
    """The verdict compares with held-out text, by n-grams of which it has enough."""
    phrases = [drawn(13, seed).replace(STRANGE, "b") for seed in range(60)]
    random = np.random.default_rng(1)
    train = "".join(phrases)

    def mixed(share: float) -> str:
        """Return text of which a share is phrases of the training text."""
        parts = [
            p if random.random() < share else drawn(13, 1000 + n) for n, p in enumerate(phrases)
        ]
        return "".join(parts[at] for at in random.permutation(len(parts)))

    held_out = mixed(0.3)
    for share, word in ((0.9, "more than"), (0.3, "about as much as"), (0.0, "less than")):
        found, verdict = judged(mixed(share), train, held_out, run=200)
        assert f"repeats the training text {word} new text" in verdict, share
        n = int(verdict.split("-grams")[0].split()[-1])
        assert n == max(n for n, each in found.held_out.known.items() if (each or 0) >= 0.01)


def test_without_held_out_text() -> None:
    """There is no judgement without held-out text, and a copied run is a long one."""
    found, verdict = judged(drawn(200, 1), drawn(900, 2))
    assert found.run == 32
    assert found.held_out is None
    assert "Without held-out text" in verdict


def test_the_length_of_a_copied_run() -> None:
    """It is the least n of which held-out text has less than 1 %, or the largest of all."""
    shares = {4: 0.9, 8: 0.02, 12: 0.009, 16: 0.0}
    assert novelty.copied_run(shares, (4, 8, 12, 16)) == 12
    assert novelty.copied_run(shares, (4, 8)) == 8
    assert novelty.copied_run({4: 0.9, 8: None}, (4, 8)) == 8


def test_a_sample_shorter_than_n() -> None:
    """For n-grams that do not fit the sample there is no share."""
    found, verdict = judged("abc", "aabcc", "cc")
    assert found.samples[0].known == {
        4: None,
        8: None,
        12: None,
        16: None,
        **dict.fromkeys((24, 32, 48)),
    }
    assert "All of it stands" in verdict
    assert "too short for a judgement" in judged("abb", "aabcc", "cc")[1]


def test_memory_does_not_grow_with_the_training_text() -> None:
    """The training text is read in pieces and never as a whole."""

    class Pieces:
        """A training text that can only be read in pieces."""

        def __len__(self) -> int:
            return 3 << 20

        def __getitem__(self, part: slice) -> Any:
            assert part.stop - part.start < 1 << 17
            return (np.arange(part.start, min(part.stop, len(self))) % 5 % 4).astype(np.uint8)

    found = novelty.novelty({"a": ids_of(drawn(99, 1))}, Pieces(), ids_of("ab"), VOCABULARY)
    assert found.training_size == 3 << 20
