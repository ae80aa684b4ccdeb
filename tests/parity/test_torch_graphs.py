"""The bookkeeping around CUDA graphs, on a CPU: what is captured here runs as it is."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from charnn.config import Config, EngineConfig
from charnn.engines.torch import graphs
from charnn.engines.torch.engine import TorchEngine
from charnn.engines.torch.graphs import Graphs, worthwhile
from charnn.text.batches import Batch
from charnn.text.corpus import corpus_in_memory
from charnn.text.vocabulary import Vocabulary
from charnn.training.setup import prepared

pytestmark = pytest.mark.parity

TEXT = "the sheep's sixth sick sheikh's sixth sheep's sick; she sees six of the ships. " * 3
T, B = 7, 3
SPECIAL = {"gru": {"cell": "gru", "dropout": 0.3}, "lstm": {"cell": "peephole-lstm"}}
RECURRENT = {"state": {"recurrent_dropout": 0.2}, "none": {}}


class Watched(graphs.Captured):
    """A capture that counts, and whose replay computes again into the same memory."""

    made: ClassVar[list[Watched]] = []

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.replays = 0
        self._graph = SimpleNamespace(replay=self._again)
        self.made.append(self)

    def _again(self) -> None:
        self.replays += 1
        loss, after = self.run()
        self.loss.copy_(loss)
        for layer, own in zip(after, self.after, strict=True):
            for state, memory in zip(layer, own, strict=True):
                memory.copy_(state)


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the parts of `torch.cuda` that a capture calls."""
    stream = SimpleNamespace(wait_stream=lambda _: None)
    for name, value in {
        "current_stream": lambda: stream,
        "Stream": lambda: stream,
        "stream": nullcontext,
        "CUDAGraph": lambda: None,
        "graph": nullcontext,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(Watched, "made", [])
    monkeypatch.setattr(graphs, "Captured", Watched)


def engine_of(**options: Any) -> TorchEngine:
    """Return an engine; 78 steps a stream are eleven windows of seven, and one step."""
    given = {"hidden_size": 5, "batch_size": B, "seq_length": T, "val_fraction": 0, "steps": 99}
    config = Config().replace(**(given | {"dropout": 0.0} | options))
    vocabulary = Vocabulary.from_text(TEXT)
    corpus = corpus_in_memory(vocabulary.encode(TEXT), vocabulary)
    engine = prepared(config, corpus, compute=EngineConfig(engine="torch", device="cpu")).engine
    assert isinstance(engine, TorchEngine)
    return engine


@pytest.mark.parametrize("inside", [*RECURRENT])
@pytest.mark.parametrize("cell", [*SPECIAL])
@pytest.mark.parametrize("layers", [1, 2])
def test_updates_are_the_same_with_graphs(cell: str, layers: int, inside: str) -> None:
    """The same bits over more than an epoch; one capture, which the shorter window does not use."""
    options = SPECIAL[cell] | RECURRENT[inside] | {"num_layers": layers}
    plain, engine = engine_of(**options), engine_of(**options)
    engine._gradient.graphs = Graphs((T, B))
    for number in range(15):
        assert engine.update(number, 0.01) == plain.update(number, 0.01)
    (captured,) = Watched.made
    short = sum(plain._source.batch(number).inputs.shape != (T, B) for number in range(15))
    assert short == 1
    assert captured.replays == 15 - short
    ours, theirs = engine.export(), plain.export()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_what_a_replay_gives_stays() -> None:
    """The next replay writes over the graph's memory, not over what the last one returned."""
    engine = engine_of(cell="gru")
    engine._gradient.graphs = Graphs((T, B))
    first, states = engine._compute(0)
    kept, copies = first.clone(), [state.clone() for state in states[0]]
    engine._states = states
    second, _ = engine._compute(1)
    assert second != first
    assert first == kept
    assert all(map(torch.equal, states[0], copies))


def test_another_factor_is_another_graph() -> None:
    """What is a constant of the computation is one of its graph, too."""
    engine = engine_of(cell="gru")
    gradient = engine._gradient
    gradient.graphs = Graphs((T, B))
    for weight in (21.0, 21.0, 42.0):
        batch, random = engine._source.batch(0), torch.Generator()
        gradient.compute(batch, engine._states, random, weight, 0.0)  # type: ignore[arg-type]
    assert [each.replays for each in Watched.made] == [2, 1]


def test_only_whole_windows_fit() -> None:
    """A window of another shape, and examples with lengths, are computed as they are."""
    ids = np.zeros((T, B), np.int64)
    assert Graphs((T, B)).fits(Batch(ids, ids))
    assert not Graphs((T + 1, B)).fits(Batch(ids, ids))
    assert not Graphs((T, B)).fits(Batch(ids, ids, lengths=np.full(B, T)))


def test_loops_on_a_gpu_are_worthwhile() -> None:
    """On a CPU nothing is captured; on a GPU, what loops, unless recurrent weights are dropped."""
    networks = {
        name: engine_of(**options).network
        for name, options in {
            "loop": {"cell": "gru"},
            "fused": {"cell": "lstm"},
            "dropped": {"cell": "gru", "weight_drop": 0.5},
        }.items()
    }
    assert not any(map(worthwhile, networks.values()))
    for network in networks.values():
        network.device = torch.device("cuda")
    assert [name for name, each in networks.items() if worthwhile(each)] == ["loop"]
