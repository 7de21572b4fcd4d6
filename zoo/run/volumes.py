"""A volume from file to file."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import ImageError
from zoo.files import atomic_write
from zoo.formats import STREAM, Format, Source
from zoo.images.reading import about
from zoo.run.files import VolumeOptions, Work
from zoo.run.jobs import require_folder
from zoo.run.voxels import Counts, compute, dtype_of
from zoo.volumes.geometry import (
    Plane,
    enlarged_affine,
    geometry_notes,
    plane_of,
)
from zoo.volumes.spool import new_array
from zoo.volumes.volume import Volume

__all__ = ["run_volume"]


def run_volume(work: Work, source: Source, format: Format) -> None:
    """Read, compute, write, and record what was found.

    Raises
    ------
    ZooError
        Whatever is wrong, in one sentence that need not name the file.
    """
    with about(source.name):
        volume: Volume = format.read(source, damaged=work.options.damaged)
    options = work.options.volume
    plane = plane_of(volume, options.plane)
    height, width, shape, factors = _sizes(work, volume, plane, options)
    for text in (*volume.notes, *geometry_notes(volume, plane, _trained_spacing(work))):
        work.note(text)
    if format.written_as:
        work.note(f"zoo reads {format.label} and writes the result as NIfTI")
    target = work.fit(format, lambda item: item.misfit(volume, shape))
    if work.job.target != STREAM:
        require_folder(Path(work.job.target).parent, create=True)
    dtype = dtype_of(volume, options)
    data, keep = new_array(shape, dtype)
    counts = Counts()
    compute(work, volume, plane, options, data, (height, width), counts)
    result = volume.with_data(
        data,
        enlarged_affine(volume.affine, factors),
        slope=volume.slope if options.dtype == "same" else 1.0,
        intercept=volume.intercept if options.dtype == "same" else 0.0,
        keep=keep,
    )
    _say_what_was_done(work, plane, options, counts)
    if work.job.target == STREAM:
        import sys

        target.write(sys.stdout.buffer, result)
        sys.stdout.buffer.flush()
    else:
        with atomic_write(work.job.target) as file:
            target.write(file, result)
    work.record.facts |= {
        "shape": list(volume.shape),
        "output_shape": list(result.shape),
        "spacing": list(volume.spacing),
        "output_spacing": list(result.spacing),
        "plane": plane.name,
        "through_axis": plane.through,
        "axes": plane.codes,
        "limits": [list(pair) for pair in counts.limits],
        "not_finite": counts.bad,
        "saturated": counts.saturated,
    }


def _trained_spacing(work: Work) -> float | None:
    """Size of the pixels that the network learned from, in mm, if its card says it."""
    from zoo.checkpoints.cards import card_of, read_card

    origin = work.options.network.origin
    card = card_of(origin) if origin is not None else None
    if card is None:
        return None
    spacing = read_card(card).training.get("spacing_mm")
    return float(spacing) if isinstance(spacing, (int, float)) else None


def _sizes(
    work: Work, volume: Volume, plane: Plane, options: VolumeOptions
) -> tuple[int, int, tuple[int, ...], tuple[float, float, float]]:
    """Rows and columns of a result, shape of the whole, factors of the axes."""
    shape = list(volume.shape)
    count, rows, columns = (
        shape[a] for a in (plane.through, plane.rows, plane.columns)
    )
    network = work.model.network
    factors = [1.0, 1.0, 1.0]
    if options.through:
        if volume.is_color or options.channels == "each":
            raise ImageError("--through takes gray volumes and one channel")
        _require_pictures(plane, (count, min(rows, columns)), "that hold the axis")
        longer = network.shapes(count, rows)[-1][0]
        if longer != network.shapes(count, columns)[-1][0]:
            raise ImageError(
                "the network enlarges rows and columns unlike; no --through"
            )
        shape[plane.through] = longer
        factors[plane.through] = longer / count
        height, width = rows, columns
    else:
        _require_pictures(plane, (rows, columns), "")
        height, width = network.shapes(rows, columns)[-1][:2]
        shape[plane.rows], shape[plane.columns] = height, width
        factors[plane.rows], factors[plane.columns] = height / rows, width / columns
    if options.channels == "each":
        if len(shape) > 3:
            raise ImageError("--channels each takes one volume, not a series of them")
        shape.append(3)
    return height, width, tuple(shape), (factors[0], factors[1], factors[2])


def _require_pictures(plane: Plane, size: tuple[int, int], what: str) -> None:
    if min(size) < 2:
        raise ImageError(
            f"its {plane.name} slices {what} are {size[0]} x {size[1]} pixels, which is "
            f"no picture; choose another --plane".replace("  ", " ")
        )


def _say_what_was_done(
    work: Work, plane: Plane, options: VolumeOptions, counts: Counts
) -> None:
    """One line on how, and one for each thing that is not as it was."""
    pair = counts.limits[0] if counts.limits else None
    how = str(plane)
    if options.through:
        how += (
            "; enlarged across the slices: two passes, in the planes along rows and "
            "along columns, averaged"
        )
    if pair is not None:
        each = (
            "each volume has a range of its own, the first "
            if counts.limits[1:]
            else ""
        )
        how += (
            f"; {each}{pair.low:.6g} to {pair.high:.6g} (least value, 99.9th percentile) "
            f"are black and white, nothing is clipped"
        )
    work.note(how)
    if pair is not None and all(limits.is_flat for limits in counts.limits):
        work.note("it holds no value, or one alone, which stays")
    if counts.bad:
        what = "stay NaN" if options.nan == "keep" else "become 0"
        if options.dtype == "same":
            what = "become 0 where the type has no NaN"
        work.note(
            f"{counts.bad} voxels are NaN or infinite and {what}, nothing beside them"
        )
    if counts.saturated:
        work.note(
            f"{counts.saturated} values of the result lie beyond the type and are cut off; "
            f"without --dtype same none would be"
        )
