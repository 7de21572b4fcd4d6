"""The part of :mod:`zoo.bench.worker` that times a single layer."""

from __future__ import annotations

import time
from typing import IO, Any

import numpy as np

__all__ = ["start"]


def start(spec: dict[str, Any], answers: IO[str]) -> None:
    """Build the layer of the specification and serve it."""
    from zoo.bench.cases import Case, data, sampled
    from zoo.bench.layer_peers import load
    from zoo.bench.worker import serve

    case, direction = Case(**spec["case"]), spec["direction"]
    module = load(spec["peer"])
    built = module.build(
        case, direction, data(case, direction), spec["threads"], spec["variant"]
    )
    began = time.perf_counter()
    y = built.run()
    ready = {
        "version": module.version(),
        "settings": built.settings,
        "first_seconds": time.perf_counter() - began,
    }

    def save(path: str, y: Any) -> None:
        np.savez(path, *(sampled(array) for array in built.fetch(y)))

    serve(answers, ready, built.run, save, y)
