"""Published files into the user's cache: checked, resumed, from any of their places.

A file counts as fetched when its size and SHA-256 are those of its card; where the
card knows no hash, when a reader reads it and it is of the card's family. What was
fetched is written beside it (``FILE.json``), so that it can be checked again.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from zoo._version import __version__
from zoo.cache import cache_folder
from zoo.checkpoints.cards import digest
from zoo.checkpoints.inspect import inspect
from zoo.checkpoints.published import Published, facts_beside, fetched
from zoo.errors import UsageError, WeightsError, ZooError
from zoo.files import atomic_write

__all__ = ["fetch", "verify"]

Progress = Callable[[int, int], None]
"""Told the bytes that are there and the bytes there will be (0: not known)."""

_BLOCK: Final = 1 << 18
_TRIES: Final = 20
_SECONDS: Final = 30.0
_LARGEST: Final = 4 << 30
"""Bytes after which a file of unknown size is no network's."""


class _Failed(Exception):
    """A place did not give the file; the message is the reason, a phrase."""


class _BrokenOff(_Failed):
    """It gave a part of it; more may be had by asking again."""


def fetch(
    card: Published,
    *,
    source: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    seconds: float = _SECONDS,
) -> Path:
    """Get a published file.

    Parameters
    ----------
    card : Published
    source : str or Path, optional
        A file that was obtained in another way; it is checked and copied.
    force : bool
        Fetch it again although it is there.
    progress : callable, optional
        Told how much is there.
    seconds : float
        How long a place may be silent.

    Returns
    -------
    Path
        In the user's cache.

    Raises
    ------
    ZooError
        If no place gives the file, with the reason of each; if ``ZOO_OFFLINE`` is set.
    WeightsError
        If what came is another file.
    """
    there = fetched(card)
    if there is not None and not force and source is None:
        return there
    target = cache_folder("fetched", card.name) / card.file
    part = target.with_name(f".{card.file}.part")
    if source is not None:
        _copy(Path(source), part)
        try:
            _accept(card, part)
        except _Failed as error:
            part.unlink(missing_ok=True)
            raise WeightsError(f"{str(source)!r} {error}") from None
        return _keep(card, part, target, str(source))
    if os.environ.get("ZOO_OFFLINE", "") not in ("", "0"):
        raise ZooError(
            f"ZOO_OFFLINE is set, and {card.file} is not in the cache; fetch it from "
            f"{card.urls[0]} and give it with --from FILE"
        )
    reasons = []
    for url in card.urls:
        resumed = part.exists()
        try:
            _download(card, url, part, progress, seconds)
            if resumed and not _is_accepted(card, part):
                # The part that was there may have been of another file.
                part.unlink()
                _download(card, url, part, progress, seconds)
            _accept(card, part)
        except _Failed as error:
            reasons.append(f"{url} {error}")
            if not isinstance(error, _BrokenOff):
                part.unlink(missing_ok=True)
            continue
        return _keep(card, part, target, url)
    raise ZooError(
        f"{card.file} could not be fetched: {'; '.join(reasons)}; with --from FILE a "
        f"copy of yours is taken"
    )


def verify(card: Published) -> Path:
    """Check a file in the cache again.

    Raises
    ------
    UsageError
        If it is not there.
    WeightsError
        If it is no longer the file that was fetched.
    """
    path = fetched(card)
    if path is None:
        raise UsageError(f"{card.file} is not in the cache; `zoo fetch {card.name}`")
    facts = facts_beside(path)
    if path.stat().st_size != facts["size"] or digest(path) != facts["sha256"]:
        raise WeightsError(
            f"{str(path)!r} is not the file any more that was fetched; "
            f"`zoo fetch {card.name} --force` fetches it again"
        )
    return path


def _keep(card: Published, part: Path, target: Path, source: str) -> Path:
    """Give the file its name, and say what it is."""
    facts = {
        "source": source,
        "sha256": digest(part),
        "size": part.stat().st_size,
        "license": card.license,
        "page": card.page,
    }
    with atomic_write(target.with_name(f"{target.name}.json")) as file:
        file.write(json.dumps(facts, indent=1).encode())
    os.replace(part, target)
    return target


def _copy(source: Path, part: Path) -> None:
    try:
        shutil.copyfile(source, part)
    except (OSError, shutil.SameFileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ZooError(f"{str(source)!r} cannot be copied: {reason}") from None


def _is_accepted(card: Published, path: Path) -> bool:
    try:
        _accept(card, path)
    except _Failed:
        return False
    return True


def _accept(card: Published, path: Path) -> None:
    """Refuse another file than the card's.

    Raises
    ------
    _Failed
    """
    size = path.stat().st_size
    if card.size and size != card.size:
        raise _Failed(f"has {size} bytes, and the file {card.size}")
    found = digest(path)
    expected = card.sha256 or card.sha256_begins
    if expected and not found.startswith(expected):
        raise _Failed(
            f"is another file: its SHA-256 begins {found[:16]}, not {expected[:16]}"
        )
    if not card.sha256:
        # Nobody here has seen it: at least it is what the card says that it is.
        named = path.with_name(f".check-{card.file}")
        os.replace(path, named)
        try:
            info = inspect(named)
        finally:
            os.replace(named, path)
        if info.reason is not None and info.format is None:
            raise _Failed(f"is no checkpoint: {info.reason[:200]}")
        if info.family is not None and info.family not in (card.family, "graph"):
            raise _Failed(f"is a network of {info.family}, not of {card.family}")


# -- the network -----------------------------------------------------------------


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and from https to nothing less."""

    max_redirections = 8

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        old, new = (url.partition("://")[0].lower() for url in (req.full_url, newurl))
        if new not in ("http", "https") or (old == "https" and new != "https"):
            raise _Failed(f"leads to {newurl[:80]!r}, where nothing is fetched from")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(
    card: Published,
    url: str,
    part: Path,
    progress: Progress | None,
    seconds: float,
) -> None:
    """Get a file, or the rest of it, asking again where it breaks off."""
    had = -1
    for attempt in range(_TRIES):
        start = part.stat().st_size if part.exists() else 0
        if card.size and start > card.size:
            part.unlink()
            start = 0
        if start and start == card.size:
            return
        try:
            _get(card, url, part, start, progress, seconds)
            return
        except _BrokenOff:
            now = part.stat().st_size if part.exists() else 0
            # Whoever gives nothing new will not give more the next time.
            if attempt == _TRIES - 1 or now <= max(start, had):
                raise
            had = now


def _get(
    card: Published,
    url: str,
    part: Path,
    start: int,
    progress: Progress | None,
    seconds: float,
) -> None:
    headers = {"User-Agent": f"zoo/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(_Redirects)
    try:
        with opener.open(
            urllib.request.Request(url, headers=headers), timeout=seconds
        ) as answer:
            begins = _begins_at(answer, start)
            total = _total(card, answer, begins)
            with open(part, "r+b" if begins else "wb") as file:
                file.seek(begins)
                file.truncate()
                _copy_stream(answer, file, begins, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # there is nothing from there on
            part.unlink(missing_ok=True)
            raise _BrokenOff("does not have the rest of the file") from None
        raise _Failed(f"answers {error.code} {str(error.reason)[:60]}") from None
    except (urllib.error.URLError, TimeoutError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise _BrokenOff(f"breaks off ({str(reason)[:120]})") from None
    except ValueError as error:
        raise _Failed(f"is no place to fetch from ({error})") from None


def _begins_at(answer: Any, start: int) -> int:
    """Where in the file the answer begins: what was asked for, or its begin."""
    if answer.status != 206:
        return 0
    given = str(answer.headers.get("Content-Range", ""))
    if not given.startswith(f"bytes {start}-"):
        raise _Failed(f"gives another part than asked for ({given[:40]!r})")
    return start


def _total(card: Published, answer: Any, begins: int) -> int:
    """Size that the whole file should have; 0 if nobody says."""
    length = str(answer.headers.get("Content-Length", ""))
    told = begins + int(length) if length.isascii() and length.isdecimal() else 0
    if told and card.size and told != card.size:
        raise _Failed(f"offers {told} bytes, and the file has {card.size}")
    if told > _LARGEST:
        raise _Failed(f"offers {told} bytes, which is no network's file")
    return card.size or told


def _copy_stream(
    answer: Any, file: Any, done: int, total: int, progress: Progress | None
) -> None:
    limit = total or _LARGEST
    while block := answer.read(_BLOCK):
        done += len(block)
        if done > limit:
            raise _Failed(f"gives more than the {limit} bytes of the file")
        file.write(block)
        if progress is not None:
            progress(done, total)
    if total and done < total:
        raise _BrokenOff(f"breaks off after {done} of {total} bytes")
