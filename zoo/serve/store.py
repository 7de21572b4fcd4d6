"""What was dropped on the page, and the jobs on it, under random names."""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import cv2
import numpy as np

from zoo.errors import UsageError
from zoo.formats import at_most, open_source
from zoo.images.reading import format_in
from zoo.serve.limits import Limits
from zoo.tables import mebibytes, printable
from zoo.view.item import Item, read_item

__all__ = ["Dropped", "Job", "State", "Store", "shown_name"]

State = Literal["waiting", "running", "done", "failed", "cancelled"]
_LONGEST_NAME = 120
_THUMBNAIL = 96


def shown_name(header: str) -> str:
    """What a browser says a file is called: text for people, never a path."""
    text = unquote(header, errors="replace").replace("\\", "/").rpartition("/")[2]
    return printable(text)[:_LONGEST_NAME].strip() or "without a name"


@dataclass(frozen=True)
class Dropped:
    """A file of the user's.

    Attributes
    ----------
    id : str
    name : str
        For people.
    path : Path
        Of a copy, under a random name.
    kind, about : str
    pixels : int
    thumbnail : str
        A data URL.
    """

    id: str
    name: str
    path: Path
    kind: str
    about: str
    pixels: int
    thumbnail: str

    def as_json(self) -> dict[str, Any]:
        """What the page is told."""
        names = ("id", "name", "kind", "about", "pixels", "thumbnail")
        return {name: getattr(self, name) for name in names}


@dataclass
class Job:
    """Work on what was dropped.

    Attributes
    ----------
    id : str
    kind : {"run", "evaluation"}
    inputs : tuple of str
        Identifiers.
    networks : tuple of str
    state : State
    part : float
        What of it is done, from 0 to 1.
    seconds : float
    error : str
    notes : list of str
    output : Path or None
    output_name : str
        What it is called when it is saved.
    table : list of list of str
        Scores, with their header.
    """

    id: str
    kind: Literal["run", "evaluation"]
    inputs: tuple[str, ...]
    networks: tuple[str, ...]
    state: State = "waiting"
    part: float = 0.0
    seconds: float = 0.0
    error: str = ""
    notes: list[str] = field(default_factory=list)
    output: Path | None = None
    output_name: str = ""
    table: list[list[str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """What the page is told."""
        names = (
            "id", "kind", "inputs", "networks", "state", "part", "error", "notes",
            "output_name", "table",
        )  # fmt: skip
        seconds = self.seconds
        if self.state == "running":
            seconds = time.monotonic() - self.started
        return {**{name: getattr(self, name) for name in names}, "seconds": seconds}


class Store:
    """Files and jobs of a session, in a folder that goes with it.

    Parameters
    ----------
    limits : Limits
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.folder = Path(tempfile.mkdtemp(prefix="zoo-serve-"))  # ours alone: 0700
        self.inputs: dict[str, Dropped] = {}
        self.jobs: dict[str, Job] = {}
        self._coming: list[int] = []  # bytes of files that are being received
        self._lock = threading.Lock()

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Keep room for a file of so many bytes while it is received.

        Raises
        ------
        UsageError
            If there is none.
        """
        count = len(self.inputs) + len(self._coming)
        if count >= self.limits.files:
            raise UsageError(f"there are {count} files already; remove one first")
        # What has come of those that are coming counts twice, which hurts nobody.
        used = sum(path.stat().st_size for path in self.folder.iterdir())
        if used + sum(self._coming) + size > self.limits.stored:
            raise UsageError(
                f"the session may hold {mebibytes(self.limits.stored)} MiB; remove a "
                f"file first"
            )
        self._coming.append(size)
        try:
            yield
        finally:
            self._coming.remove(size)

    def new_path(self, ending: str = "") -> Path:
        """A path that nobody could name."""
        return self.folder / f"{secrets.token_hex(16)}{ending}"

    def add(self, data: Path, name: str) -> Dropped:
        """Take a file that was received, if it is a picture or a volume.

        Raises
        ------
        ZooError
            If it is not, or is too large; the file is deleted then.
        """
        path = data
        try:
            with at_most(self.limits.pixels):
                item = read_item(data)
            # The ending decides where a content is that of several formats.
            path = data.rename(data.with_name(data.name + _ending_of(data)))
            dropped = Dropped(
                secrets.token_hex(16), name, path, item.kind, printable(item.about),
                item.size * item.frames, _thumbnail(item),
            )  # fmt: skip
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            self.inputs[dropped.id] = dropped
        return dropped

    def remove(self, identifier: str) -> bool:
        """Delete a file with its jobs; False if there is none."""
        with self._lock:
            dropped = self.inputs.pop(identifier, None)
            if dropped is None:
                return False
            jobs = [job for job in self.jobs.values() if identifier in job.inputs]
            for job in jobs:
                job.stop.set()
                del self.jobs[job.id]
        for path in (dropped.path, *(job.output for job in jobs)):
            if path is not None:
                path.unlink(missing_ok=True)
        return True

    def same_job(self, kind: str, inputs: list[str], networks: list[str]) -> Job | None:
        """The same work that is done, or will be; None if there is none."""
        wanted = kind, tuple(inputs), tuple(networks)
        for job in list(self.jobs.values()):
            is_alive = not job.stop.is_set() and job.state != "failed"
            if is_alive and (job.kind, job.inputs, job.networks) == wanted:
                return job
        return None

    def new_job(self, kind: Any, inputs: list[str], networks: list[str]) -> Job:
        """A job that waits.

        Raises
        ------
        UsageError
            If too many do.
        """
        active = sum(job.state in ("waiting", "running") for job in self.jobs.values())
        if active >= self.limits.jobs:
            raise UsageError(f"{active} jobs are waiting already")
        job = Job(secrets.token_hex(16), kind, tuple(inputs), tuple(networks))
        with self._lock:
            self.jobs[job.id] = job
        return job


def _ending_of(path: Path) -> str:
    with open_source(path) as source:
        return format_in(source).suffixes[0]


def _thumbnail(item: Item) -> str:
    """A small PNG of a picture, or of the middle slice of a volume."""
    values = item.values[0 if item.kind == "picture" else len(item.values) // 2].astype(
        np.float32
    )
    if item.kind == "volume":
        values = values[::-1]
        low, high = np.nanmin(values), np.nanmax(values)
        values = (values - low) / ((high - low) or 1)
    else:
        values = values[..., :3] if values.shape[2] > 2 else values[..., :1]
        values = values / item.white
    height, width = values.shape[:2]
    factor = min(1.0, _THUMBNAIL / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(np.nan_to_num(values), size, interpolation=cv2.INTER_AREA)
    pixels = np.clip(np.rint(small * 255), 0, 255).astype(np.uint8)
    done, data = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    if not done:
        return ""
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
