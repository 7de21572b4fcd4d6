"""What the tests of engines share: a network, pictures, and calls that cannot hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from zoo.checkpoints.files import save_weights
from zoo.images import Image, write
from zoo.network import Network

CFG = """\
[net]
channels=3

[convolutional]
filters=12
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""
# What a worker is told before it imports zoo: to die of one file, to be another version,
# to be slow, to see no disk.
SITE = """\
import os, sys
import builtins
_import = builtins.__import__
def _watched(name, *rest, **more):
    module = _import(name, *rest, **more)
    tasks = sys.modules.get("zoo.run.engines.tasks")
    files = sys.modules.get("zoo.run.engines.files")
    if tasks is not None and hasattr(tasks, "work_off") and not hasattr(tasks, "_patched"):
        tasks._patched = True
        if os.environ.get("ZOO_TEST_VERSION"):
            tasks.__version__ = os.environ["ZOO_TEST_VERSION"]
    if files is not None and hasattr(files, "run_jobs") and not hasattr(files, "_patched"):
        files._patched = True
        plain = files.run_file
        def run_file(job, *rest, **more):
            if "poison" in job.source:
                os._exit(1)
            pids = os.environ.get("ZOO_TEST_PIDS")
            if pids:
                open(os.path.join(pids, str(os.getpid())), "w").close()
            if os.environ.get("ZOO_TEST_SLOW"):
                import time
                time.sleep(float(os.environ["ZOO_TEST_SLOW"]))
            return plain(job, *rest, **more)
        files.run_file = run_file
    return module
builtins.__import__ = _watched
"""
LONGEST = 240  # seconds of one call, however loaded the machine is


def make_work(folder: Path) -> Path:
    """A network, and 24 pictures of different sizes in folders."""
    cfg = folder / "net.cfg"
    cfg.write_text(CFG)
    save_weights(Network.read(cfg).initialize(1), folder / "net.safetensors")
    rng = np.random.default_rng(0)
    for index in range(24):
        place = folder / "in" / str(index % 3)
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8 + index, 9, 3)).astype(np.uint8)
        write(place / f"p{index:02}.png", Image(pixels))
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    return folder


@contextmanager
def started(work: Path, *words: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """``zoo WORDS`` in a process group of its own, which ends with the block."""
    environment = {**os.environ, "PYTHONPATH": str(work / "site"), **env}
    running = subprocess.Popen(
        [sys.executable, "-m", "zoo", *words],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()


def call(work: Path, *words: str, **env: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``zoo WORDS``; never more than some minutes."""
    with started(work, *words, **env) as running:
        out, err = running.communicate(timeout=LONGEST)
    return running.returncode, out, err


def run(work: Path, *words: str, **env: str) -> tuple[int, str, str]:
    """The same of ``zoo run net.cfg in WORDS``."""
    return call(work, "run", "net.cfg", "in", *words, **env)


def results(folder: Path) -> dict[str, bytes]:
    """The contents of all files in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
