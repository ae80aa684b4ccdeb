"""`charnn compress` and `charnn decompress`: what they write, what they say, what they refuse."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import data, forget_options, lines_of, output, refusal, run, snapshot, succeed

from charnn.compression.compressor import Sizes
from charnn.compression.container import LEAST_HEADER, Method

BYTES = bytes(range(256)) + b"\r\n the tide \xf0\x9f\x98\x80 goes \xed\xa0\x80 out \xff"
TEXTS = {
    "empty": b"",
    "one byte": b"t",
    "all bytes": BYTES,
    "unknown characters": "abcdefgh 😀 ü\r\n".encode() * 30,
}

TRAINING = (
    *("--hidden-size", 8, "--steps", 100, "--batch-size", 16, "--seq-length", 32, "--shards", 1),
    *("--learning-rate", 0.05, "--warmup-steps", 5, "--dropout", 0, "--val-fraction", 0),
)

FAST = ("--lanes", 32)

every_text = pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)


def tosses(count: int, seed: int) -> str:
    """Return a text that a tiny network predicts better than LZMA, at 1 bit a character.

    Each character is the next, or the next but two, of a circle of 16: a coin decides.
    """
    steps = np.random.default_rng(seed).choice((1, 3), count)
    return "".join("abcdefghijklmnop"[place] for place in steps.cumsum() % 16)


@pytest.fixture
def coins() -> Path:
    """Return the name of a text that the model can predict."""
    Path("coins.txt").write_text(tosses(1_500, 2), encoding="utf-8")
    return Path("coins.txt")


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on such a text, which must not be changed."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "tosses.txt").write_text(tosses(20_000, 1), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        forget_options(patch)
        succeed("train", folder / "tosses.txt", *TRAINING, "--out", folder / "run", "-q")
    return folder / "run"


def names() -> set[str]:
    """Return the files in the folder, hidden ones too."""
    return set(snapshot(Path()))


@pytest.fixture
def packed(coins: Path, reader: Path) -> Path:
    """Return the name of a compressed text, whose original is gone."""
    succeed("compress", coins, "--model", reader)
    coins.unlink()
    return Path("coins.txt.cnn")


class TestRoundTrips:
    """What was compressed comes back."""

    def test_a_text(self, coins: Path, reader: Path) -> None:
        """Under the name that it had, smaller in between, and nothing else is left."""
        content = coins.read_bytes()
        output("compress", coins, "--model", reader)
        assert Path("coins.txt.cnn").stat().st_size < len(content) / 4
        coins.unlink()
        output("decompress", "coins.txt.cnn", "--model", reader)
        assert coins.read_bytes() == content
        assert names() == {"coins.txt", "coins.txt.cnn"}

    @every_text
    def test_any_bytes(self, content: bytes, reader: Path) -> None:
        """Those that the model does not know, too; never much larger."""
        Path("a").write_bytes(content)
        output("compress", "a", "--model", reader, "--out", "b")
        assert Path("b").stat().st_size <= len(content) + 100
        output("decompress", "b", "--model", reader, "--out", "c")
        assert Path("c").read_bytes() == content

    def test_the_model_inside(self, coins: Path, reader: Path) -> None:
        """Then none is needed, and none is looked at."""
        content = tosses(40_000, 3).encode()
        coins.write_bytes(content)
        found = data("compress", coins, "--model", reader, "--embed", *FAST, "-o", "b.cnn")
        assert found["model"]["embedded"]
        output("decompress", "b.cnn", "-o", "c.txt")
        assert Path("c.txt").read_bytes() == content

    def test_trained_on_the_text(self, coins: Path) -> None:
        """The model of one's own goes into the file, if that is smaller."""
        content = tosses(40_000, 3).encode()
        coins.write_bytes(content)
        found = data("compress", coins, "--train", "1s", *FAST, "-o", "b.cnn")
        assert found["training"]["updates"] >= 1
        assert found["training"]["seconds"] < 5
        output("decompress", "b.cnn", "-o", "c.txt")
        assert Path("c.txt").read_bytes() == content

    @every_text
    def test_trained_on_what_is_no_text(self, content: bytes) -> None:
        """It is stored, or compressed by LZMA, and comes back."""
        result = succeed("compress", "-", "--train", "1s", "-q", stdin=content)
        packed = result.stdout_bytes
        assert len(packed) <= len(content) + 100
        assert succeed("decompress", "-", "-q", stdin=packed).stdout_bytes == content

    def test_streams(self, coins: Path, reader: Path) -> None:
        """From standard input to standard output; the report goes to standard error."""
        content = coins.read_bytes()
        result = succeed("compress", "-", "--model", reader, stdin=content)
        assert result.stderr.startswith(f"standard output: {len(result.stdout_bytes):,} bytes of")
        quiet = succeed("compress", "-", "--model", reader, "--quiet", stdin=content)
        assert (quiet.stdout_bytes, quiet.stderr) == (result.stdout_bytes, "")
        back = succeed("decompress", "-", "--model", reader, stdin=result.stdout_bytes)
        assert back.stdout_bytes == content
        output("compress", "-", "--model", reader, "-o", "named.cnn", stdin=content)
        assert Path("named.cnn").read_bytes() == result.stdout_bytes
        assert output("decompress", "named.cnn", "--model", reader, "-o", "-", "-q").encode() == (
            content
        )

    def test_several_files(self, coins: Path, reader: Path) -> None:
        """Each has a file of its own, beside it or in a folder, and an object as JSON."""
        Path("b.txt").write_bytes(coins.read_bytes()[:99])
        originals = {name: Path(name).read_bytes() for name in ("coins.txt", "b.txt")}
        Path("packed").mkdir()
        found = lines_of(
            output("compress", "coins.txt", "b.txt", "--model", reader, "-o", "packed", "--json")
        )
        assert [each["file"] for each in found] == ["coins.txt", "b.txt"]
        packed = [Path("packed") / f"{name}.cnn" for name in originals]
        assert [each["out"] for each in found] == [str(path) for path in packed]
        assert all(
            path.stat().st_size == each["compressed_bytes"]
            for path, each in zip(packed, found, strict=True)
        )
        Path("back").mkdir()
        output("decompress", *packed, "--model", reader, "-o", "back")
        assert {path.name: path.read_bytes() for path in Path("back").iterdir()} == originals
        output("decompress", *packed, "--model", reader)
        assert Path("packed/b.txt").read_bytes() == originals["b.txt"]

    @pytest.mark.parametrize("flags", [("--lanes", 5), ("--bits", 6)])
    def test_options_are_written_into_the_file(
        self, flags: tuple, coins: Path, reader: Path
    ) -> None:
        """The reader needs to know none of them."""
        content = coins.read_bytes()
        plain = data("compress", coins, "--model", reader, "-o", "plain.cnn")
        other = data("compress", coins, "--model", reader, "-o", "other.cnn", *flags)
        assert (plain["coded"]["lanes"], plain["model"]["bits"]) == (1, 9)
        assert other["coded"]["lanes"] == (5 if "--lanes" in flags else 1)
        assert other["model"]["bits"] == (6 if "--bits" in flags else 9)
        output("decompress", "other.cnn", "--model", reader, "-o", "back")
        assert Path("back").read_bytes() == content


class TestReports:
    """What is said is true."""

    def test_the_numbers_of_a_text(self, coins: Path, reader: Path) -> None:
        """Bytes as on the disk; what the model promised; and the model, which is not counted."""
        found = data("compress", coins, "--model", reader)
        size, original = Path("coins.txt.cnn").stat().st_size, coins.stat().st_size
        assert (found["compressed_bytes"], found["original_bytes"]) == (size, original)
        assert found["bits_per_char"] == pytest.approx(8 * size / original)
        assert found["ratio"] == pytest.approx(original / size)
        coded = found["coded"]
        assert coded["symbols"] == found["characters"] == original
        assert (
            coded["ideal_bytes"]
            < coded["bytes"]
            < 1.002 * coded["ideal_bytes"] + 8 * (coded["lanes"] + 1)
        )
        assert coded["bytes"] < size
        score = data("eval", reader, coins)["bits_per_char"]
        assert coded["network_bits_per_symbol"] == pytest.approx(score, rel=0.01)
        assert coded["network_bytes"] == pytest.approx(
            coded["network_bits_per_symbol"] * coded["symbols"] / 8
        )
        assert found["model"]["embedded"] is False
        assert found["model"]["hidden_size"] == 8
        assert 100 < found["model"]["bytes"] < 2 * found["model"]["weights"]

    def test_the_embedded_model_is_counted(self, coins: Path, reader: Path) -> None:
        """It is part of the file's size, and its share is told."""
        coins.write_bytes(tosses(40_000, 3).encode())
        flags = ("--model", reader, "--bits", 8, *FAST)
        alone = data("compress", coins, *flags, "-o", "alone.cnn")
        inside = data("compress", coins, *flags, "-o", "inside.cnn", "--embed")
        assert inside["compressed_bytes"] - alone["compressed_bytes"] == inside["model"]["bytes"]
        assert inside["model"]["bytes"] - alone["model"]["bytes"] in range(32)  # a record's head

    def test_the_share_of_the_model(self, coins: Path, reader: Path) -> None:
        """In words, too, whether it is counted or not."""
        from charnn.cli.compression_report import model_in_words

        model = data("compress", coins, "--model", reader)["model"]
        inside = model_in_words(model | {"embedded": True}, 4 * model["bytes"])
        assert inside.startswith(f"counted: {model['bytes']:,} bytes, 25% of the file; lstm, 1 x 8")
        outside = model_in_words(model, 4 * model["bytes"])
        assert outside.startswith(f"not counted: the reader needs it, {model['bytes']:,} bytes; ")

    def test_words(self, coins: Path, reader: Path) -> None:
        """A line of results, and facts; --quiet has the line alone."""
        words = output("compress", coins, "--model", reader)
        size = Path("coins.txt.cnn").stat().st_size
        line, *facts = words.splitlines()
        assert line.startswith(f"coins.txt.cnn: {size:,} bytes of {coins.stat().st_size:,}, ")
        assert line.endswith(" bits/char")
        assert [fact.split()[0] for fact in facts] == [
            "coded",
            "network",
            "ideal",
            "model",
            "speed",
        ]
        assert "not counted: the reader needs it, " in words
        quiet = output("compress", coins, "--model", reader, "--force", "--quiet")
        assert quiet == line + "\n"

    @pytest.mark.parametrize("content", [TEXTS["empty"], TEXTS["all bytes"], b"\0" * 9_000])
    def test_what_the_model_does_not_help(self, content: bytes, reader: Path) -> None:
        """It is said, and no model is named."""
        Path("a").write_bytes(content)
        found = data("compress", "a", "--model", reader)
        assert found["method"] in {"stored", "lzma"}
        assert (found["coded"], found["model"]) == (None, None)
        assert "would not be smaller" in output("compress", "a", "--model", reader, "--force")

    def test_decompressing(self, packed: Path, reader: Path) -> None:
        """What was read and written, and where."""
        found = data("decompress", packed, "--model", reader)
        assert found["out"] == "coins.txt"
        assert found["original_bytes"] == Path("coins.txt").stat().st_size
        words = output("decompress", packed, "--model", reader, "--force")
        assert words.startswith(f"coins.txt: {found['original_bytes']:,} bytes, as they were")

    def test_checking(self, packed: Path, reader: Path) -> None:
        """All is decoded, and nothing written."""
        before = snapshot(Path())
        words = output("decompress", packed, "--model", reader, "--check")
        assert words.startswith("coins.txt.cnn: sound, ")
        assert data("decompress", packed, "--model", reader, "--check")["out"] is None
        assert snapshot(Path()) == before

    def test_info(self, packed: Path) -> None:
        """The method, the sizes and the digest, without a model."""
        words = output("info", packed)
        assert "not in the file; decompress with --model" in words
        found = data("info", packed)
        assert found["method"] == "model"
        assert found["compressed_bytes"] == packed.stat().st_size
        assert found["blocks"] == {"model": 1}
        assert set(found["model"]) == {"digest", "embedded"}

    def test_info_of_other_methods(self, coins: Path, reader: Path) -> None:
        """An embedded model is described; a stored file has none."""
        coins.write_bytes(tosses(40_000, 3).encode())
        output("compress", coins, "--model", reader, "--embed", *FAST)
        found = data("info", "coins.txt.cnn")["model"]
        assert (found["cell"], found["hidden_size"], found["bits"]) == ("lstm", 8, 7)
        assert f"in the file, {found['bytes']:,} bytes: lstm, 1 x 8 units" in output(
            "info", "coins.txt.cnn"
        )
        Path("a").write_bytes(b"t")
        output("compress", "a", "--model", reader)
        assert data("info", "a.cnn")["model"] is None
        assert "stored as it is" in output("info", "a.cnn")


class TestRefusals:
    """One sentence, exit code 2, and nothing written."""

    @pytest.mark.parametrize(
        ("flags", "sentence"),
        [
            ((), "there is no model to compress with"),
            (("--model", "RUN", "--train", "5m"), "--model is RUN, and --train trains another"),
            (("--train", "5m", "--embed"), "--train always puts its model into the file"),
            (("--train", "5"), "time is '5'; give a number with its unit"),
            (("--train", "soon"), "time is 'soon'"),
            (("--model", "RUN", "--lanes", "0"), "lanes is 0; give a whole number of at least 1"),
            (("--model", "RUN", "--bits", "13"), "bits is 13; give a whole number"),
            (("--model", "missing"), "checkpoint 'missing"),
            (("--model", "coins.txt"), "checkpoint 'coins.txt' is damaged or not a checkpoint"),
            (("--train", "5m", "-o", "none/a.cnn"), "there is no such folder"),
            (("--train", "5m", "-o", "coins.txt"), "'coins.txt' cannot be both read and written"),
            (("--train", "5m", "-o", "-", "--json"), "--json writes to standard output"),
        ],
    )
    def test_wrong_options(self, flags: tuple[str, ...], sentence: str, coins: Path) -> None:
        """Whatever is wrong is found before anything is trained."""
        assert sentence in refusal("compress", coins, *flags)

    @pytest.mark.parametrize("command", ["compress", "decompress"])
    def test_wrong_files(self, command: str, coins: Path, reader: Path) -> None:
        """Missing ones, folders, one name for two, standard input twice."""
        Path("folder").mkdir()
        flags = ("--model", reader)
        assert "'missing.cnn' cannot be read" in refusal(command, "missing.cnn", *flags)
        assert "'folder' is a folder" in refusal(command, "folder", *flags)
        assert "only once" in refusal(command, "-", "-", *flags)
        assert "give it alone" in refusal(command, "-", coins, *flags, "-o", "folder")
        Path("a.cnn").write_bytes(b"a")
        assert "is not a folder, but 2 files" in refusal(
            command, coins, "a.cnn", *flags, "-o", "one"
        )
        assert "written twice" in refusal(
            command, "a.cnn", "folder/../a.cnn", *flags, "-o", "folder"
        )

    def test_an_existing_file(self, coins: Path, reader: Path) -> None:
        """It is replaced with --force only."""
        Path("coins.txt.cnn").write_text("precious", encoding="utf-8")
        assert "'coins.txt.cnn' exists; replace it with --force" in refusal(
            "compress", coins, "--model", reader
        )
        output("compress", coins, "--model", reader, "--force")
        assert "'coins.txt' exists" in refusal("decompress", "coins.txt.cnn", "--model", reader)
        output("decompress", "coins.txt.cnn", "--model", reader, "--force")

    def test_a_name_that_does_not_say_what_the_text_was(self, packed: Path, reader: Path) -> None:
        """Then it is asked for."""
        packed.rename("packed")
        assert "'packed' does not end with .cnn" in refusal(
            "decompress", "packed", "--model", reader
        )

    def test_the_model_that_is_needed(self, packed: Path, coins: Path) -> None:
        """None, or another one, is named by digests."""
        digest = data("info", packed)["model"]["digest"][:8]
        sentence = refusal("decompress", packed, "--out", "b")
        assert sentence.startswith("'coins.txt.cnn' cannot be decompressed: ")
        assert digest in sentence
        assert "--model" in sentence
        coins.write_text(tosses(200, 4), encoding="utf-8")
        succeed("train", coins, "--hidden-size", 8, "--steps", 1, "--out", "other", "-q")
        sentence = refusal("decompress", packed, "--model", "other", "--out", "b")
        assert digest in sentence
        assert "but this one has" in sentence

    @pytest.mark.parametrize("flags", [("--check",), ("-o", "b"), ()], ids=["check", "to", "plain"])
    def test_damage(self, flags: tuple[str, ...], packed: Path, reader: Path) -> None:
        """A changed byte, a missing end, and what is no such file at all."""
        whole = packed.read_bytes()
        middle = len(whole) // 2
        wrong = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        for content in (wrong, whole[:-1], whole + b"t", whole[: LEAST_HEADER - 1], b"", b"text"):
            packed.write_bytes(content)
            sentence = refusal("decompress", packed, "--model", reader, *flags)
            assert sentence.startswith("'coins.txt.cnn' cannot be decompressed: it is ")
        packed.write_bytes(wrong)
        assert "'coins.txt.cnn' cannot be decompressed: it is damaged" in refusal("info", packed)

    def test_check_writes_nothing(self, packed: Path) -> None:
        """So it takes no flags that say where to."""
        assert "leave --out out" in refusal("decompress", packed, "--check", "-o", "b")
        assert "leave --force out" in refusal("decompress", packed, "--check", "--force")

    def test_models_of_other_tasks_and_with_attention(self, coins: Path) -> None:
        """They predict no text, or not in integers."""
        Path("x.tsv").write_text("ab\tX\ncd\tY\n" * 20, encoding="utf-8")
        tiny = ("--steps", 1, "--hidden-size", 4, "-q")
        succeed("train", "x.tsv", "--task", "classify", *tiny, "--out", "classes")
        assert "is not for `charnn compress`" in refusal("compress", coins, "--model", "classes")
        succeed("train", coins, "--attention", "dot", *tiny, "--out", "attentive")
        assert "attention" in refusal("compress", coins, "--model", "attentive")

    def test_a_terminal_gets_no_binary_file(
        self, coins: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where standard output is a terminal, a name must be given."""
        from charnn.cli import compression_files

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        monkeypatch.setattr(compression_files.sys, "stdout", Terminal())
        jobs = compression_files.jobs_of(["-"], None, compression_files.compressed_name, False)
        with pytest.raises(compression_files.InputError, match="standard output is a terminal"):
            compression_files.check_output(jobs, as_json=False, binary=True)
        compression_files.check_output(jobs, as_json=False, binary=False)


class TestInterruptions:
    """Ctrl-C, and faults: nothing is left behind."""

    @pytest.mark.parametrize("place", ["compressor.verify", "compressor.pack", "own_model.follow"])
    def test_ctrl_c(
        self, place: str, coins: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exit code 130, and the folder is as before."""

        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(f"charnn.compression.{place}", interrupted)
        flags = ("--train", "1s") if "own" in place else ("--model", reader, "--embed")
        before = snapshot(Path())
        result = run("compress", coins, *flags)
        assert (result.exit_code, result.stdout) == (130, "")
        assert snapshot(Path()) == before

    @pytest.mark.skipif(sys.platform == "win32", reason="rights are others there")
    def test_a_folder_that_cannot_be_written(
        self, coins: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full disk, for example, is one sentence that names the file."""

        def full(*_: Any, **__: Any) -> Sizes:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("charnn.compression.compressor.compress", full)
        sentence = refusal("compress", coins, "--model", reader)
        assert sentence.startswith(
            "'coins.txt.cnn' cannot be read or written (No space left on dev"
        )


def test_methods_have_words() -> None:
    """Each way to compress a file is explained by `charnn info`."""
    from charnn.cli.info_compressed import METHODS

    of_files = (Method.STORED, Method.LZMA, Method.MODEL)
    assert set(METHODS) == {method.name.lower() for method in of_files}
