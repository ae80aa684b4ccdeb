"""Downloads, from a server on this machine that also misbehaves."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner, Result

from charnn.cli.main import charnn
from charnn.errors import FetchError
from charnn.text import fetch as module
from charnn.text.fetch import Download, fetch, is_complete

CONTENT = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 3000
ALTERED = CONTENT[:70_000] + b"#" + CONTENT[70_001:]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says."""

    def do_GET(self) -> None:
        """Send a good answer, or one of the bad ones."""
        self.server.asked.append(self.path)
        match self.path:
            case "/good":
                self.answer(CONTENT)
            case "/truncated":
                self.answer(CONTENT[:100_000])
            case "/altered":
                self.answer(ALTERED)
            case "/longer":
                self.answer(CONTENT + b"x")
            case "/empty":
                self.answer(b"")
            case "/unannounced":
                self.answer(CONTENT, length=None)
            case "/dropped":
                self.answer(CONTENT[:100_000], length=len(CONTENT))
            case "/reset":
                self.answer(CONTENT[:100_000], length=len(CONTENT))
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case "/endless":
                self.endless()
            case "/garbage":
                self.wfile.write(b"\0\1\2 this is not HTTP\r\n\r\n")
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/good")
                self.end_headers()
            case "/busy":
                self.send_error(503)
            case _:
                self.send_error(404)

    def answer(self, content: bytes, length: int | None = -1) -> None:
        """Send a content, announced as `length` bytes: -1 is the truth, None says nothing."""
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(len(content) if length < 0 else length))
        self.end_headers()
        self.wfile.write(content)

    def endless(self) -> None:
        """Send more and more until nobody listens."""
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(10_000):
                self.wfile.write(CONTENT)
        except OSError:
            self.server.left.set()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.left = Event()

    @property
    def url(self) -> str:
        """The address that everything begins with."""
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Serve a small corpus on this machine, and work in an empty folder."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    gc.freeze()  # what there was before need not be looked at
    with Server() as running:
        small = Download(f"{running.url}/good", len(CONTENT), SHA256)
        monkeypatch.setattr(module, "CORPORA", {"tinyshakespeare": small})
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
    gc.collect()  # a connection that was left open is reported with the test that left it
    gc.unfreeze()


def command(*arguments: object) -> Result:
    """Run `charnn fetch tinyshakespeare` with some more arguments."""
    words = ["fetch", "tinyshakespeare", *map(str, arguments)]
    result = CliRunner().invoke(charnn, words, prog_name="charnn")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


BAD = {
    "truncated": "100,000 of 183,000 bytes",
    "altered": "SHA-256",
    "longer": "more than 183,000 bytes",
    "empty": "0 of 183,000 bytes",
    "dropped": "100,000 of 183,000 bytes",
    "reset": "of 183,000 bytes",
    "endless": "more than 183,000 bytes",
    "garbage": "",
    "missing": "404",
    "busy": "503",
}
every_bad_answer = pytest.mark.parametrize(("path", "named"), BAD.items(), ids=BAD)


def test_the_size_of_the_example() -> None:
    """The sentences below have the right number (a test of the test)."""
    assert len(CONTENT) == 183_000 > 2 * module.BLOCK
    assert len(ALTERED) == len(CONTENT)


@pytest.mark.parametrize("path", ["good", "unannounced", "moved"])
def test_a_good_answer(path: str, server: Server) -> None:
    """The corpus appears under its name, byte for byte, and the next command is given."""
    result = command("--url", f"{server.url}/{path}")
    assert (result.exit_code, result.stdout) == (0, "")
    assert Path("tinyshakespeare.txt").read_bytes() == CONTENT
    assert "tinyshakespeare.txt: saved, 183,000 bytes" in result.stderr
    assert "charnn train tinyshakespeare.txt" in result.stderr
    assert [entry.name for entry in Path().iterdir()] == ["tinyshakespeare.txt"]


def test_the_usual_address(server: Server) -> None:
    """Without --url the corpus' own address is asked, once."""
    assert command().exit_code == 0
    assert server.asked == ["/good"]


def test_quiet(server: Server) -> None:
    """--quiet says nothing."""
    result = command("--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert Path("tinyshakespeare.txt").read_bytes() == CONTENT


def test_json(server: Server) -> None:
    """--json tells the file, its size and digest, also if it was there already."""
    expected = {"file": "there.txt", "bytes": len(CONTENT), "sha256": SHA256}
    for _ in range(2):
        result = command("--out", "there.txt", "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        assert json.loads(result.stdout) == expected


def test_out(server: Server) -> None:
    """--out names the file."""
    Path("texts").mkdir()
    result = command("--out", "texts/bard.txt")
    assert result.exit_code == 0
    assert Path("texts/bard.txt").read_bytes() == CONTENT
    assert "charnn train texts/bard.txt" in result.stderr
    assert not Path("tinyshakespeare.txt").exists()


@every_bad_answer
def test_a_bad_answer(path: str, named: str, server: Server) -> None:
    """A wrong answer is one sentence with exit code 1, and nothing is left on disk."""
    result = command("--url", f"{server.url}/{path}")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert f"{server.url}/{path}" in result.stderr
    assert named in result.stderr
    assert "try again" in result.stderr.lower() or "expected corpus" in result.stderr
    assert list(Path().iterdir()) == []


@every_bad_answer
def test_a_bad_answer_replaces_nothing(path: str, named: str, server: Server) -> None:
    """With --force the old file stays until a right one is there."""
    Path("tinyshakespeare.txt").write_text("my own notes")
    assert command("--url", f"{server.url}/{path}", "--force").exit_code == 1
    assert Path("tinyshakespeare.txt").read_text() == "my own notes"
    assert len(list(Path().iterdir())) == 1


def test_an_endless_answer_is_cut_off(server: Server) -> None:
    """No more is read than the corpus is long."""
    assert command("--url", f"{server.url}/endless").exit_code == 1
    assert server.left.wait(10)


def test_no_network(server: Server) -> None:
    """Where nobody answers, the error says to check the network, exit code 1."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/good"
        result = command("--url", url)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: '{url}' cannot be reached (")
    assert "check the network" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_an_unknown_host(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be resolved is what no network looks like."""

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    result = command("--url", "http://example.invalid/input.txt")
    assert result.exit_code == 1
    assert "Temporary failure in name resolution" in result.stderr
    assert "check the network" in result.stderr


def test_a_silent_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing is given up after a while."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = command("--url", f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert result.exit_code == 1
    assert "timed out" in result.stderr
    assert list(Path().iterdir()) == []


def test_it_is_there_already(server: Server) -> None:
    """A complete file is not fetched again."""
    Path("tinyshakespeare.txt").write_bytes(CONTENT)
    result = command()
    assert result.exit_code == 0
    assert "already there" in result.stderr
    assert server.asked == []


@pytest.mark.parametrize("content", [b"my own notes", ALTERED, CONTENT + b"x", CONTENT[:-1], b""])
def test_another_file_is_there(content: bytes, server: Server) -> None:
    """Another file of that name is kept, exit code 2; --force replaces it."""
    Path("tinyshakespeare.txt").write_bytes(content)
    result = command()
    assert result.exit_code == 2
    assert "'tinyshakespeare.txt' exists" in result.stderr
    assert Path("tinyshakespeare.txt").read_bytes() == content
    assert server.asked == []
    assert command("--force").exit_code == 0
    assert Path("tinyshakespeare.txt").read_bytes() == CONTENT


def test_progress_is_told(server: Server, tmp_path: Path) -> None:
    """`advance` is told of every byte, block by block."""
    blocks: list[int] = []
    path = tmp_path / "corpus.txt"
    fetch(module.CORPORA["tinyshakespeare"], path, blocks.append)
    assert sum(blocks) == len(CONTENT)
    assert len(blocks) > 1
    assert is_complete(module.CORPORA["tinyshakespeare"], path)


def test_the_file_appears_when_it_is_right(server: Server, tmp_path: Path) -> None:
    """While it is downloaded, nothing is there under the corpus' name."""
    path = tmp_path / "corpus.txt"
    seen: list[bool] = []
    fetch(module.CORPORA["tinyshakespeare"], path, lambda _: seen.append(path.exists()))
    assert set(seen) == {False}
    assert path.exists()


def test_an_interrupted_download_leaves_nothing(server: Server, tmp_path: Path) -> None:
    """Ctrl-C during a download leaves no half a file."""

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(module.CORPORA["tinyshakespeare"], tmp_path / "corpus.txt", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_the_error_is_charnns_own(server: Server, tmp_path: Path) -> None:
    """From Python a failed download is a FetchError, which is exit code 1."""
    wrong = Download(f"{server.url}/good", len(CONTENT), "0" * 64)
    with pytest.raises(FetchError, match=f"SHA-256 {SHA256}, not {'0' * 64}") as caught:
        fetch(wrong, tmp_path / "corpus.txt")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", CONTENT[:-1], ALTERED])
def test_what_is_not_complete(content: bytes | None, tmp_path: Path) -> None:
    """Only the very bytes of the corpus are the corpus; a missing file is not, nor is a folder."""
    path = tmp_path / "corpus.txt"
    if content is not None:
        path.write_bytes(content)
    assert not is_complete(Download("", len(CONTENT), SHA256), path)
    assert not is_complete(Download("", len(CONTENT), SHA256), tmp_path)
