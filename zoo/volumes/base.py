"""What the formats of volumes have in common: nibabel, and gzip around the same bytes."""

from __future__ import annotations

import gzip
from abc import abstractmethod
from importlib.util import find_spec
from typing import IO, Any, ClassVar

from zoo.errors import ImageError
from zoo.extras import how_to_install
from zoo.formats import Format
from zoo.volumes.volume import Volume

__all__ = ["VolumeFormat"]


class VolumeFormat(Format):
    """A format whose headers nibabel reads, plain or gzipped."""

    kind = "volume"
    is_gzip: ClassVar[bool] = False

    def missing(self) -> str:
        """nibabel, if it is not installed."""
        if find_spec("nibabel") is None:
            return f"needs nibabel; {how_to_install('mri')}"
        return ""

    def require(self) -> None:
        """Raise an ImageError where nibabel is missing."""
        reason = self.missing()
        if reason:
            raise ImageError(reason)

    def write(self, file: IO[bytes], item: Any, *, quality: int | None = None) -> None:
        """Write a volume."""
        if not self.is_gzip:
            self.write_plain(file, item)
            return
        with gzip.GzipFile(
            filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0
        ) as packed:
            self.write_plain(packed, item)

    @abstractmethod
    def write_plain(self, file: Any, item: Volume) -> None:
        """Write a volume's bytes, before any gzip."""
