"""`charnn train`: what it writes, what it shows, and where its options come from."""

from __future__ import annotations

import gzip
import json
import math
import re
import shlex
import time
from pathlib import Path

import pytest
from commands import (
    TINY,
    arrays,
    data,
    events,
    in_words,
    on_terminal,
    output,
    refusal,
    run,
    snapshot,
    succeed,
)

import charnn
from charnn.config import Config, read_yaml
from charnn.registry import CELLS
from charnn.tasks.text_defaults import LSTM

RUN_FILES = {"best.npz", "config.yaml", "last.npz", "metrics.jsonl"}
ONE = ("--hidden-size", 8, "--batch-size", 2, "--seq-length", 8, "--steps", 1)

BY_TEXT = -1  # updates
OF_LM = [name for name, option in Config.options().items() if option.serves("lm")]


def names_in(folder: str | Path) -> set[str]:
    """Return the names of what a folder holds."""
    return {entry.name for entry in Path(folder).iterdir()}


def test_what_a_run_folder_holds(model: Path) -> None:
    """Two checkpoints, metrics and configuration; and the checkpoint before the last one."""
    assert names_in(model) == RUN_FILES | {"previous.npz"}


@pytest.mark.parametrize("cell", CELLS)
def test_the_default_folder(cell: str, verse: Path) -> None:
    """Without --out a run goes to runs/<corpus>-<cell>, and nothing is written beside it."""
    succeed("train", verse, "--cell", cell, *ONE)
    assert names_in(".") == {"verse.txt", "runs"}
    assert names_in("runs") == {f"verse-{cell}"}
    assert names_in(f"runs/verse-{cell}") == RUN_FILES


def test_the_folder_of_a_text_elsewhere(verse: Path) -> None:
    """The default folder lies where one works, not beside the text, and is named by its stem."""
    Path("texts").mkdir()
    verse.rename("texts/verse.old.txt.gz")
    packed = Path("texts/verse.old.txt.gz")
    packed.write_bytes(gzip.compress(packed.read_bytes()))
    succeed("train", packed, *ONE)
    assert names_in("runs") == {"verse-lstm"}
    assert names_in("texts") == {"verse.old.txt.gz"}


def test_the_metrics_can_be_read(model: Path) -> None:
    """Each line of `metrics.jsonl` is a JSON object; all evaluations are there, in order."""
    entries = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    evaluations = [entry for entry in entries if entry["event"] == "evaluation"]
    assert [entry["update"] for entry in evaluations] == [20, 40, 60]
    assert all(math.isfinite(entry["val_loss"]) for entry in evaluations)


def test_the_run_remembers_its_configuration(model: Path) -> None:
    """`config.yaml` is a file for --config, and gives the run's options back."""
    read_back = data("config", "--config", model / "config.yaml")
    expected = charnn.load(model).config.values()
    shown = {name: entry["value"] for name, entry in read_back.items()}
    assert shown == {name: expected[name] for name in OF_LM}
    assert (expected["hidden_size"], expected["steps"]) == (16, 60)


def test_training_learns(trained) -> None:
    """The best loss that is announced is below that of chance, and `info` knows the same."""
    size = len(charnn.load(trained.folder).vocabulary)
    best = float(re.search(r"^best +([\d.]+) nats/char", trained.result.stderr, re.MULTILINE)[1])
    assert best < 0.9 * math.log(size)
    saved = data("info", trained.folder)["progress"]
    assert f"{saved['best_loss']:.4f}" == f"{best:.4f}"


def test_nothing_is_written_to_standard_output(trained) -> None:
    """What is shown of a training run goes to standard error."""
    assert trained.result.stdout == ""


def test_the_beginning_shows_what_will_be_done(trained) -> None:
    """Corpus and its split, vocabulary, parameters, seed and folder come first."""
    shown = in_words(trained.result.stderr)
    saved = charnn.load(trained.folder)
    size, parts = len(saved.vocabulary), saved.corpus.parts
    text = trained.corpus.read_text()
    assert sum(parts.values()) == len(text)
    assert f"verse: {len(text):,} chars" in shown
    assert f"(train {parts['train']:,}, val {parts['val']:,}, test 0)" in shown
    assert f"vocabulary {len(set(text))} symbols" in shown
    assert size == len(set(text))
    assert f"parameters {4 * (16 * 16 + 16 * size + 16) + 16 * size + size:,}" in shown
    assert "60 updates of 4 x 16 chars" in shown
    assert "seed 1 " in shown
    assert str(trained.folder) in shown


@pytest.mark.parametrize("name", OF_LM)
def test_the_beginning_echoes_every_option(name: str, trained) -> None:
    """The effective value of every option is shown before training."""
    value = charnn.load(trained.folder).config.values()[name]
    shown = {"None": "none", "True": "true", "False": "false"}.get(str(value), value)
    beginning = trained.result.stderr.partition("20/60")[0]
    assert f" {name}={shown} " in f"{in_words(beginning)} "


def test_one_plain_line_per_evaluation(trained) -> None:
    """Where there is no terminal, each evaluation is one line without control characters."""
    shown = trained.result.stderr
    lines = [line for line in shown.splitlines() if re.search(r"\b\d+/60\b", line)]
    assert [re.search(r"\b(\d+)/60\b", line)[1] for line in lines] == ["20", "40", "60"]
    for line in lines:
        assert re.search(r"\btrain \d\.\d+", line)
        assert re.search(r"\bval \d\.\d+", line)
        assert "nats/char" in line
        assert "bits/char" in line
        assert "chars/s" in line
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_the_end_says_what_comes_next(trained) -> None:
    """The last lines name the best loss, the saved files, and a command to type."""
    lines = trained.result.stderr.partition("60/60")[2].splitlines()
    ending = in_words("\n".join(lines))
    assert re.search(r"\bbest \d\.\d+ nats/char \(\d\.\d+ bits/char\)", ending)
    assert f"{trained.folder}: " in ending
    for name in RUN_FILES:
        assert name in ending
    assert lines[-1].split()[:3] == ["next", "charnn", "sample"]


def next_command(shown: str) -> list[str]:
    """Return the words of the command that a run's last line gives."""
    (line,) = re.findall(r"^next +charnn (.+)$", shown, re.MULTILINE)
    return shlex.split(line)


@pytest.mark.parametrize("name", ["run", "my run", "$HOME's"])
def test_the_next_command_works(name: str, verse: Path) -> None:
    """The command at the end can be typed as it is, whatever the folder is called."""
    shown = succeed("train", verse, *ONE, "--out", name).stderr
    assert len(output(*next_command(shown))) == 500


def test_quiet(verse: Path) -> None:
    """--quiet prints only the last lines, on standard output, and trains the same weights."""
    result = succeed("train", verse, *ONE, "--quiet", "--out", "quiet")
    loud = succeed("train", verse, *ONE, "--out", "loud")
    assert (loud.stdout, result.stderr) == ("", "")
    lines = [re.sub(r"loud(?=:)|\d+:\d\d", "x", line) for line in loud.stderr.splitlines()[-4:]]
    found = [re.sub(r"quiet(?=:)|\d+:\d\d", "x", line) for line in result.stdout.splitlines()]
    assert [line.split()[0] for line in lines] == ["best", "time", "saved", "next"]
    assert found == lines[:-1]
    assert arrays(Path("quiet/best.npz")) == arrays(Path("loud/best.npz"))


def test_quiet_prints_the_test_loss(verse: Path) -> None:
    """A loss on the test part is a result, too."""
    shown = output("train", verse, *ONE, "--test-fraction", 0.1, "--quiet")
    assert [line.split()[0] for line in shown.splitlines()] == ["best", "test", "time", "saved"]


def test_quiet_prints_the_results_of_a_resumed_run(verse: Path) -> None:
    """The best loss and the updates are those of the run, not of its last part."""
    best, *_ = output("train", verse, *ONE, "--quiet", "--out", "run").splitlines()
    shown = output("train", "--resume", "run", "--steps", 2, "--quiet").splitlines()
    assert [line.split()[0] for line in shown] == ["best", "time", "saved"]
    assert shown[1].endswith(" 2 updates")
    assert loss_of(shown[0]) <= loss_of(best)


def loss_of(line: str) -> float:
    """Return the loss in nats that a line of results names."""
    return float(line.split()[1])


def test_json_events(verse: Path) -> None:
    """--json prints one object per event: configuration, start, steps, evaluations, end."""
    found = events(verse, *TINY, "--sample-length", 30)
    names = [event["event"] for event in found]
    assert names[:2] == ["configuration", "started"]
    assert names[-1] == "finished"
    assert names.count("step") == 60
    assert names.count("evaluation") == 3
    assert set(names[2:-1]) == {"step", "evaluation", "saved"}
    assert [e["update"] for e in found if e["event"] == "step"] == list(range(1, 61))


def test_json_configuration(verse: Path) -> None:
    """The first object holds every option, the sizes, the split and the folder."""
    first = events(verse, *ONE)[0]
    saved = charnn.load("runs/verse-lstm")
    assert first["config"] == saved.config.values()
    assert first["parameters"] == saved.parameters.flat.size
    assert first["vocabulary"] == len(saved.vocabulary)
    assert first["corpus"] == {"name": "verse", **saved.corpus.parts}
    assert first["run"] == "runs/verse-lstm"
    (note,) = first["notes"]
    assert note.startswith("defaults for the cell lstm and ")
    rate = f"learning_rate={saved.config.training.learning_rate}"
    assert note.endswith(f": {rate}, optimizer=adamw, weight_decay=0.05, dropout=0.0")


def test_json_evaluations(verse: Path) -> None:
    """An evaluation comes with its losses and a sample; saved paths and the end are told."""
    found = events(verse, *TINY, "--sample-length", 30)
    evaluations = [event for event in found if event["event"] == "evaluation"]
    for event in evaluations:
        assert len(event["sample"]) == 30
        assert set(event["sample"]) <= set(verse.read_text())
        assert 0 < event["val_loss"] < 4
        assert 0 < event["train_loss"] < 4
    assert {event["path"] for event in found if event["event"] == "saved"} == {
        "runs/verse-lstm/best.npz",
        "runs/verse-lstm/last.npz",
    }
    end = found[-1]
    assert (end["update"], end["reason"]) == (60, "completed")
    assert end["best_loss"] == min(event["val_loss"] for event in evaluations)


def test_json_says_what_was_adapted() -> None:
    """With --json the notes are in the configuration's object, and standard error is empty."""
    Path("short.txt").write_text("a short text, too short for a window")
    first, *_ = events("short.txt", "--hidden-size", 8, "--steps", 1)
    assert "batch_size 1 instead of 16" in first["notes"][0]
    assert first["config"]["batch_size"] == 1


def test_an_existing_run_is_kept(copied: Path, verse: Path) -> None:
    """Without --force a run is not overwritten, not one byte of it."""
    sentence = refusal("train", verse, *ONE, "--out", copied)
    assert "'run' exists" in sentence
    for way_out in ("--force", "--resume run", "--out"):
        assert way_out in sentence


def test_force_replaces_a_run(copied: Path, verse: Path) -> None:
    """--force makes a new run in the old one's place, with nothing of the old one left."""
    succeed("train", verse, "--cell", "rnn", *ONE, "--out", copied, "--force")
    assert names_in(copied) == RUN_FILES
    fresh = charnn.load(copied / "last.npz")
    assert fresh.config.model.cell == "rnn"
    assert fresh.progress.update == 1
    entries = (copied / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line)["update"] <= 1 for line in entries)
    succeed("train", verse, "--cell", "rnn", *ONE, "--out", "fresh")
    assert arrays(copied / "last.npz") == arrays(Path("fresh/last.npz"))


def test_force_is_no_licence_to_delete(verse: Path) -> None:
    """A folder that holds something else is refused, with --force too."""
    Path("letters").mkdir()
    Path("letters/to-a-friend.txt").write_text("dear friend")
    for force in ([], ["--force"]):
        sentence = refusal("train", verse, *ONE, "--out", "letters", *force)
        assert "to-a-friend.txt" in sentence


def test_force_keeps_the_run_when_the_new_one_cannot_begin(copied: Path, verse: Path) -> None:
    """A corpus that cannot be read, or fit, is noticed before the old run goes."""
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    refusal("train", "missing.txt", *ONE, "--out", copied, "--force")
    refusal("train", verse, "--batch-size", 5000, "--out", copied, "--force")
    Path("latin.txt").write_bytes(b"caf\xe9 " * 100)
    refusal("train", "latin.txt", *ONE, "--out", copied, "--force")
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before


def test_an_empty_folder_is_free(verse: Path) -> None:
    """A folder that exists and holds nothing can become a run."""
    Path("empty").mkdir()
    succeed("train", verse, *ONE, "--out", "empty")
    assert names_in("empty") == RUN_FILES


def test_several_files_are_one_text(verse: Path) -> None:
    """Files are read one after the other; the first names the run."""
    text = verse.read_text()
    Path("one.txt").write_text(text[:1000])
    Path("two.txt").write_text(text[1000:])
    succeed("train", "one.txt", "two.txt", *ONE)
    succeed("train", verse, *ONE)
    assert names_in("runs") == {"one-lstm", "verse-lstm"}
    assert arrays(Path("runs/one-lstm/last.npz")) == arrays(Path("runs/verse-lstm/last.npz"))


def test_standard_input_and_gzip(verse: Path) -> None:
    """The same text from `-`, from a .gz file and from a plain one gives the same weights."""
    Path("packed.txt.gz").write_bytes(gzip.compress(verse.read_bytes()))
    succeed("train", verse, *ONE)
    succeed("train", "packed.txt.gz", *ONE)
    succeed("train", "-", *ONE, stdin=verse.read_bytes())
    plain, packed, piped = (
        arrays(Path(f"runs/{name}-lstm/last.npz")) for name in ("verse", "packed", "stdin")
    )
    assert plain == packed == piped


def test_the_same_seed_gives_the_same_weights(verse: Path) -> None:
    """Training is repeatable, and another seed is another run."""
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        succeed("train", verse, *TINY, "--seed", seed, "--out", name, "--quiet")
    a, b, c = (arrays(Path(name) / "last.npz") for name in "abc")
    assert a == b
    assert a["parameters/W_hy"] != c["parameters/W_hy"]


@pytest.mark.parametrize(
    ("given", "in_file", "total"),
    [
        (["--steps", 7], "", 7),
        (["--epochs", 2], "", None),
        (["--epochs", 2], "steps: 5", None),
        (["--steps", 7], "epochs: 3", 7),
        ([], "steps: 5", 5),
        ([], "epochs: 2", None),
        ([], "steps: none\nepochs: none", BY_TEXT),
        ([], "", BY_TEXT),
    ],
)
def test_epochs_and_steps(given: list, in_file: str, total: int | None, verse: Path) -> None:
    """Of epochs and steps the one from the stronger source counts; neither: as the text suits."""
    Path("my.yaml").write_text(in_file)
    values = data("config", *given, "--config", "my.yaml")
    options = {name: values[name]["value"] for name in ("epochs", "steps")}
    assert None in options.values()
    run = charnn.train(verse, hidden_size=4, batch_size=2, seq_length=8, **options)
    source = run.trainer.source
    assert source.count > 20
    by_text = math.ceil(LSTM.passes * run.trainer.corpus.parts["train"] / 16)
    assert run.trainer.total == {None: 2 * source.count, BY_TEXT: by_text}.get(total, total)


@pytest.mark.parametrize(
    ("given", "in_file", "left"),
    [
        (["--time", "3m"], "steps: 5", "time"),
        (["--time", "3m"], "epochs: 2", "time"),
        (["--steps", 7], "time: 3m", "steps"),
        (["--epochs", 2], "time: 3m\nsteps: none", "epochs"),
        ([], "time: 3m", "time"),
        (["--time", "3m", "--task", "tag"], "", "time"),  # a task whose default are steps
        (["--time", "none"], "steps: 5", "steps"),
    ],
)
def test_a_time_is_a_length_like_the_others(given: list, in_file: str, left: str) -> None:
    """Of a time, epochs and steps, the one from the stronger source counts."""
    Path("my.yaml").write_text(in_file)
    values = data("config", *given, "--config", "my.yaml")
    lengths = [name for name in ("epochs", "steps", "time") if values[name]["value"] is not None]
    assert lengths == [left]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--time", "3m", "--steps", 7], "time is '3m' and steps is 7; give one of the two."),
        (["--time", "3m", "--epochs", 2], "time is '3m' and epochs is 2; give one of the two."),
        (["--time", "3"], "time is '3'; give a number with its unit: 90s, 5m"),
        (["--time", "soon"], "time is 'soon'; give a number with its unit: 90s, 5m"),
        (["--time", "0s"], "time is '0s'; give more than no time"),
        (["--time", "0.001s"], "time is '0.001s', but the start of this run, one update and"),
    ],
)
def test_times_that_cannot_be(given: list, told: str, verse: Path) -> None:
    """Nonsense, a second length, or less time than a run needs is one sentence, and no folder."""
    small = ("--hidden-size", 8, "--batch-size", 2, "--seq-length", 8)
    assert told in refusal("train", verse, *small, *given)
    assert not Path("runs").exists()


def test_a_run_of_a_few_seconds(verse: Path) -> None:
    """A run ends with its time, says where its steps come from, and is one of that many steps."""
    small = ("--hidden-size", 8, "--batch-size", 2, "--seq-length", 8, "--eval-every", 10_000)
    began = time.perf_counter()
    said = succeed("train", verse, *small, "--shards", 1, "--time", "3s", "--out", "run").stderr
    taken = time.perf_counter() - began
    config = read_yaml(Path("run/config.yaml"))
    steps = config["steps"]
    assert isinstance(steps, int)
    assert steps > 10
    assert config["time"] is None
    assert re.search(rf"note +steps is {steps:,}, from --time 3s: [\d.]+ m?s an update\.", said)
    assert charnn.load("run/last.npz").progress.update == steps
    assert 0.5 < taken < 15  # on a busy machine; an idle one takes 2.7 to 3 s


def test_a_run_is_not_resumed_for_a_time(copied: Path) -> None:
    """Its number of updates is fixed."""
    sentence = refusal("train", "--resume", copied, "--time", "3m")
    assert "time is '3m', but the number of updates of the run to resume is fixed" in sentence


def test_epochs_make_updates(verse: Path) -> None:
    """--epochs is in passes over the training part, fractions included."""
    tiny = ("--hidden-size", 4, "--batch-size", 2, "--seq-length", 64)
    started = next(e for e in events(verse, *tiny, "--epochs", 1.5) if e["event"] == "started")
    assert started["total"] == round(1.5 * started["updates_per_epoch"])
    saved = charnn.load("runs/verse-lstm/last.npz")
    assert saved.progress.update == started["total"]


def test_epochs_and_steps_contradict_each_other(verse: Path) -> None:
    """Both at once from the same source is an error that names both values."""
    sentence = refusal("train", verse, "--epochs", 2, "--steps", 7)
    assert "epochs is 2 and steps is 7" in sentence
    Path("my.yaml").write_text("epochs: 2\nsteps: 7\n")
    assert "epochs is 2 and steps is 7" in refusal("train", verse, "--config", "my.yaml")


def test_train_reads_the_configuration_file(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`train` obeys flag, environment, file and default, in this order."""
    Path("my.yaml").write_text("hidden_size: 4\nsteps: 1\nseq_length: 5\nbatch_size: 3\n")
    monkeypatch.setenv("CHARNN_SEQ_LENGTH", "6")
    monkeypatch.setenv("CHARNN_BATCH_SIZE", "2")
    first = events(verse, "--config", "my.yaml", "--batch-size", 1)[0]["config"]
    assert [first[n] for n in ("batch_size", "seq_length", "hidden_size")] == [1, 6, 4]
    assert first["num_layers"] == Config.options()["num_layers"].default


def test_the_word_hello_with_defaults() -> None:
    """A text of six characters is trained on with defaults, adapted, and a note says how."""
    Path("hello.txt").write_text("hello\n")
    result = succeed("train", "hello.txt", "--steps", 2)
    notes = in_words(result.stderr)
    assert "6 symbols: batch_size 1 instead of 16, seq_length 5 instead of 64" in notes
    assert "too short for a validation part" in notes
    assert re.search(r"best +\d\.\d+ nats/char .* on the training part", result.stderr)
    assert len(output("sample", "runs/hello-lstm", "--len", 7)) == 7


@pytest.mark.parametrize("length", [2, 3, 4, 12, 20, 36])
def test_any_text_of_two_characters_can_be_trained_on(length: int) -> None:
    """However short the text, defaults are adapted until it fits."""
    Path("short.txt").write_text(("ab" * length)[:length])
    first, *_, end = events("short.txt", "--hidden-size", 4, "--steps", 2)
    assert end["reason"] == "completed"
    config = first["config"]
    assert config["batch_size"] * config["seq_length"] < first["corpus"]["train"]


@pytest.mark.parametrize(
    "given", [("--batch-size", 60), ("--seq-length", 60), ("--batch-size", 9, "--seq-length", 9)]
)
def test_sizes_that_were_asked_for_are_not_adapted(given: tuple) -> None:
    """Explicit sizes that do not fit are refused with the numbers, and with sizes that do fit."""
    Path("short.txt").write_text("a text that is shorter than eighty characters, by a good bit")
    sentence = refusal("train", "short.txt", "--hidden-size", 4, "--steps", 1, *given)
    assert re.search(r"batch_size \d+ x seq_length \d+ needs [\d,]+\.", sentence)
    advice = re.search(r"--batch-size (\d+) --seq-length (\d+)", sentence)
    batch, steps = int(advice[1]), int(advice[2])
    succeed(
        *("train", "short.txt", "--hidden-size", 4, "--steps", 1),
        *("--batch-size", batch, "--seq-length", steps),
    )


def test_sizes_from_a_file_are_not_adapted() -> None:
    """A size in --config was asked for, too."""
    Path("short.txt").write_text("a text that is shorter than eighty characters, by a good bit")
    Path("my.yaml").write_text("batch_size: 60\nhidden_size: 4\nsteps: 1\n")
    assert "batch_size 60" in refusal("train", "short.txt", "--config", "my.yaml")


def test_a_note_names_what_was_changed_only() -> None:
    """A size that was asked for and fits is not said to have been adapted."""
    Path("short.txt").write_text("a text that is shorter than eighty characters, by a good bit")
    first, *_ = events("short.txt", "--hidden-size", 4, "--steps", 1, "--batch-size", 6)
    note, _ = first["notes"]
    assert "seq_length 8 instead of 64" in note
    assert "batch_size" not in note


def test_a_saved_vocabulary(verse: Path) -> None:
    """`train` --vocab uses the symbols of `vocab --out`, those that the text lacks included."""
    Path("more.txt").write_text(verse.read_text() + "XYZ äöü 😀")
    succeed("vocab", "more.txt", "--out", "symbols.json")
    succeed("train", verse, *ONE, "--vocab", "symbols.json")
    saved = charnn.load("runs/verse-lstm")
    assert saved.vocabulary.symbols == "".join(sorted(set(Path("more.txt").read_text())))


def test_a_saved_vocabulary_that_lacks_a_symbol(verse: Path) -> None:
    """A character outside --vocab is named, and nothing is trained."""
    Path("other.txt").write_text("abc")
    succeed("vocab", "other.txt", "--out", "symbols.json")
    sentence = refusal("train", verse, *ONE, "--vocab", "symbols.json")
    assert "not in the vocabulary" in sentence


def test_rare_characters_become_unknown(verse: Path) -> None:
    """--min-count gives the model an unknown symbol and says how many became it."""
    verse.write_text(verse.read_text() + "äöü")
    result = succeed("train", verse, *ONE, "--min-count", 2)
    assert "3 became unknown" in result.stderr
    assert charnn.load("runs/verse-lstm").vocabulary.unknown


def test_bytes(verse: Path) -> None:
    """--tokens bytes trains on the bytes, of which there are 256, and counts in them."""
    verse.write_text(verse.read_text() + "äöü")
    result = succeed("train", verse, *ONE, "--tokens", "bytes")
    assert f"{len(verse.read_bytes()):,} bytes" in result.stderr
    assert "vocabulary  256 symbols" in result.stderr
    assert "nats/byte" in result.stderr


def test_another_encoding(verse: Path) -> None:
    """--encoding reads what is not UTF-8."""
    Path("latin.txt").write_bytes(("café Ærø " * 40).encode("latin-1"))
    succeed("train", "latin.txt", *ONE, "--encoding", "latin-1")
    assert set("éÆø") <= set(charnn.load("runs/latin-lstm").vocabulary.symbols)


def test_a_test_part_is_scored_at_the_end(verse: Path) -> None:
    """With --test-fraction the best weights are scored on the text's end, which is announced."""
    *_, end = events(verse, *TINY, "--test-fraction", 0.2, "--out", "run")
    saved = charnn.load("run")
    text = verse.read_text()
    part = text[len(text) - saved.corpus.parts["test"] :]
    assert saved.corpus.parts["test"] == int(0.2 * len(text))
    assert end["test_loss"] == pytest.approx(charnn.evaluate(saved, part).nats_per_symbol)


def test_early_stopping_is_told(verse: Path) -> None:
    """A run that stops early ends with exit code 0 and says why."""
    result = succeed(
        *("train", verse, *TINY, "--steps", 400, "--eval-every", 10),
        *("--early-stopping", 1, "--learning-rate", 2, "--clip-norm", "none"),
    )
    assert "(early stopping)" in result.stderr
    assert charnn.load("runs/verse-lstm/last.npz").progress.update < 400


def test_a_run_that_diverges(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that will not stay finite ends in one sentence and exit code 1; the best is kept."""
    from charnn.models.language_model import LanguageModel

    succeed("train", verse, *TINY, "--out", "run")
    kept = arrays(Path("run/best.npz"))
    loss = LanguageModel.loss
    monkeypatch.setattr(LanguageModel, "loss", lambda *a, **k: (math.nan, *loss(*a, **k)[1:]))
    result = run("train", "--resume", "run", "--steps", 80)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("Error: training diverged")
    assert "--learning-rate" in result.stderr.splitlines()[-1]
    assert arrays(Path("run/best.npz")) == kept
    assert charnn.load("run/last.npz").progress.update == 60


def test_no_corpus() -> None:
    """`train` without a text says what is missing."""
    result = run("train")
    assert result.exit_code == 2
    assert "Missing argument 'CORPUS...'" in result.stderr


class TestInitFrom:
    """`--init-from`: a new run from another model's weights."""

    def test_another_corpus_with_other_characters(self, model: Path, verse: Path) -> None:
        """Structure and weights are taken over; what is new to the model is counted in a note."""
        Path("other.txt").write_text("ÄÖ tide lamp bells\n" * 30)
        result = succeed(
            *("train", "other.txt", "--init-from", model, "--out", "new"),
            *("--steps", 1, "--learning-rate", 1e-9, "--batch-size", 2, "--seq-length", 8),
        )
        old, new = charnn.load(model), charnn.load("new/last.npz")
        assert new.config.model.hidden_size == 16
        known = set(old.vocabulary.symbols)
        assert set(new.vocabulary.symbols) == known | {"Ä", "Ö"}
        assert f"2 of {len(new.vocabulary)} symbols are new" in in_words(result.stderr)

    def test_characters_keep_their_weights_by_symbol(self, model: Path) -> None:
        """Known characters keep their rows and columns, whatever their ids are; others are new."""
        Path("other.txt").write_text("!ÄÖ tide lamp bells\n#" * 30)
        old = charnn.load(model)
        new = charnn.train("other.txt", init_from=model, steps=1).checkpoint
        assert new.vocabulary.symbols.index("t") != old.vocabulary.symbols.index("t")
        for place, symbol in enumerate(new.vocabulary.symbols):
            weights = new.parameters["layer1/W_xh"][:, place], new.parameters["W_hy"][:, place]
            at = old.vocabulary.symbols.find(symbol)
            if at < 0:
                assert weights[0].any()
                assert weights[1].any()
                continue
            assert (weights[0] == old.parameters["layer1/W_xh"][:, at]).all()
            assert (weights[1] == old.parameters["W_hy"][:, at]).all()
        assert (new.parameters["layer1/W_hh"] == old.parameters["layer1/W_hh"]).all()

    def test_it_starts_where_the_model_was(self, model: Path, verse: Path) -> None:
        """On the model's own text the first loss is the trained model's, not that of chance."""
        tiny = ("--batch-size", 4, "--seq-length", 16, "--steps", 1)
        step = next(
            event
            for event in events(verse, "--init-from", model, *tiny, "--dropout", 0)
            if event["event"] == "step"
        )
        chance = math.log(len(charnn.load(model).vocabulary))
        assert step["loss"] < 0.95 * chance

    def test_a_conflicting_structure(self, model: Path, verse: Path) -> None:
        """A network other than the model's is refused, with both values."""
        sentence = refusal("train", verse, "--init-from", model, "--hidden-size", 32)
        assert sentence.startswith("hidden_size is 32, but ")
        assert " 16" in sentence

    def test_the_model_is_left_alone(self, model: Path, verse: Path) -> None:
        """Starting from a run does not change it."""
        before = snapshot(model)
        succeed("train", verse, "--init-from", model, "--steps", 1, "--out", "new")
        assert snapshot(model) == before


class TestTerminal:
    """On a terminal: the live display. A pseudo-terminal stands for one."""

    def shown_on(self, verse: Path, steps: int = 60, **environment: str) -> str:
        """Train on a pseudo-terminal and return what it showed."""
        options = [*TINY, "--sample-length", 40, "--steps", steps]
        return on_terminal("train", verse, *options, **environment)

    def test_a_live_display(self, verse: Path) -> None:
        """The display shows a bar, losses, gradient norm, learning rate, speed and a sample."""
        shown = self.shown_on(verse, steps=200)  # long enough to be drawn more than once
        assert "\x1b[" in shown
        for word in (
            *("training", "smoothed", "validation", "norm", "learning rate"),
            *("chars/s", "left", "epoch", "sample", "nats/char", "bits/char"),
        ):
            assert word in shown
        assert "━" in shown
        assert "next        charnn sample runs/verse-lstm" in shown
        assert shown.rstrip().endswith("--len 500")

    def test_a_simple_terminal(self, verse: Path) -> None:
        """TERM=dumb gets plain lines without control sequences."""
        shown = self.shown_on(verse, TERM="dumb")
        assert "\x1b" not in shown
        assert re.findall(r"\b\d+/60\b", shown) == ["20/60", "40/60", "60/60"]

    def test_no_color(self, verse: Path) -> None:
        """NO_COLOR is obeyed: no sequence sets a colour."""
        shown = self.shown_on(verse, NO_COLOR="1")
        assert not re.search(r"\x1b\[[\d;]*3\d(;[\d;]*)?m", shown)
