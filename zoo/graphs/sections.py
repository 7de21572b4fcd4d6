"""Steps as sections of a cfg, with the weights of the layers that they become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Untranslatable

__all__ = ["Sections", "write"]

Array = NDArray[Any]


@dataclass
class Sections:
    """A cfg in the making.

    Attributes
    ----------
    sections : list of (kind, keys)
        [net] first; what :func:`zoo.parsers.cfg.write_cfg` takes.
    tensors : dict of str to ndarray
        By the network's names.
    origins : dict of str to set of str
        For every tensor, the constants of the graph that it was made of.
    """

    sections: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tensors: dict[str, Array] = field(default_factory=dict)
    origins: dict[str, set[str]] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    at: dict[Step, int] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """Index of the last layer; -1 before the first."""
        return len(self.sections) - 2

    def add(
        self,
        kind: str,
        keys: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Array | None] | None = None,
        origins: set[str] | None = None,
    ) -> int:
        """Append a layer and return its index."""
        self.sections.append((kind, dict(keys or {})))
        index = self.last
        for name, tensor in (tensors or {}).items():
            if tensor is not None:
                full = f"{index}.{kind}.{name}"
                self.tensors[full] = np.ascontiguousarray(tensor, np.float32)
                self.origins[full] = set(origins or ())
        return index

    def back(self, index: int) -> int:
        """A layer, counted back from the one that comes next."""
        return index - (self.last + 1)

    def after(self, index: int) -> None:
        """Let the next layer follow another."""
        if index != self.last:
            self.add("route", {"layers": self.back(index)})

    def pointwise(
        self, index: int, weights: Array, groups: int = 1, origins: Any = None
    ) -> int:
        """Append a 1 x 1 convolution without biases, of weights C/g x K."""
        self.after(index)
        keys = {"filters": weights.shape[1], "size": 1, "stride": 1}
        if groups > 1:
            keys["groups"] = groups
        return self.add(
            "convolutional",
            {**keys, "bias": False, "activation": "linear"},
            {"weights": weights[None, None]},
            origins,
        )


Writer = Callable[[Sections, Step, str, dict[str, Any]], int]


def write(draft: Draft, net: Mapping[str, Any], entry: Mapping[str, Any]) -> Sections:
    """Write a draft as sections.

    Parameters
    ----------
    draft : Draft
        Simplified (:mod:`zoo.graphs.passes`).
    net, entry : mapping of str to object
        Keys of [net] and of [input]; the latter is left out if nothing needs it.

    Returns
    -------
    Sections
        Whose ``problems`` count what no layer does.
    """
    from zoo.graphs.writers import WRITERS

    made = Sections([("net", dict(net))])
    made.at[draft.input] = -1
    readers = draft.input.readers
    first = draft.steps[1] if len(draft.steps) > 1 else None
    if entry or len(readers) != 1 or readers[0] is not first:
        made.at[draft.input] = made.add("input", entry)
    done: set[Step] = {draft.input}
    for step in draft.steps[1:]:
        if step in done:
            continue
        done.add(step)
        follower = _follower(draft, step)
        name, keys = "linear", {}
        if follower is not None:
            name = follower.activation
            if name == "leaky":
                keys = {"slope": short(follower.values["slope"])}
        writer = WRITERS.get(step.kind)
        try:
            if writer is None:
                raise Untranslatable(str(step.values.get("function", step.kind)))
            for source in step.inputs:
                if source not in made.at:
                    raise _Skipped
            index = writer(made, step, name, keys)
        except Untranslatable as error:
            made.problems[str(error)] += 1
            continue
        except _Skipped:
            if step.kind == "div":
                made.problems["Div of two values"] += 1
            continue
        made.at[step] = index
        if follower is not None:
            made.at[follower] = index
            done.add(follower)
    if not made.problems:
        made.after(made.at[draft.output])
        if made.last < 0:
            made.add("input", entry)
    return made


class _Skipped(Exception):
    """A step reads what has no translation."""


_WITH_ACTIVATION = ("conv", "deconv", "add")
_OF_THEIR_OWN = ("prelu", "clip")


def _follower(draft: Draft, step: Step) -> Step | None:
    """The activation that the layer of a step does along with it."""
    if step.kind not in _WITH_ACTIVATION or not draft.is_read_once(step):
        return None
    reader = step.readers[0]
    if reader.kind == "activation" and reader.activation not in _OF_THEIR_OWN:
        return reader
    return None


def short(value: float) -> float:
    """A number with as few digits as float32 has."""
    return float(str(np.float32(value)))
