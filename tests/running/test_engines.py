"""Files on other processes: the same pixels, whatever dies, whoever comes late."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from engine_calls import LONGEST, call, make_work, results, run, started
from hypothesis import given
from hypothesis import strategies as st

from zoo._version import __version__
from zoo.errors import UsageError, ZooError
from zoo.images import Image, write
from zoo.run.engines import Call, Engine, engine_at, is_part, parse_part
from zoo.run.engines.files import run_jobs
from zoo.run.engines.tasks import Greeting
from zoo.run.files import NetworkFile, Options
from zoo.run.jobs import Job
from zoo.testing import check_engine


@pytest.fixture
def work(tmp_path):
    return make_work(tmp_path)


@pytest.fixture
def plain(work):
    """What one process makes."""
    code, _, err = run(work, "-o", "plain")
    assert code == 0, err
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
        code, _, err = run(work, "-o", "parts", "--part", part)
        assert code == 0, err
    assert same(results(work / "parts"), plain)


@given(st.text(min_size=1), st.integers(1, 50))
def test_every_file_has_one_part(name, count):
    assert sum(is_part(name, (k, count)) for k in range(1, count + 1)) == 1


def test_words_that_are_no_engine():
    for address in ("", "ray://x", "localhost:8786"):
        with pytest.raises(UsageError, match="names no engine"):
            engine_at(address, print)
    for text in ("", "0/3", "4/3", "1", "a/b", "1/3/4"):
        with pytest.raises(UsageError, match="no K/N"):
            parse_part(text)


def test_nothing_is_sent_nowhere(work):
    code, _, err = run(work, "-o", "made", "--ship")
    assert code == 2
    assert "--ship goes with --on" in err


def test_a_scheduler_s_file(tmp_path, monkeypatch):
    """Dask itself would wait for it for ever; it may be about to be written."""
    pytest.importorskip("distributed")
    from zoo.run.engines import dask

    path = tmp_path / "scheduler.json"
    engine = engine_at(str(path), print)
    monkeypatch.setattr(dask, "_PATIENCE", 0.1)
    with pytest.raises(ZooError, match=r"there is no .*scheduler\.json after"):
        engine._written(path)
    for text in ("", "[]", "{}", '{"id": 3}'):
        path.write_text(text)
        with pytest.raises(ZooError, match="no file that a Dask scheduler wrote"):
            engine._written(path)
    path.unlink()
    monkeypatch.setattr(dask, "_PATIENCE", 30)
    later = threading.Timer(
        0.5, path.write_text, ['{"address": "tcp://10.0.0.1:8786"}']
    )
    later.start()
    assert engine._written(path) == "tcp://10.0.0.1:8786"


class _NobodyThere:
    """A client whose workers are gone, and its futures, none of which ends."""

    def nthreads(self):
        return {}

    def has_ready(self):
        return False


def test_no_worker_is_left(monkeypatch):
    pytest.importorskip("distributed")
    from zoo.run.engines import feeding

    monkeypatch.setattr(feeding, "_PATIENCE", 0.1)
    gone = _NobodyThere()
    engine = engine_at("local:2", print)
    fed = feeding.Feeding(engine, gone, Call([], None), (), None, 1)
    with pytest.raises(
        ZooError, match=r"no worker is left at local:2.*--skip-existing"
    ):
        fed._next(gone)


class _Workers:
    """What a client of Dask says of workers with these instruction sets."""

    def __init__(self, *isas: str) -> None:
        self.isas = isas

    def wait_for_workers(self, count, timeout):
        pass

    def run(self, function, *arguments, on_error):
        seen = (4, "here", True, True)
        return {isa: Greeting(__version__, "native", isa, *seen) for isa in self.isas}


def test_the_lowest_instruction_set_of_one_kind():
    pytest.importorskip("distributed")
    engine = engine_at("local:2", print)
    stamp, count = engine._meet(_Workers("amx", "avx2"), Call([], None), None, None)
    assert (stamp.isa, count) == ("avx2", 2)
    stamp, _ = engine._meet(_Workers("neon", "neon"), Call([], None), None, None)
    assert stamp.isa == "neon"
    with pytest.raises(ZooError, match=r"several kinds \(avx2, neon\).*use one kind"):
        engine._meet(_Workers("neon", "avx2"), Call([], None), None, None)


@pytest.mark.slow
def test_three_processes_and_a_poisoned_picture(work, plain):
    pytest.importorskip("distributed")
    rng = np.random.default_rng(1)
    poison = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    write(work / "in" / "0" / "poison.png", Image(poison))
    (work / "in" / "1" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, out, err = run(work, "-o", "made", "--on", "local:3", "--json")
    assert code == 1, err
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
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline and running.poll() is None:
            found = [int(path.name) for path in (work / "pids").iterdir()]
            if found:
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
                return
            time.sleep(0.1)

    words = ("run", "net.cfg", "in", "-o", "made", "--on", "local:3")
    with started(work, *words, **pids) as running:
        killer = threading.Thread(target=kill_one)
        killer.start()
        _, err = running.communicate(timeout=LONGEST)
        killer.join()
    assert killed, err
    assert running.returncode == 0, err
    assert same(results(work / "made"), plain)
    # Going on finds everything done.
    _, _, err = run(work, "-o", "made", "--on", "local:2", "--skip-existing")
    assert "24 skipped" in err


@pytest.mark.slow
def test_the_first_interrupt_finishes_what_runs(work, plain):
    """Ctrl-C in a terminal reaches the workers too; they go on with what they have."""
    pytest.importorskip("distributed")
    (work / "pids").mkdir()
    slow = {"ZOO_TEST_PIDS": str(work / "pids"), "ZOO_TEST_SLOW": "0.5"}
    words = ("run", "net.cfg", "in", "-o", "made", "--on", "local:2")
    with started(work, *words, **slow) as running:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline and not list((work / "pids").iterdir()):
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=LONGEST)
    assert "nothing new is begun" in err
    assert running.returncode not in (0, None)
    assert "Traceback" not in err
    made = results(work / "made")
    assert 0 < len(made) < 24
    assert same(made, {name: plain[name] for name in made})  # and no leftovers
    code, _, err = run(work, "-o", "made", "--on", "local:2", "--skip-existing")
    assert code == 0, err
    assert same(results(work / "made"), plain)


@pytest.mark.slow
def test_the_second_interrupt_does_not_wait(work):
    pytest.importorskip("distributed")
    (work / "pids").mkdir()
    slow = {"ZOO_TEST_PIDS": str(work / "pids"), "ZOO_TEST_SLOW": str(LONGEST)}
    words = ("run", "net.cfg", "in", "-o", "made", "--on", "local:2")
    with started(work, *words, **slow) as running:
        deadline = time.monotonic() + LONGEST / 2
        while time.monotonic() < deadline and not list((work / "pids").iterdir()):
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        assert running.stderr is not None
        assert "nothing new is begun" in running.stderr.readline()
        os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=LONGEST / 2)  # before a picture is done
    assert running.returncode not in (0, None)
    assert "Traceback" not in err
    assert results(work / "made") == {}


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
        words = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        words += ["--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--host"]
        late = subprocess.Popen(
            [*words, "127.0.0.1"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=work,
        )
        try:
            where = address.replace("tcp://", "dask://")
            code, _, err = run(work, "-o", "made", "--on", where, ZOO_TEST_SLOW="0.05")
            assert code == 0, err
            assert same(results(work / "made"), plain)
        finally:
            late.terminate()
            late.wait(timeout=30)


@pytest.mark.slow
def test_a_full_disk_is_said_of_each_picture(work, plain):
    """Results go to a file system of 64 kB; what fits is right, nothing is half there."""
    pytest.importorskip("distributed")
    small = work / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    try:
        code, out, err = run(work, "-o", "small/made", "--on", "local:2", "--json")
        records = [json.loads(line) for line in out.splitlines()]
        made = results(small / "made")
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert code == 1, err
    assert len(records) == 24
    failed = [r["error"] for r in records if r["error"]]
    assert failed
    assert all("No space left" in error for error in failed)
    assert len(made) == 24 - len(failed)
    assert same(made, {name: plain[name] for name in made})


def _hide(hidden: str) -> None:
    """Make this process see nothing below a folder."""
    import io

    plain, stated = io.open, os.stat

    def refuse(path: object) -> None:
        text = os.fspath(path) if hasattr(path, "__fspath__") else path
        if isinstance(text, str) and os.path.abspath(text).startswith(hidden):
            raise FileNotFoundError(2, "hidden", text)

    def opened(path, *rest, **more):
        refuse(path)
        return plain(path, *rest, **more)

    def stat(path, *rest, **more):
        refuse(path)
        return stated(path, *rest, **more)

    __builtins__["open"] = io.open = opened  # type: ignore[index]
    os.stat = stat


@pytest.mark.slow
def test_files_are_sent_where_nobody_sees_them(work, plain):
    """Workers that see neither inputs nor results nor weights, but for their names."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        where = cluster.scheduler_address.replace("tcp://", "dask://")
        with distributed.Client(cluster) as client:
            client.run(_hide, str(work))
        code, _, err = run(work, "-o", "refused", "--on", where)
        assert code == 1
        assert "--ship" in err
        words = ("-o", "made", "--on", where, "--ship", "--json")
        code, out, err = run(work, *words)
        assert code == 0, err
        assert same(results(work / "made"), plain)
        records = [json.loads(line) for line in out.splitlines()]
        assert {r["output"] for r in records} == {f"made/{name}" for name in plain}
        # What is wrong is said with the user's names.
        (work / "in" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        words = ("-o", "made", "--on", where, "--ship", "--skip-existing")
        code, _, err = run(work, *words)
        assert code == 1
        assert "in/torn.png is truncated" in err


@pytest.mark.slow
@pytest.mark.parametrize("ship", [(), ("--ship",)])
def test_volumes_and_scores_are_the_same(work, ship):
    pytest.importorskip("distributed")
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(2)
    folder = work / "volumes"
    folder.mkdir()
    for name in ("a", "b"):
        values = rng.normal(100, 30, (30, 34, 6)).astype(np.float32)
        image = nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0]))
        nibabel.save(image, folder / f"{name}.nii")
    code, _, err = call(work, "run", "net.cfg", "volumes", "-o", "v1")
    assert code == 0, err
    words = ("run", "net.cfg", "volumes", "-o", "v2", "--on", "local:2", *ship)
    code, _, err = call(work, *words)
    assert code == 0, err
    assert same(results(work / "v2"), results(work / "v1"))
    (work / "large").mkdir()
    for name in ("c", "d", "e"):
        pixels = rng.integers(0, 256, (40, 36, 3)).astype(np.uint8)
        write(work / "large" / f"{name}.png", Image(pixels))
    (work / "large" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for pictures in ("large", "volumes"):
        measured = []
        for on in ((), ("--on", "local:2", *ship)):
            words = ("eval", "net.cfg", "bicubic", pictures, "-x", "--json", *on)
            code, out, err = call(work, *words, "--scale", "2")
            assert code == (pictures == "large"), err
            found = json.loads(out)
            for one in found:
                one.pop("seconds_per_picture")
                one.pop("threads", None)
            measured.append(found)
        assert measured[0] == measured[1]


class _Here(Engine):
    """An engine that does everything in this process: what another package needs."""

    def work(self, call):
        for number, item in enumerate(call.items):
            yield number, item.run(call.common, call.networks)


class _Forgetful(_Here):
    def work(self, call):
        yield from list(super().work(call))[1:]


class _Twice(_Here):
    def work(self, call):
        for pair in super().work(call):
            yield pair
            yield pair


class _Wrong(_Here):
    def work(self, call):
        for number, _ in super().work(call):
            yield number, None


def test_an_engine_of_another_package(work, plain):
    done = work / "check"
    done.mkdir()
    check_engine(_Here("here", print), done)
    jobs = [Job(str(work / "in" / n), str(work / "made" / n), "png") for n in plain]
    network = NetworkFile(str(work / "net.cfg"))
    records = list(run_jobs(_Here("here", print), jobs, Options(network)))
    assert [record.error for record in records] == [None] * 24
    assert same(results(work / "made"), plain)


@pytest.mark.parametrize(
    ("engine", "words"),
    [(_Forgetful, "never came"), (_Twice, "came twice"), (_Wrong, "came to None")],
)
def test_engines_that_are_none(tmp_path, engine, words):
    with pytest.raises(AssertionError, match=words):
        check_engine(engine("x", print), tmp_path)


class _Where:
    """An item that says where it may write, and what is there to read."""

    def moved(self, places, folder):
        self.folder, self.places = folder, places
        return self

    def run(self, common, networks):
        with open(self.places["/far/a"], "rb") as file:
            return self.folder, file.read()


class _WhichKernels:
    """An item that says on what it is run."""

    def run(self, common, networks):
        kernels = networks[0].load().kernels
        return kernels.isa


def test_a_worker_serves_calls_that_agreed_on_other_instruction_sets(work, monkeypatch):
    """One that was kept from a call with better processors rounds as this one does."""
    native = pytest.importorskip("zoo.plugins.native.isa")
    from zoo.run.engines import tasks

    monkeypatch.setenv("ZOO_ISA", "")
    monkeypatch.setattr(tasks, "_ASKED", None)
    best = native.available()[-1]
    network = NetworkFile(str(work / "net.cfg"))
    for isa in (best, "portable", best):
        assert tasks.greet(None, None).isa == best
        stamp = tasks.Stamp(__version__, "native", isa, 1)
        (done,) = tasks.work_off([_WhichKernels()], None, None, (network,), stamp)
        assert done.result == isa


def test_what_is_sent_lies_where_dask_cleans_up(tmp_path, monkeypatch):
    """A worker that is killed leaves files that were sent to it; Dask removes its folder."""
    from zoo.run.engines import parcels, tasks

    worker = type("Worker", (), {"local_directory": str(tmp_path)})()
    monkeypatch.setattr(tasks, "_worker", lambda: worker)
    folder, data = tasks._run_away(_Where(), {"/far/a": b"sent"}, None, ())
    assert folder.startswith(str(tmp_path))
    assert data == b"sent"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(parcels, "_store", [])
    parcels.keep({"key": {"net.cfg": b"[net]"}}, str(tmp_path))
    (kept,) = tmp_path.glob("zoo-networks-*/key/net.cfg")
    assert kept.read_bytes() == b"[net]"


@pytest.mark.slow
@pytest.mark.parametrize("ship", [False, True])
def test_processes_are_an_engine(tmp_path, ship):
    pytest.importorskip("distributed")
    check_engine(engine_at("local:2", print, ship=ship), tmp_path)
