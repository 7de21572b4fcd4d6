"""Networks in PyTorch, each one function, that name their own tensors.

A function draws each tensor when it first asks for it, so that calling it once gives
a state dict and a result. Names, shapes and order of operations are those of the
authors' programs, written down from them and not from zoo's families.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Tensors", "evaluate"]


class Tensors:
    """A state dict that grows as its tensors are asked for; random, of order one."""

    def __init__(self, seed: int = 0) -> None:
        import torch

        self.state: dict[str, Any] = {}
        self.gain = 1.0
        self._generator = torch.Generator().manual_seed(seed)

    def draw(
        self, name: str, *shape: int, scale: float = 1.0, mean: float = 0.0
    ) -> Any:
        """A tensor of normally distributed numbers."""
        import torch

        if name not in self.state:
            numbers = torch.randn(shape, generator=self._generator)
            self.state[name] = mean + scale * numbers
        return self.state[name]

    def conv(
        self,
        name: str,
        x: Any,
        filters: int,
        size: int = 3,
        *,
        bias: bool = True,
        groups: int = 1,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
    ) -> Any:
        """torch.nn.Conv2d; by default it keeps the picture's size."""
        from torch.nn import functional as F

        inputs = x.shape[1] // groups
        spread = self.gain / (inputs * size**2) ** 0.5
        weight = self.draw(f"{name}.weight", filters, inputs, size, size, scale=spread)
        offset = self.draw(f"{name}.bias", filters, scale=0.1) if bias else None
        pad = dilation * (size // 2) if padding is None else padding
        return F.conv2d(x, weight, offset, stride, pad, dilation, groups)

    def deconv(
        self,
        name: str,
        x: Any,
        filters: int,
        size: int,
        stride: int,
        padding: int = 0,
        output_padding: int = 0,
        bias: bool = True,
    ) -> Any:
        """torch.nn.ConvTranspose2d."""
        from torch.nn import functional as F

        inputs = x.shape[1]
        spread = stride / (inputs * size**2) ** 0.5
        weight = self.draw(f"{name}.weight", inputs, filters, size, size, scale=spread)
        offset = self.draw(f"{name}.bias", filters, scale=0.1) if bias else None
        return F.conv_transpose2d(x, weight, offset, stride, padding, output_padding)

    def prelu(self, name: str, x: Any, shared: bool = False) -> Any:
        """torch.nn.PReLU, one slope per channel or one for all."""
        from torch.nn import functional as F

        count = 1 if shared else x.shape[1]
        return F.prelu(x, self.draw(f"{name}.weight", count, scale=0.2, mean=0.2))

    def batchnorm(self, name: str, x: Any) -> Any:
        """torch.nn.BatchNorm2d in evaluation."""
        import torch
        from torch.nn import functional as F

        count = x.shape[1]
        mean = self.draw(f"{name}.running_mean", count, scale=0.1)
        if f"{name}.running_var" not in self.state:
            self.state[f"{name}.running_var"] = 0.5 + self.draw(f"{name}._", count) ** 2
            del self.state[f"{name}._"]
            self.state[f"{name}.num_batches_tracked"] = torch.tensor(7)
        variance = self.state[f"{name}.running_var"]
        scales = self.draw(f"{name}.weight", count, scale=0.2, mean=1)
        biases = self.draw(f"{name}.bias", count, scale=0.1)
        return F.batch_norm(x, mean, variance, scales, biases)

    def groupnorm(self, name: str, x: Any, groups: int) -> Any:
        """torch.nn.GroupNorm."""
        from torch.nn import functional as F

        scales = self.draw(f"{name}.weight", x.shape[1], scale=0.2, mean=1)
        biases = self.draw(f"{name}.bias", x.shape[1], scale=0.1)
        return F.group_norm(x, groups, scales, biases)

    def layernorm(self, name: str, x: Any, eps: float = 1e-6) -> Any:
        """Normalization of every pixel over its channels; x is N x C x H x W."""
        from torch.nn import functional as F

        scales = self.draw(f"{name}.weight", x.shape[1], scale=0.2, mean=1)
        biases = self.draw(f"{name}.bias", x.shape[1], scale=0.1)
        last = x.permute(0, 2, 3, 1)
        normal = F.layer_norm(last, (x.shape[1],), scales, biases, eps)
        return normal.permute(0, 3, 1, 2)

    def linear(self, name: str, x: Any, outputs: int, bias: bool = True) -> Any:
        """torch.nn.Linear over the last axis."""
        from torch.nn import functional as F

        spread = self.gain / x.shape[-1] ** 0.5
        weight = self.draw(f"{name}.weight", outputs, x.shape[-1], scale=spread)
        offset = self.draw(f"{name}.bias", outputs, scale=0.1) if bias else None
        return F.linear(x, weight, offset)


def evaluate(
    function: Callable[..., Any], image: np.ndarray, seed: int = 0, **options: Any
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """State dict, and the result for a picture H x W x C of values from 0 to 255.

    The function sees values from 0 to 1, N x C x H x W, as programs of today have it.
    """
    import torch

    tensors = Tensors(seed)
    with torch.no_grad():
        x = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
        y = function(tensors, x, **options)
    state = {name: value.numpy() for name, value in tensors.state.items()}
    return state, 255 * y[0].permute(1, 2, 0).numpy()
