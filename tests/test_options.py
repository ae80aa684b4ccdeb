"""Options: types, bounds, `none`, choices, and the sentences of their errors."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.config import Config, SamplingConfig
from charnn.errors import ConfigError
from charnn.options import Option, Section, finite, option, options_of, shown, suggestion, whole
from charnn.registry import CELLS

DECLARED = {
    **{f"train-{name}": declared for name, declared in Config.options().items()},
    **{f"sample-{name}": declared for name, declared in options_of(SamplingConfig).items()},
}


def some(**wanted: Any) -> Any:
    """Parametrise a test over the declared options whose attributes are as wanted."""
    chosen = {
        name: declared
        for name, declared in DECLARED.items()
        if all(getattr(declared, attribute) == value for attribute, value in wanted.items())
    }
    return pytest.mark.parametrize("declared", chosen.values(), ids=chosen)


def next_number(declared: Option, value: float, direction: float) -> float:
    """Return the neighbour of a number, among those that an option's type can have."""
    if declared.type is int:
        return int(value) + (1 if direction > 0 else -1)
    return math.nextafter(value, direction)


def at_the_bounds() -> dict[str, tuple[Option, float, float]]:
    """Return, by name, each bound of each option: a value just inside and one just outside."""
    cases = {}
    for name, declared in DECLARED.items():
        for bound, outwards in (
            ("minimum", -math.inf),
            ("maximum", math.inf),
            ("above", -math.inf),
            ("below", math.inf),
        ):
            limit = getattr(declared, bound)
            if limit is None:
                continue
            if bound in {"minimum", "maximum"}:
                inside, outside = limit, next_number(declared, limit, outwards)
            else:
                inside, outside = next_number(declared, limit, -outwards), limit
            cases[f"{name}-{bound}"] = (declared, inside, outside)
    return cases


AT_BOUNDS = at_the_bounds()
bounds = pytest.mark.parametrize(
    ("declared", "inside", "outside"), AT_BOUNDS.values(), ids=AT_BOUNDS
)


def refusal(declared: Option, value: object) -> str:
    """Return the sentence with which an option refuses a value."""
    with pytest.raises(ConfigError) as caught:
        declared.parse(value)
    return str(caught.value)


@bounds
def test_the_value_just_inside_a_bound_is_accepted(
    declared: Option, inside: float, outside: float
) -> None:
    """Every bound's innermost value is taken as it is, as a number and as text."""
    assert declared.parse(inside) == inside
    assert declared.parse(repr(inside)) == inside
    assert type(declared.parse(inside)) is declared.type


@bounds
def test_the_value_just_outside_a_bound_is_refused(
    declared: Option, inside: float, outside: float
) -> None:
    """One step beyond any bound is an error that names option, value and what to give."""
    for value in (outside, repr(outside)):
        message = refusal(declared, value)
        assert message.startswith(f"{declared.name} is {declared.type(outside)}; give a")
        assert declared.expected() in message


def test_every_number_but_the_forget_bias_has_a_bound() -> None:
    """No number was declared without saying what it may be; a bias may be anything."""
    unbounded = {
        declared.name
        for declared in DECLARED.values()
        if declared.type in {int, float}
        and {declared.minimum, declared.maximum, declared.above, declared.below} == {None}
    }
    assert unbounded == {"forget_bias"}


@some(type=float)
def test_a_number_must_be_finite(declared: Option) -> None:
    """Neither infinity nor NaN nor a number beyond floats is accepted anywhere."""
    for value in ("nan", "inf", "-inf", math.nan, math.inf, "1e999", 10**400, "", "1,5", "0x1"):
        assert (
            refusal(declared, value) == f"{declared.name} is {shown(value)}; {declared.expected()}."
        )


@some(type=int)
def test_a_whole_number_must_be_whole(declared: Option) -> None:
    """A fraction, and what is no number, is refused where a whole number belongs."""
    for value in (1.5, "1.5", "2e-3", "inf", "nan", math.nan, "", "1 2", "0x10", "1e400"):
        message = refusal(declared, value)
        assert message.startswith(f"{declared.name} is {value!r}; give a whole number")


@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
def test_lists_and_booleans_are_no_values(declared: Option) -> None:
    """A number or text is never read from a boolean (YAML's `yes`), a list or a mapping."""
    booleans = () if declared.type is bool else (True, False)
    for value in (*booleans, [1], {"a": 1}, (1,), b"1", object):
        message = refusal(declared, value)
        assert message.startswith(f"{declared.name} is {value!r}; {declared.expected()}.")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2e-3", 0.002),
        ("1_000", 1000.0),
        (" 0.5 ", 0.5),
        (".5", 0.5),
        (1, 1.0),
        ("1_0.2_5", 10.25),
    ],
)
def test_a_number_is_read_from_text(text: str, number: float) -> None:
    """YAML 1.1 leaves `2e-3` a string; it is a number all the same."""
    parsed = Config.options()["learning_rate"].parse(text)
    assert parsed == number
    assert type(parsed) is float


@pytest.mark.parametrize(
    ("text", "number"),
    [("1_000", 1000), ("2e3", 2000), ("+7", 7), (" 12\n", 12), (3.0, 3), ("1.5e1", 15)],
)
def test_a_whole_number_is_read_from_text(text: str, number: int) -> None:
    """`1_000` and `2e3` are whole numbers, and come out as such."""
    parsed = Config.options()["steps"].parse(text)
    assert parsed == number
    assert type(parsed) is int


def test_a_large_whole_number_keeps_all_its_digits() -> None:
    """A seed above 2^53 does not pass through a float."""
    seed = 2**63 - 1
    assert Config.options()["seed"].parse(str(seed)) == seed
    assert whole(str(2**53 + 1)) == 2**53 + 1


@given(st.integers())
@settings(derandomize=True, deadline=None, max_examples=100)
def test_any_whole_number_is_read_back(number: int) -> None:
    """`whole` reads what `str` wrote, with and without thousands' underscores."""
    assert whole(str(number)) == number
    assert whole(f"{number:_}") == number


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_any_number_is_read_back(number: float) -> None:
    """`finite` reads what `repr` wrote, bit for bit."""
    assert finite(repr(number)).hex() == number.hex()


@some(optional=True)
def test_none_is_a_value_of_an_optional(declared: Option) -> None:
    """Every optional takes `none`, in any spelling, as None."""
    for value in (None, "none", "None", "NONE", " none "):
        assert declared.parse(value) is None
    assert declared.expected().endswith(", or none")


@some(optional=False)
def test_none_is_no_value_of_others(declared: Option) -> None:
    """An option that needs a value says so when it is given none."""
    message = refusal(declared, None)
    assert message == f"{declared.name} cannot be none; {declared.expected()}."
    if declared.type is not str:
        assert refusal(declared, "none") == message


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [
        ("cell", "lsmt", "lstm"),
        ("cell", "rrn", "rnn"),
        ("gru_reset", "befor", "before"),
        ("recurrent_init", "orthogonl", "orthogonal"),
        ("optimizer", "adagrat", "adagrad"),
        ("lr_schedule", "cosin", "cosine"),
        ("tokens", "byte", "bytes"),
    ],
)
def test_a_misspelt_choice_is_answered_with_the_closest(name: str, typed: str, meant: str) -> None:
    """The error lists all choices and names the one that was probably meant."""
    declared = Config.options()[name]
    message = refusal(declared, typed)
    assert message.startswith(f"{name} is {typed!r}; choose ")
    assert all(choice in message for choice in declared.choices or ())
    assert message.endswith(f" Did you mean {meant!r}?")


def test_a_choice_far_from_all_is_answered_with_the_list_only() -> None:
    """Nothing is suggested for a word that resembles no choice."""
    message = refusal(Config.options()["cell"], "transformer")
    assert message == f"cell is 'transformer'; choose {', '.join(CELLS)}."


@pytest.mark.parametrize(
    "declared",
    [declared for declared in DECLARED.values() if declared.choices is not None],
    ids=lambda declared: declared.name,
)
def test_every_choice_is_accepted(declared: Option) -> None:
    """What an option lists as a choice is one."""
    assert [declared.parse(choice) for choice in declared.choices] == list(declared.choices)


@dataclass(frozen=True)
class Sample(Section):
    """A section with each kind of option."""

    switch: bool = option(False, "On or off.")
    number: float = option(0.5, "A number.", above=0, maximum=1)
    count: int | None = option(None, "A count.", minimum=1)
    word: str | None = option(None, "A word.", flag="--w")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("Yes", True),
        (" on ", True),
        ("FALSE", False),
        ("no", False),
        ("off", False),
    ],
)
def test_a_boolean_is_read_from_words(value: object, meaning: bool) -> None:
    """YAML's words for true and false are understood, in any spelling."""
    assert Sample(switch=value).switch is meaning


@pytest.mark.parametrize("value", [1, 0, 2, "1", "maybe", "", 0.5, []])
def test_a_boolean_is_not_guessed(value: object) -> None:
    """A number, or any other word, is neither true nor false."""
    message = refusal(options_of(Sample)["switch"], value)
    assert message == f"switch is {value!r}; give true or false."


def test_what_an_option_expects_is_said_in_words() -> None:
    """The sentence names type, both bounds and `none`."""
    expected = {name: declared.expected() for name, declared in options_of(Sample).items()}
    assert expected == {
        "switch": "give true or false",
        "number": "give a number above 0 and of at most 1",
        "count": "give a whole number of at least 1, or none",
        "word": "give a text, or none",
    }


def test_options_are_read_off_the_fields_in_order() -> None:
    """Name, type, optional or not, default, help and flag come from the dataclass."""
    found = options_of(Sample)
    assert list(found) == [entry.name for entry in dataclasses.fields(Sample)]
    assert [declared.type for declared in found.values()] == [bool, float, int, str]
    assert [declared.optional for declared in found.values()] == [False, False, True, True]
    assert [declared.default for declared in found.values()] == [False, 0.5, None, None]
    assert found["word"].flag == "--w"
    assert found["count"].help == "A count."


def test_a_section_converts_its_values() -> None:
    """An instance holds values of the declared types, whatever they were given as."""
    section = Sample(switch="on", number="1e-1", count="1_0", word=7)
    assert dataclasses.asdict(section) == {
        "switch": True,
        "number": 0.1,
        "count": 10,
        "word": "7",
    }
    assert type(section.count) is int


def test_a_section_cannot_be_changed() -> None:
    """A valid section stays valid: its fields are frozen."""
    section = Sample()
    with pytest.raises(dataclasses.FrozenInstanceError) as caught:
        section.number = 7  # type: ignore[misc]
    assert "number" in str(caught.value)
    assert section.number == 0.5


def test_every_option_has_help() -> None:
    """Each option explains itself in one line that ends with a full stop."""
    for declared in DECLARED.values():
        assert declared.help == " ".join(declared.help.split())
        assert declared.help.endswith(".")
        assert len(declared.help) > len("A word.")


def test_every_default_is_a_value() -> None:
    """A default passes the option's own checks, and is of its type."""
    for declared in DECLARED.values():
        parsed = declared.parse(declared.default)
        assert parsed == declared.default
        assert parsed is None or type(parsed) is declared.type


def test_a_suggestion_needs_a_close_word() -> None:
    """The closest word is suggested, or nothing at all."""
    assert suggestion("hiden_size", ["hidden_size", "num_layers"]) == (
        " Did you mean 'hidden_size'?"
    )
    assert suggestion("xyz", ["hidden_size", "num_layers"]) == ""
    assert suggestion("xyz", []) == ""


def test_the_cases_cover_every_declared_bound() -> None:
    """The table of bounds above is not empty where a bound is declared (a test of the test)."""
    declared = chain.from_iterable(
        (entry.minimum, entry.maximum, entry.above, entry.below) for entry in DECLARED.values()
    )
    assert len(AT_BOUNDS) == sum(bound is not None for bound in declared)
    assert len(AT_BOUNDS) > 40
