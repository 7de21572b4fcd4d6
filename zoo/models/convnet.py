"""A family whose members are stacks of convolutions: all but the description.

A subclass composes a :class:`~zoo.models.sketch.Sketch` from hyper-parameters,
lists the :class:`~zoo.models.layout.Layout` s its checkpoints come in, and
infers hyper-parameters from shapes. Writing, recognising, converting and
accounting for every tensor follow from these.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.models.base import (
    Assumption,
    Conversion,
    Family,
    LedgerLine,
    Mismatch,
    Recognition,
)
from zoo.models.folding import finite_float32, fold_weight_norm, to_hwio
from zoo.models.layout import Facts, Found, Layout, Source, Unlike
from zoo.models.sketch import Sketch
from zoo.models.view import View
from zoo.parsers.base import Checkpoint
from zoo.parsers.cfg import write_cfg

__all__ = ["ConvFamily"]


class _Match(NamedTuple):
    found: Found
    facts: Facts
    recognition: Recognition


class ConvFamily(Family):
    """A family of convolutional networks."""

    layouts: ClassVar[tuple[Layout, ...]] = ()
    """The ways of naming tensors that are known."""

    # -- what a family says ------------------------------------------------

    @classmethod
    @abstractmethod
    def sketch(cls, options: Mapping[str, Any]) -> Sketch:
        """Compose the network from complete hyper-parameters.

        Raises
        ------
        UsageError
            If they do not describe a network of the family.
        """

    @classmethod
    def infer(cls, found: Found) -> dict[str, Any]:
        """Read hyper-parameters off the names and shapes.

        Raises
        ------
        Unlike
            If they are of no network of the family.
        """
        raise Unlike("this family converts no checkpoints")

    @classmethod
    def foreign(cls, view: View) -> str | None:
        """Name what looks like the family and is not, as a phrase, if this is it."""
        return None

    # -- what follows ------------------------------------------------------

    @classmethod
    def write(cls, **options: Any) -> str:
        values = cls.complete(options)
        said = " ".join(
            f"{key.name}={_text(values[key.name])}"
            for key in cls.options
            if values[key.name] not in ((), "")
        )
        comments = [f"{cls.name}: {cls.summary}", cls.paper, said]
        return write_cfg(
            cls.sketch(values).sections, [line for line in comments if line]
        )

    @classmethod
    def recognize(cls, checkpoint: Checkpoint) -> Recognition | None:
        view = View(checkpoint)
        if cls.foreign(view) is not None:
            return None
        for layout in cls.layouts:
            try:
                return cls._match(view, layout).recognition
            except Unlike:
                continue
        return None

    @classmethod
    def mismatch(cls, checkpoint: Checkpoint) -> Mismatch:
        view = View(checkpoint)
        foreign = cls.foreign(view)
        if foreign is not None:
            return Mismatch("", 1.0, foreign)
        nearest = Mismatch("", 0.0, "this family converts no checkpoints")
        for layout in cls.layouts:
            likeness = layout.likeness(view)
            if likeness < nearest.likeness or (nearest.layout and not likeness):
                continue
            try:
                cls._match(view, layout)
            except Unlike as reason:
                if likeness > nearest.likeness or not nearest.layout:
                    nearest = Mismatch(layout.name, likeness, str(reason))
        return nearest

    @classmethod
    def tensors(cls, checkpoint: Checkpoint, recognition: Recognition) -> Conversion:
        layout = next(
            layout for layout in cls.layouts if layout.name == recognition.layout
        )
        view = View(checkpoint)
        found, facts, _ = cls._match(view, layout)
        sketch = cls.sketch(recognition.options)
        result = Conversion()
        fates = {view.original(name): fate for name, fate in facts.fates.items()}
        for role in sketch.roles:
            source = found.source(role)
            weights, biases = (
                sketch.tensor(role, name) for name in ("weights", "biases")
            )
            result.tensors[weights] = _read_weights(view, source, layout.axes)
            result.tensors[biases] = finite_float32(view[source.biases], source.biases)
            order = f"{layout.axes} to HWIO" if layout.axes != "HWIO" else "as it is"
            if len(source.weights) == 1:
                fates[view.original(source.weights[0])] = (
                    "stored",
                    f"{weights} ({order})",
                )
            else:
                for name, what in zip(source.weights, "gv", strict=True):
                    fates[view.original(name)] = (
                        "folded",
                        f"{weights} ({what} of g v / |v|, {order})",
                    )
            fates[view.original(source.biases)] = ("stored", biases)
        result.ledger = [
            LedgerLine(name, tuple(np.shape(tensor)), *fates[name])
            for name, tensor in checkpoint.tensors.items()
        ]
        return result

    @classmethod
    def _match(cls, view: View, layout: Layout) -> _Match:
        """Hold a layout against a checkpoint; raise Unlike with the reason."""
        facts = layout.facts(view)
        found = Found(layout, view)
        options = {**layout.fixed, **cls.infer(found), **facts.options}
        assumed = {
            name: guess
            for name, guess in layout.assume(options).items()
            if name not in options
        }
        for key in cls.options:
            if key.name not in options and key.name not in assumed:
                assumed[key.name] = (key.default, "the usual value")
        try:
            options = cls.complete(
                {**options, **{name: value for name, (value, _) in assumed.items()}}
            )
            sketch = cls.sketch(options)
        except UsageError as error:
            raise Unlike(str(error)) from None
        _compare(found, facts, sketch)
        recognition = Recognition(
            cls.name,
            layout.name,
            options,
            tuple(Assumption(name, *guess) for name, guess in assumed.items()),
        )
        return _Match(found, facts, recognition)


def _compare(found: Found, facts: Facts, sketch: Sketch) -> None:
    """Raise Unlike unless a checkpoint has the sketch's tensors and no others."""
    view = found.view
    left = {name for name in view if name not in facts.fates}
    missing: list[str] = []
    for role in sketch.roles:
        source = found.source(role)
        for name in (*source.weights, source.biases):
            if name not in view:
                missing.append(name)
            left.discard(name)
    reasons = []
    if missing:
        reasons.append(f"lacks {_some(missing)}")
    if left:
        reasons.append(f"also has {_some([name for name in view if name in left])}")
    if reasons:
        raise Unlike(f"it {' and '.join(reasons)}")
    # Not through a Network: a hostile file may claim shapes that take terabytes.
    for role, wanted in sketch.shapes.items():
        source = found.source(role)
        if found.shape(role) != wanted:
            raise Unlike(
                f"{source.weights[-1]} is {_by(found.shape(role))} (height, width, in, "
                f"out) in place of {_by(wanted)}"
            )
        shape = view.shape(source.biases)
        if shape != wanted[3:]:
            raise Unlike(f"{source.biases} is {_by(shape)} in place of {wanted[3]}")


def _read_weights(view: View, source: Source, axes: str) -> NDArray[np.float32]:
    """The weight of one convolution, plain, as kh x kw x in x out."""
    arrays = [finite_float32(view[name], name) for name in source.weights]
    if len(arrays) == 2:
        magnitude, direction = arrays
        weights = fold_weight_norm(magnitude, direction, source.weights[1])
    else:
        weights = arrays[0]
    return to_hwio(weights, axes)


def _some(names: list[str]) -> str:
    """The first few of a list of names."""
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(_text, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)
