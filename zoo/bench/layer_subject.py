"""Single layers in one engine, in a process of :mod:`zoo.bench.worker`."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.bench.cases import LayerCase, data, sampled
from zoo.bench.layer_peers import load
from zoo.bench.layer_peers.base import Built
from zoo.bench.subject import Subject

__all__ = ["LayerSubject"]


class LayerSubject(Subject):
    """One engine on a fixed number of threads, with one layer after the other."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.module = load(spec["peer"])
        self.threads: int = spec["threads"]
        self.variant: str = spec["variant"]
        self.ready = {"version": self.module.version()}
        self.built: Built | None = None
        self.y: Any = None

    def build(self, spec: dict[str, Any]) -> dict[str, Any]:
        self.drop()
        case, direction = LayerCase(**spec["case"]), spec["direction"]
        arrays = data(case, direction)
        self.built = self.module.build(
            case, direction, arrays, self.threads, self.variant
        )
        self.run()
        return {"settings": self.built.settings}

    def run(self) -> None:
        assert self.built is not None
        self.y = self.built.run()

    def clear(self) -> None:
        self.y = None

    def save(self, path: str) -> None:
        assert self.built is not None
        np.savez(path, *(sampled(array) for array in self.built.fetch(self.y)))

    def drop(self) -> None:
        self.built = self.y = None
