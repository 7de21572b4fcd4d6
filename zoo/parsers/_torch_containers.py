"""The containers in which PyTorch keeps a pickle and its storages.

===========  ==============================================================
zip          since 1.6: ``*/data.pkl``, ``*/data/KEY``, ``*/byteorder``
legacy       0.1.10 to 1.5, still an option: five pickles (a magic number, the
             version, facts of the machine, the object, the storages' keys),
             then each storage: its count as int64, its elements
pickle       ``pickle.dump`` of a state_dict: storages within the pickle
tar          before 0.1.10: refused
===========  ==============================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from zoo.errors import ReaderError
from zoo.parsers._pickle import PickleMachine
from zoo.parsers._pickle_values import Global, quoted
from zoo.parsers._torch_objects import (
    CONSTRUCTORS,
    NestedStorage,
    StorageRef,
    element_size,
)
from zoo.parsers._torch_storage import Storages, persistent_storage
from zoo.parsers._zip import BoundedZip

__all__ = ["is_legacy", "is_tar", "open_container"]

LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
# Entries of what torch.export writes.
_EXPORTED = (
    "serialized_exported_program.json",
    "/models/model.json",
    "/archive_format",
)


def is_legacy(head: bytes) -> bool:
    """Whether the first bytes have the magic number of PyTorch's old format."""
    binary = LEGACY_MAGIC.to_bytes(10, "little")
    text = str(LEGACY_MAGIC).encode()  # protocols 0 and 1
    return binary in head[:32] or text in head[:32]


def is_tar(head: bytes) -> bool:
    """Whether the first bytes are a tar archive's."""
    return head[257:262] == b"ustar"


def open_container(path: Path) -> tuple[str, Any, Storages]:
    """Read a file up to its storages.

    Returns
    -------
    container : {"zip", "legacy", "pickle"}
    root : object
        What was saved; tensors are records that ``storages`` can read.
    storages : Storages

    Raises
    ------
    ReaderError
        If the file is damaged, hostile or of another kind.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
            if head[:4] == b"PK\x03\x04":
                return ("zip", *_open_zip(path))
            if is_tar(head):
                raise ReaderError(
                    f"{path}: this is the tar format of PyTorch before 0.1.10 (or a "
                    f"plain tar archive), which is not read; load it in PyTorch and "
                    f"save its state_dict again"
                )
            data = head + stream.read()
    except OSError as error:
        raise ReaderError(f"{path}: {error.strerror or error}") from None
    machine = PickleMachine(data, source=str(path), constructors=CONSTRUCTORS)
    if is_legacy(head) and machine.run() == LEGACY_MAGIC:
        return ("legacy", *_open_legacy(data, str(path), machine.position))
    machine = PickleMachine(data, source=str(path), constructors=CONSTRUCTORS)
    root = machine.run()
    if machine.position != len(data):
        raise ReaderError(
            f"{path}: {len(data) - machine.position} bytes follow the pickle; it is no "
            f"state_dict that was saved as one object"
        )
    return "pickle", root, _NoStorages(str(path), len(data))


class _NoStorages(Storages):
    """Of a bare pickle, whose storages are within it."""

    def raw(self, key: str) -> bytes:
        raise ReaderError(f"{self.source}: there is no storage {quoted(key)}")

    def nested(self, storage: NestedStorage) -> tuple[bytes, str]:
        source = f"{self.source} (a storage within)"
        machine = PickleMachine(storage.data, source=source, constructors=CONSTRUCTORS)
        if machine.run() != LEGACY_MAGIC:
            raise ReaderError(
                f"{source}: it does not begin with PyTorch's magic number"
            )
        root, inner = _open_legacy(storage.data, source, machine.position)
        if not isinstance(root, StorageRef):
            raise ReaderError(f"{source}: it is no storage")
        return inner.raw(root.key), root.dtype


class _ZipStorages(Storages):
    def __init__(self, archive: BoundedZip, source: str, size: int) -> None:
        super().__init__(source, size)
        self._archive = archive
        self._prefix = ""

    def raw(self, key: str) -> bytes:
        return self._archive.read(f"{self._prefix}data/{key}")

    def close(self) -> None:
        self._archive.close()

    def open(self) -> Any:
        """Read everything but the storages; return what was saved."""
        archive, source = self._archive, self.source
        names = archive.sizes()
        found = [name for name in names if name.split("/")[-1] == "data.pkl"]
        if any(name.endswith(_EXPORTED) for name in names):
            raise ReaderError(
                f"{source}: this is a program exported by torch.export (.pt2), not a "
                f"state_dict; load it with torch.export.load, save its state_dict and "
                f"convert that"
            )
        if len(found) != 1:
            raise ReaderError(
                f"{source}: a zip archive with {len(found)} data.pkl in it is no "
                f"PyTorch checkpoint, which has one"
            )
        self._prefix = prefix = found[0].removesuffix("data.pkl")
        if f"{prefix}constants.pkl" in names:
            raise ReaderError(
                f"{source}: this is a TorchScript program, not a state_dict; load it "
                f"with torch.jit.load, save its state_dict() and convert that"
            )
        order = b"little"
        if f"{prefix}byteorder" in names:
            order = archive.read(f"{prefix}byteorder").strip()
        if order not in (b"little", b"big"):
            raise ReaderError(f"{source}: its byte order is neither little nor big")
        self.big_endian = order == b"big"
        return PickleMachine(
            archive.read(found[0]),
            source=source,
            constructors=CONSTRUCTORS,
            persistent=persistent_storage,
        ).run()


def _open_zip(path: Path) -> tuple[Any, Storages]:
    archive = BoundedZip(path)
    storages = _ZipStorages(archive, str(path), path.stat().st_size)
    try:
        return storages.open(), storages
    except ReaderError:
        storages.close()
        raise


class _LegacyStorages(Storages):
    def __init__(
        self, source: str, data: bytes, spans: dict[str, tuple[int, int]]
    ) -> None:
        super().__init__(source, len(data))
        self._data = data
        self._spans = spans

    def raw(self, key: str) -> bytes:
        if key not in self._spans:
            raise ReaderError(f"{self.source}: there is no storage {quoted(key)}")
        start, end = self._spans[key]
        return self._data[start:end]


def _open_legacy(data: bytes, source: str, start: int) -> tuple[Any, Storages]:
    """Read what follows the magic number."""
    version, at = _run(data, source, start)
    if version != _LEGACY_VERSION:
        raise ReaderError(f"{source}: PyTorch's format {_LEGACY_VERSION} is read only")
    facts, at = _run(data, source, at)
    if not isinstance(facts, dict) or facts.get("little_endian", True) is not True:
        raise ReaderError(
            f"{source}: the file was written on a big-endian machine in PyTorch's old "
            f"format, which is not read; save it again with PyTorch 1.6 or later"
        )
    sizes: dict[str, int] = {}

    def persistent(pid: Any) -> StorageRef | Global:
        ref = persistent_storage(pid)
        if isinstance(ref, StorageRef):
            sizes.setdefault(ref.key, element_size(ref.dtype))
        return ref

    machine = PickleMachine(
        data,
        source=source,
        constructors=CONSTRUCTORS,
        persistent=persistent,
        start=at,
    )
    root = machine.run()
    keys, at = _run(data, source, machine.position)
    if not isinstance(keys, list):
        raise ReaderError(f"{source}: the list of storages is none")
    spans = {}
    for key in keys:
        name = str(key) if type(key) in (int, str) and _short(key) else ""
        if name not in sizes or name in spans:
            raise ReaderError(f"{source}: a storage is listed that no tensor uses")
        count = int.from_bytes(data[at : at + 8], "little", signed=True)
        end = at + 8 + count * sizes[name]
        if at + 8 > len(data) or count < 0 or end > len(data):
            raise ReaderError(
                f"{source}: storage {quoted(name)} at byte {at} should hold {count} elements "
                f"of {sizes[name]} bytes; the file of {len(data)} bytes ends before"
            )
        spans[name] = (at + 8, end)
        at = end
    if at != len(data):
        raise ReaderError(
            f"{source}: {len(data) - at} bytes follow the last storage; the file is "
            f"damaged or holds more than one object"
        )
    return root, _LegacyStorages(source, data, spans)


def _short(key: int | str) -> bool:
    return len(key) < 256 if isinstance(key, str) else abs(key) < 1 << 64


def _run(data: bytes, source: str, start: int) -> tuple[Any, int]:
    machine = PickleMachine(data, source=source, constructors=CONSTRUCTORS, start=start)
    return machine.run(), machine.position
