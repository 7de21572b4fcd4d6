"""A network while a family composes it: sections, and which is which."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Role", "Sketch"]


class Role(NamedTuple):
    """What a layer with weights is in its family, whatever its index in the cfg.

    ``Role("block.1", 4)`` is the second convolution of the fifth block;
    ``Role("head")`` the only head.
    """

    name: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.name}[{self.number}]"


class Sketch:
    """Sections of a cfg in the making.

    Parameters
    ----------
    **net
        Keys and values of [net].

    Attributes
    ----------
    sections : list of (kind, values)
        [net] first; what :func:`zoo.parsers.cfg.write_cfg` takes.
    roles : dict of Role to int
        The index of each layer that has a role.
    """

    def __init__(self, **net: Any) -> None:
        self.sections: list[tuple[str, dict[str, Any]]] = [("net", net)]
        self.roles: dict[Role, int] = {}

    @property
    def last(self) -> int:
        """Index of the last layer."""
        return len(self.sections) - 2

    def add(self, kind: str, role: Role | None = None, **values: Any) -> int:
        """Append a layer and return its index.

        Parameters
        ----------
        kind : str
            Canonical name of a layer.
        role : Role, optional
            What a checkpoint's tensors find it by.
        **values
            Its keys, in order. One called ``from`` is written ``from_``.
        """
        self.sections.append(
            (kind, {name.rstrip("_"): value for name, value in values.items()})
        )
        if role is not None:
            self.roles[role] = self.last
        return self.last

    def convolution(
        self,
        role: Role,
        filters: int,
        size: int = 3,
        activation: str = "linear",
        *,
        pad: bool = True,
    ) -> int:
        """Append a convolution of stride 1 that keeps the size, unless pad is False."""
        return self.add(
            "convolutional",
            role,
            filters=filters,
            size=size,
            stride=1,
            pad=pad,
            activation=activation,
        )

    def shortcut(self, from_: int, alpha: float = 1.0) -> int:
        """Append ``alpha`` times the previous layer plus the layer ``from_``."""
        scales = {} if alpha == 1 else {"alpha": alpha, "beta": 1}
        return self.add("shortcut", None, from_=from_, **scales, activation="linear")

    def tensor(self, role: Role, name: str) -> str:
        """The network's name of a role's tensor: ``5.convolutional.weights``."""
        index = self.roles[role]
        return f"{index}.{self.sections[index + 1][0]}.{name}"
