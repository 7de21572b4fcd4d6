"""``zoo plugins``: what is installed in the registries, and by whom."""

from __future__ import annotations

import warnings
from typing import Any

import click

from zoo.cli._common import (
    json_option,
    print_json,
    print_text,
)

__all__ = ["command"]


@click.command(short_help="List what is installed, and by whom.")
@click.option("--check", is_flag=True, help="Load everything; exit 1 if one fails.")
@json_option
def command(check: bool, as_json: bool) -> int:
    """List the registries: layers, kernels, models, readers, metrics, formats, engines.

    Those of third parties are loaded, to see whether they work; the built-in
    ones only with --check. One that is broken, or that two distributions claim,
    costs a warning that names the distribution.
    """
    from zoo.registry import GROUPS, registry

    rows: list[dict[str, Any]] = []
    for group in GROUPS:
        rows += _rows(registry(group), check)
    if as_json:
        print_json(rows)
    else:
        _print_table(rows)
    return 1 if check and any(row["problem"] for row in rows) else 0


def _rows(found: Any, check: bool) -> list[dict[str, Any]]:
    """One row for each plugin of a registry; problems are warned of."""
    from zoo.errors import PluginError
    from zoo.registry import OWN_DISTRIBUTION, distribution_of, version_of

    rows = []
    conflicts = dict(found.conflicts())
    for name in found.canonical():
        is_disputed = name in conflicts
        for entry in found.entries_of(name):
            owner = distribution_of(entry)
            problem = None
            if is_disputed or check or owner != OWN_DISTRIBUTION:
                try:
                    found.load(name)
                except PluginError as error:
                    problem = str(error)
            aliases = [] if is_disputed else list(found.names_of(name)[1:])
            rows.append(
                {
                    "registry": found.group,
                    "name": name,
                    "aliases": aliases,
                    "distribution": owner,
                    "version": version_of(entry),
                    "object": entry.value,
                    "problem": problem,
                }
            )
    for problem in dict.fromkeys(row["problem"] for row in rows if row["problem"]):
        warnings.warn(problem, RuntimeWarning, stacklevel=2)
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    from zoo.tables import table

    print_text(
        table(
            ("registry", "name", "aliases", "from", "status"),
            [
                (
                    row["registry"],
                    row["name"],
                    ", ".join(row["aliases"]),
                    f"{row['distribution']} {row['version']}",
                    "broken" if row["problem"] else "",
                )
                for row in rows
            ],
        )
    )
