"""Which instruction set the native kernels use.

The best one that the processor has, unless ``ZOO_ISA`` caps it, of those that pass
the test of :mod:`zoo.plugins.native.selftest` when they are first asked for.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from zoo.errors import PluginError, UsageError
from zoo.plugins.native._binding import _native
from zoo.plugins.native.codes import LEVELS
from zoo.plugins.native.selftest import agrees

__all__ = ["LEVELS", "available", "choose", "has_tiles", "why_not"]

_FLAGS = {
    "avx2": {"avx2", "fma", "f16c"},
    "avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl"},
    "amx": {"amx_tile", "amx_bf16"},
    "neon": {"asimd"},
}
"""What Linux calls that which cpu.c asks the processor for."""

_CPUINFO = Path("/proc/cpuinfo")


@lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """Levels that run here and compute rightly, lowest first."""
    return ("portable",) + tuple(
        name
        for level, name in enumerate(LEVELS)
        if 0 < level <= _native.cpu_level() and agrees(level)
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
            if key.strip() in ("flags", "Features"):
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
