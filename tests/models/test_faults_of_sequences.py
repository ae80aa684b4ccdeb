"""A negative control: mistakes that are made with sequences, planted one by one.

Each replaces one place in a copy of charnn's own source. What passes without it (see
test_sequence_models.py) must fail: the comparison with the oracle, the check of gradients, or the
sum of a batch's shares.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sequence_models import adds_up, agrees, wrong_gradients

BI, ATTENTIVE = {"bidirectional": True}, {"attention": "general"}
TIED = {"embedding_size": 5, "tie_weights": True}


class Fault(NamedTuple):
    """In `module`, `wrong` stands where `right` should; it shows in a task's model."""

    name: str
    module: str
    right: str
    wrong: str
    task: str
    options: dict[str, Any] = {}  # noqa: RUF012


FAULTS_OF_VALUES = [
    Fault(
        f"{task}: a reversal that ignores lengths",
        "charnn.nn.bidirectional",
        "ends = np.full(B, T) if lengths is None else lengths",
        "ends = np.full(B, T)",
        task,
        BI,
    )
    for task in ("classify", "tag", "transduce")
]
FAULTS_OF_VALUES += [
    Fault(
        "classify: the last state taken at T",
        "charnn.models.heads",
        "ends = np.full(B, T - 1) if lengths is None else lengths - 1",
        "ends = np.full(B, T - 1)",
        "classify",
    ),
    Fault(
        "classify: the other direction's state taken at the end",
        "charnn.models.heads",
        "h[ends, rows, :H], h[0, :, H:]",
        "h[ends, rows, :H], h[ends, rows, H:]",
        "classify",
        BI,
    ),
    Fault(
        "transduce: the encoder's state taken at T",
        "charnn.nn.recurrent",
        "[state[lengths, np.arange(len(lengths))] for state in states]",
        "[state[T].copy() for state in states]",
        "transduce",
    ),
    *(
        Fault(
            f"{task}: loss on padding",
            "charnn.models.heads",
            "weights_of_targets = batch.target_weights",
            "weights_of_targets = None",
            task,
        )
        for task in ("tag", "transduce", "generate")
    ),
    Fault(
        "transduce: attention on padding",
        "charnn.models.transducer",
        "allowed = within(len(batch.inputs), batch.lengths)",
        "allowed = None",
        "transduce",
        ATTENTIVE,
    ),
    *(
        Fault(
            f"{task}: {name}",
            "charnn.models.delimiters",
            right,
            wrong,
            task,
        )
        for task in ("transduce", "generate")
        for name, right, wrong in (
            ("no end symbol", "targets[lengths, np.arange(B)] = delimiter", "pass"),
            ("the end at T", "targets[lengths, ", "targets[T, "),
            ("a decoder's input off by one", "inputs[1:] = symbols", "inputs[:-1] = symbols"),
            ("a begin symbol that is a symbol", "1, B), delimiter, np.intp", "1, B), 0, np.intp"),
        )
    ),
    Fault(
        "transduce: the end of a target not scored",
        "charnn.models.transducer",
        "Batch(inputs, targets, lengths + 1)",
        "Batch(inputs, targets, lengths)",
        "transduce",
    ),
    Fault(
        "transduce: a bridge that swaps the directions",
        "charnn.models.transducer",
        "zip(*final[n : n + 2], strict=True)",
        "zip(*final[n : n + 2][::-1], strict=True)",
        "transduce",
        BI,
    ),
    Fault(
        "generate: no label after the first step",
        "charnn.models.inputs",
        "a += share",
        "a[:1] += share",
        "generate",
    ),
    Fault(
        "generate: a label's id among the symbols",
        "charnn.models.labelled_model",
        "labels.astype(np.intp) + self.sizes.outputs + 1",
        "labels.astype(np.intp)",
        "generate",
    ),
    Fault(
        "transduce: tied to the wrong rows",
        "charnn.models.heads",
        'own["E"][: self._outputs.size].T',
        'own["E"][::-1][: self._outputs.size].T',
        "transduce",
        TIED,
    ),
]

FAULTS_OF_GRADIENTS = [
    Fault(
        "transduce: the bridge's gradients swap the directions",
        "charnn.models.transducer",
        "layer * H : (layer + 1) * H",
        "(1 - layer) * H : (2 - layer) * H",
        "transduce",
        BI,
    ),
    Fault(
        "transduce: no gradient through the bridge",
        "charnn.models.transducer",
        'gradients.group("encoder"), d_final)',
        'gradients.group("encoder"), None)',
        "transduce",
    ),
    Fault(
        "transduce: no gradient from the attention to the encoder",
        "charnn.models.transducer",
        "return d_keys, backward_decoder",
        "return 0 * d_keys, backward_decoder",
        "transduce",
        ATTENTIVE,
    ),
    Fault(
        "transduce: no gradient from the scores to the decoder",
        "charnn.models.transducer",
        "backward_decoder(dh + d_queries, ",
        "backward_decoder(dh, ",
        "transduce",
        ATTENTIVE,
    ),
    Fault(
        "transduce: no gradient of the output's use of the embedding",
        "charnn.models.heads",
        "out[: self._outputs.size] = own.T",
        "out[: self._outputs.size] = 0",
        "transduce",
        TIED,
    ),
    Fault(
        "transduce: no gradient of the input's use of the embedding",
        "charnn.models.inputs",
        "backward_embed(backward_project(da, layer), own)",
        "backward_project(da, layer)",
        "transduce",
        TIED,
    ),
    Fault(
        "generate: the label's gradient of the first step alone",
        "charnn.models.inputs",
        "da.sum(axis=1, keepdims=True)",
        "da[:, :1].copy()",
        "generate",
    ),
    Fault(
        "classify: the gradient enters at T",
        "charnn.models.heads",
        "dh[ends, rows, :H] = d_summary",
        "dh[T - 1, rows, :H] = d_summary",
        "classify",
    ),
    Fault(
        "tag: a gradient of the padding",
        "charnn.models.heads",
        "scale if by_target is None else scale * by_target",
        "np.full(len(logits), scale)",
        "tag",
    ),
    Fault(
        "tag: a direction's gradient not turned",
        "charnn.models.layer",
        "da, d_initial = backward_unroll(self._in_order(dh, lengths), own, d_final)",
        "da, d_initial = backward_unroll(dh.copy(), own, d_final)",
        "tag",
        BI,
    ),
]

FAULTS_OF_SHARES = [
    Fault(
        f"{task}: a normaliser by shard",
        f"charnn.models.{module}",
        "whole = own_weight if weight is None else weight",
        "whole = own_weight",
        task,
    )
    for task, module in (
        ("classify", "model"),
        ("tag", "model"),
        ("generate", "model"),
        ("transduce", "transducer"),
    )
]


@pytest.fixture
def plant(request: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fault:
    """Put a copy of a module with one place changed where charnn uses it."""
    fault = request.param
    original = import_module(fault.module)
    source = inspect.getsource(original)
    assert source.count(fault.right) == 1, f"{fault.module} has changed; plant this fault anew"
    file = tmp_path / "planted.py"
    file.write_text(source.replace(fault.right, fault.wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", file)
    planted = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "planted", planted)
    spec.loader.exec_module(planted)
    users = [m for name, m in sys.modules.items() if name.split(".")[0] == "charnn"]
    for name, thing in list(vars(original).items()):
        if getattr(thing, "__module__", None) != fault.module:
            continue
        if inspect.isclass(thing):  # in its place, so that what is derived from it has it, too
            for method, function in vars(vars(planted)[name]).items():
                if inspect.isfunction(function) and not method.startswith("__"):
                    monkeypatch.setattr(thing, method, function)
            continue
        for user in users:
            if vars(user).get(name) is thing:
                monkeypatch.setattr(user, name, vars(planted)[name])
    return fault


def names(fault: Fault) -> str:
    """Return a fault's name, as an id."""
    return fault.name


@pytest.mark.parametrize("plant", FAULTS_OF_VALUES, indirect=True, ids=names)
def test_a_wrong_value_is_caught(plant: Fault) -> None:
    """The loss is no longer the oracle's."""
    assert not agrees(plant.task, **plant.options)


@pytest.mark.parametrize("plant", FAULTS_OF_GRADIENTS, indirect=True, ids=names)
def test_a_wrong_gradient_is_caught(plant: Fault) -> None:
    """The loss is right, and the check of gradients reports the fault."""
    assert agrees(plant.task, **plant.options)
    assert wrong_gradients(plant.task, directional=True, **plant.options)


@pytest.mark.parametrize("plant", FAULTS_OF_SHARES, indirect=True, ids=names)
def test_a_wrong_share_is_caught(plant: Fault) -> None:
    """Shares that are divided by their own weights do not add up to the whole."""
    assert agrees(plant.task, **plant.options)
    assert not adds_up(plant.task, **plant.options)
