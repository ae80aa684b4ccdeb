"""Each section of the report shows the figures of its analysis, of the model that it names."""

from __future__ import annotations

import math
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from reported import TEXT, TINY

import charnn
from charnn.analysis.context import context_use
from charnn.analysis.features import Alphabet
from charnn.analysis.gradient_flow import gradient_flow, places_in
from charnn.analysis.neurons import Follower, Neurons, neurons
from charnn.analysis.novelty import novelty
from charnn.analysis.probes import probes_of
from charnn.analysis.surprise import read
from charnn.errors import CorpusError
from charnn.models.evaluation import evaluate
from charnn.report import context_section, novelty_section, surprise_section
from charnn.report.context_picture import context_picture, probes_picture
from charnn.report.gradient_picture import gradient_picture
from charnn.report.gradient_section import gradients
from charnn.report.material import Material, read_material
from charnn.report.page import report
from charnn.report.parts import Figure, Section, Table
from charnn.report.saturation_section import saturation
from charnn.report.units_section import best_units, units

WINDOW = 8


def figures(section: Section) -> list[Figure]:
    """Return the pictures of a section."""
    return [part for part in section.parts if isinstance(part, Figure)]


def table(section: Section) -> dict[str, tuple[str, ...]]:
    """Return the rows of a section's table by their names."""
    (found,) = (part for part in section.parts if isinstance(part, Table))
    return {first: tuple(cells) for first, *cells in found.rows}


def test_the_untrained_model_is_that_of_the_seed(material: Material) -> None:
    """It has the run's shape, and other weights than the trained one."""
    assert material.untrained.sizes == material.model.sizes
    assert material.untrained.config == material.model.config
    again = type(material.model).started(
        material.model.config, material.model.sizes, material.saved.config.training.seed
    )
    assert (material.untrained.parameters.flat == again.parameters.flat).all()
    assert (material.untrained.parameters.flat != material.model.parameters.flat).any()


def test_gradient_flow(material: Material) -> None:
    """The half-lives and the picture are those of both models at the seed's places."""
    section = gradients(material)
    places = places_in(len(material.ids), 200, 100, material.seed)
    flows = {
        name: gradient_flow(model, material.ids, places, WINDOW)
        for name, model in {"trained": material.model, "untrained": material.untrained}.items()
    }
    rows = table(section)
    for name, flow in flows.items():
        for state in flow.layers[0].states:
            factor = state.decay.factor
            assert factor is not None
            assert rows[f"{name}, layer1 {state.state}"][0] == f"{factor:.4f}"
    assert rows["trained, layer1 h"] != rows["untrained, layer1 h"]
    assert "untrained, layer1 c, direct path alone" in rows
    (figure,) = figures(section)
    assert figure.picture == gradient_picture(flows["trained"], flows["untrained"], WINDOW)
    words = " ".join(section.sentences)
    assert f"(factor {flows['trained'].layers[0].states[0].decay.factor:.4f} a step)" in words
    assert "were clipped" in words


def test_context(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures are those of the losses and the probes, for both models."""
    section = context_section.context(material)
    used = context_use(material.model, material.ids, 256, 400, material.seed)
    probes = [
        probes_of(model, material.ids, 12, 1, material.seed)
        for model in (material.model, material.untrained)
    ]
    first, second = figures(section)
    assert first.picture == context_picture(used, WINDOW)
    assert second.picture == probes_picture(*probes)
    assert "h with c" in second.caption
    short = Material(material.path, material.saved, "", material.ids[:50], material.outside, 1)
    section = context_section.context(short)
    assert len(section.parts) == 1
    assert "too short for probes, which need 64" in section.sentences[-1]


def test_saturation(material: Material) -> None:
    """The shares are those of the gates, trained and untrained."""
    found = {
        name: neurons(model, material.ids, Alphabet(material.vocabulary), material.stretches, 1)
        for name, model in {"trained": material.model, "untrained": material.untrained}.items()
    }
    rows = table(saturation(material))
    assert list(rows) == ["layer1 i", "layer1 f", "layer1 o", "layer1 |h|"]
    for after, before in zip(
        found["trained"].saturation, found["untrained"].saturation, strict=True
    ):
        cells = rows[f"layer1 {after.gate}"]
        assert cells[:2] == (f"{after.mean:.2f}", f"{before.mean:.2f}")
        assert cells[2:4] == (f"{after.below:.1%}", f"{before.below:.1%}")
        assert cells[4:6] == (f"{after.above:.1%}", f"{before.above:.1%}")


def test_units(material: Material) -> None:
    """The best units are named with their held-out figures, and each colours the text."""
    section = units(material)
    best = best_units(material.watched[0])
    assert len(figures(section)) == 1 + len(best)
    for each, figure in zip(best, figures(section)[1:], strict=True):
        assert f"r = {each.r:+.2f} on the half that did not choose it" in "".join(section.sentences)
        title = f"Unit {each.layer}:{each.unit}, {each.state}: {each.feature}"
        assert title in unescape(figure.picture)
        shown = re.sub("<[^>]+>", "", figure.picture.partition("</pre>")[0])
        assert shown.startswith("The tide comes in, &lt;b&gt;and")


def test_the_best_units_are_chosen_by_the_half_that_judges() -> None:
    """Not by the half that chose them; a unit is shown once; what cannot be judged is left out."""

    def follower(feature: str, unit: int, chosen: float, r: float | None) -> Follower:
        return Follower(feature, 1, unit, "h", chosen, r, None)

    every = [
        follower("a", 1, 0.99, 0.1),
        follower("b", 2, 0.5, -0.4),
        follower("c", 2, 0.5, 0.3),
        follower("d", 3, 0.9, None),
    ]
    found = Neurons(100, [], {each.feature: [each] for each in every}, [])
    assert [each.feature for each in best_units(found)] == ["b", "a"]


def test_surprise(material: Material) -> None:
    """Its mean is the loss; classes and notes are those of the reading."""
    section = surprise_section.surprise(material)
    score = evaluate(material.model, material.ids)
    loss = score.nats / score.predictions / math.log(2)
    assert f"{len(TEXT) - 1:,} characters is {loss:.3f} bits" in section.sentences[0]
    train = material.training.train
    found = read(material.model, material.vocabulary, material.ids, train, part=(0, 1_000))
    rows = table(section)
    for kind in found.kinds:
        assert rows[kind.name][1:3] == (f"{kind.symbols:,}", f"{kind.bits / found.bits:.1%}")
    (figure,) = figures(section)
    notes = re.findall('title="([^"]*)"', figure.picture)
    assert len(notes) == 1_000
    assert notes[0] == "not predicted"
    for note, each in zip(notes[1:], found.shown[1:], strict=True):
        assert note.startswith(f"{each.bits:.1f} bits; likeliest: ")


def test_long_texts_are_read_in_part(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is said."""
    monkeypatch.setattr(surprise_section, "LONGEST", 500)
    section = surprise_section.surprise(material)
    assert section.sentences[-1] == "Only the first 500 characters of the text were read."
    assert "Its mean over 499 characters" in section.sentences[0]


def test_novelty(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdicts are those of samples that are drawn as `charnn sample` draws them."""
    monkeypatch.setattr(novelty_section, "LENGTH", 600)
    section = novelty_section.copied_text(material)
    text = material.training
    samples = {
        f"temperature {each:.1f}": novelty_section.drawn(material, each) for each in (0.5, 0.8, 1.0)
    }
    found = novelty(samples, text.train, text.held_out, material.vocabulary)
    for each in found.samples:
        assert f"At {each.name}: {found.verdict(each)}" in section.sentences
    shares, copied = figures(section)
    assert shares.picture.count("temperature") >= 3
    best = max(each.longest.length for each in found.samples if each.longest is not None)
    assert f"{best:,} symbols, first in line" in copied.caption


def test_without_the_training_text(run: Path, tmp_path: Path) -> None:
    """The report says what it cannot show, and shows the rest."""
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "tide.txt").write_text(TEXT, encoding="utf-8")
    (run.parent / "tide.txt").rename(run.parent / "moved.txt")
    try:
        found = read_material(tmp_path / "run", [str(tmp_path / "tide.txt")], 1, "utf-8")
        page = report(found)
        text = str(tmp_path / "tide.txt")
        there = read_material(tmp_path / "run", [text], 1, "utf-8", [text])
        assert (
            there.training.train.tolist() == found.ids[: there.saved.corpus.parts["train"]].tolist()
        )
        with pytest.raises(CorpusError, match=r"none\.txt"):
            read_material(tmp_path / "run", [text], 1, "utf-8", ["none.txt"])
    finally:
        (run.parent / "moved.txt").rename(run.parent / "tide.txt")
    assert page.count("This cannot be shown") == 1
    assert "There are no classes n-gram and rare word: the model was trained on" in page
    assert "is not there; give its text with --train FILE" in page


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "rnn", "tokens": "bytes"},
        {"cell": "mingru", "num_layers": 2, "embedding_size": 3},
        {"cell": "layernorm-gru", "attention": "dot"},
    ],
    ids=lambda options: options["cell"],
)
def test_every_section_can_be_written(
    options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of cells without gates or weights by the state, of several layers, bytes and attention."""
    monkeypatch.setattr(novelty_section, "LENGTH", 300)
    (tmp_path / "tide.txt").write_text(TEXT, encoding="utf-8")
    list(charnn.train(tmp_path / "tide.txt", **TINY | {"steps": 2} | options, out=tmp_path / "run"))  # type: ignore[arg-type]
    page = report(read_material(tmp_path / "run", [str(tmp_path / "tide.txt")], 1, "utf-8"))
    assert "This cannot be shown" not in page
    assert page.count("<svg") == 8


def test_a_short_text_has_a_report(run: Path, tmp_path: Path) -> None:
    """What needs more text is a sentence in its place."""
    (tmp_path / "short.txt").write_text("The tide", encoding="utf-8")
    page = report(read_material(run, [str(tmp_path / "short.txt")], 1, "utf-8"))
    assert page.count("This cannot be shown: the text has 8 symbols") == 2
    assert "7 characters is" in page
