"""Weights of another network as a start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_sessions import begin
from tiny_training import tiny_cfg

from zoo.catalog import find_cfg
from zoo.checkpoints.files import save_weights
from zoo.errors import UsageError, WeightsError
from zoo.network import Network
from zoo.train.transfer import transfer


def saved(folder: Path, scale: int = 2, filters: str = "6") -> tuple[Network, Path]:
    folder.mkdir()
    cfg = tiny_cfg(folder, scale=scale)
    cfg.write_text(cfg.read_text().replace("filters=6", f"filters={filters}"))
    network = Network.read(cfg).initialize(1)
    path = cfg.with_suffix(".safetensors")
    save_weights(network, path)
    return network, path


def test_same_network(tmp_path: Path) -> None:
    other, path = saved(tmp_path / "a")
    network = Network.read(tiny_cfg(tmp_path)).initialize(2)
    assert transfer(network, path) == (4, 4)
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(tensor, other.tensors[name])


def test_other_scale_takes_head_and_body(tmp_path: Path) -> None:
    other, path = saved(tmp_path / "a", scale=2)
    network = Network.read(tiny_cfg(tmp_path, scale=3)).initialize(2)
    last = network.tensors["1.convolutional.weights"].copy()
    assert transfer(network, path) == (2, 4)
    name = "0.convolutional.weights"
    np.testing.assert_array_equal(network.tensors[name], other.tensors[name])
    np.testing.assert_array_equal(network.tensors["1.convolutional.weights"], last)


def test_edsr_of_another_scale_starts_with_its_tail_too(tmp_path: Path) -> None:
    from zoo.models.edsr import EDSR

    texts = [EDSR.write(blocks=2, filters=8, scale=scale) for scale in (2, 4)]
    other = Network.parse(texts[0]).initialize(1)
    cfg = tmp_path / "x2.cfg"
    cfg.write_text(texts[0])
    save_weights(other, tmp_path / "x2.safetensors")
    network = Network.parse(texts[1]).initialize(2)
    copied, total = transfer(network, tmp_path / "x2.safetensors")
    ours = [layer.weights for layer in network if "weights" in layer.parameters]
    theirs = [layer.weights for layer in other if "weights" in layer.parameters]
    assert total - copied == 2  # weights and biases of the second upsampling step
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[-1], theirs[-1])


def test_nothing_in_common(tmp_path: Path) -> None:
    _, path = saved(tmp_path / "a", filters="5")
    network = Network.read(tiny_cfg(tmp_path)).initialize(2)
    with pytest.raises(WeightsError, match="nothing in common"):
        transfer(network, path)


def test_weights_without_their_cfg(tmp_path: Path) -> None:
    _, path = saved(tmp_path / "a", scale=3)
    alone = path.rename(tmp_path / "alone.safetensors")
    network = Network.read(tiny_cfg(tmp_path)).initialize(2)
    with pytest.raises(UsageError, match="--from-cfg"):
        transfer(network, alone)


def test_weights_of_a_run_find_the_cfg_of_the_run(tmp_path: Path) -> None:
    _, path = saved(tmp_path / "a", scale=3)
    path.rename(tmp_path / "a" / "best.safetensors")
    path.with_suffix(".cfg").rename(tmp_path / "a" / "model.cfg")
    network = Network.read(tiny_cfg(tmp_path)).initialize(2)
    assert transfer(network, tmp_path / "a" / "best.safetensors") == (2, 4)


def test_name_of_a_network_that_ships() -> None:
    network = Network.read(find_cfg("edsr_x4")).initialize(2)
    copied, total = transfer(network, "edsr_x2")
    assert 0 < copied < total


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    network = Network.read(tiny_cfg(tmp_path)).initialize(2)
    with pytest.raises(UsageError, match="there is no file of weights 'none.pt'"):
        transfer(network, "none.pt")
    with pytest.raises(UsageError, match="has no weights"):
        transfer(network, "edsr_r32f256_x2")


def test_a_checkpoint_is_no_file_of_weights(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    with pytest.raises(UsageError, match="best.safetensors"):
        transfer(session.network, session.folder.last)
