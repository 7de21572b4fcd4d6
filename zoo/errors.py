"""Everything that zoo raises on purpose.

::

    ZooError                   something failed; exit code 1
     ├── UsageError            the call itself is wrong; exit code 2
     ├── CfgError              a network's text is wrong (says file:line)
     ├── ShapeError            arrays or layers do not fit each other
     ├── WeightsError          weights do not fit the network, or are missing
     ├── ReaderError           a checkpoint is unreadable, hostile or unknown
     ├── ImageError            a picture cannot be read or written
     │    └── DamagedError     a file is damaged, and something of it can be read
     ├── PluginError           a plugin is missing, broken or ambiguous
     └── MemoryLimitError      the work does not fit the memory allowed

Every message is one sentence that says what is wrong, where, and what to do.
The command line prints it without a traceback unless ``--debug`` is given.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "CfgError",
    "DamagedError",
    "ImageError",
    "MemoryLimitError",
    "NotFiniteError",
    "PluginError",
    "ReaderError",
    "ShapeError",
    "UnknownNetworkError",
    "UnknownPluginError",
    "UsageError",
    "WeightsError",
    "ZooError",
    "did_you_mean",
]


class ZooError(Exception):
    """Base of all errors that zoo raises on purpose."""

    exit_code = 1


class UsageError(ZooError):
    """A command or function was called with arguments that cannot be meant."""

    exit_code = 2


class CfgError(ZooError):
    """A cfg text is wrong.

    Parameters
    ----------
    message : str
        What is wrong and what to do.
    source : str, optional
        File name, or another name of the text.
    line : int, optional
        Line number, from 1.
    """

    def __init__(
        self, message: str, source: str | None = None, line: int | None = None
    ) -> None:
        self.source = source
        self.line = line
        where = ":".join(str(part) for part in (source, line) if part is not None)
        super().__init__(f"{where}: {message}" if where else message)


class UnknownNetworkError(CfgError):
    """There is no network of a name: the call is wrong, and no text."""

    exit_code = 2


class ShapeError(ZooError):
    """Arrays or layers do not fit each other."""


class WeightsError(ZooError):
    """Weights are missing or belong to another network."""


class ReaderError(ZooError):
    """A checkpoint file is truncated, damaged, hostile or of no known format."""


class ImageError(ZooError):
    """A picture cannot be read or written."""


class DamagedError(ImageError):
    """A picture is damaged; who insists (``damaged=True``) gets what is left."""


class PluginError(ZooError):
    """A plugin is missing, broken, or two claim the same name."""


class NotCompiledError(PluginError):
    """A back end was left out when zoo was installed, which is no fault."""


class UnknownPluginError(PluginError):
    """There is no plugin of a name that was asked for."""

    exit_code = 2


class NotFiniteError(ZooError):
    """A network gives NaN or infinity: its weights are of no use."""


class MemoryLimitError(ZooError):
    """The work cannot be done in the memory allowed; ``needed`` bytes would do."""

    needed: int | None = None


def did_you_mean(name: str, known: Iterable[str], form: str = "{!r}") -> str:
    """End of a sentence on a name that is not known.

    Parameters
    ----------
    name : str
        The wrong one.
    known : iterable of str
        Those that there are.
    form : str
        How the nearest one is written; by default in quotes.

    Returns
    -------
    str
        ``; did you mean 'x'?``, or nothing if none is like it.
    """
    # Takes as long to import as this module.
    from difflib import SequenceMatcher, get_close_matches

    wanted = name[:60].casefold()
    by_fold: dict[str, str] = {}
    for one in known:
        by_fold.setdefault(one.casefold(), one)
    near = get_close_matches(wanted, list(by_fold), n=8)
    if not near:
        return ""

    def likeness(other: str) -> tuple[bool, float]:
        # edsr_2x is edsr_x2, though edsr_x4 has as many letters in common.
        return _digits(wanted) == _digits(other), SequenceMatcher(
            None, sorted(wanted), sorted(other)
        ).ratio()

    return f"; did you mean {form.format(by_fold[max(near, key=likeness)])}?"


def _digits(name: str) -> list[str]:
    return [char for char in name if char.isdigit()]
