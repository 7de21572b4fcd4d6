"""Small random networks for the engine's tests, and what programs compute."""

from __future__ import annotations

from hypothesis import strategies as st

from zoo.network import Network
from zoo.plugins import Kernels
from zoo.plugins.interpret import execute
from zoo.program.program import Program
from zoo.shapes import Array

ACTIVATIONS = ("linear", "relu", "leaky", "mish", "prelu")


@st.composite
def cfgs(draw: st.DrawFn) -> str:
    """Text of a network whose layers all keep the input's aspect."""
    lines = ["[net]", f"channels={draw(st.integers(1, 5))}", "[input]"]
    sizes = [1]  # enlargement of each layer's output
    channels = [0]
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(KINDS))
        index = len(sizes)
        filters = draw(st.sampled_from((3, 4, 16, 20)))
        match kind:
            case "conv":
                size = draw(st.sampled_from((1, 3, 3, 5)))
                mode = draw(st.sampled_from(("zero", "symmetric", "edge", "reflect")))
                lines += ["[convolutional]", f"filters={filters}", f"size={size}"]
                lines += ["pad=1", f"pad_mode={mode}"]
                lines += [f"activation={draw(st.sampled_from(ACTIVATIONS[:4]))}"]
                sizes.append(sizes[-1])
                channels.append(filters)
            case "pair":  # a residual block, where the channels allow it
                before = channels[-1] or filters
                if not channels[-1]:
                    lines += ["[convolutional]", f"filters={filters}", "size=1"]
                    lines += ["activation=linear"]
                    sizes.append(sizes[-1])
                    channels.append(filters)
                for activation in ("relu", "linear"):
                    lines += ["[convolutional]", f"filters={before}", "size=3"]
                    lines += ["pad=1", f"activation={activation}"]
                    sizes.append(sizes[-1])
                    channels.append(before)
                lines += ["[shortcut]", "from=-3", "alpha=0.5", "activation=relu"]
                sizes.append(sizes[-1])
                channels.append(before)
            case "shuffle":
                scale = draw(st.sampled_from((2, 3)))
                order = draw(st.sampled_from(("crd", "dcr")))
                shallow = draw(st.sampled_from((4, 4, 16, 32)))
                deep = shallow * scale * scale
                lines += ["[convolutional]", f"filters={deep}", "size=3"]
                lines += ["pad=1", "activation=linear"]
                lines += ["[shuffler]", f"scale={scale}", f"order={order}"]
                sizes += [sizes[-1], sizes[-1] * scale]
                channels += [deep, shallow]
            case "pool":
                name = draw(st.sampled_from(("maxpool", "local_avgpool")))
                size = draw(st.sampled_from((2, 3, 5, 14)))
                lines += [f"[{name}]", f"size={size}", "stride=1"]
                lines += [f"padding={size - 1}"]
                sizes.append(sizes[-1])
                channels.append(channels[-1])
            case "upsample":
                lines += ["[upsample]", "stride=2"]
                sizes.append(sizes[-1] * 2)
                channels.append(channels[-1])
            case "deconv":
                stride = draw(st.sampled_from((1, 2, 3)))
                size = draw(st.integers(1, 5))
                lines += ["[deconvolutional]", f"filters={filters}", f"size={size}"]
                lines += [f"stride={stride}", "same=1"]
                lines += [f"activation={draw(st.sampled_from(ACTIVATIONS[:4]))}"]
                sizes.append(sizes[-1] * stride)
                channels.append(filters)
            case "activation":
                name = draw(st.sampled_from(ACTIVATIONS))
                lines += ["[activation]", f"activation={name}"]
                sizes.append(sizes[-1])
                channels.append(channels[-1])
            case "maxpool":
                lines += ["[maxpool]", "size=3", "stride=1"]
                sizes.append(sizes[-1])
                channels.append(channels[-1])
            case "batchnorm":
                lines += ["[batchnorm]"]
                sizes.append(sizes[-1])
                channels.append(channels[-1])
            case "route":
                same = [i for i in range(index) if sizes[i] == sizes[-1]]
                other = draw(st.sampled_from(same))
                lines += ["[route]", f"layers=-1,{other}"]
                sizes.append(sizes[-1])
                channels.append(
                    0
                    if not (channels[-1] and channels[other])
                    else channels[-1] + channels[other]
                )
        if sizes[-1] > 6:
            break
    return "\n".join(lines)


KINDS = (
    "conv",
    "conv",
    "pair",
    "pair",
    "shuffle",
    "upsample",
    "deconv",
    "pool",
    "activation",
    "maxpool",
    "batchnorm",
    "route",
)


def network(text: str, seed: int = 0) -> Network:
    """A network with random weights and statistics."""
    import numpy as np

    net = Network.parse(text).initialize(seed)
    rng = np.random.default_rng(seed)
    for layer in net:
        for name, tensor in layer.tensors.items():
            if name != "weights":
                tensor[...] = rng.uniform(0.5, 1.5, tensor.shape)
    return net


def interpret(program: Program, x: Array, kernels: Kernels) -> Array:
    """Run a program step by step on N x H x W x C pictures."""
    values = {0: x}
    for step in program.steps:
        inputs = [values[value] for value in step.inputs]
        values[step.output] = execute(step.operation, inputs, kernels)
    return values[program.output]


def dense_cfg(blocks: int = 2, filters: int = 16, growth: int = 8) -> str:
    """Text of residual-in-residual dense blocks, as ESRGAN has them, and an enlargement."""
    lines = ["[net]", "channels=3"]
    count = 0

    def add(*section: str) -> int:
        nonlocal count
        lines.extend(section)
        count += 1
        return count - 1

    def conv(channels: int, activation: str = "leaky") -> int:
        return add(
            *("[convolutional]", f"filters={channels}", "size=3", "pad=1"),
            f"activation={activation}",
        )

    def joined(layers: list[int]) -> int:
        return add("[route]", f"layers={','.join(map(str, layers))}")

    first = value = conv(filters, "linear")
    for _ in range(blocks):
        begun = value
        for _ in range(2):
            made = [value]
            for _ in range(3):
                made.append(conv(growth))
                joined(made)
            conv(filters, "linear")
            value = add("[shortcut]", f"from={value}", "alpha=0.2", "activation=linear")
        value = add("[shortcut]", f"from={begun}", "activation=linear")
    conv(filters, "linear")
    add("[shortcut]", f"from={first}", "activation=linear")
    add("[upsample]", "stride=2")
    conv(3, "linear")
    return "\n".join(lines)
