"""How a run begins: adapted to its text, from another model's weights, or refused."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import TEXT, finish, of_kind, small_config, stop_after, write_corpus

from charnn.config import Config, read_yaml
from charnn.errors import CheckpointError, ConfigError, CorpusError, RunError, SharedMemoryError
from charnn.models.language_model import LanguageModel
from charnn.tasks.language_modelling import shared_ids, union
from charnn.tasks.registry import task_of
from charnn.text.vocabulary import Vocabulary
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, PREVIOUS
from charnn.training.events import Finished, Step
from charnn.training.run_folder import FILES
from charnn.training.setup import Run, new_run, resume_run


class StandardInput:
    """Standard input that can be read once, as from a pipe."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def write(path: Path, text: str) -> str:
    """Write a text and return its file's name."""
    path.write_bytes(text.encode())
    return str(path)


def prepared(folder: Path, text: str = TEXT, fixed: Any = (), **changes: Any) -> Run:
    """Prepare a run that writes nothing."""
    return new_run([write_corpus(folder, text)], small_config(**changes), fixed=fixed, write=False)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of trained models to start from: plain, embedded, unknown, bytes."""
    folder = tmp_path_factory.mktemp("sources")
    options: dict[str, dict[str, Any]] = {
        "plain": {"cell": "gru"},
        "embedded": {"cell": "rnn", "embedding_size": 4, "num_layers": 2},
        "unknown": {"min_count": 5},
        "bytes": {"tokens": "bytes"},
    }
    for name, changes in options.items():
        config = small_config(steps=6, eval_every=6, **changes)
        run = new_run([write_corpus(folder)], config, out=folder / name)
        finish(run.trainer)
    return folder


def test_a_new_run_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless told otherwise, a run is called after its text and cell, under runs/."""
    monkeypatch.chdir(tmp_path)
    run = new_run([write(tmp_path / "tide.txt", TEXT)], small_config(cell="rnn"))
    assert run.trainer.folder is not None
    assert run.trainer.folder.path == Path("runs/tide-rnn")
    expected = small_config(cell="rnn", shards=1).own_values()
    assert read_yaml(tmp_path / "runs/tide-rnn/config.yaml") == expected
    assert run.notes == []


def test_without_writing_there_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `write` off, a run leaves nothing on disk."""
    monkeypatch.chdir(tmp_path)
    run = prepared(tmp_path)
    finish(run.trainer)
    assert run.trainer.folder is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["tide.txt"]


def test_a_run_can_be_iterated_over(tmp_path: Path) -> None:
    """Iterating over a run trains; its checkpoint is the run as it stands."""
    run = prepared(tmp_path)
    events = list(run)
    assert isinstance(events[-1], Finished)
    assert run.checkpoint.progress.update == 17
    weights = run.trainer.engine.model.parameters.flat
    assert (run.checkpoint.parameters.flat == weights).all()


def test_equal_seeds_give_equal_weights(tmp_path: Path) -> None:
    """A new run's weights are those of the configuration's seed."""
    model = prepared(tmp_path, seed=4).trainer.model
    expected = LanguageModel.initialized(model.config, model.vocab_size, 4)
    assert model.parameters.flat.tobytes() == expected.parameters.flat.tobytes()


def test_a_text_that_is_long_enough_changes_nothing(tmp_path: Path) -> None:
    """Where batch and window fit, there is nothing to note."""
    run = prepared(tmp_path)
    assert run.notes == []
    assert run.trainer.config == small_config(shards=1)


def test_a_short_text_is_adapted_to_with_a_note(tmp_path: Path) -> None:
    """What was not asked for is lowered, and the note says from what to what."""
    run = prepared(tmp_path, TEXT[:60], batch_size=16, seq_length=20)
    training = run.trainer.config.training
    assert (training.batch_size, training.seq_length) == (2, 20)
    (note,) = run.notes
    assert note == "the training part has 54 symbols: batch_size 2 instead of 16."
    assert finish(run.trainer)[-1].reason == "completed"


@pytest.mark.parametrize(
    ("fixed", "expected"),
    [((), (1, 53)), (("batch_size",), (16, 3)), (("hidden_size", "steps"), (1, 53))],
)
def test_what_was_asked_for_is_not_adapted(
    tmp_path: Path, fixed: tuple[str, ...], expected: tuple[int, int]
) -> None:
    """Of batch and window only the one that was left open is lowered."""
    run = prepared(tmp_path, TEXT[:60], fixed, batch_size=16, seq_length=64)
    training = run.trainer.config.training
    assert (training.batch_size, training.seq_length) == expected
    assert len(run.notes) == 1
    assert finish(run.trainer)[-1].reason == "completed"


@pytest.mark.parametrize("fixed", [("batch_size", "seq_length"), ("seq_length",)])
def test_sizes_that_were_asked_for_and_do_not_fit_are_refused(
    tmp_path: Path, fixed: tuple[str, ...]
) -> None:
    """The error tells what is there, what is needed, and sizes that fit."""
    with pytest.raises(CorpusError) as caught:
        prepared(tmp_path, TEXT[:60], fixed, batch_size=16, seq_length=64)
    assert str(caught.value) == (
        "the training part has 54 symbols; batch_size 16 x seq_length 64 needs 1,025. "
        "Use --batch-size 1 --seq-length 53, or more text."
    )


def test_a_training_part_of_one_symbol_is_refused(tmp_path: Path) -> None:
    """Where validation takes almost everything, nothing is left to learn from, and that is said."""
    with pytest.raises(CorpusError) as caught:
        prepared(tmp_path, TEXT[:10], val_fraction=0.95)
    assert "more text" in str(caught.value)


def test_a_missing_validation_part_is_noted(tmp_path: Path) -> None:
    """A text too short for a validation part is trained on, and the note says what follows."""
    run = prepared(tmp_path, TEXT[:12])
    assert run.notes[-1] == (
        "the text is too short for a validation part: the best is by training loss."
    )
    assert run.notes[-1] not in prepared(tmp_path, TEXT[:12], val_fraction=0).notes


def test_two_symbols_are_enough_to_train_on(tmp_path: Path) -> None:
    """The shortest of texts can be trained on."""
    run = prepared(tmp_path, "ab")
    assert finish(run.trainer)[-1].reason == "completed"
    assert run.trainer.config.training.batch_size == 1


def test_the_adapted_configuration_is_what_is_saved(tmp_path: Path) -> None:
    """config.yaml and the checkpoint hold the sizes that were used."""
    run = new_run([write_corpus(tmp_path, TEXT[:60])], small_config(), out=tmp_path / "run")
    finish(run.trainer)
    assert run.trainer.config.training.batch_size == 3
    config = small_config(batch_size=16)
    config = task_of(config).adapted(config, run.trainer.corpus, ())[0]
    assert config.training.batch_size == 5
    assert read_yaml(tmp_path / "run" / "config.yaml") == run.trainer.config.own_values()
    assert load_checkpoint(tmp_path / "run").config == run.trainer.config


def test_standard_input_is_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text from a pipe, which can be read once only, becomes a run in a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", StandardInput(TEXT.encode()))
    run = new_run(["-"], small_config())
    assert run.trainer.folder is not None
    assert run.trainer.folder.path == Path("runs/stdin-lstm")
    assert len(run.trainer.corpus.ids) == len(TEXT)


def test_standard_input_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text from a pipe can be trained on without writing anything."""
    monkeypatch.setattr(sys, "stdin", StandardInput(TEXT.encode()))
    run = new_run(["-"], small_config(), write=False)
    assert len(run.trainer.corpus.ids) == len(TEXT)


def test_standard_input_with_other_weights(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text from a pipe can be learned by a model that has learned another one."""
    monkeypatch.setattr(sys, "stdin", StandardInput(TEXT.encode()))
    run = new_run(["-"], small_config(), write=False, init_from=sources / "plain")
    assert len(run.trainer.corpus.ids) == len(TEXT)


def test_an_existing_run_is_refused_before_the_text_is_read(run_copy: Path) -> None:
    """The folder is checked first; nothing in it changes."""
    before = {entry.name: entry.read_bytes() for entry in run_copy.iterdir()}
    with pytest.raises(RunError) as caught:
        new_run([__file__], small_config(vocab="none.json"), out=run_copy)
    assert f"run folder '{run_copy}' exists; resume it with --resume {run_copy}" in str(
        caught.value
    )
    assert {entry.name: entry.read_bytes() for entry in run_copy.iterdir()} == before


@pytest.mark.parametrize("force", [False, True])
def test_a_run_that_cannot_begin_changes_nothing(
    tmp_path: Path, run_copy: Path, force: bool
) -> None:
    """A missing text makes no folder, and does not cost the old run that was to be replaced."""
    before = {entry.name: entry.read_bytes() for entry in run_copy.iterdir()}
    out = run_copy if force else tmp_path / "new"
    with pytest.raises(CorpusError) as caught:
        new_run([str(tmp_path / "none.txt")], small_config(), out=out, force=force)
    assert "none.txt' cannot be read" in str(caught.value)
    with pytest.raises(CorpusError) as caught:
        new_run(
            [write_corpus(tmp_path, "ab")],
            small_config(),
            fixed=("batch_size", "seq_length"),
            out=out,
            force=force,
        )
    assert "Use --batch-size" in str(caught.value)
    assert {entry.name: entry.read_bytes() for entry in run_copy.iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_force_replaces_a_run(run_copy: Path, tmp_path: Path) -> None:
    """With force the old run goes, and the new one leaves the same kinds of files."""
    run = new_run([write_corpus(tmp_path)], small_config(seed=2), out=run_copy, force=True)
    assert not (run_copy / LAST).exists()
    finish(run.trainer)
    assert {entry.name for entry in run_copy.iterdir()} == {*FILES, PREVIOUS}
    assert load_checkpoint(run_copy).config.training.seed == 2


OTHER = "Zebras quiz the jovial tide: XYZ!\n" * 8


def symbol_parts(model: LanguageModel, vocabulary: Vocabulary, symbol: str) -> list[bytes]:
    """Return the bits of all weights that belong to one symbol."""
    at = vocabulary.symbols.index(symbol)
    parameters = model.parameters
    table = parameters["E"][at] if "E" in parameters else parameters["layer1/W_xh"][:, at]
    return [table.tobytes(), parameters["W_hy"][:, at].tobytes(), parameters["b_y"][at].tobytes()]


@pytest.mark.parametrize("name", ["plain", "embedded"])
def test_weights_are_taken_over_by_the_symbol(tmp_path: Path, sources: Path, name: str) -> None:
    """Known symbols keep their input row, output column and bias; everything else comes along."""
    run = new_run(
        [write_corpus(tmp_path, OTHER)], small_config(seed=7), write=False, init_from=sources / name
    )
    model, vocabulary = run.trainer.model, run.trainer.corpus.vocabulary
    source = load_checkpoint(sources / name)
    fresh = LanguageModel.initialized(run.trainer.config.model, len(vocabulary), 7)
    assert set(vocabulary.symbols) == set(OTHER) | set(TEXT)
    for symbol in vocabulary.symbols:
        known = symbol in source.vocabulary.symbols
        expected = (
            symbol_parts(source.model, source.vocabulary, symbol)
            if known
            else symbol_parts(fresh, vocabulary, symbol)
        )
        assert symbol_parts(model, vocabulary, symbol) == expected
    shared = {"E", "layer1/W_xh"} if name == "embedded" else {"layer1/W_xh"}
    for path, array in model.parameters.items():
        if path not in shared | {"W_hy", "b_y"} or (name, path) == ("embedded", "layer1/W_xh"):
            assert array.tobytes() == source.parameters[path].tobytes()
    new = len(set(OTHER) - set(TEXT))
    assert run.notes == [
        f"weights from '{sources / name}'; {new} of {len(vocabulary)} symbols are new to it."
    ]
    assert finish(run.trainer)[-1].reason == "completed"


def test_a_model_that_knows_all_symbols_is_taken_over_whole(tmp_path: Path, sources: Path) -> None:
    """On a text of the same characters the first loss is the trained model's."""
    run = new_run(
        [write_corpus(tmp_path)], small_config(), write=False, init_from=sources / "plain"
    )
    source = load_checkpoint(sources / "plain")
    flat = run.trainer.model.parameters.flat
    assert flat.tobytes() == source.parameters.flat.tobytes()
    assert flat is not source.parameters.flat
    assert "; 0 of " in run.notes[-1]
    assert run.trainer.progress.update == 0


def test_the_network_is_the_sources(tmp_path: Path, sources: Path) -> None:
    """Cell, sizes and input come from the model; training options from the configuration."""
    run = new_run(
        [write_corpus(tmp_path)],
        small_config(cell="lstm", hidden_size=99, learning_rate=0.5, dropout=0.2),
        write=False,
        init_from=sources / "embedded",
    )
    values = run.trainer.config.values()
    assert (values["cell"], values["hidden_size"], values["num_layers"]) == ("rnn", 6, 2)
    assert values["embedding_size"] == 4
    assert (values["learning_rate"], values["dropout"]) == (0.5, 0.2)


@pytest.mark.parametrize(
    ("name", "value", "theirs"),
    [
        ("cell", "lstm", "gru"),
        ("hidden_size", 7, 6),
        ("num_layers", 2, 1),
        ("gru_reset", "after", "before"),
        ("embedding_size", 5, None),
        ("tokens", "bytes", "characters"),
    ],
)
def test_a_network_that_was_asked_for_must_be_the_sources(
    tmp_path: Path, sources: Path, name: str, value: Any, theirs: Any
) -> None:
    """An option that contradicts the model is refused by name; one that agrees is fine."""
    names = [write_corpus(tmp_path)]
    source = sources / "plain"
    with pytest.raises(ConfigError) as caught:
        new_run(names, small_config(**{name: value}), fixed={name}, write=False, init_from=source)
    assert str(caught.value) == (
        f"{name} is {value}, but the model to start from has "
        f"{'none' if theirs is None else theirs}; leave {name} out."
    )
    agreeing = small_config(**{name: theirs})
    run = new_run(names, agreeing, fixed={name}, write=False, init_from=source)
    assert run.trainer.config.values()[name] == theirs


def test_unknown_symbols_find_each_other(tmp_path: Path, sources: Path) -> None:
    """Where both have an unknown symbol, it keeps its weights; its id may be another."""
    run = new_run(
        [write_corpus(tmp_path, OTHER)],
        small_config(min_count=9),
        write=False,
        init_from=sources / "unknown",
    )
    vocabulary, source = run.trainer.corpus.vocabulary, load_checkpoint(sources / "unknown")
    assert vocabulary.unknown_id is not None
    assert source.vocabulary.unknown_id is not None
    ours = run.trainer.model.parameters["W_hy"][:, vocabulary.unknown_id]
    theirs = source.parameters["W_hy"][:, source.vocabulary.unknown_id]
    assert vocabulary.unknown_id != source.vocabulary.unknown_id
    assert ours.tobytes() == theirs.tobytes()


def test_bytes_are_shared_by_all_texts(tmp_path: Path, sources: Path) -> None:
    """A model of bytes starts on any text with no symbol new to it."""
    run = new_run(
        [write_corpus(tmp_path, "\u00e9\U0001f600" * 20)],
        small_config(),
        write=False,
        init_from=sources / "bytes",
    )
    assert run.trainer.config.data.tokens == "bytes"
    assert "; 0 of 256 symbols are new to it." in run.notes[-1]


def test_a_vocabulary_file_goes_before_the_sources(tmp_path: Path, sources: Path) -> None:
    """With `vocab`, the symbols are the file's, and weights still go by the symbol."""
    symbols = "".join(sorted(set(OTHER)))
    vocab = write(tmp_path / "v.json", json.dumps(Vocabulary(symbols).to_json()))
    run = new_run(
        [write_corpus(tmp_path, OTHER)],
        small_config(vocab=vocab),
        write=False,
        init_from=sources / "plain",
    )
    source = load_checkpoint(sources / "plain")
    vocabulary = run.trainer.corpus.vocabulary
    assert vocabulary.symbols == symbols
    assert symbol_parts(run.trainer.model, vocabulary, "t") == symbol_parts(
        source.model, source.vocabulary, "t"
    )


def test_a_source_must_be_a_checkpoint(tmp_path: Path) -> None:
    """A missing or foreign file to start from is refused before a folder is made."""
    names = [write_corpus(tmp_path)]
    for path in (tmp_path / "none.npz", tmp_path / "tide.txt"):
        with pytest.raises(CheckpointError) as caught:
            new_run(names, small_config(), out=tmp_path / "run", init_from=path)
        assert str(path) in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_source_can_be_a_last_or_a_best(tmp_path: Path, sources: Path) -> None:
    """A folder means its best; any checkpoint can be named."""
    for path in (sources / "plain", sources / "plain" / BEST, sources / "plain" / LAST):
        run = new_run([write_corpus(tmp_path)], small_config(), write=False, init_from=path)
        expected = load_checkpoint(path).parameters.flat
        assert run.trainer.model.parameters.flat.tobytes() == expected.tobytes()


def test_vocabularies_are_united_by_their_symbols() -> None:
    """The union is sorted, and has an unknown symbol if one of the two has."""
    first, second = Vocabulary("acd"), Vocabulary("bcd\u00e9", unknown=True)
    both = union(first, second)
    assert both == Vocabulary("abcd\u00e9", unknown=True)
    assert union(second, first) == both
    assert union(first, first) == first
    assert union(Vocabulary.of_bytes(), Vocabulary.of_bytes()) == Vocabulary.of_bytes()


def test_shared_ids_pair_equal_symbols() -> None:
    """Ids of symbols that both have, and of the unknown symbol if both have one."""
    first, second = Vocabulary("acd", unknown=True), Vocabulary("bcd\u00e9", unknown=True)
    assert shared_ids(first, second) == {1: 1, 2: 2, 3: 4}
    assert shared_ids(first, Vocabulary("bcd")) == {1: 1, 2: 2}
    assert shared_ids(Vocabulary("a"), Vocabulary("b")) == {}


def test_nothing_shared_is_no_error(tmp_path: Path, sources: Path) -> None:
    """A text without a single known character starts with the hidden weights only."""
    vocab = write(tmp_path / "v.json", json.dumps(Vocabulary("01").to_json()))
    run = new_run(
        [write_corpus(tmp_path, "0110" * 50)],
        small_config(vocab=vocab),
        write=False,
        init_from=sources / "plain",
    )
    assert "; 2 of 2 symbols are new to it." in run.notes[-1]
    ours = run.trainer.model.parameters["layer1/W_hh"]
    theirs = load_checkpoint(sources / "plain").parameters["layer1/W_hh"]
    assert np.array_equal(ours, theirs)


def test_only_a_run_can_be_resumed(tmp_path: Path) -> None:
    """A folder without last.npz, or none at all, is no run."""
    for path in (tmp_path, tmp_path / "none", Path(__file__)):
        with pytest.raises(RunError) as caught:
            resume_run(path)
        assert str(caught.value) == (
            f"'{path}' is not a run folder (it has no last.npz); give the folder of a run."
        )


def test_a_damaged_run_is_not_resumed(run_copy: Path) -> None:
    """A truncated last.npz is reported as such where there is none before it."""
    (run_copy / "previous.npz").unlink()
    (run_copy / LAST).write_bytes((run_copy / LAST).read_bytes()[:1_000])
    with pytest.raises(CheckpointError) as caught:
        resume_run(run_copy)
    assert f"checkpoint '{run_copy / LAST}' is damaged" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [("learning_rate", 0.5, 0.02), ("cell", "gru", "lstm"), ("clip_norm", None, 1.0)],
)
def test_a_resumed_run_keeps_its_options(run_copy: Path, name: str, value: Any, own: Any) -> None:
    """What would make it another run is refused, with another way; an equal value is fine."""
    before = {entry.name: entry.read_bytes() for entry in run_copy.iterdir()}
    with pytest.raises(ConfigError) as caught:
        resume_run(run_copy, changes={"steps": 30, name: value})
    assert str(caught.value) == (
        f"{name} is {'none' if value is None else value}, but the run to resume has {own}; "
        "leave it out, or start a new run "
        "(--init-from keeps the weights)."
    )
    assert {entry.name: entry.read_bytes() for entry in run_copy.iterdir()} == before
    assert resume_run(run_copy, changes={"steps": 30, name: own}).trainer.total == 30


def test_a_resumed_run_of_epochs_can_be_given_steps(tmp_path: Path) -> None:
    """The new length replaces the old one, whichever way each was given."""
    config = small_config(steps=None, epochs=1)
    finish(new_run([write_corpus(tmp_path)], config, out=tmp_path / "run").trainer)
    resumed = resume_run(tmp_path / "run", changes={"steps": 12, "epochs": None}).trainer
    assert (resumed.config.training.steps, resumed.config.training.epochs) == (12, None)
    assert read_yaml(tmp_path / "run" / "config.yaml")["steps"] == 12
    assert len(of_kind(finish(resumed), Step)) == 4


def test_epochs_and_steps_are_not_both_given(run_copy: Path) -> None:
    """Two lengths contradict each other for a resumed run, too."""
    with pytest.raises(ConfigError) as caught:
        resume_run(run_copy, changes={"steps": 30, "epochs": 4})
    assert "give one of the two" in str(caught.value)


def test_a_run_on_standard_input_needs_its_text_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was piped in is gone; the error says how to go on, and that works."""
    path = write_corpus(tmp_path)
    run = new_run([path], small_config(), out=tmp_path / "run")
    run.trainer.corpus.files[:] = ["-"]
    stop_after(run.trainer, 6)
    monkeypatch.setattr(sys, "stdin", StandardInput(b""))
    with pytest.raises(RunError) as caught:
        resume_run(tmp_path / "run")
    assert str(caught.value) == (
        "the run was trained on standard input; give its text as a file: "
        f"charnn train --resume {tmp_path / 'run'} FILE"
    )
    assert finish(resume_run(tmp_path / "run", [path]).trainer)[-1].reason == "completed"


def test_a_text_that_is_gone_is_reported(tmp_path: Path) -> None:
    """A run whose text was deleted says which file it misses."""
    path = write_corpus(tmp_path)
    stop_after(new_run([path], small_config(), out=tmp_path / "run").trainer, 3)
    Path(path).unlink()
    with pytest.raises(CorpusError) as caught:
        resume_run(tmp_path / "run")
    assert f"corpus '{path}' cannot be read" in str(caught.value)


def test_a_resumed_run_needs_no_vocabulary_file(tmp_path: Path) -> None:
    """The vocabulary is in the checkpoint."""
    symbols = "".join(sorted(set(TEXT)))
    vocab = write(tmp_path / "v.json", json.dumps(Vocabulary(symbols).to_json()))
    config = small_config(vocab=vocab)
    stop_after(new_run([write_corpus(tmp_path)], config, out=tmp_path / "run").trainer, 3)
    Path(vocab).unlink()
    resumed = resume_run(tmp_path / "run").trainer
    assert isinstance(resumed.config, Config)
    assert finish(resumed)[-1].reason == "completed"


def test_an_old_run_stays_where_a_new_one_cannot_begin(
    run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With force, too, the old run's files go only when all else is ready."""
    before = {entry.name: entry.read_bytes() for entry in run_copy.iterdir()}

    def no_memory(*_: Any, **__: Any) -> None:
        raise SharedMemoryError("shared memory cannot be had.")

    monkeypatch.setattr("charnn.engines.shards.SharedArrays", no_memory)
    with pytest.raises(SharedMemoryError):
        new_run([write_corpus(tmp_path)], small_config(), out=run_copy, force=True)
    assert {entry.name: entry.read_bytes() for entry in run_copy.iterdir()} == before
