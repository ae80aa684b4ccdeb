"""Files from end to end: round trips, sizes, damage, wrong models, streams."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_models import AWKWARD, VOCABULARIES, small_model, sure_model, sure_text

from charnn.compression import compressor
from charnn.compression.characters import count_characters
from charnn.compression.compressor import Sizes, block_size, compress
from charnn.compression.container import LARGEST_BLOCK, LARGEST_HEADER, Header, Method, Record
from charnn.compression.packing import pack
from charnn.compression.quantized import QuantizedModel
from charnn.compression.reading import check, decompress, inspect
from charnn.errors import CharnnError, CompressionError


def compressed(
    text: bytes, quantized: QuantizedModel, embed: bool = False, lanes: int | None = None
) -> tuple[bytes, Sizes]:
    """Return the file of a text."""
    target = io.BytesIO()
    sizes = compress(io.BytesIO(text), target, quantized, embed, lanes, workers=1)
    return target.getvalue(), sizes


def restored(content: bytes, quantized: QuantizedModel | None) -> bytes:
    """Return the text of a file."""
    target = io.BytesIO()
    model = None if quantized is None else lambda _: quantized
    decompress(io.BytesIO(content), target, model, workers=1)
    return target.getvalue()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide texts into blocks of at most 600 bytes."""
    monkeypatch.setattr(compressor, "ONE_BLOCK", 500)
    monkeypatch.setattr(compressor, "LARGEST_BLOCK", 600)


@pytest.fixture
def without_lzma(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave LZMA's version of a whole text out, which is the smallest of a short one."""
    right = compressor.surveyed
    monkeypatch.setattr(compressor, "surveyed", lambda *each: replace(right(*each), by_lzma=10**9))


@pytest.mark.parametrize("kind", VOCABULARIES)
@pytest.mark.parametrize("name", AWKWARD)
def test_any_text_comes_back_and_never_grows(kind: str, name: str) -> None:
    """Whatever the bytes are, the file has at most 100 bytes more."""
    text = AWKWARD[name]
    content, sizes = compressed(text, small_model(kind))
    assert restored(content, small_model(kind)) == text
    assert len(content) == sizes.compressed <= len(text) + LARGEST_HEADER
    assert (sizes.original, sizes.characters) == (
        len(text),
        count_characters(text, VOCABULARIES[kind]),
    )


@pytest.mark.parametrize("method", list(Method)[:3])
def test_each_method_of_a_file(method: Method) -> None:
    """The smallest is chosen, and the report says which."""
    text = {
        Method.STORED: np.random.default_rng(1).bytes(400),
        Method.LZMA: b"abc" * 900,
        Method.MODEL: sure_text(4_000),
    }[method]
    content, sizes = compressed(text, sure_model())
    found = inspect(io.BytesIO(content))
    assert sizes.method == found.header.method == method
    assert found.blocks == sizes.blocks == Counter([method] if method == Method.MODEL else [])
    assert restored(content, sure_model()) == text
    if method != Method.MODEL:
        assert restored(content, None) == text
        assert sizes.coded == sizes.symbols == sizes.ideal_bits == sizes.network_bits == 0
        return
    assert sizes.symbols == 4_000
    assert sizes.characters == 4_003
    assert sizes.coded + sizes.patches < sizes.compressed < sizes.coded + sizes.patches + 130
    assert (
        0 <= 8 * sizes.coded - sizes.ideal_bits < 0.002 * sizes.ideal_bits + 64 * sizes.lanes + 64
    )
    assert min(sizes.network_bits, sizes.ideal_bits) > 0
    assert sizes.lanes == 1
    assert sizes.model == found.model == 0


@pytest.mark.usefixtures("small_blocks", "without_lzma")
def test_blocks_are_of_any_method() -> None:
    """Blocks of one file differ, and each is the smallest that it can be."""
    text = sure_text(2_000) + np.random.default_rng(1).bytes(1_300) + b"abcdefgh" * 160
    content, sizes = compressed(text, sure_model())
    assert set(sizes.blocks) == {Method.STORED, Method.LZMA, Method.MODEL}
    assert inspect(io.BytesIO(content)).blocks == sizes.blocks
    assert restored(content, sure_model()) == text


def test_a_model_inside() -> None:
    """With the model inside no other is needed, and the report has its bytes."""
    text = sure_text(24_000)
    content, sizes = compressed(text, sure_model(), embed=True, lanes=8)
    assert sizes.method == Method.MODEL
    assert sizes.model == Record(Method.NETWORK, 0, pack(sure_model())).size
    assert inspect(io.BytesIO(content)).model == sizes.model
    assert restored(content, None) == text
    assert len(content) < sizes.model + 24_000 * 0.125


def test_a_model_that_is_too_large_is_left_out() -> None:
    """Where LZMA's file is smaller than the model alone, it is the file."""
    content, sizes = compressed(sure_text(300), sure_model(), embed=True)
    assert sizes.method != Method.MODEL
    assert sizes.model == 0
    assert restored(content, None) == sure_text(300)


@pytest.mark.usefixtures("small_blocks")
def test_a_model_that_loses_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are encoded until LZMA's whole file is smaller, and the rest is not."""
    asked = []
    right = compressor.result_of

    def counted(content: bytes) -> object:
        asked.append(content)
        return right(content)

    monkeypatch.setattr(compressor, "result_of", counted)
    line = np.random.default_rng(3).integers(97, 123, 400).astype(np.uint8).tobytes()
    _, sizes = compressed(line * 40, small_model())
    assert sizes.method == Method.LZMA
    assert 0 < len(asked) < 10


def test_every_damage_of_a_small_file_is_noticed(tmp_path: Path) -> None:
    """Any flipped bit, cut or appended byte: one sentence, and no file."""
    target = tmp_path / "back"
    for text, embed in [(b"ab", False), (b"abc" * 60, False), (sure_text(900), False)]:
        content, _ = compressed(text, sure_model(), embed)
        step = 1 if len(content) < 200 else 5
        damaged = [content[:end] for end in range(len(content))]
        damaged += [content + b"\0", content + content]
        for place in range(0, 8 * len(content), step):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            damaged.append(bytes(flipped))
        for each in damaged:
            with pytest.raises(CompressionError) as caught:
                decompress(io.BytesIO(each), target, lambda _: sure_model())
            assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_model_is_named_by_its_digest(tmp_path: Path) -> None:
    """The error has both digests, and whoever names none is told which one is needed."""
    content, _ = compressed(sure_text(900), sure_model())
    needed, other = (q.digest().hex()[:8] for q in (sure_model(), small_model()))
    source, target = tmp_path / "text.cnn", tmp_path / "text"
    source.write_bytes(content)
    with pytest.raises(CompressionError, match=f"{needed}….*but this one has {other}…"):
        decompress(source, target, lambda _: small_model())
    with pytest.raises(CompressionError, match=f"{needed}….*not inside"):
        decompress(source, target)
    asked = []

    def model(bits: int) -> QuantizedModel:
        asked.append(bits)
        return sure_model()

    assert check(source, model).length == 906
    assert asked == [9]
    assert not target.exists()


def lying(text: bytes, **changes: object) -> bytes:
    """Return the file of a text with another header, whose checksum holds."""
    content, _ = compressed(text, sure_model())
    header = inspect(io.BytesIO(content)).header
    values = {name: getattr(header, name) for name in header.__dataclass_fields__}
    return Header(**(values | changes)).to_bytes() + content[header.size :]


@pytest.mark.parametrize("text", [b"ab", b"abc" * 60, sure_text(900)], ids=len)
def test_the_digest_of_the_text_is_checked(text: bytes) -> None:
    """A text that decodes to other bytes than the header says is refused at its end."""
    assert restored(lying(text), sure_model()) == text
    with pytest.raises(CompressionError, match="SHA-256"):
        restored(lying(text, sha256=bytes(32)), sure_model())


@pytest.mark.parametrize("length", [0, 179, 181, 2**60])
def test_the_length_of_a_text_by_lzma_is_checked(length: int) -> None:
    """However long it says that it is."""
    with pytest.raises(CompressionError, match="bytes and should have"):
        restored(lying(b"abc" * 60, length=length), None)


def test_names_of_files(tmp_path: Path) -> None:
    """Files are replaced, with nothing left beside them; a source that is missing is an OSError."""
    source, file, back = (tmp_path / name for name in ("a.txt", "a.txt.cnn", "b.txt"))
    source.write_bytes(sure_text(900))
    file.write_bytes(b"old")
    compress(source, file, sure_model())
    back.write_bytes(b"old")
    decompress(file, back, lambda _: sure_model())
    assert back.read_bytes() == sure_text(900)
    assert sorted(tmp_path.iterdir()) == sorted([source, file, back])
    with pytest.raises(FileNotFoundError):
        compress(tmp_path / "none", file, sure_model())
    with pytest.raises(FileNotFoundError):
        compress(source, tmp_path / "none" / "file", sure_model())


def test_a_text_that_changes_is_not_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the second reading finds must be what the first one found."""
    source, target = tmp_path / "text", tmp_path / "file"
    source.write_bytes(sure_text(900))
    right = compressor.surveyed

    def surveyed(*arguments: object) -> object:
        found = right(*arguments)  # type: ignore[arg-type]
        source.write_bytes(sure_text(900, seed=2))
        return found

    monkeypatch.setattr(compressor, "surveyed", surveyed)
    with pytest.raises(CompressionError, match="changed"):
        compress(source, target, sure_model())
    assert list(tmp_path.iterdir()) == [source]


def test_a_file_that_is_not_written_as_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read back before it gets its name: a bit that the disk changes is noticed."""
    source, target = tmp_path / "text", tmp_path / "file"
    source.write_bytes(sure_text(900))
    right = compressor.copy

    def copy(*arguments: object) -> None:
        right(*arguments)  # type: ignore[arg-type]
        file = arguments[1]
        file.seek(130)  # type: ignore[attr-defined]
        file.write(b"\x00")  # type: ignore[attr-defined]

    monkeypatch.setattr(compressor, "copy", copy)
    with pytest.raises(CompressionError, match="checksum"):
        compress(source, target, sure_model())
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.usefixtures("small_blocks", "without_lzma")
def test_progress_counts_bytes() -> None:
    """It never goes back, and ends with all."""
    seen: list[tuple[int, int]] = []
    text = sure_text(1_500)
    target = io.BytesIO()

    def note(done: int, whole: int) -> None:
        seen.append((done, whole))

    compress(io.BytesIO(text), target, sure_model(), workers=1, progress=note)
    assert seen == sorted(seen)
    assert seen[-1] == (len(text), len(text))
    assert len(seen) > 1_000
    seen.clear()
    target.seek(0)
    check(target, lambda _: sure_model(), workers=1, progress=note)
    assert len(seen) > 1_000
    assert seen == sorted(seen)
    assert seen[-1] == (len(text), len(text))


@pytest.mark.parametrize(
    "length", [0, 1, 131_072, 131_073, 2 * LARGEST_BLOCK, 2 * LARGEST_BLOCK + 1, 10**8]
)
def test_blocks_share_a_text_evenly(length: int) -> None:
    """One block, or an even number of nearly equal ones of at most 1 MiB."""
    size = block_size(length)
    assert 4 <= size <= LARGEST_BLOCK
    count = -(-length // size)
    assert count <= 1 if length <= 131_072 else count % 2 == 0
    assert length - (count - 1) * size > 0.9 * size or count <= 1


def test_errors_are_users_errors() -> None:
    """Nothing but charnn's own errors comes of a file that is none."""
    for content in (b"", b"\x9a", b"a text", bytes(200)):
        with pytest.raises(CharnnError) as caught:
            restored(content, None)
        assert caught.value.exit_code == 2
