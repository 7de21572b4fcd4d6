"""Pictures one by one, for commands that say what is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zoo.cli._common import print_json, print_text, say

__all__ = ["each_picture"]


def each_picture(
    looks: Sequence[tuple[str, Callable[[], dict[str, Any]]]],
    lines: Callable[[dict[str, Any], bool], str],
    as_json: bool,
    **known: Any,
) -> int:
    """Look at all pictures; one that fails is reported, and the others go on.

    Parameters
    ----------
    looks : sequence of (str, callable)
        The name of a picture, and what finds out what is to be recorded of it.
    lines : callable
        Given a record, and whether it is one of many: what to print for people.
    as_json : bool
        Print the records as JSON, a line each, instead.
    **known
        What is recorded of every picture, of those that fail too.

    Returns
    -------
    int
        The exit code: 1 if a picture failed.
    """
    from zoo.errors import ZooError
    from zoo.progress import bar

    failures = 0
    with bar(total=len(looks), unit="picture") as progress:
        for number, (name, look) in enumerate(looks, start=1):
            record: dict[str, Any] = {"input": name, **known}
            error = None
            try:
                record |= look()
            except (ZooError, OSError, MemoryError) as problem:
                failures += 1
                error = _sentence(name, problem)
                progress.say(f"zoo: {error}")
            if as_json:
                print_json({**record, "error": error}, indent=None)
            elif error is None:
                print_text(lines(record, len(looks) > 1))
            progress.reach(number)
    if failures and len(looks) > 1:
        say(f"{failures} of {len(looks)} pictures failed")
    return 1 if failures else 0


def _sentence(name: str, problem: Exception) -> str:
    """What went wrong, with the name of the picture."""
    text = " ".join(str(problem).split()) or type(problem).__name__
    return text if name in text else f"{name}: {text}"
