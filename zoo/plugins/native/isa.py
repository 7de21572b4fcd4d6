"""Which instruction set the native kernels use.

The best one that the processor has, unless ``ZOO_ISA`` caps it. Before an
instruction set is used for the first time, its kernels compute small cases and
are compared with those in portable C; one that disagrees is left out with a
warning, so that a fault of a compiler or a processor costs speed, not results.
"""

from __future__ import annotations

import itertools
import os
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from zoo.errors import PluginError, UsageError
from zoo.plugins.native import _native

__all__ = ["LEVELS", "available", "choose", "has_tiles", "why_not"]

LEVELS = ("portable", "avx2", "avx512", "amx")
"""Names of the levels, by number; each one includes those before it."""

_FLAGS = {
    "avx2": {"avx2", "fma", "f16c"},
    "avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl"},
    "amx": {"amx_tile", "amx_bf16"},
}
"""What Linux calls that which cpu.c asks the processor for."""

_CPUINFO = Path("/proc/cpuinfo")

_DIRECT = 1
_ALGORITHMS = (_DIRECT, 4, 5, 6)  # and the three Winograd sizes
_TILED = (7, 8)  # three products of bfloat16, and one


@lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """Levels that run here and compute rightly, lowest first."""
    return ("portable",) + tuple(
        name
        for level, name in enumerate(LEVELS)
        if 0 < level <= _native.cpu_level() and _agrees(level)
    )


def choose(name: str | None = None) -> int:
    """Number of the level of a name, of ``ZOO_ISA``, or of the best one.

    Raises
    ------
    UsageError
        If there is no level of that name.
    PluginError
        If this processor does not have it, or it failed its test.
    """
    source = "the instruction set" if name else "ZOO_ISA"
    name = name or os.environ.get("ZOO_ISA", "").strip() or None
    if name is None:
        return LEVELS.index(available()[-1])
    name = name.lower()
    if name not in LEVELS:
        raise UsageError(f"{source} is {name!r}; give one of {', '.join(LEVELS)}")
    if name not in available():
        raise PluginError(
            f"{source} is {name!r}, which cannot be used here "
            f"({_obstacle(LEVELS.index(name))}); there are {', '.join(available())}"
        )
    return LEVELS.index(name)


def why_not(level: int) -> dict[str, str]:
    """Why not a higher level than this one, for each that the processor has.

    Returns
    -------
    dict of str to str
        Reasons by the name of the level; nothing of what the processor lacks.
    """
    flags = _processor_flags()
    reasons = {}
    for number, name in enumerate(LEVELS[level + 1 :], level + 1):
        if name in available():
            capped = os.environ.get("ZOO_ISA", "").strip()
            reasons[name] = f"ZOO_ISA is {capped}" if capped else "not asked for"
        elif number <= _native.cpu_level() or _FLAGS[name] <= flags:
            reasons[name] = _obstacle(number)
    return reasons


def _obstacle(level: int) -> str:
    """What keeps a level that is not available from being used."""
    name = LEVELS[level]
    if level <= _native.cpu_level():
        return "it fails its self-test"
    if not _FLAGS[name] <= _processor_flags():
        return "this processor or system does not have it"
    if level > _native.cpu_level() + 1:
        return f"{LEVELS[level - 1]} is not there, which it builds on"
    if name == "amx":
        return (
            "the system does not let this process use AMX tiles, or they were not "
            "compiled in"
        )
    return "it was not compiled in"


def _processor_flags() -> set[str]:
    """What Linux says the processor has; empty elsewhere."""
    try:
        for line in _CPUINFO.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "flags":
                return set(value.split())
    except (OSError, ValueError):
        pass
    return set()


def has_tiles(level: int) -> bool:
    """Whether a level may multiply tiles of bfloat16: AMX, or what imitates it.

    ``ZOO_EMULATE_AMX=1`` lets every level imitate AMX, to the bit and many times
    slower than without; it is there for tests.
    """
    return LEVELS[level] == "amx" or os.environ.get("ZOO_EMULATE_AMX") == "1"


def _agrees(level: int) -> bool:
    """Whether a level computes what portable C computes; warns if not."""
    try:
        tiles = LEVELS[level] == "amx"
        results, truths = _sample(level, tiles=tiles), _sample(0, tiles=tiles)
        for result, truth in zip(results, truths, strict=True):
            scale = float(np.abs(truth).max())
            np.testing.assert_allclose(result, truth, rtol=0, atol=1e-4 * scale)
    except (AssertionError, ValueError) as error:
        detail = str(error).strip().splitlines()[0]
        warnings.warn(
            f"the native kernels for {LEVELS[level]} fail their test on this "
            f"processor and are not used ({detail}); please report this",
            RuntimeWarning,
            stacklevel=4,
        )
        return False
    return True


def _bfloat16(x: np.ndarray) -> np.ndarray:
    """The bfloat16 below each value in size, as float32."""
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def _sample(level: int, *, tiles: bool) -> list[np.ndarray]:
    """Results of a few small cases that reach every kernel of a level.

    ``tiles``: those of AMX as well. The other levels compute them directly: to
    imitate tiles would take longer than all that a small picture needs.
    """
    rng = np.random.default_rng(7)
    results: list[np.ndarray] = []
    out: np.ndarray

    def values(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    x, biases = values(1, 9, 11, 19), values(35)
    for algorithm in _ALGORITHMS:
        out = np.empty((1, 9, 11, 35), np.float32)
        _native.conv2d(
            *(level, 1, x, values(3, 3, 19, 35), biases, (1, 1), (1, 1)),
            *((1, 1, 1, 1), 0, 1, algorithm, 1, 0.0, out),
        )
        results.append(out)
    for algorithm, filters, stride in itertools.product(
        _TILED if tiles else (), (35, 48), (1, 2)
    ):
        wide, weights = values(1, 5, 37, 40), values(3, 3, 40, filters)
        if algorithm == _TILED[1]:  # products of bfloat16 are exact, as others are
            wide, weights = _bfloat16(wide), _bfloat16(weights)
        size = (1, -(-5 // stride), -(-37 // stride), filters)
        out = np.empty(size, np.float32)
        _native.conv2d(
            *(level, 1, wide, weights, None, (stride, stride), (1, 1), (1, 1, 1, 1)),
            *(0, 1, algorithm if LEVELS[level] == "amx" else _DIRECT, 1, 0.0, out),
        )
        results.append(out)
    for filters, groups in ((3, 1), (19, 19)):
        out = np.empty((1, 4, 5, filters), np.float32)
        weights = values(3, 3, 19 // groups, filters)
        _native.conv2d(
            *(level, 1, x, weights, None, (2, 2), (1, 1), (0, 0, 0, 0), 0, groups),
            *(0, 0, 0.0, out),
        )
        results.append(out)
    flat = np.linspace(-6, 6, 211, dtype=np.float32).reshape(1, -1)
    for kind in range(_native.activations()):
        out = np.empty_like(flat)
        _native.activate(level, 1, kind, 0.1, None, flat, out)
        results.append(out)
    out = np.empty((1, 5, 7, 19), np.float32)
    _native.pool(level, 1, False, x, (5, 5), (1, 1), (0, 0, 0, 0), out)
    results.append(out)
    out = np.empty((19, 35), np.float32)
    _native.dense(level, 1, values(19, 43), values(35, 43), biases, 0, 0.0, out)
    results.append(out)
    out = np.empty(x.size, np.float32)
    _native.blend(level, 1, 1, 0.0, 0.5, -2.0, x.ravel(), x.ravel()[::-1].copy(), out)
    results.append(out)
    return results
