"""What a process holds in memory, and what the machine has left.

Linux says it in /proc. Its own peak (VmHWM) is read there and not from
getrusage, whose ru_maxrss a process inherits from the one that started it.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["available", "peak", "resident"]

_KIB = 1024


def resident() -> int | None:
    """Bytes of this process in memory now; None where the system does not say."""
    return _field("/proc/self/status", "VmRSS")


def peak() -> int | None:
    """Most bytes that this process has had in memory; None on Windows."""
    found = _field("/proc/self/status", "VmHWM")
    if found is not None or sys.platform == "win32":
        return found
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, every other system KiB.
    return largest if sys.platform == "darwin" else largest * _KIB


def available() -> int | None:
    """Bytes that new work may take, the cgroup's limit respected; None if unknown."""
    free = _field("/proc/meminfo", "MemAvailable")
    left = _cgroup_left(Path("/sys/fs/cgroup"))
    known = [value for value in (free, left) if value is not None]
    return min(known) if known else None


def _field(path: str, name: str) -> int | None:
    try:
        for line in Path(path).read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * _KIB
    except (OSError, ValueError, IndexError):
        pass
    return None


def _cgroup_left(root: Path) -> int | None:
    try:
        limit = (root / "memory.max").read_text().strip()
        used = int((root / "memory.current").read_text())
        return None if limit == "max" else max(0, int(limit) - used)
    except (OSError, ValueError):
        return None
