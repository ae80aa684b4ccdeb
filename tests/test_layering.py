"""Imports point one way: text, nn, models, training, generation, and the command line on top."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import charnn

PACKAGE = Path(charnn.__file__).parent
ROOMS = (
    "errors",
    "version",
    "arrays",
    "options",
    "registry",
    "config",
    "files",
    "locks",
    "text",
    "nn",
    "models",
    "training",
    "generation",
    "api",
    "bench",
    "cli",
)
# The package's face is imported before anything in it, so it may know its version only.
FACES = {"charnn": "version", "charnn.__main__": "cli"}
LIBRARIES = {"numpy", "click", "rich", "yaml", "threadpoolctl"}
HARMLESS_RANDOM = {"default_rng", "Generator"}


def module_name(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = ("charnn", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
every_module = pytest.mark.parametrize("module", MODULES)


def room(module: str) -> str:
    """Return the room of a module: `charnn.nn.lstm` lives in `nn`."""
    return FACES.get(module) or module.split(".")[1]


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a tree's nodes, but not what is under `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from walk(other)
        else:
            yield from walk(child)


def imports(source: str) -> set[str]:
    """Return the modules that a source imports, at its top or inside its functions."""
    found = set()
    for node in walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            inside = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            found.update(inside or {base})
    return found


def faults(module: str, source: str) -> list[str]:
    """Return what a module imports that it must not, one sentence each."""
    found = []
    for name in sorted(imports(source)):
        top = name.split(".")[0]
        if name.startswith("."):
            found.append(f"{module} imports {name} relatively")
        elif top == "charnn":
            if ROOMS.index(room(name)) > ROOMS.index(room(module)):
                found.append(f"{module} imports {name} from a room above it")
        elif (module, top) == ("charnn.bench.torch_peer", "torch"):
            continue  # the peer, where it is installed
        elif top not in LIBRARIES | sys.stdlib_module_names:
            found.append(f"{module} imports {name}, which is no dependency")
        elif (
            (top == "click" and room(module) != "cli")
            or (top == "rich" and module != "charnn.cli.console")
            or (top == "yaml" and module != "charnn.config")
        ):
            found.append(f"{module} imports {name}, which has a place of its own")
    return found


def prints(source: str) -> list[int]:
    """Return the lines that call `print`, or reach for the streams that it writes to."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "builtins.print"})
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"})
    ]


def impurities(source: str) -> list[str]:
    """Return what makes a module's results depend on more than its arguments."""
    found = sorted(imports(source) & {"time", "random", "secrets", "uuid", "datetime"})
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            whole = ast.unparse(node)
            start, _, name = whole.rpartition(".")
            if start in {"np.random", "numpy.random"} and name not in HARMLESS_RANDOM:
                found.append(whole)
        elif isinstance(node, ast.Call) and ast.unparse(node) == "np.random.default_rng()":
            found.append("np.random.default_rng()")
        elif isinstance(node, ast.Global):
            found.append(ast.unparse(node))
    return found


def test_every_module_has_a_room() -> None:
    """There is no module, and no room, that the order of rooms does not know."""
    assert {room(module) for module in MODULES} == set(ROOMS)


@every_module
def test_imports_point_down(module: str) -> None:
    """A module imports from its own room, from earlier ones, and the libraries it may use."""
    assert faults(module, MODULES[module]) == []


@every_module
def test_only_the_command_line_prints(module: str) -> None:
    """Nothing outside `cli` writes to the terminal."""
    answers_by_pipe = module == "charnn.training.worker"
    assert answers_by_pipe or room(module) == "cli" or prints(MODULES[module]) == []


@pytest.mark.parametrize(
    "module", [module for module in MODULES if room(module) in {"text", "nn", "models"}]
)
def test_text_and_mathematics_are_functions_of_their_arguments(module: str) -> None:
    """Nothing in text, nn and models reads a clock or draws from a global generator."""
    assert impurities(MODULES[module]) == []


def test_the_libraries_have_one_place_each() -> None:
    """Only `cli` knows click, only its console rich, only the configuration yaml."""
    users = {
        library: {
            module
            for module, source in MODULES.items()
            if any(name.split(".")[0] == library for name in imports(source))
        }
        for library in LIBRARIES
    }
    assert users["rich"] == {"charnn.cli.console"}
    assert users["yaml"] == {"charnn.config"}
    assert {room(module) for module in users["click"]} == {"cli"}
    assert "charnn.nn.lstm" in users["numpy"]
    assert "charnn.nn.blas" in users["threadpoolctl"]


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("charnn.nn.lstm", "from charnn.models import language_model", "room above"),
        ("charnn.nn.lstm", "import charnn.training.trainer", "room above"),
        ("charnn.text.corpus", "def f():\n    from charnn.nn.rnn import RNN", "room above"),
        ("charnn.errors", "import charnn.version", "room above"),
        ("charnn", "from charnn.config import Config", "room above"),
        ("charnn.nn.lstm", "from .cell import Cell", "relatively"),
        ("charnn.nn.lstm", "import torch", "no dependency"),
        ("charnn.nn.lstm", "import click", "place of its own"),
        ("charnn.cli.train", "from rich.text import Text", "place of its own"),
        ("charnn.cli.train", "import yaml", "place of its own"),
    ],
)
def test_a_planted_import_is_found(module: str, source: str, fault: str) -> None:
    """The reading of imports is not blind (a test of the test)."""
    (found,) = faults(module, source)
    assert fault in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("charnn.nn.lstm", "from charnn.nn.cell import Cell\nfrom charnn.text import vocabulary"),
        ("charnn.registry", "if TYPE_CHECKING:\n    from charnn.nn.cell import Cell"),
        ("charnn.cli.main", "import click, numpy, json\nimport charnn.generation.sampling"),
        ("charnn.config", "def f():\n    import yaml"),
    ],
)
def test_a_proper_import_is_let_through(module: str, source: str) -> None:
    """Downwards, sideways, and for types only: none of these is a fault."""
    assert faults(module, source) == []


def test_planted_side_effects_are_found() -> None:
    """The searches for printing, clocks and global generators are not blind."""
    assert prints("def f():\n    print(1)\n    pprint(2)\nsys.stderr.write('')") == [2, 4]
    assert prints("blueprint(1)\nx = 'print(1)'") == []
    assert impurities("import time") == ["time"]
    assert impurities("np.random.seed(1)") == ["np.random.seed"]
    assert impurities("x = np.random.default_rng()") == ["np.random.default_rng()"]
    assert impurities("def f():\n    global x") == ["global x"]
    assert impurities("random = np.random.default_rng(seed)\nx: np.random.Generator") == []
