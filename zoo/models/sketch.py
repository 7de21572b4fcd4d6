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
    shapes : dict of Role to tuple of int
        Of the weight of each convolution: kh, kw, in, out.
    """

    def __init__(self, **net: Any) -> None:
        self.sections: list[tuple[str, dict[str, Any]]] = [("net", net)]
        self.roles: dict[Role, int] = {}
        self.shapes: dict[Role, tuple[int, int, int, int]] = {}
        self._channels: list[int] = []

    @property
    def last(self) -> int:
        """Index of the last layer."""
        return len(self.sections) - 2

    def add(self, kind: str, role: Role | None = None, **values: Any) -> int:
        """Append a layer and return its index.

        Parameters
        ----------
        kind : str
            Canonical name of a layer: a convolutional one, a shuffler, a route, or
            one that keeps the channels of the layer before.
        role : Role, optional
            What a checkpoint's tensors find it by.
        **values
            Its keys, in order. One called ``from`` is written ``from_``.
        """
        keys = {name.rstrip("_"): value for name, value in values.items()}
        before = self.channels
        match kind:
            case "convolutional":
                self._channels.append(keys["filters"])
            case "shuffler":
                self._channels.append(before // keys["scale"] ** 2)
            case "route":
                here = len(self._channels)
                layers = [at if at >= 0 else here + at for at in keys["layers"]]
                self._channels.append(sum(self._channels[at] for at in layers))
            case _:
                self._channels.append(before)
        self.sections.append((kind, keys))
        if role is not None:
            self.roles[role] = self.last
        return self.last

    @property
    def channels(self) -> int:
        """Channels of what the last layer makes."""
        return self._channels[-1] if self._channels else self.sections[0][1]["channels"]

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
        self.shapes[role] = (size, size, self.channels, filters)
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
