"""``zoo serve`` from the command line: how it begins, and what it leaves behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from zoo.errors import UsageError


@pytest.mark.skipif(os.name == "nt", reason="signals need another system")
def test_from_beginning_to_ctrl_c(tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="needs starlette; pip install starlette")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "zoo", "serve", "--no-open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        try:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#[\w-]{43}", line), line
            with urllib.request.urlopen(line.partition("#")[0], timeout=30) as reply:
                assert reply.status == 200
            assert len(list(tmp_path.glob("zoo-serve-*"))) == 1
            (folder,) = tmp_path.glob("zoo-serve-*")
            assert folder.stat().st_mode & 0o077 == 0
        finally:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken(zoo_command) -> None:
    pytest.importorskip("starlette", reason="needs starlette; pip install starlette")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = zoo_command("serve", "--no-open", "--port", port)
    assert done.returncode == 2
    assert f"port {port} cannot be used" in done.stderr
    assert zoo_command("serve", "none_x2", "--no-open").returncode == 2


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.serve.server import require_extra

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install starlette uvicorn"):
        require_extra()


def test_networks_that_were_named(tmp_path: Path) -> None:
    """A file of one's own stands first, and is asked for by its name alone."""
    from zoo.catalog import CFG_FOLDER
    from zoo.serve.networks import choices

    weights = CFG_FOLDER.parent / "weights" / "edsr_r8f32_x2.safetensors"
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        shutil.copy(CFG_FOLDER / "edsr_r8f32_x2.cfg", tmp_path / folder / "my.cfg")
        shutil.copy(weights, tmp_path / folder / "my.safetensors")
    named = [str(tmp_path / folder / "my.cfg") for folder in ("one", "two")]
    found = choices(named, None)
    assert list(found)[:2] == ["my.cfg", named[1]]
    assert [choice.file.cfg for choice in found.values()][:2] == named
    assert all(name == choice.as_json()["name"] for name, choice in found.items())
    assert found["edsr_x2"].quality.endswith("(bicubic 33.67)")
    found["my.cfg"].measure()
    first = found["my.cfg"].as_json()
    assert first["is_timed"]
    assert first["seconds_per_pixel"] > 0
