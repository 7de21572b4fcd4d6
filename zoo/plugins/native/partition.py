"""How a plan is cut into bands of rows and strips of columns, to fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from zoo.errors import MemoryLimitError, ShapeError
from zoo.machine.memory import amount, least_amount
from zoo.plugins.native.arena import Arena
from zoo.plugins.native.describe import describe
from zoo.plugins.native.packing import PackedConvolution
from zoo.plugins.native.target import Target
from zoo.program.geometry import Window
from zoo.program.program import Program
from zoo.program.schedule import Alignment, Schedule, plan_bands
from zoo.program.strips import Strip, cut, whole

__all__ = ["COMFORT", "Partition", "PartitionSearch"]

COMFORT = 256e6
"""Bytes: with values of more, bands get smaller though the limit would allow more."""
# Tiles of 4 x 4 pixels in one task: enough work between two barriers. Weights that
# do not stay in the cache are read again for every task, so they want longer ones.
_TILES, _TILES_LARGE = 256, 512
_CACHED = 24 * 2**20
_SAVES = (
    0.9  # of the memory, with half the rows: what takes more is no more comfortable
)
_HALVINGS = 4  # bands to try before there are more strips
# Values of more are cut into strips where that costs few columns that two of them
# compute: what a strip keeps stays in the caches, so that it is not slower (2 strips of
# 1920 columns, EDSR r16f64: 0.94 of the time with AVX-512, 0.84 with AMX), and a large
# picture takes little memory.
_LIGHT = 160e6
_OVERLAP = 1.1  # work of strips as a part of that without them
_STRIP = 12  # columns of the picture of which strips are made: whole tiles of each kind
_NARROW = 48  # columns of the picture; narrower strips compute most columns twice


class Partition(NamedTuple):
    """One way to cut the work up; ``memory`` in bytes, of all that it holds."""

    band: int
    strips: list[Strip]
    schedule: Schedule
    arenas: list[Arena]
    engines: list[Any]
    floats: int
    scratch_floats: int
    memory: int


class PartitionSearch:
    """Finds the quickest way to cut a program up that fits into some memory.

    Parameters
    ----------
    program : Program
        In steps that C knows.
    convolutions : mapping of int to PackedConvolution
        By position of the step.
    target : Target
    tile_rows, unit : callable
        Give, for the position of a step, the rows that it computes together,
        before and after the shuffle that it may have taken on.
    window : Window, optional
        The part of the output that is computed; by default all.
    """

    def __init__(
        self,
        program: Program,
        convolutions: Mapping[int, PackedConvolution],
        target: Target,
        tile_rows: Callable[[int], int],
        unit: Alignment,
        window: Window | None = None,
    ) -> None:
        height, width, _ = program.shapes[program.output]
        self.rows = None if window is None else window.rows
        self.first, self.last = (0, width) if window is None else window.columns
        self.height = height if window is None else window.size[0]
        self.width = self.last - self.first
        self.program = program
        self.convolutions = convolutions
        self.target = target
        self.unit = unit
        self._tile_rows = tile_rows
        self._schedules: dict[int, Schedule] = {}
        self._cuts: dict[int, list[Strip]] = {}

    def fit(self, memory: int | None) -> Partition:
        """Choose bands and strips: comfortable ones, or smaller ones that fit.

        Fewer rows at a time cost more barriers, more strips cost columns that
        two of them compute. A few wide strips are taken where values take much, though
        the limit would allow more. Otherwise bands shrink first, and while values take
        more than is comfortable. What still does not fit is tried with ever smaller
        bands, and narrower strips last.

        Raises
        ------
        MemoryLimitError
            If nothing fits. It names the least with which something would have.
        """
        limit = math.inf if memory is None else memory
        band, size = next(self._ways())
        single = self._partition(band, size)
        # A picture of few rows takes less memory in one band: no rings, and the
        # place of a value is free as soon as its readers are done.
        at_once = self._partition(self.height, self.width)
        if single is None or at_once is None:
            raise ShapeError("a part of the picture is too narrow for this network")
        if at_once.memory <= min(single.memory, limit, COMFORT):
            return at_once
        if min(single.memory, at_once.memory) > _LIGHT:
            light = self._in_wide_strips(min(limit, _LIGHT))
            if light is not None:
                return light
        least = min(single.memory, at_once.memory)
        uncomfortable = None
        for band, size in self._ways():
            if uncomfortable is not None and size < self.width:
                return uncomfortable
            partition = self._partition(band, size)
            if partition is None:
                continue
            least = min(least, partition.memory)
            if partition.memory <= limit:
                if partition.memory <= COMFORT or size < self.width:
                    return partition
                if uncomfortable and partition.memory > _SAVES * uncomfortable.memory:
                    return uncomfortable  # whole values, which no band makes smaller
                uncomfortable = partition
        if uncomfortable is not None:
            return uncomfortable
        error = MemoryLimitError(
            f"the values between the layers need {least_amount(least)} at least and "
            f"{amount(limit)} are allowed; allow more memory"
        )
        error.needed = least
        raise error

    def _in_wide_strips(self, limit: float) -> Partition | None:
        """The widest strips that fit while they overlap little; None if none do."""
        band = self._comfortable_band()
        least = 0
        for size in self._sizes():
            strips = self._strips(size)
            work = sum(_work(strip.program) for strip in strips)
            least = least or work
            if work > _OVERLAP * least:
                return None
            if strips:
                # As many tiles in a task as without strips.
                rows = min(self.height, band * (self.width // size))
                for some in (rows, band):
                    partition = self._partition(some, size)
                    if partition is not None and partition.memory <= limit:
                        return partition
        return None

    def _ways(self) -> Iterator[tuple[int, int]]:
        """Rows of a band and columns of a strip, the quickest first."""
        bands, sizes = list(self._bands()), list(self._sizes())
        narrow = min(_NARROW // _STRIP * self._strip_unit(), self.width)
        for some in (
            [size for size in sizes if size >= narrow],
            [size for size in sizes if size < narrow],
        ):
            for size in some:
                yield from ((band, size) for band in bands[:_HALVINGS])
            for size in some:
                yield from ((band, size) for band in (*bands[_HALVINGS:], self.height))

    def _bands(self) -> Iterator[int]:
        """Output rows at a time: a comfortable number first, then halves of it."""
        band, least = self._comfortable_band(), self._least_band()
        yield band
        while band > 1 and band // 2 >= least:
            band //= 2
            yield band

    def _sizes(self) -> Iterator[int]:
        """Columns of output of a strip, from all of them to the fewest."""
        total, unit = self.width, self._strip_unit()
        yield total
        seen = {total}
        count = 2
        while True:
            size = max(unit, math.ceil(total / count / unit) * unit)
            if size < total and size not in seen:
                seen.add(size)
                yield size
            if size <= unit:
                return
            # 2, 3, 4, 6, 8, 12, ...
            count = count * 3 // 2 if count & (count - 1) == 0 else count * 4 // 3

    def _strip_unit(self) -> int:
        last = self.program.shapes[self.program.output].width
        first = self.program.shapes[0].width
        return max(1, _STRIP * last // max(1, first))

    def _strips(self, size: int) -> list[Strip]:
        """The strips, or none if the program cannot be cut like this."""
        if size not in self._cuts:
            self._cuts[size] = self._cut(size)
        return self._cuts[size]

    def _cut(self, size: int) -> list[Strip]:
        if size >= self.program.shapes[self.program.output].width:
            return [whole(self.program)]
        strips = []
        for start in range(self.first, self.last, size):
            stop = min(start + size, self.last)
            strip = cut(self.program, start, stop, self.unit)
            if strip is None:
                return []
            strips.append(strip)
        return strips

    def _partition(self, band: int, size: int) -> Partition | None:
        """Schedule bands and give every value of every strip its place.

        None where the program cannot be cut into strips of this size.
        """
        strips = self._strips(size)
        if not strips:
            return None
        # The order of rows does not depend on the strips.
        if band not in self._schedules:
            self._schedules[band] = plan_bands(self.program, band, self.unit, self.rows)
        schedule = self._schedules[band]
        # Most strips differ only in where they stand.
        forms: dict[object, tuple[Arena, Any]] = {}
        for strip in strips:
            if strip.form not in forms:
                arena = Arena(strip, schedule)
                engine = describe(
                    *(strip, arena, schedule, self.convolutions), self.target.level
                )
                forms[strip.form] = arena, engine
        floats = max(arena.floats for arena, _ in forms.values())
        scratch = max(engine.scratch_per_thread() for _, engine in forms.values())
        scratch_floats = self.target.threads * scratch // 4
        held = sum(engine.held_bytes() for _, engine in forms.values())
        return Partition(
            band,
            strips,
            schedule,
            [forms[strip.form][0] for strip in strips],
            [forms[strip.form][1] for strip in strips],
            floats,
            scratch_floats,
            4 * (floats + scratch_floats) + held,
        )

    def _comfortable_band(self) -> int:
        """Output rows at a time: enough tiles for all threads, few enough for caches."""
        output, first = self.program.shapes[self.program.output], self.program.shapes[0]
        convolutions = self.convolutions.values()
        weights = sum(convolution.packed.nbytes for convolution in convolutions)
        tiles = _TILES if weights <= _CACHED else _TILES_LARGE
        unit = max(map(self._tile_rows, range(len(self.program.steps))))
        width = max(1, self.width * first.width // output.width)
        band = math.ceil(tiles * 16 / width / unit) * unit
        return max(1, band * output.height // first.height)

    def _least_band(self) -> int:
        """Output rows below which a smaller band changes nothing."""
        total = self.program.shapes[self.program.output].height
        return min(
            self.unit(position) * total // self.program.shapes[step.output].height
            for position, step in enumerate(self.program.steps)
        )


def _work(program: Program) -> int:
    """Operations of a program."""
    return sum(
        step.operation.operations(program.shapes[step.output]) for step in program.steps
    )
