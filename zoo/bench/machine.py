"""What a measurement was taken on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from zoo._version import __version__

__all__ = ["describe"]


def describe() -> dict[str, Any]:
    """Processor, memory and versions, for a report and for JSON."""
    import numpy as np

    from zoo.machine.memory import available_memory
    from zoo.machine.threads import available_threads

    return {
        "processor": _processor(),
        "processors": available_threads(),
        "free_memory": available_memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": _load(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "zoo": __version__,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _load() -> float | None:
    """Processes that wanted to run in the last minute, those of others included."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows
        return None
