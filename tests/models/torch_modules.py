"""PyTorch modules and zoo's networks side by side: what tests of families share."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.api import Model
from zoo.checkpoints.files import assign
from zoo.models.base import Family, Recognition
from zoo.network import Network
from zoo.parsers.base import Checkpoint
from zoo.plugins import select

DIV2K = (0.4488, 0.4371, 0.4040)
"""The mean color of the training pictures, from 0 to 1."""

IMAGE = np.random.default_rng(1).integers(0, 256, (9, 11, 3), np.uint8)


def checkpoint_of(module: Any, prefix: str = "") -> Checkpoint:
    """What a reader would find in a module's file."""
    return Checkpoint(
        "torch",
        {prefix + name: value.numpy() for name, value in module.state_dict().items()},
    )


def run_torch(module: Any, image: np.ndarray) -> np.ndarray:
    """The module's result for a picture, H x W x C, without rounding."""
    import torch

    with torch.no_grad():
        x = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
        return module(x)[0].permute(1, 2, 0).numpy()


def run_zoo(
    family: type[Family],
    checkpoint: Checkpoint,
    recognition: Recognition,
    image: np.ndarray,
) -> np.ndarray:
    """The same of the network that a family makes of a checkpoint, every tensor used."""
    network = Network.parse(family.write(**recognition.options))
    conversion = family.tensors(checkpoint, recognition)
    assert [line.tensor for line in conversion.uses] == list(checkpoint.tensors)
    assign(network, conversion.tensors)
    return Model(network, select("numpy"))(image, as_float=True)


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Compare pictures from 0 to 255 to within 1e-5 of white."""
    assert ours.shape == theirs.shape
    assert theirs.std() > 1  # a constant would prove nothing
    np.testing.assert_allclose(ours / 255, theirs / 255, atol=1e-5)
