"""Amounts of memory: texts, and what the system tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import UsageError
from zoo.machine import memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500M", 500 * 10**6),
        ("2G", 2 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("64KiB", 2**16),
        ("1000", 1000),
        ("10 mb", 10**7),
        (12345, 12345),
    ],
)
def test_sizes(text, size):
    assert memory.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-5M", "5X", "1e3", "M"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="500M"):
        memory.parse_size(text)


def test_default_is_a_quarter_or_the_variable(monkeypatch):
    monkeypatch.delenv("ZOO_MAX_MEMORY", raising=False)
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    assert memory.default_limit() == 250
    monkeypatch.setenv("ZOO_MAX_MEMORY", "3M")
    assert memory.default_limit() == 3 * 10**6


def test_available_memory_is_plausible():
    assert 2**20 < memory.available_memory() < 2**50


def test_cgroup_limits(tmp_path):
    assert memory._cgroup_memory(tmp_path) == []
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("100\n")
    assert memory._cgroup_memory(tmp_path) == []
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory._cgroup_memory(tmp_path) == [900]
    (tmp_path / "memory.stat").write_text("anon 10\ninactive_file 80\n")
    assert memory._cgroup_memory(tmp_path) == [980]


def test_limits_of_the_own_cgroup_and_those_above_hold(tmp_path):
    own = tmp_path / "memory" / "jobs" / "mine"
    own.mkdir(parents=True)
    for folder, most, used in ((own, 500, 450), (own.parent, 2000, 600)):
        (folder / "memory.limit_in_bytes").write_text(f"{most}\n")
        (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
    (own / "memory.stat").write_text("total_inactive_file 20\n")
    groups = tmp_path / "cgroup"
    groups.write_text("4:cpu:/elsewhere\n3:memory:/jobs/mine\n0::/\n")
    assert memory._cgroup_memory(tmp_path, groups) == [70, 1400]


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("ZOO_MAX_MEMORY", "much")
    with pytest.raises(UsageError, match="ZOO_MAX_MEMORY: 'much' is no"):
        memory.default_limit()


def test_meminfo(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 5 kB\nMemAvailable: 3 kB\n")
    assert memory._system_memory(path) == 3072


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (382e6, "382 MB"),
        (2.5e9, "2.5 GB"),
    ],
)
def test_amounts_for_people(size, text):
    assert memory.amount(size) == text


@given(st.integers(1, 10**13))
def test_the_least_amount_suffices(size):
    named = memory.parse_size(memory.least_amount(size))
    assert size <= named < size + 1000


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1 kB"), (284_001, "285 kB"), (12_300_000, "12.3 MB"), (2 * 10**9, "2 GB")],
)
def test_the_least_amount_for_people(size, text):
    assert memory.least_amount(size) == text
