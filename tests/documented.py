"""The pages of the documentation, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("configs", "data", "docs")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for folder in (".", *FOLDERS)
    for path in sorted((ROOT / folder).glob("*.md"))
}


def blocks(text: str, language: str) -> list[str]:
    """Return a page's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[list[str]]:
    """Return the charnn commands of a block, split as a shell does."""
    parts = re.findall(r"^(?:\$ |.* \| )?charnn( [^|>\n]+)", block, re.MULTILINE)
    return [shlex.split(part, comments=True) for part in parts]


def written_commands(text: str) -> Iterator[list[str]]:
    """Yield the commands in a page's blocks, and those in its sentences and tables."""
    for language in ("sh", "text"):
        for block in blocks(text, language):
            yield from commands(block)
    for code in re.findall(r"`(charnn [^`]+)`", without_code(text)):
        if "COMMAND" not in code:
            yield from commands(code)
