"""What the names in PyTorch's pickles mean, as data.

PyTorch writes a tensor as a call: "rebuild a tensor from this storage, this
offset, this size, these strides". The functions here take such calls down as
plain records; :mod:`zoo.parsers._torch_storage` makes arrays of them. Nothing
of PyTorch or of the file is imported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.parsers._pickle import Constructor
from zoo.parsers._pickle_values import (
    Global,
    Opaque,
    Unnamed,
    is_plain_key,
    quoted,
)

__all__ = [
    "BFLOAT16",
    "CONSTRUCTORS",
    "NestedStorage",
    "NumpyArray",
    "StorageRef",
    "TensorRef",
    "element_size",
    "element_type",
    "foreign_size",
]

BFLOAT16: Final = "bfloat16"
"""Stands in for the type that NumPy lacks; stored as the upper half of a float32."""

# By the name of the storage class and by the name of the dtype; little-endian.
_STORAGES: Final[Mapping[str, str]] = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
    "UntypedStorage": "|u1",
}
_DTYPES: Final[Mapping[str, str]] = {
    "float64": "<f8",
    "double": "<f8",
    "float32": "<f4",
    "float": "<f4",
    "float16": "<f2",
    "half": "<f2",
    "bfloat16": BFLOAT16,
    "int64": "<i8",
    "long": "<i8",
    "int32": "<i4",
    "int": "<i4",
    "int16": "<i2",
    "short": "<i2",
    "int8": "|i1",
    "uint8": "|u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "|b1",
}
_NUMPY_CODES: Final = frozenset(
    ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
)
_MAX_DIMENSIONS = 16


# Sizes of elements that no array here can hold; a file of the old format cannot be
# cut into its storages without them.
_FOREIGN_STORAGES: Final[Mapping[str, int]] = {
    "ComplexDoubleStorage": 16,
    "ComplexFloatStorage": 8,
    "QInt32Storage": 4,
    "QInt8Storage": 1,
    "QUInt2x4Storage": 1,
    "QUInt4x2Storage": 1,
    "QUInt8Storage": 1,
}


def foreign_size(name: Any) -> int | None:
    """Bytes of an element of a storage class that is known and not read."""
    return _FOREIGN_STORAGES.get(name.name) if isinstance(name, Global) else None


def element_type(name: Any) -> str:
    """Return the NumPy type of a storage class or dtype, or ``BFLOAT16``.

    Raises
    ------
    ValueError
        If the type is not one that weights are read from; says what to do.
    """
    if isinstance(name, Global) and name.module.partition(".")[0] == "torch":
        found = _STORAGES.get(name.name) or _DTYPES.get(name.name)
        if found:
            return found
        if name.name.startswith(("Q", "q")):
            raise ValueError(
                f"{name} holds quantized values; dequantize the model in PyTorch "
                f"and save its state_dict again"
            )
        if name.name.startswith("float8") or name.name.startswith("float4"):
            raise ValueError(
                f"{name} has 8 bits or fewer for a number; in PyTorch, convert the "
                f"tensors with .float() and save the state_dict again"
            )
        if name.name.lower().startswith("complex"):
            raise ValueError(f"{name} holds complex numbers, which no network here has")
    raise ValueError(f"{quoted(str(name))} is no element type that can be read here")


def element_size(dtype: str) -> int:
    """Bytes of one element; of a foreign type, those that its name gives."""
    if dtype.startswith("?"):
        return int(dtype[1:])
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


@dataclass(frozen=True)
class StorageRef:
    """A run of elements kept elsewhere in the file.

    Attributes
    ----------
    key : str
        Its name in the container.
    dtype : str
        NumPy type, or ``BFLOAT16``.
    count : int
        Elements that the container's storage must have.
    view : tuple of int, optional
        Start and length, in elements, of the part that is meant.
    reason : str
        Why its elements cannot be read (``dtype`` is "?" and their size then),
        or "".
    """

    key: str
    dtype: str
    count: int
    view: tuple[int, int] | None = None
    reason: str = ""


@dataclass(frozen=True)
class NestedStorage:
    """A storage saved as a file of its own within the pickle (``pickle.dump``)."""

    data: bytes


@dataclass(frozen=True)
class TensorRef:
    """A tensor: a strided view of a storage, not read yet.

    Attributes
    ----------
    storage : StorageRef or NestedStorage
    offset : int
        First element.
    size, stride : tuple of int
        In elements.
    dtype : str, optional
        The type when the storage has none of its own.
    """

    storage: StorageRef | NestedStorage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str | None = None


class NumpyArray:
    """A NumPy array or scalar in a pickle, complete once its state is known."""

    __slots__ = ("array", "reason")

    def __init__(self, array: NDArray[Any] | None = None) -> None:
        self.array = array
        self.reason = ""

    def build(self, state: Any) -> None:
        """Take the state that NumPy pickles: version, shape, dtype, order, bytes."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ValueError("it is not a NumPy array's")
        shape, dtype, fortran, data = state[-4:]
        if isinstance(data, str):
            data = data.encode("utf-8")
        self.array = _array(data, dtype, shape, bool(fortran))


class NumpyType:
    """A NumPy dtype in a pickle; its byte order comes as state."""

    __slots__ = ("code", "order", "reason")

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "="
        self.reason = ""

    def build(self, state: Any) -> None:
        """Take the byte order out of the state of a plain dtype."""
        if (
            not isinstance(state, tuple)
            or len(state) < 5
            or state[1] not in ("<", ">", "|", "=")
            or any(part is not None for part in state[2:5])
        ):
            raise ValueError("it is not a plain NumPy dtype's")
        self.order = state[1]


def _array(data: Any, dtype: Any, shape: Any, fortran: bool) -> NDArray[Any]:
    if isinstance(dtype, NumpyType) and dtype.reason:
        raise ValueError(dtype.reason)
    if not isinstance(dtype, NumpyType) or not isinstance(data, (bytes, bytearray)):
        raise TypeError("not a NumPy array of plain numbers")
    shape = _lengths(shape)
    kind = np.dtype(dtype.code)
    if dtype.order == ">":
        kind = kind.newbyteorder(">")
    if math.prod(shape) * kind.itemsize != len(data):
        raise ValueError("a NumPy array's bytes do not fit its shape")
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    return np.asarray(array, kind.newbyteorder("="))


def _lengths(values: Any) -> tuple[int, ...]:
    """Check a tuple of sizes or strides."""
    if not isinstance(values, (tuple, list)) or len(values) > _MAX_DIMENSIONS:
        raise ValueError("a size or stride is no short tuple")
    for value in values:
        if type(value) is not int or not 0 <= value < 1 << 62:
            raise ValueError("a size or stride is no number that can be meant")
    return tuple(values)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any) -> TensorRef:
    if not isinstance(storage, (StorageRef, NestedStorage)):
        raise TypeError("a tensor has no storage")
    sizes, strides = _lengths(size), _lengths(stride)
    if len(sizes) != len(strides):
        raise ValueError("a tensor has as many strides as sizes, this one has not")
    return TensorRef(storage, _lengths((offset,))[0], sizes, strides)


def _tensor_v2(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> TensorRef:
    return _tensor(storage, offset, size, stride)


def _tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    grad: Any,
    hooks: Any,
    dtype: Any,
    *_: Any,
) -> TensorRef:
    tensor = _tensor(storage, offset, size, stride)
    return TensorRef(
        tensor.storage, tensor.offset, tensor.size, tensor.stride, element_type(dtype)
    )


def _quantized(*_: Any) -> TensorRef:
    raise ValueError(
        "it is quantized; dequantize the model in PyTorch and save its state_dict again"
    )


def _sparse(*_: Any) -> TensorRef:
    raise ValueError(
        "it is sparse; in PyTorch, make it dense with .to_dense() and save again"
    )


def _without_values(*_: Any) -> TensorRef:
    raise ValueError(
        "it is on the device 'meta' and has no values; save the loaded weights"
    )


def _sharded(*_: Any) -> TensorRef:
    raise ValueError(
        "it is a part of a tensor that is spread over several processes; gather the "
        "full state_dict in PyTorch and save that"
    )


def _parameter(data: Any, *_: Any) -> Any:
    if isinstance(data, Opaque):
        return data
    if not isinstance(data, (TensorRef, NumpyArray)):
        raise TypeError("a parameter holds no tensor")
    return data


def _from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """Rebuild a tensor that carries attributes, which are let go."""
    constructor = CONSTRUCTORS.get(str(function))
    known = (_tensor, _tensor_v2, _tensor_v3, _parameter)
    if constructor is None or constructor not in known:
        raise ValueError(f"{quoted(str(function))} rebuilds no plain tensor")
    return constructor(*arguments)


def _device_tensor(data: Any, *_: Any) -> Any:
    return _parameter(data)


def _nested_storage(data: Any) -> NestedStorage:
    if not isinstance(data, bytes):
        raise TypeError("a storage is not made of bytes")
    return NestedStorage(data)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Turn text into bytes: how protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("not the text of bytes")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("not the text of bytes") from None


def _bytes(data: Any = b"", *encoding: Any) -> bytes:
    """How protocols before 3 write empty bytes, and before 5 byte arrays."""
    if isinstance(data, str):
        return _encode(data, *encoding)
    if not isinstance(data, bytes):
        raise TypeError("not bytes")
    return data


def _ordered_dict(items: Any = ()) -> dict[Any, Any]:
    return dict(_pairs(items))


def _default_dict(factory: Any = None, items: Any = ()) -> dict[Any, Any]:
    return dict(_pairs(items))


def _pairs(items: Any) -> list[tuple[Any, Any]]:
    if isinstance(items, dict):
        return list(items.items())
    pairs = []
    for item in items if isinstance(items, (list, tuple)) else [None]:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise ValueError("not a list of pairs")
        key = item[0] if is_plain_key(item[0]) else Unnamed(item[0])
        pairs.append((key, item[1]))
    return pairs


def _set(items: Any = ()) -> set[Any]:
    if not isinstance(items, (list, tuple)):
        raise TypeError("not a list")
    return {item if is_plain_key(item) else Unnamed(item) for item in items}


def _size(items: Any = ()) -> tuple[int, ...]:
    return _lengths(items)


def _device(*parts: Any) -> str:
    if not all(isinstance(part, (str, int)) for part in parts):
        raise ValueError("not a device")
    return ":".join(str(part)[:32] for part in parts)


def _numpy_type(code: Any, *_: Any) -> NumpyType:
    if not isinstance(code, str) or code.lstrip("<>|=") not in _NUMPY_CODES:
        made = NumpyType("u1")
        made.reason = "a NumPy array of text or objects holds no weights"
        return made
    return NumpyType(code)


def _numpy_empty(*_: Any) -> NumpyArray:
    return NumpyArray()


def _numpy_scalar(dtype: Any, data: Any = b"") -> NumpyArray:
    if isinstance(data, str):
        data = data.encode("utf-8")
    return NumpyArray(_array(data, dtype, (), False))


def _numpy_buffer(data: Any, dtype: Any, shape: Any, order: Any = "C") -> NumpyArray:
    return NumpyArray(_array(data, dtype, shape, order == "F"))


CONSTRUCTORS: Final[Mapping[str, Constructor]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_device_tensor_from_numpy": _device_tensor,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _device_tensor,
    "torch._utils._rebuild_qtensor": _quantized,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_sparse_csr_tensor": _sparse,
    "torch._utils._rebuild_meta_tensor_no_storage": _without_values,
    "torch._utils._rebuild_wrapper_subclass": _sharded,
    "torch.distributed.tensor._api.DTensor": _sharded,
    "torch.distributed._tensor.api.DTensor": _sharded,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.tensor._rebuild_from_type_v2": _from_type,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.storage._load_from_bytes": _nested_storage,
    "torch.Size": _size,
    "torch.device": _device,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _default_dict,
    **{
        f"{module}.{name}": constructor
        for module in ("builtins", "__builtin__")
        for name, constructor in (
            ("set", _set),
            ("frozenset", _set),
            ("bytes", _bytes),
            ("bytearray", _bytes),
        )
    },
    "_codecs.encode": _encode,
    "numpy.dtype": _numpy_type,
    "numpy.core.multiarray._reconstruct": _numpy_empty,
    "numpy._core.multiarray._reconstruct": _numpy_empty,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "numpy.core.numeric._frombuffer": _numpy_buffer,
    "numpy._core.numeric._frombuffer": _numpy_buffer,
}
"""What calls of these names give; all of them data."""
