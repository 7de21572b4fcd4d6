"""The study as one page."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np

from zoo.files import atomic_write
from zoo.page.document import Document
from zoo.study.brains import brain_section
from zoo.study.degrade import DEGRADATIONS
from zoo.study.figures import compare
from zoo.study.protocol import psnr
from zoo.study.rotate import rotated
from zoo.study.rows import VISIBLE, Group, Rows, groups_of
from zoo.study.slices import Stack
from zoo.study.study import Floats, Study
from zoo.tables import printable

__all__ = ["write_csv", "write_report"]

_SHOWN = (0, 18, 45, 90, 108)


def write_report(study: Study, path: Path, command: str) -> None:
    """Write report.html."""
    page = Document(
        "Super-resolution of MRI slices",
        "The founding thesis's study, repeated: channels, angles, degradations, brain.",
    )
    groups = groups_of(study.rows, study.plan.turned[0])
    _method(page, study, command)
    _tables(page, study, groups)
    _curves(page, study, groups)
    _pictures(page, study)
    _stretched(page, groups)
    _brains(page, study)
    page.write(path)


def write_csv(study: Study, path: Path) -> None:
    """Write every row."""
    file = io.StringIO()
    if study.rows:
        writer = csv.DictWriter(file, list(study.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {
                key: printable(value) if isinstance(value, str) else value
                for key, value in row.items()
            }
            for row in study.rows
        )
    with atomic_write(path) as target:
        target.write(file.getvalue().encode("utf-8"))


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


def _shown(study: Study) -> list[float]:
    """Angles that tables have."""
    angles = list(study.plan.angles)
    return [a for a in angles if a in _SHOWN] or angles[:4]


def _tables(page: Document, study: Study, groups: list[Group]) -> None:
    page.heading("PSNR and SSIM by degradation and angle")
    page.text(
        f"+ and - mark what is better and worse than bicubic by {VISIBLE} dB, which an "
        f"eye is said to see."
    )
    shown = _shown(study)
    heads = [f"{angle:g}°" for angle in shown]
    for group in groups:
        plain = group.rows.where(method="bicubic")
        body = []
        for label, own in group.rows.methods():
            cells = [label]
            for angle in shown:
                there = own.where(angle=angle)
                gain = there.mean("psnr") - plain.where(angle=angle).mean("psnr")
                sign = "+" if gain >= VISIBLE else "-" if gain <= -VISIBLE else ""
                cells.append(f"{sign} {there.pair()}".strip())
            body.append(cells)
        page.text(f"{group.title}:")
        page.table(["", *heads], body)
    if len(study.plan.turned) < 2:
        return
    page.text(
        "The original turned before it is made small, nothing turned back (network "
        "minus bicubic, dB):"
    )
    angles = [angle for angle in shown if angle % 360]
    page.table(
        ["", *(f"{angle:g}°" for angle in angles)],
        [
            [f"{group.title}, {name}", *(_gain(group.rows, name, a) for a in angles)]
            for group in groups_of(study.rows, "high")
            for name in group.rows.found("method")
            if name != "bicubic"
        ],
    )


def _gain(rows: Rows, name: str, angle: float) -> str:
    there = rows.where(angle=angle)
    own = Rows(r for r in there.where(method=name) if r["channel"] in ("mean", "gray"))
    return f"{own.mean('psnr') - there.where(method='bicubic').mean('psnr'):+.2f}"


def _curves(page: Document, study: Study, groups: list[Group]) -> None:
    if len(study.plan.angles) > 1:
        page.heading("By angle")
        for group in groups:
            title = "by angle of the small slice"
            page.chart(group.rows.panels("angle", title), f"{group.title}.")
        page.text(_cost_of_turning(study))
    several = [group for group in groups if len(group.rows.found("slice")) > 1]
    if several:
        page.heading("By slice")
    for group in several:
        title = "by slice, mean over angles"
        page.chart(group.rows.panels("slice", title), f"{group.title}.")


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


def _results(study: Study, stack: Stack) -> dict[tuple[str, int], dict[str, Floats]]:
    """Upright results by degradation and scale, then by method."""
    found: dict[tuple[str, int], dict[str, Floats]] = {}
    own = Rows(study.rows).where(volume=stack.name)
    for row in own:
        results = found.setdefault((row["degradation"], row["scale"]), {})
        if row["method"] not in results:
            made = study.results(stack, row["degradation"], row["scale"], row["method"])
            if made is not None:
                results[row["method"]] = made
    return {key: results for key, results in found.items() if results}


def _pictures(page: Document, study: Study) -> None:
    page.heading("Pictures, differences, histograms")
    for stack in study.stacks:
        place = int(np.argmax([part.sum() for part in stack.slices]))
        truth = stack.slices[place]
        for (degradation, scale), results in _results(study, stack).items():
            compare(
                page,
                f"{stack.name}, slice {stack.numbers[place]}, x{scale}, {degradation}",
                {name: made[place] for name, made in results.items()},
                truth,
                DEGRADATIONS[degradation](truth, scale),
            )


def _stretched(page: Document, groups: list[Group]) -> None:
    page.heading("What the thesis probably did")
    page.text(
        "Stretching each result and each original from its own least to its own "
        "greatest value before they are compared reproduces the thesis's low scores and "
        "its dip at multiples of 90 degrees: a few overshooting pixels set the scale of "
        "the whole slice. PSNR / SSIM, plainly and stretched, and the mean of the least "
        "values of the results."
    )
    body = []
    for group in groups:
        upright = group.rows.where(angle=0) or group.rows
        body += [
            [
                f"{group.title}, {label}",
                own.pair(),
                own.pair("stretched_"),
                f"{own.mean('least'):.1f}",
            ]
            for label, own in upright.methods()
        ]
    page.table(["", "plain", "stretched", "least value"], body)
    for group in groups:
        if len(group.rows.found("angle")) > 1:
            panels = group.rows.panels("angle", "stretched, by angle", "stretched_")
            page.chart(panels, f"{group.title}, stretched.")


def _brains(page: Document, study: Study) -> None:
    page.heading("Brain")
    page.text(
        "Masks are given, or guessed by a threshold and by shape, which is fast, simple "
        "and no segmentation to rely on. IoU: of the mask of a result with that of the "
        "original, empty slices left out. Inside: PSNR of the pixels in the original's "
        "mask. Masked: PSNR of slices set to 0 outside, zeros counted, by one mask for "
        "both and by a mask of each."
    )
    for stack in study.stacks:
        brain_section(page, stack, _results(study, stack))
