"""Checkpoints of a transducer that lie about their symbols or their task, with digests that fit."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from hostile import META, Members, meta_of, with_meta

from charnn.text.vocabulary import Vocabulary
from charnn.training.digest import digest

MANY = [f"{number:06}" for number in range(200_000)]
TANGLED = json.loads("[" * 200 + "]" * 200)


def sealed(members: Members, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a checkpoint with changed meta data and the digest that fits."""
    meta = meta_of(members)
    change(meta)
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(content))
        for name, content in members.items()
        if name != META
    }
    meta["digest"] = digest({key: each for key, each in meta.items() if key != "digest"}, arrays)
    return with_meta(members, meta)


def vocabulary(**changes: Any) -> Callable[[Members], bytes]:
    """Return how to change entries of the vocabulary."""
    return lambda members: sealed(members, lambda meta: meta["vocabulary"].update(changes))


def symbols(of: str, **changes: Any) -> Callable[[Members], bytes]:
    """Return how to change one of the vocabulary's three sets of symbols."""
    return lambda members: sealed(members, lambda meta: meta["vocabulary"][of].update(changes))


def renamed(of: str, change: Callable[[list[str]], object]) -> Callable[[Members], bytes]:
    """Return how to change the names of one of the vocabulary's three sets of symbols."""
    return lambda members: sealed(members, lambda meta: change(meta["vocabulary"][of]["names"]))


def config(**changes: Any) -> Callable[[Members], bytes]:
    """Return how to change the configuration."""
    return lambda members: sealed(members, lambda meta: meta["config"].update(changes))


def entry(name: str, value: object) -> Callable[[Members], bytes]:
    """Return how to put something else in the place of an entry of the meta data."""
    return lambda members: sealed(members, lambda meta: meta.update({name: value}))


def without(of: str) -> Callable[[Members], bytes]:
    """Return how to leave something out of the vocabulary."""
    return lambda members: sealed(members, lambda meta: meta["vocabulary"].pop(of))


FILES: dict[str, tuple[Callable[[Members], bytes], str]] = {  # and what they are refused for
    "a vocabulary of a text": (entry("vocabulary", Vocabulary("ab").to_json()), "format"),
    "a vocabulary of numbers": (entry("vocabulary", [1, 2]), "not a dict"),
    "an empty vocabulary": (entry("vocabulary", {}), "not a vocabulary of pairs"),
    "a tangled vocabulary": (entry("vocabulary", {"format": TANGLED}), "not a vocabulary"),
    "no source": (without("source"), "not a vocabulary of pairs"),
    "no features": (without("features"), "not a vocabulary of pairs"),
    "no format": (without("format"), "not a vocabulary of pairs"),
    "a format of the future": (vocabulary(format="charnn-pairs-9"), "charnn-pairs-9"),
    "a format that is a number": (vocabulary(format=1), "not a vocabulary of pairs"),
    "an empty separator": (vocabulary(target_sep=""), "separator"),
    "a separator that is a list": (vocabulary(source_sep=[" "]), "not a vocabulary of pairs"),
    "a source that is a text": (vocabulary(source="abcde"), "not a set of symbols"),
    "a target that is none": (vocabulary(target=None), "not a set of symbols"),
    "names that are a text": (symbols("source", names="abcde"), "not a set of symbols"),
    "names that are numbers": (symbols("source", names=[1, 2, 3, 4, 5]), "not a set of symbols"),
    "names that are lists": (symbols("target", names=[["a"], ["b"]]), "not a set of symbols"),
    "unknown that is a number": (symbols("source", unknown=1), "not a set of symbols"),
    "an empty symbol": (renamed("source", lambda names: names.insert(0, "")), "empty"),
    "a symbol twice": (renamed("target", lambda names: names.insert(0, names[0])), "different"),
    "symbols in another order": (renamed("source", list.reverse), "sorted"),
    "no symbols": (symbols("target", names=[]), "at least one symbol"),
    "a symbol too many": (renamed("target", lambda names: names.append("z")), "its array"),
    "a feature too many": (renamed("features", lambda names: names.append("z")), "its array"),
    "very many symbols": (symbols("source", names=MANY), "its array"),
    "no unknown symbol": (symbols("source", unknown=False), "its array"),
    "the language model": (config(task="lm"), "cannot be used"),
    "a classifier": (config(task="classify"), "cannot be used"),
    "a tagger": (config(task="tag"), "cannot be used"),
    "a generator": (config(task="generate"), "cannot be used"),
    "an unknown task": (config(task="__import__"), "task is '__import__'"),
    "a task that is a list": (config(task=["transduce"]), "task is"),
    "an unknown attention": (config(attention="flash"), "attention is 'flash'"),
    "another attention": (config(attention="dot"), "its array"),
    "no attention": (config(attention=None), "its array"),
    "one direction": (config(bidirectional=False), "its array"),
    "an option of text": (config(tokens="bytes"), "tokens is 'bytes', but"),
    "windows": (config(seq_length=9), "seq_length is 9, but"),
    "one column for two": (config(source_col=2), "both 2"),
    "an empty separator option": (config(target_sep=""), "target_sep is ''"),
    "tied weights": (config(tie_weights=True), "tie_weights needs"),
    "a huge encoder": (config(hidden_size=65_536, num_layers=64), "its array"),
    "an accuracy that is no number": (
        lambda members: sealed(members, lambda meta: meta["progress"].update(best_accuracy="1")),
        "its progress",
    ),
}
