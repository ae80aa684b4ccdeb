"""A negative control: mistakes planted in the network and the coder, each of which must be seen.

Each replaces one place in a copy of a module of charnn's; all other modules then use the copy. What
compares the network and a block's code with the naive ones, and passes without it, must fail.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from integer_models import differences, quantized_of
from test_adaptation import differs_at_the_limits
from test_block import naive_code, text
from test_normalization import SIZES, differing_rows
from test_tables import TABLES, wrong_entries

from charnn.compression import block
from charnn.compression.integer_network import IntegerNetwork
from charnn.errors import CompressionError

ROOM = "charnn.compression."


class Fault(NamedTuple):
    """In `module`, `wrong` stands where `right` should; `options` are the model's."""

    name: str
    module: str
    right: str
    wrong: str
    options: dict[str, Any]


LSTM = {"cell": "lstm", "noise": 1.0}
NETWORK_FAULTS = [
    Fault("looked up without rounding", "tables", "self.centre + 0.5", "self.centre", LSTM),
    Fault("looked up with halves down", "tables", "self.centre + 0.5", "self.centre + 0.49",
          LSTM),
    Fault("products rounded down", "product", "np.rint(y, out=y)", "np.floor(y, out=y)", LSTM),
    Fault("products not rounded", "product", "np.rint(y, out=y)", "pass", LSTM),
    Fault("states rounded down", "product", "np.rint(kept, out=kept)", "np.floor(kept, out=kept)",
          {**LSTM, "hidden_size": 23}),
    Fault("halves of states up", "product", "np.rint(kept, out=kept)",
          "np.floor(kept + 0.5, out=kept)", {**LSTM, "hidden_size": 61, "bits": 12}),
    Fault("a place too many", "product", "2**exact and", "2**(exact + 1) and", LSTM),
    Fault("a place too few", "product", "2**exact and", "2**(exact - 1) and", LSTM),
    Fault("a bound below the sum", "product", "+ beside <", "<",
          {"cell": "rnn", "noise": 0.3, "bits": 12, "first": {"layer1/b_h": 600.0}}),
    Fault("states of layers below", "integer_network", "Product(W_xh, below.largest, places)",
          "Product(W_xh, 1 << UNIT, places)", {"cell": "mingru", "noise": 3.0, "num_layers": 2}),
    Fault("rows rounded down", "integer_network", "rows: Array = np.rint(np.ldexp(array",
          "rows: Array = np.floor(np.ldexp(array",
          {"cell": "lstm", "noise": 0.01, "bits": 12}),
    Fault("embedded rows rounded twice", "integer_network",
          "exact = E.values.astype(np.float64) @ W_xh.values.astype(np.float64)",
          "exact = np.rint(E.values / 2.0) * 2.0 @ W_xh.values.astype(np.float64)",
          {**LSTM, "inputs": "embedded"}),
    Fault("gates in another order", "integer_cells",
          "gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H :]\n        i *=",
          "gates[:, H : 2 * H], gates[:, :H], gates[:, 2 * H :]\n        i *=", LSTM),
    Fault("gates' products rounded apart", "integer_cells", "        c += i\n        scaled(c)",
          "        c = scaled(c) + scaled(i)", LSTM),
    Fault("scaled down", "integer_cells", "return np.rint(product, out=product)",
          "return np.floor(product, out=product)", LSTM),
    Fault("1 is 2^15 - 1", "integer_cells", "(ONE - z) * h", "(ONE - 1 - z) * h",
          {"cell": "gru", "noise": 1.0}),
    Fault("a peephole reads the old state", "integer_cells",
          "        c = scaled(f * c + i * tanh()(a_g, PLACES))\n        o = sigma()(a_o + "
          'W.times("p_o", c, UNIT), PLACES)',
          '        o = sigma()(a_o + W.times("p_o", c, UNIT), PLACES)\n'
          "        c = scaled(f * c + i * tanh()(a_g, PLACES))",
          {"cell": "peephole-lstm", "noise": 1.0}),
    Fault("frequencies of 0", "frequencies", "f += 1", "f += 0", LSTM),
    Fault("the rest to the last symbol", "frequencies", "f[rows, likeliest] +=", "f[rows, -1] +=",
          LSTM),
    Fault("frequencies rounded", "frequencies", "np.floor(f, out=f)", "np.rint(f, out=f)", LSTM),
]  # fmt: skip
TABLE_FAULTS = [
    Fault("an entry of tanh", "tables", "return table([-value",
          "right[300] += 1; return table([-value", {}),
    Fault("sigma rounded down", "tables", "quotient(one << UNIT, one + e)",
          "(one << UNIT) // (one + e)", {}),
    Fault("sigma reaches 1", "tables", "min(value, (1 << UNIT) - 1)", "value", {}),
    Fault("exp rounded down", "tables", "quotient(e << MASS, 1 << PRECISION)",
          "(e << MASS) >> PRECISION", {}),
    Fault("exp too short", "tables", "powers_of_e(1, 18 << LOOKUP)", "powers_of_e(1, 17 << LOOKUP)",
          {}),
    Fault("exp of little precision", "tables", "PRECISION = 160", "PRECISION = 36", {}),
]  # fmt: skip
NORMALIZATION_FAULTS = [
    Fault("the mean rounded down", "normalization", "d -= np.rint(", "d -= np.floor(", {}),
    Fault("1 / sqrt not rounded", "normalization", "np.rint(2.0**INVERSE / np.sqrt(variance))",
          "2.0**INVERSE / np.sqrt(variance)", {}),
    Fault("1 / sqrt in float32", "normalization", "np.sqrt(variance)",
          "np.sqrt(variance.astype(np.float32))", {}),
    Fault("another epsilon", "normalization", "EPSILON * 4.0**places", "EPSILON * 2.0**places",
          {}),
]  # fmt: skip
BLOCK_FAULTS = [
    Fault("words in another order", "rans", "& WORD_MASK)[::-1])", "& WORD_MASK))", LSTM),
    Fault("words of a step first to last", "rans", "np.uint64)])[::-1]", "np.uint64)])", LSTM),
    Fault("a state too large", "rans", "own >= part << ROOM", "own > part << ROOM + np.uint64(1)",
          LSTM),
    Fault("words put out too early", "rans", "own >= part << ROOM",
          "own >= part << ROOM - np.uint64(1)", LSTM),
    Fault("another beginning", "rans", "LOW = 1 << 31", "LOW = (1 << 31) + 1", LSTM),
    Fault("the first lanes are short", "block", "lengths[:longer] += 1", "lengths[-longer:] += 1",
          LSTM),
    Fault("from the first step to the last", "rans", "in reversed(range(0, len(f), lanes))",
          "in range(0, len(f), lanes)", LSTM),
    Fault("symbols' sums with their own", "block", "below -= f", "below -= 0", LSTM),
    Fault("lanes share a state", "block", "self._states: LayerStates = network.zero_states(lanes)",
          "self._states = [tuple(s + 1 for s in layer) for layer in network.zero_states(lanes)]",
          LSTM),
    Fault("nothing is learnt", "block", "self._adaptation.learn(symbols, self._frequencies)",
          "self._frequencies", LSTM),
]  # fmt: skip
ADAPTATION_FAULTS = [
    Fault("other contexts", "adaptation", "ORDERS = (1, 2, 3, 4, 6, 8)",
          "ORDERS = (1, 2, 3, 4, 5, 8)", LSTM),
    Fault("the first symbol as none", "adaptation", "self._past[0, :n] = symbols + 1",
          "self._past[0, :n] = symbols", LSTM),
    Fault("the past forgets", "adaptation", "self._past[1:] = self._past[:-1]",
          "self._past[1:-1] = self._past[:-2]", LSTM),
    Fault("another power", "adaptation", "pow(BASE, j + 1, 1 << 64)", "pow(BASE, j + 2, 1 << 64)",
          LSTM),
    Fault("fewer rows", "adaptation", "FEWEST_BITS, MOST_BITS = 8, 16",
          "FEWEST_BITS, MOST_BITS = 5, 16", LSTM),
    Fault("logits rounded down", "adaptation", "return np.rint(y, out=y)",
          "return np.floor(y, out=y)", LSTM),
    Fault("logits as they come", "adaptation", "own -= own.max(axis=1, keepdims=True)", "pass",
          LSTM),
    Fault("errors not rounded", "adaptation", "np.rint(error, out=error)", "pass", LSTM),
    Fault("errors without the symbols", "adaptation", "error[np.arange(n), symbols] -= 1 <<",
          "error[np.arange(n), symbols] -= 0 <<", LSTM),
    Fault("a slower scale", "adaptation", "SCALE_RATE = 9", "SCALE_RATE = 10", LSTM),
    Fault("rows rounded down", "adaptation", "np.rint(change, out=change)",
          "np.floor(change, out=change)", LSTM),
    Fault("another rate", "adaptation", "// (k + 8)", "// (k + 9)", LSTM),
    Fault("lanes in a context counted once", "adaptation", "counts += together", "counts += 1",
          LSTM),
    Fault("the last lane alone learns", "adaptation", "        if n == 1:\n", "        if n:\n",
          LSTM),
]  # fmt: skip
LIMIT_FAULTS = [
    Fault("logits without a floor", "adaptation", "np.maximum(own, LOWEST, out=own)", "pass", {}),
    Fault("cells reach 2^15", "adaptation", "np.minimum(change, ROW_LIMIT, out=change)", "pass",
          {}),
    Fault("cells reach -2^15", "adaptation", "np.maximum(change, -ROW_LIMIT, out=change)", "pass",
          {}),
    Fault("scales below 0", "adaptation", "min(max(self.scales[k] - step, 0), SCALE_LIMIT)",
          "min(self.scales[k] - step, SCALE_LIMIT)", {}),
    Fault("scales without a limit", "adaptation", "SCALE_LIMIT = 8 <<", "SCALE_LIMIT = 80 <<", {}),
    Fault("rates that stay large", "adaptation", "counts = range(143)", "counts = range(100)", {}),
]  # fmt: skip


def plant(fault: Fault, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all modules of the room use a copy of one, with the fault."""
    original = import_module(ROOM + fault.module)
    source = inspect.getsource(original)
    assert source.count(fault.right) == 1, f"{fault.module} has changed; plant this fault anew"
    file = folder / "planted_module.py"
    file.write_text(source.replace(fault.right, fault.wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted_module", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "planted_module", module)
    spec.loader.exec_module(module)
    names = dict(vars(original))
    for user in modules():
        for name, value in names.items():
            if not name.startswith("__") and vars(user).get(name) is value:
                monkeypatch.setattr(user, name, getattr(module, name))
        if vars(user).get(fault.module) is original:
            monkeypatch.setattr(user, fault.module, module)


def modules() -> list[ModuleType]:
    """Return the room's modules that are imported."""
    return [module for name, module in sys.modules.items() if name.startswith(ROOM)]


def wrong_code(options: dict[str, Any]) -> bool:
    """Return whether a block's code is not the naive one, or does not decode."""
    quantized, ids = quantized_of(**options), text(121)
    network = IntegerNetwork(quantized)
    try:
        content = block.encode_block(network, ids, 4).content
        back = block.decode_block(network, content, len(ids), 4)
    except (CompressionError, IndexError, OverflowError):
        return True
    expected = naive_code(quantized, ids.tolist(), 4).content
    return content != expected or not np.array_equal(back, ids)


@pytest.mark.parametrize("fault", NETWORK_FAULTS, ids=lambda fault: fault.name)
def test_network(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with the naive network sees it, and nothing without it."""
    quantized = quantized_of(**fault.options)
    assert differences(quantized) == []
    plant(fault, tmp_path, monkeypatch)
    assert differences(quantized) != []


@pytest.mark.parametrize("fault", BLOCK_FAULTS + ADAPTATION_FAULTS, ids=lambda fault: fault.name)
def test_block(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with the naive code sees it, and nothing without it."""
    assert not wrong_code(fault.options)
    plant(fault, tmp_path, monkeypatch)
    assert wrong_code(fault.options)


@pytest.mark.parametrize("fault", LIMIT_FAULTS, ids=lambda fault: fault.name)
def test_limits(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with the oracle at the limits sees it, and nothing without it."""
    assert not differs_at_the_limits()
    plant(fault, tmp_path, monkeypatch)
    assert differs_at_the_limits()


@pytest.mark.parametrize("fault", TABLE_FAULTS, ids=lambda fault: fault.name)
def test_tables(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of all entries sees it, and nothing without it."""
    assert not any(map(wrong_entries, TABLES))
    plant(fault, tmp_path, monkeypatch)
    assert any(map(wrong_entries, TABLES))


@pytest.mark.parametrize("fault", NORMALIZATION_FAULTS, ids=lambda fault: fault.name)
def test_normalization(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of many vectors sees it, and nothing without it."""
    assert not any(map(differing_rows, SIZES))
    plant(fault, tmp_path, monkeypatch)
    assert any(map(differing_rows, SIZES))
