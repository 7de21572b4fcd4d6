"""A module that was pickled whole, held against the network made of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from zoo.errors import WeightsError
from zoo.models.base import TensorUse
from zoo.models.candidates import Candidate
from zoo.network import Network
from zoo.parsers.base import Checkpoint

__all__ = ["check_modules"]

_ACTIVATIONS: Final[Mapping[str, frozenset[str]]] = {
    "ReLU": frozenset({"relu"}),
    "LeakyReLU": frozenset({"leaky", "prelu"}),
    "PReLU": frozenset({"prelu"}),
    "GELU": frozenset({"gelu", "gelu_erf"}),
    "SiLU": frozenset({"silu", "swish"}),
    "Mish": frozenset({"mish"}),
    "ELU": frozenset({"elu"}),
    "SELU": frozenset({"selu"}),
    "ReLU6": frozenset({"relu6", "clip"}),
    "Hardswish": frozenset({"hard_swish"}),
    "Softplus": frozenset({"softplus"}),
}


def check_modules(
    checkpoint: Checkpoint,
    candidate: Candidate,
    network: Network,
    uses: tuple[TensorUse, ...],
    source: str,
) -> None:
    """Hold a module that was pickled whole against the network made of its tensors.

    Its code is not in the file, but the kinds of its parts are, and how its
    convolutions pad and step.

    Raises
    ------
    WeightsError
        If it has another activation, or a convolution that is not the network's.
    """
    modules = checkpoint.metadata.get("modules") or {}
    if not modules:
        return
    names = candidate.originals
    start = next(iter(names.values())).removesuffix(next(iter(names)))
    known = {str(getattr(layer, "activation", "")) for layer in network}
    for path, (name, attributes) in modules.items():
        if not path.startswith(start):
            continue
        kind = name.rpartition(".")[2]
        if not name.startswith("torch.nn."):
            continue
        expected = _ACTIVATIONS.get(kind)
        if expected is not None and not expected & known:
            raise WeightsError(
                f"{source}: the pickled module has {kind} ({path.rstrip('.')}), which "
                f"the network of this family has not; its names say too little about it"
            )
    for line in uses:
        module = names[line.tensor].rpartition(".")[0] + "."
        layer = re.match(r"(\d+)\.convolutional\.weights", line.where)
        if layer and module in modules:
            _check_convolution(
                module.rstrip("."), modules[module][1], network[int(layer[1])], source
            )


def _check_convolution(
    path: str, attributes: Mapping[str, Any], layer: Any, source: str
) -> None:
    """Refuse a convolution that pads or steps unlike the layer made of it."""
    wanted = {
        "padding_mode": "zeros",
        "padding": layer.size // 2 if layer.pad else layer.padding,
        "stride": layer.stride,
        "dilation": layer.dilation,
        "groups": layer.groups,
    }
    for key, value in wanted.items():
        held = attributes.get(key)
        if isinstance(held, (tuple, list)):
            same = all(item == value for item in held)
        else:
            same = held is None or held == value
        if not same:
            raise WeightsError(
                f"{source}: the pickled module has {key} {str(held)[:30]} in {path}, "
                f"where the network of this family has {value}; the names of its "
                f"tensors do not tell, and it is refused"
            )
