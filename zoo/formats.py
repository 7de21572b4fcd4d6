"""File formats of pictures, volumes and video: one object each, in one registry.

A format knows its files by name and by content, reads and writes them, and says
what it cannot hold. Formats are entry points of ``zoo.formats``; what zoo itself
reads is declared in setup.cfg as a third party would do it.
"""

from __future__ import annotations

import io
import mmap
import os
import stat
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePath
from typing import IO, Any, ClassVar

from zoo.errors import ImageError, PluginError, UsageError, did_you_mean
from zoo.machine.memory import available_memory
from zoo.registry import Registry, registry
from zoo.signatures import SIGNATURES, Kind, Signature

__all__ = [
    "HEAD",
    "STREAM",
    "Format",
    "Kind",
    "Source",
    "at_most",
    "by_suffix",
    "formats",
    "named",
    "open_source",
    "recognise",
    "series_format",
    "suffix_of",
    "suffixes",
    "usual_suffixes",
]

HEAD = 4096
"""Bytes of a file that :meth:`Format.recognise` sees, fewer if there are fewer."""

_MAPPED = 1 << 26  # bytes of a file that is read into memory
_PIECE = 1 << 20
_LONGEST_PIPE = 1 << 29

STREAM = "-"
"""Stands for standard input and standard output."""

_most: ContextVar[int | None] = ContextVar("most", default=None)


@contextmanager
def at_most(pixels: int) -> Iterator[None]:
    """Read nothing larger within the block, for files of strangers.

    Formats call :func:`require_few` with what a header claims, before they decode.
    """
    token = _most.set(pixels)
    try:
        yield
    finally:
        _most.reset(token)


def require_few(pixels: int) -> None:
    """Refuse more pixels or voxels than :func:`at_most` allows.

    Raises
    ------
    ImageError
        The rest of a sentence that begins with the name of the file.
    """
    most = _most.get()
    if most is not None and pixels > most:
        raise ImageError(f"has {pixels:,} pixels, and at most {most:,} are taken here")


class Format(ABC):
    """One file format. Subclasses are made without arguments, once.

    Attributes
    ----------
    name : str
        As given to ``--format``; the name of the entry point.
    label : str
        For people: "PNG".
    kind : {"picture", "volume", "video"}
        What :meth:`read` returns: an :class:`zoo.images.Image`, a volume, or
        nothing, because a video is only read frame by frame.
    suffixes : tuple of str
        Endings of file names in lower case, the usual one first. One may have
        two parts, as ``.nii.gz``; the longest that fits counts.
    can_write : bool
        Whether :meth:`write` does something.
    written_as : str
        Name of the format that results are written in, where that is another.
    has_series : bool
        Whether several files may be one item, slice by slice: :meth:`series` tells
        which. They often have no ending, and folders are then searched by content.
    rank : int
        Place among the formats that are proposed, the most usual first.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    kind: ClassVar[Kind] = "picture"
    suffixes: ClassVar[tuple[str, ...]]
    can_write: ClassVar[bool] = True
    written_as: ClassVar[str] = ""
    has_series: ClassVar[bool] = False
    rank: ClassVar[int] = 9

    @abstractmethod
    def recognise(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` is of this format.

        Parameters
        ----------
        head : bytes
            The first :data:`HEAD` bytes. Nothing may be raised, whatever they are.
        """

    def missing(self) -> str:
        """Why the format cannot be used here, as the end of a sentence.

        Empty if it can. "needs nibabel; pip install nibabel" is an example.
        """
        return ""

    @abstractmethod
    def read(self, source: Source, *, damaged: bool = False) -> Any:
        """Read a file.

        Parameters
        ----------
        source : Source
            Open, at its first byte.
        damaged : bool
            Take what can be read of a damaged file, and note what is wrong with
            it, instead of refusing it.

        Raises
        ------
        ImageError
            The rest of a sentence that begins with the name of the file:
            "is truncated".
        """

    @abstractmethod
    def write(self, file: IO[bytes], item: Any, *, quality: int | None = None) -> None:
        """Write what :meth:`read` returns.

        Parameters
        ----------
        file : binary file
            Only written to; it may be a pipe.
        item : object
        quality : int, 1 to 100, optional
            For formats that lose something.

        Raises
        ------
        ImageError
            If the format cannot hold it (see :meth:`misfit`).
        """

    def misfit(self, item: Any, size: tuple[int, ...]) -> str:
        """What of an item the format cannot hold; empty if it can hold it all.

        Parameters
        ----------
        item : object
            Its type counts, not its size.
        size : tuple of int
            Of what will be written: height and width, or as a volume counts.

        Returns
        -------
        str
            What stands behind "png cannot hold": "floating-point pixels".
        """
        return ""

    def series(self, paths: Sequence[Path]) -> tuple[list[tuple[Path, ...]], int]:
        """Which files of one folder belong together, and how many hold nothing.

        Files that cannot be read stand alone; reading them tells why.
        """
        return [(path,) for path in paths], 0

    def losses(self, item: Any) -> tuple[str, ...]:
        """Names of what will not be in the file: "IPTC", "a comment"."""
        return ()


@dataclass
class Source:
    """An open file of pictures, and what is known of it before it is read.

    Attributes
    ----------
    name : str
        For people.
    path : str or None
        None for standard input.
    file : binary file
        At its first byte.
    head : bytes
        Its first :data:`HEAD` bytes.
    size : int or None
        In bytes; None where only reading to the end can tell.
    others : tuple of Path
        Further files of a series of slices.
    """

    name: str
    path: str | None
    file: IO[bytes]
    head: bytes
    size: int | None
    _content: bytes | None = None
    others: tuple[Path, ...] = ()

    def content(self) -> bytes:
        """All bytes, read once.

        A large file is not read but mapped: a sparse one, which has any size and
        takes no room on the disk, takes none in memory either. What is returned
        then is an ``mmap``, of which slices are bytes.

        Raises
        ------
        ImageError
            If a pipe brings more than 512 MiB, or a quarter of the free memory.
        """
        if self._content is None:
            self._content = self._read()
        return self._content

    def forget(self) -> None:
        """Let all bytes go, which nobody asks for any more."""
        self._content = None

    def _read(self) -> bytes:
        if self.size is not None and self.size > _MAPPED:
            with suppress(OSError, ValueError):  # no file of the system
                mapped = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
                return mapped  # type: ignore[return-value]
        if self.size is not None:
            return self.file.read()
        limit = min(_LONGEST_PIPE, max(_MAPPED, available_memory() // 4))
        parts, left = [], limit
        while part := self.file.read(min(left, _PIECE)):
            parts.append(part)
            left -= len(part)
            if left <= 0:
                raise ImageError(
                    f"has more than {limit} bytes; save it to a file and give that"
                )
        return b"".join(parts)


class _Headed(io.RawIOBase):
    """A stream that begins with bytes that were read of it before."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._head:
            count = min(len(view), len(self._head))
            view[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        # What is there, not all that was asked for: frames come through a pipe
        # one at a time.
        read = getattr(self._rest, "read1", self._rest.read)
        part = read(len(view))
        view[: len(part)] = part
        return len(part)


@contextmanager
def open_source(
    path: str | os.PathLike[str], others: Iterable[str | os.PathLike[str]] = ()
) -> Iterator[Source]:
    """Open a file, or standard input for ``-``, and look at its first bytes.

    ``others`` are further files of a series, which stay closed.

    Raises
    ------
    ImageError
        In one sentence: if it does not exist, is a folder or a device, or cannot
        be read.
    """
    if str(path) == STREAM:
        name = "standard input"
        if sys.stdin is None:
            raise ImageError("standard input is closed")
        with _reasons(name):
            head = _head_of(sys.stdin.buffer)
        file = io.BufferedReader(_Headed(head, sys.stdin.buffer), 1 << 16)
        yield Source(name, None, file, head, None)
        return
    name = os.fspath(path)
    with _reasons(name):
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name} is a folder, not a picture")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ImageError(f"{name} is a device, not a picture")
        opened = open(path, "rb")  # noqa: SIM115 - closed below
    with opened:
        with _reasons(name):
            head = _head_of(opened)
            size = os.fstat(opened.fileno()).st_size if stat.S_ISREG(mode) else None
            if size is not None:
                opened.seek(0)
        if size is None:
            file = io.BufferedReader(_Headed(head, opened), 1 << 16)
            yield Source(name, name, file, head, None)
        else:
            rest = tuple(map(Path, others))
            yield Source(name, name, opened, head, size, others=rest)


def _head_of(stream: IO[bytes]) -> bytes:
    """The first bytes of a pipe; of a video no more than have come."""
    head = b""
    read = getattr(stream, "read1", stream.read)
    while len(head) < HEAD and (part := read(HEAD - len(head))):
        head += part
        found = recognise(head)
        if found is not None and found.kind == "video":
            break
    return head


@contextmanager
def _reasons(name: str) -> Iterator[None]:
    """Errors of opening and reading in one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} cannot be read: {reason}") from None


class _Catalog:
    """The formats of a registry, each imported when it is first asked for.

    Of zoo's own it is known beforehand what their files are called and how they begin.
    """

    def __init__(self, known: Registry) -> None:
        self._known = known
        self._items: dict[str, Format | None] = {}
        signatures = {name: self._signature(name) for name in known.canonical()}
        self.signatures = dict(
            sorted(
                ((name, item) for name, item in signatures.items() if item is not None),
                key=lambda pair: (pair[1].rank, pair[0]),
            )
        )

    def _signature(self, name: str) -> Signature | None:
        entries = self._known.entries_of(name)
        if len(entries) == 1 and entries[0].value in SIGNATURES:
            return SIGNATURES[entries[0].value]
        item = self.item(name)
        if item is None:
            return None
        return Signature(item.suffixes, ((0, b""),), item.kind, item.rank)

    def item(self, name: str) -> Format | None:
        """The format of a name; one that is broken costs a warning, once."""
        if name not in self._items:
            item = None
            try:
                item = self._known.load(name)()
            except PluginError as error:
                warnings.warn(str(error), RuntimeWarning, stacklevel=4)
            self._items[name] = item
        return self._items[name]

    @cached_property
    def suffixes(self) -> dict[str, str]:
        """Name of the format of every ending."""
        return {
            suffix: name
            for name, item in self.signatures.items()
            for suffix in item.suffixes
        }


@cache
def _catalog_of(known: Registry) -> _Catalog:
    """Made once, and again after a refresh."""
    return _Catalog(known)


def _catalog() -> _Catalog:
    return _catalog_of(registry("zoo.formats"))


def formats(kind: Kind | None = None) -> dict[str, Format]:
    """Every format that can be loaded, by name; those of one kind if one is given.

    One of a third party that is broken costs a warning. All of them are imported.
    """
    catalog = _catalog()
    found = {
        name: catalog.item(name)
        for name, item in catalog.signatures.items()
        if kind is None or item.kind == kind
    }
    return {name: item for name, item in found.items() if item is not None}


def named(name: str) -> Format:
    """The format of a name, or of an ending without its dot (``jpeg``, ``tif``).

    Raises
    ------
    UsageError
        If there is none, with the nearest one.
    """
    catalog = _catalog()
    chosen = catalog.item(name) if name in catalog.signatures else None
    chosen = chosen or by_suffix(f"x.{name}")
    if chosen is None:
        known = formats()
        hint = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
        raise UsageError(f"there is no format {name!r}{hint}")
    return chosen


def by_suffix(path: str | PurePath) -> Format | None:
    """The format that a file's name stands for, or None."""
    ending = suffix_of(path).lower()
    catalog = _catalog()
    return catalog.item(catalog.suffixes[ending]) if ending else None


def suffix_of(path: str | PurePath) -> str:
    """The ending of a name as a format counts it: ``.nii.gz`` of ``a.b.nii.gz``.

    Empty if no format has such an ending.
    """
    known = _catalog().suffixes
    parts = PurePath(path).suffixes
    for start in range(len(parts)):
        ending = "".join(parts[start:])
        if ending.lower() in known:
            return ending
    return ""


def series_format(path: Path) -> Format | None:
    """The format of a file that may be one slice of many; None for all others.

    By its ending; by its content where it has none or a number.
    """
    found = by_suffix(path)
    if found is None and (not path.suffix or path.suffix[1:].isdigit()):
        try:
            with path.open("rb") as file:
                found = recognise(file.read(HEAD))
        except (OSError, ValueError):
            return None
    return found if found is not None and found.has_series else None


def suffixes(kind: Kind | None = None) -> dict[str, str]:
    """Name of the format of every ending."""
    catalog = _catalog()
    return {
        suffix: name
        for suffix, name in catalog.suffixes.items()
        if kind is None or catalog.signatures[name].kind == kind
    }


def usual_suffixes() -> list[str]:
    """The usual ending of every format, the most usual format first."""
    return [item.suffixes[0] for item in _catalog().signatures.values()]


def recognise(head: bytes, path: str | PurePath | None = None) -> Format | None:
    """The format of a file by its first bytes, or None if none knows them.

    Where several do, the one that the file's name stands for is meant.
    """
    catalog = _catalog()
    items = (
        catalog.item(name)
        for name, signature in catalog.signatures.items()
        if signature.may_be(head)
    )
    able = [item for item in items if item is not None and item.recognise(head)]
    if len(able) > 1 and path is not None:
        wanted = by_suffix(path)
        able.sort(key=lambda item: item is not wanted)
    return able[0] if able else None
