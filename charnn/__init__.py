"""charnn: character-level language models, with hand-derived backpropagation, in NumPy.

    import charnn

    run = charnn.train("shakespeare.txt", cell="lstm", steps=2_000, out="runs/bard")
    for event in run:
        print(event)
    print(charnn.sample(run.checkpoint, length=200, temperature=0.8))

    saved = charnn.load("runs/bard")
    print(charnn.evaluate(saved, "To be, or not to be").bits_per_symbol)

What is named in `__all__` is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from charnn.version import __version__

if TYPE_CHECKING:
    from charnn.api import (
        corpus,
        evaluate,
        evaluate_dynamically,
        export,
        gradcheck,
        import_model,
        load,
        predict,
        resume,
        sample,
        samples,
        trace,
        train,
    )
    from charnn.compression.in_memory import compress, decompress
    from charnn.config import Config, ModelConfig, SamplingConfig
    from charnn.errors import CharnnError
    from charnn.models.language_model import LanguageModel
    from charnn.nn.clipping import clip_by_global_norm, clip_by_value
    from charnn.nn.recurrent import recurrent, step
    from charnn.registry import CELLS
    from charnn.text.batches import Batch
    from charnn.text.corpus import Corpus
    from charnn.text.vocabulary import Vocabulary

PLACES = {
    "Batch": "charnn.text.batches",
    "CELLS": "charnn.registry",
    "CharnnError": "charnn.errors",
    "Config": "charnn.config",
    "Corpus": "charnn.text.corpus",
    "LanguageModel": "charnn.models.language_model",
    "ModelConfig": "charnn.config",
    "SamplingConfig": "charnn.config",
    "Vocabulary": "charnn.text.vocabulary",
    "clip_by_global_norm": "charnn.nn.clipping",
    "clip_by_value": "charnn.nn.clipping",
    "compress": "charnn.compression.in_memory",
    "corpus": "charnn.api",
    "decompress": "charnn.compression.in_memory",
    "evaluate": "charnn.api",
    "evaluate_dynamically": "charnn.api",
    "export": "charnn.api",
    "gradcheck": "charnn.api",
    "import_model": "charnn.api",
    "load": "charnn.api",
    "predict": "charnn.api",
    "recurrent": "charnn.nn.recurrent",
    "resume": "charnn.api",
    "sample": "charnn.api",
    "samples": "charnn.api",
    "step": "charnn.nn.recurrent",
    "trace": "charnn.api",
    "train": "charnn.api",
}

__all__ = [
    "CELLS",
    "Batch",
    "CharnnError",
    "Config",
    "Corpus",
    "LanguageModel",
    "ModelConfig",
    "SamplingConfig",
    "Vocabulary",
    "__version__",
    "clip_by_global_norm",
    "clip_by_value",
    "compress",
    "corpus",
    "decompress",
    "evaluate",
    "evaluate_dynamically",
    "export",
    "gradcheck",
    "import_model",
    "load",
    "predict",
    "recurrent",
    "resume",
    "sample",
    "samples",
    "step",
    "trace",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'charnn' has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
