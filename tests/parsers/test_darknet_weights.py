"""Darknet's .weights: header, stream, writing, damaged files."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ReaderError
from zoo.parsers.weights import (
    DarknetReader,
    DarknetStream,
    Header,
    open_weights,
    read_header,
    write_weights,
)

FASTEST = (
    Path(__file__).parents[2]
    / ".."
    / "shared"
    / "data"
    / "darknet"
    / "yolo-fastest-1.1.weights"
)


@pytest.mark.parametrize(
    ("version", "size", "transposed"),
    [
        ((0, 1, 0), 16, False),
        ((0, 2, 0), 20, False),
        ((0, 2, 5), 20, False),
        ((1, 0, 0), 20, False),
        ((0, 1001, 0), 16, True),
        ((1001, 0, 0), 16, True),
    ],
)
def test_header(version: tuple[int, int, int], size: int, transposed: bool) -> None:
    seen = 32_013_312
    layout = "<iiiQ" if size == 20 else "<iiiI"
    data = struct.pack(layout, *version, seen)
    assert len(data) == size
    header = read_header(data + b"1234")
    assert header == Header(*version, seen)
    assert (header.size, header.is_transposed) == (size, transposed)
    assert header.pack() == data


def test_wide_count() -> None:
    assert read_header(Header(seen=2**40).pack()).seen == 2**40


@pytest.mark.parametrize("length", [0, 1, 15, 19])
def test_short_header(length: int) -> None:
    with pytest.raises(ReaderError, match=f"a.weights' has {length} bytes"):
        read_header(Header().pack()[:length], "a.weights")


def stream(*values: float, tail: bytes = b"") -> DarknetStream:
    data = Header(seen=5).pack() + np.array(values, "<f4").tobytes() + tail
    return DarknetStream(io.BytesIO(data), "a.weights")


def test_stream() -> None:
    numbers = stream(1, 2, 3, 4, 5)
    assert (numbers.total, numbers.header.seen) == (5, 5)
    np.testing.assert_array_equal(numbers.take(2, "biases"), [1, 2])
    assert numbers.take(0, "nothing").size == 0
    assert numbers.remaining == 3
    with pytest.raises(ReaderError, match="layer 3 takes 5 floats and 3 of 5 are left"):
        numbers.take(5, "layer 3")
    last = numbers.take(3, "the rest")
    assert last.dtype == np.float32
    last += 1  # the caller's own
    assert numbers.remaining == 0


def test_absurd_request_allocates_nothing() -> None:
    with pytest.raises(ReaderError, match="too few"):
        stream(1).take(2**60, "a layer")


@pytest.mark.parametrize("rest", [1, 2, 3])
def test_ends_within_a_number(rest: int) -> None:
    with pytest.raises(ReaderError, match=f"ends {rest} bytes into a number"):
        stream(1, tail=b"x" * rest)


def test_reader_and_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_weights(path, [base.T, np.zeros(0, np.float32), base[0]], Header(seen=64))
    checkpoint = DarknetReader.read(path)
    expected = [*base.T.ravel(), *base[0]]
    np.testing.assert_array_equal(checkpoint.tensors["data"], expected)
    assert checkpoint.metadata["seen"] == 64
    assert checkpoint.metadata["minor"] == 2
    assert DarknetReader.recognizes(path, path.read_bytes()[:4096])
    with open_weights(path) as numbers:
        assert numbers.total == 16
    for wrong in (tmp_path, tmp_path / "no"):
        with pytest.raises(ReaderError):
            DarknetReader.read(wrong)


def test_published_file_comes_back_byte_by_byte(tmp_path: Path) -> None:
    if not FASTEST.exists():
        pytest.skip("the Darknet weights are not beside this checkout")
    checkpoint = DarknetReader.read(FASTEST)
    assert checkpoint.shapes == {"data": ((1384268 - 20) // 4,)}
    assert DarknetReader.recognizes(FASTEST, FASTEST.read_bytes()[:4096])
    header = Header(
        *(checkpoint.metadata[name] for name in ("major", "minor", "revision", "seen"))
    )
    write_weights(tmp_path / "copy", [checkpoint.tensors["data"]], header)
    assert (tmp_path / "copy").read_bytes() == FASTEST.read_bytes()


@pytest.mark.parametrize(
    "head",
    [b"", b"\0" * 64, b"PK\x03\x04" + b"\0" * 60, b"[net]\nwidth=416\nheight=416\n"],
)
def test_other_formats_are_not_recognized(head: bytes) -> None:
    assert not DarknetReader.recognizes(Path("x.weights"), head)


@given(st.binary(max_size=64))
def test_any_bytes_are_numbers_or_a_reader_error(data: bytes) -> None:
    try:
        numbers = DarknetStream(io.BytesIO(data), "a.weights")
    except ReaderError as error:
        assert "a.weights" in str(error)
    else:
        assert numbers.take(numbers.total, "all").nbytes + numbers.header.size == len(
            data
        )
        assert numbers.remaining == 0
