"""EDSR and WDSR of Keras, whose layers have nothing but numbers for names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.checkpoints.convert import convert
from zoo.models.edsr import EDSR
from zoo.models.network_family import NetworkFamily
from zoo.models.wdsr import WDSR
from zoo.network import Network
from zoo.parsers.base import Checkpoint

Arrays = dict[str, NDArray[Any]]


def network(family: type[NetworkFamily], options: dict[str, Any]) -> Arrays:
    """Random weights of a network, by its own names."""
    random = np.random.default_rng(0)
    net = Network.parse(family.write(**options))
    return {
        name: random.normal(0, 1, tensor.shape).astype(np.float32)
        for name, tensor in net.tensors.items()
    }


def as_keras(state: Arrays, normalised: bool, first: int) -> Arrays:
    """PyTorch's names and orders to Keras's; the numbers begin anywhere."""
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    found: Arrays = {}
    for index, module in enumerate(modules, first):
        weight = state[f"{module}.weight"].transpose(2, 3, 1, 0)
        if not normalised:
            found[f"conv2d_{index}/kernel"] = weight
            found[f"conv2d_{index}/bias"] = state[f"{module}.bias"]
            continue
        layer = f"weight_normalization_{index}"
        found[f"{layer}/g"] = np.sqrt((weight**2).sum((0, 1, 2)))
        found[f"{layer}/kernel"] = weight * 3
        found[f"{layer}/bias"] = state[f"{module}.bias"]
        found[f"{layer}/initialized"] = np.array(True)
    return found


CASES: list[tuple[type[NetworkFamily], dict[str, Any]]] = [
    (WDSR, {"variant": "a", "blocks": 3, "filters": 4, "width": 9, "scale": 2}),
    (WDSR, {"variant": "b", "blocks": 2, "filters": 5, "width": 11, "scale": 3}),
    (EDSR, {"blocks": 3, "filters": 4, "scale": 2}),
    (EDSR, {"blocks": 2, "filters": 5, "scale": 3}),
    (EDSR, {"blocks": 1, "filters": 4, "scale": 4}),
]


@pytest.mark.parametrize(("family", "options"), CASES)
@pytest.mark.parametrize("normalised", [False, True])
def test_every_tensor_comes_home(
    family: type[NetworkFamily], options: dict[str, Any], normalised: bool
) -> None:
    complete = family.complete({**options, "order": "dcr"})
    wanted = network(family, complete)
    state: Arrays = {}
    for tensors in family.build(complete).maps:
        own = {name: wanted[tensors.tensor(name)] for name in tensors.shapes}
        state |= tensors.export(own)
    checkpoint = Checkpoint("keras", as_keras(state, normalised, 37))
    recognition = family.recognize(checkpoint)
    assert recognition is not None
    assert recognition.layout == "Keras"
    assert {key: recognition.options[key] for key in options} == options
    assert recognition.options["order"] == "dcr"
    assert recognition.options["std"] == (127.5,)
    made = family.tensors(checkpoint, recognition).tensors
    assert set(made) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(made[name], values, atol=1e-5)


@pytest.mark.parametrize("name", ["wdsr-b-32-x4.h5", "wdsr-b-16-x4.plain.h5"])
def test_published_files(name: str, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    path = shared / "data" / "weights" / name
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    converted = convert(path, tmp_path / "net")
    assert converted.recognition is not None
    assert converted.recognition.family == "wdsr"
    assert converted.recognition.options["variant"] == "b"
    assert len(converted.uses) == len({line.tensor for line in converted.uses})
