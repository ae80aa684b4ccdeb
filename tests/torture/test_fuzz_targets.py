"""The fuzzers' targets, without their fuzzer: seeds, some mutations of them, and planted faults."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fuzz_material import Choices
from targets import CHANGES, TARGETS, changed, valid_files

from charnn.compression import packing as packing_module
from charnn.compression import reading as reading_module
from charnn.config import files as files_module
from charnn.errors import CheckpointError
from charnn.options import Option
from charnn.text import record_formats
from charnn.text.symbols import Symbols
from charnn.text.vocabulary import Vocabulary
from charnn.training import archive as archive_module
from charnn.training.archive import DAMAGE, load_checkpoint

MUTATIONS = 20


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """Return a seed with a few bytes changed, left out, repeated, or taken from another seed."""
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(content))
        end = min(len(content), start + chance.randint(0, 8))
        other = chance.choice(seeds)
        piece = chance.randint(0, len(other))
        content[start:end] = chance.choice(
            [
                chance.randbytes(end - start),
                b"",
                content[start:end] * 2,
                other[piece : piece + chance.randint(0, 40)],
            ]
        )
    return bytes(content)


def fuzz(reader: str) -> None:
    """Give a reader its seeds and random mutations of them, the same each time."""
    seeds, chance = TARGETS[reader].seeds(), random.Random(1)
    for content in [*seeds, *(mutated(seeds, chance) for _ in range(MUTATIONS))]:
        TARGETS[reader].fuzz_one(content)


@pytest.mark.parametrize("reader", TARGETS)
def test_readers_survive_their_seeds_and_mutations(reader: str) -> None:
    """Only charnn's own errors come out of a reader."""
    fuzz(reader)


class Fault(NamedTuple):
    """What stands in for `place.name`, so that a reader is not what it should be."""

    reader: str
    place: Any
    name: str
    stand_in: Any


def careless_parse(self: Option, value: object) -> object:
    """Parse a value as if all were of the right type."""
    return {"none": None}.get(value) or self.type(value)


FAULTS = [
    Fault("checkpoint", archive_module, "DAMAGE", tuple({*DAMAGE} - {KeyError})),
    Fault("checkpoint", archive_module, "is_number", lambda _: True),
    Fault("checkpoint", archive_module, "is_count", lambda _: True),
    Fault("config", files_module, "check_names", lambda *_: None),
    Fault("config", Option, "parse", careless_parse),
    Fault("examples", record_formats, "checked_text", lambda _lines, text, _line: text),
    Fault("examples", record_formats, "checked_target", lambda _lines, target, *_: target),
    Fault("pairs", Symbols, "__post_init__", lambda _: None),
    Fault("line", Symbols, "missing_id", 10**6),
    Fault("compressed", reading_module, "check_text", lambda *_: None),
    Fault("compressed", packing_module, "check_range", lambda *_: None),
    Fault("vocabulary", Vocabulary, "from_json", lambda content: Vocabulary(content["symbols"])),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.reader}: {fault.name}")
def test_a_fault_of_a_reader_is_noticed(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reader lets something through, one of the same inputs brings it out."""
    monkeypatch.setattr(fault.place, fault.name, fault.stand_in)
    with pytest.raises((AssertionError, ArithmeticError, LookupError, TypeError, ValueError)):
        fuzz(fault.reader)


def test_changes_get_behind_the_digest(tmp_path: Path) -> None:
    """Each kind of change makes files of its own, and many are refused for what was changed."""
    chance, path = random.Random(2), tmp_path / "changed.npz"
    reasons = []
    for number, change in enumerate(CHANGES):
        files = {changed(Choices(bytes([0, 0, number]) + chance.randbytes(40))) for _ in range(20)}
        assert len(files - {*valid_files()}) > 5, change
        for content in sorted(files):
            path.write_bytes(content)
            try:
                load_checkpoint(path)
                reasons.append("it was read")
            except CheckpointError as error:
                reasons.append(str(error))
    assert sum("digest differs" in reason for reason in reasons) < len(reasons) / 4
    for reason in (
        "it was read",
        "its progress",
        "corpus",
        "its array ",
        "not those of its conf",
    ):
        assert any(reason in each for each in reasons), reason
