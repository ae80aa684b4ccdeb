"""Imports point one way: nn, text, models, tasks, engines, training, the command line on top."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import charnn

PACKAGE = Path(charnn.__file__).parent
ROOMS = (
    "errors",
    "version",
    "arrays",
    "files",
    "locks",
    "options",
    "nn",
    "registry",
    "config",
    "text",
    "models",
    "generation",
    "tasks",
    "engines",
    "training",
    "formats",
    "pictures",
    "tuning",
    "analysis",
    "report",
    "compression",
    "api",
    "bench",
    "cli",
    "charnn",
)
# The package's face names everything, and nothing in the package imports it by name.
FACES = {"charnn": "charnn", "charnn.__main__": "cli"}
OPTIONAL = {  # libraries that a user may lack, and what is entered only where they are installed
    "torch": ("charnn.bench.torch_peer", "charnn.engines.torch"),
    "onnx": ("charnn.formats.onnx_nodes",),
}
LIBRARIES = {"numpy", "click", "rich", "yaml", "threadpoolctl"}
HARMLESS_RANDOM = {"default_rng", "Generator"}


def module_name(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = ("charnn", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    """Return the room of a module: `charnn.nn.lstm` lives in `nn`."""
    return FACES.get(module) or module.split(".")[1]


def imports(source: str) -> set[str]:
    """Return the modules that a source imports: at its top, inside functions, or for types only."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            inside = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            found.update(inside or {base})
    return found


def named(source: str) -> set[str]:
    """Return the modules that a source names in strings: whole, before a colon, or in parts.

    `f"charnn.cli.{name}"` names each module that a string of the same source completes.
    """
    nodes = list(ast.walk(ast.parse(source)))
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    starts = {n.values[0].value for n in nodes if isinstance(n, ast.JoinedStr) and constant(n)}
    whole = {text.partition(":")[0] for text in texts}
    whole.discard("charnn")  # the program's name
    return (whole | {f"{start}{text}" for start in starts for text in texts}) & MODULES.keys()


def constant(node: ast.JoinedStr) -> bool:
    """Return whether a formatted string begins with the name of a package and a dot."""
    first = node.values[0] if node.values else None
    return (
        isinstance(first, ast.Constant)
        and isinstance(first.value, str)
        and first.value.startswith("charnn.")
        and first.value.endswith(".")
    )


def edges(module: str, source: str) -> set[str]:
    """Return the modules of charnn that a module knows, in whatever way."""
    known = {name for name in imports(source) if name.split(".")[0] == "charnn"}
    return (known | named(source)) - {module}


def lines_of(function: ast.FunctionDef) -> int:
    """Return how many lines a function has."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules from which a way leads back to themselves."""
    found = []
    for start in graph:
        reached, ways = set(), list(graph[start])
        while ways:
            module = ways.pop()
            if module not in reached:
                reached.add(module)
                ways += graph.get(module, ())
        if start in reached:
            found.append(start)
    return found


def faults(module: str, source: str) -> list[str]:
    """Return what a module imports that it must not, one sentence each."""
    found = []
    for name in sorted(imports(source) | named(source) - {module}):
        top = name.split(".")[0]
        if name.startswith("."):
            found.append(f"{module} imports {name} relatively")
        elif top == "charnn":
            if ROOMS.index(room(name)) > ROOMS.index(room(module)):
                found.append(f"{module} knows {name} from a room above it")
        elif module.startswith(OPTIONAL.get(top, ())):
            continue  # where it is installed
        elif top not in LIBRARIES | sys.stdlib_module_names:
            found.append(f"{module} imports {name}, which is no dependency")
        elif (
            (top == "click" and room(module) != "cli")
            or (top == "rich" and module != "charnn.cli.console")
            or (top == "yaml" and room(module) != "config")
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


def test_imports_point_down() -> None:
    """A module knows its own room, earlier ones, and the libraries it may use."""
    assert [fault for module, source in MODULES.items() for fault in faults(module, source)] == []


def test_there_are_no_circles() -> None:
    """No module knows itself through others, also not for types or by a name in a string."""
    assert circles({module: edges(module, source) for module, source in MODULES.items()}) == []


def test_planted_circles_are_found() -> None:
    """A circle of three is found from each of its modules, and what leads to it is none."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}
    assert circles(graph) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "source",
    [
        "if TYPE_CHECKING:\n    from charnn.nn.cell import Cell",
        "PLACES = {'cell': 'charnn.nn.cell:Cell'}",
        "PROGRAM = 'charnn.nn.cell'",
        "def f():\n    import charnn.nn.cell",
        "NAMES = ['cell']\nimport_module(f'charnn.nn.{name}')",
    ],
    ids=["types", "a registry", "a program", "inside a function", "a string in parts"],
)
def test_every_way_of_knowing_a_module_is_seen(source: str) -> None:
    """Imports for types and names in strings are edges like any other."""
    assert edges("charnn.cli.main", source) == {"charnn.nn.cell"}


def test_files_and_functions_are_short() -> None:
    """No file of the package passes 300 lines, and no function 60."""
    long = [module for module, source in MODULES.items() if source.count("\n") > 300]
    for module, source in MODULES.items():
        functions = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef))
        long += [f"{module}.{f.name}" for f in functions if lines_of(f) > 60]
    assert long == []


def test_only_the_command_line_prints() -> None:
    """Nothing outside `cli` writes to the terminal; a worker answers by its pipe."""
    quiet = {m: s for m, s in MODULES.items() if room(m) != "cli"}
    del quiet["charnn.engines.shards_worker"]
    assert {module: lines for module in quiet if (lines := prints(quiet[module]))} == {}


def test_text_and_mathematics_are_functions_of_their_arguments() -> None:
    """Nothing in text, nn and models reads a clock or draws from a global generator."""
    pure = {m: s for m, s in MODULES.items() if room(m) in {"text", "nn", "models"}}
    assert {module: found for module in pure if (found := impurities(pure[module]))} == {}


def test_every_folder_of_tests_is_run(pytestconfig: pytest.Config) -> None:
    """`make test` runs every folder but those that take longest or need more."""
    tests = Path(__file__).parent
    folders = {f"tests/{path.parent.name}" for path in tests.glob("*/test_*.py")}
    apart = {f"tests/{name}" for name in ("examples", "report", "torture")}  # make test-long
    apart |= {"tests/page", "tests/parity", "tests/ranks"}
    assert folders - set(pytestconfig.getini("testpaths")) == apart


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
    assert users["yaml"] == {"charnn.config.files"}
    assert {room(module) for module in users["click"]} == {"cli"}
    assert "charnn.nn.lstm" in users["numpy"]
    assert "charnn.nn.blas" in users["threadpoolctl"]


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("charnn.nn.lstm", "from charnn.models import language_model", "room above"),
        ("charnn.nn.lstm", "import charnn.training.trainer", "room above"),
        ("charnn.text.corpus", "def f():\n    from charnn.models.stack import Stack", "room above"),
        ("charnn.errors", "import charnn.version", "room above"),
        ("charnn.registry", "A = {'a': 'charnn.training.trainer:Trainer'}", "room above"),
        ("charnn.nn.lstm", "if TYPE_CHECKING:\n    import charnn.config", "room above"),
        ("charnn.api", "import charnn", "room above"),
        ("charnn.nn.lstm", "from .cell import Cell", "relatively"),
        ("charnn.nn.lstm", "import torch", "no dependency"),
        ("charnn.formats.onnx_graph", "import onnx", "no dependency"),
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
        ("charnn.nn.lstm", "from charnn.nn.cell import Cell\nfrom charnn.arrays import Array"),
        ("charnn.registry", "if TYPE_CHECKING:\n    from charnn.nn.cell import Cell"),
        ("charnn", "from charnn.config import Config"),
        ("charnn.cli.main", "import click, numpy, json\nimport charnn.generation.sampling"),
        ("charnn.config", "def f():\n    import yaml"),
    ],
)
def test_a_proper_import_is_let_through(module: str, source: str) -> None:
    """Downwards and sideways: none of these is a fault."""
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
