"""zoo itself, measured in the same way as the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import zoo
from zoo.bench.peers.base import Peer, Setup, in_a_row

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["Engine"]


class Engine(Peer):
    """The plan that :func:`zoo.load` gives. The variant is the back end's name."""

    @classmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        from zoo.checkpoints.files import save_weights
        from zoo.parsers.cfg import write_cfg

        weights = folder / "zoo.safetensors"
        save_weights(network, weights)
        path = folder / "zoo.json"
        cfg = folder / "zoo.cfg"
        cfg.write_text(write_cfg(network.sections), encoding="utf-8")
        files = {"cfg": str(cfg), "weights": str(weights)}
        path.write_text(json.dumps(files), encoding="utf-8")
        return str(path)

    def __init__(self, setup: Setup) -> None:
        files = json.loads(Path(setup.files).read_text(encoding="utf-8"))
        options: dict[str, Any] = {}
        if setup.precision != "f32":
            options["precision"] = setup.precision
        self._model = zoo.load(
            files["cfg"],
            files["weights"],
            backend=setup.variant or None,
            threads=setup.threads,
            **options,
        )
        self._plan = self._model.plan(setup.height, setup.width)

    @classmethod
    def version(cls) -> str:
        return zoo.__version__

    @property
    def settings(self) -> str:
        return self._model.kernels.instruction_set

    def feed(self, x: NDArray[np.float32]) -> Any:
        return x

    def run(self, x: Any) -> Any:
        return self._plan(x)

    def fetch(self, y: Any) -> NDArray[np.float32]:
        return in_a_row(y if isinstance(y, tuple) else (y,))
