"""One network in one engine, in a process of :mod:`zoo.bench.worker`.

Nothing heavy is imported at the top: the engine's import is timed.
"""

from __future__ import annotations

import time
from typing import Any

from zoo.bench.subject import Subject

__all__ = ["NetSubject"]


class NetSubject(Subject):
    """A network, loaded once and for all."""

    def __init__(self, spec: dict[str, Any]) -> None:
        import numpy as np

        from zoo.bench.memory import resident
        from zoo.bench.peers import load
        from zoo.bench.peers.base import Setup

        began = time.perf_counter()
        engine_type = load(spec["peer"])
        version = engine_type.version()
        imported = time.perf_counter()
        memory = resident()
        self.engine = engine_type(Setup(**spec["setup"]))
        loaded = time.perf_counter()
        self.x = self.engine.feed(np.load(spec["input"]))
        fed = time.perf_counter()
        self.run()
        self.ready = {
            "version": version,
            "settings": self.engine.settings,
            "import_seconds": imported - began,
            "load_seconds": loaded - imported,
            "first_seconds": time.perf_counter() - fed,
            "import_memory": memory,
        }

    def run(self) -> None:
        self.y = self.engine.run(self.x)

    def clear(self) -> None:
        self.y = None

    def save(self, path: str) -> None:
        import numpy as np

        np.save(path, self.engine.fetch(self.y))
