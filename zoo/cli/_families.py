"""Options of the command line made from the hyper-parameters of a family."""

from __future__ import annotations

from typing import Any

import click

from zoo.keys import Key

__all__ = ["option_of"]


class _KeyType(click.ParamType):
    """Text of the command line, read as a value of a cfg key is."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.name = "|".join(key.choices) if key.choices else key.type

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.key.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def option_of(key: Key) -> click.Option:
    """The option ``--res-scale FLOAT`` of a key ``res_scale``.

    It yields None where it is not given, so that the family's default counts.
    """
    flags = [f"--{key.name.replace('_', '-')}"]
    if "_" in key.name:
        flags.append(f"--{key.name}")
    default = "required" if key.required else f"default {_text(key.default)}"
    meaning = key.meaning if key.default in ((), "") else f"{key.meaning} [{default}]"
    kind = _KeyType(key)
    metavar = kind.name if key.choices else kind.name.upper()
    return click.Option([key.name, *flags], type=kind, help=meaning, metavar=metavar)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)
