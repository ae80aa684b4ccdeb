"""What is fuzzed: each of charnn's readers, as a function of any bytes.

Of a reader only `CharnnError` may come, one line long, for whatever it is given; and what it does
read must be whole: it can be written again, read again, and shown. Anything else is a crash.
`fuzzer.py` looks for one, guided by coverage; `test_fuzz_targets.py` tries a few random inputs.
"""

from __future__ import annotations

import copy
import io
import json
import math
import random
import struct
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from compressed_targets import COMPRESSED_TARGETS
from fuzz_material import Choices, Target, one_line, scratch
from hostile import FILES, META, Members, members_of, npy
from task_targets import TASK_TARGETS

from charnn.cli.main import charnn
from charnn.config import Config, SamplingConfig, read_yaml, to_yaml
from charnn.errors import CharnnError
from charnn.generation.sampling import stream
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.registry import CELLS, OPTIMIZERS
from charnn.text.vocabulary import Vocabulary
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import Checkpoint, CorpusRecord, expected_arrays, save_checkpoint
from charnn.training.digest import digest
from charnn.training.progress import Progress

ROOT = Path(__file__).parent.parent.parent

LARGEST_SEED = 40_000  # bytes
SLOW_TO_MAKE = {"a zip bomb", "JSON of 100 MB", "a hundred thousand names", "deep JSON"}
LARGEST_REBUILT = 50_000  # numbers of a checkpoint whose arrays are made to fit


# Configurations.


def read_config(data: bytes) -> None:
    """Read bytes as a YAML file of options; what is read can be written and read again."""
    path = scratch() / "config.yaml"
    path.write_bytes(data)
    try:
        config = Config.from_values(read_yaml(path))
    except CharnnError as error:
        one_line(error)
        return
    path.write_text(to_yaml(config.values()), encoding="utf-8")
    assert Config.from_values(read_yaml(path)) == config


def config_seeds() -> list[bytes]:
    """Return configurations, the ones that come with charnn and small ones."""
    options = Config.options()
    help_texts = {name: declared.help for name, declared in options.items()}
    texts = [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.yaml"))]
    texts.append(to_yaml(Config().values(), help_texts).encode())
    texts += [to_yaml({name: declared.default}).encode() for name, declared in options.items()]
    return [*texts, b"", b"- cell\n", b"steps: 0x10\n", b"epochs: 1:30\nsteps: none\n", b"{a: [b]}"]


def config_words() -> list[bytes]:
    """Return what configurations are made of."""
    words = [*Config.options(), "none", "true", ": ", "- ", "? ", "&a ", "*a", "<<: ", "1e9", "0x"]
    words += ["!!int ", "!!float ", "!!str ", "!!bool ", "!!null ", "!!timestamp ", "!!binary "]
    words += ["!!set ", "!!omap ", "!!pairs ", "!!map ", "!!seq ", '""', "''", "---\n", "%YAML "]
    words += [".inf", ".nan", "-1", "2024-01-02", "1:30", "|\n", ">\n", "\x85", "\u2028", "\ufeff"]
    return [word.encode() for word in words]


# Vocabularies.


def read_vocabulary(data: bytes) -> None:
    """Read bytes as a vocabulary file; what is read can be used, written and read again."""
    path = scratch() / "vocabulary.json"
    path.write_bytes(data)
    try:
        vocabulary = Vocabulary.load(path)
    except CharnnError as error:
        one_line(error)
        return
    ids = vocabulary.encode(vocabulary.symbols)
    if vocabulary.tokens == "characters":
        assert ids.tolist() == list(range(len(vocabulary.symbols)))
        assert vocabulary.decode(ids) == vocabulary.symbols
    assert all(vocabulary.name(number) for number in range(len(vocabulary)))
    vocabulary.to_bytes(range(len(vocabulary)))
    path.write_text(json.dumps(vocabulary.to_json()), encoding="utf-8")
    assert Vocabulary.load(path) == vocabulary


def vocabulary_seeds() -> list[bytes]:
    """Return vocabularies of each kind, and JSON that is none."""
    vocabularies = [
        Vocabulary("ab"),
        Vocabulary("\0\n a\xe9\u0301\ufeff\U0001f600\U0010ffff", unknown=True),
        Vocabulary("\ud800"),
        Vocabulary.of_bytes(),
    ]
    texts = [json.dumps(vocabulary.to_json()) for vocabulary in vocabularies]
    texts += [json.dumps(vocabularies[1].to_json(), ensure_ascii=False), "[]", "{}", "1", '"a"']
    return [text.encode() for text in texts]


def vocabulary_words() -> list[bytes]:
    """Return what vocabularies are made of."""
    words = [*Vocabulary("ab").to_json(), "characters", "bytes", "true", "false", "null", "NaN"]
    return [f'"{word}": '.encode() for word in words[:4]] + [word.encode() for word in words[4:]]


# Checkpoints.


def read_checkpoint(data: bytes) -> None:
    """Read bytes as a checkpoint; what is read can be used, shown, written and read again.

    The first byte chooses: the rest is the file, or changes of a checkpoint, so that they get
    behind the archive's own checks and the digest.
    """
    path = scratch() / "checkpoint.npz"
    choices = Choices(data)
    path.write_bytes(changed(choices) if choices.below(2) else choices.rest())
    try:
        checkpoint = load_checkpoint(path)
    except CharnnError as error:
        one_line(error)
        return
    save_checkpoint(path, checkpoint)
    again = load_checkpoint(path)
    assert again.parameters.flat.tobytes() == checkpoint.parameters.flat.tobytes()
    assert (again.config, again.vocabulary) == (checkpoint.config, checkpoint.vocabulary)
    assert repr((again.progress, again.corpus)) == repr((checkpoint.progress, checkpoint.corpus))
    with np.errstate(all="ignore"):
        options = SamplingConfig(length=2, seed=1)
        assert len(list(stream(checkpoint.model, checkpoint.vocabulary, options))) == 2
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")):
        charnn.main(["info", "--quiet", str(path)], "charnn", standalone_mode=False)


@cache
def valid_files() -> tuple[bytes, ...]:
    """Return small checkpoints: of an LSTM that can be resumed, of a GRU, of bytes."""
    files = []
    for values, vocabulary, resumable in (
        ({"cell": "lstm", "ema_decay": 0.9}, Vocabulary("ab", unknown=True), True),
        ({"cell": "gru", "num_layers": 2, "embedding_size": 1}, Vocabulary("\n a"), True),
        ({"cell": "rnn", "tokens": "bytes", "hidden_size": 1}, Vocabulary.of_bytes(), False),
    ):
        config = Config.from_values({"hidden_size": 2, "batch_size": 1, "shards": 1, **values})
        model = LanguageModel.initialized(config.model, len(vocabulary), 1)
        size, rest = model.parameters.flat.size, {}
        if resumable:
            slots = OPTIMIZERS[config.training.optimizer].slots
            rest["optimizer"] = {slot: np.zeros(size, np.float32) for slot in slots}
            shapes = model.state_shapes(1)
            rest["states"] = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
            if config.training.ema_decay is not None:
                rest["average"] = model.parameters.flat.copy()
        checkpoint = Checkpoint(
            config,
            vocabulary,
            model.parameters,
            Progress(update=3, best_loss=1.5, history=[(1, 2.0, None), (3, 1.75, 1.5)]),
            CorpusRecord("tide", ["tide.txt"], "0" * 64, {"train": 8, "val": 1, "test": 0}),
            provenance={"charnn": "1"},
            **rest,
        )
        path = scratch() / "seed.npz"
        save_checkpoint(path, checkpoint)
        files.append(path.read_bytes())
    return tuple(files)


@cache
def valid_members() -> tuple[Members, ...]:
    """Return the members of the checkpoints of `valid_files`."""
    path, found = scratch() / "seed.npz", []
    for content in valid_files():
        path.write_bytes(content)
        found.append(members_of(path))
    return tuple(found)


@dataclass
class Draft:
    """A checkpoint that is being changed."""

    members: Members
    meta: Any
    method: int = zipfile.ZIP_STORED
    twice: str | None = None  # a member that the archive holds a second time
    text: bytes | None = None  # the meta data's, where it is not that of `meta`
    edits: list[tuple[int, int]] = field(default_factory=list)  # of the file's bytes

    def file(self) -> bytes:
        """Return the checkpoint as a file, with a digest that fits where there can be one."""
        self.seal()
        text = json.dumps(self.meta).encode() if self.text is None else self.text
        if META in self.members:
            self.members[META] = npy(np.frombuffer(text, np.uint8))
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", self.method) as archive:
            for name, content in self.members.items():
                archive.writestr(zipfile.ZipInfo(name), content, self.method)
            if self.twice in self.members:
                archive.filelist.append(archive.getinfo(self.twice))
        content = bytearray(file.getvalue())
        for place, value in self.edits:
            content[-1 - place % len(content)] ^= value
        return bytes(content)

    def seal(self) -> None:
        """Put the right digest into the meta data."""
        with suppress(Exception):
            arrays = {
                name.removesuffix(".npy"): np.load(io.BytesIO(content))
                for name, content in self.members.items()
                if name != META
            }
            rest = {key: entry for key, entry in self.meta.items() if key != "digest"}
            self.meta["digest"] = digest(rest, arrays)


def changed(choices: Choices) -> bytes:
    """Return a valid checkpoint with a few changes."""
    members = dict(choices.pick(valid_members()))
    draft = Draft(members, json.loads(np.load(io.BytesIO(members[META])).tobytes()))
    for _ in range(choices.pick([1, 1, 2, 3])):
        with suppress(Exception):  # an earlier change may leave nothing to change
            choices.pick(CHANGES)(draft, choices)
    return draft.file()


def any_value(draft: Draft, choices: Choices) -> Any:
    """Return a value that JSON can hold."""
    kind = choices.below(10)
    if kind == 0:
        return choices.piece().decode("utf-8", "replace")
    if kind == 1:
        return int.from_bytes(choices.take(8), "little", signed=True)
    if kind == 2:
        return struct.unpack("<d", choices.take(8).ljust(8, b"\0"))[0]
    if kind == 3:
        return choices.pick([*CELLS, *OPTIMIZERS, "none", "before", "after", "bytes", "\ud800"])
    if kind == 4:
        return copy.deepcopy(place_in(draft, choices)[2])
    return copy.deepcopy(choices.pick(VALUES))


VALUES = [
    *(None, True, False, 0, 1, 2, 3, -1, 65_536, 2**31, 2**63, 10**30, 10**400),
    *(0.5, -0.0, 1e-300, 1e308, math.nan, math.inf, -math.inf),
    *("", "none", "0", "1e3", "a\nb", "\0", "\U0010ffff", [], [[]], {}, {"": None}, [0, 0.0, None]),
]


def place_in(draft: Draft, choices: Choices) -> tuple[Any, Any, Any]:
    """Return a container within the meta data, a key of it, and what is there."""
    container, key, found = {"": draft.meta}, "", draft.meta
    while isinstance(found, (dict, list)) and found and choices.below(8):
        container = found
        keys = list(found) if isinstance(found, dict) else list(range(len(found)))
        if found is draft.meta:
            keys += [
                "progress",
                "progress",
                "corpus",
                "vocabulary",
            ]  # what config leaves no room for
        key = choices.pick(keys)
        found = container[key]
    return container, key, found


def set_meta(draft: Draft, choices: Choices) -> None:
    """Put another value into the meta data."""
    container, key, _ = place_in(draft, choices)
    container[key] = any_value(draft, choices)
    if key == "" and container is not draft.meta:
        draft.meta = container[key]


def drop_meta(draft: Draft, choices: Choices) -> None:
    """Leave something out of the meta data."""
    container, key, _ = place_in(draft, choices)
    del container[key]


def add_meta(draft: Draft, choices: Choices) -> None:
    """Add something to the meta data."""
    container, _, _ = place_in(draft, choices)
    if isinstance(container, list):
        container.insert(choices.below(4), any_value(draft, choices))
    else:
        container[choices.piece().decode("utf-8", "replace")] = any_value(draft, choices)


def splice_meta(draft: Draft, choices: Choices) -> None:
    """Change the meta data's text; where it is still JSON, the digest will fit."""
    draft.seal()
    text = json.dumps(draft.meta).encode()
    if choices.below(2):
        start = choices.below(257) * len(text) // 257
        token = choices.pick(
            ['"', "\\", ",", ":", "{", "]", "null", "NaN", "1e999", '"\\ud800"', "0"]
        )
        draft.text = text[:start] + token.encode() + text[start + choices.below(4) :]
    else:
        draft.text = spliced(text, choices)
    with suppress(ValueError, RecursionError):
        draft.meta = json.loads(draft.text)
        draft.text = None


def spliced(content: bytes, choices: Choices) -> bytes:
    """Replace a few bytes by others."""
    start = choices.below(max(len(content), 257))
    return content[:start] + choices.piece() + content[start + choices.below(24) :]


def set_option(draft: Draft, choices: Choices) -> None:
    """Change an option, and make the arrays those that the configuration implies."""
    names = ["cell", "hidden_size", "num_layers", "gru_reset", "embedding_size", "batch_size"]
    names += ["optimizer", "ema_decay", "tokens", "shards", "dropout"]
    values = draft.meta["config"]
    values[choices.pick(names)] = any_value(draft, choices)
    if choices.below(2):
        draft.meta["resumable"] = any_value(draft, choices)
    with suppress(Exception):
        config, vocabulary = Config.from_values(values), draft.meta["vocabulary"]
        size = len(Vocabulary.from_json(vocabulary))
        shapes = expected_arrays(config, Sizes(size, size), draft.meta["resumable"])
        if sum(map(math.prod, shapes.values())) < LARGEST_REBUILT:
            arrays = {f"{name}.npy": np.zeros(shape, "f4") for name, shape in shapes.items()}
            draft.members = {META: b""} | {name: npy(array) for name, array in arrays.items()}


def set_vocabulary(draft: Draft, choices: Choices) -> None:
    """Change the vocabulary's symbols, but not how many they are."""
    vocabulary = draft.meta["vocabulary"]
    texts = ["ab", "\n a", "\ud800\ud801", "\0\x01", "\ud800a\U0010ffff", "a\u0301", "ba"]
    vocabulary["symbols"] = choices.pick([*texts, choices.piece().decode("utf-8", "replace")])


def change_header(draft: Draft, choices: Choices) -> None:
    """Give an array another header."""
    name = choices.pick(draft.members)
    content = draft.members[name]
    start, end = 10, content.find(b"\n") + 1
    if choices.below(2):
        text = spliced(content[start:end], choices)
    else:
        kinds = ["'<f4'", "'>f4'", "'<f8'", "'|O'", "'|u1'", "'V4'", "[('a', '<f4')]", "''", "1"]
        shapes = ["()", "(0,)", "(1,)", "(2, 1, 3)", "(-1,)", "(1e9,)", "(2L,)", "None", "(True,)"]
        order = choices.pick(["False", "True", "0", "None"])
        text = (
            f"{{'descr': {choices.pick(kinds)}, 'fortran_order': {order}, "
            f"'shape': {choices.pick(shapes)}, }}\n"
        ).encode()
    version = choices.pick([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x00\x00"])
    magic = b"\x93NUMPY" + (version if choices.below(4) == 0 else b"\x01\x00")
    draft.members[name] = magic + len(text).to_bytes(2, "little") + text + content[end:]


def change_member(draft: Draft, choices: Choices) -> None:
    """Change a member's bytes, which may be its numbers or where it ends."""
    name = choices.pick(draft.members)
    content = draft.members[name]
    kind = choices.below(4)
    if kind == 0:
        draft.members[name] = spliced(content, choices)
    elif kind == 1:
        draft.members[name] = content[: choices.below(len(content) + 1)]
    elif kind == 2:
        draft.members[name] = content + choices.piece()
    else:
        numbers = [b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff", b"\xff\xff\x7f\x7f", b"\1"]
        draft.members[name] = content[:-4] + choices.pick(numbers).ljust(4, b"\0")


def change_name(draft: Draft, choices: Choices) -> None:
    """Rename a member, leave it out, exchange it with another, or add one."""
    name, kind = choices.pick(draft.members), choices.below(4)
    other = choices.pick(draft.members)
    if kind == 0:
        new = choices.piece().decode("utf-8", "replace").replace("\0", "")
        draft.members[new or "x"] = draft.members.pop(name)
    elif kind == 1:
        del draft.members[name]
    elif kind == 2:
        draft.members[name], draft.members[other] = draft.members[other], draft.members[name]
    else:
        draft.members[f"{name.removesuffix('.npy')}/{kind}.npy"] = draft.members[other]


def change_archive(draft: Draft, choices: Choices) -> None:
    """Compress the archive, hold a member twice, or change bytes from the end of the file."""
    kind = choices.below(4)
    if kind == 0:
        draft.method = choices.pick([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    elif kind == 1:
        draft.twice = choices.pick(draft.members)
    else:
        draft.edits.append((choices.below(4_000), choices.below(256)))


CHANGES: list[Callable[[Draft, Choices], None]] = [
    set_meta,
    drop_meta,
    add_meta,
    splice_meta,
    set_option,
    set_vocabulary,
    change_header,
    change_member,
    change_name,
    change_archive,
]


def progressed(**values: Any) -> bytes:
    """Return a checkpoint whose progress has other values, with a digest that fits."""
    members = dict(valid_members()[0])
    draft = Draft(members, json.loads(np.load(io.BytesIO(members[META])).tobytes()))
    draft.meta["progress"] |= values
    return draft.file()


def checkpoint_seeds() -> list[bytes]:
    """Return checkpoints, files made to harm, and one change of each kind."""
    members = valid_members()[0]
    harmful = [make(members) for name, make in FILES.items() if name not in SLOW_TO_MAKE]
    lying = [
        progressed(seconds="1"),
        progressed(update="3"),
        progressed(history=[["1", 2.0, None]]),
    ]
    raw = [
        content for content in [*valid_files(), *lying, *harmful] if len(content) <= LARGEST_SEED
    ]
    chance = random.Random(1)
    changes = [
        bytes([1, base, 0, number]) + chance.randbytes(32)
        for base in range(len(valid_files()))
        for number in range(len(CHANGES))
        for _ in range(8)
    ]
    return [b"\0" + content for content in raw] + changes


TARGETS = {
    "checkpoint": Target(read_checkpoint, checkpoint_seeds, list),
    "config": Target(read_config, config_seeds, config_words),
    "vocabulary": Target(read_vocabulary, vocabulary_seeds, vocabulary_words),
    **TASK_TARGETS,
    **COMPRESSED_TARGETS,
}
