"""A family of networks built of layers: all but the description.

A subclass composes a :class:`~zoo.models.builder.NetworkBuilder` from
hyper-parameters, lists the :class:`~zoo.models.naming.Naming` s its checkpoints
come in, and infers hyper-parameters from shapes. Writing, recognising, converting,
exporting and accounting for every tensor follow from these.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError, UsageError, WeightsError, ZooError
from zoo.models.base import (
    Assumption,
    Conversion,
    Family,
    Mismatch,
    NotRecognized,
    Recognition,
    TensorUse,
)
from zoo.models.builder import NetworkBuilder
from zoo.models.naming import Naming
from zoo.models.state_dict import StateDict, unwrapped
from zoo.parsers.base import Checkpoint
from zoo.parsers.cfg import write_cfg

__all__ = ["Constants", "NetworkFamily"]


@dataclass
class Constants:
    """Tensors of a checkpoint that are no layer's parameters.

    Attributes
    ----------
    options : dict of str to object
        Hyper-parameters that they state.
    uses : dict of str to (use, where)
        What became of each, by the family's own names.
    assumed : dict of str to tuple
        Hyper-parameters that they leave open, in place of the naming's.
    """

    options: dict[str, Any] = field(default_factory=dict)
    uses: dict[str, tuple[str, str]] = field(default_factory=dict)
    assumed: dict[str, tuple[Any, str]] = field(default_factory=dict)


class _Match(NamedTuple):
    state: StateDict
    uses: dict[str, tuple[str, str]]
    builder: NetworkBuilder
    recognition: Recognition


# What PyTorch stores and an inference does not need, or can compute.
_DERIVED = {
    "num_batches_tracked": "counts updates of training",
    "initialized": "a flag of training",
    "relative_position_index": "follows from the size of the window",
    "attn_mask": "follows from the size of the picture",
}


class NetworkFamily(Family):
    """A family of networks that zoo's layers can build."""

    namings: ClassVar[tuple[Naming, ...]] = ()
    """The ways of naming tensors that are known."""

    exports: ClassVar[bool] = False
    """Whether :meth:`export` gives what the authors' program loads."""
    export_key: ClassVar[str] = ""
    """The key of a file's dictionary under which that program looks."""
    program: ClassVar[Mapping[str, Any]] = {}
    """Hyper-parameters that are fixed in that program."""

    # -- what a family says ------------------------------------------------

    @classmethod
    @abstractmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        """Compose the network from complete hyper-parameters.

        Raises
        ------
        UsageError
            If they do not describe a network of the family.
        """

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        """Read hyper-parameters off the names and shapes.

        Parameters
        ----------
        state : StateDict
        stated : mapping
            Those known from the naming and from constants.

        Raises
        ------
        NotRecognized
            If they are of no network of the family.
        """
        raise NotRecognized("this family converts no checkpoints")

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        """What tensors tell that are no layer's parameters.

        Raises
        ------
        NotRecognized
            If they tell that this is something else.
        """
        return Constants()

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        """Tensors that a network of these hyper-parameters has no use for, and why."""
        return {}

    @classmethod
    def foreign(cls, names: Mapping[str, str]) -> str | None:
        """Name what looks like the family and is not, as a phrase, if this is it."""
        return None

    # -- what follows ------------------------------------------------------

    @classmethod
    def write(cls, **options: Any) -> str:
        values = cls.complete(options)
        try:
            sections = cls.build(values).sections
        except (ShapeError, ValueError) as error:
            raise UsageError(
                f"these hyper-parameters make no network of the family {cls.name}: "
                f"{error}"
            ) from None
        said = " ".join(
            f"{key.name}={_text(values[key.name])}"
            for key in cls.options
            if values[key.name] not in ((), "") or values[key.name] != key.default
        )
        comments = [f"{cls.name}: {cls.summary}", cls.paper, said]
        return write_cfg(sections, [line for line in comments if line])

    @classmethod
    def recognize(cls, checkpoint: Checkpoint) -> Recognition | None:
        names = unwrapped(checkpoint)
        if cls.foreign(names) is not None:
            return None
        for naming in cls.namings:
            try:
                return cls._match(checkpoint, names, naming).recognition
            except NotRecognized:
                continue
        return None

    @classmethod
    def mismatch(cls, checkpoint: Checkpoint) -> Mismatch:
        names = unwrapped(checkpoint)
        foreign = cls.foreign(names)
        if foreign is not None:
            return Mismatch("", 1.0, foreign)
        nearest = Mismatch("", 0.0, "this family converts no checkpoints")
        for naming in cls.namings:
            likeness = naming.likeness(names, cls._own_names())
            if likeness < nearest.likeness or (nearest.layout and not likeness):
                continue
            try:
                cls._match(checkpoint, names, naming)
            except NotRecognized as reason:
                if likeness > nearest.likeness or not nearest.layout:
                    nearest = Mismatch(naming.name, likeness, str(reason))
        return nearest

    @classmethod
    def tensors(cls, checkpoint: Checkpoint, recognition: Recognition) -> Conversion:
        naming = next(
            naming for naming in cls.namings if naming.name == recognition.layout
        )
        try:
            state, uses, builder, _ = cls._match(
                checkpoint, unwrapped(checkpoint), naming, recognition.options
            )
        except NotRecognized as reason:
            raise WeightsError(
                f"the checkpoint does not fit these hyper-parameters: {reason}"
            ) from None
        result = Conversion()
        shared: set[str] = set()  # a module that runs several times is several layers
        for tensor_map in builder.maps:
            mapped = tensor_map.convert(state)
            for name, (use, where) in mapped.uses.items():
                if name in uses and name in shared:
                    where = f"{uses[name][1]}; {where}"
                shared.add(name)
                uses[name] = (use, where)
            for name, array in mapped.parameters.items():
                result.tensors[tensor_map.tensor(name)] = array
        by_file = {state.original(name): use for name, use in uses.items()}
        result.uses = [
            TensorUse(name, tuple(np.shape(tensor)), *by_file[name])
            for name, tensor in checkpoint.tensors.items()
        ]
        return result

    @classmethod
    def export(
        cls, options: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """The tensors of a network under the names of the authors' program.

        Parameters
        ----------
        options : mapping
            Complete hyper-parameters.
        tensors : mapping of str to ndarray
            By the network's names, in its orders: ``Network.tensors``.

        Returns
        -------
        dict of str to ndarray, float32
            In PyTorch's orders; what that program loads.

        Raises
        ------
        UsageError
            If there is no such program, or it has no such network.
        """
        if not cls.exports:
            raise UsageError(
                f"the family {cls.name} has no way back to its authors' program"
            )
        for name, value in cls.program.items():
            if options[name] != value:
                raise UsageError(
                    f"the program of {cls.namings[0].name} has {name}="
                    f"{_text(value)}, not {_text(options[name])}"
                )
        exported: dict[str, NDArray[Any]] = {}
        for tensor_map in cls.build(options).maps:
            exported |= tensor_map.export(
                {name: tensors[tensor_map.tensor(name)] for name in tensor_map.shapes}
            )
        return exported

    @classmethod
    def _match(
        cls,
        checkpoint: Checkpoint,
        names: Mapping[str, str],
        naming: Naming,
        chosen: Mapping[str, Any] | None = None,
    ) -> _Match:
        """Hold a naming against a checkpoint; raise NotRecognized with the reason.

        ``chosen`` are complete options; without them they are inferred and assumed.
        """
        state = naming.state_dict(checkpoint, names)
        try:
            constants = cls.constants(state)
            stated = {**naming.fixed, **constants.options}
            stated = {**cls.infer(state, stated), **stated}
            guesses = {**naming.assume(stated), **constants.assumed}
            assumed = {
                name: guess for name, guess in guesses.items() if name not in stated
            }
            for key in cls.options:
                if key.name not in stated and key.name not in assumed:
                    assumed[key.name] = (key.default, "the usual value")
            values = {name: value for name, (value, _) in assumed.items()}
            options = cls.complete({**stated, **values, **(chosen or {})})
            builder = cls.build(options)
        except NotRecognized:
            raise
        except (ZooError, ValueError) as error:
            raise NotRecognized(str(error)) from None
        uses = dict(constants.uses)
        unused = cls.unused(state, options)
        uses |= {name: ("ignored", why) for name, why in unused.items()}
        for name in state:
            why = _DERIVED.get(name.rpartition(".")[2])
            if why is not None and not name.startswith("?"):
                uses.setdefault(name, ("ignored", why))
        _compare(state, uses, builder)
        recognition = Recognition(
            cls.name,
            naming.name,
            options,
            tuple(Assumption(name, *guess) for name, guess in assumed.items()),
        )
        return _Match(state, uses, builder, recognition)

    @classmethod
    @cache
    def _own_names(cls) -> re.Pattern[str]:
        """What matches the family's own names, whatever the numbers in them."""
        few: dict[str, Any] = {}
        defaults = {key.name: key.default for key in cls.options}
        if "depths" in defaults:  # one group of a transformer has the names of all
            few = {name: defaults[name][:1] for name in ("depths", "heads")}
        try:
            maps = cls.build(cls.complete(few)).maps
        except (ZooError, ValueError):
            return re.compile("(?!)")
        modules = {re.sub(r"\d+", "0", tensor_map.module) for tensor_map in maps}
        patterns = [re.escape(module).replace("0", r"\d+") for module in modules]
        return re.compile(rf"(?:{'|'.join(sorted(patterns))})\.[\w.]+")


def _compare(
    state: StateDict, uses: Mapping[str, Any], builder: NetworkBuilder
) -> None:
    """Raise NotRecognized unless a checkpoint has a network's tensors and no others."""
    left = {name for name in state if name not in uses}
    missing: list[str] = []
    for tensor_map in builder.maps:
        for name in tensor_map.names(state):
            if name not in state:
                missing.append(name)
            left.discard(name)
    reasons = []
    if missing:
        reasons.append(f"lacks {_some(missing)}")
    if left:
        others = [state.original(name) for name in state if name in left]
        reasons.append(f"also has {_some(others)}")
    if reasons:
        raise NotRecognized(f"it {' and '.join(reasons)}")
    # Not through a Network: a hostile file may claim shapes that take terabytes.
    for tensor_map in builder.maps:
        tensor_map.check(state)


def _some(names: list[str]) -> str:
    """The first few of a list of names."""
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


_NOTHING = "auto"  # what an empty list leaves to the family


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(_text, value)) or _NOTHING
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)
