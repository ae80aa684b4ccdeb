"""The report as a page: well-formed, on its own, in order, and true to its material."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import charnn
from charnn.config import SamplingConfig
from charnn.errors import CharnnError, ConfigError, CorpusError, InputError
from charnn.report import page as pages
from charnn.report.curves_section import at_the_end
from charnn.report.material import Material, read_material
from charnn.report.page import report
from charnn.report.parts import Figure, Passage, Section, Table
from charnn.report.run_section import entropy_of
from charnn.report.sections import SECTIONS

TEXT = "The tide comes in, <b>and</b> the tide goes out & back.\n" * 20
TINY = {"hidden_size": 6, "steps": 40, "eval_every": 20, "batch_size": 2, "seq_length": 8}
VOID = {"meta", "link", "br", "hr", "img", "input"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny run; its text lies beside it."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "tide.txt").write_text(TEXT, encoding="utf-8")
    list(charnn.train(folder / "tide.txt", **TINY, out=folder / "run"))
    return folder / "run"


@pytest.fixture(scope="module")
def material(run: Path) -> Material:
    """Return what a report is made of."""
    return read_material(run, [str(run.parent / "tide.txt")], 1, "utf-8")


@pytest.fixture(scope="module")
def html(material: Material) -> str:
    """Return a report."""
    return report(material)


class Page(HTMLParser):
    """Reads a page, and checks that every element ends where it must."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that ends at once, as SVG's do."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep text by its element."""
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def named(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_stands_alone(html: str) -> None:
    """It names no other file or machine, runs no script, and its policy forbids both."""
    found = Page(html)
    names = {tag for tag, _ in found.elements}
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "img", "image"}
    for _, attributes in found.elements:
        assert not {"src", "srcset", "data", "xlink:href", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
        assert "url(" not in attributes.get("style", "")
    assert "url(" not in html
    assert "@import" not in html
    assert set(re.findall(r"https?://[^\"' )<]+", html)) == {"http://www.w3.org/2000/svg"}
    policies = [a["content"] for a in found.named("meta") if "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert len(html.encode()) < 300_000


def test_headings_and_contents(html: str) -> None:
    """One h1, then h2 for each section, in the order of the contents, whose links resolve."""
    found = Page(html)
    headings = [tag for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)]
    assert headings == ["h1", "h2", *["h2"] * len(SECTIONS)]
    assert found.texts["h2"] == ["Contents", *SECTIONS]
    assert found.texts["a"] == list(SECTIONS)
    anchors = [each["href"][1:] for each in found.named("a")]
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(anchors) <= set(ids)
    assert found.named("html") == [{"lang": "en"}]
    assert {"name": "color-scheme", "content": "light dark"} in found.named("meta")
    for landmark in ("header", "nav", "main", "footer"):
        assert len(found.named(landmark)) == 1


def test_every_picture_has_words(html: str) -> None:
    """A text alternative for those who cannot see it, and sentences below it."""
    found = Page(html)
    pictures = found.named("svg")
    assert len(pictures) == 2
    assert all(each["role"] == "img" for each in pictures)
    assert len(found.texts["desc"]) == len(pictures)
    assert len(found.named("figcaption")) == len(found.named("figure"))
    assert all(len(caption) > 10 for caption in found.texts["figcaption"])
    assert "Compare" in "".join(found.texts["figcaption"])


def test_samples_are_those_of_the_seed(html: str, material: Material) -> None:
    """Each is what `charnn sample` draws at its temperature; markup in it is shown."""
    shown = Page(html).texts["pre"]
    assert len(shown) == 3
    for text, temperature in zip(shown, (0.5, 0.8, 1.0), strict=True):
        options = SamplingConfig(length=500, temperature=temperature, seed=1)
        (drawn,) = material.saved.task.samples(material.model, material.vocabulary, options)
        assert text.lstrip("\n") == drawn["text"].lstrip("\n")
    assert "<" in "".join(shown)


def test_facts(html: str, material: Material) -> None:
    """The sizes, the best loss and the entropy of the text are stated."""
    best = material.saved.progress.best_loss
    shares = np.array([TEXT.count(symbol) / len(TEXT) for symbol in sorted(set(TEXT))])
    entropy = -(shares * np.log2(shares)).sum()
    for fact in (
        f"{best:.4f} nats per character",
        f"{best / np.log(2):.3f} bits",
        f"needs {entropy:.3f} bits",
        f"{np.log2(len(set(TEXT))):.3f} bits per character",
        f"{material.saved.parameters.flat.size:,}",
        f"{len(TEXT):,} characters",
    ):
        assert fact in html
    assert entropy_of(np.array([0, 1, 1, 0]), 3) == 1.0
    assert entropy_of(np.array([2, 2]), 3) == 0.0


def test_the_losses_at_the_end_are_put_in_words() -> None:
    """Whichever is higher, the sentence says why."""
    words = at_the_end(1.5, 2.25, "byte")
    assert "2.250 bits per byte and the training loss 1.500" in words
    assert "costs 0.750 bits more" in words
    assert "higher because it is smoothed" in at_the_end(2.25, 1.5, "byte")


def test_the_report_is_deterministic(html: str, material: Material) -> None:
    """The same material gives the same page; another seed other samples."""
    assert report(material) == html
    other = Material(material.path, material.saved, material.text, material.ids,
                     material.outside, 2)  # fmt: skip
    assert report(other) != html


def test_a_checkpoint_alone_has_a_report(run: Path, tmp_path: Path) -> None:
    """What it does not know is said in its place."""
    shutil.copy(run / "last.npz", tmp_path / "model.npz")
    material = read_material(tmp_path / "model.npz", [str(run.parent / "tide.txt")], 1, "utf-8")
    text = Page(report(material)).texts
    assert any("is a checkpoint alone" in each for each in text["p"])
    assert text["h2"] == ["Contents", *SECTIONS]


def test_unknown_characters_are_told(run: Path, tmp_path: Path) -> None:
    """As `charnn eval` does."""
    (tmp_path / "odd.txt").write_text("the tide \u03b1\u03b1<", encoding="utf-8")
    material = read_material(run, [str(tmp_path / "odd.txt")], 1, "utf-8")
    assert "2 characters are unknown to the model (&#x27;α&#x27; 2x); left out" in report(material)


def test_what_has_no_report_is_refused(run: Path, tmp_path: Path) -> None:
    """Models of other tasks, short texts, and what is no model, each in a sentence."""
    (tmp_path / "a.txt").write_text("t", encoding="utf-8")
    with pytest.raises(CorpusError, match="single char"):
        read_material(run, [str(tmp_path / "a.txt")], 1, "utf-8")
    with pytest.raises(InputError, match="does not exist"):
        read_material(tmp_path / "none", [str(run.parent / "tide.txt")], 1, "utf-8")
    (tmp_path / "x.tsv").write_text("ab\tX\ncd\tY\n" * 20, encoding="utf-8")
    options = {"task": "classify", "steps": 2, "hidden_size": 4}
    list(charnn.train(tmp_path / "x.tsv", **options, out=tmp_path / "classes"))
    with pytest.raises(ConfigError, match=r"is a model of .* language models only"):
        read_material(tmp_path / "classes", [str(tmp_path / "a.txt")], 1, "utf-8")


def test_a_section_that_cannot_be_written_says_so(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sentence stands in its place, and the other sections are there."""

    def fail(_: Material) -> Section:
        raise CharnnError("the <moon> is missing.")

    sections: dict[str, Callable[[Material], Section]] = {"Moon & sun": fail, **SECTIONS}
    monkeypatch.setattr(pages, "SECTIONS", sections)
    counted: list[int] = []
    found = Page(report(material, counted.append))
    assert found.texts["h2"] == ["Contents", "Moon & sun", *SECTIONS]
    assert "This cannot be shown: the <moon> is missing." in found.texts["p"]
    assert sum(counted) == len(sections)


def test_parts_escape_their_words() -> None:
    """Markup, dollars and control characters of a text are shown as they are."""
    odd = "<i>$title & \x1b\x00\ud800"
    section = Section(odd, [odd], [Passage(odd, odd), Figure("<svg></svg>", odd),
                                   Table(odd, [odd, "b"], [[odd, "1"]])])  # fmt: skip
    found = Page(section.html("here"))
    shown = "<i>$title & ␛␀\ufffd"
    for tag in ("h2", "p", "pre", "figcaption", "caption", "th"):
        assert shown in found.texts[tag], tag
    assert found.texts["td"] == ["1"]
    assert found.named("svg") == [{}]


def test_the_templates_are_part_of_the_package() -> None:
    """They are declared as data, and all of them are used."""
    templates = sorted(Path(pages.__file__).parent.joinpath("templates").iterdir())
    source = "".join(path.read_text("utf-8") for path in Path(pages.__file__).parent.glob("*.py"))
    assert all(f'"{path.name}"' in source for path in templates)
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert '"report/templates/*"' in project.read_text("utf-8")
