"""Single layers in zoo, PyTorch and TensorFlow; one file each.

Each file has a function ``build(case, direction, arrays, threads, variant)``, which
returns what :class:`zoo.bench.layer_peers.base.Built` says, and ``version()``.
"""

from __future__ import annotations

from importlib import import_module, util
from types import ModuleType

from zoo.extras import how_to_install

__all__ = ["HINTS", "OURS", "VARIANTS", "installed", "load"]

OURS = "zoo"

VARIANTS: dict[str, tuple[str, ...]] = {
    "torch": ("channels_last", "contiguous"),
    "tensorflow": ("",),
}
"""The peers, with their settings that are measured apart."""

HINTS = {
    "torch": how_to_install("torch"),
    "tensorflow": "pip install tensorflow-cpu",
}


def installed(name: str) -> bool:
    """Whether the package of a peer is there; it is not imported."""
    return util.find_spec(name) is not None


def load(name: str) -> ModuleType:
    """The module of a peer or of zoo itself; imports the peer's package."""
    file = "ours" if name == OURS else name
    return import_module(f"zoo.bench.layer_peers.{file}")
