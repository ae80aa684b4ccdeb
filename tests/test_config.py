"""The configuration: sections, cross-checks, YAML in and out."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from strategies import configurations

from charnn.cli.main import charnn
from charnn.config import (
    TASKS,
    Config,
    DataConfig,
    ModelConfig,
    SamplingConfig,
    TrainingConfig,
    check_names,
    read_yaml,
    to_yaml,
)
from charnn.config import files as config_files
from charnn.errors import ConfigError
from charnn.options import options_of
from charnn.registry import CELLS

quick = settings(derandomize=True, deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def yaml_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file to write."""
    return tmp_path_factory.mktemp("yaml") / "run.yaml"


def refusal(**values: object) -> str:
    """Return the sentence with which a configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        Config.from_values(values)
    return str(caught.value)


def yaml_refusal(path: Path, content: str | bytes | None) -> str:
    """Return the sentence with which a YAML file is refused; it names the file."""
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"config file '{path}'")
    return message


def test_names_are_unique_over_the_sections() -> None:
    """No option of one section hides another's, so a configuration can be flat."""
    names = [name for section in Config.sections().values() for name in options_of(section)]
    assert len(names) == len(set(names)) == len(Config.options())
    assert list(Config.options()) == names


def test_every_section_is_a_field_of_the_configuration() -> None:
    """The table of sections is complete and names the fields that hold them."""
    fields = {entry.name for entry in dataclasses.fields(Config)}
    assert fields == set(Config.sections())
    config = Config()
    assert {name: type(getattr(config, name)) for name in fields} == Config.sections()


def test_flags_do_not_collide() -> None:
    """Options that would share a flag are told apart."""
    for section in (*Config.sections().values(), SamplingConfig):
        flags = [
            declared.flag or "--" + name.replace("_", "-")
            for name, declared in options_of(section).items()
        ]
        assert len(flags) == len(set(flags))


def test_without_values_everything_has_its_default() -> None:
    """An empty mapping gives the defaults, which are valid together."""
    assert Config.from_values({}) == Config()
    assert Config().values() == {
        name: declared.default for name, declared in Config.options().items()
    }


@pytest.mark.parametrize(
    ("vocab", "encoding"),
    [
        ("null", "yes"),
        ("1e3", "0x10"),
        ("a: b # c", "'quoted' \"twice\""),
        ("two\nlines\r\n", " around "),
        ("\x00\u2028", "\ufeff\U0010ffff"),
        ("z" * 2_000, "word " * 300),
    ],
    ids=range(6),
)
def test_yaml_holds_any_text(yaml_file: Path, vocab: str, encoding: str) -> None:
    """What `to_yaml` writes, with or without comments, `read_yaml` reads back exactly."""
    config = Config(data=DataConfig(vocab=vocab, encoding=encoding))
    for comments in (None, {name: f"about {name}: x" for name in config.values()}):
        yaml_file.write_text(to_yaml(config.values(), comments), encoding="utf-8")
        values = read_yaml(yaml_file)
        assert values == config.values()
        assert Config.from_values(values) == config


@pytest.mark.parametrize("space", " \t\n\r\x0b\x1c\x85\xa0\u2003\u2028\u3000", ids=ascii)
def test_yaml_keeps_white_space_of_any_kind(yaml_file: Path, space: str) -> None:
    """A value that begins and ends with white space keeps it, be it Unicode's."""
    value = f"{space}x{space}"
    yaml_file.write_text(to_yaml({"vocab": value}), encoding="utf-8")
    assert read_yaml(yaml_file) == {"vocab": value}


def test_yaml_has_one_line_an_option(yaml_file: Path) -> None:
    """The defaults are written one option a line, and the comments stand in one column."""
    lines = to_yaml(Config().values(), dict.fromkeys(Config.options(), "why")).splitlines()
    assert len(lines) == len(Config.options())
    assert all(re.fullmatch(r"\w+: \S.* # why", line) for line in lines)
    assert len({line.index(" # why") for line in lines}) == 1
    assert to_yaml({"clip_norm": None, "cell": "gru"}) == "clip_norm: none\ncell: gru\n"


def test_a_yaml_file_is_partial_and_typed(yaml_file: Path) -> None:
    """Keys that are left out are left out; text and numbers become the options' types."""
    yaml_file.write_text(
        "# a comment\nlearning_rate: 2e-3\nsteps: 1_000\nclip_norm: none\nclip_value: ~\n"
        "epochs: null\nvocab: 123\ncell: 'gru'\n",
        encoding="utf-8",
    )
    assert read_yaml(yaml_file) == {
        "learning_rate": 0.002,
        "steps": 1_000,
        "clip_norm": None,
        "clip_value": None,
        "epochs": None,
        "vocab": "123",
        "cell": "gru",
    }


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n", "{}", "\ufeff"])
def test_an_empty_yaml_file_changes_nothing(yaml_file: Path, content: str) -> None:
    """A file of comments, or of nothing, sets no option."""
    yaml_file.write_text(content, encoding="utf-8")
    assert read_yaml(yaml_file) == {}


def test_an_unknown_yaml_key_is_answered_with_the_closest(yaml_file: Path) -> None:
    """The error names file and key, and the key that was probably meant."""
    message = yaml_refusal(yaml_file, "cell: gru\nhiden_size: 3\n")
    assert "unknown key 'hiden_size'. Did you mean 'hidden_size'?" in message
    assert message.endswith("`charnn config` lists all keys.")


@pytest.mark.parametrize("key", ["1", "true", "2024-01-02", "~", "Cell", "training"])
def test_a_yaml_key_of_any_type_can_be_unknown(yaml_file: Path, key: str) -> None:
    """A key that is a number, a date, nothing, or a section's name is unknown, not a crash."""
    message = yaml_refusal(yaml_file, f"? {key}\n: 1\n")
    assert f"unknown key {yaml.safe_load(key)!r}" in message
    assert "lists all keys" in message


@pytest.mark.parametrize(
    ("content", "kind"),
    [("- cell\n- gru\n", "list"), ("cell", "str"), ("7", "int"), ("!!set {cell}", "set")],
)
def test_yaml_must_be_a_mapping(yaml_file: Path, content: str, kind: str) -> None:
    """A file that holds a list or a single value is refused, and told what it should hold."""
    message = yaml_refusal(yaml_file, content)
    assert (
        f"holds a value of type {kind} instead of options; write one `key: value` per line."
        in message
    )


@pytest.mark.parametrize(
    "content",
    [
        "cell: [gru",
        "\tcell: gru",
        "cell: gru: rnn",
        "cell: *nothing",
        "{[a]: b}",
        b"cell: \xff",
        "a\x00b",
        "cell: !!python/object/apply:os.getcwd []",
        "cell: !!python/name:os.system",
        "[" * 1_000,
        "cell: gru\n---\ncell: rnn\n",
        'steps: !!int ""',
        'dropout: !!float ""',
        "cell: !!bool x",
        "vocab: !!timestamp x",
        "cell: [&a [x, x], &b [*a, *a], &c [*b, *b]]",
        "cell: [&a {x: y}, &b {<<: [*a, *a]}, &c {<<: [*b, *b]}]",
    ],
    ids=range(17),
)
def test_what_is_not_yaml_is_refused(yaml_file: Path, content: str | bytes) -> None:
    """Broken syntax, bytes that are no text, and tags that would run code are one clear error.

    So are values that are not what their tag says, and names that can make a few lines billions.
    """
    message = yaml_refusal(yaml_file, content)
    assert "cannot be read as YAML (" in message
    assert message.endswith("; write one `key: value` per line.")
    assert "\n" not in message


@pytest.mark.parametrize(
    "content",
    ["steps: 2024-99-99", "vocab: 2024-02-30 25:61:61", "steps: 0b_", "seed: " + "9" * 5_000],
    ids=["date", "time", "binary", "digits"],
)
def test_yaml_scalars_that_cannot_be_built_are_refused(yaml_file: Path, content: str) -> None:
    """A date that no calendar has, or a number with too many digits, is an error, not a crash."""
    message = yaml_refusal(yaml_file, content)
    assert len(message) < 10_000


def test_yaml_aliases_are_refused(yaml_file: Path) -> None:
    """Ten levels of ten aliases each would be ten billion values."""
    lines = ["a: &a 1"] + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    ]
    message = yaml_refusal(yaml_file, "\n".join(lines))
    assert "it contains an alias" in message
    assert len(message) < 1_000


def test_a_yaml_key_given_twice_is_refused(yaml_file: Path) -> None:
    """Neither of two values is the one that was meant."""
    assert "the key 'cell' appears 2 times" in yaml_refusal(yaml_file, "cell: gru\ncell: rnn\n")


def test_a_long_value_is_cut_off_in_the_message(yaml_file: Path) -> None:
    """A message stays one that can be read."""
    for content in (f"cell: {'x' * 5_000}", f"steps: [{'1, ' * 500}]", f"{'y' * 900}: 1"):
        assert len(yaml_refusal(yaml_file, content)) < 1_000


def test_a_yaml_value_is_refused_by_file_and_key(yaml_file: Path) -> None:
    """A value out of bounds is reported with the file, the option, the value and the bound."""
    message = yaml_refusal(yaml_file, "cell: gru\ndropout: 1.5\n")
    assert message.endswith(": dropout is 1.5; give a number of at least 0 and below 1.")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("steps: 0x1" + "0" * 5_000, "steps is a number with too many digits; give a whole number"),
        ("epochs: 0x1" + "0" * 5_000, "epochs is a number with too many digits; give a number"),
        ("? 0x1" + "0" * 5_000 + "\n: 1", "the unknown key a number with too many digits."),
        ("steps: 0x1" + "0" * 256, "steps is 179769"),
        ("hidden_size: [" + "[1, 2], " * 900 + "]", "hidden_size is [[1, 2], [1, 2],"),
        ("encoding: yes", "encoding is True; give a text."),
        ("cell: [gru]", f"cell is ['gru']; choose {', '.join(CELLS)}."),
        ("steps: {a: 1}", "steps is {'a': 1}; give a whole number of at least 1, or none."),
        ("seed:", "seed cannot be none; give a whole number"),
        ("steps: 2024-01-02", "steps is datetime.date(2024, 1, 2); give a whole number"),
    ],
)
def test_a_yaml_value_of_the_wrong_kind_is_refused(
    yaml_file: Path, content: str, part: str
) -> None:
    """Lists, mappings, dates, booleans and missing values are named, with what to give.

    What is long is cut short.
    """
    message = yaml_refusal(yaml_file, content)
    assert part in message
    assert len(message) < 1_000


def test_a_yaml_file_too_large_is_not_read(
    yaml_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file over the limit, a corpus given by mistake, is refused unread."""
    yaml_file.write_text("#" * 100, encoding="utf-8")
    monkeypatch.setattr(config_files, "LARGEST_YAML", 100)
    assert read_yaml(yaml_file) == {}
    monkeypatch.setattr(config_files, "LARGEST_YAML", 99)
    message = yaml_refusal(yaml_file, None)
    assert message.endswith("larger than 99 bytes; it should hold one `key: value` per line.")


def test_a_missing_yaml_file_is_an_error(tmp_path: Path) -> None:
    """A path that leads nowhere, and a folder, are reported with their reason."""
    assert "cannot be read (No such file or directory); check the path." in yaml_refusal(
        tmp_path / "none.yaml", None
    )
    assert "cannot be read (Is a directory); check the path." in yaml_refusal(tmp_path, None)


def test_epochs_and_steps_exclude_each_other() -> None:
    """The length of a run is given in one way."""
    assert refusal(epochs=2.5, steps=100) == "epochs is 2.5 and steps is 100; give one of the two."
    assert Config.from_values({"epochs": 2.5, "steps": None}).training.epochs == 2.5
    assert Config.from_values({"epochs": "none", "steps": "7"}).training.steps == 7


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (0.6, 0.4), (0.9, 0.9), (0.1, 0.95)])
def test_fractions_must_leave_something_to_train_on(val: float, test: float) -> None:
    """Validation and test part together are less than the whole."""
    message = refusal(val_fraction=val, test_fraction=test)
    assert message == (
        f"val_fraction {val:g} and test_fraction {test:g} leave nothing to train on; "
        "their sum must be below 1."
    )
    left = math.nextafter(1.0, 0)
    assert Config.from_values({"val_fraction": left}).data.val_fraction == left


def test_bytes_have_no_min_count() -> None:
    """A vocabulary of all bytes has no rare symbols."""
    message = refusal(tokens="bytes", min_count=2)
    assert message == (
        "min_count is 2, but a byte vocabulary always holds all 256 bytes; leave min_count at 1."
    )
    assert Config.from_values({"tokens": "bytes", "min_count": 1}).data.tokens == "bytes"


def test_a_vocabulary_file_has_no_min_count() -> None:
    """A vocabulary is either read or made."""
    message = refusal(vocab="v.json", min_count=3)
    assert message == (
        "min_count is 3, but the vocabulary is read from 'v.json'; leave out one of the two."
    )
    assert "from 'two\\nlines'; leave" in refusal(vocab="two\nlines", min_count=3)
    assert Config.from_values({"vocab": "v.json"}).data.vocab == "v.json"


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    """`from_values` and `check_names` name the place, the key and a likely meaning."""
    assert refusal(learningrate=1) == (
        "the configuration has the unknown key 'learningrate'. Did you mean 'learning_rate'? "
        "`charnn config` lists all keys."
    )
    with pytest.raises(ConfigError) as caught:
        check_names({"temperature": 1}, "this mapping")
    assert str(caught.value) == (
        "this mapping has the unknown key 'temperature'. `charnn config` lists all keys."
    )


def test_replace_changes_what_it_is_told() -> None:
    """A copy has the changed values, checked; the original and everything else stay."""
    config = Config.from_values({"cell": "gru", "steps": 10, "dropout": 0.25})
    changed = config.replace(hidden_size="7", steps=None, epochs=2)
    assert changed.values() == config.values() | {"hidden_size": 7, "steps": None, "epochs": 2.0}
    assert config.training.steps == 10
    with pytest.raises(ConfigError) as caught:
        config.replace(hidden_size=0)
    assert str(caught.value) == (
        "hidden_size is 0; give a whole number of at least 1 and of at most 65536."
    )
    with pytest.raises(ConfigError) as caught:
        config.replace(epochs=1)
    assert "epochs is 1 and steps is 10" in str(caught.value)


@given(configurations(), configurations())
@settings(quick, max_examples=15)
def test_replacing_everything_gives_the_other(first: Config, second: Config) -> None:
    """A configuration with all of another's values is the other."""
    assert first.replace(**second.values()) == second


def test_sections_check_themselves() -> None:
    """A section built by hand is checked like any other."""
    with pytest.raises(ConfigError) as caught:
        ModelConfig(cell="lsmt")
    assert "cell is 'lsmt'; choose " in str(caught.value)
    assert "Did you mean 'lstm'?" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(epochs=1, steps=1)
    assert "give one of the two" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        SamplingConfig(top_p=1.5)
    assert str(caught.value) == ("top_p is 1.5; give a number above 0 and of at most 1, or none.")


def test_equal_configurations_are_equal() -> None:
    """Configurations compare by value and can be used as keys."""
    assert Config.from_values({"learning_rate": "1e-3"}) == Config.from_values(
        {"learning_rate": 0.001}
    )
    assert len({Config(), Config.from_values({}), Config().replace(seed=2)}) == 2


def test_an_option_is_read_by_the_name_that_it_had(yaml_file: Path) -> None:
    """`average` is `ema_decay`, in a file and among values, with its bounds and its new name."""
    assert {o.name: o.formerly for o in Config.options().values() if o.formerly} == {
        "ema_decay": "average"
    }
    yaml_file.write_text("average: 0.9\nhidden_size: 8\n")
    assert read_yaml(yaml_file) == {"ema_decay": 0.9, "hidden_size": 8}
    config = Config.from_values({"average": 0.9})
    assert config == Config.from_values({"ema_decay": 0.9})
    assert config.values()["ema_decay"] == 0.9
    assert "average" not in config.values()
    assert "average" not in to_yaml(config.values())
    assert config.replace(average=0.5).training.ema_decay == 0.5
    with pytest.raises(ConfigError, match="average is the former name of ema_decay"):
        Config.from_values({"average": 0.5, "ema_decay": 0.5})
    with pytest.raises(ConfigError, match="ema_decay is 1"):
        Config.from_values({"average": 1})


OPTIONS = Config.options()
FOREIGN = [
    (name, task)
    for name, declared in OPTIONS.items()
    for task in TASKS
    if not declared.serves(task)
]


def another_value(name: str) -> object:
    """Return a value of an option that is not its default, and valid with all others' defaults."""
    declared = OPTIONS[name]
    if declared.choices is not None:
        return next(choice for choice in declared.choices if choice != declared.default)
    return {int: 3, float: 0.25, str: "|", bool: True}[declared.type]


@pytest.mark.parametrize(("name", "task"), FOREIGN)
def test_an_option_of_another_task_is_refused(name: str, task: str) -> None:
    """In one sentence that names its tasks, this one, and why; its default is no objection."""
    declared, value = OPTIONS[name], another_value(name)
    extra = {"embedding_size": 128, "hidden_size": 128} if name == "tie_weights" else {}
    message = refusal(task=task, **extra, **{name: value})
    why = f": {declared.because}" if declared.because else ""
    tasks = {
        ("lm",): "the task lm",
        ("transduce",): "the task transduce",
        ("lm", "transduce"): "the tasks lm and transduce",
        ("lm", "generate"): "the tasks lm and generate",
        ("lm", "transduce", "generate"): "the tasks lm, transduce and generate",
        ("classify", "tag", "transduce"): "the tasks classify, tag and transduce",
        ("tag", "transduce", "generate"): "the tasks tag, transduce and generate",
        ("classify", "tag", "transduce", "generate"): (
            "the tasks classify, tag, transduce and generate"
        ),
    }[tuple(declared.tasks or ())]
    shown = "true" if value is True else repr(value)
    assert message == (
        f"{name} is {shown}, but it is an option of {tasks}, and this task is {task}{why}; "
        "leave it out."
    )
    config = Config.from_values({"task": task, name: declared.default})
    assert config.values()[name] == declared.default
    home = next(iter(declared.tasks or ()))
    own = extra or {"val_fraction": 0.1}
    assert Config.from_values({"task": home, name: value} | own).values()[name] == value


def test_reasons_are_given() -> None:
    """Where a network could not have an option at all, the sentence says why."""
    assert refusal(bidirectional=True) == (
        "bidirectional is true, but it is an option of the tasks classify, tag and transduce, and "
        "this task is lm: a network that reads backwards sees the future that it should predict; "
        "leave it out."
    )
    assert ": its sequences are whole lines; leave" in refusal(task="tag", seq_length=9)
    assert ": its outputs are not among its inputs;" in refusal(
        task="classify", tie_weights=True, embedding_size=128
    )


@pytest.mark.parametrize("task", TASKS)
def test_defaults_by_task(task: str) -> None:
    """Each option has its task's default; what is given goes before, and no other task changes."""
    values = Config.from_values({"task": task}).values()
    for name, declared in OPTIONS.items():
        if name != "task":
            assert values[name] == declared.by_task.get(task, declared.default), name
    given = Config.from_values({"task": task, "hidden_size": 99, "learning_rate": 0.5}).values()
    assert given == values | {"hidden_size": 99, "learning_rate": 0.5}


def test_defaults_by_task_are_valid() -> None:
    """They are values of their options, for tasks that have them, and differ from the default."""
    for name, declared in OPTIONS.items():
        for task, value in declared.by_task.items():
            assert declared.serves(task), (name, task)
            assert declared.parse(value) == value != declared.default, (name, task)
            assert declared.default_for(task) == value


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("epochs", [2.5, "2.5"])
def test_epochs_replace_a_tasks_own_steps(task: str, epochs: object) -> None:
    """A task whose runs have a length of their own takes `epochs` without a word about steps."""
    training = Config.from_values({"task": task, "epochs": epochs}).training
    assert (training.epochs, training.steps) == (2.5, None)
    expected = OPTIONS["steps"].default_for(task)
    for none in (None, "none"):
        assert Config.from_values({"task": task, "epochs": none}).training.steps == expected
    message = refusal(task=task, epochs=epochs, steps=7)
    assert message == "epochs is 2.5 and steps is 7; give one of the two."


@pytest.mark.parametrize("task", TASKS)
def test_own_values(task: str) -> None:
    """They are the options that the task has, in their order, and enough to make it again."""
    config = Config.from_values({"task": task, "hidden_size": 9, "epochs": 2})
    own = config.own_values()
    assert list(own) == [name for name, declared in OPTIONS.items() if declared.serves(task)]
    assert own.items() <= config.values().items()
    assert Config.from_values(own) == config
    assert ("seq_length" in own) == (task == "lm")
    assert ("val" in own) == (task != "lm")


@pytest.mark.parametrize("task", ["classify", "tag", "transduce"])
def test_one_direction_can_be_asked_for(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--no-bidirectional` undoes a task's default, and so do a value, a file and a variable."""

    def shown(*words: str) -> object:
        result = CliRunner().invoke(charnn, ["config", "--task", task, *words, "--json"])
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)["bidirectional"]

    assert Config.from_values({"task": task}).model.bidirectional
    assert not Config.from_values({"task": task, "bidirectional": "false"}).model.bidirectional
    assert shown() == {"value": True, "source": "default"}
    assert shown("--no-bidirectional") == {"value": False, "source": "flag"}
    monkeypatch.setenv("CHARNN_BIDIRECTIONAL", "false")
    assert shown() == {"value": False, "source": "environment"}
    assert shown("--bidirectional") == {"value": True, "source": "flag"}


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_part_is_a_file_or_a_share(part: str) -> None:
    """A file of the validation or test part leaves nothing to a fraction."""
    name = f"{part}_fraction"
    message = refusal(task="tag", **{part: "dev.tsv", name: 0.2})
    assert message == (
        f"{name} is 0.2, but the {'validation' if part == 'val' else 'test'} part is the file "
        "'dev.tsv'; leave out one of the two."
    )
    both = Config.from_values({"task": "tag", "val": "dev.tsv", "test": "test.tsv"})
    assert (both.records.val, both.records.test) == ("dev.tsv", "test.tsv")
    assert Config.from_values({"task": "tag", part: "none", name: 0.2}).values()[name] == 0.2
    assert part in refusal(**{part: "dev.tsv"})
