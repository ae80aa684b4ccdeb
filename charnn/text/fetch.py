"""Corpora that can be downloaded, each with its expected size and digest."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from charnn.errors import FetchError, InputError
from charnn.files import replacing

BLOCK = 1 << 16  # bytes
PATIENCE = 30  # seconds without an answer


@dataclass(frozen=True)
class Download:
    """The address of a corpus, and its size and digest."""

    url: str
    size: int
    sha256: str


CORPORA = {
    "tinyshakespeare": Download(
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        1_115_394,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}


def fetch(download: Download, path: Path, advance: Callable[[int], None] = lambda _: None) -> None:
    """Download a corpus to `path`, where it appears only if its size and digest are right.

    `advance` is called with the size of each block, in bytes. Raises FetchError, InputError.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with (
            replacing(path) as file,
            urllib.request.urlopen(download.url, timeout=PATIENCE) as answer,  # noqa: S310
        ):
            while (block := answer.read(BLOCK)) and size <= download.size:
                size += len(block)
                digest.update(block)
                file.write(block)
                advance(len(block))
            if size != download.size:
                amount = "more than" if size > download.size else f"only {size:,} of"
                raise FetchError(
                    f"'{download.url}' sent {amount} {download.size:,} bytes; nothing was saved. "
                    "Try again later."
                )
            if digest.hexdigest() != download.sha256:
                raise FetchError(
                    f"'{download.url}' sent a text with SHA-256 {digest.hexdigest()}, not "
                    f"{download.sha256}; nothing was saved. It is not the expected corpus."
                )
    except urllib.error.HTTPError as error:
        error.close()
        raise FetchError(
            f"'{download.url}' answered {error.code} {printable(error.reason)}; try again later, "
            "or give a mirror with --url."
        ) from error
    except urllib.error.URLError as error:
        raise FetchError(
            f"'{download.url}' cannot be reached ({printable(error.reason)}); check the network, "
            "or get the file another way and pass it to `charnn train`."
        ) from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise FetchError(
            f"the download of '{download.url}' broke off after {size:,} of {download.size:,} bytes "
            f"({printable(error)}); nothing was saved. Try again."
        ) from error
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be written ({error.strerror}); choose another file with --out."
        ) from error
    except ValueError as error:
        raise InputError(
            f"url {download.url!r} is not a web address ({printable(error)}); correct --url."
        ) from error


def printable(reason: object) -> str:
    """Return a server's message as one short line without control characters."""
    text = " ".join(str(reason).split())[:200]
    return "".join(c if c.isprintable() else "?" for c in text) or type(reason).__name__


def is_complete(download: Download, path: Path) -> bool:
    """Return whether a file already is the complete corpus."""
    if not path.is_file() or path.stat().st_size != download.size:
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == download.sha256
