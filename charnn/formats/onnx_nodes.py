"""A graph of ONNX while it is drawn: its nodes, constants, inputs and outputs; no meaning yet.

Values have names, and what `Graph.add` returns is the name of a node's output. All constants are in
the outer graph; the body of a loop sees them there, and has none of its own.

This is the only module that imports `onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from charnn.arrays import Array
from charnn.errors import InputError
from charnn.version import __version__

OPSET, IR_VERSION = 17, 8  # of ONNX 1.12 (2022), which today's runtimes all read
LARGEST_FILE = 2**31 - 1  # bytes: a limit of protobuf, which the format is written in
NODE = 10_000  # bytes, more than the names and shapes of a node take
Dimensions: TypeAlias = "Sequence[int | str]"  # a string names a dimension that is free


def load_onnx() -> Any:
    """Import ONNX. Raises InputError where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise InputError(
            "an ONNX file cannot be written, because the library onnx is not installed; install it "
            'with `pip install "charnn[onnx]"`.'
        ) from error
    return onnx


@dataclass
class Graph:
    """A graph as it grows; `scope` is what the names of its inner values begin with."""

    scope: str = ""
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    def add(
        self, operator: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any
    ) -> str:
        """Add a node; return the name of its first output. An input "" is left out."""
        outputs = outputs or [f"{self.scope}{operator}_{len(self.nodes) + 1}"]
        self.nodes.append(load_onnx().helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]

    def constant(self, name: str, array: Array) -> str:
        """Add an array under a name; return the name. One that is there already is not added."""
        self.constants.setdefault(name, array)
        return name

    def take(self, name: str, dtype: type[np.generic], shape: Dimensions) -> str:
        """Add an input."""
        self.inputs.append(value(name, dtype, shape))
        return name

    def give(self, name: str, dtype: type[np.generic], shape: Dimensions) -> None:
        """Add an output: a value that is there, or that a node will make."""
        self.outputs.append(value(name, dtype, shape))

    def proto(self, name: str) -> Any:
        """Return the graph as ONNX has it."""
        onnx = load_onnx()
        constants = [
            onnx.numpy_helper.from_array(np.ascontiguousarray(array), each)
            for each, array in self.constants.items()
        ]
        return onnx.helper.make_graph(self.nodes, name, self.inputs, self.outputs, constants)


def value(name: str, dtype: type[np.generic], shape: Dimensions) -> Any:
    """Return the description of an input or output."""
    helper = load_onnx().helper
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
    )


def file_content(graph: Graph, name: str, facts: Mapping[str, str]) -> bytes:
    """Return a graph as the content of a file, with facts about it, checked by ONNX's own checker.

    Raises InputError where it would be larger than a file can be.
    """
    onnx = load_onnx()
    size = sum(array.nbytes for array in graph.constants.values())
    size += sum(len(fact) for fact in facts.values()) + NODE * len(graph.nodes)
    if size > LARGEST_FILE:
        raise InputError(
            f"the model takes {size:,} bytes, but an ONNX file can have only {LARGEST_FILE:,}; "
            "export it as .safetensors."
        )
    model = onnx.helper.make_model(
        graph.proto(name),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="charnn",
        producer_version=__version__,
    )
    onnx.helper.set_model_props(model, dict(facts))
    content: bytes = model.SerializeToString(deterministic=True)
    onnx.checker.check_model(content, full_check=True)
    return content
