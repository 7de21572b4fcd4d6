"""Self-attention on torch tensors, N x C x H x W."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from zoo.layers.cross_attention import CrossAttention
from zoo.layers.transposed_attention import TransposedAttention
from zoo.layers.window_attention import WindowAttention, held_apart
from zoo.program.operations import Attend
from zoo.torch.foreign import Function, Tensors

__all__ = ["attend", "cross_attention", "transposed_attention", "window_attention"]


def window_attention(layer: WindowAttention) -> Function:
    """Between the pixels of each window."""
    places = torch.from_numpy(layer.places())

    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        biases = None
        if layer.positions:
            table = tensors["position_biases"][places.to(x.device)]
            biases = table.permute(2, 0, 1)
        return _attend(x, layer.heads, layer.extent, layer.steps, biases, layer.grid)

    return run


def attend(x: Tensor, operation: Attend) -> Tensor:
    """The same of an operation of a program."""
    steps = tuple(
        by and length - by
        for by, length in zip(operation.before, operation.extent, strict=True)
    )
    biases = None
    if operation.biases is not None:
        biases = torch.as_tensor(operation.biases).to(x).transpose(1, 2)
    extent = (operation.extent[0], operation.extent[1])
    return _attend(x, operation.heads, extent, (steps[0], steps[1]), biases)


def _attend(
    x: Tensor,
    heads: int,
    extent: tuple[int, int],
    steps: tuple[int, int],
    biases: Tensor | None,
    grid: bool = False,
) -> Tensor:
    """``biases`` are heads x queries x keys."""
    count, channels, height, width = x.shape
    (rows, columns), depth = extent, channels // (3 * heads)
    lengths = [(height // rows, rows), (width // columns, columns)]
    if grid:
        lengths = [(rows, height // rows), (columns, width // columns)]
    x = x.roll((-steps[0], -steps[1]), (2, 3)).reshape(
        count, 3, heads, depth, *lengths[0], *lengths[1]
    )
    if grid:
        x = x.transpose(4, 5).transpose(6, 7)
    # To q, k and v: pictures x windows down x windows right x heads x pixels x d.
    q, k, v = x.permute(1, 0, 4, 6, 2, 5, 7, 3).flatten(5, 6)
    logits = q @ k.transpose(-1, -2) / depth**0.5
    if biases is not None:
        logits = logits + biases
    if any(steps):
        logits = logits + _apart(height, width, extent, steps).to(logits)
    y = (logits.softmax(-1) @ v).unflatten(4, (rows, columns))
    order = (0, 3, 6, 4, 1, 5, 2) if grid else (0, 3, 6, 1, 4, 2, 5)
    y = y.permute(order).reshape(count, -1, height, width)
    return y.roll(steps, (2, 3))


@lru_cache(maxsize=16)
def _apart(
    height: int, width: int, extent: tuple[int, int], steps: tuple[int, int]
) -> Tensor:
    apart = held_apart(height, width, extent, steps).astype(np.float32)
    return torch.from_numpy(apart[:, :, None])


def cross_attention(layer: CrossAttention) -> Function:
    """Of the pixels of one layer to those of another."""
    down, right = layer.steps

    def parted(x: Tensor, ratio: int = 1, around: int = 0) -> Tensor:
        """Pictures x windows down x windows right x heads x pixels x d."""
        windows = x[:, :, None, None] if layer.whole else x
        if not layer.whole:
            for axis, length in enumerate(layer.extent, start=2):
                step = length // ratio
                windows = windows.unfold(axis, step + 2 * around, step)
        apart = windows.flatten(4).unflatten(1, (layer.heads, -1))
        return apart.permute(0, 3, 4, 1, 5, 2)

    def run(tensors: Tensors, training: bool, q: Tensor, other: Tensor) -> Tensor:
        height, width, depth = *q.shape[2:], q.shape[1]
        ratio = 1 if layer.whole else height // other.shape[2]
        q = q.roll((-down, -right), (2, 3))
        other = other.roll((-(down // ratio), -(right // ratio)), (2, 3))
        other = torch.nn.functional.pad(other, (layer.overlap,) * 4)
        k, v = (
            parted(part, ratio, layer.overlap)
            for part in (other[:, :depth], other[:, depth:])
        )
        logits = parted(q) @ k.transpose(-1, -2) / (depth // layer.heads) ** 0.5
        if layer.positions:
            places = torch.from_numpy(layer.places(ratio)).to(q.device)
            logits = logits + tensors["position_biases"][places].permute(2, 0, 1)
        apart = layer.apart(height, width, ratio) if layer.masked else None
        if apart is not None:
            logits = logits + torch.from_numpy(apart[:, :, None]).to(logits)
        y = logits.softmax(-1) @ v
        rows, columns = (height, width) if layer.whole else layer.extent
        y = y.unflatten(4, (rows, columns)).permute(0, 3, 6, 1, 4, 2, 5)
        return y.reshape(len(q), -1, height, width).roll((down, right), (2, 3))

    return run


def transposed_attention(layer: TransposedAttention) -> Function:
    """Between the channels, over all pixels."""

    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        count, _, height, width = x.shape
        rows, columns = (layer.size,) * 2 if layer.size else (height, width)
        x = x.reshape(
            *(count, 3, layer.heads, -1),
            *(height // rows, rows, width // columns, columns),
        )
        order = (1, 0, 5, 7, 2, 3, 4, 6) if layer.grid else (1, 0, 4, 6, 2, 3, 5, 7)
        x = x.permute(order)
        inner = x.shape[6:]
        q, k, v = x.flatten(6)
        q, k = (torch.nn.functional.normalize(part, dim=-1) for part in (q, k))
        logits = q @ k.transpose(-1, -2) * tensors["temperatures"][:, None, None]
        y = (logits.softmax(-1) @ v).unflatten(5, inner)
        back = (0, 3, 4, 5, 1, 6, 2) if layer.grid else (0, 3, 4, 1, 5, 2, 6)
        return y.permute(back).reshape(count, -1, height, width)

    return run
