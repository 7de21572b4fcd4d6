"""Sampling between pixels on torch tensors, N x C x H x W."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.layers.dysample import Dysample
from zoo.torch.foreign import Function, Tensors

__all__ = ["dysample"]


def dysample(layer: Dysample) -> Function:
    """Each output pixel at its own place, moved by its offset."""
    scale, groups = layer.scale, layer.groups

    def run(tensors: Tensors, training: bool, offsets: Tensor, x: Tensor) -> Tensor:
        count, _, height, width = x.shape
        parts = offsets.reshape(count, 2 * groups, scale, scale, height, width)
        moved = layer.strength * parts.permute(0, 1, 4, 2, 5, 3).reshape(
            count, 2, groups, height * scale, width * scale
        )
        places = []
        for axis, length in ((1, width), (0, height)):
            at = (torch.arange(length * scale).to(x) + 0.5) / scale
            at = at if axis else at[:, None]
            places.append(2 * (at + moved[:, 1 - axis]) / length - 1)
        grid = torch.stack(places, dim=-1).flatten(0, 1)
        y = torch.nn.functional.grid_sample(
            x.reshape(count * groups, -1, height, width),
            grid,
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return y.reshape(count, -1, height * scale, width * scale)

    return run
