"""Checkpoints: complete, inert, and refused where they are not what they should be."""

from __future__ import annotations

import io
import json
import math
import os
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import (
    V,
    content,
    finish,
    small_config,
    small_corpus,
    stop_after,
)

from charnn.arrays import Array
from charnn.config import Config
from charnn.errors import CheckpointError, RunError
from charnn.tasks.registry import task_of
from charnn.text.vocabulary import Vocabulary
from charnn.training import archive as archive_module
from charnn.training.archive import COUNTS, load_checkpoint
from charnn.training.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    checkpoint_path,
    expected_arrays,
    save_checkpoint,
)
from charnn.training.digest import digest
from charnn.training.progress import Progress
from charnn.training.setup import prepared

Arrays = dict[str, Array]
Meta = dict[str, Any]


def refusal(path: Path) -> str:
    """Return the sentence with which a file is refused; it names the file."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"checkpoint '{checkpoint_path(path)}' ")
    assert "\n" not in message
    return message


def unpacked(path: Path) -> tuple[Meta, Arrays]:
    """Return what is in a checkpoint file, read by NumPy itself."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(arrays.pop("meta").tobytes()), arrays


def header(shape: tuple[int, ...], descr: str = "<f4", fortran: bool = False) -> bytes:
    """Return the header of a .npy."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": descr, "fortran_order": fortran, "shape": shape}
    )
    return out.getvalue()


def npy(array: Array) -> bytes:
    """Return an array as a .npy."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array)
    return out.getvalue()


def pack(path: Path, meta: Meta, arrays: Arrays, seal: bool = True) -> Path:
    """Write a checkpoint by hand, with a digest that fits unless `seal` is off."""
    if seal:
        rest = {key: value for key, value in meta.items() if key != "digest"}
        meta = rest | {"digest": digest(rest, arrays)}
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in {"meta": text, **arrays}.items():
            archive.writestr(f"{name}.npy", npy(array))
    return path


def with_member(source: Path, target: Path, name: str, replacement: bytes | None) -> Path:
    """Copy a checkpoint with one member's bytes replaced, or left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            raw = replacement if info.filename == name else old.read(info)
            if raw is not None:
                new.writestr(info.filename, raw)
        if name not in old.namelist() and replacement is not None:
            new.writestr(name, replacement)
    return target


def test_a_checkpoint_of_a_run_holds_all_of_it(tmp_path: Path, finished_run: Path) -> None:
    """Weights, optimiser, states and progress come back from last.npz bit for bit."""
    config = small_config()
    trainer = prepared(config, small_corpus(tmp_path, config))
    finish(trainer)
    saved = load_checkpoint(finished_run / LAST)
    expected = content(trainer.checkpoint(), timed=False)
    found = content(saved, timed=False)
    expected["corpus"]["files"] = found["corpus"]["files"]
    assert found == expected
    assert saved.progress.seconds > 0
    assert len(saved.progress.history) == 4
    assert all(isinstance(row, tuple) for row in saved.progress.history)


@pytest.mark.parametrize(
    ("optimizer", "num_layers", "embedding_size", "data"),
    [
        ("sgd", 1, None, {"ema_decay": 0.9}),
        ("adam", 3, 4, {"tokens": "bytes"}),
        ("adam", 1, None, {"min_count": 3}),
    ],
)
def test_saving_and_loading_are_inverse(
    tmp_path: Path,
    cell_options: dict[str, str],
    num_layers: int,
    embedding_size: int | None,
    optimizer: str,
    data: dict[str, Any],
) -> None:
    """For every cell and shape of model, and every vocabulary, nothing is lost or changed."""
    config = small_config(
        num_layers=num_layers,
        embedding_size=embedding_size,
        optimizer=optimizer,
        hidden_size=3,
        **cell_options,
        **data,
    )
    trainer = prepared(config, small_corpus(tmp_path, config))
    random = np.random.default_rng(3)
    weights = trainer.engine.model.parameters.flat
    weights[:] = random.standard_normal(weights.size)
    now = trainer.checkpoint()
    for vector in now.optimizer.values():
        vector[:] = random.standard_normal(vector.size)
    for state in now.states.values():
        state[:] = random.standard_normal(state.shape)
    if now.average is not None:
        now.average[:] = random.standard_normal(now.average.size)
    trainer.progress = Progress(
        7, 1.1, 1 / 3, 5, 0.75, 2, 1, 4, 1, 0.125, [(5, 2 / 3, None), (7, 0.1, 1e-300)]
    )
    saved = trainer.checkpoint()
    save_checkpoint(tmp_path / "c.npz", saved)
    loaded = load_checkpoint(tmp_path / "c.npz")
    assert content(loaded) == content(saved)
    assert loaded.config == config
    assert loaded.vocabulary == trainer.corpus.vocabulary


def test_special_numbers_are_kept(tmp_path: Path, finished_run: Path) -> None:
    """Negative zero, subnormal and extreme numbers keep all their bits."""
    saved = load_checkpoint(finished_run / LAST)
    special = [-0.0, 1e-45, 3.4028235e38, -3.4028235e38, 1.1754944e-38]
    saved.parameters.flat[: len(special)] = special
    save_checkpoint(tmp_path / "c.npz", saved)
    loaded = load_checkpoint(tmp_path / "c.npz")
    assert loaded.parameters.flat.tobytes() == saved.parameters.flat.tobytes()
    assert math.copysign(1, loaded.parameters.flat[0]) == -1


def test_saving_twice_gives_the_same_content(tmp_path: Path, finished_run: Path) -> None:
    """A checkpoint that is loaded and saved again is the same checkpoint."""
    first = load_checkpoint(finished_run / LAST)
    save_checkpoint(tmp_path / "c.npz", first)
    assert content(load_checkpoint(tmp_path / "c.npz")) == content(first)
    assert unpacked(tmp_path / "c.npz")[0] == unpacked(finished_run / LAST)[0]


def test_the_file_is_plain_numpy(finished_run: Path) -> None:
    """The arrays' names are the plan's, all float32, and `meta` is JSON."""
    meta, arrays = unpacked(finished_run / LAST)
    assert {name.split("/")[0] for name in arrays} == {"parameters", "optimizer", "state"}
    assert arrays["parameters/layer1/W_hh"].shape == (4, 6, 6)
    assert arrays["state/layer1/c"].shape == (3, 6)
    assert {str(array.dtype) for array in arrays.values()} == {"float32"}
    assert meta["format_version"] == 1
    assert meta["config"] == small_config().values()
    assert meta["progress"]["update"] == 17
    assert set(meta["provenance"]) == {"charnn", "numpy", "python", "platform", "engine"}


def test_the_best_is_a_model_only(finished_run: Path) -> None:
    """best.npz has neither optimiser nor states; its weights are the best evaluation's."""
    best, last = load_checkpoint(finished_run / BEST), load_checkpoint(finished_run / LAST)
    assert best.optimizer is None
    assert best.states is None
    assert best.progress.update == best.progress.best_update == last.progress.best_update
    assert not any(
        name.startswith(("optimizer", "state")) for name in unpacked(finished_run / BEST)[1]
    )
    assert (finished_run / BEST).stat().st_size < (finished_run / LAST).stat().st_size / 1.5


def test_the_best_cannot_be_resumed(tmp_path: Path, finished_run: Path) -> None:
    """A checkpoint without optimiser says so, and names the file to resume from."""
    best = load_checkpoint(finished_run / BEST)
    config = small_config(steps=50)
    with pytest.raises(RunError) as caught:
        prepared(config, small_corpus(tmp_path, config), resume_from=best)
    assert str(caught.value) == (
        "the checkpoint holds a model only; resume from its run's last.npz."
    )


def test_a_folder_means_its_best(finished_run: Path) -> None:
    """A run's folder can be given where a checkpoint is wanted."""
    assert content(load_checkpoint(finished_run)) == content(load_checkpoint(finished_run / BEST))


def test_a_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    """The path that was looked for is named, and what makes a checkpoint."""
    assert refusal(tmp_path / "none.npz") == (
        f"checkpoint '{tmp_path / 'none.npz'}' does not exist; `charnn train` makes one."
    )
    assert str(tmp_path / BEST) in refusal(tmp_path)


def test_a_path_that_the_system_refuses_is_an_error() -> None:
    """A name that is too long is reported like any other that cannot be read."""
    path = Path("a" * 300)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path, finished_run: Path) -> None:
    """Cut off anywhere, a checkpoint is an error, never a part of a model."""
    whole = (finished_run / LAST).read_bytes()
    path = tmp_path / "cut.npz"
    lengths = {*range(0, len(whole), 97), *range(len(whole) - 40, len(whole)), 1, 4, 30}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        assert refusal(path).endswith("; use another copy.")
    assert len(lengths) > 150


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """Text, random bytes, an empty file and an empty archive are no checkpoints."""
    random = np.random.default_rng(11)
    path = tmp_path / "other.npz"
    contents = [b"", b"To be, or not to be", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" * 50]
    contents += [random.bytes(size) for size in (1, 22, 100, 5_000)]
    contents += [random.bytes(50) + b"PK\x05\x06" + random.bytes(18) for _ in range(50)]
    for other in contents:
        path.write_bytes(other)
        assert refusal(path).endswith("; use another copy.")


def test_a_single_array_is_no_checkpoint(tmp_path: Path) -> None:
    """NumPy's own .npy and .npz files, without the meta text, are refused."""
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert "is damaged or not a checkpoint" in refusal(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", a=np.zeros(3))
    assert "is damaged or not a checkpoint" in refusal(tmp_path / "b.npz")


def test_flipped_bits_of_the_archives_own_records(tmp_path: Path, finished_run: Path) -> None:
    """Every bit of the archive's table of contents: an error, or nothing changes."""
    whole = (finished_run / BEST).read_bytes()
    expected = content(load_checkpoint(finished_run / BEST))
    path = tmp_path / "flipped.npz"
    start = whole.index(b"PK\x01\x02")
    outcomes = []
    for bit in range(start * 8, len(whole) * 8, 19):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        try:
            outcomes.append(content(load_checkpoint(path)) == expected)
        except CheckpointError:
            outcomes.append(None)
    assert False not in outcomes
    assert outcomes.count(None) > len(outcomes) / 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format_version": 2}, "reads format 1; use a newer charnn."),
        ({"format_version": "1"}, "it has format '1', and charnn "),
        ({"format_version": "a\nb"}, "it has format 'a\\nb', and charnn "),
        ({"format_version": None}, "it has format None, and charnn "),
        ({"format_version": 0}, "reads format 1; use another copy."),
    ],
    ids=str,
)
def test_another_format_is_refused(
    tmp_path: Path, finished_run: Path, change: Meta, reason: str
) -> None:
    """A newer format is named before anything else is looked at, with what to use."""
    meta, arrays = unpacked(finished_run / LAST)
    message = refusal(pack(tmp_path / "c.npz", meta | change, arrays, seal=False))
    assert reason in message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"hidden_size": 7},
            f"array parameters/layer1/W_xh is float32 (4, {V}, 6), not float32 (4, {V}, 7)",
        ),
        ({"num_layers": 2}, "its arrays are not those of its configuration: ['parameters/layer2/"),
        ({"cell": "rnn"}, "its arrays are not those of its configuration: ['state/layer1/c.npy']"),
        ({"optimizer": "sgd"}, "['optimizer/m.npy', 'optimizer/v.npy']"),
        ({"batch_size": 4}, "its array state/layer1/h is float32 (3, 6), not float32 (4, 6)"),
        ({"embedding_size": 5}, "['parameters/E.npy']"),
        ({"hidden_size": 0}, "hidden_size is 0; give a whole number of at least 1"),
        ({"hiden_size": 6}, "unknown key 'hiden_size'. Did you mean 'hidden_size'?"),
        ({"cell": "qrnn"}, "cell is 'qrnn'; choose "),
        ({"steps": 5, "epochs": 5}, "give one of the two"),
    ],
    ids=str,
)
def test_arrays_must_be_the_configurations(
    tmp_path: Path, finished_run: Path, change: Meta, reason: str
) -> None:
    """A configuration that other arrays would belong to is refused, whatever the digest."""
    meta, arrays = unpacked(finished_run / LAST)
    meta["config"] |= change
    for seal in (True, False):
        message = refusal(pack(tmp_path / "c.npz", meta, arrays, seal))
        assert "cannot be used: " in message
        assert reason in message


def test_a_missing_option_has_its_default(tmp_path: Path, finished_run: Path) -> None:
    """A checkpoint from before an option existed is read with the option's default."""
    meta, arrays = unpacked(finished_run / LAST)
    del meta["config"]["max_rollbacks"]
    loaded = load_checkpoint(pack(tmp_path / "c.npz", meta, arrays))
    assert loaded.config == small_config()


def test_a_changed_meta_text_does_not_pass_the_digest(tmp_path: Path, finished_run: Path) -> None:
    """Progress, vocabulary, corpus and configuration are all under the digest."""
    meta, arrays = unpacked(finished_run / LAST)
    changes: list[Meta] = [
        {"progress": meta["progress"] | {"update": 3}},
        {"corpus": meta["corpus"] | {"fingerprint": "0" * 64}},
        {"vocabulary": meta["vocabulary"] | {"symbols": meta["vocabulary"]["symbols"][:-1] + "~"}},
        {"config": meta["config"] | {"learning_rate": 0.5}},
        {"provenance": {}},
        {"new": 1},
    ]
    for change in changes:
        message = refusal(pack(tmp_path / "c.npz", meta | change, arrays, seal=False))
        assert message.endswith("its content is not what was saved (the digest differs).")


def test_changed_arrays_do_not_pass_the_digest(tmp_path: Path, finished_run: Path) -> None:
    """One number changed, or two arrays of a shape exchanged, is noticed."""
    meta, arrays = unpacked(finished_run / LAST)
    nudged = arrays["parameters/b_y"].copy()
    nudged[0] = np.nextafter(nudged[0], np.float32(1))
    m, v = arrays["optimizer/m"], arrays["optimizer/v"]
    for change in ({"parameters/b_y": nudged}, {"optimizer/m": v, "optimizer/v": m}):
        message = refusal(pack(tmp_path / "c.npz", meta, arrays | change, seal=False))
        assert message.endswith("its content is not what was saved (the digest differs).")


@pytest.mark.parametrize("name", ["parameters/W_hy", "optimizer/v", "state/layer1/h", "meta"])
def test_a_missing_array_is_named(tmp_path: Path, finished_run: Path, name: str) -> None:
    """A checkpoint without one of its arrays is refused, and the array named."""
    message = refusal(with_member(finished_run / LAST, tmp_path / "c.npz", f"{name}.npy", None))
    assert name in message


@pytest.mark.parametrize("name", ["parameters/extra.npy", "other.npy", "notes.txt", "../up.npy"])
def test_an_extra_array_is_named(tmp_path: Path, finished_run: Path, name: str) -> None:
    """A member that does not belong there is refused, and named."""
    message = refusal(
        with_member(finished_run / LAST, tmp_path / "c.npz", name, npy(np.zeros(2, np.float32)))
    )
    assert f"its arrays are not those of its configuration: ['{name}']" in message


def test_two_arrays_of_one_name_are_refused(tmp_path: Path, finished_run: Path) -> None:
    """An archive that holds a name twice could be read in two ways."""
    path = tmp_path / "c.npz"
    path.write_bytes((finished_run / LAST).read_bytes())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("parameters/b_y.npy", npy(np.zeros(V, np.float32)))
    assert refusal(path).endswith("two of its arrays have the same name.")


@pytest.mark.parametrize(
    ("convert", "found"),
    [
        (lambda a: a.astype(np.float64), f"float64 (6, {V})"),
        (lambda a: a.astype(np.float16), f"float16 (6, {V})"),
        (lambda a: a.astype(">f4"), f">f4 (6, {V})"),
        (lambda a: a.view(np.int32), f"int32 (6, {V})"),
        (lambda a: a.T.copy(), f"float32 ({V}, 6)"),
        (lambda a: a[:, :-1], f"float32 (6, {V - 1})"),
        (lambda a: a[None], f"float32 (1, 6, {V})"),
        (lambda a: a.ravel(), f"float32 ({6 * V},)"),
        (lambda a: a.astype("S4"), f"|S4 (6, {V})"),
    ],
    ids=range(9),
)
def test_an_array_of_another_type_or_shape_is_refused(
    tmp_path: Path, finished_run: Path, convert: Callable[[Array], Array], found: str
) -> None:
    """What an array is and what it should be are both said, even under a valid digest."""
    meta, arrays = unpacked(finished_run / LAST)
    arrays["parameters/W_hy"] = convert(arrays["parameters/W_hy"])
    message = refusal(pack(tmp_path / "c.npz", meta, arrays))
    assert f"its array parameters/W_hy is {found}, not float32 (6, {V})." in message


def test_columns_before_rows_are_refused(tmp_path: Path, finished_run: Path) -> None:
    """An array in Fortran's order is not read row by row, even if the digest says to."""
    meta, arrays = unpacked(finished_run / LAST)
    array = arrays["parameters/W_hy"]
    misread = array.ravel("F").reshape(array.shape)
    path = pack(tmp_path / "c.npz", meta, arrays | {"parameters/W_hy": misread})
    assert load_checkpoint(path).parameters["W_hy"].tobytes() == misread.tobytes()
    raw = header(array.shape, fortran=True) + misread.tobytes()
    other = with_member(path, tmp_path / "d.npz", "parameters/W_hy.npy", raw)
    assert "cannot be used: its array parameters/W_hy is " in refusal(other)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["parameters/b_y", "optimizer/m", "state/layer1/c"])
def test_numbers_that_are_not_finite_are_refused(
    tmp_path: Path, finished_run: Path, name: str, value: float
) -> None:
    """A model with NaN in it is not loaded, and the array is named."""
    meta, arrays = unpacked(finished_run / LAST)
    spoilt = arrays[name].copy()
    spoilt.flat[-1] = value
    message = refusal(pack(tmp_path / "c.npz", meta, arrays | {name: spoilt}))
    assert message.endswith(f"its array {name} has a value that is not finite.")


def test_compressed_arrays_are_refused(tmp_path: Path, finished_run: Path) -> None:
    """An archive that unpacks to more than it weighs is not unpacked at all."""
    meta, arrays = unpacked(finished_run / LAST)
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(tmp_path / "c.npz", meta=text, **arrays)
    message = refusal(tmp_path / "c.npz")
    assert message.endswith("its arrays are compressed, which charnn never does.")


class Exploit:
    """An object that makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", ["meta", "parameters/b_y", "extra"])
def test_pickled_objects_are_never_unpickled(tmp_path: Path, finished_run: Path, name: str) -> None:
    """An array of objects, which could run code, is refused and runs nothing."""
    marker = tmp_path / "ran"
    objects = np.array([Exploit(marker)], object)
    path = with_member(finished_run / LAST, tmp_path / "c.npz", f"{name}.npy", npy(objects))
    message = refusal(path)
    assert " is object (1,)" in message or "['extra.npy']" in message
    assert not marker.exists()
    with np.load(path, allow_pickle=True) as archive:
        archive[name]
    assert marker.exists(), "the exploit is not one"


def peak_of(action: Callable[[], Any]) -> int:
    """Return how many bytes were allocated at most while something was done."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(6, 1 << 40), (1 << 62, V), (1 << 200,), (-6, V)])
def test_a_huge_declared_shape_allocates_nothing(
    tmp_path: Path, finished_run: Path, shape: tuple[int, ...]
) -> None:
    """A header that promises terabytes is refused for its shape, before any memory is taken."""
    name = "parameters/W_hy.npy"
    path = with_member(finished_run / LAST, tmp_path / "c.npz", name, header(shape) + bytes(64))
    messages = []
    assert peak_of(lambda: messages.append(refusal(path))) < 2_000_000
    assert f"its array parameters/W_hy is float32 {shape}, not float32 (6, {V})" in messages[0]


def huge_meta(finished_run: Path) -> tuple[Meta, dict[str, tuple[int, ...]]]:
    """Return the meta data of a model of hundreds of gigabytes, and its arrays' shapes."""
    meta, _ = unpacked(finished_run / BEST)
    meta["config"] |= {"hidden_size": 65_536, "num_layers": 3, "embedding_size": 1}
    config, vocabulary = (
        Config.from_values(meta["config"]),
        Vocabulary.from_json(meta["vocabulary"]),
    )
    sizes = task_of(config).sizes(vocabulary)
    return meta, expected_arrays(config, sizes, resumable=False)


def test_a_huge_configuration_allocates_nothing(tmp_path: Path, finished_run: Path) -> None:
    """Headers that agree with a huge configuration are refused for the file's own size."""
    meta, shapes = huge_meta(finished_run)
    text = json.dumps(meta).encode()
    path = tmp_path / "c.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.npy", header((len(text),), "|u1") + text)
        for name, shape in shapes.items():
            archive.writestr(f"{name}.npy", header(shape) + bytes(64))
    messages = []
    assert peak_of(lambda: messages.append(refusal(path))) < 2_000_000
    assert re.search(r"its array \S+ of [\d,]+ bytes is in a file of [\d,]+\.", messages[0])


def test_an_archive_that_lies_about_sizes_allocates_nothing(
    tmp_path: Path, finished_run: Path
) -> None:
    """Sizes that the archive claims for its members are not believed beyond the file's own."""
    meta, shapes = huge_meta(finished_run)
    text = json.dumps(meta).encode()
    path = tmp_path / "c.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.npy", header((len(text),), "|u1") + text)
        for name, shape in shapes.items():
            size = 4 * math.prod(shape)
            archive.writestr(f"{name}.npy", header(shape) + bytes(min(size, 1_100_000)))
            claimed = len(header(shape)) + size
            archive.filelist[-1].file_size = archive.filelist[-1].compress_size = claimed
    assert path.stat().st_size < 20_000_000
    messages = []
    assert peak_of(lambda: messages.append(refusal(path))) < 40_000_000
    assert "checkpoint" in messages[0]


def test_a_huge_meta_text_is_not_read(
    tmp_path: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meta text over the limit is refused by its size."""
    size = len(npy(np.zeros(100_000, np.uint8)))
    path = with_member(
        finished_run / LAST, tmp_path / "c.npz", "meta.npy", npy(np.zeros(100_000, np.uint8))
    )
    monkeypatch.setattr(archive_module, "LARGEST_META", 99_999)
    assert refusal(path).endswith(f"its meta text has {size:,} bytes.")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format_version": 1}',
        b'{"format_version": 1, "config": []}',
        b'{"format_version": 1, "config": ""}',
        b'{"format_version": 1, "config": 7}',
        b'{"format_version": 1, "config": {}, "vocabulary": []}',
        b'{"format_version": 1, "config": {"cell": {}}, "vocabulary": {}}',
    ],
    ids=range(13),
)
def test_a_meta_text_of_another_form_is_refused(
    tmp_path: Path, finished_run: Path, text: bytes
) -> None:
    """Broken JSON, and JSON that is not a checkpoint's, is one clear error."""
    raw = npy(np.frombuffer(text, np.uint8))
    message = refusal(with_member(finished_run / LAST, tmp_path / "c.npz", "meta.npy", raw))
    assert "is damaged or not a checkpoint (" in message or "cannot be used: " in message


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        *(("progress", {name: value}) for name in COUNTS for value in ("1", -1, 0.5, None, True)),
        *(("progress", {"update": value}) for value in (2**63, 10**400, [], {})),
        *(("progress", {"seconds": value}) for value in (None, "1", math.inf, math.nan, 10**400)),
        *(("progress", {"best_loss": value}) for value in ("1", True, math.nan, -math.inf, [1])),
        ("progress", {"history": [[1, 2.0]]}),
        ("progress", {"history": [[1, 2.0, 3.0, 4.0]]}),
        ("progress", {"history": [[1, None, 2.0]]}),
        ("progress", {"history": [[1, 2.0, math.nan]]}),
        ("progress", {"history": [["1", 2.0, None]]}),
        ("progress", {"history": [[2, 2.0, None], [1, 2.0, None]]}),
        ("progress", {"history": None}),
        ("corpus", {"name": 1}),
        ("corpus", {"files": "tide.txt"}),
        ("corpus", {"files": [1]}),
        ("corpus", {"files": None}),
        ("corpus", {"fingerprint": None}),
        ("corpus", {"parts": []}),
        ("corpus", {"parts": {"train": "8"}}),
        ("corpus", {"more": 1}),
        ("provenance", {"numpy": 2.0}),
    ],
    ids=str,
)
def test_meta_data_of_another_type_are_refused(
    tmp_path: Path, finished_run: Path, entry: str, changes: Meta
) -> None:
    """Values that no run has are one clear error, though the digest fits."""
    meta, arrays = unpacked(finished_run / LAST)
    assert load_checkpoint(pack(tmp_path / "c.npz", meta, arrays)).progress.update == 17
    meta[entry] |= changes
    message = refusal(pack(tmp_path / "c.npz", meta, arrays))
    assert "is damaged or not a checkpoint (" in message or "cannot be used: " in message


@pytest.mark.parametrize("entry", ["progress", "corpus", "provenance"])
def test_meta_data_that_are_no_table_are_refused(
    tmp_path: Path, finished_run: Path, entry: str
) -> None:
    """A list, a number or nothing in the place of a table is one clear error."""
    meta, arrays = unpacked(finished_run / LAST)
    for value in ([], [1], 3, "x", None):
        message = refusal(pack(tmp_path / "c.npz", meta | {entry: value}, arrays))
        assert "is damaged or not a checkpoint (" in message or "cannot be used: " in message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x02\x00" + bytes(200),
        b"not an array",
        header((V,))[:40],
        b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118,
        b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65_535,
        header((V,)).replace(f"({V},)".encode(), f"({V}L,)".encode()) + bytes(V * 4),
        header((V,)).replace(b"'<f4'", b"'<f4'()") + bytes(V * 4),
        header((V,)) + bytes(V * 4 - 1),
        header((V,)) + bytes(V * 4 + 1),
    ],
    ids=range(11),
)
def test_a_member_that_is_no_array_is_refused(
    tmp_path: Path, finished_run: Path, raw: bytes
) -> None:
    """An empty, cut, overlong or foreign member in an array's place is one clear error."""
    path = with_member(finished_run / LAST, tmp_path / "c.npz", "parameters/b_y.npy", raw)
    message = refusal(path)
    assert "is damaged or not a checkpoint (" in message or "cannot be used: " in message


def test_a_checkpoint_is_whole_or_not_there(
    tmp_path: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full half-way, the old checkpoint is still the one on disk."""
    path = tmp_path / "c.npz"
    first = load_checkpoint(finished_run / LAST)
    save_checkpoint(path, first)

    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    second = load_checkpoint(finished_run / BEST)
    with pytest.raises(OSError, match="No space") as caught:
        save_checkpoint(path, second)
    assert caught.value.errno == 28
    assert content(load_checkpoint(path)) == content(first)
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.npz"]


def test_an_old_numpy_writes_the_same_checkpoint(
    tmp_path: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 2.1, NumPy's `savez` takes every named argument for an array to be saved."""

    def savez(file: io.BufferedWriter, **arrays: Any) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                archive.writestr(f"{name}.npy", npy(np.asarray(array)))

    saved = load_checkpoint(finished_run / LAST)
    monkeypatch.setattr(np, "savez", savez)
    save_checkpoint(tmp_path / "c.npz", saved)
    assert content(load_checkpoint(tmp_path / "c.npz")) == content(saved)


def test_a_checkpoint_shares_nothing_with_its_file(run_copy: Path) -> None:
    """A loaded model can be changed, and its file replaced, without either noticing."""
    loaded = load_checkpoint(run_copy / LAST)
    before = (run_copy / LAST).read_bytes()
    loaded.parameters.flat[:] = 0
    assert (run_copy / LAST).read_bytes() == before
    assert np.count_nonzero(load_checkpoint(run_copy / LAST).parameters.flat)


def test_the_digest_depends_on_everything() -> None:
    """Names, types, shapes, numbers and meta data all change the digest; order does not."""
    a = np.arange(6, dtype=np.float32)
    arrays = {"a": a, "b": a + 1}
    known = digest({"x": 1, "y": 2}, arrays)
    assert digest({"y": 2, "x": 1}, dict(reversed(arrays.items()))) == known
    others = [
        digest({"x": 1, "y": 3}, arrays),
        digest({"x": 1, "y": 2}, {"a": a, "c": a + 1}),
        digest({"x": 1, "y": 2}, {"a": a.reshape(2, 3), "b": a + 1}),
        digest({"x": 1, "y": 2}, {"a": a.astype(np.float64), "b": a + 1}),
        digest({"x": 1, "y": 2}, {"a": a + 1, "b": a}),
        digest({"x": 1, "y": 2}, {"a": a}),
    ]
    assert len({known, *others}) == 7


def test_progress_copies_share_nothing() -> None:
    """A copy of a progress has its own history."""
    progress = Progress(update=3, history=[(1, 2.0, None)])
    copy = progress.copy()
    assert copy == progress
    copy.history.append((2, 1.0, 1.0))
    copy.update = 4
    assert progress == Progress(update=3, history=[(1, 2.0, None)])


def test_a_checkpoint_is_the_run_as_it_stands(tmp_path: Path) -> None:
    """`Trainer.checkpoint` copies the weights, and shares all other arrays with the engine."""
    config = small_config()
    trainer = prepared(config, small_corpus(tmp_path, config))
    stop_after(trainer, 2)
    checkpoint = trainer.checkpoint()
    weights = trainer.engine.model.parameters.flat
    assert (checkpoint.parameters.flat == weights).all()
    assert not np.shares_memory(checkpoint.parameters.flat, weights)
    assert checkpoint.model.parameters is checkpoint.parameters
    exported = trainer.engine.export()
    for slot, vector in (checkpoint.optimizer or {}).items():
        assert np.shares_memory(vector, exported[f"optimizer/{slot}"])
    assert list(checkpoint.states or {}) == ["layer1/h", "layer1/c"]
    for name, state in (checkpoint.states or {}).items():
        assert np.shares_memory(state, exported[f"state/{name}"])
    assert isinstance(checkpoint, Checkpoint)
