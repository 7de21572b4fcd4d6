"""Pictures to validate on, and PSNR that no NaN can hide in."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tiny_training import pictures, tiny_cfg

from zoo.api import Model
from zoo.errors import UsageError
from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import NetworkEntrant
from zoo.evaluate.protocol import cases_in, evaluate
from zoo.images import Image, write
from zoo.network import Network
from zoo.plugins import Kernels, select
from zoo.train.validation import Validator, load_cases


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network.read(tiny_cfg(tmp_path)).initialize(1)


def validator(network: Network, folder: Path, kernels: Kernels) -> Validator:
    cases = load_cases(str(folder), network, 2, print)
    return Validator(Network.read(folder.parent / "tiny.cfg"), kernels, cases, 2)


@pytest.mark.parametrize("backend", ["numpy", None])
def test_psnr_is_that_of_evaluation(
    network: Network, tmp_path: Path, backend: str | None
) -> None:
    data = pictures(tmp_path / "data")
    for array in network.tensors.values():
        array *= 0.3
    kernels = select(backend, 1)
    model = Model(network, kernels)
    network.trained = True
    scores = evaluate(
        NetworkEntrant("net", model),
        cases_in(find_set(data, 2), 2),
        2,
        metrics=("psnr",),
    )
    found = validator(network, data, kernels)(network.tensors)
    assert found == pytest.approx(scores.psnr, abs=1e-4)


def test_nan_and_infinity_are_nan(network: Network, tmp_path: Path) -> None:
    validate = validator(network, pictures(tmp_path / "data"), select("numpy", 1))
    assert math.isfinite(validate(network.tensors))
    good = {name: array.copy() for name, array in network.tensors.items()}
    last = [*good][-1]
    assert math.isnan(validate({**good, last: np.full_like(good[last], np.nan)}))
    # Weights that are finite and give infinity.
    huge = {name: np.full_like(array, 1e30) for name, array in good.items()}
    with np.errstate(all="ignore"):
        assert math.isnan(validate(huge))
    assert math.isfinite(validate(good))


def test_what_does_not_fit_is_named_and_left_out(
    network: Network, tmp_path: Path
) -> None:
    data = pictures(tmp_path / "data", count=1)
    write(data / "tiny.png", Image(np.zeros((40, 4, 3), np.uint8)))
    write(data / "point.png", Image(np.zeros((1, 1, 3), np.uint8)))
    (data / "broken.png").write_bytes((data / "p0.png").read_bytes()[:200])
    said: list[str] = []
    cases = load_cases(str(data), network, 2, said.append)
    assert [case.name for case in cases] == ["p0"]
    assert len(said) == 3
    for name in ("broken.png", "point.png", "'tiny'"):
        (line,) = [line for line in said if name in line]
        assert line.startswith("validation: ")
    (data / "p0.png").unlink()
    with pytest.raises(UsageError, match="no picture in .* can be validated on"):
        load_cases(str(data), network, 2, said.append)


def test_too_small_for_the_network(tmp_path: Path) -> None:
    network = Network.parse(
        "[net]\n[convolutional]\nfilters=12\nsize=9\npad=0\n[shuffler]\nscale=2\n"
    )
    data = pictures(tmp_path / "data", count=1)
    said: list[str] = []
    with pytest.raises(UsageError, match="can be validated on"):
        load_cases(str(data), network, 2, said.append)
    assert "makes 24 x 24 pixels of it, not 40 x 40" in said[0]
