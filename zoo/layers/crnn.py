"""A recurrent layer of convolutions."""

from __future__ import annotations

from typing import ClassVar

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.activated import activation_keys
from zoo.layers.affine import GROUPS_KEY
from zoo.layers.base import Layer, Window
from zoo.layers.batchnorm import NORMALIZATION_KEYS
from zoo.layers.convolutional import Convolutional
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY
from zoo.layers.recurrent import STEPS_KEY
from zoo.layers.rnn import SimpleRecurrent
from zoo.shapes import Shape

__all__ = ["WINDOW_KEYS", "Crnn", "convolution", "recurrent_window"]

WINDOW_KEYS: tuple[Key, ...] = (
    Key("size", "int", 3, "height and width of the kernels", minimum=1),
    Key("stride", "int", 1, "input pixels per output pixel", minimum=1),
    Key("dilation", "int", 1, "input pixels from tap to tap", minimum=1),
    Key("pad", "bool", False, "1: padding is size/2, whatever padding says"),
    Key("padding", "int", 0, "pixels added on each side, times dilation", minimum=0),
    GROUPS_KEY,
)
"""Keys of the convolutions in recurrent layers."""


class Crnn(SimpleRecurrent):
    """Convolutional: see :class:`zoo.layers.rnn.SimpleRecurrent`.

    input and self are convolutions with ``hidden`` filters, output has ``output``; the
    state must keep its size under self. pjreddie's Darknet, whose kernels are 3x3 with
    pad=1, calls the keys hidden_filters and output_filters.
    """

    summary = "recurrent convolutions: pictures depend on those before"
    keys = (
        Key(
            "output",
            "int",
            1,
            "channels of the output",
            minimum=1,
            aliases=("output_filters",),
        ),
        Key(
            "hidden",
            "int",
            1,
            "channels of the state",
            minimum=1,
            aliases=("hidden_filters",),
        ),
        *WINDOW_KEYS,
        *activation_keys("logistic", "of input, self and output"),
        Key("batch_normalize", "bool", False, "1: batch normalization in all parts"),
        *NORMALIZATION_KEYS,
        Key("xnor", "bool", False, "1: binary weights and inputs in all parts"),
        Key("shortcut", "bool", False, "1: the state is added to the next one"),
        STEPS_KEY,
        DIALECT_KEY,
        *COMMON_KEYS,
    )
    dialects: ClassVar = {
        "pjreddie": {"bn_dialect": "pjreddie", "size": 3, "pad": True},
    }

    output: int
    hidden: int

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.parts: dict[str, Layer] = {
            name: convolution(self, filters)
            for name, filters in (
                ("input", self.hidden),
                ("self", self.hidden),
                ("output", self.output),
            )
        }

    def output_shape(self, *inputs: Shape) -> Shape:
        state = self._state(inputs[0])
        return self.parts["output"].output_shape(state)

    def window(self) -> tuple[Window, Window]:
        """Of as many convolutions in a row as a sequence has steps, and one more."""
        return recurrent_window(self.parts["input"], self.time_steps + 1)

    def part_inputs(self, shape: Shape) -> dict[str, Shape]:
        state = self._state(shape)
        return {"input": shape, "self": state, "output": state}

    def _state(self, shape: Shape) -> Shape:
        state = self.parts["input"].output_shape(shape)
        after = self.parts["self"].output_shape(state)
        if after != state:
            raise ShapeError(
                f"the state is {state} and its convolution makes {after} of it; both "
                f"must be equal: stride=1, and pad=1 with an odd size (pjreddie's "
                f"Darknet always pads: dialect=pjreddie)"
            )
        return state


def recurrent_window(part: Layer, count: int) -> tuple[Window, Window]:
    """What one pixel sees through so many equal convolutions in a row."""
    rows, columns = part.window()
    return (
        Window(rows.size + (count - 1) * (rows.size - 1), rows.stride),
        Window(columns.size + (count - 1) * (columns.size - 1), columns.stride),
    )


def convolution(layer: Layer, filters: int) -> Convolutional:
    """A part with the keys of a layer, so many filters and its activation."""
    names = (
        *("size", "stride", "dilation", "pad", "padding", "groups", "activation"),
        *("batch_normalize", "bn_eps", "bn_dialect", "xnor"),
    )
    values = {name: getattr(layer, name) for name in names}
    if values["activation"] == "leaky":
        values["slope"] = layer.slope  # type: ignore[attr-defined]
    return Convolutional(filters=filters, **values)
