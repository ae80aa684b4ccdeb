"""Teams and engines as the environment and the options ask for them, without PyTorch."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from charnn.cli.main import charnn
from charnn.cli.train import stopping_signals
from charnn.config import EngineConfig
from charnn.engines.choice import chosen, make_team, ranks, reports, under_torchrun
from charnn.engines.team import ALONE
from charnn.errors import ConfigError, CorpusError

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be rank 1 of 4, as far as the environment says."""
    for name, value in zip(NAMES, ("1", "4", "1", "29500"), strict=True):
        monkeypatch.setenv(name, value)


def test_alone_everything_is_agreed() -> None:
    """A process alone agrees with itself, and tells its errors."""

    def fail() -> None:
        raise CorpusError("no text.")

    told: list[str] = []
    assert (ALONE.rank, ALONE.size, ALONE.launch, ALONE.lost) == (0, 1, frozenset(), False)
    assert ALONE.from_leader(b"a") == b"a"
    assert ALONE.gathered(b"a") == [b"a"]
    assert ALONE.together(lambda: 3) == ALONE.machine_by_machine(lambda: 3) == 3
    with pytest.raises(CorpusError):
        ALONE.together(fail)
    ALONE.tell(lambda: told.append("x"))
    ALONE.close()
    assert told == ["x"]


def test_without_torchrun_there_is_one() -> None:
    """No variable of torchrun's: a process is alone, whatever computes."""
    assert not under_torchrun()
    assert ranks() == 1
    assert reports()
    for engine in ("auto", "shards", "torch"):
        assert make_team(EngineConfig(engine=engine)) is ALONE


@pytest.mark.usefixtures("torchrun")
def test_torchrun_is_noticed() -> None:
    """Then PyTorch computes, and shards are refused; a machine's first rank reports."""
    assert under_torchrun()
    assert ranks() == 4
    assert not reports()
    assert chosen(EngineConfig()) == "torch"
    with pytest.raises(ConfigError, match=r"engine is shards.*torchrun has started this one, of 4"):
        make_team(EngineConfig(engine="shards"))


@pytest.mark.usefixtures("torchrun")
def test_the_other_ranks_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong in all ranks alike is told once."""
    for arguments in (["train", "x.txt", "--cell", "lstn"], ["trian"], ["train", "--engine", "x"]):
        silent = CliRunner().invoke(charnn, arguments)
        assert (silent.exit_code, silent.output) == (2, "")
    monkeypatch.setenv("LOCAL_RANK", "0")
    result = CliRunner().invoke(charnn, ["train", "x.txt", "--engine", "shards"])
    assert result.exit_code == 2
    assert result.output.startswith("Error: engine is shards, ")


@pytest.mark.usefixtures("torchrun")
def test_a_second_signal_is_ignored_under_torchrun() -> None:
    """The agent repeats its signal, and kills by itself what does not end."""
    trainer = SimpleNamespace(stop_requested=False)
    before = signal.getsignal(signal.SIGTERM)
    with stopping_signals(trainer) as received:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert trainer.stop_requested
        assert received == [signal.SIGTERM] * 2
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL if name != "SIGTERM" else before)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--engine", "shards", "--device", "cpu"], "device is cpu, but the engine is shards"),
        (["--device", "cpu", "--precision", "fp16"], "precision is fp16, which needs a CUDA GPU"),
    ],
)
def test_flags_that_contradict_each_other(flags: list[str], said: str) -> None:
    """They are refused before a text is read."""
    result = CliRunner().invoke(charnn, ["train", "no-such-text.txt", *flags])
    assert result.exit_code == 2
    assert said in result.output
