"""``zoo fetch``: published files into the cache."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._common import json_option, print_json, print_text
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.checkpoints.published import Published

__all__ = ["command"]


@click.command(short_help="Fetch published checkpoints.")
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--list", "as_list", is_flag=True, help="List what can be fetched.")
@click.option(
    "--from", "source", metavar="FILE", help="Take this copy of yours, once checked."
)
@click.option("-o", "--output", metavar="FILE", help="Also write a copy here.")
@click.option("--verify", "check", is_flag=True, help="Check what is in the cache.")
@click.option("--force", is_flag=True, help="Fetch again; overwrite -o FILE.")
@json_option
def command(
    names: tuple[str, ...],
    as_list: bool,
    source: str | None,
    output: str | None,
    check: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Fetch published files by the names of their cards.

    A file lies in the user's cache afterwards (ZOO_CACHE), and its name stands
    wherever a network does: zoo fetch realesrgan-x4plus, then zoo run
    realesrgan-x4plus photo.png. Size and SHA-256 are checked against the card. A
    download that broke off goes on where it was. With ZOO_OFFLINE=1 nothing is
    fetched. The licence is the publisher's; "unknown" means that none is stated.
    """
    from zoo.checkpoints.published import find_published, published

    if as_list or not names:
        cards = list(published().values())
        if as_json:
            print_json([_entry(card) for card in cards])
        else:
            print_text(_table(cards))
        return
    if len(names) > 1 and (source or output):
        raise UsageError("--from and -o go with one name")
    results = [
        _one(find_published(name), source, output, check, force) for name in names
    ]
    if as_json:
        print_json(results)
        return
    for result in results:
        print_text(
            f"{result['path']}: {result['bytes']:,} bytes, {result['license']}, "
            f"sha256 {result['sha256']}"
        )


def _one(
    card: Published, source: str | None, output: str | None, check: bool, force: bool
) -> dict[str, Any]:
    from zoo.checkpoints.cards import digest
    from zoo.checkpoints.fetch import fetch, verify
    from zoo.files import refuse_existing
    from zoo.progress import bar

    if output is not None and not force:
        refuse_existing(Path(output))
    if check:
        path = verify(card)
    else:
        with bar(max(card.size / 1e6, 1.0), "MB") as progress:
            path = fetch(
                card,
                source=source,
                force=force,
                progress=lambda done, total: progress.reach(done / 1e6),
            )
    if output is not None:
        shutil.copyfile(path, output)
    return {**_entry(card), "path": str(path), "bytes": path.stat().st_size} | {
        "sha256": digest(path)
    }


def _entry(card: Published) -> dict[str, Any]:
    from dataclasses import asdict

    from zoo.checkpoints.published import fetched

    path = fetched(card)
    return asdict(card) | {"cached": str(path) if path else None}


def _table(cards: list[Published]) -> str:
    from zoo.checkpoints.published import fetched
    from zoo.tables import table

    rows = [
        (
            card.name,
            card.family,
            f"x{card.scale}" if card.scale else "any",
            card.license,
            "yes" if fetched(card) else "-",
            card.about,
        )
        for card in cards
    ]
    header = ("name", "family", "scale", "licence", "fetched", "what it is")
    return table(header, rows)
