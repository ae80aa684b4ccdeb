"""`charnn config`: the effective configuration, and where each value comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from commands import data, output, refusal

from charnn.config import TASKS, Config

OF_LM = [name for name, option in Config.options().items() if option.serves("lm")]
SOURCES = ["default", "config file", "environment", "flag"]


@pytest.mark.parametrize("source", SOURCES)
def test_precedence(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag goes before a variable, that before the file of --config, that before the default."""
    arguments = ["config"]
    if source != "default":
        Path("my.yaml").write_text("hidden_size: 64\n")
        arguments += ["--config", "my.yaml"]
    if source in {"environment", "flag"}:
        monkeypatch.setenv("CHARNN_HIDDEN_SIZE", "128")
    if source == "flag":
        arguments += ["--hidden-size", "32"]
    expected = dict(zip(SOURCES, [256, 64, 128, 32], strict=True))[source]
    assert data(*arguments)["hidden_size"] == {"value": expected, "source": source}
    (line,) = [entry for entry in output(*arguments).splitlines() if "hidden_size" in entry]
    assert line.split("#") == [f"{f'hidden_size: {expected}':<30}  ", f" {source}"]


@pytest.mark.parametrize("name", Config.options())
def test_every_option_from_every_source(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option can be set by flag, variable and file, and says which one it was."""
    option = Config.options()[name]
    if option.choices is not None:
        value = list(option.choices)[-1]
    else:
        value = {int: 3, float: 0.25, str: "utf-16", bool: True}[option.type]
    if option.tasks is not None:
        monkeypatch.setenv("CHARNN_TASK", next(iter(option.tasks)))
    if name == "tie_weights":
        monkeypatch.setenv("CHARNN_EMBEDDING_SIZE", str(Config().model.hidden_size))
    if name == "save_every":
        value = 2.5  # a quarter of a second is too often
    if name == "time":
        value = "1h30m"
    expected = {"value": value, "source": "flag"}
    given = () if option.type is bool else (value,)
    assert data("config", "--" + name.replace("_", "-"), *given)[name] == expected
    Path("my.yaml").write_text(f"{name}: {value}\n")
    expected["source"] = "config file"
    assert data("config", "--config", "my.yaml")[name] == expected
    monkeypatch.setenv(f"CHARNN_{name.upper()}", str(value))
    expected["source"] = "environment"
    assert data("config")[name] == expected


@pytest.mark.parametrize("task", TASKS)
def test_defaults(task: str) -> None:
    """Without anything given all of a task's options are its defaults, and are called so."""
    expected = {
        name: None if option.follows(task) else option.default_for(task)
        for name, option in Config.options().items()
        if option.serves(task)
    }
    found = data("config", "--task", task) if task != "lm" else data("config")
    values = {name: entry["value"] for name, entry in found.items()}
    assert values == expected | {"task": task}
    for name, option in Config.options().items():
        if name != "task" and name in found:
            source = "by cell and text" if option.follows(task) else "default"
            assert found[name]["source"] == source, name
    assert found["task"]["source"] == ("default" if task == "lm" else "flag")


def test_the_output_is_yaml_that_config_reads(tmp_path: Path) -> None:
    """`charnn config > my.yaml` gives a file that makes the same configuration."""
    text = output("config", "--hidden-size", 512, "--learning-rate", "2e-3", "--clip-norm", "none")
    Path("my.yaml").write_text(text)
    found = data("config", "--config", "my.yaml")
    assert found["hidden_size"]["value"] == 512
    assert found["learning_rate"]["value"] == 0.002
    assert found["clip_norm"]["value"] is None
    chosen = {"dropout", "steps", "optimizer", "beta2", "weight_decay"}
    assert list(yaml.safe_load(text)) == [name for name in OF_LM if name not in chosen]


def test_every_line_names_its_source() -> None:
    """Each line of the YAML ends with its value's source as a comment; --quiet leaves them out."""
    lines = output("config", "--num-layers", 2).splitlines()
    assert len(lines) == len(OF_LM)
    chosen = [line for line in lines if line.startswith("# ")]
    assert chosen == [
        f"# {n}: by cell and text"
        for n in (
            "dropout",
            "steps",
            "learning_rate",
            "optimizer",
            "beta2",
            "weight_decay",
            "clip_norm",
        )
    ]
    assert all(line.rpartition("# ")[2] in SOURCES for line in lines if line not in chosen)
    quiet = output("config", "--num-layers", 2, "--quiet")
    assert "#" not in quiet
    assert yaml.safe_load(quiet) == yaml.safe_load("\n".join(lines))


@pytest.mark.parametrize("text", ["learning_rate: 2e-3", "learning_rate: '2e-3'"])
def test_yaml_reads_exponents(text: str) -> None:
    """PyYAML's string `2e-3` is a number all the same."""
    Path("my.yaml").write_text(text)
    assert data("config", "--config", "my.yaml")["learning_rate"]["value"] == 0.002


def test_an_empty_file() -> None:
    """A file of comments only changes nothing."""
    Path("my.yaml").write_text("# nothing yet\n")
    assert output("config", "--config", "my.yaml") == output("config")


def test_the_file_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """CHARNN_CONFIG names a file for --config."""
    Path("my.yaml").write_text("cell: gru\n")
    monkeypatch.setenv("CHARNN_CONFIG", "my.yaml")
    assert data("config")["cell"] == {"value": "gru", "source": "config file"}


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (["--steps", "9"], {"steps": (9, "flag"), "epochs": (None, "default")}),
        (["--epochs", "9"], {"steps": (None, "default"), "epochs": (9.0, "flag")}),
        ([], {"steps": (5, "config file"), "epochs": (None, "default")}),
        (["--epochs", "none"], {"steps": (5, "config file"), "epochs": (None, "flag")}),
    ],
)
def test_epochs_and_steps(flag: list[str], expected: dict) -> None:
    """An explicit number of epochs replaces the file's steps, and none replaces nothing."""
    Path("my.yaml").write_text("steps: 5\n")
    found = data("config", "--config", "my.yaml", *flag)
    for name, (value, source) in expected.items():
        assert found[name] == {"value": value, "source": source}


def test_the_shipped_files_are_valid() -> None:
    """Every file in configs/ is read, and differs from the defaults."""
    files = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
    assert {"hello", "demo", "tinyshakespeare"} <= {file.stem for file in files}
    for file in files:
        found = data("config", "--config", file)
        changed = {n for n, entry in found.items() if entry["source"] == "config file"}
        assert changed == set(yaml.safe_load(file.read_text()))
        known = Config.options()
        by_text = {n for n in changed if known[n].by_text}
        assert all(found[n]["value"] != known[n].default for n in changed - by_text), file


def test_json_is_one_line() -> None:
    """--json prints a single object on a single line."""
    text = output("config", "--json")
    assert text.count("\n") == 1
    assert set(json.loads(text)) == set(OF_LM)


def test_a_bad_value_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is checked like a flag."""
    monkeypatch.setenv("CHARNN_HIDDEN_SIZE", "many")
    assert "hidden_size is 'many'" in refusal("config")


def test_a_renamed_option_from_every_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was `average` sets `ema_decay`, by flag, variable and file, in their order."""
    Path("my.yaml").write_text("average: 0.25\n")
    in_file = ("config", "--config", "my.yaml")
    assert data(*in_file)["ema_decay"] == {"value": 0.25, "source": "config file"}
    monkeypatch.setenv("CHARNN_AVERAGE", "0.5")
    assert data(*in_file)["ema_decay"] == {"value": 0.5, "source": "environment"}
    flags = (*in_file, "--average", 0.75)
    assert data(*flags)["ema_decay"] == {"value": 0.75, "source": "flag"}
    assert data("config", "--ema-decay", 0.75) == data("config", "--average", 0.75)
    assert "average:" not in output(*flags)
    monkeypatch.setenv("CHARNN_EMA_DECAY", "0.125")
    assert data("config")["ema_decay"] == {"value": 0.125, "source": "environment"}


@pytest.mark.parametrize("command", ["train", "config"])
def test_help_shows_the_new_name_only(command: str) -> None:
    """The name that an option had is not offered any more."""
    page = output(command, "--help")
    assert "--ema-decay" in page
    assert "--average" not in page
