"""``zoo layers``: the layers that a cfg may use, and the keys of each."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._common import (
    json_option,
    print_json,
    print_text,
)

if TYPE_CHECKING:
    from zoo.keys import Key

__all__ = ["command"]

_WIDEST_RANGE = 40


@click.group(
    invoke_without_command=True, short_help="List layers, or show the keys of one."
)
@click.option(
    "--markdown", is_flag=True, help="Print all built-in layers as docs/layers.md."
)
@json_option
@click.pass_context
def command(ctx: click.Context, markdown: bool, as_json: bool) -> None:
    """List the layers that are installed: names, what they do, who made them.

    `zoo layers show NAME` explains every key of one.
    """
    if ctx.invoked_subcommand is not None:
        return
    if markdown:
        from zoo.key_tables import as_markdown

        print_text(as_markdown().removesuffix("\n"))
        return
    rows = _rows()
    if as_json:
        print_json(rows)
    else:
        _print_table(rows)


@command.command("show", short_help="Explain every key of a layer.")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Explain every key that a section [NAME] of a cfg file may have.

    NAME may be an alias; "net" explains the first section of a cfg file.
    """
    from zoo.key_tables import describe_key, describe_layer

    layer = describe_layer(name)
    if as_json:
        keys = [describe_key(key) for key in layer.keys]
        print_json(
            {"name": layer.name, "aliases": layer.aliases, "summary": layer.summary}
            | {"distribution": layer.distribution, "keys": keys}
        )
        return
    title = ", ".join(f"[{other}]" for other in (layer.name, *layer.aliases))
    print_text(f"{title}: {layer.summary}")
    print_text(f"from {layer.distribution}")
    print_text()
    if layer.keys:
        _print_keys(layer.keys)
    else:
        print_text("It has no keys.")


def _rows() -> list[dict[str, Any]]:
    """One row for each layer; broken ones are warned of and left out."""
    from zoo.errors import PluginError
    from zoo.key_tables import describe_layer
    from zoo.registry import registry

    rows = []
    for name in registry("zoo.layers").canonical():
        try:
            layer = describe_layer(name)
        except PluginError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
            continue
        rows.append(
            {
                "name": layer.name,
                "aliases": list(layer.aliases),
                "summary": layer.summary,
                "distribution": layer.distribution,
            }
        )
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    from zoo.tables import table

    print_text(
        table(
            ("layer", "aliases", "what it does", "from"),
            [
                (
                    row["name"],
                    ", ".join(row["aliases"]),
                    row["summary"],
                    row["distribution"],
                )
                for row in rows
            ],
        )
    )


def _print_keys(keys: tuple[Key, ...]) -> None:
    from textwrap import fill

    from zoo.key_tables import default_text, range_text
    from zoo.tables import table

    used = [key for key in keys if not key.unused]
    ranges = {key.name: range_text(key) for key in used}
    long = [name for name, text in ranges.items() if len(text) > _WIDEST_RANGE]
    unused = [key.name for key in keys if key.unused]
    if used:
        print_text(
            table(
                ("key", "type", "default", "values", "meaning"),
                [
                    (
                        ", ".join((key.name, *key.aliases)),
                        key.type,
                        default_text(key),
                        "see below" if key.name in long else ranges[key.name],
                        key.meaning,
                    )
                    for key in used
                ],
            )
        )
    for name in long:
        print_text()
        print_text(fill(f"{name}: {ranges[name]}", width=79, subsequent_indent="  "))
    if unused:
        print_text()
        print_text(f"Darknet's, without effect here: {', '.join(unused)}.")
