"""Processes for what is compared: one each, so that none disturbs another.

Thread pools, memory and crashes of one engine stay its own, and yet all of them
can be run in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from zoo.errors import ZooError

__all__ = ["Worker", "WorkerError", "environment"]

_POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ZOO_NUM_THREADS",
)


class WorkerError(ZooError):
    """A process could not do its work; says why."""


def environment(threads: int) -> dict[str, str]:
    """The environment of a process that shall use so many threads."""
    return os.environ | {name: str(threads) for name in _POOLS}


class Worker:
    """A process that has loaded something and runs it on demand.

    Use as a context manager; the end of the block ends the process.

    Parameters
    ----------
    spec : dict
        What to load; see :mod:`zoo.bench.worker`.
    threads : int
        How many the process may use.

    Attributes
    ----------
    ready : dict
        What the process said when it had loaded.

    Raises
    ------
    WorkerError
        If it cannot be loaded or run.
    """

    def __init__(self, spec: dict[str, Any], threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="zoo-bench-")
        folder = Path(self._folder.name)
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        self._noise = open(folder / "stderr", "w+b")  # noqa: SIM115 - lives as long
        self._process = subprocess.Popen(
            [sys.executable, "-m", "zoo.bench.worker", str(folder / "spec.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=environment(threads),
            text=True,
        )
        try:
            self.ready = self._answer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Worker:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self) -> float:
        """Run once; returns seconds, measured inside the process."""
        return float(self._ask("run")["seconds"])

    def save(self, path: Path) -> None:
        """Write the output of the last run as a NumPy file."""
        self._ask(f"save {path}")

    def build(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Load something else, and run it once; returns what is said about it."""
        return self._ask(f"build {json.dumps(spec)}")

    def drop(self) -> None:
        """Free all that was loaded."""
        self._ask("drop")

    def peak(self) -> int | None:
        """Most bytes that the process has had in memory."""
        found: int | None = self._ask("memory")["peak"]
        return found

    def close(self) -> None:
        """End the process; it gets ten seconds to do so itself."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._noise.close()
        self._folder.cleanup()

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except OSError:
            raise self._death() from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._death()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _death(self) -> WorkerError:
        """What is known of a process that has ended on its own."""
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return WorkerError("its process does not answer")
        self._noise.seek(0)
        lines = self._noise.read().decode(errors="replace").strip().splitlines()
        last = f" ({lines[-1][:200]})" if lines else ""
        killed = f"signal {-code}" if code < 0 else f"code {code}"
        return WorkerError(f"its process ended with {killed}{last}")
