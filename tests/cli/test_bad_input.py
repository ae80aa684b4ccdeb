"""What cannot be used: one sentence, exit code 2, no traceback, nothing written or damaged."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import refusal

from charnn.config import Config

READERS = {
    "train": ("train", "TEXT", "--steps", 1),
    "train --resume": ("train", "--resume", "run", "TEXT", "--steps", 90),
    "train --init-from": ("train", "TEXT", "--init-from", "run", "--steps", 1),
    "eval": ("eval", "run", "TEXT"),
    "vocab": ("vocab", "TEXT"),
    "gradcheck": ("gradcheck", "--ckpt", "run", "--text", "TEXT"),
}
LOADERS = {
    "sample": ("sample", "CKPT"),
    "eval": ("eval", "CKPT", "verse.txt"),
    "info": ("info", "CKPT"),
    "info --json": ("info", "CKPT", "--json"),
    "gradcheck": ("gradcheck", "--ckpt", "CKPT"),
    "train --init-from": ("train", "verse.txt", "--init-from", "CKPT", "--steps", 1),
}

every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
every_loader = pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)


@pytest.fixture(autouse=True)
def surroundings(copied: Path, verse: Path) -> None:
    """Have a run and a text in the folder, and no older checkpoint to fall back on."""
    (copied / "previous.npz").unlink()


def put(arguments: tuple, place: str, name: object) -> list[object]:
    """Return a command's words with a name in its place."""
    return [name if argument == place else argument for argument in arguments]


class TestCorpus:
    """A text that cannot be used."""

    @every_reader
    def test_missing(self, reader: tuple) -> None:
        """A file that does not exist is named."""
        sentence = refusal(*put(reader, "TEXT", "missing.txt"))
        assert "'missing.txt'" in sentence
        assert "No such file" in sentence

    @every_reader
    def test_a_folder(self, reader: tuple) -> None:
        """A folder is called one."""
        Path("texts").mkdir()
        sentence = refusal(*put(reader, "TEXT", "texts"))
        assert "'texts' is a folder" in sentence

    @every_reader
    def test_empty(self, reader: tuple) -> None:
        """A text without a character has nothing to learn."""
        Path("empty.txt").touch()
        assert "'empty.txt'" in refusal(*put(reader, "TEXT", "empty.txt"))

    @pytest.mark.parametrize("name", ["train", "train --init-from", "eval", "gradcheck"])
    @pytest.mark.parametrize("text", ["t", "\n"])
    def test_one_character(self, name: str, text: str) -> None:
        """From a single character nothing can be predicted."""
        Path("one.txt").write_text(text)
        sentence = refusal(*put(READERS[name], "TEXT", "one.txt"))
        assert "'one.txt'" in sentence
        assert "at least 2" in sentence

    def test_too_short(self) -> None:
        """A text too short for explicit sizes says how long it is and what would fit."""
        Path("short.txt").write_text("to be, or not to be, that is the question")
        flags = ["--batch-size", 50, "--seq-length", 50]
        sentence = refusal("train", "short.txt", *flags)
        assert "batch_size 50 x seq_length 50 needs 2,501" in sentence
        assert re.search(r"has \d+ symbols", sentence)
        assert re.search(r"--batch-size \d+ --seq-length \d+", sentence)

    @every_reader
    @pytest.mark.parametrize(
        ("content", "offset"),
        [
            (b"the tide\xff goes out", "8"),
            (b"the tide \xf0\x9f\x98", "9"),
            (b"tide " * 300_000 + b"\xa9 out", "1,500,000"),
        ],
        ids=["inside", "cut off", "far in"],
    )
    def test_not_utf_8(self, content: bytes, offset: str, reader: tuple) -> None:
        """A byte that is no UTF-8 is named with its offset, and --encoding as the way out."""
        Path("latin.txt").write_bytes(content)
        sentence = refusal(*put(reader, "TEXT", "latin.txt"))
        assert "'latin.txt' is not UTF-8" in sentence
        assert f"0x{content[int(offset.replace(',', ''))]:02x} at offset {offset};" in sentence
        assert "--encoding" in sentence

    @every_reader
    @pytest.mark.parametrize(
        "content",
        [b"no gzip at all", gzip.compress(b"the tide" * 99)[:-9]],
        ids=["no gzip", "cut off"],
    )
    def test_a_damaged_gz(self, content: bytes, reader: tuple) -> None:
        """A .gz file that cannot be unpacked is named."""
        Path("packed.gz").write_bytes(content)
        assert "'packed.gz'" in refusal(*put(reader, "TEXT", "packed.gz"))

    def test_an_unknown_encoding(self) -> None:
        """An encoding that Python does not know, or that is none of text, is refused."""
        for name in ("utf-9", "base64", ""):
            sentence = refusal("train", "verse.txt", "--encoding", name)
            assert f"encoding {name!r}" in sentence

    def test_standard_input_twice(self) -> None:
        """Standard input can be read once."""
        sentence = refusal("train", "-", "-", stdin="the tide goes out")
        assert sentence == "standard input (-) can be read only once; give - only once."

    def test_an_empty_standard_input(self) -> None:
        """Nothing on standard input is an empty corpus."""
        assert "'-'" in refusal("vocab", "-", stdin="")


def resaved(change: Callable[[dict], None]) -> Callable[[Path], None]:
    """Return how to damage a checkpoint by changing its arrays and saving them anew."""

    def damage(path: Path) -> None:
        with np.load(path) as archive:
            found = dict(archive)
        change(found)
        np.savez(path, **found)

    return damage


def with_meta(**values: object) -> Callable[[Path], None]:
    """Return how to change entries of a checkpoint's `meta`."""

    def change(found: dict) -> None:
        meta = json.loads(found["meta"].tobytes()) | values
        found["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)

    return resaved(change)


def truncated(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def weight_changed(found: dict) -> None:
    """Change one weight."""
    found["parameters/W_hy"][0, 0] += 1e-3


def of_another_shape(found: dict) -> None:
    """Take a row off a matrix."""
    found["parameters/W_hy"] = found["parameters/W_hy"][1:]


def of_another_type(found: dict) -> None:
    """Keep the weights in another precision."""
    found["parameters/W_hy"] = found["parameters/W_hy"].astype(np.float64)


def without_an_array(found: dict) -> None:
    """Leave an array out."""
    del found["parameters/b_y"]


class Bomb:
    """What a pickle could do."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("pickled"),)


def pickled(path: Path) -> None:
    """Put a pickle in an array's place."""
    content = io.BytesIO()
    np.save(content, np.array([Bomb()], object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.npy", content.getvalue())


DAMAGES = {
    "truncated": (truncated, "damaged or not a checkpoint"),
    "empty": (lambda path: path.write_bytes(b""), "damaged or not a checkpoint"),
    "a text": (lambda path: path.write_text("the tide goes out"), "(File is not a zip file)"),
    "a byte flipped": (flipped, "Bad CRC-32"),
    "other arrays": (lambda path: np.savez(path, a=np.zeros(3)), "'meta.npy'"),
    "a bare pickle": (
        lambda path: path.write_bytes(pickle.dumps(Bomb())),
        "(File is not a zip file)",
    ),
    "a pickle in an array": (pickled, "its array meta is object"),
    "a weight changed": (resaved(weight_changed), "digest"),
    "another shape": (resaved(of_another_shape), "its array parameters/W_hy is float32 (15, "),
    "another type": (resaved(of_another_type), "its array parameters/W_hy is float64"),
    "an array missing": (resaved(without_an_array), "['parameters/b_y.npy']"),
    "a newer format": (with_meta(format_version=2), "newer charnn"),
    "another vocabulary": (
        with_meta(
            vocabulary={
                "format": "charnn-vocabulary-1",
                "tokens": "characters",
                "unknown": False,
                "symbols": "ab",
            }
        ),
        "its array parameters/layer1/W_xh is float32 (4, ",
    ),
    "another configuration": (
        with_meta(config={"hidden_size": 16, "cell": "rnn"}),
        "its array",  # of a shape, or a state, that an RNN does not have
    ),
    "a configuration of the future": (with_meta(config={"foresight": 8}), "key 'foresight'"),
    "huge sizes": (
        with_meta(config={"hidden_size": 65_536, "num_layers": 64, "cell": "lstm"}),
        "'parameters/layer10/W_hh.npy'",
    ),
    "no progress": (with_meta(progress=None), "digest"),
}


class TestCheckpoint:
    """A file that is no checkpoint, or no longer one."""

    @every_loader
    def test_missing(self, loader: tuple) -> None:
        """A checkpoint that does not exist is named, and what makes one."""
        sentence = refusal(*put(loader, "CKPT", "missing.npz"))
        assert "'missing.npz' does not exist" in sentence
        assert "charnn train" in sentence

    @every_loader
    def test_a_folder_that_is_no_run(self, loader: tuple) -> None:
        """A folder without best.npz has no checkpoint."""
        Path("empty").mkdir()
        assert "'empty/best.npz' does not exist" in refusal(*put(loader, "CKPT", "empty"))

    @every_loader
    def test_damaged(self, loader: tuple) -> None:
        """Every command refuses a file that is not what was saved, and names it."""
        flipped(Path("run/best.npz"))
        for name in ("run", "run/best.npz"):
            assert "'run/best.npz'" in refusal(*put(loader, "CKPT", name))

    @pytest.mark.parametrize(("damage", "named"), DAMAGES.values(), ids=DAMAGES)
    def test_every_damage(self, damage: Callable[[Path], None], named: str) -> None:
        """Whatever was done to a file is noticed, and what it holds is never run."""
        damage(Path("run/best.npz"))
        sentence = refusal("sample", "run")
        assert "'run/best.npz'" in sentence
        assert named in sentence
        assert not Path("pickled").exists()

    @pytest.mark.parametrize(("damage", "named"), DAMAGES.values(), ids=DAMAGES)
    def test_a_damaged_run(self, damage: Callable[[Path], None], named: str) -> None:
        """A run whose last state is damaged is not resumed, and left as it is."""
        damage(Path("run/last.npz"))
        sentence = refusal("train", "--resume", "run", "--steps", 90)
        assert "'run/last.npz'" in sentence
        assert named in sentence

    def test_a_run_that_lost_its_best(self) -> None:
        """A folder that has no best.npz yet says so."""
        Path("run/best.npz").unlink()
        assert "run/best.npz" in refusal("sample", "run")

    def test_a_best_checkpoint_cannot_be_resumed(self) -> None:
        """Weights alone are no state to go on from."""
        Path("run/last.npz").write_bytes(Path("run/best.npz").read_bytes())
        sentence = refusal("train", "--resume", "run", "--steps", 90)
        assert "model only" in sentence

    def test_a_checkpoint_that_cannot_be_opened(self) -> None:
        """A path below a file is no checkpoint."""
        assert "verse.txt/best.npz" in refusal("sample", "verse.txt/best.npz")


class TestConfiguration:
    """Options that do not exist, or cannot be."""

    @pytest.mark.parametrize("command", [["config"], ["train", "verse.txt"]])
    @pytest.mark.parametrize(
        ("key", "meant"), [("hiden_size", "hidden_size"), ("learning-rate", "learning_rate")]
    )
    def test_an_unknown_key(self, key: str, meant: str, command: list[str]) -> None:
        """A key that is no option is named with the one that was probably meant."""
        Path("my.yaml").write_text(f"{key}: 1\n")
        sentence = refusal(*command, "--config", "my.yaml")
        assert f"{key!r}" in sentence
        assert f"Did you mean {meant!r}?" in sentence
        assert "'my.yaml'" in sentence

    @pytest.mark.parametrize(
        "content",
        ["cell: [", "- cell", "lstm", "\t", "cell: {a: b}", "? a", b"\xff", "a: &x [*x]"],
    )
    def test_no_configuration(self, content: str | bytes) -> None:
        """A file that is no list of `key: value` is refused by name."""
        Path("my.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        assert "'my.yaml'" in refusal("config", "--config", "my.yaml")

    @pytest.mark.parametrize("name", ["missing.yaml", "run"])
    def test_a_configuration_that_cannot_be_read(self, name: str) -> None:
        """A file that is not there, or a folder, is named."""
        assert f"'{name}'" in refusal("train", "verse.txt", "--config", name)

    @pytest.mark.parametrize("source", ["flag", "file", "environment"])
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("hidden_size", 0),
            ("hidden_size", "many"),
            ("hidden_size", 2.5),
            ("num_layers", 65),
            ("dropout", 1),
            ("dropout", -0.1),
            ("learning_rate", 0),
            ("learning_rate", "nan"),
            ("batch_size", "none"),
            ("seed", -1),
            ("epochs", 0),
            ("steps", 0),
            ("cell", "lsmt"),
            ("optimizer", "adan"),
            ("lr_schedule", "linear"),
            ("tokens", "words"),
            ("val_fraction", 1),
            ("min_count", 0),
        ],
    )
    def test_out_of_bounds(
        self, name: str, value: object, source: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A value that cannot be is refused wherever it comes from: option, value, what to give."""
        arguments: list[object] = ["train", "verse.txt"]
        if source == "flag":
            arguments += ["--" + name.replace("_", "-"), value]
        elif source == "file":
            Path("my.yaml").write_text(f"{name}: {value}\n")
            arguments += ["--config", "my.yaml"]
        else:
            monkeypatch.setenv(f"CHARNN_{name.upper()}", str(value))
        sentence = refusal(*arguments)
        told = rf"\b{name} (is|cannot be) '?{re.escape(str(value))}\b"
        assert re.search(told, sentence), sentence
        assert Config.options()[name].expected() in sentence

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("eval", "run", "verse.txt", "--streams", 0), "streams is 0; give "),
            (("gradcheck", "--layers", 0), "layers is 0; give "),
            (("gradcheck", "--hidden-size", 0), "hidden_size is 0; give "),
            (("gradcheck", "--seq-length", 0), "seq_length is 0; give "),
            (("gradcheck", "--seed", -1), "seed is -1; give "),
            (("gradcheck", "--tolerance", 0), "tolerance is 0.0; give "),
            (("gradcheck", "--tolerance", "nan"), "tolerance is 'nan'; give "),
            (("gradcheck", "--cell", "lsmt"), "cell is 'lsmt'; choose "),
            (("hello", "--hidden-size", 0), "hidden_size is 0; give "),
            (("hello", "--seed", -1), "seed is -1; give "),
            (("hello", "--cell", "lsmt"), "cell is 'lsmt'; choose "),
            (("vocab", "verse.txt", "--min-count", 0), "min_count is 0; give "),
            (("vocab", "verse.txt", "--tokens", "words"), "tokens is 'words'; choose "),
        ],
        ids=lambda part: " ".join(map(str, part)) if isinstance(part, tuple) else None,
    )
    def test_out_of_bounds_elsewhere(self, arguments: tuple, told: str) -> None:
        """The flags of the other commands are refused in the same manner."""
        assert refusal(*arguments).startswith(told)

    @pytest.mark.parametrize(
        ("flags", "named"),
        [
            (("--val-fraction", 0.6, "--test-fraction", 0.5), "nothing to train on"),
            (("--tokens", "bytes", "--min-count", 2), "min_count is 2"),
            (("--vocab", "v.json", "--min-count", 2), "min_count is 2"),
            (("--epochs", 1, "--steps", 1), "one of the two"),
            (("--vocab", "missing.json"), "'missing.json'"),
        ],
    )
    def test_options_that_contradict_each_other(self, flags: tuple, named: str) -> None:
        """Options that cannot be had together are refused together."""
        assert named in refusal("train", "verse.txt", *flags)


class TestFolder:
    """Places that are taken, or cannot be written."""

    def test_a_run_that_exists(self) -> None:
        """A run folder that exists is kept, and the ways out are named."""
        sentence = refusal("train", "verse.txt", "--steps", 1, "--out", "run")
        assert "'run' exists" in sentence
        assert "--force" in sentence

    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_a_file_in_the_way(self, force: list[str]) -> None:
        """A run folder cannot be where a file is."""
        sentence = refusal("train", "verse.txt", "--steps", 1, "--out", "verse.txt", *force)
        assert "'verse.txt' is a file" in sentence

    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_a_folder_that_cannot_be_made(self, force: list[str]) -> None:
        """A run folder cannot be below a file; this is noticed before training."""
        arguments = ["train", "verse.txt", "--hidden-size", 8, "--out", "verse.txt/run", *force]
        assert "'verse.txt/run' cannot be written" in refusal(*arguments)

    def test_a_default_folder_that_cannot_be_made(self) -> None:
        """Where a file is called `runs`, the default folder cannot be made."""
        Path("runs").write_text("a list of runs")
        assert "'runs/verse-lstm' cannot be written" in refusal(
            "train", "verse.txt", "--hidden-size", 8
        )

    @pytest.mark.parametrize("out", ["verse.txt/v.json", "run", "missing/v.json"])
    def test_a_vocabulary_that_cannot_be_written(self, out: str) -> None:
        """A place where no vocabulary file can be is named, and no table is printed."""
        assert f"'{out}'" in refusal("vocab", "verse.txt", "--out", out)
