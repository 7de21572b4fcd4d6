"""What a PyTorch file holds, under dotted names, without a choice.

Whatever was saved - a state_dict, a training script's dictionary of dictionaries,
a list, a pickled module - becomes one flat table: the name of a value is the path
of keys that leads to it, joined by dots. A module that was pickled whole gives the
names that its ``state_dict()`` would have: its parameters and buffers, then those
of its children.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import Opaque, Unnamed, quoted
from zoo.parsers._torch_objects import NumpyArray, TensorRef

__all__ = ["Contents", "take_stock"]

_MAX_DEPTH: Final = 40
_MAX_VALUES: Final = 200_000
_MAX_LETTERS: Final = 64 << 20
_MAX_REPORT: Final = 2000
_MAX_LIST: Final = 4096


@dataclass
class Contents:
    """The values of a file by their paths.

    Attributes
    ----------
    tensors : dict of str to (TensorRef, NumpyArray or Opaque)
        Opaque are those that were tensors once and cannot be read.
    dictionaries : list of str
        Paths, with a dot behind unless empty, of what holds tensors directly.
    scalars : dict of str to object
        Numbers and short texts.
    opaque : dict of str to str
        Classes of objects that were left alone.
    modules : dict of str to (str, dict)
        Class and attributes of each module that was pickled whole.
    """

    tensors: dict[str, Any] = field(default_factory=dict)
    dictionaries: list[str] = field(default_factory=list)
    scalars: dict[str, Any] = field(default_factory=dict)
    opaque: dict[str, str] = field(default_factory=dict)
    modules: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)


def take_stock(root: Any, source: str) -> Contents:
    """List what was saved.

    Raises
    ------
    ReaderError
        If the same values stand under so many names that the file is no honest one.
    """
    contents = Contents()
    stack: list[tuple[str, Any, frozenset[int]]] = [("", root, frozenset())]
    visited = letters = 0
    while stack:
        path, value, above = stack.pop()
        visited += 1
        letters += len(path)
        if visited > _MAX_VALUES or letters > _MAX_LETTERS:
            raise ReaderError(
                f"{source}: the same values stand under more than {_MAX_VALUES} names; "
                f"no checkpoint needs that, and it is refused"
            )
        if isinstance(value, (TensorRef, NumpyArray)):
            if isinstance(value, NumpyArray) and _is_number(value):
                _remember(contents.scalars, path, value)
                continue
            if isinstance(value, NumpyArray) and value.array is None:
                _remember_class(contents, path, "numpy.ndarray")
            else:
                _add_tensor(contents, path, value, source)
            continue
        below = None
        if not (id(value) in above or len(above) >= _MAX_DEPTH):
            below = list(_children(path, value, contents))
        if below:
            inside = above | {id(value)}
            if any(isinstance(item, (TensorRef, NumpyArray)) for _, item in below):
                contents.dictionaries.append(f"{path}." if path else "")
            stack += [(name, item, inside) for name, item in reversed(below)]
        elif isinstance(value, Opaque):
            if _was_tensor(value):
                _add_tensor(contents, path, value, source)
            else:
                _remember_class(contents, path, str(value.function))
        elif _is_scalar(value) and path:
            _remember(contents.scalars, path, value)
    return contents


def _children(path: str, value: Any, contents: Contents) -> Iterator[tuple[str, Any]]:
    """What is inside a value, by path."""
    start = f"{path}." if path else ""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, (str, int)) and not isinstance(key, bool):
                yield f"{start}{str(key)[:1000]}", item
    elif isinstance(value, (list, tuple)) and _is_pairs(value):
        for key, item in value:
            yield f"{start}{key[:1000]}", item
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value[:_MAX_LIST]):
            if not isinstance(item, (int, float, str)):
                yield f"{start}{index}", item
    elif isinstance(value, Opaque) and not _was_tensor(value):
        yield from _inside_object(start, value, contents)


def _is_pairs(values: Any) -> bool:
    """Whether a list holds names with their tensors, as named_parameters() gives."""
    return bool(values) and all(
        isinstance(pair, (list, tuple))
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], (TensorRef, NumpyArray))
        for pair in values
    )


def _inside_object(
    start: str, value: Opaque, contents: Contents
) -> Iterator[tuple[str, Any]]:
    """What the attributes of an object hold: of a module what its state_dict has."""
    state = value.state
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        state = state[1]  # an object with slots
    if not isinstance(state, dict):
        state = {}
    children = state.get("_modules")
    if not isinstance(children, dict):
        for key, item in [*value.items.items(), *state.items()]:
            if isinstance(key, (str, int)):
                yield f"{start}{str(key)[:1000]}", item
        return
    attributes = {
        key: item
        for key, item in state.items()
        if isinstance(key, str) and (_is_scalar(item) or _is_short(item))
    }
    if len(contents.modules) < _MAX_VALUES:
        contents.modules[start] = (str(value.function), attributes)
    hidden = state.get("_non_persistent_buffers_set")
    hidden = hidden if isinstance(hidden, set) else set()
    for kind in ("_parameters", "_buffers"):
        values = state.get(kind)
        if isinstance(values, dict):
            for key, item in values.items():
                if isinstance(key, str) and item is not None and key not in hidden:
                    yield f"{start}{key}", item
    for key, item in children.items():
        if isinstance(key, str) and item is not None:
            yield f"{start}{key}", item
    if value.function.module.startswith("torch.nn."):
        return  # sizes and strides, which the tensors' shapes tell
    for key, item in attributes.items():
        if key != "training" and not key.startswith("_"):
            yield f"{start}{key}", item


def _is_short(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) <= 4


def _was_tensor(value: Opaque) -> bool:
    """Whether an inert object was a tensor, of a kind that is not read."""
    name = str(value.function)
    return "_rebuild" in name or name.endswith(
        ("Tensor", "Parameter", "multiarray._reconstruct", "DTensor")
    )


def _add_tensor(contents: Contents, path: str, value: Any, source: str) -> None:
    if path in contents.tensors:
        raise ReaderError(
            f"{source}: two tensors have the name {quoted(path)}; it is not known which "
            f"one is meant"
        )
    contents.tensors[path] = value


def _remember_class(contents: Contents, path: str, name: str) -> None:
    if len(contents.opaque) < _MAX_REPORT:
        contents.opaque[path] = name


def _remember(scalars: dict[str, Any], path: str, value: Any) -> None:
    if len(scalars) < _MAX_REPORT:
        array = getattr(value, "array", None)
        scalars[path] = value if array is None else array.item()


def _is_number(value: NumpyArray) -> bool:
    return value.array is not None and value.array.ndim == 0


def _is_scalar(value: Any) -> bool:
    if isinstance(value, Unnamed):
        return False
    if isinstance(value, str):
        return len(value) <= 200
    if isinstance(value, int):
        return abs(value) < 1 << 64
    return value is None or isinstance(value, float)
