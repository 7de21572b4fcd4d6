"""Small PyTorch modules, each with what one published architecture is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MODULES"]

Forward = Callable[[Any, Tensor], Tensor]
MODULES: dict[str, Callable[[], nn.Module]] = {}


class Parts(nn.Module):
    """Modules and a function of them and the picture."""

    def __init__(self, parts: Sequence[nn.Module], function: Forward) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.parts, x)


def module(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    MODULES[make.__name__] = make
    return make


def c3(inputs: int, outputs: int, **how: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, **how)


def c1(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1)


class Dense(nn.Module):
    """RRDBNet's dense block."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([c3(8 + 4 * i, 4 if i < 4 else 8) for i in range(5)])

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for conv in self.convs[:4]:
            features.append(F.leaky_relu(conv(torch.cat(features, 1)), 0.2))
        made: Tensor = self.convs[4](torch.cat(features, 1)) * 0.2 + x
        return made


@module
def rrdbnet() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        first = m[0](x)
        y = first + m[2](m[1](first) * 0.2 + first)
        y = F.leaky_relu(m[3](F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
        out: Tensor = m[4](y)
        return out

    return Parts([c3(3, 8), Dense(), c3(8, 8), c3(8, 8), c3(8, 3)], forward)


@module
def compact() -> nn.Module:
    body = nn.Sequential(c3(3, 8), nn.PReLU(8), c3(8, 48))
    return Parts(
        [body],
        lambda m, x: F.pixel_shuffle(m[0](x), 4) + F.interpolate(x, scale_factor=4),
    )


@module
def span() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        first = m[0](x)
        a = F.silu(m[1](first))
        c = m[2](F.silu(a))
        y = (c + first) * (torch.sigmoid(c) - 0.5)
        return F.pixel_shuffle(m[3](torch.cat([first, y, a], 1)), 2)

    return Parts([c3(3, 8), c3(8, 8), c3(8, 8), c1(24, 12)], forward)


@module
def channel_attention() -> nn.Module:
    gate = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), c1(8, 2), nn.ReLU(), c1(2, 8), nn.Sigmoid()
    )

    def forward(m: Any, x: Tensor) -> Tensor:
        first = m[0](x)
        y = m[1](first)
        out: Tensor = m[3](y * m[2](y) + first)
        return out

    return Parts([c3(3, 8), c3(8, 8), gate, c3(8, 3)], forward)


@module
def contrast_attention() -> nn.Module:
    """IMDN: distillation by a split, attention by mean and deviation."""

    def mean(x: Tensor) -> Tensor:
        return x.sum(3, keepdim=True).sum(2, keepdim=True) / (x.size(2) * x.size(3))

    def forward(m: Any, x: Tensor) -> Tensor:
        first = F.leaky_relu(m[0](x), 0.05)
        kept, rest = torch.split(first, [2, 6], 1)
        y = torch.cat([kept, m[1](rest)], 1)
        deviation = mean((y - mean(y)).pow(2)).pow(0.5)
        out: Tensor = m[3](y * torch.sigmoid(m[2](deviation + mean(y))) + first)
        return out

    return Parts([c3(3, 8), c3(6, 6), c1(8, 8), c3(8, 3)], forward)


@module
def spatial_attention() -> nn.Module:
    """ESA: strided, pooled, enlarged to the size it came from."""

    def forward(m: Any, x: Tensor) -> Tensor:
        first = m[0](x)
        small = m[3](F.max_pool2d(m[2](m[1](first)), 7, 3))
        size = (first.size(2), first.size(3))
        back = F.interpolate(small, size, mode="bilinear", align_corners=False)
        out: Tensor = m[5](first * torch.sigmoid(m[4](back + m[1](first))))
        return out

    down = nn.Conv2d(4, 4, 3, stride=2)
    return Parts([c3(3, 8), c1(8, 4), down, c3(4, 4), c1(4, 8), c3(8, 3)], forward)


@module
def fsrcnn() -> nn.Module:
    up = nn.ConvTranspose2d(4, 3, 9, stride=2, padding=4, output_padding=1)
    return nn.Sequential(c3(3, 8), nn.PReLU(8), c1(8, 4), nn.PReLU(4), up)


@module
def partial_large_kernel() -> nn.Module:
    """RealPLKSR: a large kernel on some channels, group norm, repeated input."""

    def forward(m: Any, x: Tensor) -> Tensor:
        first = m[0](x)
        part, rest = torch.split(F.mish(first), [2, 6], 1)
        y = torch.cat([m[1](part), rest], 1)
        y = m[3](y * torch.sigmoid(m[2](y))) + first
        repeated = torch.repeat_interleave(x, 4, dim=1)
        return F.pixel_shuffle(m[4](y) + repeated, 2)

    large = nn.Conv2d(2, 2, 17, padding=8)
    return Parts([c3(3, 8), large, c3(8, 8), nn.GroupNorm(4, 8), c3(8, 12)], forward)


@module
def in_place_channels() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m[0](x).clone()
        y[:, :2] = m[1](y[:, :2])
        out: Tensor = m[2](y)
        return out

    return Parts([c3(3, 8), c3(2, 2), c3(8, 3)], forward)


@module
def layer_norm_gate() -> nn.Module:
    """MoSR: layer norm over channels, a gate of unequal parts, depthwise 7 x 7."""

    def forward(m: Any, x: Tensor) -> Tensor:
        first = m[0](x)
        y = m[1](first.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        gate, kept, moved = torch.split(m[2](y), [12, 4, 8], 1)
        y = m[4](F.mish(gate) * torch.cat([kept, m[3](moved)], 1))
        out: Tensor = m[5](y + first)
        return out

    wide = nn.Conv2d(8, 8, 7, padding=3, groups=8)
    norm = nn.LayerNorm(8)
    return Parts([c3(3, 8), norm, c3(8, 24), wide, c1(12, 8), c3(8, 3)], forward)


@module
def linear_over_channels() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m[0](x).flatten(2).transpose(1, 2)
        y = y + m[3](F.gelu(m[2](m[1](y))))
        y = y.transpose(1, 2).view(x.size(0), 8, x.size(2), x.size(3))
        out: Tensor = m[4](y)
        return out

    mlp = [nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)]
    return Parts([c3(3, 8), *mlp, c3(8, 3)], forward)


@module
def unshuffled() -> nn.Module:
    return nn.Sequential(
        nn.PixelUnshuffle(2), c3(12, 8), nn.ReLU(), c3(8, 48), nn.PixelShuffle(4)
    )


@module
def channel_shuffle() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m[0](x)
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        out: Tensor = m[1](y)
        return out

    return Parts([c3(3, 8), nn.Conv2d(8, 4, 3, padding=1, groups=2)], forward)


@module
def valid_u_net() -> nn.Module:
    """Real-CUGAN: convolutions without padding, crops, squeeze and excitation."""

    def forward(m: Any, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        rows, columns = (h + 1) // 2 * 2 - h, (w + 1) // 2 * 2 - w
        x = F.pad(x, (9, 9 + columns, 9, 9 + rows), "reflect")
        one = F.leaky_relu(m[0](x), 0.1)
        two = m[2](F.leaky_relu(m[1](one), 0.1))
        squeezed = torch.mean(two, dim=(2, 3), keepdim=True)
        two = two * torch.sigmoid(m[3](squeezed))
        both = F.pad(one, (-2, -2, -2, -2)) + F.leaky_relu(m[4](two), 0.1)
        out: Tensor = m[5](both)
        return out[:, :, : h * 2, : w * 2]

    return Parts(
        [
            nn.Conv2d(3, 8, 3),
            nn.Conv2d(8, 8, 2, stride=2),
            nn.Conv2d(8, 8, 3),
            c1(8, 8),
            nn.ConvTranspose2d(8, 8, 2, stride=2),
            nn.ConvTranspose2d(8, 3, 4, stride=2, padding=3),
        ],
        forward,
    )


@module
def weight_norm() -> nn.Module:
    normed = torch.nn.utils.weight_norm(c3(3, 8))
    return nn.Sequential(normed, nn.ReLU(), c3(8, 3))


@module
def batch_norms() -> nn.Module:
    norms = [nn.BatchNorm2d(8), nn.BatchNorm2d(8)]
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
        norm.weight.data.uniform_(-1, 1)
        norm.bias.data.uniform_(-1, 1)
    return nn.Sequential(c3(3, 8), norms[0], nn.PReLU(), norms[1], c3(8, 3))


@module
def resized() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        up = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
        other = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return F.pixel_shuffle(m[0](x), 2) + up + other

    return Parts([c3(3, 12)], forward)


@module
def normalized() -> nn.Module:
    """EDSR: range 255 inside, the mean off and on again."""
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)

    def forward(m: Any, x: Tensor) -> Tensor:
        y = m[0]((x - mean) * 255)
        y = y + m[1](F.relu(y)) * 0.1
        return F.pixel_shuffle(m[2](y), 2) / 255 + mean

    return Parts([c3(3, 8), c3(8, 8), c3(8, 12)], forward)


@module
def half_precision() -> nn.Module:
    return nn.Sequential(c3(3, 8), nn.ReLU(), c3(8, 3)).half()
