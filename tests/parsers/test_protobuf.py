"""The wire format: every value comes back, every damage is an error."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protobuf_writer import chunk, float32, integer, key, packed, varint

from zoo.errors import ReaderError
from zoo.parsers._protobuf import Field, Message

INT64 = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.integers(1, 2**29 - 1)


def fields(data: bytes) -> tuple[Message, list[Field]]:
    message = Message(data, "test")
    return message, list(message)


@given(st.lists(st.tuples(NUMBERS, INT64 | st.binary(max_size=200))))
def test_fields_come_back(items: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(
        integer(number, value) if isinstance(value, int) else chunk(number, value)
        for number, value in items
    )
    message, found = fields(data)
    assert [
        (
            field.number,
            message.signed(field) if field.wire == 0 else message.bytes(field),
        )
        for field in found
    ] == items


@given(st.lists(INT64, max_size=300))
def test_packed_varints_come_back(values: list[int]) -> None:
    message, (field,) = fields(packed(4, values))
    assert message.varints(field, 300).tolist() == values


def test_long_packed_varints_come_back_across_chunks() -> None:
    values = np.random.default_rng(0).integers(-(2**40), 2**40, 300_000).tolist()
    message, (field,) = fields(packed(1, values))
    assert field.end - field.start > 1 << 20
    assert message.varints(field, len(values)).tolist() == values


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_floats_come_back(values: list[float]) -> None:
    data = chunk(1, struct.pack(f"<{len(values)}f", *values))
    data += b"".join(float32(2, value) for value in values)
    message, (first, *rest) = fields(data)
    assert message.array(first, "<f4").tolist() == values
    assert [message.floating(field) for field in rest] == values
    assert [message.array(field, "<f4").item() for field in rest] == values


def test_messages_nest() -> None:
    message, (outer,) = fields(chunk(1, chunk(2, integer(3, -5)) + chunk(4, "text")))
    inner = message.message(outer)
    first, second = inner
    innermost = inner.message(first)
    assert [innermost.signed(field) for field in innermost] == [-5]
    assert inner.text(second) == "text"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08", "ends within"),
        (b"\x80", "ends within"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "longer than 10"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "64 bits"),
        (b"\x00\x01", "no field number"),
        (varint(2**29 << 3) + b"\x01", "no field number"),
        (b"\x0a\x05abc", "2 bytes after"),
        (b"\x0a" + varint(2**63) + b"abc", "after its message"),
        (b"\x0d\x00\x00", "after its message"),
        (b"\x09\x00\x00", "after its message"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_damage_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ReaderError, match=reason) as caught:
        fields(data)
    assert "test: " in str(caught.value)
    assert "at byte" in str(caught.value)


def test_inner_messages_cannot_leave_the_outer() -> None:
    message, (field, _) = fields(chunk(1, b"\x0a\x09ab") + chunk(2, b"x" * 20))
    with pytest.raises(ReaderError, match="after its message"):
        list(message.message(field))


def test_wrong_wire_types_are_refused() -> None:
    message, (number, text, single) = fields(
        integer(1, 5) + chunk(2, b"\xff") + float32(3, 1.0)
    )
    for wrong in (
        lambda: message.text(number),
        lambda: message.text(text),
        lambda: message.bytes(number),
        lambda: message.message(single),
        lambda: message.signed(text),
        lambda: message.floating(text),
        lambda: message.array(number, "<f4"),
        lambda: message.array(text, "<f4"),
        lambda: message.array(single, "<f8"),
        lambda: message.varints(single, 9),
        lambda: message.varints(text, 9),
    ):
        with pytest.raises(ReaderError):
            wrong()


def test_varints_are_bounded() -> None:
    message, (many, long, endless) = fields(
        packed(1, range(9)) + chunk(2, b"\x80" * 11 + b"\x01") + chunk(3, b"\x01\x80")
    )
    with pytest.raises(ReaderError, match="9 values are given where 8 fit"):
        message.varints(many, 8)
    with pytest.raises(ReaderError, match="longer than 10"):
        message.varints(long, 8)
    with pytest.raises(ReaderError, match="no end"):
        message.varints(endless, 8)


def test_ever_so_many_fields_are_refused_soon() -> None:
    data = b"\x0a\x00" * 1_200_000
    with pytest.raises(ReaderError, match="too many fields"):
        for _ in Message(data, "test"):
            pass


def test_long_names_are_refused() -> None:
    message, (field,) = fields(key(1, 2) + varint(5000) + b"a" * 5000)
    with pytest.raises(ReaderError, match="4096"):
        message.text(field)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_noise_gives_fields_or_an_error(noise: bytes) -> None:
    try:
        message, found = fields(noise)
        for field in found:
            if field.wire == 2:
                list(message.message(field))
    except ReaderError:
        pass
