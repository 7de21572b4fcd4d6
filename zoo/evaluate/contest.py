"""Several entrants on several sets, one result each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from zoo.errors import ImageError, UsageError, ZooError
from zoo.evaluate.datasets import PictureSet
from zoo.evaluate.entrants import Entrant
from zoo.evaluate.pairs import Pair
from zoo.evaluate.presets import PROTOCOLS, Protocol
from zoo.evaluate.protocol import METRICS, Scores, cases_in, scored

__all__ = ["Contest", "Measuring", "Part", "Result", "measured"]


@dataclass(frozen=True)
class Result:
    """One entrant on one set.

    Attributes
    ----------
    entrant : str
    set_name : str
    scores : Scores
    seconds : float
        That the entrant took for a picture, on average; the first one, which makes a
        plan, included.
    left_out : mapping of str to str
        Pictures that could not be measured, and why.
    facts : mapping
        See :class:`zoo.evaluate.entrants.Entrant`.
    """

    entrant: str
    set_name: str
    scores: Scores
    seconds: float
    left_out: Mapping[str, str]
    facts: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": self.entrant,
            "folder": self.set_name,
            "scale": self.scores.scale,
            "protocol": self.scores.protocol,
            "is_complete": not self.left_out,
            **self.scores.means,
            "seconds_per_picture": self.seconds,
            **self.facts,
            "pictures": [{"name": s.name, **s.values} for s in self.scores.scores],
            "left_out": [{"name": n, "reason": r} for n, r in self.left_out.items()],
            **self._of_volumes(),
        }

    def _of_volumes(self) -> dict[str, Any]:
        """What there is of whole volumes."""
        scores = self.scores
        found: dict[str, Any] = {}
        if scores.volumes:
            found["volumes"] = [{"name": s.name, **s.values} for s in scores.volumes]
        if scores.empty:
            found["empty_slices"] = dict(scores.empty)
        return found


@dataclass
class Contest:
    """Entrants, and the sets that they are measured on.

    Attributes
    ----------
    entrants : sequence of Entrant
    scale : int or None
        For entrants that can do any.
    metrics : sequence of str
    how : Protocol
    on_picture : callable
        Called after each picture, measured or not.
    """

    entrants: Sequence[Entrant]
    scale: int | None = None
    metrics: Sequence[str] = METRICS
    how: Protocol = PROTOCOLS["benchmark"]
    on_picture: Callable[[], None] = lambda: None
    results: list[Result] = field(default_factory=list)

    def scale_of(self, entrant: Entrant, pictures: PictureSet) -> int:
        """At which enlargement an entrant is measured on a set.

        Raises
        ------
        UsageError
            If nobody says it.
        """
        if entrant.scale is not None:
            if self.scale not in (None, entrant.scale):
                raise UsageError(
                    f"{entrant.name} enlarges {entrant.scale} times, not {self.scale} "
                    f"times"
                )
            return entrant.scale
        others = {other.scale for other in self.entrants if other.scale is not None}
        common = next(iter(others)) if len(others) == 1 else None
        scale = self.scale or common or pictures.scale
        if scale is None:
            raise UsageError(
                f"{entrant.name} needs --scale, for {pictures.root} does not tell it"
            )
        return scale

    def measure(
        self,
        entrant: Entrant,
        name: str,
        pictures: PictureSet,
        call: Callable[[Pair], Any] | None = None,
    ) -> Result:
        """Measure one entrant on one set; ``call`` is used in its place, if given.

        Raises
        ------
        ImageError
            If no picture could be measured.
        """
        scale = self.scale_of(entrant, pictures)
        part = measured(
            entrant,
            pictures,
            Measuring(scale, tuple(self.metrics), self.how),
            call,
            self.on_picture,
        )
        return self.conclude(entrant, name, pictures, [part])

    def conclude(
        self, entrant: Entrant, name: str, pictures: PictureSet, parts: Sequence[Part]
    ) -> Result:
        """The result of an entrant on a set that was measured in parts, in its order.

        Raises
        ------
        ImageError
            If no picture could be measured.
        """
        every = [part.scores for part in parts]
        scores = tuple(score for some in every for score in some.scores)
        empty: Counter[str] = Counter()
        for some in every:
            empty.update(some.empty)
        left_out = {n: why for part in parts for n, why in part.left_out.items()}
        if not scores:
            reason = next(iter(left_out.values()), "none is left")
            raise ImageError(
                f"none of {len(pictures)} pictures could be measured: {reason}"
            )
        seconds = sum(part.seconds for part in parts) / len(scores)
        result = Result(
            entrant.name,
            name,
            replace(
                every[0],
                scores=scores,
                volumes=tuple(score for some in every for score in some.volumes),
                empty=dict(empty),
            ),
            seconds,
            left_out,
            {**entrant.facts, **parts[0].facts},
        )
        self.results.append(result)
        return result


@dataclass(frozen=True)
class Measuring:
    """How pictures are measured."""

    scale: int
    metrics: tuple[str, ...]
    how: Protocol


@dataclass(frozen=True)
class Part:
    """What some pictures of a set came to.

    Attributes
    ----------
    scores : Scores
        Perhaps of none.
    left_out : dict of str to str
        Pictures that could not be measured, and why.
    seconds : float
        That the entrant took for all of them.
    facts : dict
        Of the entrant where it ran, if that was elsewhere.
    """

    scores: Scores
    left_out: dict[str, str]
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)


def measured(
    entrant: Entrant,
    pictures: PictureSet,
    measuring: Measuring,
    call: Callable[[Pair], Any] | None = None,
    on_picture: Callable[[], None] = lambda: None,
) -> Part:
    """Measure pictures; ``call`` is used in the entrant's place, if given."""
    left_out: dict[str, str] = {}
    spent = 0.0

    def leave_out(picture: str, error: ZooError) -> None:
        left_out[picture] = str(error)
        on_picture()

    def enlarge(pair: Pair) -> Any:
        nonlocal spent
        start = time.perf_counter()
        result = (call or entrant)(pair)
        spent += time.perf_counter() - start
        return result

    empty: Counter[str] = Counter()
    scores = scored(
        enlarge,
        cases_in(pictures, measuring.scale, leave_out, empty),
        measuring.scale,
        pictures.low_resolution,
        report=lambda _: on_picture(),
        metrics=measuring.metrics,
        leave_out=leave_out,
        how=measuring.how,
    )
    return Part(replace(scores, empty=dict(empty)), left_out, spent)
