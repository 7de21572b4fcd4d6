"""How one publisher names the tensors of a family in a checkpoint.

A family's own names are those of its authors' program. A :class:`Naming` says how
others call the same tensors, and what goes without saying in their files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from zoo.models.state_dict import WEIGHT_FORMS, StateDict
from zoo.parsers.base import Checkpoint

__all__ = ["Assume", "Naming", "published"]

Assume = Callable[[Mapping[str, Any]], Mapping[str, tuple[Any, str]]]
"""From the hyper-parameters known so far, (value, reason) of those not stated."""


def published(**values: Any) -> Assume:
    """Assume these values where a file does not state them."""
    return lambda options: {
        name: (value, "as published") for name, value in values.items()
    }


_PARTS = (
    *(end[1:] for ends in WEIGHT_FORMS for end in ends),
    *("bias", "running_mean", "running_var", "num_batches_tracked"),
)
_ANY_PART = "(?P<_part>" + "|".join(map(re.escape, _PARTS)) + ")"
_PLACE = re.compile(r"\{(\d*)([a-z])(?:\+(\d+))?\}")


@dataclass(frozen=True)
class Naming:
    """One way of naming the tensors of a family.

    Attributes
    ----------
    name : str
        Whose it is, for people.
    rules : sequence of (str, str)
        Names of modules or of tensors in the file, and the family's own. In them
        ``{b}`` stands for a number, ``{b+1}`` for the next one, ``{2b}`` for twice
        it; what :attr:`counts` counts, such as ``{n}``, is known. A name that no
        rule fits stays unknown. Without rules the names are the family's own.
    counts : mapping of str to str
        What stands for the number of something, and the name in the file of the
        one with the number ``{b}``: from 0 on they are counted.
    axes : {"OIHW", "HWIO"}
        Order of the axes of a weight in the file.
    fixed : mapping of str to object
        Hyper-parameters that are part of the naming.
    assume : callable
        See :data:`Assume`.
    rename : callable, optional
        In place of rules: from the checkpoint and the names in it, the family's own
        for those that are known.
    like : re.Pattern, optional
        Beside ``rename``: what matches names that may be of this naming.
    """

    name: str
    rules: Sequence[tuple[str, str]] = ()
    counts: Mapping[str, str] = field(default_factory=dict)
    axes: str = "OIHW"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    assume: Assume = field(default=lambda options: {})
    rename: Callable[[Checkpoint, Sequence[str]], Mapping[str, str]] | None = None
    like: re.Pattern[str] | None = None

    def state_dict(
        self, checkpoint: Checkpoint, unwrapped: Mapping[str, str]
    ) -> StateDict:
        """A checkpoint's tensors under the family's names.

        Parameters
        ----------
        checkpoint : Checkpoint
        unwrapped : mapping of str to str
            From names without wrappers to names in the file.
        """
        own: Mapping[str, str] = {}
        if self.rename is not None:
            own = self.rename(checkpoint, list(unwrapped))
        elif self.rules:
            own = self._by_rules(unwrapped)
        else:
            return StateDict(checkpoint, unwrapped, self.axes)
        # A name that nobody knows must not pass for one of the family's own.
        renamed = {own.get(name, f"?{name}"): unwrapped[name] for name in unwrapped}
        return StateDict(checkpoint, renamed, self.axes)

    def likeness(self, names: Iterable[str], own: re.Pattern[str]) -> float:
        """Part of a file's names that could be of this naming, 0 to 1.

        ``own`` matches the family's own names.
        """
        names = list(names)
        patterns = [pattern for pattern, _, _ in self._compiled({})]
        patterns = patterns or [self.like or own]
        hits = sum(any(p.fullmatch(name) for p in patterns) for name in names)
        return hits / len(names) if names else 0.0

    def _by_rules(self, names: Iterable[str]) -> dict[str, str]:
        names = list(names)
        counts = self._counted(names)
        found: dict[str, str] = {}
        for name in names:
            for pattern, places, target in self._compiled(counts):
                match = pattern.fullmatch(name)
                values = match and _values(match, places)
                if match and values is not None:
                    own = _filled(target, {**values, **counts})
                    part = match["_part"]
                    found[name] = f"{own}.{part}" if part else own
                    break
        if len(set(found.values())) != len(found):
            return {}
        return found

    def _counted(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers that :attr:`counts` asks for."""
        if not self.counts:
            return {}
        heads = set(names)
        for name in names:
            while name := name.rpartition(".")[0]:
                heads.add(name)
        counts = {}
        for variable, template in self.counts.items():
            count = 0
            while _filled(template, {"b": count}) in heads:
                count += 1
            counts[variable] = count
        return counts

    def _compiled(
        self, counts: Mapping[str, int]
    ) -> list[tuple[re.Pattern[str], _Places, str]]:
        """Each rule as a pattern, what its groups stand for, and the family's name."""
        return _compiled(tuple(self.rules), tuple(counts.items()))


_Places = list[tuple[str, int, int]]


@lru_cache(64)
def _compiled(
    rules: tuple[tuple[str, str], ...], counts: tuple[tuple[str, int], ...]
) -> list[tuple[re.Pattern[str], _Places, str]]:
    return [(*_to_pattern(theirs, dict(counts)), own) for theirs, own in rules]


def _to_pattern(
    template: str, counts: Mapping[str, int]
) -> tuple[re.Pattern[str], _Places]:
    """A pattern for the names a template can give, and (variable, factor, offset)s."""
    text, places, end = "", [], 0
    for place in _PLACE.finditer(template):
        text += re.escape(template[end : place.start()])
        factor, variable, offset = place.groups()
        scale, shift = int(factor or 1), int(offset or 0)
        if variable in counts:
            text += str(scale * counts[variable] + shift)
        else:
            text += r"(\d{1,6})"
            places.append((variable, scale, shift))
        end = place.end()
    text += re.escape(template[end:])
    return re.compile(f"{text}(?:\\.{_ANY_PART})?"), places


def _values(match: re.Match[str], places: _Places) -> dict[str, int] | None:
    """The numbers behind a match; None if they contradict."""
    values: dict[str, int] = {}
    for text, (variable, factor, offset) in zip(match.groups(), places, strict=False):
        number, rest = divmod(int(text) - offset, factor)
        if rest or number < 0 or values.setdefault(variable, number) != number:
            return None
    return values


def _filled(template: str, values: Mapping[str, int]) -> str:
    def number(place: re.Match[str]) -> str:
        factor, variable, offset = place.groups()
        return str(int(factor or 1) * values[variable] + int(offset or 0))

    return _PLACE.sub(number, template)
