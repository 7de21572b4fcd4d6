"""A network while a family composes it: sections, real layers, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.layers.base import Layer
from zoo.models.tensor_map import (
    AffineMap,
    NormMap,
    PositionsMap,
    SlopesMap,
    TemperaturesMap,
    TensorMap,
)
from zoo.registry import registry
from zoo.shapes import Shape

__all__ = ["NetworkBuilder"]

# What layers are asked at for their shapes: divides by strides and windows.
_NOMINAL = 96
_NEAR = 16


class NetworkBuilder:
    """Composes a cfg as data flow: each method appends layers and returns an index.

    A cfg's layer reads the one before it; where another one is meant, a [route] is
    put in front. Layers are made at once, so shapes are theirs and mistakes show.

    Parameters
    ----------
    **net
        Keys and values of [net].

    Attributes
    ----------
    sections : list of tuple
        [net] first; what :func:`zoo.parsers.cfg.write_cfg` takes.
    maps : list of TensorMap
        Of every layer with parameters, in order.
    """

    def __init__(self, **net: Any) -> None:
        self.sections: list[tuple[str, dict[str, Any]]] = [("net", net)]
        self.maps: list[TensorMap] = []
        self._shapes: list[Shape] = []
        self._entry = Shape(_NOMINAL, _NOMINAL, net.get("channels", 3))

    @property
    def last(self) -> int:
        """Index of the last layer."""
        return len(self._shapes) - 1

    def channels(self, at: int) -> int:
        """Channels of what a layer makes; -1 is the picture."""
        return self._shape(at).channels

    def _shape(self, at: int) -> Shape:
        return self._entry if at < 0 else self._shapes[at]

    # -- any layer ---------------------------------------------------------

    def add(
        self,
        kind: str,
        x: int | None = None,
        *,
        module: str = "",
        map_by: type[TensorMap] | None = None,
        map_keys: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> int:
        """Append a layer and return its index.

        Parameters
        ----------
        kind : str
            Canonical name of a layer.
        x : int, optional
            The layer whose output it reads; by default the last one.
        module : str
            What the layer is called in the authors' program, if it has parameters.
        map_by : type of TensorMap, optional
            How its parameters are made; by default as its kind says.
        map_keys : mapping, optional
            Further attributes of that map.
        **values
            Its keys, in order. One called ``from`` is written ``from_``.

        Raises
        ------
        ShapeError
            If the layer cannot process what it gets.
        ValueError
            If the layer has no such key, or the value is out of its range.
        """
        if x is not None and x != self.last:
            self.add("route", layers=(self.reference(x),))
        keys = {name.rstrip("_"): value for name, value in values.items()}
        layer_type: type[Layer] = registry("zoo.layers").load(kind)
        attributes = {key.name: key.attribute for key in layer_type.keys}
        unknown = keys.keys() - attributes
        if unknown:
            raise ValueError(f"[{kind}] has no key {min(unknown)!r}")
        layer = layer_type(**{attributes[name]: keys[name] for name in keys})
        index = len(self._shapes)
        inputs = [self._shape(source) for source in layer.sources(index)]
        shapes = {
            **layer.parameter_shapes(*inputs),
            **layer.statistics_shapes(*inputs),
        }
        if shapes:
            mapped = map_by or _MAPS[kind]
            self.maps.append(
                mapped(module, f"{index}.{kind}", shapes, **(map_keys or {}))
            )
        self.sections.append((kind, keys))
        self._shapes.append(layer.output_shape(*inputs))
        return index

    def reference(self, x: int, *, relative: bool = True) -> int:
        """How the next layer refers to a layer: counting back, or by its index."""
        back = len(self._shapes) - x
        return -back if x < 0 or (relative and back <= _NEAR) else x

    # -- the layers of most networks ---------------------------------------

    def input(self) -> int:
        """The picture as a layer, which others can refer to."""
        return self.add("input")

    def conv(
        self,
        module: str,
        x: int,
        filters: int,
        size: int = 3,
        activation: str = "linear",
        *,
        stride: int = 1,
        pad: bool = True,
        norm: str = "",
        map_by: type[TensorMap] | None = None,
        map_keys: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> int:
        """A convolution; ``norm`` is the module of a batch normalization behind it."""
        if norm:
            values["batch_normalize"] = True
        return self.add(
            "convolutional",
            x,
            module=module,
            map_by=map_by,
            map_keys={"norm": norm} if norm else map_keys,
            filters=filters,
            size=size,
            stride=stride,
            pad=pad,
            activation=activation,
            **values,
        )

    def deconv(
        self, module: str, x: int, filters: int, size: int, stride: int, **values: Any
    ) -> int:
        """A transposed convolution."""
        return self.add(
            "deconvolutional",
            x,
            module=module,
            filters=filters,
            size=size,
            stride=stride,
            **{"activation": "linear", **values},
        )

    def prelu(self, module: str, x: int) -> int:
        """A rectifier with learned slopes."""
        return self.add("activation", x, module=module, activation="prelu")

    def activation(self, x: int, name: str, **values: Any) -> int:
        """An activation function."""
        return self.add("activation", x, activation=name, **values)

    def shuffle(self, x: int, scale: int, order: str = "crd") -> int:
        """Channels to pixels; nothing at scale 1."""
        if scale == 1:
            return x
        return self.add("shuffler", x, scale=scale, order=order)

    def unshuffle(self, x: int, scale: int) -> int:
        """Cells of scale x scale pixels to channels; nothing at scale 1."""
        if scale == 1:
            return x
        x = self.to_multiple(x, scale)
        return self.add("reorg3d", x, stride=scale, order="crd")

    def upsample(self, x: int, stride: int, mode: str = "nearest") -> int:
        """Larger by a fixed filter; nothing at stride 1."""
        if stride == 1:
            return x
        return self.add("upsample", x, stride=stride, mode=mode)

    def concat(self, *layers: int) -> int:
        """The channels of several layers, one after the other."""
        return self.add("route", layers=tuple(map(self.reference, layers)))

    def channels_of(self, x: int, first: int, count: int) -> int:
        """Some consecutive channels of a layer."""
        return self.add("route", layers=(self.reference(x),), first=first, count=count)

    def resize_like(self, x: int, like: int, mode: str = "bilinear") -> int:
        """As large as another layer, by a filter."""
        self._previous(x, (), False)
        return self.add("upsample", mode=mode, like=self.reference(like))

    def trim(self, x: int, size: int) -> int:
        """Without a border."""
        return self.add("trim", x, size=size)

    def to_multiple(
        self, x: int, multiple: int, border: int = 0, mode: str = "reflect"
    ) -> int:
        """A border, and more at bottom and right up to a multiple."""
        keys: dict[str, Any] = {"size": border} if border else {}
        if multiple > 1:
            keys["multiple"] = multiple
        return self.add("pad", x, **keys, mode=mode) if keys else x

    def like_picture(self, x: int, picture: int, multiple: int, scale: int) -> int:
        """Without what became of :meth:`to_multiple`, ``scale`` times the picture."""
        if multiple == 1:
            return x
        self._previous(x, (), False)
        return self.add("trim", like=self.reference(picture), scale=scale)

    # -- two layers into one -----------------------------------------------

    def sum(
        self,
        x: int,
        *others: int,
        alpha: float = 1,
        beta: float = 1,
        activation: str = "linear",
        relative: bool = True,
        **values: Any,
    ) -> int:
        """``alpha`` times x plus ``beta`` times each of the others, activated."""
        others = self._previous(x, others, alpha == beta)
        scales: dict[str, Any] = {"alpha": alpha, "beta": beta}
        if alpha == beta == 1:
            scales = {}
        origins = tuple(self.reference(at, relative=relative) for at in others)
        return self.add(
            "shortcut", from_=origins, **scales, activation=activation, **values
        )

    def product(self, x: int, y: int) -> int:
        """Value by value; a layer of one channel counts for all of the other's."""
        (y,) = self._previous(x, (y,), True)
        return self.add("sam", from_=self.reference(y))

    def scaled(self, x: int, factors: int) -> int:
        """A layer with each channel times the factor of a map of one pixel."""
        self._previous(factors, (), False)
        return self.add("scale_channels", from_=self.reference(x))

    def cross_attention(
        self,
        module: str,
        q: int,
        kv: int,
        *,
        map_by: Any = None,
        map_keys: Any = None,
        **values: Any,
    ) -> int:
        """What q attends to in another layer, of k and v beside each other."""
        self._previous(q, (), False)
        return self.add(
            "cross_attention",
            module=module,
            map_by=map_by,
            map_keys=map_keys,
            from_=self.reference(kv),
            **values,
        )

    def dysample(
        self, module: str, x: int, channels: int, scale: int, groups: int
    ) -> int:
        """A layer, enlarged by sampling where it says itself, then mixed 1 x 1.

        Liu et al., "Learning to upsample by learning to sample", 2023: offsets, each
        times a factor from 0 to 1/2. At scale 1 nothing is mixed.
        """
        count = 2 * groups * scale**2
        moved = self.conv(f"{module}.offset", x, count, 1)
        y = self.conv(f"{module}.scope", x, count, 1, "logistic", bias=False)
        self.product(y, moved)
        y = self.add(
            "dysample",
            from_=self.reference(x),
            scale=scale,
            groups=groups,
            strength=0.5,
        )
        return y if scale == 1 else self.conv(f"{module}.end_conv", y, channels, 1)

    def _previous(
        self, x: int, others: tuple[int, ...], commutes: bool
    ) -> tuple[int, ...]:
        """Let x be the last layer, or change places with one that is; the others."""
        if x == self.last:
            return others
        if commutes and self.last in others:
            return tuple(x if at == self.last else at for at in others)
        self.add("route", layers=(self.reference(x),))
        return others


_MAPS: dict[str, type[TensorMap]] = {
    "convolutional": AffineMap,
    "deconvolutional": AffineMap,
    "activation": SlopesMap,
    "batchnorm": NormMap,
    "layernorm": NormMap,
    "groupnorm": NormMap,
    "transposed_attention": TemperaturesMap,
    "window_attention": PositionsMap,
    "cross_attention": PositionsMap,
}
