"""The safetensors format: a JSON header with names and offsets, then plain numbers.

Reading goes through the ``safetensors`` library, whose Rust code checks the
header against the file before a tensor is touched. Writing is done here,
because the library writes metadata in random order and equal weights should
give equal files.

Format: https://github.com/huggingface/safetensors (8 bytes of header length,
little endian; the header; the tensors, row-major, without gaps).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.files import atomic_write
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["SafetensorsReader", "checksum", "read_metadata", "write_safetensors"]

# What the library itself allows for the header.
_MAX_HEADER = 100_000_000
_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}


class SafetensorsReader(Reader):
    """Reads .safetensors files. Half-precision tensors come as float32."""

    name: ClassVar[str] = "safetensors"
    suffixes: ClassVar[tuple[str, ...]] = (".safetensors",)

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether a header length that can be meant is followed by JSON."""
        return (
            len(head) > 8
            and struct.unpack("<Q", head[:8])[0] <= _MAX_HEADER
            and head[8:9] == b"{"
        )

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read all tensors.

        Raises
        ------
        ReaderError
            If the file is unreadable, truncated or damaged, or a tensor has a
            type that NumPy does not know.
        """
        tensors: dict[str, NDArray[Any]] = {}
        halves: list[str] = []
        with _opened(path) as file:
            metadata = dict(file.metadata() or {})
            # Older versions of the library only know the sorted order.
            names = getattr(file, "offset_keys", file.keys)()
            for name in names:
                kind = file.get_slice(name).get_dtype()
                if kind == "BF16":
                    halves.append(name)
                    tensors[name] = np.zeros(0, np.float32)  # keeps its place
                elif kind not in _NAMES.values():
                    what = " (8-bit floats)" if kind.startswith("F8") else ""
                    raise ReaderError(
                        f"{str(path)!r}: tensor {name!r} has the type {kind}{what}, "
                        f"which zoo does not read; store it as F32 or F16"
                    )
                else:
                    tensor = file.get_tensor(name)
                    is_half = tensor.dtype == np.float16
                    tensors[name] = tensor.astype(np.float32) if is_half else tensor
            # Shapes that the library lets pass are refused like all others.
            tensors.update(_read_bfloat16(path, halves))
        return Checkpoint(cls.name, tensors, metadata)


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read the metadata of a .safetensors file without its tensors.

    Raises
    ------
    ReaderError
        If the file is unreadable or its header is damaged.
    """
    with _opened(path) as file:
        return dict(file.metadata() or {})


def write_safetensors(
    path: str | Path,
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a .safetensors file; equal arguments give equal bytes.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists, once everything is written.
    tensors : mapping of str to ndarray
        Kept in this order, except that wider types come first, which aligns them.
    metadata : mapping of str to str, optional

    Raises
    ------
    ReaderError
        If a tensor has a type that the format does not know.
    ZooError
        If the file cannot be written.
    """
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    ordered = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)
    offset = 0
    for name, tensor in ordered:
        if tensor.dtype.name not in _NAMES:
            raise ReaderError(
                f"tensor {name!r} has the type {tensor.dtype}, which safetensors "
                f"does not hold"
            )
        end = offset + tensor.nbytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with atomic_write(path) as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for _, tensor in ordered:
            little = tensor.astype(tensor.dtype.newbyteorder("<"), "C", copy=False)
            file.write(little.data)


def checksum(tensors: Mapping[str, NDArray[Any]], text: str = "") -> str:
    """CRC-32 of names, types and values of tensors as stored, and of a text.

    Safetensors files carry no checksum of their own, and one flipped bit in an
    exponent is enough to spoil a network.
    """
    found = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name}:{tensor.dtype.name}".encode(), found)
        little = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))
        found = zlib.crc32(little.reshape(-1).view(np.uint8).data, found)
    return f"{found:08x}"


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """Open with the library; turn what it raises into ReaderError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            yield file
    except FileNotFoundError:
        raise ReaderError(f"there is no file {str(path)!r}") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReaderError(f"{str(path)!r} cannot be read: {reason}") from None
    except SafetensorError as error:
        reason = str(error).removeprefix("Error while deserializing header: ")
        raise ReaderError(
            f"{str(path)!r} is truncated or damaged, or no safetensors file "
            f"({reason}); fetch or convert it again"
        ) from None
    except (ValueError, MemoryError, AttributeError, TypeError) as error:
        # Shapes such as 0 x 2**62 pass the library's checks, not NumPy's.
        raise ReaderError(f"{str(path)!r} has an impossible tensor: {error}") from None


def _read_bfloat16(
    path: str | Path, names: list[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read bfloat16 tensors, a type NumPy lacks: the upper half of a float32.

    The library has checked the header by now.
    """
    if not names:
        return
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name in names:
            start, end = header[name]["data_offsets"]
            file.seek(8 + length + start)
            upper = np.frombuffer(file.read(end - start), "<u2")
            values = (upper.astype(np.uint32) << 16).view(np.float32)
            yield name, values.reshape(header[name]["shape"])
