"""Animations and video from file to file, frame by frame."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from zoo.errors import DamagedError, ImageError
from zoo.files import atomic_write
from zoo.formats import STREAM, Format, Source, formats
from zoo.images.frames import Clip, Frame, FrameFormat
from zoo.images.image import Image
from zoo.images.reading import about
from zoo.run.alpha import flattened
from zoo.run.files import Work
from zoo.run.jobs import require_folder
from zoo.run.pictures import enlarged, plan_text, target_size

__all__ = ["run_clip", "run_video"]


def run_video(work: Work, source: Source, format: Format) -> None:
    """Run a network on every frame of a video.

    Raises
    ------
    ZooError
        Whatever is wrong, in one sentence that need not name the file.
    """
    assert isinstance(format, FrameFormat)
    with about(source.name):
        clip = format.clip(source, damaged=work.options.damaged)
        if clip is None:
            raise ImageError("holds no video")
    run_clip(work, source, format, clip)


def run_clip(work: Work, source: Source, format: Format, clip: Clip) -> None:
    """Run a network on every frame of an animation or a video."""
    options = work.options
    for text in clip.notes:
        work.note(text)
    frames = _read(source, clip)
    first = next(frames, None)
    if first is None:
        raise ImageError("holds no frames")
    image = first.image
    size = target_size(work, image)
    target = _fit(work, format, image, size)
    path = work.job.target
    if path != STREAM:
        require_folder(Path(path).parent, create=True)
    if work.say is not None:
        work.say(plan_text(work, image, *size))
    seconds, count = 0.0, 0
    noted: set[str] = set()

    def progress(part: float) -> None:
        if clip.count:
            work.progress(min(1.0, (count + part) / clip.count))

    with _opened(path, needs_seeking=target.can_seek_only) as file:
        writer = target.frame_writer(file, clip, quality=options.quality)
        for frame in chain((first,), frames):
            for text in frame.image.notes:
                if text not in noted:
                    noted.add(text)
                    work.note(f"frame {count + 1} {text}")
            start = time.perf_counter()
            result = enlarged(work, frame.image, size, progress)
            seconds += time.perf_counter() - start
            writer.add(Frame(_stored(work, target, result, size), frame.duration))
            count += 1
            work.count(count, clip.count)
        writer.close()
    if work.say is not None:
        work.say(f"{work.job.source}: {count} frames, {seconds:.3g} s in the network")
    work.record.facts |= {
        "frames": count,
        "width": image.width,
        "height": image.height,
        "output_width": size[1],
        "output_height": size[0],
        "network_seconds": round(seconds, 4),
    }


def _read(source: Source, clip: Clip) -> Iterator[Frame]:
    """The frames; errors of reading get the name of the file."""
    number = 0
    frames = iter(clip.frames)
    while True:
        try:
            with about(source.name):
                frame = next(frames, None)
        except DamagedError as error:
            raise DamagedError(f"{error} (frame {number + 1})") from None
        if frame is None:
            return
        if (frame.image.height, frame.image.width) != (clip.height, clip.width):
            raise ImageError(f"frame {number + 1} has another size than the first")
        number += 1
        yield frame


def _fit(
    work: Work, format: Format, image: Image, size: tuple[int, int]
) -> FrameFormat:
    """The format to be written, one of those that hold frames."""

    def misfit(item: Format) -> str:
        if not isinstance(item, FrameFormat):
            return "more than one picture"
        if not item.can_write:
            return "the colours of what zoo makes"
        return item.misfit(_as(item, image, sample=True), size)

    able = [item for item in formats().values() if isinstance(item, FrameFormat)]
    chosen = work.fit(format, misfit, among=able)
    assert isinstance(chosen, FrameFormat)
    return chosen


def _as(target: FrameFormat, image: Image, *, sample: bool = False) -> Image:
    """A picture in a type of pixels that the format holds: video is read as floats."""
    dtypes = getattr(target, "dtypes", ())
    if not dtypes or image.dtype.name in dtypes:
        return image
    if sample:
        image = image.with_pixels(
            image.pixels[:1, :1], None if image.alpha is None else image.alpha[:1, :1]
        )
    alpha = image.alpha
    plain = flattened(replace(image, alpha=None), (0, 0, 0), "uint8")
    if alpha is not None:
        ratio = 255 / image.white
        return replace(plain, alpha=(alpha * ratio).round().astype("uint8"))
    return plain


def _stored(
    work: Work, target: FrameFormat, image: Image, size: tuple[int, int]
) -> Image:
    background = work.options.background
    if image.alpha is not None and background and target.misfit(image, size):
        image = flattened(image, background, image.dtype.name, work.options.white)
    return _as(target, image)


@contextmanager
def _opened(path: str, *, needs_seeking: bool) -> Iterator[IO[bytes]]:
    """The file to write; a pipe gets what must be gone back in when it is whole."""
    if path != STREAM:
        with atomic_write(path) as file:
            yield file
    elif not needs_seeking:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with TemporaryFile() as file:
            yield file
            file.seek(0)
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
