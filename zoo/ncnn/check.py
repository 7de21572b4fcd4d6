"""Networks as files for ncnn, with its output checked against ours."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from zoo.agreement import relative_error
from zoo.errors import ZooError
from zoo.files import atomic_write
from zoo.ncnn.writer import INPUT, OUTPUT, NcnnFiles, to_ncnn
from zoo.network import Network
from zoo.pixels import prepare, restore
from zoo.plugins.numpy import NumpyKernels

__all__ = ["ExportedNcnn", "export_ncnn"]

_TOLERANCE = 2e-2  # of the output's range; weights are half floats
_SIDES = (32, 48)


@dataclass(frozen=True)
class ExportedNcnn:
    """What was written.

    Attributes
    ----------
    paths : tuple of Path
        The .param and the .bin.
    bytes : int
        Of both.
    layers : int
    error : float or None
        Largest difference of an output value from ours, as a part of the range of
        all; None where ncnn is not installed and nothing was compared.
    """

    paths: tuple[Path, Path]
    bytes: int
    layers: int
    error: float | None


def export_ncnn(network: Network, param: Path, binary: Path) -> ExportedNcnn:
    """Write a network as a pair of files for ncnn.

    Parameters
    ----------
    network : Network
        With weights.
    param, binary : Path
        Replaced if they exist.

    Raises
    ------
    UsageError
        If the network cannot be said in ncnn.
    WeightsError
        If it has no weights.
    ZooError
        If ncnn is there and gives something else than zoo; nothing is written then.
    """
    files = to_ncnn(network)
    error = _compare(files, network)
    if error is not None and not error <= _TOLERANCE:
        raise ZooError(
            f"{network.source}: ncnn's output differs from zoo's by {error:.2g} of its "
            f"range; nothing was written, please report it"
        )
    text = files.param.encode()
    with ExitStack() as stack:
        # Left in reverse: the numbers get their name before the text.
        stack.enter_context(atomic_write(param)).write(text)
        stack.enter_context(atomic_write(binary)).write(files.binary)
    size = len(text) + len(files.binary)
    return ExportedNcnn((param, binary), size, files.layers, error)


def _compare(files: NcnnFiles, network: Network) -> float | None:
    """Largest difference of the outputs for a random picture."""
    try:
        import ncnn
    except (ImportError, OSError):
        return None
    random, pixels = np.random.default_rng(0), network.pixels
    image = random.random((*_SIDES, pixels.channels), np.float32)
    x, picture = prepare(image, pixels, 1.0)
    made = network.forward(x, kernels=NumpyKernels())
    if made.shape[3] == pixels.channels:
        ours = restore(made, pixels, picture, as_float=True)
    else:
        ours = made / np.float32(pixels.range)
    net = ncnn.Net()
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{name}", False)
    net.opt.use_vulkan_compute = False
    with TemporaryDirectory() as folder:
        param, binary = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text(files.param)
        binary.write_bytes(files.binary)
        if net.load_param(str(param)) or net.load_model(str(binary)):
            raise ZooError(
                f"{network.source}: ncnn does not load what was made for it; nothing "
                f"was written, please report it"
            )
    extractor = net.create_extractor()
    # ncnn reads the array itself, which must live until then.
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    extractor.input(INPUT, ncnn.Mat(planes).clone())
    _, found = extractor.extract(OUTPUT)
    theirs = np.array(found).transpose(1, 2, 0)[None]
    return relative_error(theirs, ours.reshape(theirs.shape))
