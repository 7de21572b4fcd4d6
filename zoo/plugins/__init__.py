"""Kernel back ends.

``numpy`` is pure Python and the truth, ``native`` is C, ``torch`` an extra. One back
end, one folder; :class:`Kernels` is the interface, :func:`select` finds one.
"""

from __future__ import annotations

import os
import warnings

from zoo.errors import NotCompiledError, PluginError
from zoo.plugins.base import (
    ConvGeometry,
    Kernels,
    Padding,
    PoolGeometry,
    Precision,
)
from zoo.registry import registry

__all__ = ["ConvGeometry", "Kernels", "Padding", "PoolGeometry", "Precision", "select"]

_PREFERRED = ("native", "numpy")


def select(name: str | None = None, threads: int | None = None) -> Kernels:
    """Return a back end, ready to use.

    Parameters
    ----------
    name : str, optional
        As registered; else ``ZOO_BACKEND``; else ``native`` where it was
        compiled and ``numpy`` where not, with a warning where what was compiled does
        not load. ``NAME:DEVICE`` asks a back end that
        knows several for one of them: ``torch:cuda``.
    threads : int, optional
        See :class:`Kernels`.

    Raises
    ------
    PluginError
        If the back end asked for is missing or does not load. There is no
        silent fallback from a back end that was named.
    """
    known = registry("zoo.kernels")
    name = name or os.environ.get("ZOO_BACKEND") or None
    if name is not None:
        name, _, device = name.partition(":")
        back_end = known.load(name)
        if not device:
            return back_end(threads=threads)
        if not getattr(back_end, "has_devices", False):
            raise PluginError(
                f"the back end {name} knows no devices; leave {device!r} out"
            )
        return back_end(threads=threads, device=device)
    for candidate in _PREFERRED[:-1]:
        try:
            kernels = known.load(candidate)
        except PluginError as error:
            if not isinstance(error.__cause__, NotCompiledError):
                warnings.warn(
                    f"{error}; {_PREFERRED[-1]} runs in its place, slower",
                    RuntimeWarning,
                    stacklevel=2,
                )
            continue
        # Not in the try: what the caller forced (ZOO_ISA) must not be lost.
        return kernels(threads=threads)
    return known.load(_PREFERRED[-1])(threads=threads)
