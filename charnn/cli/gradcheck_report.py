"""What `charnn gradcheck` found, as tables, as JSON, and in words."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from charnn.config import GradcheckConfig

if TYPE_CHECKING:
    from charnn.nn.central_differences import Comparison

Table = dict[str, dict[str, "Comparison"]]  # rows by array, columns by variant


class Check(NamedTuple):
    """One array of one model, and whether its gradient is right."""

    model: str
    variant: str
    comparison: Comparison
    passed: bool


def show_as_json(checks: list[Check], options: GradcheckConfig) -> None:
    """Print all checks as JSON."""
    from charnn.cli.console import show_json

    results = [
        {"model": check.model, "variant": check.variant, **asdict(check.comparison)}
        for check in checks
    ]
    summary = {
        "tolerance": options.tolerance,
        "worst": max(check.comparison.error for check in checks),
        "passed": all(check.passed for check in checks),
    }
    show_json({**summary, "results": results})


def show_verdict(checks: list[Check], options: GradcheckConfig, directions: bool) -> None:
    """Print whether all gradients are right, and the largest error."""
    from charnn.cli.console import show

    failed = sum(not check.passed for check in checks)
    checked = sum(check.comparison.size for check in checks)
    worst = max(check.comparison.error for check in checks)
    what = "directions" if directions else f"{checked:,} coordinates"
    verdict = "passed" if not failed else f"FAILED in {failed} of {len(checks)}"
    limit = f"tolerance {options.tolerance:g}"
    show(f"{verdict}: largest relative error {worst:.2e} over {what}, {limit}")


def report_failures(checks: list[Check]) -> int:
    """Say which gradients are wrong, and return how many."""
    from charnn.cli.console import say

    failures = [check for check in checks if not check.passed]
    for title, variant, wrong, _ in failures:
        say(
            f"{title}, {variant}: {wrong.name} at {wrong.where}: analytic {wrong.analytic:.9g}, "
            f"numeric {wrong.numeric:.9g}"
        )
    return len(failures)


def print_table(title: str, table: Table, tolerance: float) -> None:
    """Print a table of errors, a row for each array and a column for each variant."""
    from charnn.cli.console import show_table

    variants = list(dict.fromkeys(variant for row in table.values() for variant in row))
    rows = [
        [name, *(f"{row[v].error:.1e}" if v in row else "" for v in variants)]
        for name, row in table.items()
    ]
    wrong = [
        number
        for number, row in enumerate(table.values())
        if any(not comparison.error <= tolerance for comparison in row.values())
    ]
    show_table(title, ["", *(v.replace(" ", "\n") for v in variants)], rows, [""], wrong)


def print_errors(tables: dict[str, Table], tolerance: float) -> None:
    """Print the largest error of each model: a row for each variant, a column for each table.

    The tables' titles begin with what they have in common: `tagging: LSTM`.
    """
    from charnn.cli.console import show_table
    from charnn.tasks.gradient_variants import cells

    worst: dict[str, dict[str, float]] = {}
    for title, table in tables.items():
        for row in table.values():
            for variant, comparison in row.items():
                errors = worst.setdefault(variant, {})
                errors[title] = max(errors.get(title, 0.0), comparison.error)
    common, _, _ = next(iter(tables)).partition(": ")
    names = {str(form): name for form, name, _ in cells()}
    columns = [names[title.removeprefix(f"{common}: ")] for title in tables]
    rows = [
        [variant, *(f"{errors[title]:.0e}" if title in errors else "" for title in tables)]
        for variant, errors in worst.items()
    ]
    wrong = [
        number
        for number, errors in enumerate(worst.values())
        if any(not error <= tolerance for error in errors.values())
    ]
    headings = ["", *(column.replace("norm", "-norm").replace("-", "\n") for column in columns)]
    show_table(f"{common}: the largest error of any parameter", headings, rows, [""], wrong)
