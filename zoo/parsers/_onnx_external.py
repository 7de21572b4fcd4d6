"""Weights of an ONNX file that lie in another file beside it.

The file names it, and files come from anybody: what it names must lie within the
model's own folder. Links out of it are followed only where the model itself is a link
into the same folder, as the caches of download tools have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted

__all__ = ["ExternalData"]


class ExternalData:
    """The files beside one model.

    Parameters
    ----------
    path : Path
        Of the model.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Path] = {}

    @property
    def files(self) -> list[str]:
        """Names of those that were read, as the model has them."""
        return list(self._known)

    def read(self, tensor: str, entries: Mapping[str, str], size: int) -> bytes:
        """Read the bytes of a tensor.

        Parameters
        ----------
        tensor : str
            Its name, for messages.
        entries : mapping of str to str
            location, offset, length.
        size : int
            How many bytes it must have.

        Raises
        ------
        ReaderError
            If the place is outside of the model's folder, or has not that many bytes.
        """
        location = entries.get("location", "")
        path = self._known.get(location)
        if path is None:
            path = self._known[location] = self._inside(location)
        offset = self._number(tensor, entries, "offset", 0)
        length = self._number(tensor, entries, "length", size)
        if length != size:
            raise ReaderError(
                f"{self._path}: tensor {quoted(tensor)} of {size} bytes has {length} in "
                f"{quoted(location)}"
            )
        try:
            with open(path, "rb") as file:
                held = path.stat().st_size
                if offset + size > held:
                    raise ReaderError(
                        f"{self._path}: the weights of {quoted(tensor)} end at byte "
                        f"{offset + size} of {quoted(location)}, which has {held}; the "
                        f"file is damaged or of another model"
                    )
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise ReaderError(
                f"{self._path}: its weights are in {quoted(location)}, which cannot be "
                f"read ({error.strerror or error}); put that file beside it"
            ) from None

    def _number(
        self, tensor: str, entries: Mapping[str, str], key: str, default: int
    ) -> int:
        text = entries.get(key, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal()) or len(text) > 18:
            raise ReaderError(
                f"{self._path}: tensor {quoted(tensor)} has the {key} {quoted(text)}"
            )
        return int(text)

    def _inside(self, location: str) -> Path:
        """The file that a location names, if it is one of the model's."""
        posix, windows = PurePosixPath(location), PureWindowsPath(location)
        named = f"{self._path}: its weights are in {quoted(location)}"
        outside = ReaderError(
            f"{named}, outside its folder; put them beside it and name them so"
        )
        if not location or "\0" in location:
            raise ReaderError(f"{self._path}: its weights are in a file without a name")
        if posix.is_absolute() or windows.drive or windows.root:
            raise outside
        if ".." in posix.parts or ".." in windows.parts:
            raise outside
        path = self._path.parent / posix
        if not path.exists():
            raise ReaderError(f"{named}, which is not there; put that file beside it")
        if not path.is_file():
            raise ReaderError(f"{named}, which is no file")
        folder = self._path.parent.resolve()
        target = path.resolve()
        if folder in target.parents:
            return path
        if self._path.is_symlink() and target.parent == self._path.resolve().parent:
            return path
        raise outside
