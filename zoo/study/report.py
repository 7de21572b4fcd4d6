"""The study as one page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.charts import Line, Panel
from zoo.page.document import Document
from zoo.study.brain import brain_mask, iou
from zoo.study.degrade import DEGRADATIONS
from zoo.study.protocol import psnr
from zoo.study.rotate import rotated
from zoo.study.slices import Stack
from zoo.study.study import Study

__all__ = ["write_csv", "write_report"]

Row = dict[str, Any]
_ORDER = ("bicubic", "gray", "R", "G", "B", "mean", "luma")
_MAP_GAIN = 4


def write_report(study: Study, path: Path, command: str) -> None:
    """Write report.html."""
    page = Document(
        "Super-resolution of MRI slices",
        "The founding thesis's study, repeated: channels, angles, degradations, brain.",
    )
    _method(page, study, command)
    _table(page, study)
    _angles(page, study)
    _slices(page, study)
    _pictures(page, study)
    _stretched(page, study)
    _brains(page, study)
    page.write(path)


def write_csv(study: Study, path: Path) -> None:
    """Write every row."""
    import csv
    import io

    from zoo.files import atomic_write

    file = io.StringIO()
    if study.rows:
        writer = csv.DictWriter(file, list(study.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(study.rows)
    with atomic_write(path) as target:
        target.write(file.getvalue().encode("utf-8"))


def mean_of(rows: Iterable[Row], field: str) -> float:
    """Mean of a field over rows; NaN if there are none."""
    values = [row[field] for row in rows if math.isfinite(row[field])]
    return math.fsum(values) / len(values) if values else math.nan


def _pair(rows: list[Row], kind: str = "") -> str:
    return f"{mean_of(rows, f'{kind}psnr'):.2f} / {mean_of(rows, f'{kind}ssim'):.4f}"


def _method(page: Document, study: Study, command: str) -> None:
    page.heading("What was measured")
    for stack in study.stacks:
        page.text(
            f"{stack.name}: {len(stack.numbers)} {stack.plane} slices "
            f"({stack.numbers[0]} to {stack.numbers[-1]}), {stack.scaling}, on "
            f"{stack.slices.shape[1]} x {stack.slices.shape[2]} pixels."
        )
    page.text(
        "Each slice is made small, perhaps turned, enlarged, turned back, rounded to 8 "
        "bits and compared with the original: PSNR with peak 255, SSIM with a uniform "
        "window of 7 x 7; the mean is over slices. Gray goes into a network of colours "
        "as three equal channels. Rotations are about the middle, by OpenCV's "
        f"{study.plan.interpolation} interpolation, with zeros outside."
    )
    page.text(
        "Degradations: thesis is a Gaussian blur of 3 x 3 (sigma 1) and OpenCV's "
        "bicubic, which aliases; matlab an antialiased bicubic, which the networks "
        "learned from; area the mean of blocks; fourier the middle of k-space; cubic "
        "OpenCV's bicubic alone."
    )
    page.code(command)


def _groups(rows: list[Row]) -> list[tuple[str, str, int]]:
    return list(
        dict.fromkeys((r["volume"], r["degradation"], r["scale"]) for r in rows)
    )


def _select(rows: list[Row], **wanted: Any) -> list[Row]:
    return [row for row in rows if all(row[k] == v for k, v in wanted.items())]


def _methods(rows: list[Row]) -> list[tuple[str, str]]:
    """Method and channel, bicubic first."""
    found = dict.fromkeys((r["method"], r["channel"]) for r in rows)
    return sorted(
        found,
        key=lambda pair: (
            pair[0] != "bicubic",
            pair[0],
            _ORDER.index(pair[1]) if pair[1] in _ORDER else 9,
        ),
    )


def _label(method: str, channel: str) -> str:
    return method if channel == "gray" else f"{method} {channel}"


def _table(page: Document, study: Study) -> None:
    page.heading("PSNR and SSIM by degradation and angle")
    angles = list(study.plan.angles)
    shown = [a for a in angles if a in (0, 18, 45, 90, 108)] or angles[:4]
    for volume, degradation, scale in _groups(study.rows):
        rows = _select(
            study.rows,
            volume=volume,
            degradation=degradation,
            scale=scale,
            turned=study.plan.turned[0],
        )
        page.text(f"{volume}, x{scale}, {degradation}:")
        body = []
        for method, channel in _methods(rows):
            own = _select(rows, method=method, channel=channel)
            cells = [_label(method, channel)]
            for angle in shown:
                there = _select(own, angle=angle)
                cells.append(_pair(there))
            body.append(cells)
        page.table(["", *(f"{angle:g}°" for angle in shown)], body)
    if len(study.plan.turned) > 1:
        page.text(
            "The original turned before it is made small, nothing turned back (network "
            "minus bicubic, dB):"
        )
        body = []
        for volume, degradation, scale in _groups(study.rows):
            rows = _select(
                study.rows,
                volume=volume,
                degradation=degradation,
                scale=scale,
                turned="high",
            )
            for method, channel in _methods(rows):
                if channel not in ("mean", "gray") or method == "bicubic":
                    continue
                cells = [f"{volume} x{scale} {degradation} {method}"]
                for angle in [a for a in shown if a % 360]:
                    own = _select(rows, method=method, channel=channel, angle=angle)
                    plain = _select(rows, method="bicubic", angle=angle)
                    gain = mean_of(own, "psnr") - mean_of(plain, "psnr")
                    cells.append(f"{gain:+.2f}")
                body.append(cells)
        page.table(["", *(f"{a:g}°" for a in shown if a % 360)], body)


def _angles(page: Document, study: Study) -> None:
    if len(study.plan.angles) < 2:
        return
    page.heading("By angle")
    for volume, degradation, scale in _groups(study.rows):
        rows = _select(
            study.rows,
            volume=volume,
            degradation=degradation,
            scale=scale,
            turned=study.plan.turned[0],
        )
        angles = sorted({row["angle"] for row in rows})
        lines = []
        for method, channel in _methods(rows):
            own = _select(rows, method=method, channel=channel)
            values = [mean_of(_select(own, angle=a), "psnr") for a in angles]
            lines.append(Line(_label(method, channel), angles, values))
        page.chart(
            [Panel("PSNR by angle of the small slice", "degrees", "dB", lines)],
            f"{volume}, x{scale}, {degradation}.",
        )
    page.text(_cost_of_turning(study))


def _cost_of_turning(study: Study) -> str:
    """What a rotation there and back does, with nothing made small."""
    angle = next((a for a in study.plan.angles if a % 90), None)
    if angle is None:
        return ""
    how = study.plan.interpolation
    values = [
        psnr(rotated(rotated(part, angle, how), -angle, how), part)
        for stack in study.stacks
        for part in stack.slices
    ]
    finite = [value for value in values if math.isfinite(value)]
    mean = math.fsum(finite) / len(finite) if finite else math.nan
    return (
        f"Turning by {angle:g} degrees and back costs by itself: {mean:.1f} dB against "
        f"the original ({how})."
    )


def _slices(page: Document, study: Study) -> None:
    page.heading("By slice")
    for volume, degradation, scale in _groups(study.rows):
        rows = _select(
            study.rows,
            volume=volume,
            degradation=degradation,
            scale=scale,
            turned=study.plan.turned[0],
        )
        numbers = sorted({row["slice"] for row in rows})
        if len(numbers) < 2:
            continue
        panels = []
        for field, title, unit in (("psnr", "PSNR", "dB"), ("ssim", "SSIM", "")):
            lines = []
            for method, channel in _methods(rows):
                own = _select(rows, method=method, channel=channel)
                values = [mean_of(_select(own, slice=n), field) for n in numbers]
                lines.append(Line(_label(method, channel), numbers, values))
            panels.append(
                Panel(f"{title} by slice, mean over angles", "slice", unit, lines)
            )
        page.chart(panels, f"{volume}, x{scale}, {degradation}.")


def _middle(stack: Stack) -> int:
    """The slice with the most in it."""
    return int(np.argmax([part.sum() for part in stack.slices]))


def _pictures(page: Document, study: Study) -> None:
    page.heading("Pictures, differences, histograms")
    for stack in study.stacks:
        place = _middle(stack)
        truth = stack.slices[place]
        for _, degradation, scale in _groups(_select(study.rows, volume=stack.name)):
            names = ["bicubic"] + [
                name
                for name, model in study.networks.items()
                if round(model.scale) == scale
            ]
            results = [
                (name, found[place])
                for name in names
                if (found := study.results(stack, degradation, scale, name)) is not None
            ]
            low = DEGRADATIONS[degradation](truth, scale)
            shown = [low.repeat(scale, 0).repeat(scale, 1)]
            shown += [result for _, result in results] + [truth]
            titles = ["small", *(name for name, _ in results), "original"]
            page.picture(
                _row(shown),
                f"{stack.name}, slice {stack.numbers[place]}, x{scale}, "
                f"{degradation}: {', '.join(titles)}.",
            )
            maps = [np.abs(result - truth) * _MAP_GAIN for _, result in results]
            page.picture(
                _row(maps),
                f"Absolute differences, {_MAP_GAIN} times: "
                f"{', '.join(name for name, _ in results)}.",
            )
            page.chart(
                [_histogram(results, truth)],
                f"Signed differences, result minus original; the count is logarithmic. "
                f"{_worst(results, truth)}",
            )


def _row(pictures: Sequence[NDArray[np.floating]]) -> NDArray[np.uint8]:
    gap = np.full((pictures[0].shape[0], 4), 128, np.uint8)
    parts: list[NDArray[np.uint8]] = []
    for picture in pictures:
        parts += [np.clip(np.rint(picture), 0, 255).astype(np.uint8), gap]
    return np.concatenate(parts[:-1], axis=1)


def _histogram(
    results: Sequence[tuple[str, NDArray[np.floating]]], truth: NDArray[np.floating]
) -> Panel:
    edges = np.arange(-40.5, 41.5)
    lines = []
    for name, result in results:
        inside = np.clip(np.rint(result) - truth, -40, 40)
        counts, _ = np.histogram(inside, edges)
        lines.append(
            Line(
                name,
                list(range(-40, 41)),
                [float(c) if c else math.nan for c in counts],
            )
        )
    return Panel("Differences", "gray levels", "pixels", lines, log_y=True)


def _worst(
    results: Sequence[tuple[str, NDArray[np.floating]]], truth: NDArray[np.floating]
) -> str:
    parts = []
    for name, result in results:
        difference = result - truth
        parts.append(
            f"{name}: mean {difference.mean():+.2f}, negative "
            f"{100 * float((difference < -0.5).mean()):.0f} %"
        )
    return "; ".join(parts) + "."


def _stretched(page: Document, study: Study) -> None:
    page.heading("What the thesis probably did")
    page.text(
        "Stretching each result and each original from its own least to its own "
        "greatest value before they are compared reproduces the thesis's low scores and "
        "its dip at multiples of 90 degrees: a few overshooting pixels set the scale of "
        "the whole slice. PSNR / SSIM, plainly and stretched, and the mean of the least "
        "values of the results."
    )
    body = []
    for volume, degradation, scale in _groups(study.rows):
        rows = _select(
            study.rows,
            volume=volume,
            degradation=degradation,
            scale=scale,
            turned=study.plan.turned[0],
        )
        upright = _select(rows, angle=0) or rows
        for method, channel in _methods(upright):
            own = _select(upright, method=method, channel=channel)
            body.append(
                [
                    f"{volume} x{scale} {degradation} {_label(method, channel)}",
                    _pair(own),
                    _pair(own, "stretched_"),
                    f"{mean_of(own, 'least'):.1f}",
                ]
            )
    page.table(["", "plain", "stretched", "least value"], body)


def _brains(page: Document, study: Study) -> None:
    page.heading("Brain")
    page.text(
        "Masks are given, or guessed by a threshold and by shape, which is fast, simple "
        "and no segmentation to rely on. IoU: of the mask of a result with that of the "
        "original, empty slices left out. Inside: PSNR of the pixels in the original's "
        "mask. Masked: PSNR of slices set to 0 outside, zeros counted, by one mask for "
        "both and by a mask of each."
    )
    body = []
    for stack in study.stacks:
        own = stack.mask if stack.mask is not None else brain_mask(stack.slices)
        given = "given mask" if stack.mask is not None else "own guess"
        if not own.any():
            page.text(f"{stack.name}: no brain was found.")
            continue
        for _, degradation, scale in _groups(_select(study.rows, volume=stack.name)):
            names = ["bicubic", *study.networks]
            for name in names:
                made = study.results(stack, degradation, scale, name)
                if made is None:
                    continue
                rounded = np.clip(np.rint(made), 0, 255)
                theirs = brain_mask(rounded)
                ious = [iou(a, b) for a, b in zip(theirs, own, strict=True)]
                good = [value for value in ious if math.isfinite(value)]
                inside = [
                    psnr(a[m], b[m])
                    for a, b, m in zip(rounded, stack.slices, own, strict=True)
                    if m.any()
                ]
                shared = _masked(rounded, stack.slices, own, own)
                apart = _masked(rounded, stack.slices, theirs, own)
                body.append(
                    [
                        f"{stack.name} x{scale} {degradation} {name} ({given})",
                        f"{math.fsum(good) / len(good):.4f}" if good else "",
                        f"{math.fsum(inside) / len(inside):.2f}",
                        f"{shared:.2f}",
                        f"{apart:.2f}",
                        str(len(ious) - len(good)),
                    ]
                )
    if body:
        page.table(
            ["", "IoU", "inside dB", "masked, one", "masked, each", "empty slices"],
            body,
        )


def _masked(made: Any, truth: Any, mask: Any, other: Any) -> float:
    """PSNR of the whole stack set to 0 outside, zeros counted."""
    return psnr(np.where(mask, made, 0), np.where(other, truth, 0))
