"""Measuring on an engine: a picture, or a volume, for one entrant is an item."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ZooError
from zoo.evaluate.contest import Contest, Measuring, Part, measured
from zoo.evaluate.datasets import PictureSet
from zoo.evaluate.entrants import Bicubic, Entrant, NetworkEntrant
from zoo.run.engines import Call, Engine, Lost

if TYPE_CHECKING:
    from zoo.evaluate.report import Worst
    from zoo.run.files import NetworkFile

__all__ = ["MeasureItem", "measure_on"]

Task = tuple[Entrant, str, PictureSet]


@dataclass(frozen=True)
class MeasureItem:
    """One picture of a set, to be measured for one entrant.

    Attributes
    ----------
    pictures : PictureSet
        Of the one.
    measuring : Measuring
    name : str
        Of the entrant; without network it is bicubic.
    network : int or None
        Number of the network.
    use_ensemble : bool
    wants_worst : bool
        Whether the worst crop is looked for, for a report.
    shown : dict of str to str
        What paths are called in sentences.
    """

    pictures: PictureSet
    measuring: Measuring
    name: str
    network: int | None = None
    use_ensemble: bool = False
    wants_worst: bool = False
    shown: Mapping[str, str] = field(default_factory=dict)

    def reads(self) -> tuple[str, ...]:
        """The large picture, and the small one and the mask if there are."""
        every = (*self.pictures.high, *self.pictures.low, self.pictures.mask)
        return tuple(str(path) for path in every if path is not None)

    def moved(self, places: Mapping[str, str], folder: str) -> MeasureItem:
        """The same with its files elsewhere."""
        mask = self.pictures.mask
        pictures = replace(
            self.pictures,
            high=tuple(Path(places[str(path)]) for path in self.pictures.high),
            low=tuple(
                None if path is None else Path(places[str(path)])
                for path in self.pictures.low
            ),
            mask=None if mask is None else Path(places[str(mask)]),
        )
        shown = {place: self.shown.get(path, path) for path, place in places.items()}
        return replace(self, pictures=pictures, shown=shown)

    def run(
        self, common: None, networks: tuple[NetworkFile, ...]
    ) -> tuple[Part, Worst | None]:
        """Measure it."""
        entrant: Entrant = Bicubic()
        if self.network is not None:
            model = networks[self.network].load()
            entrant = NetworkEntrant(self.name, model, use_ensemble=self.use_ensemble)
        worst = None
        if self.wants_worst:
            from zoo.evaluate.report import Worst

            worst = Worst(entrant)
        part = measured(entrant, self.pictures, self.measuring, worst)
        left_out = dict(part.left_out)
        for path, name in self.shown.items():
            left_out = {key: why.replace(path, name) for key, why in left_out.items()}
        if worst is not None:
            worst.entrant = Bicubic()  # a network would be sent back with it
        return replace(part, left_out=left_out, facts=entrant.facts), worst


def measure_on(
    engine: Engine,
    contest: Contest,
    tasks: Sequence[Task],
    worst: Sequence[Worst | None],
    on_picture: Callable[[], None],
) -> None:
    """Measure entrants on sets; the results are those of :meth:`Contest.measure`.

    Parameters
    ----------
    engine : Engine
    contest : Contest
        Gets the results.
    tasks : sequence of (Entrant, str, PictureSet)
        What is not bicubic or a network of a file is measured here.
    worst : sequence of Worst or None
        Of each, for a report.
    on_picture : callable
        Called after each.
    """
    networks: list[NetworkFile] = []
    items: list[MeasureItem] = []
    owners: list[tuple[int, int]] = []
    for number, (entrant, _, pictures) in enumerate(tasks):
        plain = Measuring(
            contest.scale_of(entrant, pictures), tuple(contest.metrics), contest.how
        )
        item = MeasureItem(
            pictures, plain, entrant.name, wants_worst=bool(worst[number])
        )
        if isinstance(entrant, NetworkEntrant) and entrant.file is not None:
            if entrant.file not in networks:
                networks.append(entrant.file)
            item = replace(
                item,
                name=entrant.plain_name,
                network=networks.index(entrant.file),
                use_ensemble=entrant.use_ensemble,
            )
        elif not isinstance(entrant, Bicubic):
            continue
        for place, one in enumerate(_one_by_one(item)):
            items.append(one)
            owners.append((number, place))
    found: list[dict[int, Part]] = [{} for _ in tasks]
    crops: list[dict[int, Worst]] = [{} for _ in tasks]
    if items:
        for which, result in engine.work(Call(items, None, tuple(networks))):
            number, place = owners[which]
            if isinstance(result, Lost):
                name = items[which].pictures.names[0]
                raise ZooError(f"{name} {result.reason}")
            part, seen = result
            found[number][place] = part
            if seen is not None:
                crops[number][place] = seen
            on_picture()
    for number, (entrant, name, pictures) in enumerate(tasks):
        parts = [part for _, part in sorted(found[number].items())]
        kept = worst[number]
        if parts:
            contest.conclude(entrant, name, pictures, parts)
            for _, seen in sorted(crops[number].items()):
                assert kept is not None
                kept.join(seen)
        else:
            contest.measure(entrant, name, pictures, kept)


def _one_by_one(item: MeasureItem) -> Iterator[MeasureItem]:
    """An item of a whole set as items of its pictures, by absolute paths."""
    pictures = item.pictures
    mask = None if pictures.mask is None else pictures.mask.absolute()
    for high, low, name in zip(
        pictures.high, pictures.low, pictures.names, strict=True
    ):
        one = replace(
            pictures,
            high=(high.absolute(),),
            low=(None if low is None else low.absolute(),),
            names=(name,),
            note="",
            mask=mask,
        )
        shown = {
            os.path.abspath(path): str(path)
            for path in (high, low, pictures.mask)
            if path is not None
        }
        yield replace(item, pictures=one, shown=shown)
