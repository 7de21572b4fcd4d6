"""How many threads to use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from zoo.errors import UsageError
from zoo.machine import cgroup

__all__ = ["available_threads", "thread_count"]

MAX_THREADS = 1024


def thread_count(requested: int | None = None) -> int:
    """Threads to use: the argument, else the environment, else what is available.

    ``ZOO_NUM_THREADS`` goes before ``OMP_NUM_THREADS`` (of which the first number
    counts); without either, the processors in the affinity mask, cut down to
    the cgroup's quota.

    Raises
    ------
    UsageError
        If the argument or ``ZOO_NUM_THREADS`` is no whole number from 1 to 1024.
    """
    if requested is not None:
        return _checked(requested, "the number of threads")
    own = os.environ.get("ZOO_NUM_THREADS", "").strip()
    if own:
        return _checked(own, "ZOO_NUM_THREADS")
    shared = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if shared.isdigit() and 1 <= int(shared) <= MAX_THREADS:
        return int(shared)
    return available_threads()


def _checked(value: int | str, what: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_THREADS:
        raise UsageError(
            f"{what} is {value!r}; give a whole number from 1 to {MAX_THREADS}"
        )
    return number


def available_threads() -> int:
    """Processors that this process may use: affinity mask and cgroup quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        count = os.cpu_count() or 1
    quota = _cgroup_quota()
    if quota is not None:
        count = min(count, max(1, math.ceil(quota)))
    return max(1, min(count, MAX_THREADS))


def _cgroup_quota(
    root: Path = cgroup.ROOT, membership: Path = cgroup.MEMBERSHIP
) -> float | None:
    """Processors that the cgroups' CPU quotas amount to, or None if unlimited."""
    quotas = (_quota(folder) for folder in cgroup.folders("cpu", root, membership))
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota(folder: Path) -> float | None:
    """The quota of one group, version 2 or 1."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()[:2]
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    try:
        limit = int((folder / "cpu.cfs_quota_us").read_text())
        period_us = int((folder / "cpu.cfs_period_us").read_text())
        return limit / period_us if limit > 0 and period_us > 0 else None
    except (OSError, ValueError):
        return None
