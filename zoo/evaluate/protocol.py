"""PSNR, SSIM and other metrics of a model on a folder of pictures.

The protocol is that of the literature (:mod:`zoo.metrics.benchmark`): luma,
border of the scale, 8-bit rounding, mean over pictures; low resolution by
MATLAB's bicubic unless the folder brings its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from zoo.errors import ImageError, PluginError, ShapeError, UsageError, ZooError
from zoo.evaluate.pairs import Pair, cropped, low_and_high, read_rgb
from zoo.evaluate.resize import imresize
from zoo.images import Image, pictures_in
from zoo.metrics.benchmark import benchmark_planes
from zoo.registry import distribution_of, registry
from zoo.run.pipeline import super_resolve

if TYPE_CHECKING:
    from zoo.api import Model

__all__ = [
    "METRICS",
    "Score",
    "Scores",
    "bicubic",
    "cases_in",
    "enlarger",
    "evaluate",
    "scale_of",
]

METRICS = ("psnr", "ssim")
"""What the literature reports."""

Enlarge = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Score:
    """One picture's result, by the name of the metric: psnr in dB, ssim up to 1."""

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Scores:
    """Results of a folder, and how they were measured."""

    scale: int
    border: int
    low_resolution: str
    scores: tuple[Score, ...]

    @property
    def means(self) -> dict[str, float]:
        """Mean over the pictures of every metric."""
        return {
            name: math.fsum(score.values[name] for score in self.scores)
            / len(self.scores)
            for name in self.scores[0].values
        }

    @property
    def psnr(self) -> float:
        """Mean PSNR in dB, if it was measured."""
        return self.means["psnr"]

    @property
    def ssim(self) -> float:
        """Mean SSIM, if it was measured."""
        return self.means["ssim"]

    @property
    def protocol(self) -> str:
        """How it was measured, in a line."""
        return (
            f"Y of BT.601, border {self.border}, 8 bits, peak 255, "
            f"low resolution: {self.low_resolution}"
        )


LeaveOut = Callable[[str, ZooError], None]
"""Told the name of a picture that does not count, and why."""


def cases_in(
    folder: str | Path, scale: int, leave_out: LeaveOut | None = None
) -> tuple[Iterator[Pair], int, str]:
    """The pictures of a folder; of those below it, if it holds none itself.

    Parameters
    ----------
    folder : str or Path
        Holds pictures, of which small ones are made by MATLAB's bicubic, or the
        folders HR and LR with pictures of the same names.
    scale : int
    leave_out : callable, optional
        Told of a picture that cannot be read, or fits no small picture, and the
        others follow; without it the iterator ends with the error.

    Returns
    -------
    cases : iterator of Pair
    count : int
    origin : str
        Where the small pictures come from.

    Raises
    ------
    UsageError
        If there is no such folder, or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r} of pictures")
    high_folder, low_folder = _pair_of_folders(folder)
    files = pictures_in(high_folder) or pictures_in(high_folder, recursive=True)
    if not files:
        raise UsageError(f"there is no picture in {str(high_folder)!r}")
    _require_one_size(files, high_folder)
    origin = "MATLAB's bicubic" if low_folder is None else str(low_folder)
    cases = _cases(files, high_folder, low_folder, scale, leave_out)
    return cases, len(files), origin


def _require_one_size(files: Sequence[Path], folder: Path) -> None:
    """Raise UsageError if large and small pictures lie together below a folder."""
    for path in files:
        inner = path.relative_to(folder).parts[:-1]
        if {part.lower() for part in inner} & {"hr", "lr"}:
            raise UsageError(
                f"{str(folder)!r} holds no picture itself but several sets; name one "
                f"of them: the folder of HR and LR, or {str(path.parent)!r}"
            )


def scale_of(folder: str | Path) -> int | None:
    """The enlargement between the folders LR and HR; None if they are not there."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r} of pictures")
    high_folder, low_folder = _pair_of_folders(folder)
    if low_folder is None:
        return None
    for path in pictures_in(low_folder):
        # Of the same name, or DIV2K's 0801x2 for 0801.
        for stem in (path.stem, re.sub(r"x\d+$", "", path.stem)):
            large = high_folder / f"{stem}{path.suffix}"
            if not large.is_file():
                continue
            try:
                return max(1, round(read_rgb(large).shape[0] / len(read_rgb(path))))
            except ImageError:  # the next pair may tell as well
                continue
    return None


def _pair_of_folders(folder: Path) -> tuple[Path, Path | None]:
    names = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    if "hr" in names:
        return names["hr"], names.get("lr")
    return folder, None


def _cases(
    files: Sequence[Path],
    high_folder: Path,
    low_folder: Path | None,
    scale: int,
    leave_out: LeaveOut | None,
) -> Iterator[Pair]:
    for path in files:
        place = path.relative_to(high_folder)
        name = place.with_suffix("").as_posix()
        try:
            small = None
            if low_folder is not None:
                small = _partner(low_folder / place.parent, path, scale)
            case = Pair(name, *_read_pair(path, small, scale))
        except ZooError as error:
            if leave_out is None:
                raise
            leave_out(name, error)
        else:
            yield case


def _read_pair(
    path: Path, small: Path | None, scale: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The small and the large picture."""
    high = read_rgb(path)
    if min(high.shape[:2]) < scale:
        raise ShapeError(f"{path} is smaller than one pixel, enlarged {scale} times")
    if small is None:
        return low_and_high(high, scale)
    high = cropped(high, scale)
    height, width = high.shape[:2]
    low = read_rgb(small)
    if (low.shape[0] * scale, low.shape[1] * scale) != (height, width):
        raise UsageError(
            f"{small} is {low.shape[1]} x {low.shape[0]} pixels, which times "
            f"{scale} is not the {width} x {height} of {path}"
        )
    return low, high


def _partner(folder: Path, path: Path, scale: int) -> Path:
    """The small picture of a large one: of the same name, or DIV2K's 0801x2."""
    for name in (path.name, f"{path.stem}x{scale}{path.suffix}"):
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"{path} has no small picture {path.name} in {folder}")


def enlarger(model: Model) -> Enlarge:
    """A model as a function of 8-bit RGB, networks of luma included."""
    return lambda rgb: super_resolve(model, Image(rgb)).pixels


def bicubic(scale: int) -> Enlarge:
    """MATLAB's bicubic enlargement, the baseline of every table."""
    return lambda image: imresize(image, scale)


def evaluate(
    enlarge: Enlarge,
    cases: Iterable[Pair],
    scale: int,
    origin: str = "MATLAB's bicubic",
    report: Callable[[Score], None] | None = None,
    metrics: Sequence[str] = METRICS,
    leave_out: LeaveOut | None = None,
) -> Scores:
    """Enlarge every small picture and compare it with the large one.

    Parameters
    ----------
    enlarge : callable
        From H x W x 3 uint8 to sH x sW x 3; a :class:`zoo.Model`, say.
    cases : iterable of Pair
    scale : int
        Also the border that is cut off.
    origin : str
        Where the small pictures come from, for the record.
    report : callable, optional
        Told of each score as it comes.
    metrics : sequence of str
        What to measure, by names of the registry ``zoo.metrics``.
    leave_out : callable, optional
        Told of a picture that is too small or does not fit, and the others follow;
        without it the error is raised.

    Raises
    ------
    PluginError
        If there is no such metric, or one fails.
    ShapeError
        If a picture is too small for the border, a metric or the network.
    ImageError
        If no picture is left.
    """
    functions = {name: registry("zoo.metrics").load(name) for name in metrics}
    scores = []
    for case in cases:
        try:
            result, truth = benchmark_planes(enlarge(case.low), case.high, scale)
            values = {
                name: _measure(name, function, result, truth, case.name)
                for name, function in functions.items()
            }
        except ShapeError as error:
            named = ShapeError(f"picture {case.name!r}: {error}")
            if leave_out is None:
                raise named from error
            leave_out(case.name, named)
            continue
        score = Score(case.name, values)
        scores.append(score)
        if report is not None:
            report(score)
    if not scores:
        raise ImageError("there is no picture that could be measured")
    return Scores(scale, scale, origin, tuple(scores))


def _measure(
    name: str,
    metric: Callable[[NDArray[Any], NDArray[Any]], float],
    result: NDArray[Any],
    truth: NDArray[Any],
    picture: str,
) -> float:
    """Call a metric; what a third party's raises names it and its distribution."""
    try:
        return float(metric(result, truth))
    except ZooError:  # it says itself what is wrong
        raise
    except Exception as error:
        owner = distribution_of(registry("zoo.metrics").entry(name))
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"metric {name!r} of {owner} failed on picture {picture!r} ({reason})"
        ) from error
