"""What a process holds in memory.

Linux says it in /proc. Its own peak (VmHWM) is read there and not from
getrusage, whose ru_maxrss a process inherits from the one that started it.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["peak", "resident"]

_KIB = 1024


def resident() -> int | None:
    """Bytes of this process in memory now; None where the system does not say."""
    return _status("VmRSS")


def peak() -> int | None:
    """Most bytes that this process has had in memory; None on Windows."""
    found = _status("VmHWM")
    if found is not None or sys.platform == "win32":
        return found
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, every other system KiB.
    return largest if sys.platform == "darwin" else largest * _KIB


def _status(name: str) -> int | None:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        for line in status.splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * _KIB
    except (OSError, ValueError, IndexError):
        pass
    return None
