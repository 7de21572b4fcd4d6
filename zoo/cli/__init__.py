"""The command line; a file per command.

This module imports nothing but click, so that ``zoo --help`` answers at once.
A command is a module of this package that has a click command named
``command``; :data:`COMMANDS` says where it is and what its one line of help is.

What a command may rely on:

* it raises :class:`zoo.errors.ZooError` for what went wrong; the sentence and
  the exit code are shown and returned here, in one place;
* it returns an exit code, or None for 0;
* ``warnings.warn`` prints one line on stderr;
* results go to stdout, everything else to stderr.

In this file ``list`` is not the built-in: importing the command of that name
makes it an attribute of this package.

Exit codes: 0 all is well, 1 something failed, 2 the call was wrong, 130 ended
by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, TextIO

import click

from zoo._version import __version__

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("zoo.cli.run", "Run a network on pictures."),
    "detect": ("zoo.cli.detect", "Find objects in pictures."),
    "classify": ("zoo.cli.classify", "Name what pictures show."),
    "list": ("zoo.cli.list", "List the networks there are."),
    "show": ("zoo.cli.show", "Show a network layer by layer."),
    "new": ("zoo.cli.new", "Write the cfg of a new network."),
    "identify": ("zoo.cli.identify", "Say what checkpoints are."),
    "fetch": ("zoo.cli.fetch", "Fetch published checkpoints."),
    "convert": ("zoo.cli.convert", "Convert a published checkpoint."),
    "bench": ("zoo.cli.bench", "Measure speed and memory, against other engines too."),
    "eval": ("zoo.cli.eval", "Measure PSNR and SSIM on a folder of pictures."),
    "view": ("zoo.cli.view", "Look at pictures and volumes beside each other."),
    "serve": ("zoo.cli.serve", "A page that runs networks, on this machine alone."),
    "train": ("zoo.cli.train", "Train a network on a folder of pictures."),
    "gallery": ("zoo.cli.gallery", "Show what each layer does to a picture."),
    "study": ("zoo.cli.study", "Repeat the thesis's study of brain MRI."),
    "export": ("zoo.cli.export", "Write a network as an ONNX file."),
    "graph": ("zoo.cli.graph", "Draw a network."),
    "layers": ("zoo.cli.layers", "List layers, or show the keys of one."),
    "plugins": ("zoo.cli.plugins", "List what is installed, and by whom."),
    "info": ("zoo.cli.info", "Show versions, back ends, threads and formats."),
}
"""Module and help of each command, in the order of ``zoo --help``."""


class _LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.command
        command.name = cmd_name  # for the manual: every function is called command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if "" in args:
            # Path("") is the current folder: all that is below it would be meant.
            at = "".join(f" {word}" if word else " ''" for word in args)
            ctx.fail(
                f"one of the arguments is empty, as of a variable without a value; "
                f"give it, or leave it out: zoo{at}"
            )
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from zoo.errors import did_you_mean

            hint = did_you_mean(name, COMMANDS)
            ctx.fail(f"there is no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        # click would import every module here, only to read its help.
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="zoo")
@click.option(
    "--debug",
    is_flag=True,
    envvar="ZOO_DEBUG",
    help="Show the traceback of an error.",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Super-resolution networks as text files, on an ordinary CPU.

    A network is named (`zoo list` shows the names) or given as a cfg file.
    """
    _state["debug"] = debug


_state = {"debug": False, "signal": int(signal.SIGINT)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of the process.
    """
    _state["debug"] = False
    _state["signal"] = int(signal.SIGINT)
    _end_like_ctrl_c()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            result = cli.main(
                args=None if arguments is None else [*arguments],
                prog_name="zoo",
                standalone_mode=False,
            )
            if sys.stdout is not None:  # None after `zoo ... >&-`
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as help_wanted:
            click.echo(help_wanted.format_message())
            return 0
        except Exception as error:  # noqa: BLE001 - the last line of defense
            return _report(error)
        except KeyboardInterrupt:
            return 128 + _state["signal"]
    return result if isinstance(result, int) else 0


def _end_like_ctrl_c() -> None:
    """Let SIGTERM end the program as Ctrl-C does: what is open is closed first."""

    def end(number: int, frame: object) -> None:
        _state["signal"] = number
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end)


def _report(error: Exception) -> int:
    """Say in one sentence what went wrong, and return the exit code."""
    if isinstance(error, click.exceptions.Abort):  # what click makes of Ctrl-C
        return 128 + _state["signal"]
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        # The reader has gone (`zoo list | head -1`). Python would complain again
        # when it closes stdout at exit, so give it somewhere else to go.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 1
    if _state["debug"] and not isinstance(error, click.ClickException):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    from zoo.cli._common import say

    sentence, code = _explain(error)
    say(sentence)
    return code


def _explain(error: Exception) -> tuple[str, int]:
    """One sentence for a person, and the exit code."""
    from zoo.errors import ZooError

    match error:
        case click.UsageError():
            usage = f" (usage: {_usage(error)})" if error.ctx is not None else ""
            return f"{_plain(error.format_message())}{usage}", 2
        case click.ClickException():
            return _plain(error.format_message()), error.exit_code
        case ZooError():
            return str(error), error.exit_code
        case MemoryError():
            detail = f" ({error})" if str(error) else ""
            sentence = (
                f"there is not enough memory{detail}; close other programs, or give "
                f"a smaller picture"
            )
            return sentence, 1
        case OSError() if error.strerror:
            where = f"{error.filename}: " if error.filename is not None else ""
            return f"{where}{error.strerror}", 1
        case _:
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            sentence = (
                f"something unexpected happened ({what}); please run it again as "
                f"`zoo --debug ...` and report what it prints"
            )
            return sentence, 1


def _usage(error: click.UsageError) -> str:
    """The usage line of the command that was called wrongly."""
    assert error.ctx is not None
    text = " ".join(error.ctx.get_usage().split()).removeprefix("Usage: ")
    return f"{text}; {error.ctx.command_path} --help tells more"


def _plain(message: str) -> str:
    """click's message as the rest of a sentence: no capital, no full stop."""
    message = " ".join(message.split()).removesuffix(".")
    head, _, tail = message.partition(" ")
    return f"{head.lower()} {tail}" if head.istitle() else message


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> Any:
    """Print a warning as one line."""
    where = f" [{filename}:{lineno}]" if _state["debug"] else ""
    from zoo.cli._common import say

    text = " ".join(str(message).split())
    say(f"warning: {text}{where}")
