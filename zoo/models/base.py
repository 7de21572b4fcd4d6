"""What a family of networks is.

A family (EDSR, WDSR, ...) writes cfg text from hyper-parameters, recognises
published checkpoints of its kind by the names and shapes of their tensors, and
says which tensor becomes which weights. One family, one file, one line under
``zoo.models`` in setup.cfg.

Derive a family whose networks zoo's layers can build from
:class:`zoo.models.network_family.NetworkFamily`, which does all but the description.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, did_you_mean
from zoo.keys import Key
from zoo.parsers.base import Checkpoint

__all__ = [
    "Assumption",
    "Conversion",
    "Family",
    "Mismatch",
    "NotRecognized",
    "Recognition",
    "TensorUse",
]

Array = NDArray[Any]


@dataclass(frozen=True)
class Assumption:
    """A hyper-parameter that the checkpoint does not state.

    Attributes
    ----------
    option : str
        Name of an option of the family.
    value : object
        What is taken for it unless the caller says otherwise.
    reason : str
        Why, as a phrase.
    """

    option: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Recognition:
    """A checkpoint that a family knows.

    Attributes
    ----------
    family : str
        Name of the family.
    layout : str
        Whose way of naming tensors it is.
    options : mapping of str to object
        Values for all options of the family.
    assumptions : tuple of Assumption
        Those among them that names and shapes cannot tell.
    """

    family: str
    layout: str
    options: Mapping[str, Any]
    assumptions: tuple[Assumption, ...] = ()

    def override(self, values: Mapping[str, Any]) -> Recognition:
        """Replace what was assumed by what the caller knows better.

        Raises
        ------
        UsageError
            If a value contradicts what the checkpoint itself states.
        """
        assumed = {assumption.option for assumption in self.assumptions}
        for name, value in values.items():
            stated = self.options[name]
            if name not in assumed and value != stated:
                hint = f"; assumed are {', '.join(sorted(assumed))}" if assumed else ""
                raise UsageError(
                    f"{name}={_text(value)} contradicts the checkpoint, which states "
                    f"{name}={_text(stated)}; only what is assumed can be "
                    f"changed{hint}"
                )
        return replace(
            self,
            options={**self.options, **values},
            assumptions=tuple(
                assumption
                for assumption in self.assumptions
                if assumption.option not in values
            ),
        )


@dataclass(frozen=True)
class Mismatch:
    """Why a checkpoint is none of a family's.

    Attributes
    ----------
    layout : str
        The layout that comes nearest.
    likeness : float
        How near, from 0 (no name in common) to 1.
    reason : str
        A phrase: what is missing, unexpected or misshapen.
    """

    layout: str
    likeness: float
    reason: str


@dataclass(frozen=True)
class TensorUse:
    """Where one tensor of a checkpoint went.

    Attributes
    ----------
    tensor : str
        Its name in the file.
    shape : tuple of int
        Its shape in the file.
    use : {"stored", "folded", "stated", "ignored"}
        Became a tensor of the network as it is (but for the order of its axes);
        was computed into one; told a hyper-parameter; or is not needed.
    where : str
        The network's tensor or hyper-parameter, and how; or why it is ignored.
    """

    tensor: str
    shape: tuple[int, ...]
    use: str
    where: str


@dataclass
class Conversion:
    """Tensors of a network, made from a checkpoint.

    Attributes
    ----------
    tensors : dict of str to ndarray, float32
        By the network's names (``5.convolutional.weights``), in its orders.
    uses : list of TensorUse
        One for every tensor of the checkpoint.
    """

    tensors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    uses: list[TensorUse] = field(default_factory=list)


class NotRecognized(Exception):
    """A checkpoint is not of a family; the message is the reason, a phrase."""


class Family(ABC):
    """A family of networks. Never instantiated: all methods are class methods."""

    name: ClassVar[str]
    """As registered under ``zoo.models``."""
    summary: ClassVar[str] = ""
    """One line for ``zoo new``."""
    paper: ClassVar[str] = ""
    """Authors, title, year."""
    options: ClassVar[tuple[Key, ...]] = ()
    """The hyper-parameters."""
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Those that no tensor tells, with the values that published files have: a picture
    decides (:mod:`zoo.checkpoints.undecided`)."""

    @classmethod
    def complete(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Check hyper-parameters and add the defaults of those not given.

        Raises
        ------
        UsageError
            If a name is unknown, or a value of the wrong type or out of range.
        """
        table = {key.name: key for key in cls.options}
        for name, value in given.items():
            if name not in table:
                hint = did_you_mean(name, table) or f"; it has {', '.join(table)}"
                raise UsageError(f"the family {cls.name} has no option {name!r}{hint}")
            try:
                _check_type(table[name], value)
                table[name].check(value)
            except ValueError as error:
                raise UsageError(
                    f"{name}: {error} ({name}: {table[name].meaning})"
                ) from None
        for name, key in table.items():
            if key.required and name not in given:
                raise UsageError(f"the family {cls.name} needs {name} ({key.meaning})")
        return {name: given.get(name, key.default) for name, key in table.items()}

    @classmethod
    @abstractmethod
    def write(cls, **options: Any) -> str:
        """Write the cfg of one member.

        Parameters
        ----------
        **options
            Hyper-parameters; defaults for the others.

        Returns
        -------
        str
            The text of a cfg file. The same options give the same text.

        Raises
        ------
        UsageError
            If the options do not describe a network of the family.
        """

    @classmethod
    def recognize(cls, checkpoint: Checkpoint) -> Recognition | None:
        """Return what a checkpoint is, or None if it is none of this family's.

        Only names, shapes and single numbers are looked at.
        """
        return None

    @classmethod
    def mismatch(cls, checkpoint: Checkpoint) -> Mismatch:
        """Say why :meth:`recognize` returns None for a checkpoint."""
        return Mismatch("", 0.0, "this family converts no checkpoints")

    @classmethod
    def tensors(cls, checkpoint: Checkpoint, recognition: Recognition) -> Conversion:
        """Make the tensors of the network that :meth:`write` describes.

        Parameters
        ----------
        checkpoint : Checkpoint
        recognition : Recognition
            From :meth:`recognize`, perhaps overridden.

        Raises
        ------
        WeightsError
            If a tensor's values cannot be used.
        """
        raise NotImplementedError


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "ints": (int,),
    "floats": (int, float),
    "strs": (str,),
}


def _check_type(key: Key, value: Any) -> None:
    """Raise ValueError unless a value is of a key's type."""
    wanted = _PYTHON_TYPES[key.type]
    if key.type.endswith("s"):
        if not isinstance(value, (tuple, list)):
            raise ValueError(f"{value!r} is no list")
        items = list(value)
    else:
        items = [value]
    for item in items:
        is_flag = isinstance(item, bool) and key.type != "bool"
        if is_flag or not isinstance(item, wanted):
            article = "an" if key.type.startswith("int") else "a"
            raise ValueError(f"{item!r} is not {article} {key.type.removesuffix('s')}")


def _text(value: Any) -> str:
    """A value as it is written in a cfg."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value)
