"""The report in Chromium: nothing is asked for, nothing complains, and axe-core finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CACHE
from playwright.sync_api import Page

import charnn
from charnn.report.material import read_material
from charnn.report.page import report

AXE = CACHE / "node_modules" / "axe-core" / "axe.min.js"
PLAY = Path(__file__).parents[2] / "data" / "the-tide-clock.txt"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a small run on the play."""
    folder = tmp_path_factory.mktemp("report")
    options = {"hidden_size": 24, "steps": 120, "eval_every": 40}
    list(charnn.train(PLAY, out=folder / "run", **options))
    end = folder / "end.txt"
    end.write_text(PLAY.read_text(encoding="utf-8")[-6_000:], encoding="utf-8")
    path = folder / "report.html"
    path.write_text(report(read_material(folder / "run", [str(end)], 1, "utf-8")), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens(scheme: str, page_file: Path, open_file: Callable[..., Page]) -> None:
    """Its sections and pictures are there, in light and dark, and axe-core finds nothing serious.

    That there is no request and no word in the console is what `open_file` checks.
    """
    if not AXE.exists():
        pytest.fail("axe-core is not there: npm could not fetch it; try `make page` again.")
    page = open_file(page_file, color_scheme=scheme, bypass_csp=True)
    assert page.locator("h2").count() >= 10
    assert page.locator("svg[role=img]").count() >= 8
    assert page_file.stat().st_size < 2_000_000
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("() => axe.run().then((results) => results.violations)")
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in serious] == []
    CACHE.mkdir(exist_ok=True)
    page.screenshot(path=CACHE / f"report-{scheme}.png", full_page=True)
