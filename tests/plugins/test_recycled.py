"""Memory of large results: used again, and never while somebody holds it."""

import gc
import threading

import numpy as np
import pytest

from zoo.plugins.native import recycled
from zoo.plugins.native.recycled import empty


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(recycled, "_LARGE", 1000)
    monkeypatch.setattr(recycled, "_MOST", 100_000)
    monkeypatch.setattr(recycled, "_watched", [])


def address(array):
    return array.__array_interface__["data"][0]


def test_what_nobody_holds_is_used_again():
    first = empty((30, 40))
    place = address(first)
    assert first.shape == (30, 40)
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    assert first.flags.writeable
    del first
    assert address(empty((10, 115), np.int32)) == place  # a little smaller
    assert address(empty((3, 40, 5), np.float64)) == place


@pytest.mark.parametrize(
    "hold",
    [
        lambda a: a,
        lambda a: a[3:5],
        lambda a: a.reshape(-1)[::7].view(np.int32),
        lambda a: memoryview(a),
        lambda a: a.T[..., None].base,
    ],
)
def test_what_somebody_holds_stays(hold):
    array = empty((30, 40))
    array[...] = 7
    held = hold(array)
    place = address(array)
    del array
    others = [empty((30, 40)) for _ in range(4)]
    for other in others:
        assert address(other) != place
        other[...] = 1
    assert (np.asarray(held).view(np.float32) == 7).all()


def test_no_more_waits_than_may():
    arrays = [empty((2000,)) for _ in range(40)]
    assert len({address(array) for array in arrays}) == 40
    assert sum(block.size for block in recycled._watched) <= 100_000
    arrays.clear()
    gc.collect()
    empty((20_000,))
    assert sum(block.size for block in recycled._watched) <= 100_000
    before = [block.size for block in recycled._watched]
    assert empty((10**6,)).size == 10**6  # more than may wait: as NumPy has it
    assert [block.size for block in recycled._watched] == before


def test_small_ones_are_numpys():
    empty((10, 10))
    assert not recycled._watched
    assert empty((0, 5)).shape == (0, 5)


def test_threads_do_not_share():
    wrong = []

    def work(number):
        for _ in range(200):
            array = empty((30, 40))
            array[...] = number
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
