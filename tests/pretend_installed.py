"""Packages as an installer leaves them, without an installer; not a test."""

from __future__ import annotations

import re
from pathlib import Path

Groups = dict[str, dict[str, str]]


def entry_points(pyproject: Path) -> Groups:
    """The entry points that a pyproject.toml declares, by group."""
    groups: Groups = {}
    names: dict[str, str] = {}
    for line in pyproject.read_text(encoding="utf-8").splitlines():
        if head := re.fullmatch(r'\[project\.entry-points\."(.+)"\]', line):
            names = groups.setdefault(head[1], {})
        elif line.startswith("["):
            names = {}
        elif point := re.fullmatch(r'"(.+)" = "(.+:.+)"', line):
            names[point[1]] = point[2]
    return groups


def declare(site: Path, distribution: str, groups: Groups) -> None:
    """Write the .dist-info of a distribution into a folder for PYTHONPATH."""
    folder = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
    )
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in groups.items()
    )
    (folder / "entry_points.txt").write_text(text)
