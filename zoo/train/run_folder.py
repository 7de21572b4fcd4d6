"""The folder of a training run: checkpoints, log, learning curve.

================== =======================================================
model.cfg          the network
data.json          which pictures it learns from and is validated on, the back
                   end, how often it reports
last.safetensors   everything needed to continue exactly
before.safetensors the checkpoint before it
best.safetensors   weights of the best validation so far, ready for `zoo run`
log.jsonl          a JSON object per report and per validation
curve.png          loss and PSNR over the updates
run.lock           held by the process that trains
================== =======================================================

Files are replaced whole; the log grows line by line, and what was logged after
the last checkpoint is dropped when the run goes on. So a run killed at any
moment loses only the updates since the last checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from zoo.errors import ReaderError, UsageError, WeightsError
from zoo.files import atomic_write
from zoo.layers.base import Array
from zoo.parsers.safetensors import (
    SafetensorsReader,
    checksum,
    write_safetensors,
)
from zoo.train.learner import LearnerState
from zoo.train.lock import FolderLock
from zoo.train.settings import RunSettings

__all__ = ["RunFolder", "Snapshot", "plain_entry"]

_WEIGHTS, _OPTIMIZER, _AVERAGE = "weights:", "optimizer:", "average:"


@dataclass
class Snapshot:
    """The state of a run after some update.

    Attributes
    ----------
    update : int
        Updates done, those that were left out included.
    learner : LearnerState
    sampler : dict
        State of the random numbers of the patches.
    recipe : dict
    progress : dict
        Best PSNR so far, seconds spent, updates left out.
    """

    update: int
    learner: LearnerState
    sampler: dict[str, Any]
    recipe: dict[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)


class RunFolder:
    """Reads and writes the files of a run.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: FolderLock | None = None

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
    def card(self) -> Path:
        """What the best weights are."""
        return self.best.with_suffix(".yaml")

    @property
    def log(self) -> Path:
        """A JSON object per line."""
        return self.path / "log.jsonl"

    @property
    def curve(self) -> Path:
        """Loss and PSNR, for the eye."""
        return self.path / "curve.png"

    @property
    def before(self) -> Path:
        """The checkpoint before the last one."""
        return self.path / "before.safetensors"

    @property
    def data(self) -> Path:
        """Which pictures the run learns from and is validated on."""
        return self.path / "data.json"

    def require_free(self) -> None:
        """Raise UsageError if a run is there already."""
        if self.last.exists():
            raise UsageError(
                f"{self.path} already holds a run; continue it with --resume, "
                f"or name another folder"
            )

    def create(self, cfg_text: str, settings: RunSettings) -> None:
        """Make a new folder for a network, and lock it.

        Raises
        ------
        UsageError
            If a run is there already, or another process makes one there.
        """
        self.require_free()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be made a folder: {error.strerror}"
            ) from None
        self.lock()
        self.require_free()
        with atomic_write(self.cfg) as file:
            file.write(cfg_text.encode())
        self.write_settings(settings)
        # Killed before its first checkpoint, an older run may have left a log.
        self.forget_after(-1)

    def lock(self) -> None:
        """Keep other processes from training here, until :meth:`unlock`.

        Raises
        ------
        UsageError
            If another one does.
        """
        self._lock = FolderLock(self.path)

    def unlock(self) -> None:
        """Let other processes train here."""
        if self._lock is not None:
            self._lock.close()

    def write_settings(self, settings: RunSettings) -> None:
        """Write ``data.json``."""
        with atomic_write(self.data) as file:
            file.write(json.dumps(settings.to_dict(), indent=1).encode())

    def read_settings(self) -> RunSettings:
        """Read ``data.json``.

        Raises
        ------
        UsageError
            If it is missing or damaged.
        """
        try:
            found = json.loads(self.data.read_text(encoding="utf-8"))
            return RunSettings.from_dict(found)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise UsageError(
                f"{self.data} is missing or damaged; name the pictures with --data"
            ) from None

    def save(self, snapshot: Snapshot, *, keep_before: bool = False) -> None:
        """Write ``last.safetensors``; the one before it stays as ``before``.

        Parameters
        ----------
        snapshot : Snapshot
        keep_before : bool
            Leave ``before`` as it is: ``last`` is not worth going back to.
        """
        learner = snapshot.learner
        tensors = {
            **{_WEIGHTS + name: array for name, array in learner.weights.items()},
            **{_OPTIMIZER + name: array for name, array in learner.optimizer.items()},
            **{_AVERAGE + name: array for name, array in learner.average.items()},
        }
        plain = {
            "update": snapshot.update,
            "optimizer": learner.optimizer_name,
            "optimizer_updates": learner.updates,
            "random": learner.random,
            "sampler": snapshot.sampler,
            "recipe": snapshot.recipe,
            "progress": snapshot.progress,
        }
        if not keep_before:
            self._keep_last_as_before()
        text = json.dumps(plain)
        sum_of_all = checksum(tensors, text)
        write_safetensors(
            self.last, tensors, {"zoo.run": text, "zoo.checksum": sum_of_all}
        )

    def _keep_last_as_before(self) -> None:
        """Give ``last`` a second name, so that there is a ``last`` at any moment."""
        if not self.last.exists():
            return
        link = self.path / ".before.link"
        link.unlink(missing_ok=True)
        try:
            os.link(self.last, link)
        except OSError:  # a file system without links
            shutil.copyfile(self.last, link)
        os.replace(link, self.before)

    def step_back(self) -> None:
        """Forget the last checkpoint; the one before it takes its place."""
        if self.before.exists():
            os.replace(self.before, self.last)

    def tidy(self) -> None:
        """Remove what a killed process left half-written."""
        for name in (".last.*", ".best.*", ".log.*", ".curve.*", ".before.*"):
            for path in self.path.glob(name):
                path.unlink(missing_ok=True)

    def load(self) -> Snapshot:
        """Read ``last.safetensors``.

        Raises
        ------
        WeightsError, ReaderError
            If the file is no checkpoint of a run, or damaged.
        """
        checkpoint = SafetensorsReader.read(self.last)
        text = checkpoint.metadata.get("zoo.run")
        if text is None:
            raise WeightsError(f"{self.last} is no checkpoint of a training run")
        written = checkpoint.metadata.get("zoo.checksum")  # older files have none
        if written is not None and written != checksum(checkpoint.tensors, text):
            raise self._damaged("its values do not match their checksum")
        parts: dict[str, dict[str, Array]] = {}
        for name, array in checkpoint.tensors.items():
            part, _, rest = name.partition(":")
            parts.setdefault(part + ":", {})[rest] = array
        try:
            plain = json.loads(text)
            return Snapshot(
                update=plain["update"],
                learner=LearnerState(
                    parts.get(_WEIGHTS, {}),
                    parts.get(_OPTIMIZER, {}),
                    plain["optimizer_updates"],
                    parts.get(_AVERAGE, {}),
                    plain["random"],
                    # Older versions kept only the slots of the recipe's optimizer.
                    plain.get("optimizer")
                    or dict(plain["recipe"]).get("optimizer", ""),
                ),
                sampler=plain["sampler"],
                recipe=plain["recipe"],
                progress=plain["progress"],
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._damaged("what it says of the run cannot be read") from None

    def _damaged(self, reason: str) -> ReaderError:
        return ReaderError(
            f"{self.last} is damaged ({reason}); rename {self.before.name} to "
            f"{self.last.name} to go on from the checkpoint before it"
        )

    def append(self, entry: dict[str, Any]) -> None:
        """Add a line to the log; numbers that are not finite become null."""
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(plain_entry(entry)) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        """The log; lines that were damaged, or cut short by a kill, are left out."""
        if not self.log.exists():
            return []
        entries = []
        text = self.log.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and type(entry.get("update")) is int:
                entries.append(entry)
        return entries

    def forget_after(self, update: int) -> None:
        """Drop log lines of updates that a resumed run will do again."""
        if not self.log.exists():
            return
        kept = [entry for entry in self.entries() if entry["update"] <= update]
        with atomic_write(self.log) as file:
            for entry in kept:
                file.write((json.dumps(entry) + "\n").encode())


def plain_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold of an entry: numbers that are not finite become None."""
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in entry.items()
    }
