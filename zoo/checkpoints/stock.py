"""A network in what the Darknets themselves understand: plain cfg and .weights.

What zoo adds to the language is said in Darknet's words where that gives the same
result, and refused where it cannot be:

* the pixels' range, mean and std become a 1x1 convolution at the beginning, and another
  one at the end;
* so does the network's input where a route or a shortcut reads it, which Darknet cannot
  address: the identity;
* [shuffler] becomes [reorg] reverse=1, for PyTorch's order of channels with the filters
  before it permuted;
* alpha of a shortcut is multiplied into the convolution before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checkpoints.darknet import write_darknet
from zoo.checkpoints.darknet_order import slots
from zoo.errors import UsageError, ZooError
from zoo.files import atomic_write, refuse_existing
from zoo.layers.base import INPUT, Array, Layer
from zoo.layers.convolutional import Convolutional
from zoo.layers.input import Input
from zoo.layers.shortcut import Shortcut
from zoo.layers.shuffler import Shuffler
from zoo.network import Network
from zoo.parsers.cfg import parse_cfg, write_cfg
from zoo.plugins.numpy import NumpyKernels

__all__ = ["Stock", "to_stock", "write_stock"]

_KINDS = frozenset(
    (
        *("convolutional", "deconvolutional", "connected", "local", "maxpool"),
        *("local_avgpool", "avgpool", "shortcut", "route", "reorg", "reorg3d"),
        *("upsample", "batchnorm", "activation", "dropout", "softmax", "cost", "crop"),
        *("normalization", "rnn", "gru", "lstm", "crnn", "conv_lstm", "history"),
        *("scale_channels", "sam", "implicit", "contrastive", "empty", "yolo"),
        *("gaussian_yolo", "region", "detection", "iseg", "logistic", "l2norm"),
    )
)
_SPELLED = {"gaussian_yolo": "Gaussian_yolo"}
_ACTIVATIONS = frozenset(
    (
        *("logistic", "loggy", "relu", "relu6", "elu", "selu", "relie", "ramp"),
        *("linear", "tanh", "plse", "leaky", "stair", "hardtan", "lhtan", "swish"),
        *("mish", "hard_mish", "gelu", "revleaky", "normalize_channels"),
        *("normalize_channels_softmax", "normalize_channels_softmax_maxval"),
    )
)
_OURS = frozenset(
    ("bias", "bn_eps", "bn_dialect", "slope", "same", "pad_mode", "dialect", "seed")
)
"""Keys of layers that Darknet does not have; checked before they are left out."""
_PICTURE = ("height", "width", "channels", "inputs", "time_steps", "letter_box")
_TOLERANCE = 1e-4


@dataclass
class Stock:
    """The network in Darknet's words.

    Attributes
    ----------
    text : str
        Of the cfg.
    network : Network
        Built from it, with the weights.
    notes : tuple of str
        What was rewritten.
    """

    text: str
    network: Network
    notes: tuple[str, ...]


class _Builder:
    """Sections, tensors and notes, as the network is gone through."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.sections: list[tuple[str, list[tuple[str, Any]]]] = []
        self.tensors: list[dict[str, Array]] = []
        self.place: dict[int, int] = {}
        self.notes: list[str] = []

    def add(
        self, kind: str, entries: list[tuple[str, Any]], tensors: dict[str, Array]
    ) -> int:
        self.sections.append((kind, entries))
        self.tensors.append(tensors)
        return len(self.sections) - 1

    def matrix(self, matrix: Array, offset: Array) -> int:
        """A 1x1 convolution: y_k = sum_c matrix_ck x_c + offset_k."""
        entries = [
            ("filters", matrix.shape[1]),
            ("size", 1),
            ("stride", 1),
            ("activation", "linear"),
        ]
        weights = np.ascontiguousarray(matrix[None, None], np.float32)
        return self.add(
            "convolutional", entries, {"weights": weights, "biases": offset}
        )


def to_stock(network: Network) -> Stock:
    """Write a network with stock Darknet's sections and keys.

    Parameters
    ----------
    network : Network
        With weights.

    Raises
    ------
    UsageError
        If Darknet has no words for something.
    WeightsError
        If the network has no weights.
    ZooError
        If the result computes something else, which would be a mistake here.
    """
    network.require_weights()
    builder = _Builder(network)
    begun = _begin(builder)
    for index in range(len(network)):
        _layer(builder, index)
    ended = _end(builder)
    text = write_cfg(
        [("net", _net(network)), *builder.sections],
        [
            f"{network.source.rpartition('/')[2]} in the words of Darknet",
            *builder.notes,
        ],
    )
    made = Network(parse_cfg(text, "darknet.cfg"))
    for index, (layer, tensors) in enumerate(zip(made, builder.tensors, strict=True)):
        if index in made.owners:
            continue
        for name, tensor in layer.tensors.items():
            if name in tensors:
                tensor[...] = tensors[name]
            elif name == "biases":
                tensor[...] = 0
            else:
                raise AssertionError(f"{name} was not carried over")
    made.trained = True
    list(slots(made))  # Darknet has a place for everything
    _compare(network, made, begun or ended)
    return Stock(text, made, tuple(builder.notes))


# -- the ends --------------------------------------------------------------


def _net(network: Network) -> list[tuple[str, Any]]:
    values = [
        (name, network.settings[name])
        for name in _PICTURE
        if network.settings[name]
        and (name != "time_steps" or network.settings[name] > 1)
    ]
    keys = [name for name, _ in values]
    if "height" not in keys and "inputs" not in keys:
        height, width = network.nominal_size  # Darknet wants some
        values += [("height", height), ("width", width)]
    return values


def _begin(builder: _Builder) -> bool:
    """The convolution that makes the network's input of pixels 0..1, if it takes one."""
    network, pixels = builder.network, builder.network.pixels
    if pixels.color == "y":
        raise UsageError(
            f"{network.source} takes luma (color=y), which Darknet does not make of a "
            f"picture"
        )
    factor = np.array(pixels.range, np.float32) / np.array(pixels.std, np.float32)
    offset = -np.array(pixels.mean, np.float32) / np.array(pixels.std, np.float32)
    matrix = np.diag(np.broadcast_to(factor, pixels.channels)).astype(np.float32)
    if pixels.color == "bgr":
        matrix = matrix[::-1]
    plain = np.array_equal(matrix, np.eye(pixels.channels)) and not offset.any()
    readers = [
        index
        for index, layer in enumerate(network)
        if INPUT in network.sources[index] and not isinstance(layer, Input)
    ]
    named = any(
        isinstance(layer, Input) and _is_named(network, index)
        for index, layer in enumerate(network)
    )
    linked = named or any(
        index > 0 or network.sources[index] != (INPUT,) for index in readers
    )
    if plain and not linked:
        return False
    builder.place[INPUT] = builder.matrix(matrix, np.ascontiguousarray(offset))
    builder.notes.append(
        "layer 0 is the identity, for the links to the input"
        if plain
        else "layer 0 brings pixels from 0..1 to what the network takes"
    )
    return not plain


def _is_named(network: Network, index: int) -> bool:
    """Whether an [input] comes late, or others than the next layer alone read it."""
    readers = [at for at, sources in enumerate(network.sources) if index in sources]
    return index > 0 or readers != [1] or network.sources[1] != (index,)


def _end(builder: _Builder) -> bool:
    """The convolution that makes pixels 0..1 of the network's output, if it takes one."""
    network, pixels = builder.network, builder.network.pixels
    if len(network.outputs) > 1:
        return False
    channels = network.shapes(*network.nominal_size)[-1].channels
    factor, offset = np.float32(1 / pixels.range), np.zeros(channels, np.float32)
    scale = np.full(channels, factor, np.float32)
    if pixels.denormalize and channels == pixels.channels:
        scale = scale * np.array(pixels.std, np.float32)
        offset = factor * np.array(pixels.mean, np.float32)
    matrix = np.diag(scale)
    if pixels.color == "bgr" and channels == 3:
        matrix, offset = matrix[:, ::-1], offset[::-1]
    if np.array_equal(matrix, np.eye(channels)) and not offset.any():
        return False
    builder.matrix(np.ascontiguousarray(matrix), np.ascontiguousarray(offset))
    builder.notes.append("the last layer brings the result to pixels from 0 to 1")
    return True


# -- layers ----------------------------------------------------------------


def _layer(builder: _Builder, index: int) -> None:
    network = builder.network
    layer, kind = network[index], network.canonical_kinds[index]
    if isinstance(layer, Input):
        if INPUT in builder.place:
            builder.place[index] = builder.place[INPUT]
        else:
            builder.place[index] = INPUT
        return
    if isinstance(layer, Shuffler):
        builder.place[index] = _shuffler(builder, index, layer)
        return
    if kind not in _KINDS:
        _refuse(network, index, f"Darknet has no [{kind}]")
    entries = _entries(builder, index, layer)
    tensors = {name: tensor.copy() for name, tensor in layer.tensors.items()}
    if isinstance(layer, Shortcut):
        _alpha(builder, index, layer)
        entries = [e for e in entries if e[0] not in ("alpha", "beta")]
    if index in network.owners:
        tensors = {}
        owner = builder.place[network.owners[index]]
        entries = [e for e in entries if e[0] != "share_index"]
        entries.append(("share_index", owner))
    _chain(builder, index)
    builder.place[index] = builder.add(_SPELLED.get(kind, kind), entries, tensors)


def _refuse(network: Network, index: int, why: str) -> None:
    raise UsageError(f"{network.where(index)}: {why}")


def _chain(builder: _Builder, index: int) -> None:
    """See that the layer before stands right before, as most layers read that one."""
    network = builder.network
    kind = network.canonical_kinds[index]
    if kind in ("route", "implicit"):
        return
    first = network.sources[index][0]
    at = builder.place.get(first, INPUT)
    if at == len(builder.sections) - 1:
        return
    if at == INPUT:
        _refuse(network, index, "it reads the network's input, which Darknet cannot")
    back = at - len(builder.sections)
    builder.add("route", [("layers", back)], {})


def _entries(builder: _Builder, index: int, layer: Layer) -> list[tuple[str, Any]]:
    """The keys that Darknet understands, with its numbers of layers."""
    network = builder.network
    _check_keys(network, index, layer)
    known = {name: key for key in layer.keys for name in (key.name, *key.aliases)}
    entries: list[tuple[str, Any]] = []
    for entry in network.sections[index + 1].entries:
        key = known[entry.key]
        if key.attribute in _OURS or key.attribute in ("origins", "origin", "layers"):
            continue
        if key.name == "activation" and entry.value == "silu":
            entries.append((key.name, "swish"))
            continue
        entries.append((key.name, entry.value))
    if getattr(layer, "same", False):
        entries.append(("pad", 1))
    others = network.sources[index]
    kind = network.canonical_kinds[index]
    at = len(builder.sections)
    if kind == "route":
        entries.insert(
            0, ("layers", [_relative(builder, index, s, at) for s in others])
        )
    elif kind in ("shortcut", "sam", "scale_channels"):
        # A route may have to come before, which moves this one.
        moved = builder.place.get(others[0], INPUT) != at - 1
        entries.insert(
            0,
            (
                "from",
                [_relative(builder, index, s, at + moved) for s in others[1:]],
            ),
        )
    return entries


def _relative(builder: _Builder, index: int, source: int, at: int) -> int:
    place = builder.place.get(source, INPUT)
    if place == INPUT:
        _refuse(builder.network, index, "it reads the network's input")
    return place - at


def _check_keys(network: Network, index: int, layer: Layer) -> None:
    """Refuse keys that ask for what Darknet does not do."""

    def get(name: str, default: Any) -> Any:
        return getattr(layer, name, default)

    function = get("activation", "linear")
    if function not in _ACTIVATIONS and function != "silu":
        _refuse(network, index, f"Darknet has no activation={function}")
    if function == "leaky" and get("slope", 0.1) != 0.1:
        _refuse(network, index, "Darknet's leaky has the slope 0.1")
    if get("pad_mode", "zero") != "zero":
        _refuse(network, index, "Darknet pads with zeros only")
    if get("same", False):
        is_even = get("size", 1) % 2 == 0
        if is_even or get("stride", 1) != 1 or not isinstance(layer, Convolutional):
            _refuse(network, index, "same=1 is Darknet's only for odd sizes, stride 1")
    if get("output_padding", 0):
        _refuse(network, index, "Darknet has no output_padding")
    if get("mode", "nearest") != "nearest":
        _refuse(network, index, f"Darknet has no upsampling by mode={get('mode', '')}")
    if get("count", 0) or get("first", 0):
        _refuse(network, index, "Darknet's route has no first and count; use groups")
    if get("deviation", False):
        _refuse(network, index, "Darknet's avgpool has no deviation")
    if get("like", 0):
        _refuse(network, index, "Darknet cannot enlarge to the size of another layer")


def _shuffler(builder: _Builder, index: int, layer: Shuffler) -> int:
    """[reorg] reverse=1, with the filters before it in its order."""
    network = builder.network
    (source,) = network.sources[index]
    if layer.order == "crd" and layer.scale > 1:
        channels = network.shapes(*network.nominal_size)[source].channels
        cells = layer.scale**2
        # Darknet's channel (i r + j) C + c comes from PyTorch's c r^2 + i r + j.
        order = np.arange(channels).reshape(-1, cells).T.reshape(-1)
        if _can_permute(builder, source):
            tensors = builder.tensors[builder.place[source]]
            for name, tensor in tensors.items():
                tensors[name] = np.ascontiguousarray(tensor[..., order])
            builder.notes.append(
                f"the filters of layer {builder.place[source]} are in the order of the "
                f"[reorg] after it"
            )
        else:
            _chain(builder, index)
            matrix = np.eye(channels, dtype=np.float32)[:, order]
            builder.matrix(matrix, np.zeros(channels, np.float32))
            builder.notes.append(
                f"layer {len(builder.sections) - 1} puts channels in the order of the "
                f"[reorg] after it"
            )
            entries = [("stride", layer.scale), ("reverse", 1)]
            return builder.add("reorg", entries, {})
    _chain(builder, index)
    return builder.add("reorg", [("stride", layer.scale), ("reverse", 1)], {})


def _can_permute(builder: _Builder, source: int) -> bool:
    """Whether a layer is a convolution whose output the shuffler alone reads."""
    network = builder.network
    if source == INPUT or source in network.owners.values():
        return False
    layer = network[source]
    readers = sum(source in sources for sources in network.sources)
    return (
        isinstance(layer, Convolutional)
        and source not in network.owners
        and layer.groups == 1
        and readers == 1
        and source not in network.outputs
    )


def _alpha(builder: _Builder, index: int, layer: Shortcut) -> None:
    """Multiply alpha into the convolution before, for AlexeyAB's Darknet ignores it."""
    network = builder.network
    if layer.beta != 1:
        _refuse(
            network, index, "beta is unknown to AlexeyAB's Darknet; only 1 can be said"
        )
    if layer.alpha == 1:
        return
    source = network.sources[index][0]
    before = network[source] if source != INPUT else None
    is_free = (
        isinstance(before, Convolutional)
        and before.activation == "linear"
        and source not in network.owners
        and source not in network.owners.values()
        and sum(source in sources for sources in network.sources) == 1
        and source not in network.outputs
        and not (before.binary or before.xnor)
    )
    shapes = network.shapes(*network.nominal_size)
    same = all(shapes[s] == shapes[index] for s in network.sources[index] if s >= 0)
    if not is_free or not same:
        _refuse(
            network,
            index,
            "alpha is unknown to AlexeyAB's Darknet, and the layer before is no linear "
            "convolution that could take it on",
        )
    tensors = builder.tensors[builder.place[source]]
    names = ("scales", "biases") if "scales" in tensors else ("weights", "biases")
    for name in names:
        if name in tensors:
            tensors[name] = tensors[name] * np.float32(layer.alpha)
    note = "alpha of shortcuts is multiplied into the convolutions before them"
    if note not in builder.notes:
        builder.notes.append(note)


# -- the proof -------------------------------------------------------------


def _compare(network: Network, made: Network, pixels_differ: bool) -> None:
    """Compare both for a random picture."""
    from zoo.pixels import prepare, restore

    height, width = network.nominal_size
    height, width = min(height, 64), min(width, 64)
    try:
        network.shapes(height, width), made.shapes(height, width)
    except ZooError:
        height, width = network.nominal_size
    if network.settings["height"] and network.settings["width"]:
        height, width = network.nominal_size
    count = network.settings["time_steps"]
    rng = np.random.default_rng(0)
    picture = rng.random((count, height, width, network.pixels.channels), np.float32)
    kernels = NumpyKernels()
    ours = network.forward(prepare(picture, network.pixels)[0], kernels=kernels)
    theirs = made.forward(prepare(picture, made.pixels)[0], kernels=kernels)
    if len(network.outputs) == 1:
        ours, theirs = (ours,), (theirs,)
    _, taken = prepare(picture, network.pixels)
    for our, their in zip(ours, theirs, strict=True):
        if len(network.outputs) == 1:
            fits = (
                not network.pixels.denormalize
                or our.shape[3] == network.pixels.channels
            )
            our = (
                restore(our.copy(), network.pixels, taken, as_float=True)
                if fits
                else our
            )
        span = max(float(np.abs(our).max()), 1e-12)
        error = float(np.abs(our - their).max()) / span
        if not error <= _TOLERANCE:
            raise ZooError(
                f"{network.source}: what was written for Darknet differs by {error:.2g} "
                f"of its range; nothing was written, please report it"
            )


def write_stock(
    network: Network, stem: str | Path, *, force: bool = False
) -> tuple[Stock, tuple[Path, Path]]:
    """Write STEM.cfg and STEM.weights for Darknet; see :func:`to_stock`.

    Raises
    ------
    UsageError
        If a file exists and ``force`` is False, or Darknet has no words for something.
    """
    paths = Path(f"{stem}.cfg"), Path(f"{stem}.weights")
    for path in paths:
        if not force:
            refuse_existing(path)
    stock = to_stock(network)
    # The cfg gets its name last: it is never without the weights made with it.
    with atomic_write(paths[0]) as file:
        file.write(stock.text.encode())
        write_darknet(stock.network, paths[1])
    return stock, paths
