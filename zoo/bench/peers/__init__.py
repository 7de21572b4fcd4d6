"""The engines that zoo is measured against; one file each.

Adding one is a file with a class ``Engine`` and a line here. Nothing is imported
before it is asked for, and none of them is needed by anything else in zoo.
"""

from __future__ import annotations

from importlib import import_module, util
from typing import TYPE_CHECKING

from zoo.extras import how_to_install

if TYPE_CHECKING:
    from zoo.bench.peers.base import Peer

__all__ = ["HINTS", "OURS", "PEERS", "installed", "load"]

OURS = "zoo"

PEERS = {
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "ncnn": "ncnn",
    "opencv": "cv2",
}
"""Names of the peers, and the module that each needs."""

HINTS = dict.fromkeys(PEERS, how_to_install("bench")) | {
    "torch": how_to_install("torch")
}
"""How to get each of them."""


def installed(name: str) -> bool:
    """Whether the module that a peer needs is there; it is not imported."""
    return util.find_spec(PEERS[name]) is not None


def load(name: str) -> type[Peer]:
    """The class of a peer, or of zoo itself; imports the peer's module."""
    file = "ours" if name == OURS else name
    engine: type[Peer] = import_module(f"zoo.bench.peers.{file}").Engine
    return engine
