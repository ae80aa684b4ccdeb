"""A page in Chromium: it computes what NumPy does, and is used by hand, by keys and by ear."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CACHE
from page_models import LETTERS, MODELS, V, greedy, job, key, logits_of, random_checkpoint
from playwright.sync_api import Browser, Page, expect

from charnn.arrays import Array
from charnn.formats.page_file import write_page
from charnn.formats.page_weights import rounded
from charnn.models.stepper import Stepper
from charnn.text.vocabulary import Vocabulary
from charnn.training.checkpoint import Checkpoint

AXE = CACHE / "node_modules" / "axe-core" / "axe.min.js"
PLAY = Vocabulary("\n !$&',-.3:;?" + "".join(map(chr, [*range(65, 91), *range(97, 123)])))
IDS = np.random.default_rng(2).integers(0, V, 200)
SCHEMES = ["light", "dark"]
SLOW = {"pace": "20"}
LOGITS = """(jobs) => Object.fromEntries(Object.entries(jobs).map(([name, job]) => {
  const model = new LanguageModel(job.description, fromBase64(job.weights));
  return [name, job.ids.map((id) => [...model.step(id)])];
}))"""

LEVELS = """() => [...document.querySelectorAll("#text span")].flatMap((span) =>
  [...span.textContent].map(() => Number(/l-?\\d/.exec(span.className)?.[0].slice(1) ?? 0)))"""


def prepare(page: Page, **fields: str) -> None:
    """Fill in the settings, and switch off that the model goes on by itself."""
    page.uncheck("#follow")
    for name, value in fields.items():
        if name == "pace":
            page.select_option("#pace", value)
        else:
            page.fill(f"#{name}", value)


def write(page: Page, beginning: str, **fields: str) -> str:
    """Have a text written to its end, and return it."""
    prepare(page, **fields)
    page.fill("#beginning", beginning)
    page.click("#write")
    expect(page.locator("#status")).to_contain_text(" written, ", timeout=60_000)
    return page.locator("#text").text_content() or ""


def test_logits(opened: Callable[..., Page]) -> None:
    """For 200 characters they are NumPy's to 1e-5: each cell, form, input, 1 to 3 layers."""
    jobs = {key(m): job(random_checkpoint(**m[1]), m[0], ids=IDS.tolist()) for m in MODELS}
    found = opened(random_checkpoint()).evaluate(LOGITS, jobs)
    for model in MODELS:
        single, double = logits_of(random_checkpoint(**model[1]), model[0], IDS)
        logits = np.array(found[key(model)])
        assert np.abs(logits - single).max() < 1e-5, model
        assert np.abs(logits - double).max() < 1e-10, model


@pytest.mark.parametrize(
    ("options", "vocabulary", "prime"),
    [
        ({"cell": "lstm", "num_layers": 2}, LETTERS, "bad\ncab"),
        ({"cell": "gru"}, LETTERS, "a"),
        ({"cell": "rnn"}, Vocabulary("\nab\U0001d518\U0001f600"), "a\U0001f600b"),
        ({"cell": "lstm", "tokens": "bytes"}, Vocabulary.of_bytes(), "\u00e9\U0001f600"),
    ],
    ids=["lstm", "gru", "beyond the BMP", "bytes"],
)
def test_temperature_0(
    options: dict[str, Any], vocabulary: Vocabulary, prime: str, opened: Callable[..., Page]
) -> None:
    """The page writes the text that NumPy writes."""
    checkpoint = random_checkpoint(vocabulary, **options)
    text = write(opened(checkpoint), prime, temperature="0", length="300")
    ours = vocabulary.decode(greedy(checkpoint, prime, 300))
    assert text.rstrip("\ufffd") == (prime + ours).rstrip("\ufffd")  # of a byte that is awaited


def test_without_a_beginning(opened: Callable[..., Page]) -> None:
    """The model begins after a newline, as NumPy's does, and Write goes on from where it was."""
    checkpoint = random_checkpoint(cell="gru")
    page = opened(checkpoint)
    text = write(page, "", temperature="0", length="70")
    page.click("#write")
    expect(page.locator("#finished")).not_to_have_text(text)
    expect(page.locator("#status")).to_contain_text("70 written, ")
    ours = LETTERS.decode(greedy(checkpoint, "", 140))
    assert text == ours[:70]
    assert page.locator("#text").text_content() == ours
    page.fill("#unit", "3")
    h = hidden(checkpoint, "\n" + ours, 0, 2)[1:]
    assert np.abs(np.array(page.evaluate(LEVELS)) - 4 * h / np.abs(h).max()).max() < 0.501


def hidden(checkpoint: Checkpoint, text: str, layer: int, unit: int) -> Array:
    """Return what a unit is after each character of a text, (T,), as NumPy computes it."""
    stepper = Stepper(rounded(checkpoint, "float16").model, 1)
    found = []
    for symbol in checkpoint.vocabulary.encode(text):
        stepper.step(np.array([symbol]))
        found.append(stepper.states[layer][0][0, unit])
    return np.array(found)


def test_typing_goes_on(opened: Callable[..., Page]) -> None:
    """What is typed is read as it grows; after a pause the model goes on, and begins anew."""
    page = opened(random_checkpoint())
    page.fill("#length", "40")
    page.locator("#beginning").press_sequentially("cab", delay=20)
    expect(page.locator("#status")).to_contain_text("40 written")
    first = page.locator("#text").text_content() or ""
    assert first.startswith("cab")
    assert len(first) == 43
    assert page.locator("#finished").text_content() == first[3:]
    expect(page.locator("#finished")).to_have_attribute("aria-live", "polite")
    page.locator("#beginning").press_sequentially("a")
    expect(page.locator("#text .given")).to_have_text("caba")
    expect(page.locator("#status")).to_contain_text("40 written")
    page.fill("#beginning", "cab")
    expect(page.locator("#text")).to_have_text(first, use_inner_text=False)


def test_next_characters(opened: Callable[..., Page]) -> None:
    """The bars are the distribution after the text, with its probabilities in words."""
    checkpoint = random_checkpoint(Vocabulary("\n abcdefgh\U0001f600"))
    page = opened(checkpoint)
    prepare(page, temperature="1", **{"top-k": "3"})
    page.fill("#beginning", "bad")
    ids = checkpoint.vocabulary.encode("bad")
    _, logits = logits_of(checkpoint, "float16", ids)
    y = np.exp(logits[-1])
    best = np.argsort(-y)[:3]
    percent = 100 * y[best] / y[best].sum()
    shares = [f"{each:.0f} %" if each >= 9.95 else f"{each:.1f} %" for each in percent]
    names = ["newline", "space", *"abcdefgh\U0001f600"]
    expect(page.locator("#bars li:visible .share")).to_have_text(shares)
    expect(page.locator("#bars li:visible .symbol")).to_have_text([names[n] for n in best])


def test_unknown_characters(opened: Callable[..., Page]) -> None:
    """They are named in a sentence, and the rest is read."""
    page = opened(random_checkpoint())
    prepare(page)
    page.fill("#beginning", "a\u00e9b\U0001f600")
    told = "The model does not know \u201c\u00e9\u201d, \u201c\U0001f600\u201d; they are left out."
    expect(page.locator("#strange")).to_have_text(told)
    expect(page.locator("#text")).to_have_text("ab")
    page.fill("#beginning", "ab")
    expect(page.locator("#strange")).to_have_text("")


def test_stop_and_go_on(opened: Callable[..., Page]) -> None:
    """Stop stops at once, what is there stays, and Write goes on from it."""
    page = opened(random_checkpoint())
    prepare(page, **SLOW)
    page.fill("#beginning", "cab")
    expect(page.locator("#stop")).to_be_disabled()
    page.click("#write")
    expect(page.locator("#text")).to_contain_text(
        re.compile("cab.{3}", re.DOTALL), use_inner_text=False
    )
    page.click("#stop")
    expect(page.locator("#status")).to_contain_text("written, then stopped")
    stopped = page.locator("#text").text_content() or ""
    page.wait_for_timeout(300)
    assert page.locator("#text").text_content() == stopped
    assert len(stopped) < 100
    page.select_option("#pace", "0")
    page.click("#write")
    expect(page.locator("#status")).to_contain_text("500 written")
    text = page.locator("#text").text_content() or ""
    assert text.startswith(stopped)
    assert len(text) == len(stopped) + 500


def test_seeds_copy_and_clear(opened: Callable[..., Page]) -> None:
    """A seed brings the same text again; it can be copied; clearing leaves nothing."""
    page = opened(random_checkpoint(), permissions=["clipboard-read", "clipboard-write"])
    first = write(page, "cab", seed="3", length="60")
    page.click("#clear")
    expect(page.locator("#text")).to_have_text("")
    expect(page.locator("#beginning")).to_be_focused()
    assert write(page, "cab", seed="4") != first
    page.click("#clear")
    assert write(page, "cab", seed="3") == first
    page.click("#copy")
    expect(page.locator("#status")).to_have_text("63 characters copied.")
    page.click("#clear")
    page.keyboard.press("ControlOrMeta+V")
    expect(page.locator("#beginning")).to_have_value(first)


def test_a_unit_colours_the_text(opened: Callable[..., Page]) -> None:
    """The colours are the unit's values, from minus to plus, and a sentence has their range."""
    checkpoint = random_checkpoint(cell="rnn", num_layers=2)
    page = opened(checkpoint)
    text = write(page, "bad", length="80")
    page.select_option("#layer", "2")
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.click("#map", position={"x": box["width"] * 2.5 / 4, "y": box["height"] * 1.5 / 3})
    expect(page.locator("#unit")).to_have_value("7")  # the third square of the second row of four
    h = hidden(checkpoint, text, 1, 6)
    low, high = (f"{value:.2f}".replace("-", "\u2212") for value in (h.min(), h.max()))
    expect(page.locator("#unit-note")).to_have_text(
        f"Unit 7 of layer 2: from {low} to {high} in this text."
    )
    found = page.evaluate(LEVELS)
    assert np.abs(np.array(found) - 4 * h / np.abs(h).max()).max() < 0.501
    assert len(set(found)) > 4


def test_by_keys_alone(opened: Callable[..., Page]) -> None:
    """Every control is reached by Tab, shows its focus, and works."""
    page = opened(random_checkpoint())
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            """() => [document.activeElement.id,
              getComputedStyle(document.activeElement).outlineStyle]"""
        )
        seen.append(at)
        assert outline == "solid", at
        if at == "beginning":
            page.keyboard.type("cab")
        if at == "follow":
            page.keyboard.press("Space")
    order = (
        "beginning write copy clear follow text temperature top-k seed length pace layer unit map"
    )
    assert seen == order.split()
    for pressed, unit in (("ArrowRight", "1"), ("ArrowDown", "5"), ("End", "10"), ("Home", "1")):
        page.keyboard.press(pressed)
        expect(page.locator("#unit")).to_have_value(unit)
        expect(page.locator("#map")).to_have_attribute("aria-valuenow", unit)
    page.keyboard.press("Escape")
    expect(page.locator("#unit")).to_have_value("")
    page.select_option("#pace", "20")
    page.focus("#write")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_focused()  # the button that is now the one to press
    page.keyboard.press("Space")
    expect(page.locator("#status")).to_contain_text("then stopped")
    expect(page.locator("#write")).to_be_focused()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [1200, 360])
def test_axe(scheme: str, width: int, opened: Callable[..., Page]) -> None:
    """axe-core finds nothing serious, while nothing is written and with a coloured text."""
    if not AXE.exists():
        pytest.fail("axe-core is not there: npm could not fetch it; try `make page` again.")
    page = opened(
        random_checkpoint(PLAY),
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        bypass_csp=True,  # axe-core is no part of the page
    )
    for coloured in (False, True):
        if coloured:
            write(page, "ROMEO:\u00e9", length="300")
            page.fill("#unit", "3")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        violations = page.evaluate("() => axe.run().then((results) => results.violations)")
        serious = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in serious] == []
    CACHE.mkdir(exist_ok=True)
    page.screenshot(path=CACHE / f"{scheme}-{width}.png", full_page=True)


@pytest.mark.parametrize("width", [360, 320])
def test_on_a_phone(width: int, opened: Callable[..., Page]) -> None:
    """Nothing is wider than the screen, whatever is written."""
    checkpoint = random_checkpoint(PLAY, hidden_size=100, num_layers=3)
    page = opened(checkpoint, viewport={"width": width, "height": 700})
    write(page, "x" * 200, length="200")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.getElementById('text').scrollWidth") <= width


def test_the_policy_forbids_to_load(browser: Browser, tmp_path: Path) -> None:
    """A script that asked for something would be refused by the page itself."""
    write_page(random_checkpoint(), tmp_path / "m.html", "float16")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "m.html").as_uri())
    page.evaluate("() => fetch('https://example.org/').catch(() => null)")
    page.evaluate("() => { document.body.append(Object.assign(new Image(), {src: 'x.png'})); }")
    page.wait_for_timeout(200)
    page.close()
    assert any("'connect-src' was not explicitly set" in words for words in said)
    assert any("'img-src' was not explicitly set" in words for words in said)


def test_less_motion(opened: Callable[..., Page]) -> None:
    """With reduced motion what is shown changes once a second, and is complete at the end."""
    page = opened(random_checkpoint(), reduced_motion="reduce")
    assert page.evaluate("interval()") == 1000
    assert len(write(page, "cab", length="70")) == 73


def test_speed(opened: Callable[..., Page], capsys: pytest.CaptureFixture[str]) -> None:
    """The default LSTM writes at least 1,000 characters a second, with the map and the colours."""
    page = opened(random_checkpoint(PLAY, cell="lstm", hidden_size=256))
    page.fill("#unit", "30")
    speeds = []
    for _ in range(4):  # the best of them: other programs run on this machine, too
        page.click("#clear")
        write(page, "ROMEO:", length="3000")
        shown = page.locator("#status").text_content() or ""
        speeds.append(int(shown.split()[2].replace(",", "")))
    with capsys.disabled():
        print(f"\ndefault LSTM: {max(speeds):,} characters a second (all: {speeds})")
    assert max(speeds) >= 1000
