"""The brain alone: masks of results against those of originals, and what is inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.charts import Line, Panel
from zoo.metrics.ssim import uniform_ssim
from zoo.page.document import Document
from zoo.study.brain import brain_mask, iou
from zoo.study.figures import compare
from zoo.study.protocol import PEAK, psnr
from zoo.study.slices import Stack

__all__ = ["Brain", "brain_section"]

Stacks = NDArray[np.floating]
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Brain:
    """One result of a stack, and its masks.

    Attributes
    ----------
    name : str
        Of the method.
    made, truth : ndarray, S x H x W
        0 to 255, whole numbers.
    own, given : ndarray, bool, S x H x W
        Masks of the result and of the original.
    """

    name: str
    made: Stacks
    truth: Stacks
    own: Masks
    given: Masks

    def overlaps(self) -> list[float]:
        """IoU of every slice; NaN where both masks are empty."""
        return [iou(a, b) for a, b in zip(self.own, self.given, strict=True)]

    def masked(self, *, apart: bool) -> tuple[Stacks, Stacks]:
        """Result and original, 0 outside one mask, or each outside its own."""
        mask = self.own if apart else self.given
        return np.where(mask, self.made, 0), np.where(self.given, self.truth, 0)

    def inside(self) -> float:
        """Mean over slices of the PSNR of what the original's mask holds."""
        values = [
            psnr(a[m], b[m])
            for a, b, m in zip(self.made, self.truth, self.given, strict=True)
            if m.any()
        ]
        return _mean(values)

    def row(self) -> list[str]:
        """A line of the table."""
        overlaps = self.overlaps()
        whole = [psnr(*self.masked(apart=apart)) for apart in (False, True)]
        empty = sum(not math.isfinite(value) for value in overlaps)
        numbers = [f"{value:.2f}" for value in (self.inside(), *whole)]
        return [f"{_mean(overlaps):.4f}", *numbers, str(empty)]


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def brain_section(
    page: Document, stack: Stack, found: dict[tuple[str, int], dict[str, Stacks]]
) -> None:
    """Write table, curves and pictures of one volume.

    Parameters
    ----------
    page : Document
    stack : Stack
    found : dict
        By degradation and scale the results of upright slices, by method.
    """
    given = stack.mask if stack.mask is not None else brain_mask(stack.slices)
    kind = "given mask" if stack.mask is not None else "own guess"
    if not given.any():
        page.text(f"{stack.name}: no brain was found.")
        return
    page.text(f"{stack.name}, {kind}:")
    table, figures = [], []
    for (degradation, scale), results in found.items():
        brains = []
        for name, made in results.items():
            rounded = np.clip(np.rint(made), 0, PEAK)
            brains.append(
                Brain(name, rounded, stack.slices, brain_mask(rounded), given)
            )
        table += [[f"x{scale} {degradation} {b.name}", *b.row()] for b in brains]
        figures.append((f"{stack.name}, x{scale}, {degradation}", brains))
    page.table(
        ["", "IoU", "inside dB", "masked, one", "masked, each", "empty slices"], table
    )
    for title, brains in figures:
        _curves(page, stack, title, brains)
        place = int(np.argmax(given.sum(axis=(1, 2))))
        for apart, words in ((False, "one mask"), (True, "a mask of each")):
            both = {b.name: [v[place] for v in b.masked(apart=apart)] for b in brains}
            compare(
                page,
                f"{title}, slice {stack.numbers[place]}, 0 outside {words}",
                {name: pair[0] for name, pair in both.items()},
                next(iter(both.values()))[1],
            )


def _curves(page: Document, stack: Stack, title: str, brains: Sequence[Brain]) -> None:
    numbers = list(stack.numbers)
    if len(numbers) < 2:
        return
    overlap = [Line(brain.name, numbers, brain.overlaps()) for brain in brains]
    panels = [Panel("IoU by slice", "slice", "", overlap)]
    for name, unit, score in (("PSNR", "dB", psnr), ("SSIM", "", _ssim)):
        lines = []
        for brain in brains:
            for apart, mark in ((False, "one mask"), (True, "each")):
                pairs = zip(*brain.masked(apart=apart), strict=True)
                values = [score(a, b) if b.any() else math.nan for a, b in pairs]
                finite = [v if math.isfinite(v) else math.nan for v in values]
                lines.append(Line(f"{brain.name}, {mark}", numbers, finite))
        panels.append(Panel(f"{name} of masked slices", "slice", unit, lines))
    page.chart(panels, f"{title}; slices without a brain are left out.")


def _ssim(a: Stacks, b: Stacks) -> float:
    return uniform_ssim(a, b, peak=PEAK)
