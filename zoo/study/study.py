"""The study itself: every slice, network, degradation and angle, a row at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.api import Model
from zoo.errors import UsageError
from zoo.study.protocol import Condition, Turned, measure
from zoo.study.rotate import Interpolation
from zoo.study.slices import Stack

__all__ = ["Plan", "Study", "as_enlarger"]

Floats = NDArray[np.float32]
_ROWS = "rows.jsonl"
_KEPT_CHANNEL = ("mean", "gray")


@dataclass(frozen=True)
class Plan:
    """What is varied.

    Attributes
    ----------
    degradations : tuple of str
    angles : tuple of float
        Degrees.
    turned : tuple of str
        "low", "high" or both.
    interpolation : {"cubic", "linear"}
    """

    degradations: tuple[str, ...] = ("thesis", "matlab")
    angles: tuple[float, ...] = tuple(18.0 * n for n in range(20))
    turned: tuple[Turned, ...] = ("low",)
    interpolation: Interpolation = "cubic"

    def conditions(self, scale: int) -> Iterator[Condition]:
        """Every combination; what is not turned is measured once."""
        for degradation in self.degradations:
            for turned in self.turned:
                for angle in self.angles:
                    if angle % 360 == 0 and turned != self.turned[0]:
                        continue
                    yield Condition(
                        degradation, scale, angle, turned, self.interpolation
                    )


def as_enlarger(model: Model) -> Callable[[Floats], Floats]:
    """A network as the study uses it: gray in, every channel out, 0 to 255."""
    takes = model.network.pixels.channels

    def enlarge(low: Floats) -> Floats:
        three = np.repeat(low[..., None], takes, axis=2)
        made = model(three, white=255.0, as_float=True)
        return np.asarray(made if made.ndim == 3 else made[..., None], np.float32)

    return enlarge


class Study:
    """Rows of scores in a folder; what is there already is not computed again.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    stacks : sequence of Stack
    networks : mapping of str to Model
    plan : Plan
    settings : dict
        Recorded with the rows: a folder of other settings is refused.
    """

    def __init__(
        self,
        folder: Path,
        stacks: Sequence[Stack],
        networks: dict[str, Model],
        plan: Plan,
        settings: dict[str, Any],
    ) -> None:
        self.folder = folder
        self.stacks = list(stacks)
        self.networks = networks
        self.plan = plan
        self.settings = settings
        self.rows: list[dict[str, Any]] = []

    def _open(self) -> set[str]:
        """Read the rows that are there, and return their keys."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stated = self.folder / "study.json"
        plain = json.loads(json.dumps(self.settings))
        if stated.exists():
            try:
                known = json.loads(stated.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                known = None
            if known != plain:
                raise UsageError(
                    f"{self.folder} holds a study of other settings; give another "
                    f"folder, or remove it"
                )
        else:
            stated.write_text(json.dumps(plain, indent=1), encoding="utf-8")
        path = self.folder / _ROWS
        done: set[str] = set()
        if path.exists():
            good = []
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    done.add(entry["key"])
                except (ValueError, KeyError, TypeError):
                    continue  # the last line of a run that was killed
                good.append(line)
                self.rows += entry["rows"]
            path.write_text("".join(f"{line}\n" for line in good), encoding="utf-8")
        return done

    def _tasks(self) -> Iterator[tuple[str, Stack, int, Condition, str | None]]:
        scales: dict[int, list[str | None]] = {}
        for known, model in self.networks.items():
            scales.setdefault(round(model.scale), [None]).append(known)
        for stack in self.stacks:
            for scale, names in scales.items():
                for condition in self.plan.conditions(scale):
                    for place, number in enumerate(stack.numbers):
                        for name in names:
                            words = [stack.name, number, name or "bicubic"]
                            words += asdict(condition).values()
                            yield (
                                " ".join(map(str, words)),
                                stack,
                                place,
                                condition,
                                name,
                            )

    def count(self) -> int:
        """How many slices are enlarged in all."""
        return sum(1 for _ in self._tasks())

    def run(self, progress: Callable[[int], None] = lambda done: None) -> None:
        """Compute what is missing."""
        done = self._open()
        makers = {name: as_enlarger(model) for name, model in self.networks.items()}
        with open(self.folder / _ROWS, "a", encoding="utf-8") as file:
            for index, task in enumerate(self._tasks(), start=1):
                key, stack, place, condition, name = task
                if key not in done:
                    rows = self._measure(stack, place, condition, name, makers)
                    self.rows += rows
                    file.write(json.dumps({"key": key, "rows": rows}) + "\n")
                    file.flush()
                progress(index)

    def _measure(
        self,
        stack: Stack,
        place: int,
        condition: Condition,
        name: str | None,
        makers: dict[str, Callable[[Floats], Floats]],
    ) -> list[dict[str, Any]]:
        maker = None if name is None else makers[name]
        rows = []
        for row, picture in measure(stack.slices[place], condition, name, maker):
            rows.append(
                {
                    "volume": stack.name,
                    "slice": stack.numbers[place],
                    **asdict(condition),
                    **asdict(row),
                }
            )
            if condition.angle % 360 == 0 and row.channel in _KEPT_CHANNEL:
                path = self.picture_path(stack.name, condition, row.method, place)
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, picture.astype(np.float16))
        return rows

    def picture_path(
        self, volume: str, condition: Condition, method: str, place: int
    ) -> Path:
        """Where the result of an upright slice lies, for the report."""
        folder = f"{volume}_{condition.degradation}_x{condition.scale}_{method}"
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in folder)
        return self.folder / "slices" / safe / f"{place:04}.npy"

    def results(
        self, stack: Stack, degradation: str, scale: int, method: str
    ) -> Floats | None:
        """Results of all upright slices, S x H x W; None if one is missing."""
        condition = Condition(degradation, scale)
        paths = [
            self.picture_path(stack.name, condition, method, place)
            for place in range(len(stack.numbers))
        ]
        if not all(path.exists() for path in paths):
            return None
        return np.stack([np.load(path, allow_pickle=False) for path in paths]).astype(
            np.float32
        )
