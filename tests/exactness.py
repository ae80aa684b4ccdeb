"""One text, one code, on every processor that this machine can play: `make exact`.

OpenBLAS takes its kernels by OPENBLAS_CORETYPE, NumPy leaves out those named in
NPY_DISABLE_CPU_FEATURES, and both have threads. Each combination is a process of its own that reads
the same weights, quantises them, codes the same text, decodes it, and says the SHA-256 of

    quantised    the integers of the weights
    codes        blocks of several numbers of lanes, coded alone and beside each other in threads
    steps        states and logits of 64 lanes, with as many threads as BLAS has, and cut into parts

All must be the same everywhere. So that this means something, each process also does what charnn
must not do, in floating point: `softmax` (frequencies by an exp of float32), `logits` (the float
model's, rounded to 2^-14). These must not be the same everywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from charnn.arrays import Array
from charnn.compression.block import decode_block, encode_block
from charnn.compression.frequencies import TOTAL, frequencies
from charnn.compression.integer_network import IntegerNetwork
from charnn.compression.quantized import QuantizedModel
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

CELLS = "lstm", "gru", "rnn", "layernorm-lstm"
TEXT = Path(__file__).parents[1] / "data" / "the-tide-clock.txt"
CORES = (  # OpenBLAS's names; several may have the same kernels
    *("Prescott", "Nehalem", "Sandybridge", "Zen", "Haswell", "SkylakeX", "Cooperlake"),
    *("SapphireRapids", "ARMV8", "NEOVERSEN1", "NEOVERSEV1", "VORTEX"),
)
EXACT, FLOATING = ("quantised", "codes", "steps"), ("softmax", "logits")
HEADS = *EXACT, *FLOATING
BLOCK_LANES = 1, 7, 64
LANES, STEPS = 64, 20
CUTS = 0, 1, 2, 5, 34, LANES  # where the lanes are cut into parts
SYMBOLS = 20  # of a lane of a block
PROBE = (
    "import numpy, threadpoolctl; numpy.ones((65, 65), 'f4') @ numpy.ones((65, 65), 'f4');"
    "print(threadpoolctl.threadpool_info()[0].get('architecture', 'unknown'))"
)

Hashes = dict[str, dict[str, str]]  # by the model's name, of what is in EXACT and FLOATING


class Combination(NamedTuple):
    """What a process is told to be."""

    core: str  # of OpenBLAS, or nothing
    without: tuple[str, ...]  # features
    threads: int

    def run(self, folder: Path) -> Hashes:
        """Return what a process of this combination finds."""
        done = subprocess.run(
            [sys.executable, __file__, "--process", str(folder)],
            env=self.environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self} ended with {done.returncode}:\n{done.stderr}")
        found: Hashes = json.loads(done.stdout)
        return found

    def environment(self) -> dict[str, str]:
        """Return the variables of a process."""
        threads = str(self.threads)
        chosen = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        if self.core:
            chosen["OPENBLAS_CORETYPE"] = self.core
        if self.without:
            chosen["NPY_DISABLE_CPU_FEATURES"] = " ".join(self.without)
        path = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, **chosen, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def cores() -> dict[str, str]:
    """Return a name for each kind of kernels that this machine can run, by the library's name."""
    found: dict[str, str] = {}
    for name in CORES:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            env=Combination(name, (), 1).environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:  # a processor without the instructions ends it
            found.setdefault(done.stdout.strip(), name)
    return found


def feature_sets() -> list[tuple[str, ...]]:
    """Return what NumPy may be told to leave out: nothing, AVX-512, AVX2 and all above."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    found = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    wide = [name for name in found if name.startswith("AVX512") or name == "X86_V4"]
    return list(dict.fromkeys([(), tuple(wide), tuple(found)]))


def combinations() -> list[Combination]:
    """Return all of this machine."""
    names = list(cores().values()) or [""]
    return [
        Combination(core, without, threads)
        for core in names
        for without in feature_sets()
        for threads in (1, 2)
    ]


def write_models(
    folder: Path, cells: Sequence[str] = CELLS, hidden_size: int = 128, characters: int = 3000
) -> None:
    """Write a text and models of random weights, about as large as those of trained ones."""
    text = TEXT.read_text(encoding="utf-8")
    vocabulary = Vocabulary.from_text(text)
    for number, cell in enumerate(cells):
        config = ModelConfig(cell=cell, hidden_size=hidden_size, num_layers=2, dropout=0.0)
        model = LanguageModel.initialized(config, len(vocabulary), number)
        flat = model.parameters.flat
        flat += np.random.default_rng(number).normal(0, 0.1, flat.size).astype(np.float32)
        write_model(folder, cell, model, vocabulary)
    ids = vocabulary.encode(text[:characters])
    np.save(folder / "ids.npy", ids)


def write_model(folder: Path, name: str, model: LanguageModel, vocabulary: Vocabulary) -> None:
    """Write a model's weights and what they mean."""
    np.save(folder / f"{name}.npy", model.parameters.flat)
    about = {"model": asdict(model.config), "symbols": vocabulary.symbols}
    (folder / f"{name}.json").write_text(json.dumps(about), encoding="utf-8")


def read_model(path: Path) -> tuple[LanguageModel, Vocabulary]:
    """Read what `write_model` wrote."""
    about = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = Vocabulary(about["symbols"])
    model = LanguageModel.initialized(ModelConfig(**about["model"]), len(vocabulary), 0)
    model.parameters.flat[:] = np.load(path.with_suffix(".npy"))
    return model, vocabulary


def process(folder: Path) -> Hashes:
    """Return the hashes of all models in a folder: the work of one process."""
    ids = np.load(folder / "ids.npy")
    found = {}
    for path in sorted(folder.glob("*.json")):
        model, vocabulary = read_model(path)
        quantized = QuantizedModel.of(model, vocabulary)
        network = IntegerNetwork(quantized)
        steps = integer_steps(network, ids)
        found[path.stem] = {
            "quantised": quantized.digest().hex(),
            "codes": codes(network, ids),
            "steps": hashed(*(array for step in steps for array in step)),
            "softmax": hashed(*(softmax(step[0]) for step in steps)),
            "logits": hashed(float_frequencies(model, ids)),
        }
    return found


def codes(network: IntegerNetwork, ids: Array) -> str:
    """Return the hash of the codes of blocks, which decode, and are the same beside each other."""
    alone = []
    for lanes in BLOCK_LANES:
        part = ids[: SYMBOLS * lanes]
        alone.append(encode_block(network, part, lanes).content)
        if not np.array_equal(decode_block(network, alone[-1], len(part), lanes), part):
            raise RuntimeError(f"a code with {lanes} lanes does not decode")
    with ThreadPoolExecutor(len(BLOCK_LANES)) as pool:
        jobs = [
            pool.submit(encode_block, network, ids[: SYMBOLS * lanes], lanes)
            for lanes in BLOCK_LANES
        ]
        if [job.result().content for job in jobs] != alone:
            raise RuntimeError("blocks coded beside each other have another code")
    return hashlib.sha256(b"".join(alone)).hexdigest()


def integer_steps(network: IntegerNetwork, ids: Array) -> list[list[Array]]:
    """Return logits and states of lanes (64, ...) at each step, which a cut must leave alone."""
    symbols = ids[: STEPS * LANES].reshape(LANES, STEPS).T
    together = run(network, symbols)
    parts = [run(network, symbols[:, begin:end]) for begin, end in pairwise(CUTS)]
    for t, expected in enumerate(together):
        for number, array in enumerate(expected):
            if not np.array_equal(np.concatenate([part[t][number] for part in parts]), array):
                raise RuntimeError("lanes apart have other numbers than together")
    return together


def run(network: IntegerNetwork, symbols: Array) -> list[list[Array]]:
    """Return logits and states (L, ...) at each step of symbols (T, L)."""
    states = network.zero_states(symbols.shape[1])
    steps = []
    for row in symbols:
        states = network.read(row, states)
        steps.append([network.logits(states), *(array for layer in states for array in layer)])
    return steps


def softmax(logits: Array) -> Array:
    """Return frequencies as nobody should compute them: by an exponential of float32."""
    y = (logits / 2**14).astype(np.float32)
    p = np.exp(y - y.max(axis=1, keepdims=True))
    return np.floor(p / p.sum(axis=1, keepdims=True) * np.float32(TOTAL))


def float_frequencies(model: LanguageModel, ids: Array) -> Array:
    """Return frequencies of the float model's logits, of 8 lanes."""
    symbols = ids[: 8 * STEPS].reshape(8, STEPS).T
    logits, _, _ = model.logits(symbols, model.zero_states(8))
    return frequencies(np.rint(logits.astype(np.float64) * 2**14))


def hashed(*arrays: Array) -> str:
    """Return the hash of numbers, whatever type they have."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array, "<f8") + 0.0)
    return total.hexdigest()


def kinds(results: Sequence[Hashes], what: str) -> int:
    """Return how many different results there are of something, over all models together."""
    return len({tuple(model[what] for model in result.values()) for result in results})


def odd(results: Sequence[Hashes], what: str) -> int:
    """Return how many combinations have another result than the commonest."""
    seen = Counter(tuple(model[what] for model in result.values()) for result in results)
    return len(results) - seen.most_common(1)[0][1]


def reported(chosen: Sequence[Combination], folder: Path) -> list[Hashes]:
    """Run all combinations; print a line for each: the beginnings of hashes over all models."""
    print(f"{'kernels':<14} {'without':<10} {'threads':<8}", *(f"{what:<10}" for what in HEADS))
    labels: dict[tuple[str, ...], str] = {(): "-"}
    results = []
    for combination in chosen:
        labels.setdefault(combination.without, "AVX-512" if len(labels) == 1 else "AVX2, too")
        results.append(combination.run(folder))
        hashes = [
            hashlib.sha256("".join(model[what] for model in results[-1].values()).encode())
            for what in HEADS
        ]
        print(
            f"{combination.core or '-':<14} {labels[combination.without]:<10} "
            f"{combination.threads:<8}",
            *(f"{value.hexdigest()[:8]:<10}" for value in hashes),
            flush=True,
        )
    return results


def main() -> int:
    """Run all combinations, print a table, and return 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description="Compare codes over processors' kernels.")
    parser.add_argument("--process", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process:
        print(json.dumps(process(arguments.process)))
        return 0
    chosen = combinations()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_models(folder)
        results = reported(chosen, folder)
    failed = [what for what in EXACT if kinds(results, what) > 1]
    blind = [what for what in FLOATING if kinds(results, what) == 1]
    print(f"\n{len(results)} combinations, {', '.join(results[0])}; NumPy {np.__version__}")
    for what in HEADS:
        print(f"{what:<10} {kinds(results, what)} different, {odd(results, what)} unlike the most")
    if failed:
        print(f"NOT EXACT: {', '.join(failed)}")
    if blind:
        print(f"this machine cannot show a difference: {', '.join(blind)} are the same, too")
    return 1 if failed or blind else 0


if __name__ == "__main__":
    sys.exit(main())
