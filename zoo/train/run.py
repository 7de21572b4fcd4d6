"""The folder of a training run: checkpoints, log, learning curve.

=================  =======================================================
model.cfg          the network
last.safetensors   everything needed to continue exactly
best.safetensors   weights of the best validation so far, ready for `zoo run`
log.jsonl          a JSON object per report and per validation
curve.png          loss and PSNR over the updates
=================  =======================================================

Every file is replaced whole, so a run killed at any moment loses only the
updates since the last checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, WeightsError
from zoo.files import atomic_write
from zoo.layers.base import Array
from zoo.parsers.safetensors import (
    SafetensorsReader,
    read_metadata,
    write_safetensors,
)

__all__ = ["RunFolder", "Snapshot"]

_WEIGHTS, _OPTIMIZER, _AVERAGE = "weights:", "optimizer:", "average:"


@dataclass
class Snapshot:
    """The state of a run after some update.

    Attributes
    ----------
    update : int
        Updates done.
    weights, optimizer, average : dict of str to ndarray
        Of the network, of the optimizer, and the moving average (or empty).
    optimizer_updates : int
        Updates that the optimizer has applied; skipped ones do not count.
    sampler : dict
        State of the random numbers of the patches.
    recipe : dict
    progress : dict
        Best PSNR so far, seconds spent, skipped updates.
    """

    update: int
    weights: dict[str, Array]
    optimizer: dict[str, Array]
    optimizer_updates: int
    sampler: dict[str, Any]
    recipe: dict[str, Any]
    average: dict[str, Array] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)


class RunFolder:
    """Reads and writes the files of a run.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def cfg(self) -> Path:
        """The network."""
        return self.path / "model.cfg"

    @property
    def last(self) -> Path:
        """The checkpoint to continue from."""
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        """Weights of the best validation."""
        return self.path / "best.safetensors"

    @property
    def log(self) -> Path:
        """A JSON object per line."""
        return self.path / "log.jsonl"

    @property
    def curve(self) -> Path:
        """Loss and PSNR, for the eye."""
        return self.path / "curve.png"

    def create(self, cfg_text: str) -> None:
        """Make a new folder for a network.

        Raises
        ------
        UsageError
            If a run is there already.
        """
        if self.last.exists() or self.cfg.exists():
            raise UsageError(
                f"{self.path} already holds a run; continue it with --resume, "
                f"or name another folder"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.cfg) as file:
            file.write(cfg_text.encode())

    def save(self, snapshot: Snapshot) -> None:
        """Write ``last.safetensors``."""
        tensors = {
            **{_WEIGHTS + name: array for name, array in snapshot.weights.items()},
            **{_OPTIMIZER + name: array for name, array in snapshot.optimizer.items()},
            **{_AVERAGE + name: array for name, array in snapshot.average.items()},
        }
        plain = {
            "update": snapshot.update,
            "optimizer_updates": snapshot.optimizer_updates,
            "sampler": snapshot.sampler,
            "recipe": snapshot.recipe,
            "progress": snapshot.progress,
        }
        write_safetensors(self.last, tensors, {"zoo.run": json.dumps(plain)})

    def load(self) -> Snapshot:
        """Read ``last.safetensors``.

        Raises
        ------
        WeightsError, ReaderError
            If the file is no checkpoint of a run, or damaged.
        """
        text = read_metadata(self.last).get("zoo.run")
        if text is None:
            raise WeightsError(f"{self.last} is no checkpoint of a training run")
        plain = json.loads(text)
        parts: dict[str, dict[str, Array]] = {}
        for name, array in SafetensorsReader.read(self.last).tensors.items():
            part, _, rest = name.partition(":")
            # A checkpoint is written to, a file that is mapped is not.
            parts.setdefault(part + ":", {})[rest] = array.copy()
        return Snapshot(
            update=plain["update"],
            weights=parts.get(_WEIGHTS, {}),
            optimizer=parts.get(_OPTIMIZER, {}),
            optimizer_updates=plain["optimizer_updates"],
            sampler=plain["sampler"],
            recipe=plain["recipe"],
            average=parts.get(_AVERAGE, {}),
            progress=plain["progress"],
        )

    def append(self, entry: dict[str, Any]) -> None:
        """Add a line to the log."""
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        """The log; a last line cut short by a kill is left out."""
        if not self.log.exists():
            return []
        entries = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return entries

    def forget_after(self, update: int) -> None:
        """Drop log lines of updates that a resumed run will do again."""
        kept = [entry for entry in self.entries() if entry["update"] <= update]
        with atomic_write(self.log) as file:
            for entry in kept:
                file.write((json.dumps(entry) + "\n").encode())
