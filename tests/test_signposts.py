"""Files and modules that comments and docs name are there."""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".pyx", ".c", ".h", ".md", ".cfg", ".toml", ".sh", ".yaml", ""}
# Paths with a folder, and bare names of our own kinds of file.
PATHS = re.compile(
    r"(?<![\w./{}<*~$-])((?:[\w.-]+/)+[\w-]+\.(?:py|pyx|pxi|c|h|md|cfg|sh|toml))\b"
)
NAMES = re.compile(r"(?<![\w./{}<*~$-])(\w+\.(?:c|h|pyx))\b(?![\w/(])")
MODULES = re.compile(r"(?<![\w.])zoo((?:\.[a-z_]\w*)+)(?!\w)")
# What a user would have, what is made, what lies beside the checkout.
NOT_OURS = re.compile(
    r"NAME|negate|^docs/developer-guide/|^(?:\.\./)*shared/|^run/|^runs?[/_]|^RUN/|^models?/|^acme|^site/|^demo/|^path/"
    r"|_native\.c$|^include/|^torch/|^caffe/"
)
# A history tells of files as they were, and a licence of nothing.
LEFT_OUT = {"CHANGELOG.md", "LICENSE"}


def sources() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("this is no git checkout")
    paths = [ROOT / line for line in listing.stdout.splitlines()]
    return [
        path
        for path in paths
        if path.suffix in SUFFIXES and path.is_file() and path.name not in LEFT_OUT
    ]


def texts(path: Path) -> list[tuple[int, str]]:
    """Lines that speak to people: comments, docstrings, prose."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    numbered = list(enumerate(lines, start=1))
    match path.suffix:
        case ".md":
            return numbered
        case ".c" | ".h":
            comments = re.finditer(r"/\*.*?\*/|//[^\n]*", "\n".join(lines), re.DOTALL)
            text = "\n".join(lines)
            return [
                (text.count("\n", 0, found.start()) + 1 + offset, line)
                for found in comments
                for offset, line in enumerate(found[0].splitlines())
            ]
        case ".py" | ".pyx":
            if "tests" in path.parts:
                return [(n, line) for n, line in numbered if line.lstrip()[:1] == "#"]
            found, inside = [], False
            for n, line in numbered:
                quotes = line.count('"""')
                if inside or quotes or "#" in line:
                    found.append(
                        (n, line if inside or quotes else line.split("#", 1)[1])
                    )
                if quotes % 2:
                    inside = not inside
            return found
        case _:
            return [(n, line.split("#", 1)[1]) for n, line in numbered if "#" in line]


def is_there(name: str, path: Path, files: set[str], names: set[str]) -> bool:
    if NOT_OURS.search(name):
        return True
    if "/" not in name:
        return name in names
    beside = (path.parent / name).resolve()
    if beside.exists() or (ROOT / name).exists() or (ROOT / "zoo" / name).exists():
        return True
    return any(known.endswith(f"/{name}") for known in files)


def test_paths_that_are_named_exist() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in sources()}
    names = {Path(name).name for name in files} | {"_native.c"}
    wrong = []
    for path in sources():
        for number, line in texts(path):
            spoken = re.sub(r"\w+://\S+", "", line)
            for name in [*PATHS.findall(spoken), *NAMES.findall(spoken)]:
                if not is_there(name, path, files, names):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {name}")
    assert not wrong, "\n".join(wrong)


def test_modules_that_are_named_exist() -> None:
    wrong = []
    for path in sources():
        for number, line in texts(path):
            for found in MODULES.findall(line):
                if NOT_OURS.search(found):
                    continue
                if not resolves("zoo" + found):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: zoo{found}")
    assert not wrong, "\n".join(wrong)


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one, or a registry."""
    from zoo.registry import GROUPS

    # Keys in the metadata of weights look the same.
    if name in GROUPS or name.split(".")[1] in (
        "format",
        "version",
        "cfg",
        "crc32",
        "metadata",
    ):
        return True
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = ".".join(parts[:end])
        try:
            found = find_spec(module)
        except (ImportError, ValueError):
            continue
        if found is None or found.origin is None:
            continue
        rest = parts[end:]
        if not rest:
            return True
        source = Path(found.origin)
        if source.suffix != ".py":
            return True
        return bool(re.search(rf"\b{re.escape(rest[0])}\b", source.read_text("utf-8")))
    return False
