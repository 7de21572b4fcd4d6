"""Self-attention on torch tensors, N x C x H x W."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.layers.transposed_attention import TransposedAttention
from zoo.layers.window_attention import WindowAttention
from zoo.torch.foreign import Function, Tensors

__all__ = ["transposed_attention", "window_attention"]


def window_attention(layer: WindowAttention) -> Function:
    """Between the pixels of each window."""
    rows, columns = layer.extent
    down, right = layer.steps
    places = torch.from_numpy(layer.places())

    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        depth = channels // (3 * layer.heads)
        x = x.roll((-down, -right), (2, 3)).reshape(
            count,
            3,
            layer.heads,
            depth,
            height // rows,
            rows,
            width // columns,
            columns,
        )
        # To q, k and v: pictures x windows down x windows right x heads x pixels x d.
        q, k, v = x.permute(1, 0, 4, 6, 2, 5, 7, 3).flatten(5, 6)
        logits = q @ k.transpose(-1, -2) / depth**0.5
        biases = tensors["position_biases"][places.to(x.device)]
        logits = logits + biases.permute(2, 0, 1)
        apart = layer.apart(height, width)
        if apart is not None:
            logits = logits + torch.from_numpy(apart[:, :, None]).to(logits)
        y = (logits.softmax(-1) @ v).unflatten(4, (rows, columns))
        y = y.permute(0, 3, 6, 1, 4, 2, 5).reshape(count, -1, height, width)
        return y.roll((down, right), (2, 3))

    return run


def transposed_attention(layer: TransposedAttention) -> Function:
    """Between the channels, over all pixels."""

    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        q, k, v = x.flatten(2).unflatten(1, (3, layer.heads, -1)).unbind(1)
        q, k = (torch.nn.functional.normalize(part, dim=-1) for part in (q, k))
        logits = q @ k.transpose(-1, -2) * tensors["temperatures"][:, None, None]
        y: Tensor = logits.softmax(-1) @ v
        return y.reshape(len(x), -1, *x.shape[2:])

    return run
