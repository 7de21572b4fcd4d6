"""Whether a reader of checkpoints can be trusted with a stranger's file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from zoo.errors import ReaderError
from zoo.parsers.base import Checkpoint, Reader
from zoo.testing.damage import damaged_copies

__all__ = ["check_reader"]

_HEAD = 4096
_FLAT = 4 << 20  # bytes that any reader may take, however small the file


def check_reader(
    reader: type[Reader],
    path: str | Path,
    *,
    damages: int = 200,
    most: float = 8.0,
    seed: int = 0,
) -> Checkpoint:
    """Check that a reader reads one good file, and bears every damage to it.

    It recognises the file and not what is random; its tensors are arrays of numbers,
    the same twice. Of the file cut short anywhere, with bits flipped, bytes written
    over and parts repeated, it makes a checkpoint or a :class:`ReaderError`, within a
    small multiple of the file's size in memory.

    Parameters
    ----------
    reader : type of Reader
    path : str or Path
        A good file, of some kilobytes; not changed.
    damages : int
        How many damaged copies to try.
    most : float
        How many times the file's size the reader may take, in bytes of Python and
        NumPy, beside 4 MiB.
    seed : int
        Of the damages.

    Returns
    -------
    Checkpoint
        What the good file holds.

    Raises
    ------
    AssertionError
        Which rule is broken, and by which damage.
    """
    path = Path(path)
    name = getattr(reader, "name", reader.__name__)
    good = path.read_bytes()
    assert reader.recognizes(path, good[:_HEAD]), f"{name} does not know {path.name}"
    first, second = reader.read(path), reader.read(path)
    assert list(first.tensors) == list(second.tensors), f"{name}: tensors change"
    for key, tensor in first.tensors.items():
        array = np.asarray(tensor)
        assert array.dtype.kind in "biuf", f"{name}: {key} is {array.dtype}, no number"
        assert np.array_equal(
            array, np.asarray(second.tensors[key]), equal_nan=array.dtype.kind == "f"
        ), f"{name}: {key} changes from one reading to the next"
    noise = np.random.default_rng(seed).bytes(max(64, min(len(good), _HEAD)))
    assert not reader.recognizes(path.with_name("noise"), noise), (
        f"{name} takes random bytes for a file of its own"
    )
    copy = path.with_name(f"damaged_{path.name}")
    try:
        for what, damaged in damaged_copies(good, damages, seed):
            copy.write_bytes(damaged)
            _read_damaged(reader, copy, f"{name}: {what}", most * len(damaged) + _FLAT)
    finally:
        copy.unlink(missing_ok=True)
    return first


def _read_damaged(reader: type[Reader], path: Path, what: str, limit: float) -> None:
    tracemalloc.start()
    try:
        checkpoint = reader.read(path)
        for tensor in checkpoint.tensors.values():
            np.asarray(tensor)
    except ReaderError as error:
        assert str(error), f"{what}: an error that says nothing"
    except Exception as error:
        raise AssertionError(
            f"{what}: {type(error).__name__} ({error}), and not a ReaderError"
        ) from error
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak <= limit, f"{what}: took {peak} bytes, more than {limit:.0f}"
