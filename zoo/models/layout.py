"""How one publisher names the convolutions of a family in a checkpoint.

A :class:`Layout` is a declaration; :class:`Found` is a layout held against the
tensors of one checkpoint. The mathematics of what comes out is in
:mod:`zoo.models.folding`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from zoo.models.sketch import Role
from zoo.models.view import View

__all__ = ["Facts", "Found", "Layout", "Source", "Unlike"]

Axes = Literal["OIHW", "HWIO"]


class Unlike(Exception):
    """A checkpoint does not have a layout; the message is the reason, a phrase."""


@dataclass
class Facts:
    """What tensors other than weights and biases tell.

    Attributes
    ----------
    options : dict of str to object
        Hyper-parameters.
    fates : dict of str to (fate, where)
        For the ledger, by the model's own names.
    """

    options: dict[str, Any] = field(default_factory=dict)
    fates: dict[str, tuple[str, str]] = field(default_factory=dict)


def _no_facts(view: View) -> Facts:
    return Facts()


def _nothing_assumed(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {}


@dataclass(frozen=True)
class Layout:
    """One way of naming the tensors of a family.

    Attributes
    ----------
    name : str
        Whose it is, for people.
    roles : mapping of str to (str or pair of str)
        For the name of each role, the name of the module that holds its
        ``weight`` and ``bias`` (PyTorch: with or without weight normalisation,
        both spellings), or the names of the two tensors. In it stand for a block
        of index i: ``{i}``, ``{next}`` = i + 1, ``{even}`` = 2 i, ``{odd}`` =
        2 i + 1; for a network of n blocks ``{n}`` and ``{end}`` = n + 1.
    axes : {"OIHW", "HWIO"}
        Order of the axes of a weight in the file.
    fixed : mapping of str to object
        Hyper-parameters that are part of the layout.
    facts : callable
        From a :class:`View`, what tensors beside weights and biases tell; raises
        :class:`Unlike` if they tell that it is something else.
    assume : callable
        From the hyper-parameters known so far, (value, reason) of those that the
        file does not state.
    """

    name: str
    roles: Mapping[str, str | tuple[str, str]]
    axes: Axes = "OIHW"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    facts: Callable[[View], Facts] = _no_facts
    assume: Callable[[Mapping[str, Any]], dict[str, tuple[Any, str]]] = _nothing_assumed

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        ends = [end for ends in (*_WEIGHTS, (_BIAS,)) for end in ends]
        any_end = "(?:" + "|".join(map(re.escape, ends)) + ")"
        patterns = []
        for names in self.roles.values():
            if isinstance(names, str):
                patterns.append(_to_pattern(names) + any_end)
            else:
                patterns += map(_to_pattern, names)
        return re.compile("|".join(patterns))

    def likeness(self, view: View) -> float:
        """Part of a checkpoint's names that could be of this layout, 0 to 1."""
        hits = sum(self._pattern.fullmatch(name) is not None for name in view)
        return hits / len(view) if len(view) else 0.0


# What PyTorch appends to a module's name: a weight as it is; magnitude and
# direction of torch.nn.utils.weight_norm; the same of its successor in
# torch.nn.utils.parametrizations.
_WEIGHTS = (
    (".weight",),
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)
_BIAS = ".bias"


def _to_pattern(template: str) -> str:
    """A regular expression for the names that a template can give."""
    return re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(template))


class Source(NamedTuple):
    """The tensors behind one convolution.

    Attributes
    ----------
    weights : tuple of str
        One name, or magnitude g and direction v of a normalised weight.
    biases : str
    """

    weights: tuple[str, ...]
    biases: str


class Found:
    """A layout held against a checkpoint.

    Parameters
    ----------
    layout : Layout
    view : View

    Attributes
    ----------
    blocks : int
        How often the role "block.0" is there, from index 0 on.
    """

    def __init__(self, layout: Layout, view: View) -> None:
        self.layout = layout
        self.view = view
        self.blocks = 0
        if "block.0" in layout.roles:
            self.blocks = self.count("block.0")

    def count(self, name: str) -> int:
        """Number of consecutive indices from 0 at which a role's weight is there."""
        index = 0
        while self.has(Role(name, index)):
            index += 1
        return index

    def has(self, role: Role) -> bool:
        """Whether the weight of a role is there."""
        return role.name in self.layout.roles and all(
            name in self.view for name in self.source(role).weights
        )

    def source(self, role: Role) -> Source:
        """Names of a role's tensors, whether or not they are there."""
        names = self.layout.roles[role.name]
        if isinstance(names, tuple):
            weights, biases = (self._fill(name, role.number) for name in names)
            return Source((weights,), biases)
        base = self._fill(names, role.number)
        for ends in _WEIGHTS[1:]:
            if any(base + end in self.view for end in ends):
                return Source(tuple(base + end for end in ends), base + _BIAS)
        return Source((base + _WEIGHTS[0][0],), base + _BIAS)

    def shape(self, role: Role) -> tuple[int, int, int, int]:
        """Shape of a role's weight as kh, kw, in, out.

        Raises
        ------
        Unlike
            If it is not there or not of four axes.
        """
        if role.name not in self.layout.roles:
            raise Unlike(f"{self.layout.name} has no {role.name}")
        source = self.source(role)
        for name in source.weights:
            if name not in self.view:
                raise Unlike(f"there is no tensor {name!r}")
        shape = self.view.shape(source.weights[-1])
        if len(shape) != 4:
            raise Unlike(f"{source.weights[-1]} has {len(shape)} axes in place of 4")
        if self.layout.axes == "OIHW":
            out, into, height, width = shape
        else:
            height, width, into, out = shape
        return height, width, into, out

    def shuffle_factor(self, role: Role, channels: int) -> int:
        """The r of a convolution that makes r^2 times as many channels.

        Raises
        ------
        Unlike
            If its filters are no such number.
        """
        *_, outputs = self.shape(role)
        factor = math.isqrt(outputs // channels) if channels else 0
        if factor < 1 or outputs != channels * factor**2:
            name = self.source(role).weights[-1]
            raise Unlike(
                f"{name} has {outputs} filters, which is no square times {channels}"
            )
        return factor

    def _fill(self, template: str, index: int) -> str:
        return template.format(
            i=index,
            next=index + 1,
            even=2 * index,
            odd=2 * index + 1,
            n=self.blocks,
            end=self.blocks + 1,
        )
