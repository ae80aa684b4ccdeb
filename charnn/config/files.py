"""Options in YAML files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from charnn.config.configuration import Config, check_names, current_names
from charnn.errors import ConfigError
from charnn.options import Value, shown

LARGEST_YAML = 65_536  # bytes; all options together take some 2,000


def read_yaml(path: Path) -> dict[str, Value]:
    """Read a YAML file of options. Raises ConfigError naming the file and the key."""
    import yaml

    try:
        if path.stat().st_size > LARGEST_YAML:
            raise ConfigError(
                f"config file '{path}' is larger than {LARGEST_YAML:,} bytes; it should hold "
                "one `key: value` per line."
            )
        content = from_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"config file '{path}' cannot be read ({error.strerror}); check the path."
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"config file '{path}' cannot be read as YAML ({reason[:300]}); write one "
            "`key: value` per line."
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"config file '{path}' holds a value of type {type(content).__name__} instead of "
            "options; write one `key: value` per line."
        )
    content = current_names(content)
    check_names(content, f"config file '{path}'")
    known = Config.options()
    try:
        return {name: known[name].parse(value) for name, value in content.items()}
    except ConfigError as error:
        raise ConfigError(f"config file '{path}': {error}") from error


def from_yaml(text: str) -> object:
    """Return the content of a YAML text. Raises yaml.YAMLError, ValueError and similar errors.

    Aliases (`*a`) are refused because a few lines of them can expand to billions of values. A key
    that appears twice is refused, too.
    """
    import yaml

    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise yaml.YAMLError("it contains an alias, `*name`; write out the value")
    node = yaml.compose(text, yaml.SafeLoader)
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, number in keys.items():
            if number > 1:
                raise yaml.YAMLError(f"the key {shown(key)} appears {number} times")
    try:
        return yaml.safe_load(text)
    except (AttributeError, LookupError, TypeError) as error:  # raised by PyYAML's constructors
        raise yaml.YAMLError("a value does not match its !!tag") from error


def to_yaml(values: Mapping[str, Value], comments: Mapping[str, str] | None = None) -> str:
    """Return options as YAML, one per line, each with its comment if it has one."""
    import yaml

    lines = []
    for name, value in values.items():
        shown = "none" if value is None else value
        # U+0085 ends a line in YAML, and PyYAML escapes it only within double quotes.
        style = '"' if "\x85" in str(shown) else None
        line = yaml.safe_dump({name: shown}, default_style=style, allow_unicode=True, width=1_000)
        line = line.removesuffix("\n")
        comment = (comments or {}).get(name)
        lines.append(f"{line:<30}  # {comment}" if comment else line)
    return "\n".join(lines) + "\n"
