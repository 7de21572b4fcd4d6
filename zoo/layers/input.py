"""The network's input as a layer of its own."""

from __future__ import annotations

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.plugins.base import Kernels
from zoo.program.operations import Identity, Operation
from zoo.shapes import Shape

__all__ = ["Input"]


class Input(Layer):
    """Identity on the network's input, after the normalisation of [net].

    As layer 0 it gives the input an index, so that ``[route]`` and ``[shortcut]``
    can name it; anywhere else it starts a new branch from the input. Sizes, and what
    they must be multiples of, are optional; those given are checked.
    """

    summary = "the network's normalised input, for routes and shortcuts to name"
    keys = (
        Key("height", "int", 0, "rows that must arrive; 0 takes any", minimum=0),
        Key("width", "int", 0, "columns that must arrive; 0 takes any", minimum=0),
        Key("channels", "int", 0, "channels that must arrive; 0 takes any", minimum=0),
        Key("multiple", "int", 1, "of which rows and columns are whole", minimum=1),
    )

    height: int
    width: int
    channels: int
    multiple: int

    def sources(self, index: int) -> tuple[int, ...]:
        return (-1,)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "an input")
        wanted = (self.height, self.width, self.channels)
        for name, want, found in zip(shape._fields, wanted, shape, strict=True):
            if want and want != found:
                raise ShapeError(f"[input] has {name}={want}, but {shape} arrives")
        if shape.height % self.multiple or shape.width % self.multiple:
            raise ShapeError(
                f"the network takes only pictures whose height and width are multiples "
                f"of {self.multiple}, not {shape.height}x{shape.width}"
            )
        return shape

    def lower(self, *inputs: Shape) -> Operation | None:
        return Identity()

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        return inputs[0]

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        return (delta,)
