"""Networks in the words of stock Darknet: the same result, or a refusal."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from zoo.api import load
from zoo.catalog import find_cfg, find_weights
from zoo.checkpoints.files import load_weights, save_weights
from zoo.checkpoints.stock import to_stock
from zoo.cli import main
from zoo.errors import UsageError
from zoo.network import Network

CONV = "[convolutional]\nfilters={}\nsize=3\npad=1\nactivation={}\n"
OURS = {
    # Keys and sections that neither Darknet knows.
    *("same", "pad_mode", "bias", "range", "mean", "std", "color", "denormalize"),
    *("shuffler", "input", "alpha", "beta", "slope", "bn_eps"),
}


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, np.float32)


@pytest.mark.parametrize("name", ["edsr_x2", "wdsr_x3"])
def test_networks_that_ship(name: str, tmp_path: Path) -> None:
    path = find_cfg(name)
    weights = find_weights(path)
    if weights is None:
        pytest.skip("its weights do not ship")
    stem = tmp_path / "stock"
    call = ["convert", str(path), "--to", "darknet", "-o", str(stem)]
    assert main([*call, "--weights", str(weights)]) == 0
    text = stem.with_suffix(".cfg").read_text()
    words = {line.partition("=")[0].strip("[]") for line in text.splitlines()}
    assert not words & OURS
    assert "[reorg]\nstride=" in text and "reverse=1" in text
    image = picture(24, 20, 3)
    want = load(path, weights, backend="numpy")(image)
    got = load(stem.with_suffix(".cfg"), stem.with_suffix(".weights"), backend="numpy")(
        image
    )
    np.testing.assert_allclose(got, want, atol=2e-5)


CASES = {
    "a route to the input": CONV.format(4, "relu") + "[route]\nlayers=-1,-2\n",
    "an input by its name": "[input]\n"
    + CONV.format(3, "leaky")
    + "[shortcut]\nfrom=0\nactivation=linear\n",
    "alpha": CONV.format(8, "relu")
    + CONV.format(8, "linear")
    + "batch_normalize=1\n[shortcut]\nfrom=-2\nalpha=0.3\nactivation=relu\n",
    "a shuffle that others see": CONV.format(12, "linear")
    + "[shuffler]\nscale=2\n[route]\nlayers=0\n[shuffler]\nscale=2\norder=dcr\n"
    + "[route]\nlayers=-1,1\n",
    "a later input": CONV.format(4, "relu")
    + "[input]\n"
    + CONV.format(4, "elu")
    + "[shortcut]\nfrom=0\nactivation=linear\n",
    "same": "[convolutional]\nfilters=5\nsize=3\nsame=1\nbias=0\nactivation=silu\n",
    "shared weights": CONV.format(3, "relu")
    + CONV.format(3, "relu")
    + "share_index=0\n",
}


@pytest.mark.parametrize(
    "head", ["", "mean=0.3,0.4,0.5\nstd=2\nrange=255\ncolor=bgr\n"]
)
@pytest.mark.parametrize("name", CASES)
def test_what_is_rewritten(name: str, head: str) -> None:
    """to_stock itself compares the two for a random picture, and fails if they differ."""
    network = Network.parse(f"[net]\nchannels=3\n{head}{CASES[name]}").initialize(1)
    for layer in network:
        for tensor in layer.statistics.values():
            tensor += 0.2
    stock = to_stock(network)
    words = {line.partition("=")[0].strip("[]") for line in stock.text.splitlines()}
    assert not words & OURS
    assert bool(head) == any("brings pixels" in note for note in stock.notes)


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network.parse(
        "[net]\n" + CONV.format(12, "linear") + "[shuffler]\nscale=2\n"
    )
    network.initialize(1)
    monkeypatch.setattr(
        "zoo.checkpoints.stock._can_permute", lambda builder, source: True
    )
    monkeypatch.setattr(
        np, "ascontiguousarray", lambda a, dtype=None: np.array(a[..., ::-1])
    )
    with pytest.raises(Exception, match="differs by"):
        to_stock(network)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONV.format(4, "leaky") + "slope=0.2\n", "slope 0.1"),
        (CONV.format(4, "relu").replace("pad=1", "pad=1\npad_mode=edge"), "zeros only"),
        (CONV.format(4, "softplus"), "no activation=softplus"),
        (CONV.format(4, "relu") + "[layernorm]\n", r"no \[layernorm\]"),
        (CONV.format(3, "relu") + "[shortcut]\nfrom=-2\nbeta=2\n", "beta is unknown"),
        (CONV.format(3, "relu") + "[shortcut]\nfrom=-2\nalpha=2\n", "alpha is unknown"),
        ("[upsample]\nstride=2\nmode=bicubic\n", "no upsampling by mode=bicubic"),
    ],
)
def test_what_darknet_cannot_say(text: str, words: str) -> None:
    network = Network.parse("[net]\nchannels=3\n" + text).initialize(1)
    with pytest.raises(UsageError, match=words):
        to_stock(network)


def test_a_detector_survives(tmp_path: Path) -> None:
    text = (
        "[net]\nheight=32\nwidth=32\n[convolutional]\nfilters=14\nsize=8\nstride=8\n"
        "activation=linear\n[yolo]\nclasses=2\nnum=2\nanchors=8,8, 16,16\n"
    )
    network = Network.parse(text).initialize(3)
    stock = to_stock(network)
    assert stock.notes == () and len(stock.network) == 2
    assert "[yolo]" in stock.text
    save_weights(network, tmp_path / "a.weights")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_weights(Network.parse(stock.text), tmp_path / "a.weights")
