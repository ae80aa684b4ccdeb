"""What hypothesis draws for the tests of more than one file."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from charnn.config import Config
from charnn.options import Option, Value
from charnn.registry import CELLS

# Any character of a file's name: U+DC80 to U+DCFF stand for bytes that are no UTF-8.
NAMES = st.text(
    st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
    min_size=1,
    max_size=12,
)


def values_of(declared: Option) -> st.SearchStrategy[Any]:
    """Draw a value that an option takes."""
    if declared.choices is not None:
        drawn: st.SearchStrategy[Any] = st.sampled_from(list(declared.choices))
    elif declared.type is str:
        drawn = NAMES.filter(lambda text: text.strip().lower() != "none")
    elif declared.type is bool:
        drawn = st.booleans()
    elif declared.type is int:
        drawn = st.integers(
            int(declared.minimum or 0),
            int(declared.maximum) if declared.maximum is not None else 10**12,
        )
    else:
        low = declared.minimum if declared.above is None else declared.above
        high = declared.maximum if declared.below is None else declared.below
        drawn = st.floats(
            low,
            high,
            exclude_min=declared.above is not None,
            exclude_max=declared.below is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    return st.none() | drawn if declared.optional else drawn


@st.composite
def option_values(draw: st.DrawFn) -> dict[str, Value]:
    """Draw a value of every option, without contradictions."""
    options = Config.options()
    task = draw(values_of(options["task"]))
    values = {
        name: draw(values_of(declared)) if declared.serves(task) else declared.default
        for name, declared in options.items()
    } | {"task": task}
    if values["time"] is not None:
        values["time"] = draw(st.sampled_from(["90s", "3m", "1h30m"]))
        values["epochs"] = values["steps"] = None
    if values["epochs"] is not None:
        values["steps"] = None
    if values["shards"] is not None:
        values["shards"] = min(values["shards"], values["batch_size"])
    if values["tokens"] == "bytes" or values["vocab"] is not None:
        values["min_count"] = 1
    if values["val"] is not None:
        values["val_fraction"] = options["val_fraction"].default
    if values["test"] is not None or values["val_fraction"] + values["test_fraction"] >= 1:
        values["test_fraction"] = 0.0
    for name in ("source_sep", "target_sep", "features_sep"):
        if values[name] in ("\t", "\n"):
            values[name] = " "
    columns = [name for name in ("source_col", "target_col", "features_col") if values[name]]
    if len({values[name] for name in columns}) < len(columns):
        values |= {name: place for place, name in enumerate(columns, 1)}
    if values["tie_weights"]:
        values["embedding_size"] = values["hidden_size"]
    (cell, *_) = CELLS[values["cell"]].forms().values()
    if values["recurrent_dropout_kind"] not in cell.dropouts:
        values["recurrent_dropout"] = 0.0
    if "W_hh" not in cell.shapes(1, 1):
        values["weight_drop"] = 0.0
    return values


def configurations() -> st.SearchStrategy[Config]:
    """Draw a whole configuration."""
    return option_values().map(Config.from_values)
