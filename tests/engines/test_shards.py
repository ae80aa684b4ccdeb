"""Shards: the same gradient in parts, by workers that end with their run."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import threading
import time
from itertools import count

import numpy as np
import pytest

from charnn.config import Config
from charnn.engines.shards import Shards, default_shards
from charnn.engines.shards_memory import SharedArrays
from charnn.engines.shards_messages import AWAKE, receive, stay_awake
from charnn.errors import ConfigError, WorkerError
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.text.batches import Streams
from charnn.text.corpus import Corpus, corpus_in_memory
from charnn.text.vocabulary import Vocabulary
from charnn.training.setup import new_run

V = 7
VOCABULARY = Vocabulary("abcdefg")
OPTIONS = {
    "hidden_size": 6,
    "batch_size": 6,
    "seq_length": 5,
    "dropout": 0.0,
    "optimizer": "sgd",
    "clip_norm": None,
    "val_fraction": 0.15,
    "test_fraction": 0.1,
}


@pytest.fixture(scope="module")
def ids():
    """The ids of a random text."""
    return np.random.default_rng(3).integers(0, V, 401, np.uint8)


def shards_of(corpus, number, **options):
    """Return shards over a small model and the ids, or a corpus."""
    config = Config().replace(**OPTIONS | {"shards": number} | options)
    if not isinstance(corpus, Corpus):
        corpus = corpus_in_memory(corpus, VOCABULARY)
    model = LanguageModel.initialized(config.model, len(corpus.vocabulary), 1)
    return Shards(config, model, corpus.cut(config.data))


def everything(shards):
    """Return the bytes of all that updates change."""
    return {name: array.tobytes() for name, array in shards.export().items()}


@pytest.mark.parametrize("number", [2, 4])
def test_shards_add_up_to_the_whole(ids, number):
    """Loss, gradient and states of several shards are those of one, to rounding.

    With plain gradient descent at a rate of 1 the gradient is what an update takes away.
    """
    whole, parts = shards_of(ids, 1), shards_of(ids, number)
    try:
        for update in range(3):
            assert parts.update(update, 1.0) == pytest.approx(whole.update(update, 1.0), rel=1e-5)
            ours, theirs = parts.export(), whole.export()
            assert list(ours) == list(theirs)
            for name, array in ours.items():
                np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-6)
    finally:
        parts.close()


def test_uneven_shards_cover_every_stream(ids):
    """Four shards of six streams have 1, 2, 1 and 2 of them, and none is left out."""
    shards = shards_of(ids, 4)
    try:
        shards.update(0, 0.1)
        states = [array for name, array in shards.export().items() if name.startswith("state/")]
        assert all(np.abs(state).sum(axis=1).min() > 0 for state in states)
    finally:
        shards.close()


def test_states_are_zero_at_the_beginning_of_an_epoch(ids):
    """The first window of the second epoch gives the loss of the first window again."""
    shards = shards_of(ids, 2)
    epoch = Streams(ids[:301], 6, 5).count
    try:
        first, _ = shards.update(0, 0.0)
        assert shards.update(1, 0.0)[0] != first
        assert shards.update(epoch, 0.0)[0] == first
        assert shards.update(epoch - 1, 0.0)[0] != first
    finally:
        shards.close()


def test_a_worker_that_dies_is_reported(ids):
    """A worker that is killed ends the update with a WorkerError that names its shard."""
    shards = shards_of(ids, 2)
    shards.update(0, 0.1)
    shards._workers[0]._process.kill()
    shards._workers[0]._process.wait()
    with pytest.raises(WorkerError, match=r"worker process of shard 1 ended .* --resume"):
        shards.update(1, 0.1)
    shards.close()


def test_close_ends_the_workers(ids):
    """After close no worker runs."""
    shards = shards_of(ids, 3)
    shards.update(0, 0.1)
    processes = [worker._process for worker in shards._workers]
    shards.close()
    assert [process.poll() for process in processes] == [0, 0]


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    """Workers of a run that ended by SIGKILL end by themselves, and leave no shared memory."""
    text = tmp_path / "text.txt"
    text.write_text("the tide comes in, the tide goes out. " * 200, encoding="utf-8")
    program = (
        "import sys, charnn\n"
        f"run = charnn.train({str(text)!r}, steps=10**6, eval_every=10**6, shards=2,"
        " hidden_size=8)\n"
        "for event in run:\n"
        "    if getattr(event, 'update', 0) == 3:\n"
        "        print(run.trainer.engine._workers[0]._process.pid, flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    worker = int(parent.stdout.readline())
    assert is_running(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(worker)


def is_running(process):
    """Say whether a process is alive and no zombie."""
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip()[:1] not in ("", "Z")


def weights_of_a_run(tiny_text, **options):
    """Train by two shards and return the weights."""
    config = {"steps": 12, "hidden_size": 8, "batch_size": 4, "seq_length": 6, "shards": 2}
    config |= options
    run = new_run([str(tiny_text)], Config.from_values(config), fixed=config, write=False)
    for _ in run:
        pass
    return run.trainer.model.parameters.flat.copy()


@pytest.fixture
def tiny_text(tmp_path):
    """A short text."""
    path = tmp_path / "tiny.txt"
    path.write_text("she sells sea shells on the sea shore. " * 20, encoding="utf-8")
    return path


def test_equal_runs_give_equal_bits(tiny_text):
    """Two shards with dropout give the same weights every time, and on one core as on all."""
    first, second = (weights_of_a_run(tiny_text, dropout=0.3) for _ in range(2))
    assert (first == second).all()
    assert (first != weights_of_a_run(tiny_text, dropout=0.2)).any()
    if hasattr(os, "sched_setaffinity"):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        try:
            held = weights_of_a_run(tiny_text, dropout=0.3)
        finally:
            os.sched_setaffinity(0, before)
        assert (held == first).all()


def test_default_shards_suit_the_work(monkeypatch):
    """A small model has one shard; a large one as many as cores, if the batch has the streams."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)

    def shards_by_default(config, size):
        training = config.training
        symbols = training.batch_size * training.seq_length
        return default_shards(config, Sizes(size, size), symbols)

    assert shards_by_default(Config().replace(hidden_size=8), V) == 1
    assert shards_by_default(Config(), 65) == 4
    assert shards_by_default(Config().replace(batch_size=8), 65) == 2


def test_more_shards_than_streams_are_refused():
    """A shard needs a stream."""
    with pytest.raises(ConfigError, match="shards is 9, but batch_size is 8"):
        Config().replace(shards=9, batch_size=8)


def test_shared_arrays_are_one_memory():
    """What is written through one attachment is read through another."""
    shapes = {"a": (3, 5), "b": (7,)}
    first = SharedArrays(shapes)
    second = SharedArrays(shapes, handle=first.handle)
    first["a"][:] = 2
    second["b"][:] = 3
    assert (second["a"] == 2).all()
    assert (first["b"] == 3).all()


def test_a_worker_ignores_the_terminals_interrupt(ids):
    """SIGINT to the run's process group does not reach the workers."""
    shards = shards_of(ids, 2)
    try:
        shards.update(0, 0.1)
        process = shards._workers[0]._process
        assert os.getpgid(process.pid) != os.getpgid(0)
        shards.update(1, 0.1)
        assert process.poll() is None
    finally:
        shards.close()


def test_shards_evaluate_together(ids):
    """The loss on any part of the corpus is that of one shard, and of `evaluate`."""
    long = np.tile(ids, 20)
    whole, parts = shards_of(long, 1), shards_of(long, 3)
    corpus = corpus_in_memory(long, VOCABULARY).cut(Config().replace(**OPTIONS).data)
    try:
        for part in ("train", "val", "test"):
            expected = evaluate(whole.model, getattr(corpus, part))
            assert whole.evaluate(part) == expected
            score = parts.evaluate(part)
            assert score.predictions == expected.predictions == corpus.parts[part] - 1
            assert score.nats == pytest.approx(expected.nats, rel=1e-6)
    finally:
        parts.close()


def test_shards_update_their_slices(ids):
    """An update by several shards is that of one: no parameter is left out, none moved twice."""
    options = {"optimizer": "momentum", "ema_decay": 0.5, "clip_value": 0.01, "clip_norm": 0.02}
    whole, parts = shards_of(ids, 1, **options), shards_of(ids, 3, **options)
    try:
        for update in range(3):
            for shards in (whole, parts):
                shards.update(update, 0.1)
            ours, theirs = parts.export(), whole.export()
            for name, array in ours.items():
                np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-6)
            assert (theirs["average"] != whole.model.parameters.flat).any()
    finally:
        parts.close()


@pytest.fixture
def pipe():
    """Return the two ends of a pipe, without buffers: to read from and to write to."""
    read, write = os.pipe()
    with io.FileIO(read) as reader, io.FileIO(write, "w") as writer:
        yield reader, writer


def test_a_message_in_pieces_is_put_together(pipe):
    """A piece may come long after the reader has gone to sleep."""
    reader, writer = pipe
    writer.write(b"one ")
    later = threading.Timer(20 * AWAKE, writer.write, [b"message, and another"])
    later.start()
    assert receive(reader, len(b"one message")) == b"one message"
    later.join()


def test_a_message_that_breaks_off_is_returned_as_it_is(pipe):
    """The other side has ended: nothing more will come."""
    reader, writer = pipe
    writer.write(b"one mess")
    writer.close()
    assert receive(reader, len(b"one message")) == b"one mess"


@pytest.mark.skipif(not hasattr(select, "poll"), reason="pipes cannot be asked here")
def test_who_waits_for_a_message_stays_awake_for_a_while(pipe, monkeypatch):
    """The core is offered to others until the message is there, or the time is over."""
    reader, writer = pipe
    ticks, offers = count(), []

    def offer():
        offers.append(1)
        if len(offers) == 3:
            writer.write(b"message")

    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks) * AWAKE / 10)
    monkeypatch.setattr(os, "sched_yield", lambda: offers.append(0))
    stay_awake(reader)
    assert offers == [0] * 9
    offers.clear()
    monkeypatch.setattr(os, "sched_yield", offer)
    stay_awake(reader)
    assert offers == [1] * 3


def test_synchronize_waits_for_every_shard(ids):
    """An order to do nothing starts the workers and changes nothing."""
    shards = shards_of(ids, 3)
    try:
        before = shards.model.parameters.flat.copy()
        shards.synchronize()
        assert len(shards._workers) == 2
        assert (shards.model.parameters.flat == before).all()
    finally:
        shards.close()
