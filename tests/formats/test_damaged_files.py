"""Files that are cut, flipped or lie: never a wrong model, always one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from exported_models import SYMBOLS, checkpoint_of, raw_file, state_dict, tensors_of, write_state
from safetensors import safe_open

from charnn.errors import InputError
from charnn.formats.incoming import import_model
from charnn.formats.outgoing import export_model
from charnn.formats.safetensors_file import content_of
from charnn.training.digest import digest

Metadata = dict[str, str]
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the content of a small exported file."""
    path = tmp_path_factory.mktemp("exported") / "m.safetensors"
    export_model(checkpoint_of(hidden_size=2, cell="gru", gru_reset="after"), path)
    return path.read_bytes()


def refused(path: Path, vocab: Any = None) -> str:
    """Return why a file is refused, in one sentence that names it."""
    with pytest.raises(InputError) as caught:
        import_model(path, vocab)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"'{path}'")
    assert text.endswith(".")
    return text


def test_every_cut(exported: bytes, tmp_path: Path) -> None:
    """A file that ends anywhere before its end is refused; so is one that goes on."""
    path = tmp_path / "m.safetensors"
    places = {*range(300), *range(300, len(exported), 7), *range(len(exported) - 64, len(exported))}
    for length in sorted(places):
        path.write_bytes(exported[:length])
        refused(path)
    path.write_bytes(exported + b"\0")
    refused(path)


@pytest.mark.parametrize("vocab", [None, list(SYMBOLS)], ids=["alone", "with a vocabulary"])
def test_many_flipped_bits(vocab: Any, exported: bytes, tmp_path: Path) -> None:
    """One bit anywhere makes the digest differ, or worse; with --vocab it is refused as well."""
    path = tmp_path / "m.safetensors"
    random = np.random.default_rng(1)
    header = 8 + int.from_bytes(exported[:8], "little")
    places = {*range(72), *random.integers(0, header * 8, 400).tolist()}
    places |= {*random.integers(header * 8, len(exported) * 8, 150).tolist()}
    for place in sorted(places):
        content = bytearray(exported)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        refused(path, vocab)


def test_every_bit_of_the_names_of_metadata(exported: bytes, tmp_path: Path) -> None:
    """No flipped bit makes charnn's own file look like another program's."""
    path = tmp_path / "m.safetensors"
    for name in (b'"charnn":', b'"digest":', b'"layout":', b'"charnn_format":', b"__metadata__"):
        start = exported.index(name)
        for place in range(start * 8, (start + len(name)) * 8):
            content = bytearray(exported)
            content[place // 8] ^= 1 << place % 8
            path.write_bytes(content)
            refused(path, list(SYMBOLS))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        b"\0" * 200,
        b"\xff" * 200,
        b"PK\x03\x04" + b"\0" * 100,
        b"\x80\x02}q\x00.",
        b"[" * 100_000,
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (2).to_bytes(8, "little") + b"[]",
        raw_file({}),
        raw_file({"a": ("F32", (2**40, 2**40), b"")}),
        raw_file({"a": ("F32", (0, 2**40), b"")}),
        raw_file({"a": ("F32", (4,), b"0000")}),
        raw_file({"a": ("XX", (4,), b"0000")}),
        raw_file({"a\n\x1b[1mb": ("F32", (1,), b"0000")}),
    ],
    ids=range(15),
)
def test_what_is_no_such_file(content: bytes, tmp_path: Path) -> None:
    """Anything else under the name is refused, with a vocabulary and without."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    refused(path)
    refused(path, list(SYMBOLS))


def test_a_name_that_stands_twice(tmp_path: Path) -> None:
    """The library takes the last of two arrays with one name; charnn takes neither."""
    path = write_state(tmp_path / "m.safetensors", state_dict())
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    entry = content[8:end].decode()
    twice = entry[:-1] + ', "decoder.bias": ' + json.dumps(json.loads(entry)["decoder.bias"]) + "}"
    path.write_bytes(len(twice).to_bytes(8, "little") + twice.encode() + content[end:])
    assert "'decoder.bias' twice" in refused(path, list(SYMBOLS))


def rewritten(path: Path, change: Callable[[Metadata, Arrays], None], sign: bool = True) -> None:
    """Change an exported file; `sign`: and put the right digest into it."""
    arrays = safetensors.numpy.load_file(path)
    with safe_open(path, "np") as file:
        metadata = dict(file.metadata())
    change(metadata, arrays)
    if sign:
        rest = {name: text for name, text in metadata.items() if name != "digest"}
        metadata["digest"] = digest(rest, arrays)
    path.write_bytes(content_of(arrays, metadata))


def set_config(**values: Any) -> Callable[[Metadata, Arrays], None]:
    """Return the change that sets options in the metadata."""

    def change(metadata: Metadata, _: Arrays) -> None:
        metadata["config"] = json.dumps(json.loads(metadata["config"]) | values)

    return change


def set_text(**texts: str) -> Callable[[Metadata, Arrays], None]:
    """Return the change that sets metadata."""
    return lambda metadata, _: metadata.update(texts)


def set_value(name: str, value: float) -> Callable[[Metadata, Arrays], None]:
    """Return the change that sets the first number of an array."""

    def change(_: Metadata, arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[0] = value

    return change


LIES: list[tuple[Callable[[Metadata, Arrays], Any], str]] = [
    (lambda *_: None, ""),  # the change of nothing: the file is good
    (set_config(hidden_size=6), "its configuration asks for"),
    (set_config(hidden_size=65_536, num_layers=64), "not those of its configuration"),
    (set_config(num_layers=2), "not those of its configuration"),
    (set_config(cell="gru", gru_reset="after"), "its configuration asks for"),
    (set_config(cell="gru"), "layout is pytorch, which"),
    (set_config(cell="transformer"), "transformer"),
    (set_config(embedding_size=4), "not those of its configuration"),
    (set_config(nonsense=1), "nonsense"),
    (set_config(task="classify"), "reads 'charnn-pairs-1'"),
    (set_text(config="[]"), "not what charnn writes"),
    (set_text(config="{"), "metadata are damaged"),
    (set_text(config="[" * 100_000), "metadata are damaged"),
    (set_text(vocabulary='{"format": "x"}'), "format 'x'"),
    (set_text(layout="charnn"), "not those of its configuration"),
    (set_text(layout="tensorflow"), "layout is 'tensorflow'"),
    (set_text(charnn_format="2"), "use a newer charnn"),
    (set_text(progress="{}"), "metadata are damaged"),
    (set_text(corpus="{}"), "record of the corpus"),
    (set_text(provenance='{"a": 1}'), "provenance"),
    (lambda metadata, _: metadata.pop("vocabulary"), "metadata lack vocabulary"),
    (lambda metadata, _: metadata.pop("charnn"), "metadata lack charnn"),
    (lambda _, arrays: arrays.pop("rnn.bias_hh_l0"), "'rnn.bias_hh_l0'"),
    (lambda _, arrays: arrays.update(more=np.zeros(3, np.float32)), "'more'"),
    (set_value("rnn.bias_hh_l0", 1.0), "have no place for"),
    (set_value("rnn.weight_hh_l0", np.nan), "not finite"),
]


@pytest.mark.parametrize(("change", "words"), LIES, ids=[words for _, words in LIES])
def test_metadata_that_lie(
    change: Callable[[Metadata, Arrays], None], words: str, tmp_path: Path
) -> None:
    """A good digest alone makes no file good."""
    path = tmp_path / "m.safetensors"
    export_model(checkpoint_of(), path)
    rewritten(path, change)
    if words:
        assert words in refused(path)
    else:
        import_model(path)


def test_weights_that_were_changed(tmp_path: Path) -> None:
    """Weights trained further elsewhere do not pass for what was exported."""
    path = tmp_path / "m.safetensors"
    export_model(checkpoint_of(), path)
    rewritten(path, set_value("decoder.weight", 1.0), sign=False)
    assert "without charnn's metadata" in refused(path)
    path.write_bytes(raw_file(tensors_of(safetensors.numpy.load_file(path)), {"format": "pt"}))
    assert import_model(path, list(SYMBOLS)).parameters["W_hy"].flat[0] == 1.0


def test_a_tied_output_that_differs(tmp_path: Path) -> None:
    """A copy of the embedding must be one."""
    path = tmp_path / "m.safetensors"
    export_model(checkpoint_of(embedding_size=5, tie_weights=True), path)
    rewritten(path, set_value("decoder.weight", 1.0))
    assert "'decoder.weight' has values" in refused(path)


def test_an_own_file_in_another_precision(tmp_path: Path) -> None:
    """Rounded weights are others than those that were exported."""
    path = tmp_path / "m.safetensors"
    export_model(checkpoint_of(), path)
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    path.write_bytes(raw_file(tensors_of(safetensors.numpy.load_file(path), "F16"), metadata))
    assert "the digest differs" in refused(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("m.onnx", "an ONNX file is for running a model only"),
        ("m.npz", "which needs no import"),
        ("m.keras", ".keras is no format"),
        ("m.pkl", ".pkl is no format"),
        ("m", "a name without an ending is no format"),
        ("missing.safetensors", "does not exist"),
        ("missing.pt", "does not exist"),
        ("folder", "it has no model.safetensors"),
        ("run", "it is a run folder"),
    ],
)
def test_what_is_not_imported(name: str, words: str, tmp_path: Path) -> None:
    """Each is refused by its name, and the sentence says what to do."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.npz").touch()
    if "." not in name or not name.startswith("missing"):
        path = tmp_path / name
        if not path.exists():
            path.write_bytes(b"something")
    assert words in refused(tmp_path / name)
