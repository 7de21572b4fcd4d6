"""What all tests share."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Machines that run the tests may be busy: no deadlines. The examples of a run
# that is watched by nobody must not differ from those of the run before.
settings.register_profile(
    "zoo",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("zoo")

# A shell has what it starts in the background ignore Ctrl-C, which programs then leave
# so. The tests are of programs in the foreground.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the caller's environment says to zoo, but for the instruction set.

    .ci/run runs the native tests on each with ZOO_ISA.
    """
    for name in list(os.environ):
        if name.startswith("ZOO_") and name != "ZOO_ISA":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no ../shared with reference data")
    return folder


@pytest.fixture
def zoo_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``zoo ARGUMENTS`` in a process of its own, in an empty folder."""

    def run(
        *arguments: object,
        path: Path | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **(env or {})}
        if path is not None:
            environment["PYTHONPATH"] = str(path)
        return subprocess.run(
            [sys.executable, "-m", "zoo", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=cwd or tmp_path,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; of a module, for Playwright keeps an event loop in the thread."""
    from browsing import open_browser

    with open_browser() as opened:
        yield opened


@pytest.fixture
def watched(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages whose errors fail the test at its end."""
    from browsing import Watched

    opened: list[Watched] = []

    def open_page(**options: Any) -> Watched:
        opened.append(Watched(browser, **options))
        return opened[-1]

    yield open_page
    for one in opened:
        one.close()


# What may be missing on a machine that runs CI. Everything else is there, since the
# project's own files install it, or lies in ../shared: to skip for it is to fail.
_MAY_BE_MISSING = re.compile(
    r"root|TensorFlow|tensorflow|openvino|ncnn|OpenCV|file system|start method"
    r"|has no links|no git checkout|no node|processor|instruction set|AMX|AVX|cuda|CUDA"
    r"|slow"
)
_skips: Counter[str] = Counter()


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    return str(where[2] if isinstance(where, tuple) else where).removeprefix(
        "Skipped: "
    )


def _count_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Under CI a test that skips for what must be there fails."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = _reason(report)
    if "CI" in os.environ and not _MAY_BE_MISSING.search(reason):
        report.outcome = "failed"
        report.longrepr = f"under CI this must not be skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    report = yield
    _count_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[
    None, pytest.CollectReport, pytest.CollectReport
]:
    report = yield
    _count_skip(report)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skips[_reason(report)] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skips:
        terminalreporter.write_line(
            f"{_skips.total()} tests skipped, for {len(_skips)} reasons:"
        )
        for reason, count in _skips.most_common():
            terminalreporter.write_line(f"{count:6} {reason}")
