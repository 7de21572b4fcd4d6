"""Find the family that a checkpoint belongs to."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from zoo.errors import (
    PluginError,
    ReaderError,
    UsageError,
    WeightsError,
    ZooError,
    did_you_mean,
)
from zoo.models.base import Family, Recognition
from zoo.models.candidates import (
    Candidate,
    Stock,
    is_auxiliary,
    is_average,
    is_training,
    is_usual,
    stock_of,
)
from zoo.models.signatures import looks_like
from zoo.parsers.base import Checkpoint
from zoo.registry import registry

__all__ = ["Identified", "families", "identify"]

_NAMES_SHOWN = 6
_MOST_ASKED = 60


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


class Identified(NamedTuple):
    """What a file is, and which of its tensors.

    Attributes
    ----------
    family : type
    recognition : Recognition
    candidate : Candidate
        Its checkpoint has what the family converts.
    notes : tuple of str
        What was chosen and what else is there, as phrases.
    """

    family: type[Family]
    recognition: Recognition
    candidate: Candidate
    notes: tuple[str, ...] = ()


def identify(
    checkpoint: Checkpoint,
    source: str,
    family: str | None = None,
    state: str | None = None,
) -> Identified:
    """Find the family that a checkpoint belongs to, and the tensors that are meant.

    Parameters
    ----------
    checkpoint : Checkpoint
    source : str
        Its name in messages.
    family : str, optional
        Ask only this one.
    state : str, optional
        Ask only about the tensors whose names begin so.

    Raises
    ------
    WeightsError
        If it is none's; the message has its first names, the families there are,
        and what the nearest one misses. If tensors that are in no family lie beside
        those that are.
    ReaderError
        If it is none's and has tensors that cannot be read.
    UsageError
        If it is more than one's, or several parts of the file could be meant.
    """
    known = families(family)
    stock = stock_of(checkpoint)
    if state is not None:
        return _of_state(stock, source, known, state)
    asked, accepted = _search(stock, source, known)
    if not accepted:
        raise _refusal(asked, source, known, stock)
    chosen = _choose(accepted, source)
    strangers = _strangers(stock, chosen, accepted)
    if strangers:
        names = ", ".join(name[:60] for name in strangers[:3])
        raise WeightsError(
            f"{source!r} has {_where(chosen.candidate.path)} a {chosen.family.name} "
            f"network, and {count_of(len(strangers), 'tensor')} beside it that may "
            f"belong to it ({names}); if they do not, say --state "
            f"{chosen.candidate.path}"
        )
    return chosen._replace(notes=_notes(stock, chosen, accepted))


def _where(path: str) -> str:
    return f"under {path!r}" if path else "at its top"


def count_of(number: int, what: str) -> str:
    """A count and its noun: ``1 tensor``, ``3 tensors``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _ask(
    candidate: Candidate, source: str, known: Mapping[str, type[Family]]
) -> Identified | None:
    """Ask every family about one part of a file."""
    matches = [
        Identified(kind, recognition, candidate)
        for kind in known.values()
        if (recognition := kind.recognize(candidate.checkpoint)) is not None
    ]
    if len(matches) > 1:
        names = " and ".join(match.family.name for match in matches)
        raise UsageError(f"{source!r} fits the families {names}; choose with --family")
    return matches[0] if matches else None


def _of_state(
    stock: Stock, source: str, known: Mapping[str, type[Family]], state: str
) -> Identified:
    """What the part is that the caller chose."""
    path = state.strip().strip(".")
    candidate = stock.candidate(path)
    if candidate is None:
        paths = list(stock.paths())
        hint = did_you_mean(path, paths) or f"; there are {', '.join(paths[:12])}"
        raise UsageError(f"{source!r} has no tensors under {state!r}{hint}")
    found = _ask(candidate, source, known)
    if found is None:
        asked, accepted = _search(stock, source, known, path)
        if len(accepted) != 1:
            raise _refusal(asked, source, known, stock)
        found = accepted[0]
    return found._replace(
        notes=(f"the network is {found.candidate.path!r}, as --state says",)
    )


def _search(
    stock: Stock, source: str, known: Mapping[str, type[Family]], below: str = ""
) -> tuple[list[Candidate], list[Identified]]:
    """Ask about a path, and about what lies below where nobody knows it."""
    asked: list[Candidate] = []
    accepted: list[Identified] = []
    averages: list[str] = []
    waiting = deque([below])
    while waiting and len(asked) < _MOST_ASKED:
        path = waiting.popleft()
        candidate = stock.candidate(path)
        if candidate is None or is_training(path):
            continue
        asked.append(candidate)
        found = _ask(candidate, source, known)
        if found is not None:
            accepted.append(found)
        else:
            if is_average(path):
                averages.append(path)
            waiting += stock.paths(path)
    if not accepted and not below:
        candidate = stock.without_prefix()
        found = _ask(candidate, source, known) if candidate else None
        accepted += [found] if found else []
    # Averages often lack what is not trained, and are completed by the network.
    averages += [item.candidate.path for item in accepted if item.candidate.is_average]
    networks = [item for item in accepted if not item.candidate.is_average]
    for path in averages:
        for network in networks:
            average = stock.average_of(path, network.candidate)
            match = average and _ask(average, source, known)
            if match:
                accepted = [item for item in accepted if item.candidate.path != path]
                accepted.append(match)
                break
    return asked, accepted


def _choose(accepted: list[Identified], source: str) -> Identified:
    """The one that is meant: averages first; several different ones are refused."""
    helpers = [item for item in accepted if is_auxiliary(item.candidate.path)]
    meant = [item for item in accepted if item not in helpers] or helpers
    averages = [item for item in meant if item.candidate.is_average]
    best = averages or meant
    first = best[0]
    like = [
        item
        for item in meant
        if item.family is first.family
        and item.recognition.options == first.recognition.options
    ]
    if len(like) < len(meant) or not all(_same(first, item) for item in best[1:]):
        several = ", ".join(
            f"{item.candidate.path or 'the top'} ({item.family.name}"
            f"{_scale(item.recognition)})"
            for item in meant[:6]
        )
        raise UsageError(
            f"{source!r} holds {len(meant)} networks: {several}; choose with --state, "
            f"as in --state {meant[-1].candidate.path}"
        )
    return first


def _scale(recognition: Recognition) -> str:
    scale = recognition.options.get("scale")
    return f", x{scale}" if scale is not None else ""


def _same(one: Identified, other: Identified) -> bool:
    """Whether two candidates are the same numbers under two names."""
    first, second = one.candidate.checkpoint, other.candidate.checkpoint
    if first.shapes != second.shapes:
        return False
    return all(
        np.array_equal(first.tensors[name], second.tensors[name])
        for name in first.tensors
    )


def _strangers(
    stock: Stock, chosen: Identified, accepted: list[Identified]
) -> list[str]:
    """Names of tensors that might belong to the network, though no family says so.

    A script that keeps a network under a key of its own keeps other things under
    other keys; within one state_dict only known helpers may stand beside it.
    """
    path = chosen.candidate.path
    used = set(chosen.candidate.originals.values())
    for item in accepted:
        used |= set(item.candidate.originals.values())
    dictionaries = stock.checkpoint.metadata.get("dictionaries") or [""]
    start = stock.start_of(chosen.candidate)
    own = max((d for d in dictionaries if start.startswith(d)), key=len, default="")
    apart = bool(own) and is_usual(own.rstrip("."))
    strangers = []
    for name, original in stock.originals.items():
        if original in used or (apart and not original.startswith(own)):
            continue
        shape = stock.checkpoint.shape(original)
        above = name.rpartition(".")[0]
        if len(shape) < 1 or is_auxiliary(above) or is_average(above):
            continue
        strangers.append(original)
    return strangers if path else []


def _notes(
    stock: Stock, chosen: Identified, accepted: list[Identified]
) -> tuple[str, ...]:
    """What was chosen, and what was left aside."""
    candidate = chosen.candidate
    notes = []
    if candidate.path:
        what = "the averaged weights" if candidate.is_average else "the network is"
        one_of = f", one of {len(accepted)} that fit" if len(accepted) > 1 else ""
        verb = " are" if candidate.is_average else ""
        notes.append(f"{what}{verb} {candidate.path!r} of the file{one_of}")
    if candidate.filled:
        notes.append(
            f"{count_of(len(candidate.filled), 'tensor')} that the averages lack "
            f"come from the network itself ({candidate.filled[0]}, ...)"
        )
    used = set(candidate.originals.values()) | set(stock.counters)
    used |= set(stock.masks.values())
    aside: dict[str, int] = {}
    for name, original in stock.originals.items():
        if original not in used:
            head = name.partition(".")[0]
            aside[head] = aside.get(head, 0) + 1
    for head, number in list(aside.items())[:8]:
        notes.append(f"left aside: {count_of(number, 'other tensor')} in {head!r}")
    return tuple(notes)


def _refusal(
    asked: list[Candidate],
    source: str,
    known: Mapping[str, type[Family]],
    stock: Stock,
) -> ZooError:
    """Why no part of a file is a network that is known."""
    unreadable = stock.checkpoint.metadata.get("unreadable") or {}
    for name, reason in unreadable.items():
        if not is_auxiliary(name):
            return ReaderError(f"{source}: tensor {name[:80]!r}: {reason}")
    nearest = max(
        (item.checkpoint for item in asked),
        key=lambda part: _likeness(part, known),
        default=stock.checkpoint,
    )
    return WeightsError(_unknown(nearest, source, known, list(stock.originals)))


def _likeness(part: Checkpoint, known: Mapping[str, type[Family]]) -> float:
    """How many of its tensors might be those of a family."""
    likeness = (kind.mismatch(part).likeness for kind in known.values())
    return max(likeness, default=0.0) * len(part.tensors)


def _unknown(
    checkpoint: Checkpoint,
    source: str,
    known: Mapping[str, type[Family]],
    all_names: list[str],
) -> str:
    """What is in a checkpoint that nobody knows, and what comes nearest."""
    names = list(checkpoint.tensors)
    shown = ", ".join(name[:60] for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    alike = looks_like(all_names) or looks_like(names)
    what = f"; it looks like {alike}" if alike else ""
    if alike and not any(name in alike.lower() for name in known):
        what += ", which zoo does not convert"
    text = (
        f"{source!r} is of no known family{what}; its tensors are {shown or 'none'}{more}; "
        f"the families are {', '.join(known)}"
    )
    reasons = [
        (candidate.mismatch(checkpoint), name) for name, candidate in known.items()
    ]
    if not reasons:
        return text
    # What holds another family whole is as near to its names as that one itself.
    nearest, name = max(
        reasons,
        key=lambda reason: (reason[0].likeness, reason[1] in (alike or "").lower()),
    )
    if nearest.likeness == 0:
        return f"{text}, and no name is like any of theirs"
    layout = f" as named by {nearest.layout}" if nearest.layout else ""
    return f"{text}; the nearest is {name}{layout}: {nearest.reason}"
