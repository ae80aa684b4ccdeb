"""Encoded texts on disk: used while the source is the same, bounded, safe to delete."""

from __future__ import annotations

import os

import numpy as np
import pytest

from charnn.config import DataConfig
from charnn.errors import CorpusError
from charnn.text import corpus as corpus_module
from charnn.text.cache import Entry, cache_folder, contents, prune
from charnn.text.corpus import read_corpus


@pytest.fixture
def text(tmp_path, monkeypatch):
    """A text, and a cache of the test's own."""
    monkeypatch.setenv("CHARNN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "text.txt"
    path.write_text("a rose is a rose is a rose\n", encoding="utf-8")
    return path


@pytest.fixture
def reads(monkeypatch):
    """The texts that were really encoded."""
    encoded = []
    original = corpus_module.encode_blocks

    def counting(files, vocabulary, file):
        encoded.append(files.names)
        return original(files, vocabulary, file)

    monkeypatch.setattr(corpus_module, "encode_blocks", counting)
    return encoded


def test_a_text_is_encoded_once(text, reads):
    """The second reading finds the first one's ids, the same in every respect."""
    first, second = (read_corpus([str(text)], DataConfig()) for _ in range(2))
    assert len(reads) == 1
    assert (first.ids == second.ids).all()
    assert first.fingerprint == second.fingerprint
    assert first.vocabulary == second.vocabulary
    assert isinstance(second.ids.base, np.memmap) or isinstance(second.ids, np.memmap)


def test_a_changed_text_is_encoded_again(text, reads):
    """Another size or another time of change makes another entry."""
    read_corpus([str(text)], DataConfig())
    text.write_text("a tulip is a tulip\n", encoding="utf-8")
    assert read_corpus([str(text)], DataConfig()).vocabulary.symbols == "\n ailpstu"
    os.utime(text, ns=(1, 1))
    read_corpus([str(text)], DataConfig())
    assert len(reads) == 3


def test_another_vocabulary_is_another_entry(text, reads):
    """Bytes, or an unknown symbol, do not meet the ids of characters."""
    for options in ({}, {"tokens": "bytes"}, {"min_count": 4}):
        corpus = read_corpus([str(text)], DataConfig(**options))
        assert int(corpus.ids.max()) < len(corpus.vocabulary)
    assert len(reads) == 3


@pytest.mark.parametrize("damage", ["ids cut", "ids gone", "record cut", "record gone"])
def test_a_damaged_entry_is_made_again(text, reads, damage):
    """What is not whole is not used."""
    expected = read_corpus([str(text)], DataConfig()).ids.copy()
    for path in cache_folder().glob("*.ids" if damage.startswith("ids") else "*.json"):
        if damage.endswith("gone"):
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-3])
    assert (read_corpus([str(text)], DataConfig()).ids == expected).all()
    assert len(reads) == 2


@pytest.mark.parametrize("record", ["[]", "{}", "3", '{"record": {}, "digest": ""}', "[" * 9_999])
def test_a_record_of_another_kind_is_made_again(text, reads, record):
    """JSON that is no record, or not the one that was written, is not used."""
    expected = read_corpus([str(text)], DataConfig()).ids.copy()
    for path in cache_folder().glob("*.json"):
        path.write_text(record, encoding="utf-8")
    assert (read_corpus([str(text)], DataConfig()).ids == expected).all()
    assert len(reads) == 2


def test_a_text_changed_with_its_time_set_back_is_encoded_again(text, reads):
    """Neither size nor time of change tells these two texts apart."""
    read_corpus([str(text)], DataConfig())
    status = text.stat()
    text.write_text("a lily is a lily is a lily\n", encoding="utf-8")
    os.utime(text, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read_corpus([str(text)], DataConfig()).vocabulary.symbols == "\n ailsy"
    assert len(reads) == 2


def test_the_cache_is_bounded(text, tmp_path):
    """Pruning removes what was used longest ago, and never the entry in use."""
    paths = []
    for number in range(3):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"{number} " * 500, encoding="utf-8")
        paths.append(read_corpus([str(path)], DataConfig()).path)
        os.utime(paths[-1].with_suffix(".json"), (number, number))
        os.utime(paths[-1], (number, number))
    assert prune(2_500, keep=paths[0].stem) > 0
    assert paths[0].exists()
    assert not paths[1].exists()
    assert sum(size for size, _ in contents().values()) <= 2_500


def test_using_an_entry_makes_it_young(text):
    """`use` moves an entry to the end of the queue."""
    path = read_corpus([str(text)], DataConfig()).path
    entry = Entry(path.stem)
    os.utime(entry.record_path, (1, 1))
    os.utime(entry.ids_path, (1, 1))
    assert entry.use() is not None
    assert contents()[path.stem][1] > 1


def test_a_cache_that_cannot_be_written_is_an_error(text, monkeypatch):
    """A file in the way of the folder gives one sentence that names the variable."""
    monkeypatch.setenv("CHARNN_CACHE", str(text))
    with pytest.raises(CorpusError, match=r"cannot be kept in .* CHARNN_CACHE"):
        read_corpus([str(text)], DataConfig())


def test_the_folder_follows_the_variable_then_the_platform(monkeypatch, tmp_path):
    """`$CHARNN_CACHE` first, then the user's folder for caches."""
    monkeypatch.setenv("CHARNN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CHARNN_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "charnn"
