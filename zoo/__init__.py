"""Super-resolution networks as text files, run and trained on a CPU.

>>> import zoo
>>> net = zoo.load("edsr_x2")
>>> large = net(image)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo._version import __version__

if TYPE_CHECKING:
    from zoo.api import Model, load
    from zoo.checkpoints.convert import convert
    from zoo.network import Network
    from zoo.run.slices import volume

__all__ = ["Model", "Network", "__version__", "convert", "load", "volume"]

_HOMES = {
    "Model": "zoo.api",
    "Network": "zoo.network",
    "convert": "zoo.checkpoints.convert",
    "load": "zoo.api",
    "volume": "zoo.run.slices",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: NumPy costs 0.1 s."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
