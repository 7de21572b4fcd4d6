"""What several commands share: options, sizes, JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import click

from zoo.cli import _completion as completion
from zoo.errors import UsageError

__all__ = [
    "LARGEST_SIDE",
    "SIZE",
    "backend_option",
    "device_option",
    "force_option",
    "header_option",
    "json_option",
    "lenient_option",
    "on_device",
    "on_option",
    "pair_options",
    "precision_option",
    "print_json",
    "print_text",
    "require_engine",
    "say",
    "set_option",
    "settings_of",
    "ship_option",
    "threads_option",
    "weights_option",
]

LARGEST_SIDE = 262_144  # a plan of more takes minutes; its picture is 200 GB


class _Size(click.ParamType):
    """WIDTHxHEIGHT in pixels, as (height, width)."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"\s*([0-9]{1,99})\s*[xX]\s*([0-9]{1,99})\s*", value)
        if not match:
            self.fail(f"{value!r} is no size; write WIDTHxHEIGHT, as in 640x480")
        width, height = int(match[1]), int(match[2])
        if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
            self.fail(f"{value!r}: a side has 1 to {LARGEST_SIDE} pixels")
        return height, width


SIZE = _Size()
"""Type of an option like ``--size 640x480``; gives (height, width)."""

force_option = click.option("--force", is_flag=True, help="Overwrite files that exist.")


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of a table."
)


backend_option = click.option(
    "--backend",
    metavar="NAME",
    shell_complete=completion.backends,
    help="native, numpy or another (`zoo plugins`); also ZOO_BACKEND.",
)

threads_option = click.option(
    "-j", "--threads", type=click.IntRange(1, 1024), help="Threads to use."
)

weights_option = click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(),
    help="By default what lies beside CFG, or ships.",
)

lenient_option = click.option(
    "--lenient", is_flag=True, help="Read the cfg as Darknet does."
)

header_option = click.option(
    "--header",
    type=click.Choice(("16", "20")),
    callback=lambda ctx, param, value: None if value is None else int(value),
    help="Bytes of the header of a .weights file, where its version does not tell.",
)

on_option = click.option(
    "--on",
    "where",
    metavar="ENGINE",
    help="local[:N], dask://HOST:PORT, tls://..., scheduler.json: docs/clusters.md.",
)

ship_option = click.option(
    "--ship",
    is_flag=True,
    help="With --on: send files to workers that do not see them.",
)

device_option = click.option(
    "--device", metavar="NAME", help="Compute with PyTorch on cpu, cuda, cuda:1, ..."
)

precision_option = click.option(
    "--precision",
    type=click.Choice(("f32", "bf16")),
    default="f32",
    show_default=True,
    help="How exact: bf16 permits a loss below 0.02 dB, for speed where there is AMX.",
)


set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyper-parameter that a checkpoint does not state; may be repeated.",
)


def settings_of(words: tuple[str, ...]) -> dict[str, Any]:
    """The words of --set, as names and texts."""
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or not text:
            raise UsageError(f"--set {word!r} is no NAME=VALUE")
        if name in values:
            raise UsageError(f"--set gives {name} twice; remove one")
        values[name] = text
    return values


def pair_options(command: Any) -> Any:
    """--hr, --lr and --lr-name: a layout of pictures that no name tells."""
    for option in (
        click.option(
            "--lr-name",
            "low_name",
            metavar="PATTERN",
            help="How the small picture of NAME is called: '{}x2'.",
        ),
        click.option(
            "--lr", "low", type=click.Path(), help="Folder of the small pictures."
        ),
        click.option(
            "--hr",
            "high",
            type=click.Path(),
            help="Folder of large pictures, whatever its name says.",
        ),
    ):
        command = option(command)
    return command


def on_device(backend: str | None, device: str | None) -> str | None:
    """The back end to ask :func:`zoo.plugins.select` for: ``torch:cuda``.

    Of our back ends torch alone knows devices, so a device alone means it.
    """
    return backend if device is None else f"{backend or 'torch'}:{device}"


def require_engine(where: str | None, ship: bool) -> None:
    """Refuse --ship where nothing is sent anywhere."""
    if ship and where is None:
        raise UsageError("--ship goes with --on ENGINE")


def print_text(text: str = "") -> None:
    """Print a result on stdout. Names in it that may hold line ends are escaped before."""
    from zoo.tables import printable_lines

    click.echo(printable_lines(text))


def say(text: str) -> None:
    """Print a remark as one line on stderr, whatever names are in it."""
    from zoo.tables import printable

    click.echo(f"zoo: {printable(text)}", err=True)


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON on stdout; NaN and infinity, which it has not, as null.

    Control characters are escaped as JSON does it; so are the halves of characters
    that Python makes of names that are no UTF-8.
    """
    from zoo.tables import printable_lines

    text = json.dumps(
        _finite(value), indent=indent, ensure_ascii=False, allow_nan=False
    )
    click.echo(text if text == printable_lines(text) else _json_escaped(text))


def _json_escaped(text: str) -> str:
    from zoo.tables import printable

    return "".join(
        char
        if char == "\n" or char == printable(char)
        else f"\\u{ord(char):04x}"  # none of them is beyond 16 bits
        for char in text
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
