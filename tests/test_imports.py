"""Modules import what docs/design.md lets them, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "zoo"
# A timing of the commands runs them.
APART = {"__main__", "bench/cold"}


def levels() -> dict[str, int]:
    """Level of every unit in the list of docs/design.md, the lowest being 0."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    block = re.search(r"```text\n(cli .*?)```", text, re.DOTALL)
    assert block is not None
    lines = [re.split(r"\s{2,}", line)[0] for line in block[1].splitlines()]
    return {
        unit: level
        for level, line in enumerate(reversed(lines))
        for unit in line.split(", ")
    }


def unit_of(module: str) -> str:
    """The unit on the list that a module, such as zoo.train.loop, belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(path: Path) -> Iterator[str]:
    """Modules of zoo that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module="zoo"):
                names = [
                    f"zoo.{alias.name}" if is_module(alias.name) else "zoo"
                    for alias in node.names
                ]
            case ast.ImportFrom(module=str(module), level=0):
                names = [module]
            case _:
                continue
        yield from (name for name in names if name.split(".")[0] == "zoo")


def is_module(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).with_suffix("").as_posix() not in APART
]


def test_every_unit_is_on_the_list() -> None:
    units = {path.stem for path in PACKAGE.glob("*.py")}
    units |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert units - APART <= set(levels())
    assert set(levels()) <= units


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_a_module_imports_what_stands_below(path: Path) -> None:
    order = levels()
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = unit_of(".".join(part for part in parts if part != "__init__"))
    wrong = {
        name
        for name in imports(path)
        if unit_of(name) != own and order[unit_of(name)] >= order[own]
    }
    assert not wrong
