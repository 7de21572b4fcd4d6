"""Rows of scores: chosen, grouped, averaged, drawn as lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.charts import Line, Panel

__all__ = ["EVERY_VOLUME", "VISIBLE", "Group", "Rows", "groups_of"]

Row = dict[str, Any]
EVERY_VOLUME = "mean over volumes"
VISIBLE = 0.25
"""Difference in dB that an eye is said to see (the thesis, 1.2.2)."""
_ORDER = ("gray", "R", "G", "B", "mean", "luma")
_FIELDS = (("psnr", "PSNR", "dB"), ("ssim", "SSIM", ""))


class Rows(list[Row]):
    """Scores of a study, a dict of plain values each."""

    def where(self, **wanted: Any) -> Rows:
        """Those whose fields are as wanted."""
        return Rows(r for r in self if all(r[k] == v for k, v in wanted.items()))

    def mean(self, field: str) -> float:
        """Of the finite values of a field; NaN if there are none."""
        values = [row[field] for row in self if math.isfinite(row[field])]
        return math.fsum(values) / len(values) if values else math.nan

    def pair(self, kind: str = "") -> str:
        """PSNR and SSIM; ``kind`` is a prefix of their fields."""
        psnr, ssim = self.mean(f"{kind}psnr"), self.mean(f"{kind}ssim")
        return f"{psnr:.2f} / {ssim:.4f}"

    def found(self, field: str) -> list[Any]:
        """Values of a field, sorted."""
        return sorted({row[field] for row in self})

    def methods(self) -> Iterator[tuple[str, Rows]]:
        """Labels of methods and channels with their rows, bicubic first."""
        names = {(row["method"], row["channel"]) for row in self}
        for method, channel in sorted(
            names, key=lambda n: (n[0] != "bicubic", n[0], _ORDER.index(n[1]))
        ):
            label = method if channel == "gray" else f"{method} {channel}"
            yield label, self.where(method=method, channel=channel)

    def panels(self, by: str, title: str, kind: str = "") -> list[Panel]:
        """PSNR and SSIM of every method over the values of a field."""
        places = self.found(by)
        return [
            Panel(
                f"{name} {title}",
                "degrees" if by == "angle" else by,
                unit,
                [
                    Line(
                        label,
                        places,
                        [own.where(**{by: p}).mean(f"{kind}{field}") for p in places],
                    )
                    for label, own in self.methods()
                ],
            )
            for field, name, unit in _FIELDS
        ]


@dataclass(frozen=True)
class Group:
    """Rows of one volume, or of all, at one scale and with one degradation."""

    volume: str
    degradation: str
    scale: int
    rows: Rows

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.volume}, x{self.scale}, {self.degradation}"


def groups_of(rows: Sequence[Row], turned: str) -> list[Group]:
    """Every group there is; of several volumes their mean too, last."""
    chosen = Rows(rows).where(turned=turned)
    keys = list(
        dict.fromkeys((r["volume"], r["degradation"], r["scale"]) for r in chosen)
    )
    found = [
        Group(v, d, s, chosen.where(volume=v, degradation=d, scale=s))
        for v, d, s in keys
    ]
    if len({volume for volume, _, _ in keys}) > 1:
        found += [
            Group(EVERY_VOLUME, d, s, chosen.where(degradation=d, scale=s))
            for d, s in dict.fromkeys(key[1:] for key in keys)
        ]
    return found
