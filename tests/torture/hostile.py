"""Files that pretend to be checkpoints: each must be refused quickly, in little memory."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from charnn.training.digest import digest

Members = dict[str, bytes]
META = "meta.npy"
WEIGHTS = "parameters/layer1/W_hh.npy"


def members_of(path: Path) -> Members:
    """Return a checkpoint's members."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """Return an array as a `.npy` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def with_header(header: str) -> bytes:
    """Return a `.npy` file with a header of one's own and eight bytes."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"12345678"


def zipped(members: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def meta_of(members: Members) -> dict[str, Any]:
    """Return a checkpoint's meta data."""
    found: dict[str, Any] = json.loads(np.load(io.BytesIO(members[META])).tobytes())
    return found


def with_meta(members: Members, meta: object) -> bytes:
    """Return a checkpoint with other meta data."""
    return zipped(members | {META: npy(np.frombuffer(json.dumps(meta).encode(), np.uint8))})


def configured(members: Members, **values: object) -> bytes:
    """Return a checkpoint whose configuration says something else than its arrays."""
    meta = meta_of(members)
    meta["config"] |= values
    return with_meta(members, meta)


def weighing(members: Members, value: float) -> bytes:
    """Return a checkpoint with a right digest and a weight that is no number."""
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(content))
        for name, content in members.items()
        if name != META
    }
    arrays[WEIGHTS.removesuffix(".npy")].flat[0] = value
    meta = {key: entry for key, entry in meta_of(members).items() if key != "digest"}
    meta["digest"] = digest(meta, arrays)
    changed = {f"{name}.npy": npy(array) for name, array in arrays.items()}
    return with_meta(members | changed, meta)


def doubled(members: Members) -> bytes:
    """Return an archive with a name that occurs twice."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in (*members, "twice.npy"):
            archive.writestr(name, members.get(name, b""))
    return file.getvalue().replace(b"twice.npy", META.encode().ljust(9, b"y")[:9])


def raw_meta(members: Members, text: bytes) -> bytes:
    """Return a checkpoint whose meta data is any text."""
    return zipped(members | {META: npy(np.frombuffer(text, np.uint8))})


def without(members: Members, name: str) -> bytes:
    """Return a checkpoint that lacks a member."""
    return zipped({other: content for other, content in members.items() if other != name})


def array_as(members: Members, content: bytes) -> bytes:
    """Return a checkpoint with something else in the place of an array."""
    return zipped(members | {WEIGHTS: content})


def header(dtype: str, order: bool, shape: str) -> bytes:
    """Return a `.npy` file of which the header promises more than it holds."""
    return with_header(f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}")


def encrypted(members: Members) -> bytes:
    """Return an archive whose members say that they are encrypted."""
    content = bytearray(zipped(members))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(signature, at + 1)
    return bytes(content)


FILES: dict[str, Callable[[Members], bytes]] = {
    "empty": lambda _: b"",
    "a text": lambda _: b"To be, or not to be",
    "a pickle": lambda _: pickle.dumps(print),
    "zeros": lambda _: bytes(100_000),
    "an empty archive": lambda _: zipped({}),
    "no meta data": lambda m: without(m, META),
    "a zip bomb": lambda m: zipped(m | {WEIGHTS: bytes(200_000_000)}, zipfile.ZIP_DEFLATED),
    "compressed": lambda m: zipped(m, zipfile.ZIP_DEFLATED),
    "a shape bomb": lambda m: array_as(m, header("<f4", False, "(1000000000, 1000000000)")),
    "a large shape": lambda m: array_as(m, header("<f4", False, "(4, 100000, 100000)")),
    "a negative shape": lambda m: array_as(m, header("<f4", False, "(-4, 8, 8)")),
    "a header of 4 GB": lambda m: array_as(m, b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"),
    "a header that is code": lambda m: array_as(m, with_header("__import__('os').getcwd()")),
    "an array of objects": lambda m: array_as(m, npy(np.array([print, len], object))),
    "float64": lambda m: array_as(m, npy(np.zeros((4, 8, 8)))),
    "big-endian": lambda m: array_as(m, npy(np.zeros((4, 8, 8), ">f4"))),
    "Fortran order": lambda m: array_as(m, header("<f4", True, "(4, 8, 8)")),
    "no array": lambda m: array_as(m, b"not an array"),
    "an array missing": lambda m: without(m, WEIGHTS),
    "an array too many": lambda m: zipped(m | {"parameters/extra.npy": npy(np.zeros(1, "f4"))}),
    "a name above the folder": lambda m: zipped(m | {"../evil.npy": b"x"}),
    "an absolute name": lambda m: zipped(m | {"/tmp/evil.npy": b"x"}),  # noqa: S108
    "a name twice": doubled,
    "a hundred thousand names": lambda m: zipped(m | {f"x{n}": b"" for n in range(100_000)}),
    "encrypted": encrypted,
    "NaN": lambda m: weighing(m, float("nan")),
    "infinity": lambda m: weighing(m, float("inf")),
    "another size": lambda m: configured(m, hidden_size=9),
    "a huge size": lambda m: configured(m, hidden_size=10**9),
    "a size beyond numbers": lambda m: configured(m, hidden_size=10**30),
    "huge layers": lambda m: configured(m, num_layers=10**9),
    "a huge batch": lambda m: configured(m, batch_size=10**12),
    "another cell": lambda m: configured(m, cell="gru"),
    "an unknown cell": lambda m: configured(m, cell="__import__"),
    "an unknown key": lambda m: configured(m, attention=8),
    "a list for meta data": lambda m: with_meta(m, []),
    "null for meta data": lambda m: with_meta(m, None),
    "meta data without keys": lambda m: with_meta(m, {}),
    "meta data that is no JSON": lambda m: raw_meta(m, b"{"),
    "meta data that is no UTF-8": lambda m: raw_meta(m, b"\xff\xfe"),
    "deep JSON": lambda m: raw_meta(m, b"[" * 1_000_000),
    "JSON of 100 MB": lambda m: raw_meta(m, b" " * 100_000_000),
    "a format of the future": lambda m: with_meta(m, meta_of(m) | {"format_version": 99}),
    "a huge vocabulary": lambda m: with_meta(
        m, meta_of(m) | {"vocabulary": {"symbols": "".join(map(chr, range(0x20000, 0x40000)))}}
    ),
    "a vocabulary of numbers": lambda m: with_meta(m, meta_of(m) | {"vocabulary": [1, 2]}),
    "no progress": lambda m: with_meta(m, meta_of(m) | {"progress": 3}),
}
