"""Files on other processes: the same pixels, whatever dies, whoever comes late."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.checkpoints.files import save_weights
from zoo.errors import UsageError, ZooError
from zoo.images import Image, write
from zoo.network import Network
from zoo.run.engines import engine_at, is_part, parse_part

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
# What a worker is told before it imports zoo: to die of one file, or to be another
# version.
SITE = """\
import os, sys
import builtins
_import = builtins.__import__
def _watched(name, *rest, **more):
    module = _import(name, *rest, **more)
    tasks = sys.modules.get("zoo.run.engines.tasks")
    if tasks is not None and not hasattr(tasks, "_patched") and hasattr(tasks, "work_off"):
        tasks._patched = True
        if os.environ.get("ZOO_TEST_VERSION"):
            tasks.__version__ = os.environ["ZOO_TEST_VERSION"]
        plain = tasks.run_file
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
        tasks.run_file = run_file
    return module
builtins.__import__ = _watched
"""


@pytest.fixture
def work(tmp_path):
    """A network, and 24 pictures of different sizes in folders."""
    cfg = tmp_path / "net.cfg"
    cfg.write_text(CFG)
    save_weights(Network.read(cfg).initialize(1), tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    for index in range(24):
        folder = tmp_path / "in" / str(index % 3)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8 + index, 9, 3)).astype(np.uint8)
        write(folder / f"p{index:02}.png", Image(pixels))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    return tmp_path


def zoo(work: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(work / "site"), **env}
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", "run", "net.cfg", "in", *arguments],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def plain(work):
    """What one process makes."""
    done = zoo(work, "-o", "plain")
    _, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    made = results(work / "plain")
    assert len(made) == 24
    return made


def same(made: dict[str, bytes], wanted: dict[str, bytes]) -> bool:
    return made == wanted


def test_the_comparison_would_notice(plain):
    """Two controls: a dropped picture, and one pixel of a careless seam."""
    dropped = dict(list(plain.items())[1:])
    assert not same(dropped, plain)
    name, data = next(iter(plain.items()))
    changed = bytearray(data)
    changed[-20] ^= 1
    assert not same({**plain, name: bytes(changed)}, plain)


def test_parts_are_the_whole(work, plain):
    for part in ("1/3", "2/3", "3/3"):
        done = zoo(work, "-o", "parts", "--part", part)
        done.communicate(timeout=120)
        assert done.returncode == 0
    assert same(results(work / "parts"), plain)


@given(st.text(min_size=1), st.integers(1, 50))
def test_every_file_has_one_part(name, count):
    assert sum(is_part(name, (k, count)) for k in range(1, count + 1)) == 1


def test_words_that_are_no_engine():
    for address in ("", "ray://x", "localhost:8786", "local://"):
        if address == "local://":
            continue
        with pytest.raises(UsageError, match="names no engine"):
            engine_at(address, print)
    for text in ("", "0/3", "4/3", "1", "a/b", "1/3/4"):
        with pytest.raises(UsageError, match="no K/N"):
            parse_part(text)


class _NobodyThere:
    """A client whose workers are gone, and its futures, none of which ends."""

    def nthreads(self):
        return {}

    def has_ready(self):
        return False


def test_no_worker_is_left(monkeypatch):
    pytest.importorskip("distributed")
    from zoo.run.engines import dask

    monkeypatch.setattr(dask, "_PATIENCE", 0.1)
    gone = _NobodyThere()
    engine = engine_at("local:2", print)
    run = dask._Run(engine, gone, [], None, None, 1)
    with pytest.raises(
        ZooError, match=r"no worker is left at local:2.*--skip-existing"
    ):
        run._next(gone)


@pytest.mark.slow
def test_three_processes_and_a_poisoned_picture(work, plain):
    pytest.importorskip("distributed")
    rng = np.random.default_rng(1)
    poison = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    write(work / "in" / "0" / "poison.png", Image(poison))
    (work / "in" / "1" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = zoo(work, "-o", "made", "--on", "local:3", "--json")
    out, err = done.communicate(timeout=300)
    assert done.returncode == 1, err
    records = {json.loads(line)["input"]: json.loads(line) for line in out.splitlines()}
    assert len(records) == 26
    failed = {name: r["error"] for name, r in records.items() if r["error"]}
    assert set(failed) == {"in/0/poison.png", "in/1/torn.png"}
    assert "ended its worker 3 times" in failed["in/0/poison.png"]
    assert "truncated" in failed["in/1/torn.png"]
    assert same(results(work / "made"), plain)


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(work, plain):
    pytest.importorskip("distributed")
    (work / "pids").mkdir()
    pids = {"ZOO_TEST_PIDS": str(work / "pids"), "ZOO_TEST_SLOW": "0.3"}
    running = zoo(work, "-o", "made", "--on", "local:3", **pids)

    def kill_one() -> None:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            found = [int(path.name) for path in (work / "pids").iterdir()]
            if found:
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
                return
            time.sleep(0.1)

    killed: list[int] = []
    killer = threading.Thread(target=kill_one)
    killer.start()
    _, err = running.communicate(timeout=300)
    killer.join()
    assert killed, err
    assert running.returncode == 0, err
    assert same(results(work / "made"), plain)
    # Going on finds everything done.
    again = zoo(work, "-o", "made", "--on", "local:2", "--skip-existing")
    _, err = again.communicate(timeout=120)
    assert "24 skipped" in err


@pytest.mark.slow
def test_a_late_worker_of_another_version_is_sent_away(work, plain):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        address = cluster.scheduler_address
        environment = {
            **os.environ,
            "PYTHONPATH": str(work / "site"),
            "ZOO_TEST_VERSION": "9.9",
        }
        call = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        call += ["--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--host"]
        late = subprocess.Popen(
            [*call, "127.0.0.1"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=work,
        )
        try:
            where = address.replace("tcp://", "dask://")
            done = zoo(work, "-o", "made", "--on", where, ZOO_TEST_SLOW="0.05")
            _, err = done.communicate(timeout=300)
            assert done.returncode == 0, err
            assert same(results(work / "made"), plain)
        finally:
            late.terminate()
            late.wait(timeout=30)
