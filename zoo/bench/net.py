"""A network in zoo and in other engines: the same weights, measured in turn."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.agreement import relative_error
from zoo.bench.peers import HINTS, OURS, installed, load
from zoo.bench.peers.base import NotPossibleError, Setup
from zoo.bench.results import TOLERANCE, Entrant, NetReport, Result
from zoo.bench.timing import Stats, in_turn
from zoo.bench.workers import Worker, WorkerError, environment
from zoo.errors import ZooError
from zoo.layers.base import Array
from zoo.network import Network
from zoo.pixels import prepare

__all__ = ["measure", "sample_picture"]


def sample_picture(height: int, width: int, channels: int = 3) -> Any:
    """A picture with slopes, edges and grain, the same one every time.

    Returns
    -------
    ndarray, uint8, height x width x channels
    """
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    waves = np.sin(18 * columns + 7 * rows) + np.sign(np.sin(11 * rows - 29 * columns))
    grain = np.random.default_rng(1).normal(0, 6, (height, width, channels))
    tint = np.linspace(0.6, 1.0, channels, dtype=np.float32)
    picture = 120 + 45 * waves[..., None] * tint + grain
    return np.clip(picture, 0, 255).astype(np.uint8)


def measure(
    network: Network,
    entrants: Sequence[Entrant],
    height: int,
    width: int,
    *,
    threads: int,
    precision: str = "f32",
    runs: int = 7,
    cold_runs: int = 3,
    weights: str = "",
    report: Callable[[float, str], None] | None = None,
) -> NetReport:
    """Measure.

    Parameters
    ----------
    network : Network
        With weights.
    entrants : sequence of Entrant
        The first is zoo, with which the others are compared.
    height, width : int
        Of the picture.
    threads : int
        For each of them.
    precision : {"f32", "bf16"}
    runs : int
        Warm runs of each, in turn.
    cold_runs : int
        Whole processes of each, in turn; 0 leaves them out.
    weights : str
        Where the weights came from, for the report.
    report : callable, optional
        Told the part of the work done, from 0 to 1, and what is being done.

    Raises
    ------
    ZooError
        If zoo itself cannot run the network. What a peer cannot is said in its
        result.
    """
    tell = report or (lambda part, what: None)
    operations = sum(network.operations(height, width))
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as name:
        contest = _Contest(network, Path(name), height, width, threads, precision)
        ready = []
        for number, entrant in enumerate(entrants):
            tell(0.1 * number / len(entrants), f"writing for {entrant.name}")
            ready.append(contest.prepared(entrant))
        results = contest.warm(ready, runs, lambda part: tell(0.1 + 0.6 * part, "warm"))
        if cold_runs and contest.has_picture:
            results = contest.cold(
                ready, results, cold_runs, lambda part: tell(0.7 + 0.3 * part, "cold")
            )
    tell(1.0, "done")
    if results[0].problem:
        raise ZooError(f"zoo cannot be measured: {results[0].problem}")
    return NetReport(
        network.source,
        weights,
        height,
        width,
        threads,
        precision,
        operations,
        tuple(results),
    )


@dataclass(frozen=True)
class _Ready:
    """An entrant whose files are written, or the reason why they are not."""

    entrant: Entrant
    setup: Setup | None
    problem: str | None = None


class _Contest:
    """A folder with the network in every engine's format, and the picture."""

    def __init__(
        self,
        network: Network,
        folder: Path,
        height: int,
        width: int,
        threads: int,
        precision: str,
    ) -> None:
        self.network = network
        self.folder = folder
        self.height, self.width = height, width
        self.threads = threads
        self.precision = precision
        pixels = network.pixels
        # A luma network sees one channel of a picture: a peer has no such step.
        self.has_picture = pixels.channels == 3 and pixels.color in ("rgb", "bgr")
        picture = sample_picture(height, width, pixels.channels)
        if self.has_picture:
            import cv2

            cv2.imwrite(str(folder / "picture.png"), picture[..., ::-1])
        np.save(folder / "input.npy", prepare(picture, pixels)[0])

    def prepared(self, entrant: Entrant) -> _Ready:
        if entrant.peer != OURS and not installed(entrant.peer):
            return _Ready(entrant, None, f"not installed ({HINTS[entrant.peer]})")
        folder = self.folder / entrant.peer
        folder.mkdir(exist_ok=True)
        try:
            files = load(entrant.peer).prepare(
                self.network, self.height, self.width, folder
            )
        except (NotPossibleError, ZooError, ImportError) as error:
            return _Ready(entrant, None, " ".join(str(error).split()))
        return _Ready(
            entrant,
            Setup(
                files,
                self.height,
                self.width,
                self.network.pixels.channels,
                self.threads,
                self.precision,
                entrant.variant,
            ),
        )

    # -- loaded and warm ---------------------------------------------------

    def warm(
        self,
        entrants: Sequence[_Ready],
        runs: int,
        report: Callable[[float], None],
    ) -> list[Result]:
        """Load all, compare their outputs, run them in turn."""
        results = [
            Result(ready.entrant.name, ready.entrant.peer, ready.problem)
            for ready in entrants
        ]
        with ExitStack() as stack:
            workers: dict[int, Worker] = {}
            truth: Array | None = None
            for at, ready in enumerate(entrants):
                report(0.4 * at / len(entrants))
                if ready.setup is None:
                    continue
                spec = {
                    "task": "net",
                    "peer": ready.entrant.peer,
                    "setup": asdict(ready.setup),
                    "input": str(self.folder / "input.npy"),
                }
                try:
                    worker = stack.enter_context(Worker(spec, self.threads))
                    output = self._output(worker)
                    worker.run()  # one more to warm up
                except WorkerError as error:
                    results[at] = replace(results[at], problem=str(error))
                    continue
                truth = output if truth is None else truth
                results[at] = self._introduced(results[at], worker, output, truth)
                workers[at] = worker
            done = 0

            def after() -> None:
                nonlocal done
                done += 1
                report(0.4 + 0.6 * done / (runs * len(workers)))

            measured = in_turn([w.run for w in workers.values()], runs, after)
            for (at, worker), stats in zip(workers.items(), measured, strict=True):
                results[at] = replace(results[at], warm=stats, peak=worker.peak())
        return results

    def _output(self, worker: Worker) -> Array:
        path = self.folder / "output.npy"
        worker.save(path)
        output: Array = np.load(path)
        return output

    def _introduced(
        self, result: Result, worker: Worker, output: Array, truth: Array
    ) -> Result:
        said = worker.ready
        error = relative_error(output, truth)
        names = ("import", "load", "first")
        return replace(
            result,
            version=said["version"],
            settings=said["settings"],
            stages={name: said[f"{name}_seconds"] for name in names},
            import_memory=said["import_memory"],
            error=error,
            agrees=bool(error <= TOLERANCE[self.precision]),
        )

    # -- whole processes ---------------------------------------------------

    def cold(
        self,
        entrants: Sequence[_Ready],
        results: list[Result],
        runs: int,
        report: Callable[[float], None],
    ) -> list[Result]:
        """Start a process for each picture, in turn."""
        able = [at for at, result in enumerate(results) if result.problem is None]
        setups = {at: entrants[at].setup for at in able}
        taken: dict[int, list[float]] = {at: [] for at in able}
        peaks: dict[int, list[int]] = {at: [] for at in able}
        for run in range(runs):
            for count, at in enumerate(able):
                setup = setups[at]
                if setup is None or results[at].problem is not None:
                    continue
                spec = self._cold_spec(entrants[at].entrant, setup)
                try:
                    seconds, peak = self._process(spec)
                except WorkerError as error:
                    results[at] = replace(results[at], problem=f"cold: {error}")
                    continue
                taken[at].append(seconds)
                peaks[at] += [peak] if peak else []
                report((run + (count + 1) / len(able)) / runs)
        for at in able:
            if taken[at]:
                results[at] = replace(
                    results[at],
                    cold=Stats(tuple(taken[at])),
                    cold_peak=max(peaks[at], default=None),
                )
        return results

    def _cold_spec(self, entrant: Entrant, setup: Setup) -> dict[str, Any]:
        files = {
            "picture": str(self.folder / "picture.png"),
            "output": str(self.folder / "large.png"),
            "report": str(self.folder / "report.json"),
        }
        if entrant.peer == OURS:
            paths = json.loads(Path(setup.files).read_text(encoding="utf-8"))
            command = ["run", paths["cfg"], files["picture"], "-o", files["output"]]
            command += ["--weights", paths["weights"], "-j", str(setup.threads)]
            command += ["--force"]
            if entrant.variant:
                command += ["--backend", entrant.variant]
            if setup.precision != "f32":
                command += ["--precision", setup.precision]
            return {**files, "command": command}
        pixels = self.network.pixels._asdict()
        return {**files, **pixels, "peer": entrant.peer, "setup": asdict(setup)}

    def _process(self, spec: dict[str, Any]) -> tuple[float, int | None]:
        """Seconds and peak memory of one process, from start to end."""
        path = self.folder / "cold.json"
        path.write_text(json.dumps(spec), encoding="utf-8")
        command = [sys.executable, "-m", "zoo.bench.cold", str(path)]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            check=False,
            env=environment(self.threads),
            capture_output=True,
            text=True,
            errors="replace",
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
            raise WorkerError(lines[-1][:300])
        report = json.loads(Path(spec["report"]).read_text(encoding="utf-8"))
        return seconds, report["peak"]
