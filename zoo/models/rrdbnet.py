"""RRDBNet: the network of ESRGAN, BSRGAN and Real-ESRGAN.

::

    dense(x):  for k = 1..5:  c_k = conv([x, c_1, ..., c_{k-1}])   leaky but for c_5
               x + 0.2 c_5
    block(x):  x + 0.2 dense(dense(dense(x)))
    h = conv(picture);  y = h + conv(B blocks of h)
    log2(scale) times:  y = leaky(conv(nearest x2 of y))
    picture = conv(leaky(conv(y)))

ESRGAN+ adds to c_2 a 1 x 1 convolution of x without bias, and c_2 to c_4 (Rakotonirina
and Rasoanaivo, 2020; its noise is off at inference). Where ``unshuffle`` is r, cells
of r x r pixels become channels first, and the network enlarges r times as much.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    blocks_key,
    filters_key,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict
from zoo.parsers.base import Checkpoint

__all__ = ["RRDBNet"]

_LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.2}
_DENSE = 0.2  # factor of a dense block, and of three of them


class RRDBNet(NetworkFamily):
    """Residual blocks of dense blocks."""

    name = "rrdbnet"
    summary = "residual in residual dense blocks, of ESRGAN and Real-ESRGAN"
    paper = (
        "Wang et al., ESRGAN: Enhanced Super-Resolution Generative Adversarial "
        "Networks, 2018"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(23, "residual blocks of three dense ones"),
        filters_key(64, "channels between blocks"),
        Key("growth", "int", 32, "filters inside a dense block", minimum=1),
        scale_key(4, 16),
        Key(
            "unshuffle",
            "int",
            1,
            "rows and columns of a cell that becomes one pixel at first",
            minimum=1,
            maximum=16,
        ),
        Key("plus", "bool", False, "further shortcuts in dense blocks, as in ESRGAN+"),
        CHANNELS,
        COLOR,
    )

    exports = True
    export_key = "params_ema"

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, unshuffle = options["filters"], options["unshuffle"]
        stages = math.log2(options["scale"] * unshuffle)
        if stages != int(stages):
            raise UsageError(
                f"scale={options['scale']} is no power of two, by which alone an "
                f"rrdbnet enlarges"
            )
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )
        picture = net.input()
        x = head = net.conv("conv_first", net.unshuffle(picture, unshuffle), filters)
        for block in range(options["blocks"]):
            y = x
            for number in (1, 2, 3):
                y = cls._dense(net, f"body.{block}.rdb{number}", y, options)
            x = net.sum(y, x, alpha=_DENSE)
        x = net.sum(net.conv("conv_body", x, filters), head)
        for stage in range(int(stages)):
            x = net.conv(f"conv_up{stage + 1}", net.upsample(x, 2), filters, **_LEAKY)
        x = net.conv("conv_hr", x, filters, **_LEAKY)
        x = net.conv("conv_last", x, options["channels"])
        net.like_picture(x, picture, unshuffle, options["scale"])
        return net

    @staticmethod
    def _dense(
        net: NetworkBuilder, name: str, x: int, options: Mapping[str, Any]
    ) -> int:
        """A dense block, its shortcut included."""
        parts = [x]
        for number in (1, 2, 3, 4):
            y = net.concat(*parts) if number > 1 else x
            y = net.conv(f"{name}.conv{number}", y, options["growth"], **_LEAKY)
            if options["plus"] and number == 2:
                side = net.conv(f"{name}.conv1x1", x, options["growth"], 1, bias=False)
                y = net.sum(side, y)
            elif options["plus"] and number == 4:
                y = net.sum(y, parts[2])
            parts.append(y)
        y = net.conv(f"{name}.conv5", net.concat(*parts), options["filters"])
        return net.sum(y, x, alpha=_DENSE)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, inputs, _, _ = state.kernel("conv_first")
        channels = state.filters("conv_last")
        unshuffle = math.isqrt(inputs // channels) if channels else 0
        if unshuffle < 1 or inputs != channels * unshuffle**2:
            raise NotRecognized(
                f"it takes {inputs} channels and makes {channels}, and the first is no "
                f"square times the second"
            )
        stages = next(
            stage for stage in range(64) if not state.has(f"conv_up{stage + 1}")
        )
        scale, rest = divmod(2**stages, unshuffle)
        if rest or not scale:
            raise NotRecognized(
                f"it enlarges {2**stages} times after cells of {unshuffle} pixels"
            )
        return {
            "blocks": state.count("body.{}.rdb1"),
            "filters": filters,
            "growth": state.filters("body.0.rdb1.conv1"),
            "scale": scale,
            "unshuffle": unshuffle,
            "plus": state.has("body.0.rdb1.conv1x1"),
            "channels": channels,
        }


_OLD = re.compile(r"(?:model\.)?(\d+)\.(weight|bias)")
_OLD_DENSE = re.compile(
    r"(?:model\.)?1\.sub\.(\d+)\.RDB(\d)\.(?:(conv\d)\.0|(conv1x1))\.(weight|bias)"
)
_OLD_TRUNK = re.compile(r"(?:model\.)?1\.sub\.(\d+)\.(weight|bias)")


def _from_old(checkpoint: Checkpoint, names: Sequence[str]) -> dict[str, str]:
    """Names of the first ESRGAN: places in a Sequential.

    conv_first is 0, the upsampling convolutions 3, 6, ...; the last two numbers are
    conv_hr and conv_last.
    """
    own: dict[str, str] = {}
    places = sorted({int(m[1]) for name in names if (m := _OLD.fullmatch(name))})
    if len(places) < 3:
        return own
    modules = {0: "conv_first", places[-2]: "conv_hr", places[-1]: "conv_last"}
    modules |= {place: f"conv_up{place // 3}" for place in places[1:-2]}
    wanted = [0, *(3 * (k + 1) for k in range(len(places) - 3))]
    if places != [*wanted, wanted[-1] + 2 or 2, wanted[-1] + 4]:
        if any(_OLD_DENSE.fullmatch(name) for name in names):
            raise NotRecognized(
                f"its convolutions stand at the places {', '.join(map(str, places))}; an "
                f"RRDBNet has no normalization, no learned slopes, and one convolution "
                f"behind each nearest enlargement by 2"
            )
        return own
    for name in names:
        if match := _OLD_DENSE.fullmatch(name):
            block, dense, conv, side, part = match.groups()
            own[name] = f"body.{block}.rdb{dense}.{conv or side}.{part}"
        elif match := _OLD_TRUNK.fullmatch(name):
            own[name] = f"conv_body.{match[2]}"
        elif match := _OLD.fullmatch(name):
            own[name] = f"{modules[int(match[1])]}.{match[2]}"
    return own if len(set(own.values())) == len(own) else {}


RRDBNet.namings = (
    Naming("BasicSR", assume=assume_color),
    Naming(
        "BSRGAN",
        (
            ("conv_first", "conv_first"),
            ("RRDB_trunk.{b}.RDB{d}.conv{k}", "body.{b}.rdb{d}.conv{k}"),
            ("trunk_conv", "conv_body"),
            ("upconv{k}", "conv_up{k}"),
            ("HRconv", "conv_hr"),
            ("conv_last", "conv_last"),
        ),
        assume=assume_color,
    ),
    Naming(
        "ESRGAN, 2018",
        rename=_from_old,
        assume=assume_color,
        like=re.compile(r"(model\.)?\d+\.(weight|bias|sub\.\d+\.(RDB.*|weight|bias))"),
    ),
)
