"""--precision: a permission, from the command line to the kernels."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.api import Model
from zoo.engine import Plan
from zoo.errors import PluginError, UsageError
from zoo.models.edsr import EDSR
from zoo.network import Network
from zoo.plugins import Kernels, select


@pytest.fixture
def network() -> Network:
    return Network.parse(EDSR.write(blocks=1, filters=16, scale=2)).initialize(0)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(9, 30, 3), dtype=np.uint8)


def test_there_are_two(network: Network) -> None:
    with pytest.raises(UsageError, match="'f16'; give one of f32, bf16"):
        Model(network, select("numpy"), precision="f16")  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_bf16_is_nearly_f32(backend: str, network: Network, image: np.ndarray) -> None:
    try:
        kernels = select(backend, 1)
    except PluginError as missing:
        pytest.skip(str(missing))
    exact = Model(network, kernels)(image, as_float=True)
    close = Model(network, kernels, precision="bf16")(image, as_float=True)
    assert np.abs(close - exact).max() < 0.01 * np.ptp(exact)


def test_the_kernels_hear_of_it(network: Network, image: np.ndarray) -> None:
    heard = []

    class Listener(type(select("numpy"))):  # type: ignore[misc]
        def compile(self, program, memory=None, cache=None, precision="f32"):
            heard.append(precision)

    kernels: Kernels = Listener(1)
    Model(network, kernels)(image)
    Model(network, kernels, precision="bf16")(image)
    assert heard == ["f32", "bf16"]
    assert Plan(network, 9, 30, kernels, precision="bf16").precision == "bf16"


def test_the_command_line_knows_it(zoo_command) -> None:
    for command in ("run", "eval", "show"):
        result = zoo_command(command, "x.cfg", "y", "--precision", "f16")
        assert result.returncode == 2
        assert "bf16" in result.stderr
