"""One flat vector with a named view for each array."""

from __future__ import annotations

import re

import numpy as np
import pytest

from charnn.nn.initializers import ones, zeros
from charnn.nn.parameters import (
    Axis,
    Gradients,
    Parameters,
    ParameterSpec,
    Redirected,
    count,
    decaying,
    formula,
    shapes_of,
)

SHAPES = {"layer1/W": (2, 3), "layer1/b": (3,), "layer10/W": (4,), "b_y": (1, 1)}


def test_views_lie_in_order_in_the_vector():
    """The arrays follow each other in `flat` as they do in the table of shapes."""
    parameters = Parameters(SHAPES, flat=np.arange(14.0))
    assert list(parameters) == list(SHAPES)
    assert {name: view.shape for name, view in parameters.items()} == SHAPES
    assert np.concatenate([view.ravel() for view in parameters.values()]).tolist() == [*range(14)]


def test_views_share_the_vector():
    """What is written to a view is in `flat`, and the other way round."""
    parameters = Parameters(SHAPES)
    parameters["layer1/b"][1] = 5
    assert parameters.flat[7] == 5
    parameters.flat[:] = 2
    assert all((view == 2).all() for view in parameters.values())


def test_fresh_parameters_are_zeros_in_float32():
    """Without a vector, the arrays are zeros of the type asked for, float32 if none is."""
    assert Parameters(SHAPES).flat.dtype == np.float32
    assert Parameters(SHAPES, np.float64).flat.dtype == np.float64
    assert not Parameters(SHAPES).flat.any()


@pytest.mark.parametrize("shape", [(13,), (15,), (2, 7)])
def test_vector_of_another_size_is_refused(shape):
    """A vector that the shapes do not fill exactly is an error that names both sizes."""
    with pytest.raises(ValueError, match=r"but the shapes need \(14,\)"):
        Parameters(SHAPES, flat=np.zeros(shape))


def test_group_takes_one_layer_without_its_prefix():
    """`group` returns views, and does not take layer10 for layer1."""
    parameters = Parameters(SHAPES)
    group = parameters.group("layer1")
    assert list(group) == ["W", "b"]
    group["W"][0, 0] = 1
    assert parameters.flat[0] == 1
    assert parameters.group("layer2") == {}


def test_zeros_like_has_the_layout_and_its_own_memory():
    """The place for gradients has the same names and type, and is another vector."""
    parameters = Parameters(SHAPES, flat=np.ones(14))
    zeros = parameters.zeros_like()
    assert zeros.shapes == parameters.shapes
    assert zeros.flat.dtype == np.float64
    zeros.flat += 1
    assert zeros.flat.tolist() == parameters.flat.tolist()
    assert not np.shares_memory(zeros.flat, parameters.flat)


def test_astype_copies():
    """A copy in another type has equal values, and its views read its own vector."""
    parameters = Parameters(SHAPES, flat=np.arange(14.0))
    copy = parameters.astype(np.float32)
    assert copy.flat.dtype == np.float32
    assert copy["b_y"].dtype == np.float32
    copy.flat[:] = 0
    assert parameters["b_y"] == 13


def test_count_is_the_size():
    """`count` adds up the shapes without allocating."""
    assert count(SHAPES) == Parameters(SHAPES).flat.size == 14
    assert count({}) == 0


G, H, V = Axis("G", 4), Axis("H", 3), Axis("V", 5)
SPECS = {
    "W_xh": ParameterSpec((G, V, H), ones, "from the input"),
    "W_hh": ParameterSpec((G, H, H), ones, "from the state before"),
    "b_h": ParameterSpec((G, H), zeros, "bias", decays=False),
    "b_hn": ParameterSpec((H,), zeros, "another bias", decays=False),
}


def test_a_spec_knows_its_shape_and_its_symbols():
    """The shape are the axes' sizes; the axis of the symbols is the one called V."""
    assert SPECS["W_xh"].shape == (4, 5, 3)
    assert [spec.symbol_axis for spec in SPECS.values()] == [1, None, None, None]


def test_parameters_start_as_their_specs_say():
    """Each array is filled by its own start, in the order of the specs, from one generator."""
    drawn = []

    def start(out, random):
        out[...] = random.integers(100)
        drawn.append(out.flat[0])

    specs = {name: ParameterSpec((H,), start, "") for name in "ba"}
    parameters = Parameters.started(specs, np.random.default_rng(1), np.float64)
    assert [parameters[name][0] for name in "ba"] == drawn
    assert drawn == list(np.random.default_rng(1).integers(100, size=2))


def test_decaying_is_one_where_weight_decay_applies():
    """The vector lies like the parameters: 1 for weights, 0 for biases and gains."""
    assert decaying(SPECS).tolist() == [1] * (60 + 36) + [0] * (12 + 3)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (SPECS, "4(H^2 + H V + H) + H"),
        ({"W": SPECS["W_hh"], "U": SPECS["W_hh"], "b": SPECS["b_h"]}, "4(2 H^2 + H)"),
        (
            {"W_hy": ParameterSpec((H, V), ones, ""), "b_y": ParameterSpec((V,), zeros, "")},
            "H V + V",
        ),
        ({"E": ParameterSpec((V, Axis("D", 2)), ones, "")}, "V D"),
        ({"W": ParameterSpec((Axis("G", 1), H, H), ones, "")}, "(H^2)"),
    ],
    ids=["with a bias beside", "squares counted", "a head", "an embedding", "one gate"],
)
def test_formula(specs, expected):
    """What is there for each gate stands in brackets, squares first."""
    assert formula(specs) == expected


def test_formula_counts_every_parameter(cell):
    """Evaluated, each cell's formula gives the number of its parameters."""
    specs = cell.parameters(V, 3)
    text = re.sub(r"(?<=[\dHVD)]) (?=[HVD(])|(?<=\d)(?=\()", "*", formula(specs).replace("^", "**"))
    assert re.fullmatch(r"[\dHVD()+* ]+", text)
    assert eval(text, {"H": 3, "V": 5}) == count(shapes_of(specs))  # noqa: S307


class TestGradients:
    """Sums of gradients: added, begun anew, and zero where nothing was added."""

    def test_additions_add_up(self):
        """Gradients are added to what the arrays hold."""
        gradients = Gradients({"W": np.full(2, 1.0)})
        for value in (2.0, 4.0):
            gradients.add("W", lambda out, value=value: np.copyto(out, value))
        assert gradients.arrays["W"].tolist() == [7, 7]

    def test_the_first_addition_after_clearing_replaces(self):
        """After `clear` sums begin at zero, whatever was there, and the next addition adds."""
        gradients = Gradients({"W": np.full(2, np.nan)})
        gradients.clear()
        gradients.add("W", lambda out: np.copyto(out, 2.0))
        gradients.add("W", lambda out: np.copyto(out, 3.0))
        assert gradients.arrays["W"].tolist() == [5, 5]

    def test_what_was_not_added_to_is_zero_when_settled(self):
        """`settle` zeroes the arrays without an addition, and no others."""
        gradients = Gradients({"W": np.full(2, 9.0), "b": np.full(2, 9.0)})
        gradients.clear()
        gradients.add("b", lambda out: np.copyto(out, 3.0))
        gradients.settle()
        assert {name: array.tolist() for name, array in gradients.arrays.items()} == {
            "W": [0, 0],
            "b": [3, 3],
        }

    def test_a_group_adds_under_its_prefix(self):
        """A layer adds by its own names, and groups share what was cleared."""
        arrays = {"layer1/W": np.ones(1), "layer2/W": np.ones(1)}
        gradients = Gradients(arrays)
        gradients.clear()
        gradients.group("layer2").add("W", lambda out: np.copyto(out, 5.0))
        gradients.group("layer2").add("W", lambda out: np.copyto(out, 1.0))
        gradients.settle()
        assert [array.tolist() for array in arrays.values()] == [[0], [6]]


class TestRedirected:
    """Gradients that are added to another array, or changed on the way."""

    @staticmethod
    def transposed(write, out):
        """Fill `out` (3, 2) with what is written to (2, 3)."""
        own = np.full((2, 3), np.nan)
        write(own)
        out[...] = own.T

    def test_what_is_routed_is_added_elsewhere(self):
        """It is changed and added to what its target holds; other names go their own way."""
        arrays = {"W": np.full((2, 3), 9.0), "E": np.ones((3, 2)), "b": np.zeros(2)}
        gradients = Redirected(Gradients(arrays), {"W": ("E", self.transposed)})
        own = np.arange(6.0).reshape(2, 3)
        for _ in range(2):
            gradients.add("W", lambda out: np.copyto(out, own))
        gradients.add("b", lambda out: np.copyto(out, 4.0))
        assert np.array_equal(arrays["E"], 1 + 2 * own.T)
        assert (arrays["W"] == 9).all()
        assert arrays["b"].tolist() == [4, 4]

    def test_both_uses_of_an_array_add_up_after_clearing(self):
        """Whichever of both comes first writes, and the other one adds."""
        own = np.arange(6.0).reshape(2, 3)
        for order in ([0, 1], [1, 0]):
            sums = Gradients({"E": np.full((3, 2), np.nan)})
            routed = Redirected(sums, {"W": ("E", self.transposed)})
            uses = (
                lambda routed=routed: routed.add("W", lambda out: np.copyto(out, own)),
                lambda sums=sums: sums.add("E", lambda out: np.copyto(out, 10.0)),
            )
            sums.clear()
            for use in order:
                uses[use]()
            sums.settle()
            assert np.array_equal(sums.arrays["E"], 10 + own.T)

    def test_the_original_goes_on_as_it_was(self):
        """Routes are those of the copy alone."""
        arrays = {"W": np.zeros((2, 3)), "E": np.zeros((3, 2))}
        sums = Gradients(arrays)
        Redirected(sums, {"W": ("E", self.transposed)})
        sums.add("W", lambda out: np.copyto(out, 1.0))
        assert arrays["W"].all()
        assert not arrays["E"].any()

    def test_a_group_is_redirected_within_itself(self):
        """Both names of a route are a group's own, and what was cleared is shared."""
        arrays = {f"{part}/{name}": np.ones(2) for part in "ab" for name in "WE"}
        sums = Gradients(arrays)
        sums.clear()

        def doubled(write, out):
            write(out)
            out *= 2

        routed = Redirected(sums.group("b"), {"W": ("E", doubled)})
        routed.add("W", lambda out: np.copyto(out, 3.0))
        sums.settle()
        assert {name: array[0] for name, array in arrays.items()} == {
            "a/W": 0,
            "a/E": 0,
            "b/W": 0,
            "b/E": 6,
        }
