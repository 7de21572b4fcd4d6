"""How much memory there is, and how much may be used."""

from __future__ import annotations

import os
import re
from pathlib import Path

from zoo.errors import UsageError
from zoo.machine import cgroup

__all__ = [
    "amount",
    "available_memory",
    "default_limit",
    "least_amount",
    "parse_size",
]

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_SHARE = 4  # a quarter of what is free
_GUESS = 2 * 10**9  # where the system does not tell


def parse_size(text: str | int) -> int:
    """Bytes that a text like ``500M``, ``2G`` or ``1.5GiB`` means.

    Raises
    ------
    UsageError
        If it is no size.
    """
    if isinstance(text, int):
        if text < 1:
            raise UsageError(f"{text} bytes are no amount of memory; give more than 0")
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is no amount of memory; write it as in 500M, 2G or 1GiB"
        )
    unit = match[2].upper()
    factor = 1024 ** "KMGT".index(unit) * 1024 if match[3] and unit else _UNITS[unit]
    return round(float(match[1]) * factor)


def amount(size: float) -> str:
    """Bytes for people, in the units of :func:`parse_size`: "382 MB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            value = size / factor
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{size:.0f} B"


def least_amount(size: int) -> str:
    """Bytes that are needed, for people: to the kilobyte, and never too few.

    What :func:`parse_size` makes of it suffices, and a kilobyte less does not.
    """
    thousands = -(-size // 1000)
    for unit, factor in (("GB", 10**6), ("MB", 10**3)):
        if thousands >= factor:
            digits = len(str(factor)) - 1
            whole, rest = divmod(thousands, factor)
            return f"{whole}.{rest:0{digits}}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{thousands} kB"


def available_memory() -> int:
    """Bytes that can be allocated without swapping: the system's, and the cgroup's."""
    free = _system_memory()
    limits = [free] if free is not None else []
    limits += _cgroup_memory()
    return min(limits, default=_GUESS)


def default_limit() -> int:
    """What a run may take when nobody says: ``ZOO_MAX_MEMORY``, or a quarter.

    Raises
    ------
    UsageError
        If ``ZOO_MAX_MEMORY`` is no size.
    """
    wanted = os.environ.get("ZOO_MAX_MEMORY", "").strip()
    if not wanted:
        return available_memory() // _SHARE
    try:
        return parse_size(wanted)
    except UsageError as error:
        raise UsageError(f"ZOO_MAX_MEMORY: {error}") from None


def _system_memory(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None  # Windows


def _cgroup_memory(
    root: Path = cgroup.ROOT, membership: Path = cgroup.MEMBERSHIP
) -> list[int]:
    """What each cgroup leaves, version 2 or 1; empty if none sets a limit.

    Files in the page cache count as used there, and are given up when memory is
    asked for: those not read lately count as free.
    """
    free = []
    for folder in cgroup.folders("memory", root, membership):
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ),
        ):
            try:
                most = int((folder / limit).read_text())
                taken = int((folder / used).read_text())
            except (OSError, ValueError):  # no such file, or "max"
                continue
            taken -= min(taken, _statistic(folder / "memory.stat", cached))
            free.append(max(0, most - taken))
    return free


def _statistic(path: Path, name: str) -> int:
    """One number of a file of lines ``name number``; 0 where there is none."""
    try:
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return max(0, int(value))
    except (OSError, ValueError):
        pass
    return 0
