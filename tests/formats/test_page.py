"""The file of a page: one HTML, in which nothing is left to load and nothing can break out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from exported_models import checkpoint_of
from page_models import LETTERS, random_checkpoint

import charnn
from charnn.errors import InputError
from charnn.formats.page_file import SCRIPTS, cell_of, page_of, source, write_page
from charnn.formats.page_weights import packed, rounded
from charnn.text.vocabulary import Vocabulary
from charnn.training.checkpoint import CorpusRecord, save_checkpoint

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"
VOID = {"meta", "input", "link", "br"}
NASTY = "</title></script><!--\udc80<script>alert(1)</script>\n&amp;"


class Reader(HTMLParser):
    """The elements of a page: attributes and content of each, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[list[str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        content: list[str] = []
        self.found.append((tag, dict(attrs), content))
        if tag not in VOID:
            self.open.append(content)

    def handle_endtag(self, tag: str) -> None:
        """End one."""
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """Keep the content of the innermost element."""
        if self.open:
            self.open[-1].append(data)

    def content(self, tag: str, **attributes: str) -> list[str]:
        """Return the contents of the elements that have these attributes."""
        return [
            "".join(text)
            for name, own, text in self.found
            if name == tag and attributes.items() <= own.items()
        ]


def hash_of(text: str) -> str:
    """Return the hash of a script or style as a policy writes it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("rounding", ["float16", "int8"])
def test_the_file(rounding: str, tmp_path: Path) -> None:
    """Its policy allows its own script and style by their hashes, and nothing else."""
    checkpoint = random_checkpoint(cell="gru", num_layers=2)
    write_page(checkpoint, tmp_path / "m.html", rounding)
    page = (tmp_path / "m.html").read_text(encoding="utf-8")
    read = Reader(page)
    (script,) = [text for text in read.content("script") if '"use strict"' in text]
    (style,) = read.content("style")
    (policy,) = [own["content"] for _, own, _ in read.found if "http-equiv" in own]
    assert policy == (
        f"default-src 'none'; script-src {hash_of(script)}; style-src {hash_of(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    (text,) = read.content("script", id="description")
    described = json.loads(text)
    assert described["symbols"] == [ord(symbol) for symbol in LETTERS.symbols]
    assert described["cell"] == "gru-before"
    (weights,) = read.content("script", id="weights")
    assert base64.b64decode(weights) == packed(checkpoint, rounding).content
    assert len(read.found) > 60
    assert read.open == []
    assert "\r" not in page


def test_nothing_is_loaded() -> None:
    """No element names another file, no style does, and the script asks for none."""
    page = page_of(random_checkpoint(), "float16")
    for tag, own, _ in Reader(page).found:
        assert not own.keys() & {"src", "href", "srcset", "action", "style", "onclick", "data"}, tag
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"@import|url\(", source("page.css"))
    code = "".join(source(name) for name in SCRIPTS)
    asking = r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|import|export|require|sendBeacon|eval|"
    asking += r"innerHTML|Worker|localStorage)\b"
    assert re.findall(asking, re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)) == []


def test_names_cannot_break_out() -> None:
    """A corpus with tags in its name, and symbols that are tags, stay text."""
    checkpoint = random_checkpoint(Vocabulary("!-/<>\ud800"))
    plain = Reader(page_of(checkpoint, "float16"))
    nasty = replace(checkpoint, corpus=CorpusRecord(NASTY, [], "0" * 64, {"val": 9}))
    read = Reader(page_of(nasty, "float16"))
    assert [tag for tag, *_ in read.found] == [tag for tag, *_ in plain.found]
    (title,) = read.content("title")
    assert title == "A network that writes: </title></script><!--?<script>alert(1)</script>?&amp;"


def test_sources_can_stand_in_a_page() -> None:
    """No script or style holds what would end it, or a template's sign that is not filled in."""
    for name in (*SCRIPTS, "page.css"):
        assert not re.search(r"</|<!--|\]\]>|\t|[^\x00-\x7f]", source(name)), name
        assert source(name).endswith("\n")
    assert not re.search(r"\$[a-z]", page_of(random_checkpoint(), "int8"))


def test_every_file_of_the_page_is_packaged() -> None:
    """What the writer names is all that is there, and the package's data name the folder."""
    folder = files("charnn.formats") / "page"
    assert {each.name for each in folder.iterdir()} == {*SCRIPTS, "page.css", "page.html"}
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"formats/page/*"' in project


def test_the_introduction_says_what_the_model_is() -> None:
    """Cell, layers, units, weights and, where it is known, what the model needs a character."""
    page = page_of(checkpoint_of(num_layers=2), "float16")
    assert "LSTM, 2 layers of 5 units: " in page
    assert "needs 3.61 bits a character." in page  # 2.5 nats
    assert "needs" not in page_of(random_checkpoint(), "float16")
    assert "secret" not in page


def test_what_rounding_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The documentation's program measures it, and it is next to nothing."""
    monkeypatch.chdir(tmp_path)
    ours = random_checkpoint()
    Path("runs").mkdir()
    save_checkpoint(Path("runs/shakespeare-lstm"), ours)
    Path("shakespeare.txt").write_text("bad\ncabbage\n".replace("g", "f") * 30, encoding="utf-8")
    page = DOCUMENT.read_text(encoding="utf-8").partition("## A page that writes")[2]
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(program, {})  # noqa: S102
    costs = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert len(costs) == 2
    assert 0 < abs(costs[0]) < 1e-4
    assert 0 < abs(costs[1]) < 1e-2


@pytest.mark.parametrize("rounding", ["float16", "int8"])
def test_rounding(rounding: str) -> None:
    """float16 keeps 11 bits; int8 is off by half a step of its column; vectors stay whole there."""
    ours = random_checkpoint(cell="layernorm-lstm", embedding_size=5)
    ours.parameters["layer1/W_hh"][2, :, 3] = 0  # a column of zeros
    ours.parameters["W_hy"][:, 4] *= 1e4  # a large one, which costs the others nothing
    back = rounded(ours, rounding)
    for name, array in ours.parameters.items():
        error = np.abs(back.parameters[name] - array)
        if rounding == "float16":
            assert (error <= np.abs(array) * 2.0**-11 + 2.0**-25).all()
        elif array.ndim > 1 and name.rpartition("/")[2][0] in "WE":
            assert (error <= 0.501 * np.abs(array).max(axis=-2, keepdims=True) / 127).all()
            assert error.max() > 0
        else:
            assert error.max() == 0
    assert back.config == ours.config
    assert not back.resumable


def test_a_weight_beyond_float16() -> None:
    """It is refused in a sentence that says what to do, and int8 holds it."""
    checkpoint = random_checkpoint()
    checkpoint.parameters["W_hy"][1, 2] = -70_000
    with pytest.raises(InputError, match=r"a weight of W_hy is 70,000, .*; choose --weights int8."):
        page_of(checkpoint, "float16")
    assert page_of(checkpoint, "int8")


@pytest.mark.parametrize("task", ["classify", "tag", "transduce", "generate"])
def test_other_tasks_are_refused(task: str, tmp_path: Path) -> None:
    """In one sentence, and nothing is written."""
    with pytest.raises(InputError, match=f"a model of the task {task} cannot be written as a page"):
        write_page(checkpoint_of(task), tmp_path / "m.html", "float16")
    assert list(tmp_path.iterdir()) == []


def test_from_python(tmp_path: Path) -> None:
    """`charnn.export` writes pages; equal models make equal ones, and averages count."""
    ours = random_checkpoint()
    assert charnn.export(ours, tmp_path / "a.html") == []
    charnn.export(ours, tmp_path / "b.html", weights="float16")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    averaged = replace(ours, average=-ours.parameters.flat)
    assert packed(averaged, "int8").content != packed(ours, "int8").content
    with pytest.raises(InputError, match="replace it with --force"):
        charnn.export(ours, tmp_path / "a.html", weights="int8")
    charnn.export(ours, tmp_path / "a.html", True, "int8")
    assert (tmp_path / "a.html").stat().st_size < (tmp_path / "b.html").stat().st_size


def test_forms_have_names_of_their_own() -> None:
    """A GRU's name in a page says where it resets."""
    names = [cell_of(random_checkpoint(cell="gru", gru_reset=form)) for form in ("before", "after")]
    assert names == ["gru-before", "gru-after"]
    assert cell_of(random_checkpoint(cell="layernorm-gru")) == "layernorm-gru"
