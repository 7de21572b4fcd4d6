"""What [net] says for all layers: dialects, epsilon, inputs; shared weights."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import CfgError
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels

CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
BN = "[convolutional]\nfilters=4\nbatch_normalize=1\nactivation=linear\n"


def net(text: str, head: str = "channels=2") -> Network:
    return Network.parse(f"[net]\n{head}\n{text}")


def test_epsilon_of_all_layers() -> None:
    made = net(BN + BN + "bn_eps=1e-3\n[batchnorm]\n", "bn_eps=1e-6")
    assert [layer.bn_eps for layer in made] == [1e-6, 1e-3, 1e-6]  # type: ignore[attr-defined]
    assert [layer.normalization.epsilon for layer in made] == [1e-6, 1e-3, 1e-6]  # type: ignore[attr-defined]
    assert net(BN).fingerprint != net(BN, "channels=2\nbn_eps=1e-6").fingerprint


@pytest.mark.parametrize(
    ("dialect", "probability", "bn"),
    [
        ("zoo", 0.5, "alexeyab"),
        ("alexeyab", 0.2, "alexeyab"),
        ("pjreddie", 0.5, "pjreddie"),
    ],
)
def test_defaults_of_the_dialects(dialect: str, probability: float, bn: str) -> None:
    made = net(BN + "[dropout]\n[dropout]\nprobability=.7\n", f"dialect={dialect}")
    assert made[1].probability == probability  # type: ignore[attr-defined]
    assert made[2].probability == 0.7  # type: ignore[attr-defined]
    assert made[0].bn_dialect == bn  # type: ignore[attr-defined]


def test_alexeyab_ignores_alpha_and_beta() -> None:
    shortcut = CONV + CONV + "[shortcut]\nfrom=-2\nalpha=2\nactivation=linear\n"
    assert net(shortcut)[2].alpha == 2  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="alpha=2 and beta=1 mean nothing"):
        made = net(shortcut, "dialect=alexeyab")
    assert made[2].alpha == 1  # type: ignore[attr-defined]


def test_dilation_that_alexeyab_leaves_out_of_the_size() -> None:
    wide = CONV + "dilation=2\n"
    for dialect in ("zoo", "alexeyab"):
        assert net(wide, f"dialect={dialect}").shapes(9, 9)[-1] == (9, 9, 4)
    bare = wide.replace("pad=1", "pad=0")
    assert net(bare).shapes(9, 9)[-1] == (5, 5, 4)
    with pytest.raises(CfgError, match=r"is 92, and 94 in AlexeyAB's Darknet"):
        net(bare, "dialect=alexeyab")


def test_inputs_without_height_and_width() -> None:
    made = net("[connected]\noutput=3\n", "inputs=256")
    assert made.nominal_size == (1, 1) and made.pixels.channels == 256
    assert made[0].weights.shape == (3, 256)
    assert made.initialize().forward(np.ones((2, 1, 1, 256), np.float32)).shape == (
        2,
        1,
        1,
        3,
    )
    with pytest.raises(CfgError, match="inputs=7 is not height x width x channels"):
        net(CONV, "height=4\nwidth=4\nchannels=2\ninputs=7")


def test_all_missing_sections_come_at_once() -> None:
    text = "[implicit_add]\n[convv]\n" + CONV + "[convv]\n[convv]\n[Convolutional]\n"
    with pytest.raises(CfgError) as caught:
        net(text)
    message = str(caught.value)
    assert message.startswith("<text>:3: there is no layer [implicit_add]")
    assert "dialect of YOLOR" in message
    assert "line 4: there is no layer [convv] (also in lines 10, 11)" in message
    assert "there is no layer [Convolutional]; did you mean [convolutional]?" in message


def test_net_in_capitals() -> None:
    with pytest.raises(
        CfgError, match=r"must be \[net\], not \[Net\]; .* small letters"
    ):
        Network.parse("[Net]\nwidth=3\n" + CONV)


SHARED = (
    CONV
    + "[convolutional]\nfilters=4\nsize=3\npad=1\nbatch_normalize=1\nactivation=tanh\n"
    + "[convolutional]\nfilters=4\nsize=3\npad=1\nbatch_normalize=1\nactivation=tanh\n"
    + "dilation=2\nshare_index={}\n"
)


@pytest.mark.parametrize("index", ["1", "-1"])
def test_shared_weights(index: str) -> None:
    made = net(SHARED.format(index)).initialize(1)
    assert made.owners == {2: 1}
    assert made[2].weights is made[1].weights
    assert not any(name.startswith("2.") for name in made.tensors)
    alone = net(SHARED.format(index).replace(f"share_index={index}", ""))
    assert alone.parameter_count - made.parameter_count == 4 * 4 * 9 + 8


def test_zero_is_the_first_layer_and_absent_is_none() -> None:
    assert net(CONV + CONV + "stride=1\n", "channels=4").owners == {}
    assert net(CONV + CONV + "share_index=0\n", "channels=4").owners == {1: 0}
    with pytest.raises(CfgError, match="it must be an earlier"):
        net(CONV + "share_index=0\n", "channels=4")
    with pytest.raises(CfgError, match="weights 3x3x2x4, biases 4, and needs"):
        net(CONV + CONV + "share_index=0\n")


def test_the_gradient_of_shared_weights_is_the_sum() -> None:
    text = CONV + "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=tanh\n"
    made = net(text + "share_index=0\n", "channels=4").initialize(1)
    for layer in made:
        layer.parameters = {}
    apart = net(text, "channels=4").initialize(1)
    weights = {n: v.astype(float) for n, v in apart[0].parameters.items()}
    for network in (made, apart):
        for layer in network:
            layer.parameters = weights
    rng = np.random.default_rng(0)
    x, delta = rng.standard_normal((1, 5, 5, 4)), rng.standard_normal((1, 5, 5, 4))
    for network in (made, apart):
        network.trained = True
        network.forward(x, kernels=NumpyKernels(), training=True)
        network.backward(delta, kernels=NumpyKernels())
    for name, gradient in made[0].gradients.items():
        both = apart[0].gradients[name] + apart[1].gradients[name]
        np.testing.assert_allclose(gradient, both)
    assert made[1].gradients == {}


def test_torch_learns_shared_weights_alike() -> None:
    torch = pytest.importorskip("torch")
    from zoo.torch.learner import TorchLearner
    from zoo.train.network_learner import NetworkLearner
    from zoo.train.recipe import Recipe

    rng = np.random.default_rng(3)
    x = rng.random((2, 6, 6, 2), np.float32)
    t = rng.random((2, 6, 6, 4), np.float32)
    losses = []
    for kind in ("numpy", "torch"):
        network = net(SHARED.format(1)).initialize(1)
        recipe = Recipe(cost="mse", optimizer="sgd")
        learner = (
            NetworkLearner(network, NumpyKernels(), recipe)
            if kind == "numpy"
            else TorchLearner(network, recipe, torch.device("cpu"))
        )
        losses.append([learner.learn(x, t, 0.1).loss for _ in range(4)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][-1] < losses[0][0]
