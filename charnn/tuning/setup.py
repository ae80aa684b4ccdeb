"""How a search begins, new or where it was left, and what it leaves in its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from charnn.config import Config, EngineConfig
from charnn.engines.choice import ranks
from charnn.errors import ConfigError, RunError
from charnn.options import Value, worded
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset
from charnn.text.source import STANDARD_INPUT, ignore
from charnn.training.setup import default_folder
from charnn.tuning.best import best_yaml
from charnn.tuning.folder import BEST, PICTURE, Record, SearchFolder
from charnn.tuning.picture import trials_picture
from charnn.tuning.plan import RESERVE, cost, plan_of
from charnn.tuning.search import Result, Rung, Search
from charnn.tuning.space import candidates, searched
from charnn.tuning.trial import Laboratory, beginning, measured, suited

LENGTH = ("epochs", "steps")


@dataclass(frozen=True)
class Tuning:
    """A search that is ready to go, with its folder. `notes` say what was adapted."""

    search: Search
    record: Record
    folder: SearchFolder
    dataset: Dataset
    notes: list[str]

    def __iter__(self) -> Iterator[Rung | Result]:
        """Search, and write the best configuration after each run and the picture at the end."""
        try:
            for event in self.search.run():
                if isinstance(event, Result):
                    self._write_best()
                yield event
        finally:
            try:
                self._write_best()
                if self.search.results:
                    self.folder.write(PICTURE, trials_picture(self.search, self.unit))
            finally:
                self.folder.release()

    @property
    def unit(self) -> str:
        """What a loss is given per."""
        return task_of(self.record.start).unit(self.dataset.vocabulary)

    def _write_best(self) -> None:
        best = self.search.best()
        if best is not None:
            self.folder.write(BEST, best_yaml(self.search, best, self.record, self.unit))


def new_search(
    files: Sequence[str],
    config: Config,
    seconds: float,
    *,
    target: float | None = None,
    fixed: Collection[str] = (),
    given: Collection[str] = (),
    out: Path | None = None,
    force: bool = False,
    advance: Callable[[int], None] = ignore,
    compute: EngineConfig | None = None,
) -> Tuning:
    """Prepare a search of some seconds around a configuration, in the folder `out`.

    Options that are `fixed` are not varied; those that are `given` are where the search starts, and
    others start from what suits the text. `target` is how many seconds the training may take that
    is searched for. Raises ConfigError, CorpusError, RunError.
    """
    began = time.monotonic()
    check_alone()
    for name in LENGTH:
        if name in fixed:
            raise ConfigError(
                f"{name} is {worded(config.values()[name])}, but the times of a search say how "
                f"long its runs are; leave {name} out (--target-time is for the training)."
            )
    if target is not None and target > seconds:
        raise ConfigError(
            f"target-time is {target:g} s, but the whole search has {seconds:g} s; give it more "
            "--time, or leave --target-time out."
        )
    names = searched(config, fixed)
    path = out or default_folder(files, config).with_name(
        f"{default_folder(files, config).name}-tune"
    )
    folder = SearchFolder(path)
    folder.check_free(force)
    dataset = task_of(config).read(files, config, advance=advance)
    start, notes = beginning(config, dataset)
    known = measured(start, dataset, seconds, compute)
    plan = plan_of(seconds, target, known.least, known.slowness)
    sizes = plan.sizes
    final = target or RESERVE * seconds / known.slowness / cost(len(sizes), sizes[-1])
    updates = known.pace.updates(final, start.training.eval_every)
    start, chosen = suited(start, dataset, updates, {*fixed, *given})
    laboratory = Laboratory(dataset, start, known.pace, compute)
    found = candidates(start, names, sizes[0], lambda each: laboratory.allows(each, final))
    record = Record(list(dataset.files), dataset.fingerprint, start, known.pace, plan, found)
    folder.create(record, force)
    return made(folder, record, laboratory, [], [*dataset.notes, *notes, *chosen], began)


def resume_search(
    path: Path,
    files: Sequence[str] = (),
    changes: Mapping[str, Value] | None = None,
    *,
    seconds: float | None = None,
    advance: Callable[[int], None] = ignore,
    compute: EngineConfig | None = None,
) -> Tuning:
    """Prepare the rest of the search in a folder; `seconds` is a new time for the whole of it.

    `files` are needed only if the text has moved. `changes` are options, which must be those of the
    search. Raises RunError, ConfigError, CorpusError.
    """
    began = time.monotonic()
    check_alone()
    folder = SearchFolder(path)
    record = folder.read()
    own = record.start.values()
    for name, value in (changes or {}).items():
        if value != own[name]:
            raise ConfigError(
                f"{name} is {worded(value)}, but the search to go on with has "
                f"{worded(own[name])}; leave it out, or start a new search."
            )
    names = list(files) or record.files
    if names == [STANDARD_INPUT] == record.files:
        raise RunError(
            f"the search was made on standard input; give its text as a file: "
            f"charnn tune --resume {path} FILE"
        )
    dataset = task_of(record.start).read(names, record.start, advance=advance)
    if dataset.fingerprint != record.fingerprint:
        raise RunError(
            f"the text is not the one that was searched on ({', '.join(record.files)}); give that "
            "one."
        )
    folder.take()
    try:
        results = folder.results(record)
        if seconds is not None and seconds != record.plan.seconds:
            record = replace(record, plan=replace(record.plan, seconds=seconds))
            folder.describe(record)
    except BaseException:
        folder.release()
        raise
    laboratory = Laboratory(dataset, record.start, record.pace, compute)
    return made(folder, record, laboratory, results, list(dataset.notes), began)


def made(
    folder: SearchFolder,
    record: Record,
    laboratory: Laboratory,
    results: Sequence[Result],
    notes: list[str],
    began: float,
) -> Tuning:
    """Return a search with its folder, which keeps each new result."""
    search = Search(
        record.plan,
        record.candidates,
        laboratory.train,
        results,
        lambda result: folder.add(result, record),
        by_accuracy=record.start.training.select == "accuracy",
        began=began,
    )
    return Tuning(search, record, folder, laboratory.dataset, notes)


def check_alone() -> None:
    """Raise ConfigError where torchrun has started several processes."""
    if ranks() > 1:
        raise ConfigError(
            f"torchrun has started {ranks()} processes, but a search is one; start `charnn tune` "
            "without torchrun."
        )
