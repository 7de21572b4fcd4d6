"""JSON from strangers: objects and lists where they are expected, one kind of error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.errors import ReaderError
from zoo.parsers._companions import read_text

__all__ = ["read_json"]


def read_json(path: Path, most: int, what: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Parameters
    ----------
    path : Path
    most : int
        Bytes that it may have.
    what : str
        What it should be, for messages.

    Raises
    ------
    ReaderError
        If it is anything else.
    """
    return parse_json(read_text(path, most, what), str(path), what)


def parse_json(text: str | bytes, source: str, what: str) -> dict[str, Any]:
    """Parse a text that holds one JSON object.

    Raises
    ------
    ReaderError
        If it is anything else.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ReaderError(
            f"{source}:{error.lineno}: {what} is damaged or truncated: {error.msg} "
            f"(column {error.colno})"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = str(error).partition(";")[0][:100]
        raise ReaderError(f"{source}: {what} is damaged: {reason}") from None
    if not isinstance(value, dict):
        raise ReaderError(f"{source}: {what} is a JSON object; this is something else")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
