"""Progress on stderr, with the time left; silent where nobody watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.tables import printable

__all__ = ["Bar", "bar"]

_FORMAT = "{percentage:3.0f}%|{bar:30}| {desc} [{elapsed}, {remaining} left]"


class Bar:
    """A progress bar; see :func:`bar`.

    Parameters
    ----------
    total : float
        The amount of work, in any unit.
    unit : str
        What is counted, in the singular.
    shown : bool
        False does nothing at all.
    done : float
        How much of the work was done in an earlier session.
    """

    def __init__(self, total: float, unit: str, shown: bool, done: float = 0.0) -> None:
        self._total = total
        self._unit = unit
        self._done = done
        self._note = ""
        self._tqdm = None
        if shown:
            from tqdm import tqdm

            try:
                columns = os.get_terminal_size(sys.stderr.fileno()).columns
            except (OSError, ValueError):
                columns = 0
            self._tqdm = tqdm(
                total=total,
                initial=done,
                desc=self._count(),
                bar_format=_FORMAT,
                # A terminal that does not know its size says 0: tqdm would be mute.
                dynamic_ncols=columns > 0,
                ncols=None if columns > 0 else 80,
                nrows=None if columns > 0 else 24,
                leave=False,
                file=sys.stderr,
            )

    def update(self, amount: float = 1) -> None:
        """Count more work as done."""
        self.reach(self._done + amount)

    def reach(self, done: float) -> None:
        """State all that is done so far; never goes back."""
        done = min(done, self._total)
        if done <= self._done:
            return
        advance, self._done = done - self._done, done
        if self._tqdm is not None:
            self._tqdm.set_description_str(self._count(), refresh=False)
            self._tqdm.update(advance)

    def note(self, text: str) -> None:
        """State a few figures, shown behind the count from the next update on."""
        self._note = printable(text)

    def show(self, text: str) -> None:
        """State a few figures at once, though nothing more is done."""
        self._note = text
        if self._tqdm is not None:
            self._tqdm.set_description_str(self._count(), refresh=True)

    def say(self, text: str) -> None:
        """Print a line on stderr, above the bar if there is one."""
        text = printable(text)
        if self._tqdm is not None:
            self._tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Wipe the bar."""
        if self._tqdm is not None:
            self._tqdm.close()

    def _count(self) -> str:
        count = f"{int(self._done)}/{self._total:g} {self._unit}s"
        return f"{count} {self._note}".rstrip()


@contextmanager
def bar(
    total: float,
    unit: str = "picture",
    *,
    shown: bool | None = None,
    done: float = 0.0,
) -> Iterator[Bar]:
    """Show a progress bar, by default if stderr is a terminal; wipe it at the end.

    Examples
    --------
    >>> with bar(total=len(paths), unit="picture") as progress:
    ...     for path in paths:
    ...         progress.update(1)
    """
    if shown is None:
        shown = sys.stderr is not None and sys.stderr.isatty()
    progress = Bar(total, unit, shown, done)
    try:
        yield progress
    finally:
        progress.close()
