"""A package to start a plugin from: a layer, a family, a metric and their tests.

The files beside this one, ``*.txt``, are that package with ``$name`` where its names
go; :func:`write_plugin` fills them in.
"""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from string import Template

from zoo.errors import UsageError
from zoo.files import atomic_write

__all__ = ["write_plugin"]

_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


def write_plugin(name: str, folder: str | Path) -> list[Path]:
    """Write a package that registers a layer, a family and a metric.

    Parameters
    ----------
    name : str
        Of the distribution: lower-case letters, digits, and single - or _ between
        them. The package's name has _ for -, its plugins the prefix ``name/``.
    folder : str or Path
        Made; must not exist, or be empty.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    UsageError
        If the name is none, or something is in the folder.
    """
    package = name.replace("-", "_")
    why = ""
    if not _NAME.fullmatch(name):
        why = "use lower-case letters, digits and - between them, as in acme-layers"
    elif keyword.iskeyword(package):
        why = "it is a word of Python; take another"
    else:
        known = find_spec(package)
        if known is not None and known.origin is not None:  # no mere folder
            why = f"a package {package} is installed already; take another"
    if why:
        raise UsageError(f"{name!r} is no name for a package: {why}")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty; give another with -o")
    names = {"distribution": name, "package": package, "prefix": package}
    written = []
    for template in sorted(_HERE.rglob("*.txt")):
        place = template.relative_to(_HERE).with_suffix("")
        parts = [package if part == "package" else part for part in place.parts]
        target = folder.joinpath(*parts)
        target = target.with_name(
            target.name.replace("test_package", f"test_{package}")
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        text = Template(template.read_text(encoding="utf-8")).substitute(names)
        with atomic_write(target) as file:
            file.write(text.encode())
        written.append(target)
    return written
