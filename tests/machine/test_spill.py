"""Arrays in files: values stay, memory does not."""

import mmap
import os
import subprocess
import sys

import numpy as np
import pytest

from zoo.machine import spill
from zoo.machine.spill import release, roomy

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux lets pages of files go"
)


def owner(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_only_huge_arrays_lie_in_a_file(monkeypatch):
    assert owner(roomy((3, 5), np.uint8)) is None
    monkeypatch.setattr(spill, "_LARGE", 64)
    array = roomy((8, 8, 3), np.uint16)
    assert array.shape == (8, 8, 3)
    assert array.dtype == np.uint16
    assert isinstance(owner(array), mmap.mmap)
    assert roomy((2**20, 0), np.uint8).size == 0


def test_values_stay_when_pages_go(monkeypatch):
    monkeypatch.setattr(spill, "_LARGE", 64)
    array = roomy((500, 500), np.float32)
    array[...] = truth = np.random.default_rng(0).random((500, 500), np.float32)
    for part in (array, array[3:, ::2], array.reshape(-1)[None]):
        release(part)
        np.testing.assert_array_equal(array, truth)
    release(np.zeros(3))


def test_without_room_on_the_disk_it_is_in_memory(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spill, "_LARGE", 64)
    monkeypatch.setattr(os, "posix_fallocate", full)
    array = roomy((8, 16), np.uint8)
    assert owner(array) is None
    assert array.shape == (8, 16)


def test_it_takes_little_memory():
    """A fifth of a gigabyte through a process that never holds a tenth of one more."""
    script = (
        "import resource, numpy as np; from zoo.machine.spill import release, roomy\n"
        "def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = most(); array = roomy((200, 1 << 20), np.uint8)\n"
        "for row in array: row[:] = 7; release(array)\n"
        "for row in array: assert row.min() == 7; release(array)\n"
        "print((most() - before) // 1024)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) < 100
