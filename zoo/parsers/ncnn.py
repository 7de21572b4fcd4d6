"""ncnn's networks: a text of layers (``.param``) and their numbers (``.bin``).

Either file may be named; the other lies beside it under the same stem. Weights of
convolutions are O x I x kh x kw here, half floats become floats.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Final

from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._companions import read_bytes, read_text
from zoo.parsers._ncnn.graph import translate
from zoo.parsers._ncnn.numbers import TAGS, NcnnNumbers
from zoo.parsers._ncnn.param import MAGIC, NcnnLayer, parse_param
from zoo.parsers._ncnn.tensors import is_placed, take_tensors
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["NcnnReader"]

_FIRST_LINE: Final = str(MAGIC).encode()
# A line is short; a file of more than this is no network.
_MAX_TEXT: Final = 16 << 20


class NcnnReader(Reader):
    """Reads pairs of ``.param`` and ``.bin``; tensors are called LAYER.ROLE.

    Roles are ncnn's: weight, bias, slope, data, ... The metadata has ``files``, the
    other file of the pair.
    """

    name: ClassVar[str] = "ncnn"
    suffixes: ClassVar[tuple[str, ...]] = (".param", ".ncnn.param", ".ncnn.bin")

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is a .param, or the .bin of one.

        A .bin is known by a tag before its first weights, or by the .param beside it.
        """
        if head.lstrip()[:8].split(maxsplit=1)[:1] == [_FIRST_LINE]:
            return True
        if path.suffix != ".bin" or head[:2] == b"PK":
            return False
        if head[:4] in TAGS:
            return True
        beside = path.with_suffix(".param")
        try:
            with open(beside, "rb") as file:
                return file.read(64).lstrip().startswith(_FIRST_LINE)
        except OSError:
            return False

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read both files of a pair.

        Raises
        ------
        ReaderError
            If one is missing, damaged, or they do not belong together.
        """
        param, binary = path, path.with_suffix(".bin")
        if path.suffix == ".bin":
            param, binary = path.with_suffix(".param"), path
            if not param.is_file():
                raise ReaderError(
                    f"{path}: these are the numbers of an ncnn network; its .param, "
                    f"which says what they are, is not beside it: put {param.name!r} "
                    f"there"
                )
        text = read_text(param, _MAX_TEXT, "an ncnn .param")
        layers = parse_param(text, str(param))
        if not binary.is_file():
            raise ReaderError(
                f"{path}: its .bin, which holds the weights, is not beside it: put "
                f"{binary.name!r} there"
            )
        numbers = NcnnNumbers(read_bytes(binary), str(binary))
        weights = _take_all(layers, numbers)
        tensors: dict[str, NDArray[Any]] = {}
        for layer, roles in zip(layers, weights, strict=True):
            for role, values in roles.items():
                name = f"{layer.name}.{role}"
                if name in tensors:
                    name = f"{layer.outputs[0]}.{role}"
                tensors[name] = values

        def graph() -> Graph:
            return translate(layers, weights, str(param))

        other = binary if path == param else param
        return Checkpoint(cls.name, tensors, {"files": [other.name]}, graph)


def _take_all(
    layers: list[NcnnLayer], numbers: NcnnNumbers
) -> list[dict[str, NDArray[Any]]]:
    """Take the arrays of all layers, which must use the file up."""
    unplaced = Counter(layer.op for layer in layers if not is_placed(layer))
    if unplaced:
        listed = ", ".join(f"{op} ({count})" for op, count in sorted(unplaced.items()))
        raise ReaderError(
            f"{layers[0].where.rpartition(':')[0]}: zoo has no such operators: {listed}"
        )
    weights = [take_tensors(layer, numbers) for layer in layers]
    if numbers.remaining:
        raise ReaderError(
            f"{numbers.source} has {numbers.remaining} bytes more than the .param asks "
            f"for; they belong to different networks"
        )
    return weights
