"""A negative control: mistakes that one can make in dynamic evaluation, planted one by one."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import pytest
from naive_dynamic import Naive, T, options, small, text

from charnn.models import dynamic_evaluation

LOSS = "loss, final, backward = model.loss(batch, states, buffers=buffers)"
PULL = "np.minimum(r * (self._rates.dynamic_decay / mean), 1)"
FAULTS = {
    "scored after learning": (
        LOSS,
        ("slopes = model.parameters.zeros_like(); model.loss(batch, states)[2](slopes); "
        f"model.parameters.flat[:] -= 0.05 * slopes.flat; {LOSS}"),
    ),
    "no decay": ("pull *= self._pulls[chunk]", "pull *= 0"),
    "decay to zero": ("self._trained[chunk] - p[chunk]", "-p[chunk]"),
    "uphill": ("pull -= g[chunk]", "pull += g[chunk]"),
    "not scaled": ("/ (r + EPSILON * mean)", "/ (0 * r + mean)"),
    "epsilon of one scale": ("EPSILON * mean)", "EPSILON)"),
    "states forgotten": ("states = copied(final)", "states = model.zero_states(1)"),
    "gradients added up": (("gradients.clear()\n                backward(gradients)\n"
                           "                gradients.settle()\n                rule"),
                           "backward(gradients)\n                rule"),
    "decay not scaled": (PULL, "np.full_like(r, self._rates.dynamic_decay)"),
    "pull too far": (PULL, "r * (self._rates.dynamic_decay / mean)"),
}  # fmt: skip


def planted(right: str, wrong: str, folder: Path) -> ModuleType:
    """Return a copy of the module where `wrong` stands in place of `right`."""
    source = inspect.getsource(dynamic_evaluation)
    assert source.count(right) == 1, "the module has changed; plant this fault anew"
    file = folder / "planted.py"
    file.write_text(source.replace(right, wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    """What the naive one agrees with, it does not agree with after one change."""
    right, wrong = FAULTS[fault]
    module = planted(right, wrong, tmp_path)
    model, ids, rates = small(cell="rnn"), text(5 * T), options(decay=0.9)
    squares = dynamic_evaluation.mean_squares(model, text(4 * T, seed=3), T)
    expected = Naive(model, ("rnn", "")).read(ids, rates, squares)
    found = dynamic_evaluation.evaluate_dynamically(model, ids, rates, squares).nats
    assert found == pytest.approx(expected, rel=1e-10)
    assert module.evaluate_dynamically(model, ids, rates, squares).nats != pytest.approx(
        expected, rel=1e-6
    )
