"""``zoo identify``: what published checkpoints are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.cli._common import json_option, print_json, print_text, say

if TYPE_CHECKING:
    from zoo.checkpoints.inspect import CheckpointInfo

__all__ = ["command"]


@click.command(short_help="Say what checkpoints are.")
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Also say which tensors are meant.")
def command(files: tuple[str, ...], as_json: bool, verbose: bool) -> int:
    """List files with family, scale, channels, parameters and licence, or why not.

    Folders are searched for checkpoints. What has a family is taken by zoo convert,
    zoo run and all commands that take a network. Nothing in a file is executed.

    Exit code: 0 if every file is known, 1 if one is not.
    """
    from zoo.checkpoints.inspect import find_checkpoints, inspect
    from zoo.progress import bar

    paths = list(find_checkpoints([*files]))
    if not paths:
        say(f"there is no checkpoint in {', '.join(files)}")
        return 1
    checkpoints = []
    with bar(len(paths), "file") as progress:
        for path in paths:
            checkpoints.append(inspect(path))
            progress.update()
    if as_json:
        print_json([item.as_dict() for item in checkpoints])
    else:
        print_text(_table(checkpoints, verbose))
    return 0 if all(item.is_known for item in checkpoints) else 1


def _table(checkpoints: list[CheckpointInfo], verbose: bool) -> str:
    from zoo.tables import count, printable, table

    rows = []
    remarks = []
    for item in checkpoints:
        known = item.is_known
        rows.append(
            (
                item.file,
                item.format or "-",
                item.family or "-",
                f"{item.scale:g}" if item.scale is not None else "-",
                str(item.channels) if item.channels is not None else "-",
                count(item.parameters) if item.parameters is not None else "-",
                item.licence,
            )
        )
        if not known:
            remarks.append(f"{item.file}: {item.reason}")
        elif verbose:
            remarks += [f"{item.file}: {note}" for note in item.notes]
    header = ("file", "format", "family", "scale", "channels", "parameters", "licence")
    lines = [table(header, rows, "lllrrrl")]
    if remarks:
        lines += ["", *map(printable, remarks)]
    return "\n".join(lines)
