"""Where zoo keeps what it can make or fetch again: one folder of the user."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.errors import ZooError

__all__ = ["cache_folder"]


def cache_folder(*parts: str, make: bool = True) -> Path:
    """A folder below the user's cache, made if it is not there unless told otherwise.

    ``ZOO_CACHE``, else ``XDG_CACHE_HOME/zoo``, else ``~/.cache/zoo``
    (``%LOCALAPPDATA%\\zoo`` on Windows). Everything in it can be deleted.

    Raises
    ------
    ZooError
        If it cannot be made.
    """
    folder = _root().joinpath(*parts)
    if not make:
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(
            f"{str(folder)!r} cannot be made ({error.strerror or error}); ZOO_CACHE "
            f"names another folder for what zoo keeps"
        ) from None
    return folder


def _root() -> Path:
    given = os.environ.get("ZOO_CACHE")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or (
        os.environ.get("LOCALAPPDATA") if os.name == "nt" else None
    )
    try:
        return Path(base) / "zoo" if base else Path.home() / ".cache" / "zoo"
    except RuntimeError:  # no home
        raise ZooError("there is no home folder; ZOO_CACHE names a folder") from None
