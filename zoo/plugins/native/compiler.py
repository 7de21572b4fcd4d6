"""From a program to a plan that C executes as one parallel section."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import MemoryLimitError
from zoo.machine.memory import amount
from zoo.plugins.base import Array, Precision
from zoo.plugins.native import codes
from zoo.plugins.native._binding import _native
from zoo.plugins.native.arena import Arena, aligned
from zoo.plugins.native.describe import Convolution, describe, set_pixels
from zoo.plugins.native.translate import translate
from zoo.program.operations import (
    Cache,
    Conv,
    Opaque,
    Operation,
    PixelMap,
    PlannedStep,
    Program,
    Step,
)
from zoo.program.schedule import Schedule, most_rows, plan_bands
from zoo.program.strips import Strip, cut, strip_bounds

if TYPE_CHECKING:
    from zoo.plugins.native.kernels import NativeKernels

__all__ = ["NativePlan"]

_CHUNK = 10e9  # operations between two looks at Ctrl-C and the progress bar
_NARROWEST = 96  # columns of output of a strip
# Tiles of 4 x 4 pixels in one task: enough work between two barriers. Weights that
# do not stay in the cache are read again for every task, so they want longer ones.
_TILES, _TILES_LARGE = 256, 512
_CACHED = 24 * 2**20
_COMFORT = 256e6  # bytes
_KEPT = 64e6  # bytes of buffers that wait for the next picture


class _Layout(NamedTuple):
    """One way to cut the work up; ``memory`` in bytes, of all that it holds."""

    band: int
    strips: list[Strip]
    schedule: Schedule
    arenas: list[Arena]
    engines: list[Any]
    floats: int
    scratch_floats: int
    memory: int


class NativePlan:
    """A program on C kernels: fused, scheduled in bands, buffers laid out.

    Parameters
    ----------
    program : Program
        Fused.
    kernels : NativeKernels
        Instruction set, algorithm and number of threads.
    memory : int, optional
        Bytes that values between the steps may take.
    cache : dict, optional
        Packed weights, kept with the network.
    precision : {"f32", "bf16"}
        See :data:`zoo.plugins.base.Precision`.
    """

    def __init__(
        self,
        program: Program,
        kernels: NativeKernels,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",
    ) -> None:
        self.kernels = kernels
        self.precision = precision
        self.program = translate(program, kernels)
        self._cache: Cache = {} if cache is None else cache
        self._algorithms = self._choose()
        self._convolutions = {
            position: self._prepare(step, self._algorithms[position])
            for position, step in enumerate(self.program.steps)
            if isinstance(step.operation, Conv)
        }
        self._schedules: dict[int, Schedule] = {}
        layout = self._fit(memory)
        del self._schedules  # only the one that was chosen is kept
        self.band, self.strips = layout.band, layout.strips
        self.schedule, self.memory = layout.schedule, layout.memory
        self.arenas, self._engines = layout.arenas, layout.engines
        self._floats, self._scratch_floats = layout.floats, layout.scratch_floats
        self._tasks = self.schedule.tasks
        self._work = self._work_of_tasks()
        self._block: NDArray[np.float32] | None = None
        self._scratch: NDArray[np.float32] = aligned(0)
        self._lock = threading.Lock()

    _algorithms: dict[int, int]

    # -- planning ----------------------------------------------------------

    def _choose(self) -> dict[int, int]:
        """The algorithm of each convolution, as an index of ``codes.CODE_NAMES``.

        Tiles of six rows make every ring taller than tiles of four. Where that
        comes to much, the picture is large, and four are taken: whatever memory is
        allowed, so that the limit changes no pixel.
        """
        found = {
            position: self.kernels.algorithm_code(
                (1, *self.program.shapes[step.inputs[0]]),
                step.operation.weights.shape,
                step.operation.geometry,
                packed=True,
                precision=self.precision,
            )
            for position, step in enumerate(self.program.steps)
            if isinstance(step.operation, Conv)
        }
        tall, flat = (codes.ALGORITHM_CODES[f"winograd{rows}"] for rows in (6, 4))
        if tall in found.values() and self.kernels.algorithm == "auto":
            self._algorithms = found
            first = self.program.shapes[0].height
            last = self.program.shapes[self.program.output].height
            schedule = plan_bands(self.program, max(1, 6 * last // first), self._unit)
            if Arena(self.program, schedule).bytes > _COMFORT:
                found = {
                    at: flat if code == tall else code for at, code in found.items()
                }
        return found

    def _prepare(self, step: Step, code: int) -> Convolution:
        """Pack the weights of a convolution for an algorithm."""
        conv = step.operation
        assert isinstance(conv, Conv)
        kernels, level = self.kernels, self.kernels.level
        shape = (1, *self.program.shapes[step.inputs[0]])
        geometry = codes.geometry_codes(conv.geometry)
        key = ("native", step.layers, level, code)
        if key not in self._cache:
            weights = np.require(conv.weights, np.float32, ("C", "A"))
            count = _native.conv_packed(level, shape, weights.shape, *geometry, code)
            packed = aligned(count)
            _native.conv_pack(
                level, kernels.threads, shape, weights, *geometry, code, packed
            )
            self._cache[key] = weights, packed
        weights, packed = self._cache[key]
        name = codes.CODE_NAMES[code]
        return Convolution(code, name, packed, weights)

    def _fit(self, memory: int | None) -> _Layout:
        """Choose band and strips: comfortable ones, or smaller ones that fit.

        Fewer rows at a time cost more barriers, more strips cost columns that
        two of them compute; so bands shrink first. They also shrink, though the
        limit would allow more, while values take more than is comfortable.
        """
        comfortable = self._comfortable_band()
        height, width, _ = self.program.shapes[self.program.output]
        limit = math.inf if memory is None else memory
        layout = self._lay_out(comfortable, [_whole(self.program)])
        least = layout.memory
        # A picture of few rows takes less memory in one band: no rings, and the
        # place of a value is free as soon as its readers are done.
        at_once = self._lay_out(height, [_whole(self.program)])
        if at_once.memory <= min(least, limit, _COMFORT):
            return at_once
        least_band = self._least_band()
        count = 1
        while count == 1 or count <= width // _NARROWEST:
            strips = self._strips(count)
            fits = False
            for halvings in (0, 1, 2, 3) if count < 64 else (0, 1, 2, 3, 4, 8):
                band = comfortable >> halvings
                if not strips or band < 1 or (halvings and band < least_band):
                    break
                if halvings or count > 1:
                    layout = self._lay_out(band, strips)
                least = min(least, layout.memory)
                fits = layout.memory <= limit
                if fits and (layout.memory <= _COMFORT or count > 1):
                    break
            if fits:
                return layout
            count *= 2
        raise MemoryLimitError(
            f"the values between the layers need {amount(least)} at least and "
            f"{amount(memory or 0)} are allowed; allow more memory"
        )

    def _lay_out(self, band: int, strips: list[Strip]) -> _Layout:
        """Schedule bands and give every value of every strip its place."""
        # The order of rows does not depend on the strips.
        if band not in self._schedules:
            self._schedules[band] = plan_bands(self.program, band, self._unit)
        schedule = self._schedules[band]
        # Most strips differ only in where they stand.
        forms: dict[object, tuple[Arena, Any]] = {}
        for strip in strips:
            if strip.form not in forms:
                arena = Arena(strip.program, schedule)
                engine = describe(
                    *(strip, arena, schedule, self._convolutions),
                    self.kernels.level,
                )
                forms[strip.form] = arena, engine
        floats = max(arena.floats for arena, _ in forms.values())
        scratch = max(engine.scratch_per_thread() for _, engine in forms.values())
        scratch_floats = self.kernels.threads * scratch // 4
        held = sum(engine.held_bytes() for _, engine in forms.values())
        return _Layout(
            band,
            strips,
            schedule,
            [forms[strip.form][0] for strip in strips],
            [forms[strip.form][1] for strip in strips],
            floats,
            scratch_floats,
            4 * (floats + scratch_floats) + held,
        )

    def _strips(self, count: int) -> list[Strip]:
        """The strips, or none if the program cannot be cut into so many."""
        output = self.program.shapes[self.program.output]
        if count == 1:
            return [_whole(self.program)]
        unit = 12 * max(1, output.width // max(1, self.program.shapes[0].width))
        strips = []
        for start, stop in strip_bounds(output.width, count, unit):
            strip = cut(self.program, start, stop, self._unit)
            if strip is None:
                return []
            strips.append(strip)
        return strips

    def _comfortable_band(self) -> int:
        """Output rows at a time: enough tiles for all threads, few enough for caches."""
        output, first = self.program.shapes[self.program.output], self.program.shapes[0]
        convolutions = self._convolutions.values()
        weights = sum(convolution.packed.nbytes for convolution in convolutions)
        tiles = _TILES if weights <= _CACHED else _TILES_LARGE
        unit = max(map(self._tile_rows, range(len(self.program.steps))))
        band = math.ceil(tiles * 16 / first.width / unit) * unit
        return max(1, band * output.height // first.height)

    def _least_band(self) -> int:
        """Output rows below which a smaller band changes nothing."""
        total = self.program.shapes[self.program.output].height
        return min(
            self._unit(position) * total // self.program.shapes[step.output].height
            for position, step in enumerate(self.program.steps)
        )

    def _unit(self, position: int) -> int:
        """Rows that a step computes together."""
        operation = self.program.steps[position].operation
        scale = operation.shuffle if isinstance(operation, Conv) else 1
        return self._tile_rows(position) * scale

    def _tile_rows(self, position: int) -> int:
        """Rows of tiles: what a convolution computes together, before its shuffle."""
        code = self._algorithms.get(position)
        return 1 if code is None else codes.TILE_ROWS.get(codes.CODE_NAMES[code], 1)

    def _work_of_tasks(self) -> NDArray[np.float64]:
        """Operations of each task, for progress; a row of copying counts a little."""
        each = []
        for step in self.program.steps:
            shape = self.program.shapes[step.output]
            row = shape._replace(height=1)
            each.append(float(step.operation.operations(row) or row.size))
        position, start, stop = self._tasks.T
        return np.cumsum(np.array(each)[position] * (stop - start))

    # -- running -----------------------------------------------------------

    def __call__(
        self, x: Array, progress: Callable[[float], None] | None = None
    ) -> Array:
        """Run on N x H x W x C pictures; see :class:`zoo.program.operations.Compiled`."""
        shape = self.program.shapes[self.program.output]
        y = np.empty((len(x), *shape), np.float32)
        x = np.require(x, np.float32, ("C", "A"))
        self.run_pixels(x, PixelMap(), PixelMap(), y, progress)
        return y

    def run_pixels(
        self,
        images: NDArray[Any],
        load: PixelMap,
        store: PixelMap,
        result: NDArray[Any],
        progress: Callable[[float], None] | None = None,
    ) -> bool:
        """Run from pixels to pixels; see :class:`zoo.program.operations.Compiled`."""
        if not {images.dtype.name, result.dtype.name} <= codes.PIXEL_CODES.keys():
            return False
        parts = len(images) * len(self.strips)
        # The buffers between the steps serve one run at a time.
        with self._lock:
            if self._block is None:
                self._block = aligned(self._floats)
                self._scratch = aligned(self._scratch_floats)
            for number, (image, target) in enumerate(zip(images, result, strict=True)):
                for place, (strip, engine) in enumerate(
                    zip(self.strips, self._engines, strict=True)
                ):
                    output = strip.program.output
                    part = target[:, slice(*strip.columns[output])]
                    source = image[:, slice(*strip.columns[0])]
                    kept = [
                        *set_pixels(engine.set_picture, 0, source, load),
                        *set_pixels(engine.set_result, output, part, store),
                    ]
                    done = number * len(self.strips) + place
                    self._run(place, progress, done, parts)
                    del kept  # the arrays lived as long as C could see them
            if 4 * self._floats > _KEPT:
                self._block = None  # dear while a picture is written, cheap to get
        return True

    def _run(
        self,
        place: int,
        progress: Callable[[float], None] | None,
        done: int,
        parts: int,
    ) -> None:
        """Compute one strip of one picture."""
        strip, engine = self.strips[place], self._engines[place]
        assert self._block is not None
        data = self.arenas[place].views(self._block)
        for value, array in enumerate(data):
            if array.size:
                engine.set_data(value, array)
        begin, total = 0, self._work[-1]
        while begin < len(self._tasks):
            position = int(self._tasks[begin, 0])
            step = strip.program.steps[position]
            if isinstance(step.operation, Opaque):
                inputs = [data[value][None] for value in step.inputs]
                data[step.output][...] = step.operation.forward(*inputs)[0]
                begin += 1
            else:
                end = self._chunk_end(begin)
                engine.run(self.kernels.threads, self._tasks[begin:end], self._scratch)
                begin = end
            if progress is not None:
                progress((done + self._work[begin - 1] / total) / parts)

    def _chunk_end(self, begin: int) -> int:
        """End of the tasks from ``begin`` that C does in one go."""
        done = self._work[begin - 1] if begin else 0.0
        end = int(np.searchsorted(self._work, done + _CHUNK, side="right"))
        end = max(end, begin + 1)
        for at in range(begin + 1, end):
            step = self.program.steps[self._tasks[at, 0]]
            if isinstance(step.operation, Opaque):
                return at
        return end

    @property
    def cutting(self) -> str:
        """How the picture is cut up, for people."""
        height = self.program.shapes[self.program.output].height
        bands = f"bands of {min(self.band, height)} of {height} output rows"
        if self.band >= height:
            bands = "all rows at once"
        count = len(self.strips)
        return bands if count == 1 else f"{bands}, in {count} strips of columns"

    def steps(self) -> list[PlannedStep]:
        """What is executed, for people."""
        planned = []
        last = self.program.output  # the result itself, no buffer
        most = most_rows(self.schedule, len(self.program.steps))
        for position, step in enumerate(self.program.steps):
            found = self._convolutions.get(position)
            shape = self.program.shapes[step.output]
            planned.append(
                PlannedStep(
                    step.layers,
                    _name(step.operation),
                    found.algorithm if found else "",
                    most[position],
                    4 * self._kept(step.output) if step.output != last else 0,
                    found.packed.nbytes if found else 0,
                    step.operation.operations(shape),
                )
            )
        return planned

    def _kept(self, value: int) -> int:
        """Floats kept of a value, in the widest strip."""
        return max(
            arena.rows[value]
            * strip.program.shapes[value].size
            // strip.program.shapes[value].height
            for strip, arena in zip(self.strips, self.arenas, strict=True)
        )


def _whole(program: Program) -> Strip:
    """A strip that is the whole picture."""
    return Strip(
        program,
        tuple((0, shape.width) for shape in program.shapes),
        tuple((0,) * len(step.inputs) for step in program.steps),
        tuple(
            tuple(program.shapes[value].width for value in step.inputs)
            for step in program.steps
        ),
    )


def _name(operation: Operation) -> str:
    """conv 3x3 + relu, for people."""
    if isinstance(operation, Opaque):
        return operation.name
    if not isinstance(operation, Conv):
        return operation.kind
    rows, columns = operation.weights.shape[:2]
    parts = [f"conv {rows}x{columns}"]
    epilogue = operation.epilogue
    if epilogue.activation != "linear":
        parts.append(epilogue.activation)
    if epilogue.residual:
        parts.append("add")
    if epilogue.last != "linear":
        parts.append(epilogue.last)
    if operation.shuffle != 1:
        parts.append("shuffle")
    return " + ".join(parts)
