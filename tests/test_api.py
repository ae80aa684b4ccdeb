"""The Python API: what `charnn` offers, and that it does what the commands do."""

from __future__ import annotations

import inspect
import json
import math
import textwrap
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import charnn
from charnn.cli.main import charnn as commands
from charnn.errors import CheckpointError, CompressionError, ConfigError, CorpusError, RunError
from charnn.text.batches import Batch
from charnn.training.checkpoint import Checkpoint, save_checkpoint
from charnn.training.events import Evaluation, Finished, Saved, Started, Step

TEXT = "the tide goes out and the lamp stays lit; all night a bell rings.\n" * 40
TINY = {"hidden_size": 12, "batch_size": 4, "seq_length": 16, "steps": 40, "eval_every": 20}


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder that holds a text."""
    monkeypatch.chdir(tmp_path)
    Path("tide.txt").write_text(TEXT, encoding="utf-8")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Return a trained model that must not be changed."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "tide.txt").write_text(TEXT, encoding="utf-8")
    run = charnn.train(folder / "tide.txt", **TINY)
    list(run)
    return run.checkpoint


def examples(docstring: str) -> str:
    """Return the indented code of a docstring."""
    lines = inspect.cleandoc(docstring).splitlines()
    return textwrap.dedent("\n".join(ln for ln in lines if ln.startswith("    ") or not ln))


class TestNames:
    """What can be imported from the package."""

    @pytest.mark.parametrize("name", charnn.__all__)
    def test_every_name_is_there(self, name: str) -> None:
        """Each name in `__all__` is found when it is asked for."""
        assert getattr(charnn, name) is not None

    @pytest.mark.parametrize("name", [n for n in charnn.__all__ if n != "__version__"])
    def test_every_name_is_documented(self, name: str) -> None:
        """Each of them says what it is."""
        assert inspect.getdoc(getattr(charnn, name))

    def test_the_names_are_sorted_and_all_different(self) -> None:
        """`__all__` and the table of places agree."""
        assert len(set(charnn.__all__)) == len(charnn.__all__)
        assert set(charnn.__all__) == set(charnn.PLACES) | {"__version__"}

    def test_a_name_that_does_not_exist(self) -> None:
        """Another name is an AttributeError that repeats it."""
        with pytest.raises(AttributeError, match="'charnn' has no attribute 'transformer'"):
            _ = charnn.transformer

    def test_completion_knows_the_names(self) -> None:
        """`dir(charnn)`, which completion reads, lists what is imported only when it is used."""
        assert set(charnn.__all__) <= set(dir(charnn))

    def test_the_same_object_every_time(self) -> None:
        """A name means one thing."""
        assert charnn.train is charnn.train
        assert charnn.CELLS is charnn.CELLS

    def test_the_example_of_the_docstring(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The code in the package's docstring runs as it stands, on a smaller model."""
        code = examples(charnn.__doc__ or "")
        assert "charnn.train" in code
        assert "charnn.sample" in code
        assert "charnn.evaluate" in code
        Path("shakespeare.txt").write_text(TEXT + "To be, or not to be")
        list(charnn.train("shakespeare.txt", out="runs/shakespeare-lstm", **TINY))
        train = charnn.train
        monkeypatch.setitem(
            charnn.__dict__, "train", lambda *files, **o: train(*files, **{**TINY, **o, "steps": 3})
        )
        exec(code, {})  # noqa: S102
        shown = capsys.readouterr().out
        assert shown.count("Step(") == 3
        assert float(shown.splitlines()[-1]) > 0


class TestTrain:
    """`charnn.train` and `charnn.resume`."""

    def test_events(self) -> None:
        """Training is a generator: the start, the updates, the evaluations, the end."""
        events = list(charnn.train("tide.txt", **TINY))
        assert isinstance(events[0], Started)
        assert isinstance(events[-1], Finished)
        assert [e.update for e in events if isinstance(e, Step)] == list(range(1, 41))
        assert [e.update for e in events if isinstance(e, Evaluation)] == [20, 40]

    def test_nothing_is_written(self) -> None:
        """Without `out` no file is written."""
        events = list(charnn.train("tide.txt", **TINY))
        assert not any(isinstance(event, Saved) for event in events)
        assert [entry.name for entry in Path().iterdir()] == ["tide.txt"]

    def test_out(self) -> None:
        """With `out` a run folder is written; it is not replaced unless `force` is given."""
        events = list(charnn.train("tide.txt", out="run", **TINY))
        assert {e.path.name for e in events if isinstance(e, Saved)} == {"best.npz", "last.npz"}
        with pytest.raises(RunError, match="'run' exists"):
            charnn.train("tide.txt", out=Path("run"), **TINY)
        list(charnn.train("tide.txt", out="run", force=True, **TINY | {"steps": 2}))
        assert charnn.load("run/last.npz").progress.update == 2

    def test_it_learns(self, saved: Checkpoint) -> None:
        """Forty updates are better than chance."""
        assert saved.progress.update == 40
        assert saved.progress.best_loss < 0.95 * math.log(len(saved.vocabulary))

    def test_one_event_at_a_time(self) -> None:
        """Nothing happens before it is asked for, and `checkpoint` is the run as it stands."""
        run = charnn.train("tide.txt", **TINY)
        before = run.checkpoint.parameters.flat.copy()
        events = iter(run)
        assert isinstance(next(events), Started)
        assert run.checkpoint.progress.update == 0
        assert (run.checkpoint.parameters.flat == before).all()
        assert isinstance(next(events), Step)
        assert run.checkpoint.progress.update == 1
        assert (run.checkpoint.parameters.flat != before).any()

    def test_several_files(self) -> None:
        """Files are one text, and may be paths or names."""
        Path("a.txt").write_text(TEXT[:500])
        run = charnn.train("a.txt", Path("tide.txt"), **TINY)
        assert sum(run.checkpoint.corpus.parts.values()) == 500 + len(TEXT)

    def test_no_file(self) -> None:
        """Training on nothing is an error of charnn's own."""
        with pytest.raises(charnn.CharnnError):
            charnn.train(**TINY)

    def test_notes(self) -> None:
        """What was adapted to a short text is in `notes`; what was asked for is not adapted."""
        Path("short.txt").write_text("hello hello")
        assert (
            "batch_size 1 instead of 16"
            in charnn.train("short.txt", steps=1, hidden_size=8).notes[0]
        )
        with pytest.raises(CorpusError, match="--batch-size"):
            charnn.train("short.txt", steps=1, batch_size=16, seq_length=16)

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"hiden_size": 3}, "Did you mean 'hidden_size'"),
            ({"hidden_size": 0}, "hidden_size is 0"),
            ({"epochs": 1, "steps": 1}, "one of the two"),
        ],
    )
    def test_bad_options(self, options: dict, named: str) -> None:
        """Options are checked as the command's are."""
        with pytest.raises(ConfigError, match=named):
            charnn.train("tide.txt", **options)

    def test_a_missing_file(self) -> None:
        """A text that is missing is a CorpusError, and a CharnnError."""
        with pytest.raises(CorpusError, match=r"'missing\.txt'"):
            charnn.train("missing.txt")
        assert issubclass(CorpusError, charnn.CharnnError)

    def test_init_from(self) -> None:
        """A new run starts from a model's weights."""
        list(charnn.train("tide.txt", out="run", **TINY))
        new = charnn.train("tide.txt", init_from="run", steps=1).checkpoint
        assert (new.parameters.flat == charnn.load("run").parameters.flat).all()

    def test_resume(self) -> None:
        """A run that was left in the middle ends with the uninterrupted one's weights."""
        whole = charnn.train("tide.txt", **TINY)
        list(whole)
        run = charnn.train("tide.txt", out="run", **TINY)
        for event in run:
            if isinstance(event, Step) and event.update == 13:
                run.trainer.stop_requested = True
        rest = charnn.resume("run")
        assert rest.checkpoint.progress.update == 13
        list(rest)
        assert (rest.checkpoint.parameters.flat == whole.checkpoint.parameters.flat).all()

    def test_resume_with_more_steps(self) -> None:
        """`steps` may be raised; another option may not change, and a wrong name is named."""
        list(charnn.train("tide.txt", out="run", **TINY))
        with pytest.raises(RunError, match="--steps"):
            charnn.resume("run")
        with pytest.raises(ConfigError, match="hidden_size is 13"):
            charnn.resume("run", steps=50, hidden_size=13)
        with pytest.raises(ConfigError, match="Did you mean 'steps'"):
            charnn.resume("run", stesp=50)
        list(charnn.resume("run", steps=50))
        assert charnn.load("run/last.npz").progress.update == 50

    def test_resume_with_the_text_elsewhere(self) -> None:
        """The files may be named anew."""
        list(charnn.train("tide.txt", out="run", **TINY))
        Path("tide.txt").rename("moved.txt")
        with pytest.raises(CorpusError, match=r"'tide\.txt'"):
            charnn.resume("run", steps=41)
        list(charnn.resume("run", "moved.txt", steps=41))


class TestModels:
    """`charnn.load`, `sample`, `samples` and `evaluate`."""

    def test_load(self) -> None:
        """A run folder means its best; names and paths will do."""
        list(charnn.train("tide.txt", out="run", **TINY))
        for place in ("run", Path("run"), "run/best.npz"):
            found = charnn.load(place)
            assert found.config.model.hidden_size == 12
            assert found.progress.update == found.progress.best_update
            assert found.optimizer is None
        assert charnn.load("run/last.npz").optimizer is not None

    def test_load_what_is_none(self) -> None:
        """Anything else is a CheckpointError."""
        with pytest.raises(CheckpointError, match="does not exist"):
            charnn.load("missing")
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            charnn.load("tide.txt")

    def test_sample(self, saved: Checkpoint) -> None:
        """One text of the wanted length, the same for the same seed, without its prime."""
        text = charnn.sample(saved, length=200, seed=1, prime="the ")
        assert len(text) == 200
        assert set(text) <= set(TEXT)
        assert text == charnn.sample(saved, length=200, seed=1, prime="the ")
        assert text != charnn.sample(saved, length=200, seed=2, prime="the ")
        assert len(charnn.sample(saved)) == 500

    def test_sample_is_one(self, saved: Checkpoint) -> None:
        """`sample` returns a single text, whatever `num` says."""
        assert len(charnn.sample(saved, length=5, num=3)) == 5

    def test_samples(self, saved: Checkpoint) -> None:
        """Several texts are drawn as one batch, all different."""
        texts = charnn.samples(saved, num=4, length=60, seed=1)
        assert [len(text) for text in texts] == [60] * 4
        assert len(set(texts)) == 4

    def test_greedy(self, saved: Checkpoint) -> None:
        """At temperature 0 there is one text only."""
        texts = charnn.samples(saved, num=3, length=30, temperature=0, prime="t")
        assert len(set(texts)) == 1

    def test_stop(self, saved: Checkpoint) -> None:
        """A sample ends before the stop text."""
        assert " " not in charnn.sample(saved, stop=" ", seed=1)

    def test_an_endless_sample(self, saved: Checkpoint) -> None:
        """A text without an end cannot be returned, and is refused."""
        with pytest.raises(ConfigError, match="length"):
            charnn.sample(saved, length=None)

    def test_bad_sampling_options(self, saved: Checkpoint) -> None:
        """Options are checked; a wrong name is refused."""
        with pytest.raises(ConfigError, match="temperature is -1"):
            charnn.sample(saved, temperature=-1)
        with pytest.raises((ConfigError, TypeError), match="temprature"):
            charnn.sample(saved, temprature=1)

    def test_evaluate(self, saved: Checkpoint) -> None:
        """The loss in nats, bits and as perplexity is that of the naive forward pass."""
        score = charnn.evaluate(saved, "the tide goes out")
        ids = saved.vocabulary.encode("the tide goes out")[:, None]
        logits, _, _ = saved.model.logits(ids[:-1], saved.model.zero_states(1))
        logits = logits.astype(np.float64)
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        nats = -np.log(shares[np.arange(16), ids[1:, 0]]).mean()
        assert score.predictions == 16
        assert score.nats_per_symbol == pytest.approx(nats, rel=1e-5)
        assert score.bits_per_symbol == pytest.approx(nats / math.log(2), rel=1e-5)
        assert score.perplexity == pytest.approx(math.exp(nats), rel=1e-5)

    def test_evaluate_what_is_validated(self) -> None:
        """The loss on the validation part is the one that training told."""
        run = charnn.train("tide.txt", **TINY)
        told = [event.val_loss for event in run if isinstance(event, Evaluation)][-1]
        part = TEXT[run.checkpoint.corpus.parts["train"] :]
        assert charnn.evaluate(run.checkpoint, part).nats_per_symbol == pytest.approx(told)

    @pytest.mark.parametrize("text", ["", "t"])
    def test_evaluate_nothing(self, text: str, saved: Checkpoint) -> None:
        """Fewer than two characters predict nothing."""
        with pytest.raises(CorpusError, match=f"has {len(text)} characters"):
            charnn.evaluate(saved, text)

    def test_evaluate_strangers(self, saved: Checkpoint) -> None:
        """A character that the model does not know is never left out silently."""
        with pytest.raises(CorpusError, match="'é'"):
            charnn.evaluate(saved, "the tidé")

    def test_evaluate_with_an_unknown_symbol(self) -> None:
        """Where the model has an unknown symbol, strangers are scored as it."""
        Path("rare.txt").write_text(TEXT + "é")
        run = charnn.train("rare.txt", min_count=2, **TINY)
        strange = charnn.evaluate(run.checkpoint, "the tidé")
        assert strange.predictions == 7
        assert strange == charnn.evaluate(run.checkpoint, "the tidü")
        assert strange != charnn.evaluate(run.checkpoint, "the tide")


class TestCompression:
    """Bytes in, bytes out."""

    @pytest.mark.parametrize(
        "content", ["the tide 😀 goes out", b"\xff\x00 the tide", "", TEXT[:400]]
    )
    @pytest.mark.parametrize("embed", [False, True])
    def test_round_trip(self, content: str | bytes, embed: bool, saved: Checkpoint) -> None:
        """A text comes back in UTF-8, bytes as they were."""
        original = content.encode() if isinstance(content, str) else content
        packed = charnn.compress(content, saved, embed=embed, lanes=2, workers=1)
        assert len(packed) <= len(original) + 100
        assert charnn.decompress(packed, saved) == original

    def test_the_files_of_the_command(self, saved: Checkpoint) -> None:
        """What is returned is what `charnn compress` writes."""
        save_checkpoint(Path("model.npz"), saved)
        result = CliRunner().invoke(commands, ["compress", "tide.txt", "--model", "model.npz"])
        assert result.exit_code == 0
        assert Path("tide.txt.cnn").read_bytes() == charnn.compress(TEXT, saved)

    def test_what_cannot_be_decompressed(self, saved: Checkpoint) -> None:
        """No model, damage, and a text in place of bytes."""
        letters = np.random.default_rng(1).permutation(list(TEXT[:800]))
        packed = charnn.compress("".join(letters), saved)
        with pytest.raises(CompressionError, match="needs the model"):
            charnn.decompress(packed)
        with pytest.raises(CompressionError, match="cut off"):
            charnn.decompress(packed[:-1], saved)
        with pytest.raises(ConfigError, match="give the bytes"):
            charnn.decompress("text", saved)

    @pytest.mark.parametrize("options", [{"bits": 5}, {"lanes": 0}, {"lanes": 257}])
    def test_bad_options(self, options: dict, saved: Checkpoint) -> None:
        """The bounds are those of the command."""
        with pytest.raises(ConfigError, match=next(iter(options))):
            charnn.compress("the tide", saved, **options)


class TestCorpus:
    """`charnn.corpus`: a text in memory, for `train` and `resume`."""

    def test_what_it_holds(self) -> None:
        """Ids and vocabulary are the text's own, and it comes from no file."""
        corpus = charnn.corpus("hello")
        assert corpus.ids.tolist() == [1, 0, 2, 2, 3]
        assert corpus.vocabulary.symbols == "ehlo"
        assert (corpus.path, corpus.files, corpus.unknown) == (None, [], 0)
        assert corpus.parts == {"train": 5, "val": 0, "test": 0}

    def test_options(self) -> None:
        """Tokens, rare characters and a vocabulary file are as for `charnn train`."""
        assert charnn.corpus("h\xe9", tokens="bytes").ids.tolist() == [0x68, 0xC3, 0xA9]
        rare = charnn.corpus("aab", min_count=2)
        assert (rare.ids.tolist(), rare.unknown) == ([0, 0, 1], 1)
        Path("v.json").write_text(json.dumps(rare.vocabulary.to_json()))
        again = charnn.corpus("abab", vocab="v.json")
        assert (again.ids.tolist(), again.unknown) == ([0, 1, 0, 1], 2)

    @pytest.mark.parametrize(
        ("text", "reason"), [("", "the text is empty"), ("a", "at least 2 are needed")]
    )
    def test_too_short(self, text: str, reason: str) -> None:
        """A text in which nothing can be predicted is refused."""
        with pytest.raises(CorpusError, match=reason):
            charnn.corpus(text)

    @pytest.mark.parametrize("option", [{"min_count": 2}, {"tokens": "bytes"}])
    def test_its_vocabulary_is_made_already(self, option: dict) -> None:
        """Options on the vocabulary are for `corpus`, and refused by `train` on one."""
        with pytest.raises(ConfigError, match="the corpus has its vocabulary already"):
            charnn.train(charnn.corpus("hello " * 9), **option)

    def test_a_stranger(self) -> None:
        """A character that a given vocabulary lacks is named."""
        Path("v.json").write_text(json.dumps(charnn.Vocabulary.from_text("ab").to_json()))
        with pytest.raises(CorpusError, match="the text has 'c'"):
            charnn.corpus("abc", vocab="v.json")

    @pytest.mark.parametrize("shards", [1, 2])
    @pytest.mark.parametrize("tokens", ["characters", "bytes"])
    def test_training_on_it(self, shards: int, tokens: str) -> None:
        """The run is that of the same text in a file, bit for bit."""
        options = TINY | {"shards": shards, "test_fraction": 0.1, "tokens": tokens}
        in_memory = charnn.train(charnn.corpus(TEXT, tokens=tokens), **options)
        in_file = charnn.train("tide.txt", **options)
        for run in (in_memory, in_file):
            list(run)
        ours, theirs = in_memory.checkpoint, in_file.checkpoint
        assert (ours.parameters.flat == theirs.parameters.flat).all()
        assert ours.progress.history == theirs.progress.history
        assert ours.corpus.fingerprint == theirs.corpus.fingerprint
        assert ours.corpus.parts == theirs.corpus.parts
        assert ours.vocabulary == theirs.vocabulary

    def test_resuming(self) -> None:
        """Stopped and resumed with the same text, a run ends as if it had not been stopped."""
        whole = charnn.train(charnn.corpus(TEXT), **TINY)
        list(whole)
        run = charnn.train(charnn.corpus(TEXT), out="run", **TINY)
        for event in run:
            run.trainer.stop_requested = getattr(event, "update", 0) >= 15
        resumed = charnn.resume("run", charnn.corpus(TEXT))
        assert resumed.trainer.progress.update == 15
        list(resumed)
        found, expected = resumed.checkpoint.parameters.flat, whole.checkpoint.parameters.flat
        assert (found == expected).all()
        assert charnn.load("run/last.npz").corpus.files == []

    def test_resuming_without_it(self) -> None:
        """The text is nowhere to be found: the error says what to pass."""
        list(charnn.train(charnn.corpus(TEXT), out="run", **TINY))
        with pytest.raises(RunError, match="pass the same corpus"):
            charnn.resume("run", steps=50)

    def test_resuming_with_another_text(self) -> None:
        """A corpus that is not the run's is refused, and the run's folder is free again."""
        list(charnn.train(charnn.corpus(TEXT), out="run", **TINY))
        with pytest.raises(RunError, match="the corpus is not the one"):
            charnn.resume("run", charnn.corpus(TEXT + "."), steps=50)
        list(charnn.resume("run", charnn.corpus(TEXT), steps=42))

    def test_resuming_from_a_file(self) -> None:
        """The same text in a file will do."""
        list(charnn.train(charnn.corpus(TEXT), out="run", **TINY))
        assert len(list(charnn.resume("run", "tide.txt", steps=41))) > 2

    def test_a_corpus_stands_alone(self) -> None:
        """Beside it no file is read."""
        for texts in (("tide.txt", charnn.corpus(TEXT)), (charnn.corpus(TEXT),) * 2):
            with pytest.raises(CorpusError, match="a corpus stands alone"):
                charnn.train(*texts, **TINY)

    def test_it_is_not_changed(self) -> None:
        """A run cuts a corpus for itself; it can be used again."""
        corpus = charnn.corpus(TEXT)
        before = corpus.parts
        charnn.train(corpus, **TINY, val_fraction=0.3)
        assert corpus.parts == before
        assert charnn.train(corpus, **TINY).trainer.corpus.parts["val"] == len(TEXT) // 10

    def test_weights_of_another_model(self, saved: Checkpoint) -> None:
        """`init_from` works with a corpus that has the same symbols."""
        save_checkpoint(Path("c.npz"), saved)
        run = charnn.train(charnn.corpus(TEXT), init_from="c.npz", **TINY)
        assert (run.checkpoint.parameters.flat == saved.parameters.flat).all()


class TestMathematics:
    """Steps, sequences, clipping and gradcheck: what a course asks for."""

    @pytest.fixture
    def weights(self, cell) -> dict[str, np.ndarray]:
        """Return a cell's weights in float64, D = 5 and H = 3."""
        random = np.random.default_rng(2)
        shapes = cell.shapes(5, 3)
        return {name: random.normal(0, 0.5, shape) for name, shape in shapes.items()}

    def test_step(self, cell, weights) -> None:
        """One step gives the states, and a gradient for every weight, input and state."""
        random = np.random.default_rng(3)
        x = random.normal(size=(2, 5))
        previous = tuple(random.normal(size=(2, 3)) for _ in cell.states)
        states, backward = charnn.step(cell, x, previous, weights)
        assert [state.shape for state in states] == [(2, 3)] * len(cell.states)
        dx, d_previous, gradients = backward(tuple(np.ones((2, 3)) for _ in states))
        assert dx.shape == x.shape
        assert [d.shape for d in d_previous] == [state.shape for state in previous]
        assert {name: g.shape for name, g in gradients.items()} == cell.shapes(5, 3)
        epsilon = 1e-6
        for array, analytic in [(x, dx), *zip(previous, d_previous, strict=True)] + [
            (weights[name], gradients[name]) for name in weights
        ]:
            at = tuple(size - 1 for size in array.shape)
            values = []
            for sign in (1, -1):
                array[at] += sign * epsilon
                values.append(sum(s.sum() for s in charnn.step(cell, x, previous, weights)[0]))
                array[at] -= sign * epsilon
            numeric = (values[0] - values[1]) / (2 * epsilon)
            assert analytic[at] == pytest.approx(numeric, rel=1e-5, abs=1e-8)

    def test_a_sequence_is_its_steps(self, cell, weights) -> None:
        """Forward over a batch of sequences equals one step after the other."""
        x = np.random.default_rng(4).normal(size=(6, 2, 5))
        states = tuple(np.zeros((2, 3)) for _ in cell.states)
        h, final, _ = charnn.recurrent(cell, x, states, weights)
        assert h.shape == (6, 2, 3)
        for t in range(6):
            states, _ = charnn.step(cell, x[t], states, weights)
            assert np.allclose(h[t], states[0], atol=1e-14)
        for state, expected in zip(final, states, strict=True):
            assert np.allclose(state, expected, atol=1e-14)

    def test_a_cell_by_name(self) -> None:
        """`CELLS` gives the cells by name; `forms` their forms."""
        assert list(charnn.CELLS)[:3] == ["rnn", "lstm", "gru"]
        assert set(charnn.CELLS["gru"].forms()) == {"before", "after"}
        assert charnn.CELLS["lstm"]().states == ("h", "c")

    def test_the_equations_of_an_rnn(self) -> None:
        """An RNN's step is tanh(x W_xh + h W_hh + b_h)."""
        random = np.random.default_rng(5)
        W = {"W_xh": (1, 4, 3), "W_hh": (1, 3, 3), "b_h": (1, 3)}
        W = {name: random.normal(size=shape) for name, shape in W.items()}
        x, h = random.normal(size=(2, 4)), random.normal(size=(2, 3))
        (after,), _ = charnn.step(charnn.CELLS["rnn"](), x, (h,), W)
        assert np.allclose(after, np.tanh(x @ W["W_xh"][0] + h @ W["W_hh"][0] + W["b_h"][0]))

    def test_clip_by_global_norm(self) -> None:
        """A gradient above the threshold is scaled to it, one below is left; in place."""
        gradient = np.array([[3.0, 0.0], [0.0, -4.0]])
        assert charnn.clip_by_global_norm(gradient, 10) == 5
        assert (gradient == [[3, 0], [0, -4]]).all()
        assert charnn.clip_by_global_norm(gradient, 1) == 5
        assert np.allclose(gradient, [[0.6, 0], [0, -0.8]])

    def test_clip_by_value(self) -> None:
        """Every element is limited to the interval; in place."""
        gradient = np.array([-3.0, -0.1, 0.0, 0.2, 7.0])
        assert charnn.clip_by_value(gradient, 0.2) is None
        assert gradient.tolist() == [-0.2, -0.1, 0.0, 0.2, 0.2]

    def test_gradcheck(self) -> None:
        """Every array of a random model passes; options choose the model."""
        options = {"cell": "gru", "gru_reset": "after", "num_layers": 2, "dropout": 0.3}
        comparisons = charnn.gradcheck(**options, hidden_size=3)
        names = {comparison.name for comparison in comparisons}
        assert {"layer1/b_hn", "layer2/W_hh", "W_hy", "b_y", "layer2/h0"} <= names
        assert max(comparison.error for comparison in comparisons) < 1e-6

    def test_gradcheck_of_another_size(self) -> None:
        """Vocabulary, length, seed and directions can be chosen; a wrong option is refused."""
        sizes = {c.name: c.size for c in charnn.gradcheck(vocab_size=7, seq_length=2, cell="rnn")}
        assert sizes["b_y"] == 7
        found = charnn.gradcheck(hidden_size=40, directional=True, seed=3)
        assert all(c.where.startswith("direction") and c.error < 1e-6 for c in found)
        with pytest.raises(ConfigError, match="cell is 'lsmt'"):
            charnn.gradcheck(cell="lsmt")

    def test_a_model_from_nothing(self) -> None:
        """A model can be made and run without a text."""
        config = charnn.ModelConfig(cell="gru", hidden_size=32, dropout=0)
        model = charnn.LanguageModel.initialized(config, 65, seed=1)
        ids = np.random.default_rng(1).integers(0, 65, (200, 2))
        loss, states, backward = model.loss(Batch(ids[:-1], ids[1:]), model.zero_states(2))
        assert loss == pytest.approx(math.log(65), rel=0.05)
        gradients = model.parameters.zeros_like()
        backward(gradients)
        assert np.isfinite(gradients.flat).all()
        assert gradients.flat.any()
        assert states[0][0].shape == (2, 32)

    def test_a_vocabulary(self) -> None:
        """A text's vocabulary encodes it and decodes it."""
        vocabulary = charnn.Vocabulary.from_text("hello")
        assert vocabulary.symbols == "ehlo"
        assert vocabulary.decode(vocabulary.encode("hello")) == "hello"
