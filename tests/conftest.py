"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the caller's environment says to zoo."""
    for name in list(os.environ):
        if name.startswith("ZOO_"):
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
