"""State dictionaries from elsewhere: what is recognised, and what leaves a doubt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_models import (
    SYMBOLS,
    D,
    H,
    V,
    checkpoint_of,
    logits_of,
    raw_file,
    state_dict,
    tensors_of,
    write_state,
)

import charnn
from charnn.errors import InputError
from charnn.formats.incoming import import_model
from charnn.formats.naming import naming
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.training.checkpoint import Checkpoint

IDS = [3, 0, 6, 6, 1, 4]
State = dict[str, Any]


def logits(model: Checkpoint, ids: list[int]) -> Any:
    """Return an imported model's logits (T, V)."""
    inputs = np.array(ids)[:, None]
    return model.model.logits(inputs, model.model.zero_states(1))[0]


def imported(state: State, folder: Path, kind: str = "F32", vocab: Any = None) -> Checkpoint:
    """Write a state dictionary and import it."""
    path = write_state(folder / "m.safetensors", state, kind)
    return import_model(path, list(SYMBOLS) if vocab is None else vocab)


def refused(state: State, folder: Path, kind: str = "F32", vocab: Any = None) -> str:
    """Return why a state dictionary is refused: one sentence that names the file."""
    with pytest.raises(InputError) as caught:
        imported(state, folder, kind, vocab)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"'{folder / 'm.safetensors'}' cannot be imported: ")
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("embedding", [None, D, H])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_cell(cell: str, embedding: int | None, layers: int, tmp_path: Path) -> None:
    """Cell, layers and embedding follow from the shapes; both biases count."""
    state = state_dict(cell, layers, embedding)
    model = imported(state, tmp_path)
    config = model.config.model
    assert (config.cell, config.num_layers, config.embedding_size) == (cell, layers, embedding)
    assert (config.hidden_size, config.tie_weights) == (H, False)
    assert np.abs(logits(model, IDS) - logits_of(cell, state, IDS)).max() < 1e-5
    assert model.provenance["imported from"] == "m.safetensors (a state dictionary of PyTorch's)"


@pytest.mark.parametrize(("kind", "tolerance"), [("F64", 1e-5), ("F16", 0.05), ("BF16", 0.3)])
def test_other_precisions(kind: str, tolerance: float, tmp_path: Path) -> None:
    """They become float32; what a file holds in fewer bits is not rounded again."""
    state = state_dict()
    model = imported(state, tmp_path, kind)
    assert model.parameters.flat.dtype == np.float32
    exact = state
    if kind == "BF16":
        exact = {
            name: (array.view("<u4") & 0xFFFF0000).view("<f4") for name, array in state.items()
        }
    if kind == "F16":
        exact = {name: array.astype("<f2").astype("<f4") for name, array in state.items()}
    assert np.abs(logits(model, IDS) - logits_of("lstm", exact, IDS)).max() < 1e-5
    assert np.abs(logits(model, IDS) - logits_of("lstm", state, IDS)).max() < tolerance


@pytest.mark.parametrize("embedding", [None, D, H])
def test_symbols_in_any_order(embedding: int | None, tmp_path: Path) -> None:
    """Ids are those of the vocabulary that is given, whatever order charnn gives the symbols."""
    order = [4, 2, 6, 0, 5, 1, 3]
    state = state_dict(embedding=embedding)
    if embedding == H:
        state["decoder.weight"] = state["embedding.weight"].copy()  # tied
    model = imported(state, tmp_path, vocab=[SYMBOLS[n] for n in order])
    assert model.vocabulary.symbols == SYMBOLS
    assert model.config.model.tie_weights == (embedding == H)
    theirs = logits_of("lstm", state, [order.index(n) for n in IDS])
    assert np.abs(logits(model, IDS) - theirs[:, [order.index(n) for n in range(V)]]).max() < 1e-5


def test_the_imported_model_is_used(tmp_path: Path) -> None:
    """It is sampled and scored like any other."""
    model = imported(state_dict("gru"), tmp_path)
    assert len(charnn.sample(model, length=20, seed=1)) == 20
    assert charnn.evaluate(model, "bad bad fed").nats_per_symbol > 0


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.model.core."])
def test_any_prefix(prefix: str, tmp_path: Path) -> None:
    """The layers are found after any prefix, and the rest under any name."""
    names = {"embedding.weight": "wte.table", "decoder.weight": "to.w", "decoder.bias": "to.b"}
    state = state_dict(layers=2)
    plain = imported(state, tmp_path)
    renamed = {
        prefix + names.get(name, name.removeprefix("rnn.")): array for name, array in state.items()
    }
    model = imported(renamed, tmp_path)
    assert model.parameters.flat.tobytes() == plain.parameters.flat.tobytes()


@pytest.mark.parametrize("names", [("lookup.w", "head.weight"), ("a.weight", "b.weight")])
def test_equal_shapes_are_told_apart(names: tuple[str, str], tmp_path: Path) -> None:
    """Of two matrices (V, H), the output is the one with a bias beside it, or by its name."""
    state = state_dict(embedding=H)
    plain = imported(state, tmp_path)
    embedding, output = names
    for first in (True, False):
        renamed = {name: array for name, array in state.items() if name.startswith("rnn.")}
        pair = [(embedding, state["embedding.weight"]), (output, state["decoder.weight"])]
        renamed |= dict(pair if first else pair[::-1])
        renamed |= {output.removesuffix("weight") + "bias": state["decoder.bias"]}
        model = imported(renamed, tmp_path)
        assert model.parameters.flat.tobytes() == plain.parameters.flat.tobytes()


def test_equal_shapes_without_a_bias(tmp_path: Path) -> None:
    """Then names decide; where they say nothing, neither does charnn."""
    state = state_dict(embedding=H)
    del state["decoder.bias"]
    model = imported(state, tmp_path)
    assert not model.parameters["b_y"].any()
    assert np.array_equal(model.parameters["E"], state["embedding.weight"])
    state["one.weight"] = state.pop("embedding.weight")
    state["two.weight"] = state.pop("decoder.weight")
    assert "'one.weight' and 'two.weight'" in refused(state, tmp_path)


def test_missing_biases_are_zeros(tmp_path: Path) -> None:
    """As of `nn.LSTM(bias=False)`."""
    state = {name: array for name, array in state_dict("gru").items() if "bias" not in name}
    model = imported(state, tmp_path)
    zeros = {
        name: state.get(name, np.zeros(array.shape)) for name, array in state_dict("gru").items()
    }
    assert np.abs(logits(model, IDS) - logits_of("gru", zeros, IDS)).max() < 1e-5


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_moved_biases_are_what_charnn_writes(cell: str, tmp_path: Path) -> None:
    """Both ways, nothing is left of a second bias but the GRU's in n."""
    state = state_dict(cell)
    config = imported(state, tmp_path).config.model
    layout = naming(LanguageModel, config, Sizes(V, V))
    assert layout is not None
    moved = layout.bias_moved(state)
    again = layout.exported(layout.imported(moved))
    assert all(np.array_equal(again[name], moved[name]) for name in state)
    assert np.count_nonzero(moved["rnn.bias_hh_l0"]) == (H if cell == "gru" else 0)


def test_tied_weights_saved_once(tmp_path: Path) -> None:
    """One matrix (V, H) is both where the first layer reads H values."""
    state = state_dict(embedding=H)
    state["decoder.weight"] = state["embedding.weight"]
    both = imported(state, tmp_path)
    del state["decoder.weight"]
    once = imported(state, tmp_path)
    assert once.config.model.tie_weights
    assert once.parameters.flat.tobytes() == both.parameters.flat.tobytes()


def without(*names: str) -> Callable[[State], State]:
    """Return the change that takes arrays away."""
    return lambda state: {name: array for name, array in state.items() if name not in names}


def with_more(**arrays: Any) -> Callable[[State], State]:
    """Return the change that adds arrays, or replaces them: `__` stands for a point."""
    return lambda state: (
        state
        | {name.replace("__", "."): np.zeros(shape, np.float32) for name, shape in arrays.items()}
    )


def keras(state: State) -> State:
    """Name the layers as Keras does."""
    return {
        name.replace("rnn.weight_ih_l0", "lstm/kernel").replace(
            "rnn.weight_hh_l0", "lstm/recurrent_kernel"
        ): array
        for name, array in state.items()
        if "rnn.bias" not in name
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("rnn.weight_hh_l0"), "weight_hh_l0 is missing"),
        (without("rnn.weight_ih_l0"), "weight_ih_l0 is missing"),
        (without("decoder.weight"), "not an embedding and an output"),
        (without("embedding.weight"), "not an embedding and an output"),
        (without("embedding.weight", "decoder.weight"), "(none)"),
        (with_more(rnn__weight_ih_l0_reverse=(20, 3)), "reads backwards"),
        (with_more(rnn__weight_hr_l0=(2, 5)), "projections"),
        (with_more(rnn__weight_hh_l0=(10, 5)), "(10, 5), which is none of"),
        (with_more(rnn__weight_hh_l0=(0, 0)), "(0, 0), which is none of"),
        (with_more(rnn__weight_hh_l0=(20,)), "(20,), which is none of"),
        (with_more(rnn__bias_ih_l0=(19,)), "bias_ih_l0 has the shape (19,)"),
        (with_more(rnn__weight_ih_l0=(19, 3)), "weight_ih_l0 has the shape (19, 3)"),
        (with_more(rnn__weight_hh_l2=(20, 5)), "numbers 0, 2"),
        (with_more(rnn__weight_hh_l1=(20, 5)), "weight_ih_l1 is missing"),
        (with_more(rnn__weight_hh_l00=(20, 5)), "weight_hh_l00"),
        (with_more(other__weight_hh_l0=(20, 5)), "several recurrent networks"),
        (with_more(norm__weight=(7,)), "'norm.weight' (7,)"),
        (with_more(attention__weight=(7, 5)), "'attention.weight' (7, 5)"),
        (with_more(h0=(1, 1, 5)), "'h0' (1, 1, 5)"),
        (with_more(steps=()), "'steps' ()"),
        (with_more(decoder__weight=(8, 5)), "has 8 rows, and the vocabulary has 7"),
        (with_more(decoder__weight=(7, 4)), "not an embedding and an output"),
        (keras, "the order of its gates cannot be known"),
        (lambda _: {}, "none at all"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_doubts(change: Callable[[State], State], words: str, tmp_path: Path) -> None:
    """What is missing, too much or of another shape is refused, and named."""
    assert words in refused(change(state_dict()), tmp_path)


def test_one_matrix_that_may_be_two_things(tmp_path: Path) -> None:
    """Where V = H, one matrix may be an output on one-hot input, or tied to an embedding."""
    random = np.random.default_rng(1)
    square = random.standard_normal((5, 5)).astype(np.float32)
    state = {"rnn.weight_ih_l0": square, "rnn.weight_hh_l0": square, "out.weight": square}
    assert "equally wide" in refused(state, tmp_path, vocab=list("abcde"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["rnn.bias_hh_l0", "decoder.weight", "embedding.weight"])
def test_values_that_are_not_finite(value: float, name: str, tmp_path: Path) -> None:
    """NaN and infinity are refused wherever they stand."""
    state = state_dict()
    state[name].flat[1] = value
    assert f"{name} has a value that is not finite" in refused(state, tmp_path)


def test_values_that_become_infinite(tmp_path: Path) -> None:
    """So is what only float64 can hold, and a sum of two biases that is too large."""
    state = state_dict()
    large = {name: array.astype(float) for name, array in state.items()}
    large["decoder.bias"][2] = 1e300
    assert "not finite" in refused(large, tmp_path, "F64")
    state["rnn.bias_ih_l0"][0] = state["rnn.bias_hh_l0"][0] = 3e38
    assert "not finite" in refused(state, tmp_path)


@pytest.mark.parametrize("kind", ["I64", "I8", "BOOL", "F8_E4M3"])
def test_other_types(kind: str, tmp_path: Path) -> None:
    """Whole numbers, truth values and 8-bit numbers are no weights."""
    size = {"I64": 8}.get(kind, 1)
    arrays = tensors_of(state_dict()) | {"decoder.bias": (kind, (V,), bytes(V * size))}
    path = tmp_path / "m.safetensors"
    path.write_bytes(raw_file(arrays))
    with pytest.raises(InputError, match=f"'decoder.bias' has the type {kind}"):
        import_model(path, list(SYMBOLS))


def test_the_vocabulary_must_be_given(tmp_path: Path) -> None:
    """A file from elsewhere does not say what its ids are; one of charnn's does."""
    path = write_state(tmp_path / "m.safetensors", state_dict())
    with pytest.raises(InputError, match="give the vocabulary with --vocab FILE"):
        import_model(path)
    charnn.export(checkpoint_of(), tmp_path / "own.safetensors")
    with pytest.raises(InputError, match="leave --vocab out"):
        import_model(tmp_path / "own.safetensors", list(SYMBOLS))
    with pytest.raises(InputError, match="has 7 rows, and the vocabulary has 6"):
        import_model(path, list(SYMBOLS[1:]))
