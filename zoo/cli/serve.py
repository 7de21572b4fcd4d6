"""``zoo serve``: a page that runs networks, on this machine alone."""

from __future__ import annotations

import click

from zoo.cli import _completion as completion
from zoo.cli._common import print_text, say, threads_option

__all__ = ["command"]


@click.command(short_help="A page that runs networks, on this machine alone.")
@click.argument(
    "networks", metavar="[CFG]...", nargs=-1, shell_complete=completion.networks
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="By default any that is free.",
)
@threads_option
@click.option("--no-open", is_flag=True, help="Open no browser; print the address.")
def command(
    networks: tuple[str, ...], port: int | None, threads: int | None, no_open: bool
) -> int:
    """Serve a page on which pictures and volumes are dropped, and networks chosen.

    It answers this machine alone (127.0.0.1), and only to who has the address that is
    printed, with its token. Nothing leaves the machine, and what was dropped is deleted
    at the end, by Ctrl-C.

    CFG are networks beside those that are installed: files, or published checkpoints.

    Needs starlette and uvicorn (the extra `page`); `zoo view` does without.
    """
    from zoo.serve.server import Service, require_extra
    from zoo.view.places import open_page

    require_extra()
    service = Service(networks, port=port or 0, threads=threads)

    def ready() -> None:
        print_text(service.address)
        say("serving; Ctrl-C ends it and deletes what was dropped")
        if not no_open:
            open_page(service.address)

    service.run(ready)
    return 0
