"""The configuration that a search has found, as a file to train with."""

from __future__ import annotations

from pathlib import Path

from charnn.config import Config, to_yaml
from charnn.options import Value, worded
from charnn.tuning.folder import Record
from charnn.tuning.search import Result, Search


def best_yaml(search: Search, best: Result, record: Record, unit: str) -> str:
    """Return a result's configuration in the form of configs/*.yaml, with reasons."""
    start = record.start.values()
    searched = search.candidates[best.trial]
    values = values_of(search, best, record)
    reasons = {
        name: reason(name, value, start[name], name in searched) for name, value in values.items()
    }
    seconds = best.planned if search.plan.target is None else search.plan.target
    reasons["steps"] = f"what fits into {seconds:.0f} s on the machine of the search"
    names = " ".join(Path(name).name for name in record.files) or "TEXT"
    return (
        f"# Found by charnn tune: charnn train {names} --config best.yaml\n"
        f"# {compared(search, best, unit)}\n"
        "# Differences from the defaults, each with its reason.\n"
        f"{to_yaml(values, reasons)}"
    )


def values_of(search: Search, best: Result, record: Record) -> dict[str, Value]:
    """Return a result's length, and its options that are not the defaults or could differ there."""
    config = record.start.replace(**search.candidates[best.trial], steps=search.final_steps(best))
    task = config.task.task
    defaults = Config.from_values({"task": task}).values() | {"task": Config().task.task}
    values, known = config.own_values(), Config.options()
    return {
        name: value
        for name, value in values.items()
        if known[name].follows(task) or name == "steps" or value != defaults[name]
        if name != "epochs"
    }


def reason(name: str, value: Value, start: Value, searched: bool) -> str:
    """Return why an option has its value."""
    if not searched:
        return "what the search was for" if name in ("task", "cell") else "not searched"
    if value == start:
        return "where the search started; no other value did better"
    return f"tuned; the search started from {worded(start)}"


def compared(search: Search, best: Result, unit: str) -> str:
    """Return how well the best did, beside the start, in one sentence."""
    start = search.at_start(best.rung)
    after, beside = f"after {best.planned:.3g} s", ""
    if start is not None:
        own = f"after {start.planned:.3g} s"  # longer, where runs took longer than planned
        beside = f", and {start.outcome.loss:.4f}{'' if own == after else f' {own}'}"
        beside += " where the search started"
    return f"Validation loss {after}: {best.outcome.loss:.4f} nats/{unit}{beside}."
