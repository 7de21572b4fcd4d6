"""zoo new --plugin: what it writes installs and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pretend_installed import declare, entry_points

from zoo.cli import main


def test_the_package_works(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "--plugin", "acme-layers"]) == 0
    out, err = capfd.readouterr()
    folder = tmp_path / "acme-layers"
    assert {str(tmp_path / line) for line in out.splitlines()} == {
        str(path) for path in folder.rglob("*") if path.is_file()
    }
    assert "pip install -e acme-layers" in err
    groups = entry_points(folder / "pyproject.toml")
    assert len(groups) == 3
    declare(folder, "acme-layers", groups)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout
    assert "3 passed" in tests.stdout

    def zoo(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "zoo", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert "start" in zoo("layers", "show", "acme_layers/gain").stdout
    assert zoo("new", "acme_layers/tiny", "-o", "tiny.cfg").returncode == 0
    shown = zoo("show", "tiny.cfg")
    assert shown.returncode == 0
    assert "acme_layers/gain" in shown.stdout
    assert "acme_layers/mae" in zoo("plugins").stdout


@pytest.mark.parametrize(
    "name", ["Acme", "1a", "a b", "../x", "zoo", "numpy", "json", "class", "a--b"]
)
def test_names_that_are_none(tmp_path, monkeypatch, capfd, name):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "--plugin", name, "-o", "there"]) == 2
    assert "no name for a package" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "mine").write_text("x")
    assert main(["new", "--plugin", "acme"]) == 2
    assert "not empty" in capfd.readouterr().err
    assert main(["new", "--plugin", "acme", "edsr"]) == 2
