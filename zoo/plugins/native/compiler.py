"""From a program to a plan that C executes as one parallel section."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import MemoryLimitError, ShapeError
from zoo.plugins.base import Array, Kernels, Precision
from zoo.plugins.native import codes
from zoo.plugins.native.arena import Arena, aligned
from zoo.plugins.native.describe import set_pixels
from zoo.plugins.native.packing import PackedConvolution
from zoo.plugins.native.partition import COMFORT, Partition, PartitionSearch
from zoo.plugins.native.target import Target
from zoo.plugins.native.translate import joined, translate
from zoo.program.compiled import Cache, PixelMap, PlannedStep
from zoo.program.geometry import Window
from zoo.program.operations import Conv, Opaque, Operation
from zoo.program.passes import checkpoints, in_passes, large_values
from zoo.program.products import amplified
from zoo.program.program import Program, Step
from zoo.program.schedule import most_rows, plan_bands
from zoo.program.strips import whole

__all__ = ["NativePlan"]

_CHUNK = 10e9  # operations between two looks at Ctrl-C and the progress bar
_KEPT = 64e6  # bytes of buffers that wait for the next picture


class NativePlan:
    """A program on C kernels: fused, scheduled in bands, buffers laid out.

    Parameters
    ----------
    program : Program
        Fused.
    kernels : Kernels
        For what C does not know.
    target : Target
        Instruction set, algorithm and number of threads.
    memory : int, optional
        Bytes that values between the steps may take.
    cache : dict, optional
        Packed weights, kept with the network.
    precision : {"f32", "bf16"}
        See :data:`zoo.plugins.base.Precision`.
    window : Window, optional
        The part of the output that is computed, from the part of the picture that it
        needs. Everything else is as for the whole picture, so the pixels are too.

    Raises
    ------
    MemoryLimitError
    ShapeError
        If a step needs whole pictures and a window was asked for.
    """

    def __init__(
        self,
        program: Program,
        kernels: Kernels,
        target: Target,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",
        window: Window | None = None,
    ) -> None:
        self.window = window
        self.target = target
        self.precision = precision
        self._cache: Cache = {} if cache is None else cache
        partition = self._plan(translate(program, kernels), memory)
        self.band, self.strips = partition.band, partition.strips
        self.schedule, self.memory = partition.schedule, partition.memory
        self.arenas, self._engines = partition.arenas, partition.engines
        self._floats, self._scratch_floats = partition.floats, partition.scratch_floats
        self.reads = Window(
            self.schedule.read,
            (
                min(strip.columns[0][0] for strip in partition.strips),
                max(strip.columns[0][1] for strip in partition.strips),
            ),
        )
        self._tasks = self.schedule.tasks
        self._work = self._work_of_tasks()
        self._block: NDArray[np.float32] | None = None
        self._scratch: NDArray[np.float32] = aligned(0)
        self._lock = threading.Lock()

    _algorithms: dict[int, int]

    # -- planning ----------------------------------------------------------

    def _plan(self, program: Program, memory: int | None) -> Partition:
        """In one pass, or in several where values of whole pictures do not fit."""
        self.program = joined(program)
        if self.window is not None:
            _require_stream(self.program)
        self._algorithms = self._choose()
        # The same ones for every pass: the limit must change no pixel.
        codes_of = {
            id(self.program.steps[position].operation): code
            for position, code in self._algorithms.items()
        }
        refusals = []
        for again in self._ways(program):
            self.program = joined(again)
            self._algorithms = {
                position: codes_of[id(step.operation)]
                for position, step in enumerate(self.program.steps)
                if isinstance(step.operation, Conv)
            }
            try:
                return self._fit(memory)
            except MemoryLimitError as error:
                refusals.append(error)
        raise min(refusals, key=lambda error: error.needed or 0)

    def _ways(self, program: Program) -> Iterator[Program]:
        """The same program with less and less kept of whole pictures.

        All that is read later; so much that no step is done three times; nothing, so
        that all steps are done again for every pass.
        """
        if self.window is not None:
            yield program
            return
        yield in_passes(program, large_values(program)) or program
        for kept in dict.fromkeys((frozenset(checkpoints(program)), frozenset())):
            again = in_passes(program, kept)
            if again is not None:
                yield again

    def _fit(self, memory: int | None) -> Partition:
        self._convolutions = {
            position: self._prepare(step, self._algorithms[position])
            for position, step in enumerate(self.program.steps)
            if isinstance(step.operation, Conv)
        }
        search = PartitionSearch(
            *(self.program, self._convolutions, self.target),
            *(self._tile_rows, self._unit, self.window),
        )
        return search.fit(memory)

    def _choose(self) -> dict[int, int]:
        """The algorithm of each convolution, as an index of ``codes.CODE_NAMES``.

        Tiles of six rows make every ring taller than tiles of four. Where that
        comes to much, the picture is large, and four are taken: whatever memory is
        allowed, so that the limit changes no pixel. Three products of bfloat16 are
        not taken where what they lose would be multiplied by itself, see
        :func:`zoo.program.products.amplified`.
        """
        careful = amplified(self.program) if self.precision == "f32" else set()
        found = {
            position: self.target.algorithm_code(
                (1, *self.program.shapes[step.inputs[0]]),
                step.operation.weights.shape,
                step.operation.geometry,
                packed=True,
                precision=self.precision,
                careful=position in careful,
            )
            for position, step in enumerate(self.program.steps)
            if isinstance(step.operation, Conv)
        }
        tall, flat = (codes.ALGORITHM_CODES[f"winograd{rows}"] for rows in (6, 4))
        if tall in found.values() and self.target.algorithm == "auto":
            self._algorithms = found
            first = self.program.shapes[0].height
            last = self.program.shapes[self.program.output].height
            schedule = plan_bands(self.program, max(1, 6 * last // first), self._unit)
            if Arena(whole(self.program), schedule).bytes > COMFORT:
                found = {
                    at: flat if code == tall else code for at, code in found.items()
                }
        return found

    def _prepare(self, step: Step, code: int) -> PackedConvolution:
        """The weights of a convolution for an algorithm, packed when it runs."""
        conv = step.operation
        assert isinstance(conv, Conv)
        shape = (1, *self.program.shapes[step.inputs[0]])
        key = ("native", step.layers, self.target.level, code)
        if key not in self._cache:
            self._cache[key] = PackedConvolution(conv, shape, self.target, code)
        packed: PackedConvolution = self._cache[key]
        return packed

    def _unit(self, position: int) -> int:
        """Rows that a step computes together."""
        operation = self.program.steps[position].operation
        scale = operation.shuffle if isinstance(operation, Conv) else 1
        return self._tile_rows(position) * scale

    def _tile_rows(self, position: int) -> int:
        """Rows of tiles: what a convolution computes together, before its shuffle."""
        code = self._algorithms.get(position)
        return 1 if code is None else codes.TILE_ROWS[codes.CODE_NAMES[code]]

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
        """Run on N x H x W x C pictures; see :class:`zoo.program.compiled.Compiled`."""
        height, width, channels = self.program.shapes[self.program.output]
        if self.window is not None:
            height, width = self.window.size
        y = np.empty((len(x), height, width, channels), np.float32)
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
        """Run from pixels to pixels; see :class:`zoo.program.compiled.Compiled`."""
        if not {images.dtype.name, result.dtype.name} <= codes.PIXEL_CODES.keys():
            return False
        parts = len(images) * len(self.strips)
        first = before = top = left = 0
        if self.window is not None:
            (top, _), (left, _) = self.window
            (first, _), (before, _) = self.reads
        # The buffers between the steps serve one run at a time.
        with self._lock:
            for convolution in self._convolutions.values():
                convolution.pack()
            if self._block is None:
                self._block = aligned(self._floats)
                self._scratch = aligned(self._scratch_floats)
            for number, (image, target) in enumerate(zip(images, result, strict=True)):
                for place, (strip, engine) in enumerate(
                    zip(self.strips, self._engines, strict=True)
                ):
                    output = strip.program.output
                    begin, end = strip.columns[output]
                    part = target[:, begin - left : end - left]
                    begin, end = strip.columns[0]
                    source = image[:, begin - before : end - before]
                    kept = [
                        *set_pixels(engine.set_picture, 0, source, load, first),
                        *set_pixels(engine.set_result, output, part, store, top),
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
                engine.run(self.target.threads, self._tasks[begin:end], self._scratch)
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


def _require_stream(program: Program) -> None:
    """Refuse windows of what must see the whole picture."""
    for step in program.steps:
        if not step.operation.streams:
            raise ShapeError(
                f"{_name(step.operation)} (layer {step.layers[0] if step.layers else 0}) "
                f"needs the whole picture at once"
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
        parts.append("multiply" if epilogue.product else "add")
    if epilogue.last != "linear":
        parts.append(epilogue.last)
    if operation.shuffle != 1:
        parts.append("shuffle")
    return " + ".join(parts)
