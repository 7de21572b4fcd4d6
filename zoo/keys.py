"""What a key of a cfg section is: declared once by a layer, used everywhere.

The cfg parser checks values against these declarations, ``zoo layers show``
prints them, and error messages quote them. Neither side knows the other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from zoo.errors import did_you_mean

__all__ = ["REQUIRED", "Key", "KeyType"]

KeyType = Literal["int", "float", "bool", "str", "ints", "floats", "strs"]


class _Required:
    """Type of the marker for a key that has no default."""

    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()

_INT = re.compile(r"[+-]?\d+", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LARGEST_INT = 2**31 - 1


@dataclass(frozen=True)
class Key:
    """Declaration of one key of a cfg section.

    Parameters
    ----------
    name : str
        As written in a cfg file; case matters.
    type : {"int", "float", "bool", "str", "ints", "floats", "strs"}
        Lists are separated by commas; bool is written 0 or 1.
    default : object
        The value when the key is absent, or ``REQUIRED``.
    meaning : str
        One phrase for people; units and ranges belong here.
    minimum, maximum : float, optional
        Closed bounds of a number, or of each number of a list.
    choices : sequence of str, optional
        All values that a str may have.
    aliases : tuple of str, optional
        Other names of the same key.
    attribute : str, optional
        Name of the attribute of the layer that holds the value; the key's own
        name unless that is a Python keyword.
    unused : bool, optional
        Darknet knows the key, zoo accepts it and does nothing with it.
    fallback : str, optional
        What Darknet takes for a word that is none of ``choices``.
    """

    name: str
    type: KeyType
    default: Any
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    choices: Sequence[str] = ()
    aliases: tuple[str, ...] = ()
    attribute: str = ""
    unused: bool = False
    fallback: str = ""

    def __post_init__(self) -> None:
        if not self.attribute:
            object.__setattr__(self, "attribute", self.name)

    @property
    def required(self) -> bool:
        """Whether a section must give this key."""
        return self.default is REQUIRED

    def parse(self, text: str) -> Any:
        """Turn the text of a value into the value, strictly.

        Raises
        ------
        ValueError
            With the reason as a phrase that can follow "key=value: ".
        """
        return self._convert(text, _strict_int, _strict_float)

    def parse_lenient(self, text: str) -> Any:
        """Turn text into a value as Darknet does.

        Numbers end where atoi and atof stop, "abc" is 0, a list ends at "#", and
        every number but 0 is true. Ranges still hold, but for keys without effect:
        Darknet fails beyond them too, only later.

        Raises
        ------
        ValueError
            If the value is out of range or not one of ``choices``.
        """
        if self.type in ("ints", "floats") or self.choices:
            text = text.partition("#")[0]
        try:
            return self._convert(text, _atoi, _atof, lenient=True)
        except ValueError:
            if self.unused:
                return self.default
            raise

    def stand_in(self, text: str) -> str:
        """What Darknet takes for a word that it does not know; "" if it fails."""
        word = text.partition("#")[0].strip()
        return self.fallback if self.choices and word not in self.choices else ""

    def check(self, value: Any) -> None:
        """Raise ValueError when a value that is already converted is out of range."""
        values = value if isinstance(value, (tuple, list)) else (value,)
        if self.choices:
            for item in values:
                if item not in self.choices:
                    hint = did_you_mean(str(item), self.choices, "{}")
                    raise ValueError(
                        f"{str(item)[:40]!r} is not one of "
                        f"{', '.join(self.choices)}{hint}"
                    )
        if self.type in ("int", "float", "ints", "floats"):
            for item in values:
                if self.minimum is not None and item < self.minimum:
                    raise ValueError(f"{item} is below {self.minimum}")
                if self.maximum is not None and item > self.maximum:
                    raise ValueError(f"{item} is above {self.maximum}")

    def _convert(
        self,
        text: str,
        to_int: Callable[[str], int],
        to_float: Callable[[str], float],
        lenient: bool = False,
    ) -> Any:
        value: Any
        match self.type:
            case "int":
                value = to_int(text)
            case "float":
                value = to_float(text)
            case "bool":
                number = to_int(text)
                if number not in (0, 1) and not lenient:
                    raise ValueError(f"{text!r} is neither 0 nor 1")
                value = bool(number)
            case "str":
                value = text.strip()
            case "ints":
                value = tuple(to_int(part) for part in text.split(","))
            case "floats":
                value = tuple(to_float(part) for part in text.split(","))
            case _:
                value = tuple(part.strip() for part in text.split(","))
        self.check(value)
        return value


def _strict_int(text: str) -> int:
    text = text.strip()
    if not _INT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return _bounded(text)


def _strict_float(text: str) -> float:
    text = text.strip()
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a number")
    return _finite(text)


def _atoi(text: str) -> int:
    match = _INT.match(text.strip())
    return _bounded(match[0]) if match else 0


def _atof(text: str) -> float:
    match = _FLOAT.match(text.strip())
    return _finite(match[0]) if match else 0.0


def _bounded(digits: str) -> int:
    # Python itself refuses to convert thousands of digits.
    if len(digits) > 20 or abs(int(digits)) > _LARGEST_INT:
        raise ValueError(f"{digits[:24]!r} is too large for a whole number")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:24]!r} is too large")
    return number
