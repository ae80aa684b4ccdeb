"""A negative control: mistakes that are made in backpropagation, planted one by one.

Each replaces one place in a copy of charnn's own source. The check of gradients, which passes
without it (see test_gradients.py), must report it, and in the array named `shows_in`.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from importlib import import_module
from typing import NamedTuple

import pytest
from subjects import Layer, Model, failing

from charnn.config import ModelConfig
from charnn.registry import CELLS


class Fault(NamedTuple):
    """In `module`, `wrong` stands where `right` should; `kind` is the cell that is checked.

    `drop` is the kind of recurrent dropout that is on, if any.
    """

    name: str
    module: str
    right: str
    wrong: str
    shows_in: str
    kind: tuple[str, str] = ("lstm", "")
    drop: str = ""


RNN, LSTM, BEFORE, AFTER = ("rnn", ""), ("lstm", ""), ("gru", "before"), ("gru", "after")
MINGRU, PEEPHOLE, NORMED = ("mingru", ""), ("peephole-lstm", ""), ("layernorm-lstm", "")
NORMED_GRU, NORMED_RNN = ("layernorm-gru", ""), ("layernorm-rnn", "")

LAYER_FAULTS = [
    Fault(
        "RNN: tanh' dropped",
        "charnn.nn.kernels.rnn",
        "tanh_derivative(h, out=da[0])",
        "da[0] = 1",
        "W_xh",
        RNN,
    ),
    Fault(
        "RNN: tanh' without the square",
        "charnn.nn.kernels.rnn",
        "tanh_derivative(h, out=da[0])",
        "da[0] = 1 - h",
        "W_xh",
        RNN,
    ),
    Fault(
        "RNN: tanh' of h_prev",
        "charnn.nn.kernels.rnn",
        "(h,) = states\n        tanh_derivative",
        "(h,) = previous\n        tanh_derivative",
        "x",
        RNN,
    ),
    Fault(
        "RNN: recurrent term missing",
        "charnn.nn.kernels.rnn",
        "return (W.product_transposed(d_gates),)",
        "return (np.zeros_like(dh),)",
        "initial h",
        RNN,
    ),
    Fault(
        "LSTM: dc not carried",
        "charnn.nn.kernels.lstm",
        "dc += dc_dh",
        "dc[:] = dc_dh",
        "initial c",
    ),
    Fault("LSTM: dc_prev without f", "charnn.nn.kernels.lstm", "dc *= f", "pass", "initial c"),
    Fault(
        "LSTM: tanh'(c) dropped",
        "charnn.nn.kernels.lstm",
        "tanh_derivative(tanh_c, out=dc_dh)",
        "dc_dh[:] = 1",
        "W_hh",
    ),
    Fault(
        "LSTM: tanh' of c in place of tanh c",
        "charnn.nn.kernels.lstm",
        "tanh_derivative(tanh_c, out=dc_dh)",
        "tanh_derivative(states[1], out=dc_dh)",
        "W_hh",
    ),
    Fault(
        "LSTM: da_f from c in place of c_prev",
        "charnn.nn.kernels.lstm",
        "da[1] *= c_prev",
        "da[1] *= states[1]",
        "b_h",
    ),
    Fault(
        "LSTM: i and g swapped",
        "charnn.nn.kernels.lstm",
        "da[3] *= i",
        "da[3] *= g",
        "W_xh",
    ),
    Fault(
        "LSTM: sigma' of the output gate missing",
        "charnn.nn.kernels.lstm",
        "da[2] *= tanh_c",
        "da[2] = tanh_c",
        "W_hh",
    ),
    Fault(
        "LSTM: tanh' of g missing",
        "charnn.nn.kernels.lstm",
        "candidate_derivative(g, memory[1:], out=da[3])",
        "da[3] = 1",
        "W_xh",
    ),
    Fault("LSTM: da_o from dc", "charnn.nn.kernels.lstm", "d_o *= dh", "d_o *= dc", "W_xh"),
    Fault(
        "GRU: (1 - z) missing",
        "charnn.nn.kernels.gru",
        "np.subtract(1, z, out=keep)",
        "keep[:] = 1",
        "x",
        AFTER,
    ),
    Fault(
        "GRU: direct path to h_prev missing",
        "charnn.nn.kernels.gru",
        "dh *= keep\n        dq",
        "dh *= 0\n        dq",
        "initial h",
        BEFORE,
    ),
    Fault(
        "GRU: d(r h_prev) without r",
        "charnn.nn.kernels.gru",
        "np.multiply(dq, r, out=dq)",
        "dq",
        "initial h",
        BEFORE,
    ),
    Fault(
        "GRU: W_hn's gradient from h_prev in place of r h_prev",
        "charnn.nn.kernels.gru",
        "outer_products(reset_h, da[N], ",
        "outer_products(h_prev, da[N], ",
        "W_hh",
        BEFORE,
    ),
    Fault(
        "GRU: da_z without h_prev",
        "charnn.nn.kernels.gru",
        "da[1] *= n - h_prev",
        "da[1] *= n",
        "b_h",
        BEFORE,
    ),
    Fault(
        "GRU: tanh' of n missing",
        "charnn.nn.kernels.gru",
        "candidate_derivative(n, mask, out=da[2])",
        "da[2] = 1",
        "x",
        BEFORE,
    ),
    Fault(
        "GRU, reset after: da_r from h_prev in place of m",
        "charnn.nn.kernels.gru",
        "da[0] *= m",
        "da[0] *= h_prev",
        "W_xh",
        AFTER,
    ),
    Fault(
        "GRU, reset after: W_hn's gradient from da_n in place of dm",
        "charnn.nn.kernels.gru",
        "outer_products(h_prev, dm[None], ",
        "outer_products(h_prev, da[N], ",
        "W_hh",
        AFTER,
    ),
    Fault(
        "GRU, reset after: b_hn's gradient from da_n in place of dm",
        "charnn.nn.kernels.gru",
        "np.sum(dm, ",
        "np.sum(da[2], ",
        "b_hn",
        AFTER,
    ),
    Fault(
        "GRU, reset after: dm not passed back through W_hn",
        "charnn.nn.kernels.gru",
        "dh += W.product_transposed(dm[None], N)",
        "pass",
        "initial h",
        AFTER,
    ),
    Fault(
        "minGRU: da_z without h_prev",
        "charnn.nn.min_gru",
        "dh * (d - h_prev) * z",
        "dh * d * z",
        "b_h",
        MINGRU,
    ),
    Fault(
        "peepholes: no way back through the output gate's",
        "charnn.nn.peephole_lstm",
        " + da_o * p_o",
        "",
        "initial c",
        PEEPHOLE,
    ),
    Fault(
        "peepholes: the output gate's gradient from c_prev",
        "charnn.nn.peephole_lstm",
        '"p_o", (da_o * c)',
        '"p_o", (da_o * c_prev)',
        "p_o",
        PEEPHOLE,
    ),
    Fault(
        "peepholes: not summed over the batch",
        "charnn.nn.peephole_lstm",
        "(da_f * c_prev).sum(axis=0)",
        "(da_f * c_prev)[0]",
        "p_f",
        PEEPHOLE,
    ),
    Fault(
        "layer norm: the mean's gradient missing",
        "charnn.nn.normalization",
        "d_out - mean(d_out)",
        "d_out.copy()",
        "x",
        NORMED,
    ),
    Fault(
        "layer norm: the variance's gradient missing",
        "charnn.nn.normalization",
        "dv -= np.multiply(out, mean(along), out=along)",
        "pass",
        "W_hh",
        NORMED,
    ),
    Fault(
        "layer norm: gain_h's gradient from the input's share",
        "charnn.nn.layer_norm_lstm",
        "(da * u_norm)",
        "(da * x_norm)",
        "gain_h",
        NORMED,
    ),
    Fault(
        "layer norm, GRU: the candidate's recurrent share has da_n in place of dm",
        "charnn.nn.layer_norm_gru",
        "du = np.stack([da_r, da_z, dm])",
        "du = np.stack([da_r, da_z, da_n])",
        "W_hh",
        NORMED_GRU,
    ),
    Fault(
        "layer norm, GRU: da_r from the product without its bias",
        "charnn.nn.layer_norm_gru",
        "da_n * m * r * (1 - r)",
        "da_n * u_share[2] * r * (1 - r)",
        "b",
        NORMED_GRU,
    ),
    Fault(
        "layer norm, GRU: the input's share passed back through the recurrent one's LN",
        "charnn.nn.layer_norm_gru",
        "backward_x_norm(da * gain_x)",
        "backward_u_norm(da * gain_x)",
        "x",
        NORMED_GRU,
    ),
    Fault(
        "layer norm, RNN: the gain's gradient from what was not normalised",
        "charnn.nn.layer_norm_rnn",
        "(da * normed)",
        "(da * (a + u))",
        "gain",
        NORMED_RNN,
    ),
    Fault(
        "layer norm, RNN: not passed back through LN",
        "charnn.nn.layer_norm_rnn",
        "du = backward_norm(da * gain)",
        "du = da * gain",
        "initial h",
        NORMED_RNN,
    ),
    Fault(
        "readable steps: only the last step's gradient of a weight",
        "charnn.nn.kernels.readable",
        "gradient if total is None else total + gradient",
        "gradient",
        "p_i",
        PEEPHOLE,
    ),
    Fault(
        "readable steps: the products' gradient from h of the next step",
        "charnn.nn.kernels.readable",
        "np.stack([h for h, _ in pairs])",
        "np.stack([h for h, _ in [pairs[-1], *pairs[:-1]]])",
        "W_hh",
        PEEPHOLE,
    ),
    Fault(
        "time: dh not carried",
        "charnn.nn.recurrent",
        "d_h += dh[t]",
        "d_h[:] = dh[t]",
        "W_xh",
    ),
    Fault("time: dh off by one", "charnn.nn.recurrent", "d_h += dh[t]", "d_h += dh[t - 1]", "x"),
    Fault(
        "time: run forwards",
        "charnn.nn.recurrent",
        "in reversed(range(start, end))",
        "in range(start, end)",
        "x",
    ),
    Fault(
        "time: final states' gradient ignored",
        "charnn.nn.recurrent",
        "return {T: [(slice(None), d) for d in d_final]}",
        "return {}",
        "initial c",
    ),
    Fault(
        "time: W_hh's gradient from h in place of h_prev",
        "charnn.nn.recurrent",
        "states[0][:T]",
        "states[0][1:]",
        "W_hh",
    ),
    Fault(
        "input: bias not summed over time",
        "charnn.nn.layers",
        "np.matmul(np.ones(T * B, da.dtype), rows, ",
        "np.sum(da[:, -1], axis=1, ",
        "b_h",
    ),
    Fault(
        "weights: W_hh not transposed",
        "charnn.nn.kernels.kernel",
        '["W_hh"].swapaxes(1, 2)',
        '["W_hh"]',
        "x",
    ),
    Fault(
        "weights: only one gate's recurrent term",
        "charnn.nn.kernels.kernel",
        "np.add.reduce(out, axis=0, out=total)",
        "out[0]",
        "initial h",
    ),
    Fault(
        "input: dx from the last gate only", "charnn.nn.layers", "dx += share", "dx[:] = share", "x"
    ),
]

DROPOUT_FAULTS = [
    Fault(
        "state: mask missing in the weights' gradient",
        "charnn.nn.kernels.kernel",
        "        outer_products(h, da, out=out)",
        "        outer_products(h / np.where(self._mask, self._mask, 1), da, out=out)",
        "W_hh",
        drop="state",
    ),
    Fault(
        "state: mask missing in the weights' gradient of a readable step",
        "charnn.nn.kernels.readable",
        "self.outer_products(h, du, ",
        "np.matmul(h.reshape(-1, h.shape[2]).T, du.reshape(len(du), -1, h.shape[2]), ",
        "W_hh",
        PEEPHOLE,
        drop="state",
    ),
    Fault(
        "state: mask missing in the transposed product",
        "charnn.nn.kernels.kernel",
        "np.multiply(out, mask, out)",
        "pass",
        "initial h",
        drop="state",
    ),
    Fault(
        "state: another mask in the transposed product",
        "charnn.nn.kernels.kernel",
        "np.multiply(out, mask, out)",
        "np.multiply(out, np.roll(mask, 1), out)",
        "initial h",
        AFTER,
        drop="state",
    ),
    Fault(
        "state: the direct path to h_prev masked",
        "charnn.nn.kernels.gru",
        "dh *= keep\n        dq",
        "dh *= keep * (W._mask > 0)\n        dq",
        "initial h",
        BEFORE,
        drop="state",
    ),
    Fault(
        "update: the candidate's derivative not masked",
        "charnn.nn.kernels.kernel",
        "np.subtract(mask, out, out=out)",
        "np.subtract(1, out, out=out)",
        "W_xh",
        drop="update",
    ),
    Fault(
        "update: the derivative from the scaled candidate",
        "charnn.nn.kernels.kernel",
        "out /= mask.max() or 1",
        "out *= mask.max() > 0",
        "b_h",
        BEFORE,
        drop="update",
    ),
    Fault(
        "update: the mask of another step",
        "charnn.nn.kernels.kernel",
        "(mask,) = masks",
        "(mask,) = [masks[0][::-1]]",
        "x",
        AFTER,
        drop="update",
    ),
    Fault(
        "update: mask missing in a readable step's gradient",
        "charnn.nn.kernels.readable",
        "lambda d_dropped: d_dropped * mask",
        "lambda d_dropped: d_dropped",
        "x",
        MINGRU,
        drop="update",
    ),
    Fault(
        "update: another mask in a readable step's gradient",
        "charnn.nn.kernels.readable",
        "lambda d_dropped: d_dropped * mask",
        "lambda d_dropped: d_dropped * np.roll(mask, 1)",
        "b",
        NORMED_GRU,
        drop="update",
    ),
    Fault(
        "update: the input gate's gradient from what was not masked",
        "charnn.nn.peephole_lstm",
        "da_i = dc * d * i",
        "da_i = dc * g * i",
        "p_i",
        PEEPHOLE,
        drop="update",
    ),
]

MODEL_FAULTS = [
    Fault(
        "dropout: no mask",
        "charnn.nn.layers",
        "np.multiply(d_out, mask, out=mask)",
        "d_out",
        "layer1/W_xh",
    ),
    Fault(
        "dropout: 1 / (1 - rate) forgotten",
        "charnn.nn.layers",
        "np.multiply(d_out, mask, out=mask)",
        "d_out * (mask > 0)",
        "layer2/W_xh",
    ),
    Fault(
        "dropout: no mask under the output layer",
        "charnn.models.stack",
        "if backward_dropout is not None:",
        "if backward_dropout is not None and backward_layers is not backwards[-1][0]:",
        "layer2/W_hh",
    ),
    Fault(
        "softmax: wrong sign of the one-hot target",
        "charnn.nn.losses",
        "d_logits[rows, targets] -= scale",
        "d_logits[rows, targets] += scale",
        "b_y",
    ),
    Fault("softmax: not normalised", "charnn.nn.losses", "by_row / total", "by_row", "W_hy"),
    Fault(
        "loss: sum in place of mean",
        "charnn.models.model",
        "backward_head(1 / whole, sums)",
        "backward_head(1.0, sums)",
        "W_hy",
    ),
    Fault(
        "output: bias not summed",
        "charnn.nn.layers",
        "np.sum(dy, axis=0, out=out)",
        "np.copyto(out, dy[0])",
        "b_y",
    ),
    Fault(
        "embedding: a repeated symbol overwrites",
        "charnn.nn.layers",
        "sums_by_symbol(ids, rows, out=out[None])",
        "out.__setitem__(ids, dx)",
        "E",
    ),
    Fault(
        "layers: initial states' gradients in reverse order",
        "charnn.models.stack",
        "d_initial[::-1]",
        "d_initial",
        "initial layer1/h",
    ),
    Fault(
        "layers: a layer's gradient not passed down",
        "charnn.models.stack",
        "dh = below[0] if len(below) == 1 else below[0] + below[1]",
        "pass",
        "layer1/W_hh",
    ),
]


@pytest.fixture
def plant(request, monkeypatch, tmp_path):
    """Put a copy of a module with one place changed where charnn and the checks use it."""
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
    own = {
        name: thing
        for name, thing in vars(original).items()
        if getattr(thing, "__module__", None) == fault.module
    }
    users = [m for name, m in sys.modules.items() if name.split(".")[0] in ("charnn", "subjects")]
    for user in users:
        for name, thing in own.items():
            if vars(user).get(name) is thing:
                monkeypatch.setattr(user, name, vars(planted)[name])
    for name, thing in own.items():
        if isinstance(thing, type) and thing.__subclasses__():  # they inherit from the original
            for method, function in vars(vars(planted)[name]).items():
                special = method.startswith("__") or not inspect.isfunction(function)
                if not special and "__class__" not in function.__code__.co_freevars:
                    monkeypatch.setattr(thing, method, function)
    for form in (form for cell in CELLS.values() for form in cell.forms().values()):
        kernel = type(form.kernel).__name__
        if kernel in own:
            monkeypatch.setattr(type(form), "kernel", vars(planted)[kernel]())
    return fault


def layer(kind, drop=""):
    """Return the layer on which faults of time and cells are looked for."""
    name, form = kind
    return Layer.random(CELLS[name].forms()[form], T=3, B=2, D=3, H=4, drop=drop)


def model(kind):
    """Return the model on which faults of the other layers are looked for."""
    name, form = kind
    assert form == ""
    config = ModelConfig(cell=name, hidden_size=3, num_layers=2, dropout=0.4, embedding_size=2)
    return Model.random(config)


@pytest.mark.parametrize("kind", sorted({fault.kind for fault in LAYER_FAULTS}), ids="-".join)
def test_layer_without_fault(kind):
    """Nothing is reported on the layers that are checked below as they are."""
    assert failing(layer(kind).comparisons()) == set()


def test_model_without_fault():
    """Nothing is reported on the model that is checked below as it is."""
    assert failing(model(LSTM).comparisons()) == set()


@pytest.mark.parametrize("plant", LAYER_FAULTS, indirect=True, ids=lambda fault: fault.name)
def test_fault_in_a_layer_is_caught(plant):
    """The check of a recurrent layer's gradients reports the planted fault."""
    assert plant.shows_in in failing(layer(plant.kind).comparisons())


@pytest.mark.parametrize("plant", DROPOUT_FAULTS, indirect=True, ids=lambda fault: fault.name)
def test_fault_in_recurrent_dropout_is_caught(plant):
    """The check of a layer with recurrent dropout reports the planted fault."""
    assert plant.shows_in in failing(layer(plant.kind, plant.drop).comparisons())


@pytest.mark.parametrize("plant", MODEL_FAULTS, indirect=True, ids=lambda fault: fault.name)
def test_fault_in_a_model_is_caught(plant):
    """The check of a whole model's gradients reports the planted fault."""
    assert plant.shows_in in failing(model(plant.kind).comparisons())
