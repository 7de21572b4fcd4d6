"""ncnn's text of a network (``.param``): a line per layer.

::

    7767517
    LAYERS BLOBS
    TYPE NAME INPUTS OUTPUTS input... output... KEY=VALUE...

A value is a whole number, or a float where it has a dot or an exponent. A key of
-23300 - k is the array k: its length, then its values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted

__all__ = ["MAGIC", "NcnnLayer", "Value", "parse_param"]

MAGIC: Final = 7767517
"""The number in the first line; in the binary form, the first four bytes."""

Value = int | float | str | tuple[int | float, ...]

_ARRAYS: Final = -23300
_MAX_KEY: Final = 100


@dataclass(frozen=True)
class NcnnLayer:
    """One layer of a ``.param`` file.

    Attributes
    ----------
    name, op : str
        "conv_1", "Convolution".
    inputs, outputs : tuple of str
        Names of blobs.
    params : mapping of int to Value
        By ncnn's numbers.
    where : str
        "net.param:7", for messages.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[int, Value] = field(default_factory=dict)
    where: str = ""

    def integer(self, key: int, default: int = 0) -> int:
        """A whole number.

        Raises
        ------
        ReaderError
            If the value is none.
        """
        value = self.params.get(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int):
            raise self.error(f"parameter {key} is {_show(value)}, not a whole number")
        return value

    def number(self, key: int, default: float = 0.0) -> float:
        """A number.

        Raises
        ------
        ReaderError
            If the value is an array or a text.
        """
        value = self.params.get(key, default)
        if isinstance(value, (str, tuple)):
            raise self.error(f"parameter {key} is {_show(value)}, not a number")
        return float(value)

    def numbers(self, key: int) -> tuple[float, ...]:
        """An array, as floats; a single number counts as an array of one."""
        value = self.params.get(key, ())
        if isinstance(value, str):
            raise self.error(f"parameter {key} is {_show(value)}, not numbers")
        if isinstance(value, tuple):
            return tuple(float(item) for item in value)
        return (float(value),)

    def integers(self, key: int) -> tuple[int, ...]:
        """An array of whole numbers.

        Raises
        ------
        ReaderError
            If one is none.
        """
        values = self.numbers(key)
        if not all(value.is_integer() for value in values):
            raise self.error(f"parameter {key} is {_show(values)}, not whole numbers")
        return tuple(int(value) for value in values)

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the line and the layer."""
        return ReaderError(
            f"{self.where}: {reason} in {self.op} {quoted(self.name)}; the file is "
            f"damaged, or of another version of ncnn"
        )


def _show(value: Value) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def parse_param(text: str, source: str) -> list[NcnnLayer]:
    """Parse the text of a ``.param`` file.

    Parameters
    ----------
    text : str
    source : str
        Its name in messages.

    Raises
    ------
    ReaderError
        With the line, if the text is not what ncnn writes, a blob is read that no
        layer above makes, two layers make one, or the counts are wrong.
    """
    lines = [
        (number, line.split())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if len(lines) < 3 or lines[0][1] != [str(MAGIC)]:
        raise ReaderError(
            f"{source}: this is no ncnn .param: its first line is not {MAGIC}, or "
            f"nothing follows it"
        )
    number, counts = lines[1]
    if len(counts) != 2 or not all(count.isdecimal() for count in counts):
        raise ReaderError(
            f"{source}:{number}: this line gives the numbers of layers and blobs, as "
            f"'66 76', not {quoted(' '.join(counts))}"
        )
    if any(words[0].startswith("pnnx.") for _, words in lines[2:4]):
        raise ReaderError(
            f"{source}: this is the .param of pnnx, the converter; give the .ncnn.param "
            f"that it writes beside it"
        )
    layers = [_layer(words, f"{source}:{number}") for number, words in lines[2:]]
    blobs = _check_blobs(layers)
    found = (str(len(layers)), str(blobs))
    for count, have, what in zip(counts, found, ("layers", "blobs"), strict=True):
        if count[:12] != have:
            raise ReaderError(
                f"{source}:{number}: {count[:12]} {what} are announced and {have} "
                f"follow; the file is truncated or was edited"
            )
    return layers


def _layer(words: list[str], where: str) -> NcnnLayer:
    """Parse a line."""
    if len(words) < 4 or not (words[2].isdecimal() and words[3].isdecimal()):
        raise ReaderError(
            f"{where}: a layer's line begins with its type, its name and the numbers "
            f"of its inputs and outputs; {quoted(' '.join(words))} does not"
        )
    op, name = words[:2]
    bottoms, tops = int(words[2][:9]), int(words[3][:9])
    ends = 4 + bottoms + tops
    if ends > len(words):
        raise ReaderError(
            f"{where}: {op[:80]} {quoted(name)} has {bottoms} inputs and {tops} outputs, "
            f"of which the line names {len(words) - 4}; the file is truncated"
        )
    params: dict[int, Value] = {}
    for word in words[ends:]:
        key, equals, value = word.partition("=")
        try:
            number = int(key[:12])
            if not equals or key != str(number):
                raise ValueError
            if number <= _ARRAYS:
                number = _ARRAYS - number
                params[number] = _array(value)
            else:
                params[number] = _scalar(value)
            if not 0 <= number <= _MAX_KEY:
                raise ValueError
        except ValueError:
            raise ReaderError(
                f"{where}: {quoted(word)} is no parameter of {op[:80]} {quoted(name)}; "
                f"parameters are given as NUMBER=VALUE"
            ) from None
    return NcnnLayer(
        name,
        op,
        tuple(words[4 : 4 + bottoms]),
        tuple(words[4 + bottoms : ends]),
        params,
        where,
    )


def _scalar(text: str) -> int | float | str:
    if text[:1] == '"':
        return text.strip('"')
    if len(text) > 60:
        raise ValueError
    if any(mark in text for mark in ".eE") or "inf" in text or "nan" in text:
        value = float(text)
        if math.isnan(value):
            raise ValueError
        return value
    whole = int(text)
    if abs(whole) >= 1 << 40:
        raise ValueError
    return whole


def _array(text: str) -> tuple[int | float, ...]:
    count, *values = text.split(",")
    if count != str(len(values)):
        raise ValueError
    numbers = [_scalar(value) for value in values]
    if any(isinstance(number, str) for number in numbers):
        raise ValueError
    return tuple(number for number in numbers if not isinstance(number, str))


def _check_blobs(layers: list[NcnnLayer]) -> int:
    """Check that every blob is made once, and before it is read; count them."""
    made: set[str] = set()
    for layer in layers:
        for name in layer.inputs:
            if name not in made:
                raise layer.error(f"no layer above makes the blob {quoted(name)}")
        for name in layer.outputs:
            if name in made:
                raise layer.error(f"the blob {quoted(name)} is made a second time")
            made.add(name)
    return len(made)
