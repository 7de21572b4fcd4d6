"""Parts of a huge result on disk, until all of them are there."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from zoo.errors import ZooError
from zoo.files import atomic_write
from zoo.run.jobs import require_folder

__all__ = ["Pieces", "Tile"]

Tile = tuple[int, int, bytes]
"""Place among the tiles of the result, down and across, and its compressed pixels."""

_STAMP = "stamp"


class Pieces:
    """A hidden folder beside the result.

    It outlives a call that is stopped, and the next one goes on from there.

    Parameters
    ----------
    target : str
        The file that the result will be.
    stamp : str
        What the pieces depend on. Those of another stamp are removed.
    """

    def __init__(self, target: str, stamp: str) -> None:
        path = Path(target)
        name = sha256(path.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.folder = path.parent / f".zoo-parts-{name}"
        known = self.folder / _STAMP
        try:
            fits = known.read_text(encoding="utf-8") == stamp
        except (OSError, ValueError):
            fits = False
        if not fits:
            self.remove()
            require_folder(self.folder, create=True)
            with atomic_write(known) as file:
                file.write(stamp.encode())

    def remove(self) -> None:
        """Forget all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def write(path: str, tiles: Iterable[Tile]) -> None:
        """Write a piece: its tiles in a zip file, which do not shrink any more."""
        with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
            for row, column, data in tiles:
                archive.writestr(f"{row}_{column}", data)

    @staticmethod
    def tiles(paths: Sequence[str]) -> Iterator[Tile]:
        """The tiles of several pieces.

        Raises
        ------
        ZooError
            If one of them is no piece.
        """
        for path in paths:
            try:
                with zipfile.ZipFile(path) as archive:
                    for name in archive.namelist():
                        row, _, column = name.partition("_")
                        yield int(row), int(column), archive.read(name)
            except (zipfile.BadZipFile, ValueError) as problem:
                raise ZooError(f"{path} is no part of a result ({problem})") from None
