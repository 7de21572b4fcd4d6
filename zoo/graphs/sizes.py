"""Which sizes of picture a graph takes: it is traced at several, and compared.

What a file declares proves nothing: a graph that was exported at 64 x 64 may work at
any size, and one that is declared open may have 64 frozen in a Reshape. So the whole
way to steps is gone at several sizes, among them primes, odd and even ones; only if all
give the same steps is the network taken to work everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Untranslatable, WrongSize
from zoo.shapes import Shape

__all__ = ["Survey", "same", "survey"]

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 3, 6, 12, 24, 48, 5, 10, 20, 7, 14, 28)
_LEAST = 72
_SMALL = 30

Attempt = Callable[[Shape, bool], tuple[Draft, Counter[str]]]


@dataclass
class Survey:
    """What became of the trials.

    Attributes
    ----------
    draft : Draft
        Simplified steps.
    shape : Shape
        The size at which it was made.
    multiple : int
        What height and width must be multiples of.
    fixed : bool
        Whether it works at this size only.
    ratio : tuple of (int, int)
        Rows of the input and of the output, at two sizes; the same twice if fixed.
    """

    draft: Draft
    shape: Shape
    multiple: int = 1
    fixed: bool = False
    rows: tuple[tuple[int, int], ...] = ()


def survey(attempt: Attempt, channels: int, fixed: Iterable[tuple[int, int]]) -> Survey:
    """Find the sizes that a graph works at.

    Parameters
    ----------
    attempt : callable
        Traces and simplifies at a size; returns the draft and what has no translation,
        among it, if the second argument says so, what has no layer.
    channels : int
        Of the picture.
    fixed : iterable of (height, width)
        Sizes that the file may be made for, tried when it is not open.

    Raises
    ------
    Untranslatable
        If operators have no translation; the message counts them.
    WrongSize
        If no size works.
    """
    problems: Counter[str] = Counter()
    wrong: WrongSize | None = None
    for multiple in _MULTIPLES:
        try:
            found = _at_multiples(attempt, channels, multiple, problems)
        except WrongSize as error:
            wrong = wrong or error
            continue
        if found is not None:
            return found
    for height, width in fixed:
        try:
            draft, missing = attempt(Shape(height, width, channels), True)
        except WrongSize as error:
            wrong = wrong or error
            continue
        problems = problems or missing
        if not missing:
            rows = ((height, draft.output.shape.height),)
            return Survey(draft, Shape(height, width, channels), 1, True, rows)
    if problems:
        raise Untranslatable(_listed(problems))
    raise wrong or WrongSize("what it computes depends on the size of the picture")


def _listed(problems: Counter[str]) -> str:
    parts = [
        what if count == 1 else f"{what} ({count} times)"
        for what, count in problems.most_common()
    ]
    return "; ".join(parts)


def _at_multiples(
    attempt: Attempt, channels: int, multiple: int, problems: Counter[str]
) -> Survey | None:
    first: Survey | None = None
    for height, width in _sizes(multiple):
        shape = Shape(height, width, channels)
        try:
            draft, missing = attempt(shape, first is None)
        except WrongSize:
            if height < _LEAST:  # too small, perhaps
                continue
            raise
        if missing:
            if not problems:
                problems.update(missing)
            return None
        rows = ((height, draft.output.shape.height),)
        if first is None:
            first = Survey(draft, shape, multiple, False, rows)
        elif not same(first.draft, draft):
            return None
        else:
            first.rows += rows
    return first


def _sizes(multiple: int) -> Iterator[tuple[int, int]]:
    """Primes, odd and even multiples, never square; then a large and a small one."""
    start = -(-_LEAST // multiple)
    while not _is_prime(start):
        start += 1
    for first, second in ((0, 1), (1, 2), (2, 3), (3, 0), (start * 2, start)):
        yield (start + first) * multiple, (start + second) * multiple
    small = max(_SMALL // multiple, 1)
    if multiple * (small + 1) < _LEAST:
        yield multiple * small, multiple * (small + 1)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % k for k in range(2, int(number**0.5) + 1))


def same(one: Draft, other: Draft) -> bool:
    """Whether two drafts have the same steps, whatever their sizes."""
    if len(one.steps) != len(other.steps):
        return False
    places = {step: index for index, step in enumerate(one.steps)}
    others = {step: index for index, step in enumerate(other.steps)}
    if places[one.output] != others[other.output] or one.net != other.net:
        return False
    for a, b in zip(one.steps, other.steps, strict=True):
        if a.kind != b.kind or a.values.keys() != b.values.keys():
            return False
        if [places[x] for x in a.inputs] != [others[x] for x in b.inputs]:
            return False
        if not all(_equal(a, b, name) for name in a.values):
            return False
    return True


def _equal(a: Step, b: Step, name: str) -> bool:
    x, y = a.values[name], b.values[name]
    if a.kind == "conv" and name == "pads" and a.values["same"] is b.values["same"]:
        is_square = a.values["weights"].shape[0] == a.values["weights"].shape[1]
        if a.values["same"] and is_square:
            return True  # the layer finds them itself
    if x is y:
        return True
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return _close(x, y)
    if isinstance(x, float) and isinstance(y, float):
        return x == y or abs(x - y) <= 1e-5 * max(abs(x), abs(y))
    return bool(x == y)


def _close(x: Any, y: Any) -> bool:
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
        return False
    if x.shape != y.shape:
        return False
    if not x.size:
        return True
    return bool(np.abs(x - y).max() <= 1e-5 * max(float(np.abs(x).max()), 1e-30))
