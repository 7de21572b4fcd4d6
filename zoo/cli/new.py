"""``zoo new``: write the cfg of a new network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._common import print_text, say
from zoo.cli._families import option_of
from zoo.errors import PluginError, UsageError, did_you_mean

if TYPE_CHECKING:
    from zoo.models import Family

__all__ = ["command"]


class _Families(click.Group):
    """A command per family, made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from zoo.registry import registry

        return registry("zoo.models").canonical()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from zoo.registry import registry

        families = registry("zoo.models")
        return _command_of(families.load(cmd_name)) if cmd_name in families else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        known = self.list_commands(ctx)
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            ctx.fail(f"there is no family {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        from zoo.registry import registry

        families = registry("zoo.models")
        rows = []
        for name in families.canonical():
            try:
                family = families.load(name)
                rows.append((name, f"{family.summary}. {family.paper}".strip()))
            except PluginError as error:
                rows.append((name, str(error)))
        with formatter.section("Families"):
            formatter.write_dl(rows)


@click.group(
    cls=_Families,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="FAMILY [OPTIONS]",
)
@click.option(
    "--plugin",
    metavar="NAME",
    help="Write a package to start a plugin from: layer, family, metric, tests.",
)
@click.option(
    "-o", "--output", metavar="FOLDER", help="Where --plugin goes; by default NAME."
)
@click.pass_context
def command(ctx: click.Context, plugin: str | None, output: str | None) -> None:
    """Write the cfg of a new network, or a package for plugins.

    Without a family, say which there are. `zoo new edsr --help` says what can be
    chosen for one of them.
    """
    if plugin is not None:
        if ctx.invoked_subcommand is not None:
            raise UsageError("give a FAMILY or --plugin NAME, not both")
        _write_plugin(plugin, output or plugin)
    elif ctx.invoked_subcommand is None:
        print_text(ctx.get_help())


def _write_plugin(name: str, folder: str) -> None:
    from zoo.plugin_template import write_plugin
    from zoo.tables import printable

    for path in write_plugin(name, folder):
        print_text(printable(str(path)))
    say(f"next: pip install -e {folder} && pytest {folder}")


def _command_of(family: type[Family]) -> click.Command:
    """The command that writes members of a family."""

    def run(output: str, force: bool, **given: Any) -> None:
        options = {name: value for name, value in given.items() if value is not None}
        _write(family, options, output, force)

    own: list[click.Parameter] = [
        click.Option(
            ["output", "-o", "--output"],
            default="-",
            metavar="FILE",
            help="cfg file to write; - (the default) is stdout",
        ),
        click.Option(["--force"], is_flag=True, help="overwrite an existing file"),
    ]
    text = f"Write the cfg of a network of the family {family.name}.\n\n"
    return click.Command(
        family.name,
        params=[option_of(key) for key in family.options] + own,
        callback=run,
        help=text + (family.paper or family.summary),
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _write(
    family: type[Family], options: dict[str, Any], output: str, force: bool
) -> None:
    """Write a cfg and say on stderr what it is."""
    from zoo.files import atomic_write, refuse_existing
    from zoo.network import Network

    target = None if output == "-" else Path(output)
    if target is not None and not force:
        refuse_existing(target)
    text = family.write(**options)
    network = Network.parse(text, output if target else f"{family.name}.cfg")
    if target is None:
        sys.stdout.write(text)
    else:
        with atomic_write(target) as file:
            file.write(text.encode())
    say(
        f"{output if target else family.name}: {len(network)} layers, "
        f"{network.parameter_count:,} parameters"
    )
