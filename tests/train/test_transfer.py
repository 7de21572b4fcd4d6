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
    assert transfer(network, path).count == (4, 4)
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(tensor, other.tensors[name])


def test_other_scale_takes_head_and_body(tmp_path: Path) -> None:
    other, path = saved(tmp_path / "a", scale=2)
    network = Network.read(tiny_cfg(tmp_path, scale=3)).initialize(2)
    last = network.tensors["1.convolutional.weights"].copy()
    assert transfer(network, path).count == (2, 4)
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
    copied, total = transfer(network, tmp_path / "x2.safetensors").count
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
    assert transfer(network, tmp_path / "a" / "best.safetensors").count == (2, 4)


def test_name_of_a_network_that_ships() -> None:
    network = Network.read(find_cfg("edsr_x4")).initialize(2)
    copied, total = transfer(network, "edsr_x2").count
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


def relu_net(folder: Path, name: str, text: str) -> tuple[Network, Path]:
    folder.mkdir(exist_ok=True)
    cfg = folder / f"{name}.cfg"
    cfg.write_text(text)
    network = Network.read(cfg).initialize(7)
    for tensor in network.tensors.values():
        tensor += np.random.default_rng(8).standard_normal(tensor.shape) * 0.1
    save_weights(network, cfg.with_suffix(".safetensors"))
    return network, cfg.with_suffix(".safetensors")


def test_edsr_of_colours_becomes_one_of_luma(tmp_path: Path) -> None:
    """On gray pictures the network of luma then gives the luma of the other's."""
    from zoo.models.edsr import EDSR

    text = EDSR.write(blocks=2, filters=8, mean=(0, 0, 0), range=1.0)
    color, path = relu_net(tmp_path / "a", "rgb", text)
    luma_text = EDSR.write(blocks=2, filters=8, channels=1, mean=(0,), range=1.0)
    luma = Network.parse(luma_text).initialize(3)
    done = transfer(luma, path)
    assert done.count == (len(luma.tensors), len(luma.tensors))
    assert len(done.converted) == 4  # weights and biases of both ends
    assert done.unused == ()
    x = np.random.default_rng(0).random((1, 9, 8, 1), np.float32)
    rgb = color.forward(x.repeat(3, 3))
    expected = rgb @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma.forward(x)[..., 0], expected, atol=1e-5)


@pytest.mark.parametrize("order", ["crd", "dcr"])
def test_colours_before_a_shuffle(tmp_path: Path, order: str) -> None:
    def text(channels: int) -> str:
        return (
            f"[net]\nchannels={channels}\n[convolutional]\nfilters={4 * channels}\n"
            f"size=3\npad=1\nactivation=linear\n[shuffler]\nscale=2\norder={order}\n"
        )

    color, path = relu_net(tmp_path / "a", "rgb", text(3))
    luma = Network.parse(text(1)).initialize(3)
    # The one layer has colours at both sides: neither side alone fits.
    with pytest.raises(WeightsError, match="nothing in common"):
        transfer(luma, path)
    split = "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n"
    color, path = relu_net(
        tmp_path / "b", "rgb", text(3).replace("[conv", f"{split}[conv", 1)
    )
    luma = Network.parse(text(1).replace("[conv", f"{split}[conv", 1)).initialize(3)
    assert transfer(luma, path).count == (4, 4)
    x = np.random.default_rng(0).random((1, 5, 6, 1), np.float32)
    expected = color.forward(x.repeat(3, 3)) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma.forward(x)[..., 0], expected, atol=1e-5)
    # And back: what a network of luma gives, in three equal channels.
    save = tmp_path / "b" / "luma.safetensors"
    save_weights(luma, save)
    (tmp_path / "b" / "luma.cfg").write_text(
        text(1).replace("[conv", f"{split}[conv", 1)
    )
    again = Network.parse(text(3).replace("[conv", f"{split}[conv", 1)).initialize(4)
    assert transfer(again, save).count == (4, 4)
    three = again.forward(x.repeat(3, 3))
    np.testing.assert_allclose(three[..., 1], luma.forward(x)[..., 0], atol=1e-5)


def test_deeper_networks_take_what_is_in_the_middle(tmp_path: Path) -> None:
    from zoo.models.edsr import EDSR

    shallow = EDSR.write(blocks=2, filters=8)
    _, path = relu_net(tmp_path / "a", "small", shallow)
    deep = Network.parse(EDSR.write(blocks=5, filters=8)).initialize(3)
    done = transfer(deep, path)
    assert done.unused == ()
    assert len(done.fresh) == 2 * 2 * 3  # three blocks of two convolutions
    assert f"{len(done.fresh) - 4} more" in str(done)
