"""``zoo info``: what is installed here and what would run."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from zoo.cli._common import (
    json_option,
    print_json,
    print_text,
)
from zoo.extras import how_to_install

__all__ = ["command"]

_REQUIRED = (
    "numpy",
    "opencv-python-headless",
    "click",
    "tqdm",
    "safetensors",
    "pyyaml",
)
_OPTIONAL = {
    "torch": "torch",
    "onnx": "onnx",
    "onnxruntime": "onnx",
}
_VARIABLES = (
    "ZOO_BACKEND",
    "ZOO_DEBUG",
    "ZOO_DISABLE_PLUGINS",
    "ZOO_EMULATE_AMX",
    "ZOO_ISA",
    "ZOO_MAX_MEMORY",
    "ZOO_MAX_PIXELS",
    "ZOO_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NO_COLOR",
)


@click.command(short_help="Show versions, back ends, threads and formats.")
@json_option
def command(as_json: bool) -> None:
    """Show versions, the back ends and which one would run, threads and formats."""
    facts = _facts()
    if as_json:
        print_json(facts)
        return
    for line in _lines(facts):
        print_text(line)


def _facts() -> dict[str, Any]:
    from zoo._version import __version__

    return {
        "zoo": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "folder": os.path.dirname(sys.modules["zoo"].__file__ or ""),
        "packages": {name: _version(name) for name in _REQUIRED},
        "optional_packages": {
            name: {"version": _version(name), "extra": extra}
            for name, extra in _OPTIONAL.items()
        },
        "backends": _backends(),
        "runs": _chosen(),
        "environment": {
            name: os.environ[name] for name in _VARIABLES if name in os.environ
        },
        "networks": _networks(),
        "checkpoint_formats": _readers(),
        "file_formats": _files(),
    }


def _files() -> list[dict[str, Any]]:
    """Every format of pictures, volumes and video, and why one cannot be used."""
    from zoo.formats import formats

    return [
        {
            "name": name,
            "kind": item.kind,
            "suffixes": list(item.suffixes),
            "written": item.can_write,
            "missing": item.missing() or None,
        }
        for name, item in formats().items()
    ]


def _version(distribution: str) -> str | None:
    # Either of these gives the module cv2.
    names = {"opencv-python-headless": ("opencv-contrib-python-headless",)}
    for name in (distribution, *names.get(distribution, ())):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _backends() -> list[dict[str, Any]]:
    """Every back end: what it runs on, or why it does not."""
    from zoo.errors import ZooError
    from zoo.registry import distribution_of, registry

    known = registry("zoo.kernels")
    rows = []
    for name in known:
        row: dict[str, Any] = {
            "name": name,
            "instruction_set": None,
            "unused_instruction_sets": {},
            "missing": None,
        }
        try:
            row["distribution"] = distribution_of(known.entry(name))
            kernels = known.load(name)()
            row["instruction_set"] = kernels.instruction_set
            row["unused_instruction_sets"] = kernels.unused_instruction_sets
        except ZooError as error:
            row["missing"] = str(error)
        except Exception as error:  # noqa: BLE001 - a diagnosis must not need one
            row["missing"] = f"fails to start ({type(error).__name__}: {error})"
        rows.append(row)
    return rows


def _chosen() -> dict[str, Any]:
    """What `zoo run` would use, as the environment is."""
    from zoo.plugins import select

    try:
        kernels = select()
    except Exception as error:  # noqa: BLE001 - as above
        return {"backend": None, "threads": None, "error": str(error)}
    return {"backend": kernels.name, "threads": kernels.threads, "error": None}


def _networks() -> dict[str, int]:
    from zoo.catalog import networks

    entries = networks()
    trained = sum(entry.weights is not None for entry in entries)
    return {"installed": len(entries), "with_weights": trained}


def _readers() -> list[dict[str, Any]]:
    """Formats of checkpoints that `zoo convert` reads."""
    from zoo.errors import PluginError
    from zoo.registry import registry

    known = registry("zoo.readers")
    rows: list[dict[str, Any]] = []
    for name in known.canonical():
        try:
            reader = known.load(name)
        except PluginError as error:
            rows.append({"name": name, "suffixes": [], "missing": str(error)})
        else:
            suffixes = list(reader.suffixes)
            rows.append({"name": name, "suffixes": suffixes, "missing": None})
    return rows


def _back_end(row: dict[str, Any]) -> str:
    """What a back end runs on, and what it leaves unused."""
    reasons = row["unused_instruction_sets"]
    unused = "; ".join(f"not {name}: {reason}" for name, reason in reasons.items())
    found: str = row["instruction_set"] or row["missing"]
    return f"{found} ({unused})" if unused else found


def _lines(facts: dict[str, Any]) -> list[str]:
    """The same for people."""
    rows = [
        ("zoo", f"{facts['zoo']} in {facts['folder']}"),
        ("Python", f"{facts['python']} on {facts['system']}"),
    ]
    rows += [
        (name, found or "missing; reinstall cfgzoo")
        for name, found in facts["packages"].items()
    ]
    rows += [
        (
            name,
            row["version"] or f"not installed ({how_to_install(row['extra'])})",
        )
        for name, row in facts["optional_packages"].items()
    ]
    rows += [(f"back end {row['name']}", _back_end(row)) for row in facts["backends"]]
    runs = facts["runs"]
    rows.append(
        (
            "what runs",
            runs["error"] or f"{runs['backend']}, threads: {runs['threads']}",
        )
    )
    rows += [
        (f"format {row['name']}", row["missing"] or " ".join(row["suffixes"]))
        for row in facts["checkpoint_formats"]
    ]
    rows += [
        (
            f"{row['kind']} {row['name']}",
            f"which {row['missing']}"
            if row["missing"]
            else " ".join(row["suffixes"]) + ("" if row["written"] else " (read only)"),
        )
        for row in facts["file_formats"]
    ]
    known = facts["networks"]
    trained = known["with_weights"]
    rows.append(("networks", f"{known['installed']}, {trained} with trained weights"))
    rows += [(name, value) for name, value in facts["environment"].items()]
    width = max(len(label) for label, _ in rows)
    return [f"{label.ljust(width)}  {text}".rstrip() for label, text in rows]
