"""Runs of several ranks begin alike, or not at all, and go on where a launch has left them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from small_runs import TEXT, content, finish, of_kind, small_config, stop_after, write_corpus
from team_of_threads import Member, on_ranks

from charnn.config import EngineConfig
from charnn.engines.team import ALONE
from charnn.errors import CheckpointError, ConfigError, CorpusError, RunError
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST
from charnn.training.events import Finished, Step
from charnn.training.run_folder import LAUNCH, LOCK, RunFolder
from charnn.training.setup import Run, new_run, resume_run


def begin(folder: Path, launch: str = "", **more: Any) -> Any:
    """Prepare a new run of one rank under a launch; return the run, or the error."""
    text = write_corpus(folder)
    config = small_config(**more.pop("changes", {}))
    options: dict[str, Any] = {"out": folder / "run", "fixed": ("steps", "hidden_size"), **more}
    (run,), _ = on_ranks(
        lambda team: new_run([text], config, team=team, **options), 1, launch, machines=(0,)
    )
    return run


def test_rank_0_alone_has_the_folder(tmp_path: Path) -> None:
    """The others write nothing, and have its configuration, also where each has its own cores."""
    text = write_corpus(tmp_path)
    config = small_config(shards=None, batch_size=12)
    runs, meeting = on_ranks(
        lambda team: new_run([text], config, out=tmp_path / "run", team=team), launch="id tide"
    )
    assert [run.trainer.folder is not None for run in runs] == [True, False, False]
    assert all(run.trainer.config == runs[0].trainer.config for run in runs)
    assert (tmp_path / "run" / LAUNCH).read_text(encoding="utf-8") == "id tide\n"
    assert sorted(meeting.log[:2]) == ["first 0", "first 2"]
    assert meeting.log[2:] == ["then 1"]
    runs[0].trainer.saver.release()


def test_other_options_are_found(tmp_path: Path) -> None:
    """One sentence for all ranks names the rank and both values; there is no folder."""
    text = write_corpus(tmp_path)

    def work(team: Member) -> Run:
        config = small_config(hidden_size=6 + team.rank // 2)
        return new_run([text], config, out=tmp_path / "run", team=team)

    errors, _ = on_ranks(work)
    assert {type(error) for error in errors} == {ConfigError}
    assert len({str(error) for error in errors}) == 1
    assert str(errors[0]).startswith("rank 2 of 3 has hidden_size 7, but rank 0 has 6; ")
    assert not (tmp_path / "run").exists()


def test_another_way_to_compute_is_found(tmp_path: Path) -> None:
    """How a rank computes is compared, too."""
    text = write_corpus(tmp_path)

    def work(team: Member) -> Run:
        compute = EngineConfig(engine="shards" if team.rank == 1 else "auto")
        return new_run([text], small_config(), write=False, team=team, compute=compute)

    errors, _ = on_ranks(work)
    assert str(errors[0]).startswith("rank 1 of 3 has engine shards, but rank 0 has auto; ")


class Newer(Member):
    """A member whose rank 1 has another version of NumPy."""

    def gathered(self, content: bytes) -> list[bytes]:
        """Change what rank 1 says."""
        if self.rank == 1 and b'"NumPy"' in content:
            content = b'{"charnn": "99.1"}'
        return super().gathered(content)


def test_other_versions_are_found(tmp_path: Path) -> None:
    """Versions come before everything else."""
    text = write_corpus(tmp_path)
    errors, _ = on_ranks(
        lambda team: new_run([text], small_config(), write=False, team=team), kind=Newer
    )
    assert {type(error) for error in errors} == {ConfigError}
    assert "rank 1 of 3 has NumPy none, but rank 0 has " in str(errors[0])


@pytest.mark.parametrize("other", [TEXT[:-1] + "!", TEXT.replace("T", "X")], ids=["ids", "names"])
def test_another_text_is_found(other: str, tmp_path: Path) -> None:
    """Also one whose ids are the same, and only its characters differ."""
    texts = []
    for rank in range(3):
        folder = tmp_path / f"{rank}"
        folder.mkdir()
        texts.append(write_corpus(folder, other if rank == 2 else TEXT))
    errors, _ = on_ranks(
        lambda team: new_run([texts[team.rank]], small_config(), out=tmp_path / "run", team=team)
    )
    assert {type(error) for error in errors} == {CorpusError}
    assert str(errors[1]).startswith("the data of rank 2 of 3 are not those of rank 0 (")
    assert not (tmp_path / "run").exists()


def test_standard_input_is_refused_to_several(tmp_path: Path) -> None:
    """As a text, and as validation data."""
    errors, _ = on_ranks(lambda team: new_run(["-"], small_config(), write=False, team=team))
    assert all("standard input (-) can be read by one process only" in str(e) for e in errors)


def test_what_fails_on_rank_0_ends_all(tmp_path: Path) -> None:
    """A folder in the way, and a model to start from that is missing: the same sentence on all."""
    text = write_corpus(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "poem.txt").write_text("mine", encoding="utf-8")
    errors, _ = on_ranks(
        lambda team: new_run([text], small_config(), out=tmp_path / "run", team=team)
    )
    assert {type(error) for error in errors} == {RunError}
    errors, _ = on_ranks(
        lambda team: new_run(
            [text], small_config(), write=False, init_from=tmp_path / "none.npz", team=team
        )
    )
    assert {type(error) for error in errors} == {CheckpointError}


def test_the_others_need_no_disk(tmp_path: Path) -> None:
    """What rank 0 resumes is sent to ranks that have no such folder."""
    text = write_corpus(tmp_path)
    stop_after(new_run([text], small_config(), out=tmp_path / "run").trainer, 7)
    runs, _ = on_ranks(
        lambda team: resume_run(tmp_path / ("run" if team.rank == 0 else "nowhere"), team=team)
    )
    first, *others = (run.trainer.checkpoint() for run in runs)
    assert first.progress.update == 7
    assert all(content(other) == content(first) for other in others)
    runs[0].trainer.saver.release()


def test_a_model_to_start_from_is_sent(tmp_path: Path) -> None:
    """Ranks without the file begin with the same weights."""
    text = write_corpus(tmp_path)
    finish(new_run([text], small_config(), out=tmp_path / "source").trainer)
    runs, _ = on_ranks(
        lambda team: new_run(
            [text],
            small_config(),
            write=False,
            init_from=tmp_path / ("source" if team.rank == 0 else "nowhere"),
            team=team,
        )
    )
    weights = {run.trainer.model.parameters.flat.tobytes() for run in runs}
    assert len(weights) == 1


@pytest.mark.parametrize("force", [True, False])
def test_a_restart_goes_on(force: bool, tmp_path: Path) -> None:
    """The same command in the same launch resumes; `--force` erases nothing then."""
    stop_after(begin(tmp_path, "id tide").trainer, 7)
    run = begin(tmp_path, "id tide", force=force)
    assert run.trainer.progress.update == 7
    finish(run.trainer)
    alone = new_run([write_corpus(tmp_path)], small_config(), out=tmp_path / "alone").trainer
    finish(alone)
    for name in (LAST, BEST):
        here, there = (load_checkpoint(tmp_path / each / name) for each in ("run", "alone"))
        assert content(here, timed=False) == content(there, timed=False)


def test_another_launch_is_another_run(tmp_path: Path) -> None:
    """It is refused, or begins anew with `--force`; without torchrun all is as it was."""
    stop_after(begin(tmp_path, "id tide").trainer, 7)
    assert isinstance(begin(tmp_path, "id ebb"), RunError)
    assert isinstance(begin(tmp_path), RunError)
    assert (tmp_path / "run" / LAST).exists()
    run = begin(tmp_path, "id ebb", force=True)
    assert run.trainer.progress.update == 0
    assert not (tmp_path / "run" / LAST).exists()
    run.trainer.saver.release()
    run = begin(tmp_path, force=True)
    assert not (tmp_path / "run" / LAUNCH).exists()
    run.trainer.saver.release()


def test_a_restart_before_the_first_save_begins_anew(tmp_path: Path) -> None:
    """Without `--force`, too: whatever lies there is the launch's own."""
    begin(tmp_path, "id tide").trainer.saver.release()
    run = begin(tmp_path, "id tide")
    assert run.trainer.progress.update == 0
    run.trainer.saver.release()
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").mkdir()  # killed before the launch was written down
    (tmp_path / "run" / LOCK).touch()
    (tmp_path / "run" / f".{LAUNCH}.abc.tmp").touch()
    run = begin(tmp_path, "id tide")
    run.trainer.saver.release()


def test_a_restart_of_a_run_that_is_over(tmp_path: Path) -> None:
    """A rank that is killed after the last update is no reason to fail: nothing is left to do."""
    finish(begin(tmp_path, "id tide").trainer)
    before = (tmp_path / "run" / LAST).read_bytes()
    run = begin(tmp_path, "id tide", force=True)
    events = finish(run.trainer)
    assert not of_kind(events, Step)
    assert of_kind(events, Finished)[0].reason == "completed"
    assert (tmp_path / "run" / LAST).read_bytes() == before
    with pytest.raises(RunError, match="has made all its 17 updates"):
        resume_run(tmp_path / "run")


def test_a_resumed_run_belongs_to_the_launch(tmp_path: Path) -> None:
    """`--resume` under torchrun: a restart after the run's end finds nothing left to do."""
    text = write_corpus(tmp_path)
    stop_after(new_run([text], small_config(), out=tmp_path / "run").trainer, 7)
    for updates in (10, 0):
        (run,), _ = on_ranks(
            lambda team: resume_run(tmp_path / "run", team=team), 1, "id tide", machines=(0,)
        )
        assert len(of_kind(finish(run.trainer), Step)) == updates


def test_a_restart_with_other_options_is_told(tmp_path: Path) -> None:
    """A launch that repeats its id with another command gets the same answer as `--resume`."""
    stop_after(begin(tmp_path, "id tide").trainer, 7)
    error = begin(tmp_path, "id tide", changes={"hidden_size": 7})
    assert "hidden_size is 7, but the run to resume has 6" in str(error)


def test_launches_with_a_name_in_common_are_one(tmp_path: Path) -> None:
    """Of several agents one may be lost: the others' names are enough. No name is no launch."""
    folder = RunFolder(tmp_path)
    assert not folder.is_of({"agent a"})
    folder.remember({"agent a", "agent b"})
    assert folder.is_of({"agent b", "agent c"})
    assert not folder.is_of({"agent c"})
    assert not folder.is_of(ALONE.launch)
