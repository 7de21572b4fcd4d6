"""The ONNX file that several engines read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["write"]


def write(network: Network, height: int, width: int, folder: Path) -> str:
    """Write the network for one size, unless it is there already."""
    from zoo.onnx.graph import to_onnx

    path = folder / f"{height}x{width}.onnx"
    if not path.exists():
        path.write_bytes(to_onnx(network, height, width).SerializeToString())
    return str(path)
