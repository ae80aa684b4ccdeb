"""Scratch memory that outlives a call."""

from __future__ import annotations

import weakref

import numpy as np

from charnn.nn.buffers import Buffers


def test_a_name_keeps_its_memory():
    """Asking again gives the same memory, also in another shape of at most that size."""
    buffers = Buffers()
    first = buffers.array("a", (4, 6), np.float32)
    assert np.shares_memory(first, buffers.array("a", (4, 6), np.float32))
    smaller = buffers.array("a", (3, 5), np.float32)
    assert np.shares_memory(first, smaller)
    assert smaller.shape == (3, 5)
    assert smaller.flags.c_contiguous


def test_a_larger_shape_gets_new_memory():
    """What was handed out before is not touched when a name needs more."""
    buffers = Buffers()
    first = buffers.array("a", (2,), np.float32)
    first[:] = 7
    larger = buffers.array("a", (3,), np.float32)
    assert not np.shares_memory(first, larger)
    larger[:] = 1
    assert first.tolist() == [7, 7]
    assert np.shares_memory(larger, buffers.array("a", (2,), np.float32))


def test_names_and_types_do_not_share():
    """Another name, another type or another object is other memory."""
    buffers = Buffers()
    first = buffers.array("a", (2,), np.float32)
    assert not np.shares_memory(first, buffers.array("b", (2,), np.float32))
    other_type = buffers.array("a", (2,), np.float64)
    assert other_type.dtype == np.float64
    assert not np.shares_memory(first, other_type)
    assert not np.shares_memory(first, Buffers().array("a", (2,), np.float32))


def test_the_same_request_gives_the_same_array():
    """The very object, until its name needs more memory, so that views of it stay good."""
    buffers = Buffers()
    first = buffers.array("a", (2, 3), np.float32)
    buffers.array("b", (9,), np.float32)
    assert buffers.array("a", (2, 3), np.float32) is first
    buffers.array("a", (7,), np.float32)
    moved = buffers.array("a", (2, 3), np.float32)
    assert not np.shares_memory(moved, first)


def test_what_is_made_of_arrays_is_made_once():
    """Other arrays, also equal ones, have it made anew; what was made of the first is kept."""
    buffers, made = Buffers(), []

    def make(*arrays):
        made.append(arrays)
        return len(made)

    one, other = np.zeros(2), np.zeros(2)
    assert [buffers.once("rows", make, *arrays) for arrays in ([one], [one], [other], [one])] == [
        *(1, 1, 2, 1)
    ]
    assert buffers.once("others", make, one) == 3
    assert buffers.once("rows", make, one, other) == 4


def test_what_is_made_of_memory_is_forgotten_when_it_grows():
    """Nothing holds memory that was given up for more of it."""
    buffers = Buffers()
    small = buffers.array("a", (2,), np.float32)
    reference = weakref.ref(small)
    assert buffers.once("twice", lambda array: 2 * len(array), small) == 4
    del small
    large = buffers.array("a", (3,), np.float32)
    assert buffers.once("twice", lambda array: 2 * len(array), large) == 6
    assert reference() is None


def test_a_child_is_a_scope_of_its_own():
    """The same name in another scope is other memory; asked for again, a scope is the same."""
    buffers = Buffers()
    own = buffers.array("a", (2,), np.float32)
    child = buffers.child("layer1").array("a", (2,), np.float32)
    assert not np.shares_memory(own, child)
    assert not np.shares_memory(child, buffers.child("layer2").array("a", (2,), np.float32))
    assert buffers.child("layer1").array("a", (2,), np.float32) is child
