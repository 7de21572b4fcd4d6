"""Declarations of keys: strict and Darknet's conversion of values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.keys import REQUIRED, Key


def key(kind: str, **options: object) -> Key:
    return Key("k", kind, 0, "a key", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "12", 12),
        ("int", " -3 ", -3),
        ("int", "+7", 7),
        ("float", ".5", 0.5),
        ("float", "2.", 2.0),
        ("float", "-1.5e-3", -0.0015),
        ("bool", "1", True),
        ("bool", "0", False),
        ("str", " relu ", "relu"),
        ("ints", "-1, 4", (-1, 4)),
        ("floats", "1,.5 , 2", (1.0, 0.5, 2.0)),
        ("strs", "a, b", ("a", "b")),
    ],
)
def test_strict(kind: str, text: str, value: object) -> None:
    parsed = key(kind).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "0.5"),
        ("int", "1e3"),
        ("int", "12a"),
        ("int", "１２"),  # digits, but not ASCII
        ("int", "1_000"),
        ("int", "99999999999"),
        ("int", "9" * 5000),
        ("float", "nan"),
        ("float", "inf"),
        ("float", "1e999"),
        ("float", "."),
        ("float", "1.5x"),
        ("bool", "2"),
        ("bool", "yes"),
        ("ints", "1,,2"),
        ("ints", "1,2,"),
        ("floats", ""),
    ],
)
def test_strict_refuses(kind: str, text: str) -> None:
    with pytest.raises(ValueError):
        key(kind).parse(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "40#32", 40),
        ("int", "0.5", 0),
        ("int", "1e3", 1),
        ("int", "abc", 0),
        ("float", "1.5x", 1.5),
        ("float", "x", 0.0),
        ("bool", "7", True),
        ("bool", "-1", True),
        ("bool", "no", False),
        ("ints", "-1,271###S4", (-1, 271)),
        ("ints", "1,2#,3", (1, 2)),
        ("ints", "1,", (1, 0)),
        ("floats", ".1,.1", (0.1, 0.1)),
    ],
)
def test_lenient_is_atoi_and_atof(kind: str, text: str, value: object) -> None:
    assert key(kind).parse_lenient(text) == value


def test_range_and_choices_hold_in_both_ways() -> None:
    for parse in (
        key("int", minimum=1).parse,
        key("int", minimum=1).parse_lenient,
        key("ints", maximum=-1).parse_lenient,
    ):
        with pytest.raises(ValueError, match="0 is (below 1|above -1)"):
            parse("0")
    mode = key("str", choices=("zero", "symmetric", "edge"))
    assert mode.parse("edge") == "edge"
    for parse in (mode.parse, mode.parse_lenient):
        with pytest.raises(ValueError, match="did you mean symmetric"):
            parse("symetric")


def test_required_has_no_default() -> None:
    assert Key("from", "ints", REQUIRED, "layers").required
    assert not Key("pad", "bool", False, "same").required
    assert repr(REQUIRED) == "required"


@given(st.sampled_from(("int", "float", "bool", "ints", "floats")), st.text())
def test_any_text_is_a_value_or_a_value_error(kind: str, text: str) -> None:
    for parse in (key(kind).parse, key(kind).parse_lenient):
        try:
            value = parse(text)
        except ValueError:
            continue
        for item in value if isinstance(value, tuple) else (value,):
            assert math.isfinite(item)


@given(st.integers(-(2**31) + 1, 2**31 - 1))
def test_integers_come_back(number: int) -> None:
    assert key("int").parse(str(number)) == number
    assert key("int").parse_lenient(f"{number};") == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back(number: float) -> None:
    assert key("float").parse(repr(number)) == number


def test_long_digits_do_not_take_long() -> None:
    # A pattern that backtracks would need hours here.
    for text in ("1" * 10**6 + "x", "1" * 10**6, "." * 10**6):
        for kind in ("int", "float"):
            with pytest.raises(ValueError):
                key(kind).parse(text)
