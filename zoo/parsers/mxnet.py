"""MXNet's networks: a graph (``NAME-symbol.json``) and arrays (``NAME-0000.params``).

Either file may be named; the other lies beside it. Weights of convolutions are
O x I x kh x kw, those of deconvolutions I x O x kh x kw.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._companions import read_bytes
from zoo.parsers._mxnet.graph import translate
from zoo.parsers._mxnet.params import MAGIC, read_params
from zoo.parsers._mxnet.symbol import read_symbol
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["MXNetReader"]

_SYMBOL: Final = "-symbol.json"
_EPOCH: Final = re.compile(r"(-\d{4,})?\.params\Z")


class MXNetReader(Reader):
    """Reads arrays, with their graph where it lies beside them.

    Tensors have the names of the graph's variables, without "arg:" and "aux:".
    The metadata has ``files``, the other file, and, where the graph is not
    there, ``graph_missing``, which says so.
    """

    name: ClassVar[str] = "mxnet"
    suffixes: ClassVar[tuple[str, ...]] = (_SYMBOL, "-0000.params", ".params")

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is a list of arrays, or a graph of nodes in JSON."""
        if head.startswith(MAGIC):
            return True
        if not head.lstrip().startswith(b"{"):
            return False
        return (
            re.search(rb'"(nodes|arg_nodes)"\s*:', head) is not None
            and b'"modelTopology"' not in head
        )

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the arrays, and the graph if there is one.

        Raises
        ------
        ReaderError
            If the arrays are missing or damaged, or they and the graph do not
            belong together.
        """
        with open(path, "rb") as file:
            is_params = file.read(8) == MAGIC
        if is_params:
            params, symbol = path, path.with_name(_EPOCH.sub("", path.name) + _SYMBOL)
        else:
            params, symbol = _params_of(path), path
        arrays = {
            re.sub(r"\A(arg|aux):", "", name): _widened(values)
            for name, values in read_params(read_bytes(params), str(params)).items()
        }
        if not arrays:
            raise ReaderError(f"{params}: there are no arrays in it")
        if not symbol.is_file():
            missing = (
                f"its graph is not beside it: put {symbol.name!r} there, and zoo "
                f"translates it"
            )
            return Checkpoint(cls.name, arrays, {"graph_missing": missing})
        read = read_symbol(symbol)

        def graph() -> Graph:
            return translate(read, arrays)

        other = symbol if is_params else params
        return Checkpoint(cls.name, arrays, {"files": [other.name]}, graph)


def _widened(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _params_of(symbol: Path) -> Path:
    """The arrays that lie beside a graph.

    Raises
    ------
    ReaderError
        If there are none, or those of several epochs.
    """
    stem = symbol.name.removesuffix(_SYMBOL).removesuffix(".json")
    found = sorted(
        path
        for path in symbol.parent.iterdir()
        if path.name.startswith(stem) and _EPOCH.fullmatch(path.name[len(stem) :])
    )
    if not found:
        raise ReaderError(
            f"{symbol}: its .params is not beside it: put '{stem}-0000.params' there"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:4])
        raise ReaderError(
            f"{symbol}: several .params are beside it ({names}); give the one that is "
            f"meant instead of the symbol"
        )
    return found[0]
