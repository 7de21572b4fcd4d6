"""Find the family that a checkpoint belongs to."""

from __future__ import annotations

import warnings

from zoo.errors import PluginError, UsageError, WeightsError
from zoo.models.base import Family, Recognition
from zoo.parsers.base import Checkpoint
from zoo.registry import registry

__all__ = ["families", "identify"]

_NAMES_SHOWN = 6


def families(only: str | None = None) -> dict[str, type[Family]]:
    """All families by canonical name, or the one that is named.

    One that does not load costs a warning, unless it was named.
    """
    known = registry("zoo.models")
    if only is not None:
        return {only: known.load(only)}
    found = {}
    for name in known.canonical():
        try:
            found[name] = known.load(name)
        except PluginError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
    return found


def identify(
    checkpoint: Checkpoint, source: str, family: str | None = None
) -> tuple[type[Family], Recognition]:
    """Find the family that a checkpoint belongs to.

    Parameters
    ----------
    checkpoint : Checkpoint
    source : str
        Its name in messages.
    family : str, optional
        Ask only this one.

    Raises
    ------
    WeightsError
        If it is none's; the message has its first names, the families there are,
        and what the nearest one misses.
    UsageError
        If it is more than one's.
    """
    known = families(family)
    matches = [
        (candidate, recognition)
        for candidate in known.values()
        if (recognition := candidate.recognize(checkpoint)) is not None
    ]
    if len(matches) > 1:
        names = " and ".join(candidate.name for candidate, _ in matches)
        raise UsageError(f"{source!r} fits the families {names}; choose with --family")
    if not matches:
        raise WeightsError(_unknown(checkpoint, source, known))
    return matches[0]


def _unknown(
    checkpoint: Checkpoint, source: str, known: dict[str, type[Family]]
) -> str:
    """What is in a checkpoint that nobody knows, and what comes nearest."""
    names = list(checkpoint.tensors)
    shown = ", ".join(name[:60] for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    text = (
        f"{source!r} is of no known family; its tensors are {shown or 'none'}{more}; "
        f"the families are {', '.join(known)}"
    )
    reasons = [
        (candidate.mismatch(checkpoint), name) for name, candidate in known.items()
    ]
    if not reasons:
        return text
    nearest, name = max(reasons, key=lambda reason: reason[0].likeness)
    if nearest.likeness == 0:
        return f"{text}, and no name is like any of theirs"
    layout = f" as named by {nearest.layout}" if nearest.layout else ""
    return f"{text}; the nearest is {name}{layout}: {nearest.reason}"
