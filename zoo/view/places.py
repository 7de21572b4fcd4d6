"""Where pages lie that nobody named, and the browser that opens them."""

from __future__ import annotations

import os
import secrets
import webbrowser
from contextlib import suppress
from pathlib import Path

from zoo.cache import cache_folder

__all__ = ["new_page", "open_page"]

_KEPT = 8


def new_page() -> Path:
    """A name for a page in zoo's cache, where the oldest of them make room.

    Raises
    ------
    ZooError
        If there can be no such folder.
    """
    folder = cache_folder("view")
    with suppress(OSError):
        os.chmod(folder, 0o700)  # pictures are nobody else's business
    old = sorted(folder.glob("*.html"), key=lambda path: path.stat().st_mtime)
    for path in old[: max(0, len(old) - _KEPT + 1)]:
        with suppress(OSError):
            path.unlink()
    return folder / f"{secrets.token_hex(8)}.html"


def open_page(target: Path | str) -> bool:
    """Open a page in the user's browser; False where none can be started."""
    address = target.resolve().as_uri() if isinstance(target, Path) else target
    try:
        return webbrowser.open(address)
    except (OSError, webbrowser.Error):
        return False
