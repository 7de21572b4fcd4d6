"""Keys of layers that add or cut off pixels at the sides of the image."""

from __future__ import annotations

from zoo.keys import Key
from zoo.layers.base import Layer
from zoo.plugins.base import Padding

__all__ = ["Sided", "side_keys"]

_LARGEST = 4096


def side_keys(done: str) -> tuple[Key, ...]:
    """The keys that :class:`Sided` understands; ``done`` says what is done."""
    size = f"pixels {done} at each side"
    sides = (
        Key(
            name,
            "int",
            -1,
            f"pixels {done} at the {name}; -1 takes size",
            minimum=-1,
            maximum=_LARGEST,
        )
        for name in ("top", "bottom", "left", "right")
    )
    return Key("size", "int", 0, size, minimum=0, maximum=_LARGEST), *sides


class Sided(Layer):
    """A layer with the keys of :func:`side_keys`."""

    size: int
    top: int
    bottom: int
    left: int
    right: int

    @property
    def sides(self) -> Padding:
        """Pixels at each side."""
        return Padding(
            *(
                self.size if side < 0 else side
                for side in (self.top, self.bottom, self.left, self.right)
            )
        )
