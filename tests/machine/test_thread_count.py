"""How many threads a process may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.machine.threads import _cgroup_quota, thread_count


def test_no_group_no_quota(tmp_path: Path) -> None:
    assert _cgroup_quota(tmp_path, tmp_path / "none") is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _cgroup_quota(tmp_path, tmp_path / "none") is None


def test_the_smallest_quota_from_the_own_group_upwards_holds(tmp_path: Path) -> None:
    """Version 2: one tree; systemd-run and the like make groups inside groups."""
    own = tmp_path / "user.slice" / "run.scope"
    own.mkdir(parents=True)
    groups = tmp_path / "cgroup"
    groups.write_text("0::/user.slice/run.scope\n")
    (own / "cpu.max").write_text("150000 100000\n")
    (own.parent / "cpu.max").write_text("400000 100000\n")
    (tmp_path / "user.slice" / "other").mkdir()
    (tmp_path / "user.slice" / "other" / "cpu.max").write_text("1000 100000\n")
    assert _cgroup_quota(tmp_path, groups) == 1.5
    (own.parent / "cpu.max").write_text("50000 100000\n")
    assert _cgroup_quota(tmp_path, groups) == 0.5


def test_version_1(tmp_path: Path) -> None:
    own = tmp_path / "cpu" / "mine"
    own.mkdir(parents=True)
    (own / "cpu.cfs_quota_us").write_text("200000\n")
    (own / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    groups = tmp_path / "cgroup"
    groups.write_text("7:cpu,cpuacct:/mine\n")
    assert _cgroup_quota(tmp_path, groups) == 2.0


@pytest.mark.parametrize("text", ["", "0::", "0::/../..", "nonsense", "0::/gone"])
def test_odd_memberships_are_no_matter(tmp_path: Path, text: str) -> None:
    (tmp_path / "cgroup").write_text(text)
    (tmp_path / "cpu.max").write_text("300000 100000\n")
    assert _cgroup_quota(tmp_path, tmp_path / "cgroup") == 3.0


def test_zoo_goes_before_openmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert thread_count() == 3
    monkeypatch.setenv("ZOO_NUM_THREADS", "5")
    assert thread_count() == 5
    assert thread_count(7) == 7
