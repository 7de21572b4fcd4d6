"""Who is measured: networks, bicubic interpolation, finished pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from zoo.errors import ShapeError, UsageError
from zoo.evaluate.layouts import plain_stem
from zoo.evaluate.pairs import Pair, read_rgb, whole_scale
from zoo.images import Image, pictures_in
from zoo.resize import imresize
from zoo.run.pipeline import super_resolve

if TYPE_CHECKING:
    from zoo.api import Model
    from zoo.run.files import NetworkFile

__all__ = ["Bicubic", "Entrant", "Finished", "NetworkEntrant"]

Pixels = NDArray[Any]


class Entrant(ABC):
    """Makes large pictures of small ones.

    Attributes
    ----------
    name : str
        For people.
    scale : int or None
        The one enlargement that it can do; None for any.
    facts : dict
        What a reader wants to know of it: back end, threads, hash of the weights.
    """

    def __init__(self, name: str, scale: int | None = None, **facts: Any) -> None:
        self.name = name
        self.scale = scale
        self.facts = facts

    @abstractmethod
    def __call__(self, pair: Pair) -> Pixels:
        """The large picture of a small one, H x W x 3, 0 to 255."""


class Bicubic(Entrant):
    """MATLAB's bicubic enlargement, the baseline of every table."""

    def __init__(self) -> None:
        super().__init__("bicubic")

    def __call__(self, pair: Pair) -> Pixels:
        return imresize(pair.low, size=pair.high.shape[:2])


class NetworkEntrant(Entrant):
    """A network, of luma or colour.

    Parameters
    ----------
    name : str
    model : Model
    use_ensemble : bool
        Mean over the eight symmetries; the name gets a + then, as in papers.
    file : NetworkFile, optional
        Where another process finds it.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        *,
        use_ensemble: bool = False,
        file: NetworkFile | None = None,
        **facts: Any,
    ) -> None:
        kernels = model.kernels
        super().__init__(
            f"{name}+" if use_ensemble else name,
            whole_scale(model.network),
            parameters=model.network.parameter_count,
            backend=kernels.name,
            instruction_set=kernels.instruction_set,
            threads=kernels.threads,
            precision=model.precision,
            **facts,
        )
        self.plain_name = name
        self.use_ensemble = use_ensemble
        self.file = file
        self._model = model

    def __call__(self, pair: Pair) -> Pixels:
        image = Image(pair.low)
        return super_resolve(self._model, image, use_ensemble=self.use_ensemble).pixels


def _is_of(name: str, stem: str) -> bool:
    """Whether a result's name goes on where that of the picture ends: baby_x2, babyx2."""
    rest = name.removeprefix(stem)
    return rest != name and (not rest[:1].isalnum() or rest[:1].lower() == "x")


class Finished(Entrant):
    """Pictures that somebody else has made large, in a folder.

    The result of ``baby`` is ``baby.png``, or ``baby_x2.png``, ``baby_HR_x2_SR.png``:
    the one file whose name begins with that of the picture.

    Parameters
    ----------
    folder : Path
    name : str, optional
        By default that of the folder.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        super().__init__(name or folder.name or str(folder), folder=str(folder))
        if not folder.is_dir():
            raise UsageError(f"there is no folder {str(folder)!r} of results")
        self._folder = folder
        self._files = pictures_in(folder, recursive=True)
        if not self._files:
            raise UsageError(f"there is no picture in {str(folder)!r}")

    def __call__(self, pair: Pair) -> Pixels:
        path = self._file_of(pair.name)
        pixels = read_rgb(path)
        if pixels.shape != pair.high.shape:
            raise ShapeError(
                f"{path} is {pixels.shape[1]} x {pixels.shape[0]} pixels and the "
                f"original {pair.name} {pair.high.shape[1]} x {pair.high.shape[0]}"
            )
        return pixels

    def _file_of(self, name: str) -> Path:
        stem = plain_stem(Path(name).name)
        exact = [path for path in self._files if path.stem in (Path(name).name, stem)]
        begun = [path for path in self._files if _is_of(path.stem, stem)]
        found = exact or begun
        if len(found) != 1:
            listed = ", ".join(sorted(path.name for path in found)[:3])
            raise ShapeError(
                f"{self._folder} has {'no result' if not found else 'several results'} "
                f"for {name}{f' ({listed})' if found else ''}"
            )
        return found[0]
