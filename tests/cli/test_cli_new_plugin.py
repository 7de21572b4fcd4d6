"""zoo new --plugin: what it writes installs and passes its own tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli import main


def declare(folder: Path, distribution: str) -> None:
    """Write the .dist-info that an installer would, beside the package."""
    groups: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (folder / "pyproject.toml").read_text().splitlines():
        if head := re.fullmatch(r'\[project\.entry-points\."(.+)"\]', line):
            names = groups.setdefault(head[1], [])
        elif line.startswith("["):
            names = []
        elif point := re.fullmatch(r'"(.+)" = "(.+:.+)"', line):
            names.append(f"{point[1]} = {point[2]}")
    assert len(groups) == 3
    info = folder / f"{distribution.replace('-', '_')}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n"
    )
    (info / "entry_points.txt").write_text(
        "\n".join(f"[{group}]\n" + "\n".join(lines) for group, lines in groups.items())
    )


def test_the_package_works(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "--plugin", "acme-layers"]) == 0
    out, err = capfd.readouterr()
    folder = tmp_path / "acme-layers"
    assert {str(tmp_path / line) for line in out.splitlines()} == {
        str(path) for path in folder.rglob("*") if path.is_file()
    }
    assert "pip install -e acme-layers" in err
    declare(folder, "acme-layers")
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
    "name", ["", "Acme", "1a", "a b", "../x", "zoo", "class", "a--b"]
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
