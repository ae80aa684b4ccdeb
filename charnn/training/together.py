"""What the ranks of a team agree on before a run begins.

Every rank is started by the same command, but not always on the same machine: versions, options
and texts are compared before the first update, because ranks that differ would spoil the run
without a word. What rank 0 has decided or read is sent to the others, so that only the text has
to be on every machine. Alone, a process agrees with itself at once.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from charnn.config import Config, EngineConfig
from charnn.engines.team import Team
from charnn.errors import ConfigError, CorpusError, RunError
from charnn.options import Value, worded
from charnn.tasks.task import Dataset
from charnn.text.source import STANDARD_INPUT
from charnn.training.archive import load_checkpoint, read_archive
from charnn.training.checkpoint import BEST, LAST, PREVIOUS, Checkpoint, checkpoint_path
from charnn.training.run_folder import RunFolder
from charnn.version import __version__

DIGITS = 12  # of a fingerprint that a sentence shows


def check_alike(team: Team, asked: Mapping[str, Value], compute: EngineConfig | None) -> None:
    """Compare versions, and the options asked for. Raises ConfigError where a rank has others."""
    torch = getattr(sys.modules.get("torch"), "__version__", "none")
    versions = {"charnn": __version__, "NumPy": minor(np.__version__), "PyTorch": minor(torch)}
    compare(team, versions, "install the same version on all machines")
    options = {**asked, **asdict(compute or EngineConfig())}
    words = {name: worded(value) for name, value in options.items()}
    compare(team, words, "start all ranks with the same options and CHARNN_* variables")


def minor(version: str) -> str:
    """Return a version's first two numbers."""
    return ".".join(version.split(".")[:2])


def compare(team: Team, values: Mapping[str, str], remedy: str) -> None:
    """Raise ConfigError where a rank has another value than rank 0, naming both."""
    own, *others = (json.loads(each) for each in team.gathered(json.dumps(values).encode("utf-8")))
    for rank, theirs in enumerate(others, 1):
        for name in sorted({*own, *theirs}):
            first, second = own.get(name, "none"), theirs.get(name, "none")
            if first != second:
                raise ConfigError(
                    f"rank {rank} of {team.size} has {name} {second}, but rank 0 has {first}; "
                    f"{remedy}."
                )


def check_files(team: Team, files: Sequence[str] | Dataset, config: Config) -> None:
    """Refuse standard input, which only one of several ranks could read. Raises CorpusError."""
    names = [*(files if isinstance(files, Sequence) else ()), config.records.val]
    if team.size > 1 and STANDARD_INPUT in [*names, config.records.test]:
        raise CorpusError(
            f"standard input (-) can be read by one process only, but torchrun has started "
            f"{team.size}; give a file."
        )


def check_free(team: Team, folder: RunFolder, force: bool) -> None:
    """Have rank 0 refuse a folder that holds something. Raises RunError."""
    if team.rank == 0:
        team.together(lambda: folder.check_free(force, team.launch))
    else:
        team.together(lambda: None)


def read_by_all(team: Team, read: Callable[[], Dataset]) -> Dataset:
    """Return the data, which one rank of each machine reads and encodes before its others do.

    Those find what was encoded in the cache, and share it. Raises CorpusError where a rank has
    read something else than rank 0, and whatever reading raises.
    """
    dataset = team.machine_by_machine(read)
    if team.size == 1:
        return dataset
    symbols = json.dumps(dataset.vocabulary.to_json(), sort_keys=True).encode("utf-8")
    digest = hashlib.sha256(symbols + dataset.fingerprint.encode("utf-8")).hexdigest()
    own, *others = (each.decode("utf-8") for each in team.gathered(digest.encode("utf-8")))
    for rank, other in enumerate(others, 1):
        if other != own:
            raise CorpusError(
                f"the data of rank {rank} of {team.size} are not those of rank 0 (their "
                f"fingerprints are {other[:DIGITS]} and {own[:DIGITS]}); give all machines the "
                "same files."
            )
    return dataset


def agreed(team: Team, config: Config) -> Config:
    """Return rank 0's configuration."""
    values = team.from_leader(json.dumps(config.values()).encode("utf-8"))
    return config if team.rank == 0 else Config.from_values(json.loads(values))


def shared_checkpoint(team: Team, path: Path) -> Checkpoint:
    """Return the checkpoint that rank 0 finds at a path. Raises CheckpointError."""
    checkpoint, _ = sent(team, lambda: (load_checkpoint(path), checkpoint_path(path), None))
    return checkpoint


def last_checkpoint(team: Team, folder: RunFolder) -> tuple[Checkpoint, str | None]:
    """Return the checkpoint that rank 0 goes on from, and on rank 0 a note if it is not the last.

    Rank 0 takes the folder. Raises RunError, CheckpointError.
    """

    def read() -> tuple[Checkpoint, Path, str | None]:
        if not folder.resumable:
            raise RunError(
                f"'{folder.path}' is not a run folder (it has no {LAST}); give the folder of a run."
            )
        folder.take()
        checkpoint, note = folder.load_last()
        if team.size > 1 and folder.has(BEST):
            load_checkpoint(folder.path / BEST)  # which rank 0 reads when the others wait for it
        return checkpoint, folder.path / (LAST if note is None else PREVIOUS), note

    return sent(team, read)


def sent(
    team: Team, read: Callable[[], tuple[Checkpoint, Path, str | None]]
) -> tuple[Checkpoint, str | None]:
    """Return a checkpoint that rank 0 reads from a file, on all ranks, and on rank 0 its note."""

    def work() -> tuple[Checkpoint, bytes, str | None] | None:
        if team.rank:
            return None
        checkpoint, path, note = read()
        return checkpoint, path.read_bytes() if team.size > 1 else b"", note

    found = team.together(work)
    content = team.from_leader(b"" if found is None else found[1])
    if found is not None:
        return found[0], found[2]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return read_archive(archive), None


def goes_on(team: Team, folder: RunFolder) -> bool:
    """Return whether a run's folder has a checkpoint of this launch, as rank 0 finds it.

    Then the command that has begun the run has been started again after a failure.
    """
    mine = team.rank == 0 and folder.is_of(team.launch) and folder.resumable
    return team.from_leader(b"yes" if mine else b"") == b"yes"
