"""A short form of `make exact`: three processes, as different as this machine can run."""

from __future__ import annotations

from pathlib import Path

from exactness import EXACT, Combination, feature_sets, kinds, write_models


def test_three_processors(tmp_path: Path) -> None:
    """They quantise, code and compute the same; each decodes its codes, and cuts lanes."""
    write_models(tmp_path, ("gru", "layernorm-lstm"), hidden_size=40)
    sets = feature_sets()
    chosen = [
        Combination("", (), 1),
        Combination("Prescott", sets[-1], 1),  # names that OpenBLAS lacks leave it as it is
        Combination("Haswell", sets[len(sets) // 2], 2),
    ]
    results = [combination.run(tmp_path) for combination in chosen]
    assert {what: kinds(results, what) for what in EXACT} == dict.fromkeys(EXACT, 1)
