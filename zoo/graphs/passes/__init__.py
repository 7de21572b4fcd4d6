"""Passes over a draft, each small, in the order in which :func:`simplify` runs them."""

from __future__ import annotations

from zoo.graphs.draft import Draft
from zoo.graphs.passes import (
    affines,
    borders,
    drop,
    ends,
    enlargements,
    folding,
    norms,
    padding,
    pointwise,
    selections,
)

__all__ = ["simplify"]


def simplify(draft: Draft) -> None:
    """Make of what exporters write what a person would have written."""
    for run in (
        drop.drop,
        affines.merge,
        pointwise.recognize,
        affines.merge,
        norms.recognize,
        affines.merge,
        ends.ends,
        enlargements.recognize,
        selections.fold,
        folding.fold,
        affines.merge,
        borders.classify,
        folding.fold,
        padding.fold,
    ):
        run(draft)
        draft.sweep()
