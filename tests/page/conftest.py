"""A browser for pages: Chromium without a window, driven by playwright; run by `make page`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from charnn.formats.page_file import write_page
from charnn.training.checkpoint import Checkpoint

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".page"  # axe-core, and the pictures of the last run; git ignores it
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the system's browser."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail("there is no Chromium; install it (apt install chromium).")
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_file(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return what opens a file; a request, or a word in the console, fails the test."""
    contexts, said, asked, addresses = [], [], [], []

    def open_path(path: Path, **options: Any) -> Page:
        addresses.append(path.as_uri())
        options.setdefault("viewport", {"width": 1200, "height": 900})
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_path
    for context in contexts:
        context.close()
    assert said == []
    assert asked == addresses


@pytest.fixture
def opened(open_file: Callable[..., Page], tmp_path: Path) -> Callable[..., Page]:
    """Return what opens a model's page, as `open_file` does."""

    def open_page(checkpoint: Checkpoint, rounding: str = "float16", **options: Any) -> Page:
        path = tmp_path / f"{len(list(tmp_path.glob('*.html')))}.html"
        write_page(checkpoint, path, rounding)
        return open_file(path, **options)

    return open_page
