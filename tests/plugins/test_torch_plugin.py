"""The torch plugin against the layers' own forward, backward and update."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import pictures, tiny_cfg

from zoo.activations import PARAMETER_FREE
from zoo.api import Model, load
from zoo.engine import Plan
from zoo.errors import PluginError, ShapeError, UsageError
from zoo.layers.base import Layer
from zoo.layers.batchnorm import BatchNorm
from zoo.layers.dropout import Dropout
from zoo.layers.pooling import PoolLayer
from zoo.network import Network
from zoo.plugins import select
from zoo.plugins.numpy import NumpyKernels
from zoo.registry import registry
from zoo.train.costs import COSTS
from zoo.train.network_learner import NetworkLearner
from zoo.train.options import TrainingOptions
from zoo.train.recipe import Recipe
from zoo.train.session import Session

torch = pytest.importorskip("torch")

from zoo.program.operations import Repeat
from zoo.torch.functions import apply, to_images, to_tensor
from zoo.torch.layers import MAKERS
from zoo.torch.learner import TorchLearner
from zoo.torch.module import NetworkModule

HEAD = "[net]\nchannels=4\n\n"
CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n\n"
EVERYTHING = (
    HEAD
    + CONV
    + (
        "[convolutional]\nfilters=8\nsize=3\nstride=2\nsame=1\ngroups=2\n"
        "batch_normalize=1\nactivation=mish\n\n"
        "[convolutional]\nfilters=8\nsize=3\npad=1\ndilation=2\npad_mode=symmetric\n"
        "activation=relu\n\n"
        "[convolutional]\nfilters=8\nsize=2\npadding=1\npad_mode=edge\nbias=0\n"
        "activation=linear\n\n"
        "[maxpool]\nsize=2\nstride=1\n\n[local_avgpool]\nsize=3\nstride=1\n\n"
        "[batchnorm]\n\n[activation]\nactivation=prelu\n\n"
        "[activation]\nactivation=leaky\nslope=0.3\n\n"
        "[activation]\nactivation=clip\nlow=-2\nhigh=3\n\n"
        "[convolutional]\nfilters=8\nsize=1\nactivation=leaky\nslope=0.2\n\n"
        "[pad]\nsize=2\nmode=reflect\n\n[trim]\nsize=2\ntop=1\n\n[trim]\ntop=1\n\n"
        "[pad]\nsize=12\nmode=reflect\n\n[trim]\nsize=12\n\n"
        "[pad]\ntop=1\nleft=2\nmode=edge\n\n[upsample]\nstride=2\nscale=0.5\n\n"
        "[upsample]\nstride=2\nmode=bilinear\n\n[upsample]\nstride=-2\n\n"
        "[upsample]\nstride=2\nmode=bicubic\n\n[dropout]\nprobability=0.2\n\n"
        "[convolutional]\nfilters=8\nsize=1\nactivation=linear\n\n"
        "[shortcut]\nfrom=-2\nalpha=0.5\nbeta=2\nactivation=relu\n\n"
        "[route]\nlayers=-1,-3\ngroups=2\ngroup_id=1\n\n[shuffler]\nscale=2\n\n"
        "[route]\nlayers=-2\n\n[shuffler]\nscale=2\norder=dcr\n\n"
        "[route]\nlayers=-1,-3\n\n"
        "[deconvolutional]\nfilters=4\nsize=3\nstride=2\nsame=1\nactivation=tanh\n\n"
        "[deconvolutional]\nfilters=4\nsize=2\nstride=3\npadding=1\nbatch_normalize=1\n"
        "activation=swish\n\n"
        "[softmax]\nspatial=1\n\n[cost]\nscale=0.5\n"
    )
)
ATTENTION = (
    HEAD
    + CONV
    + (
        "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=gelu_erf\n\n"
        "[sam]\nfrom=-2\nactivation=mish\n\n"
        "[avgpool]\ndeviation=1\n\n[scale_channels]\nfrom=-2\n\n"
        "[route]\nlayers=-1\nfirst=1\ncount=1\n\n[scale_channels]\nfrom=-2\n"
        "scale_wh=1\nactivation=tanh\n\n[layernorm]\neps=0.1\n\n"
        "[groupnorm]\ngroups=2\n\n[upsample]\nmode=bilinear\nalign_corners=1\n\n"
        "[reorg3d]\nstride=2\norder=crd\n\n[reorg3d]\nstride=2\nreverse=1\n\n"
        "[reorg3d]\nstride=2\n\n[maxpool]\nstride=2\n\n"
        "[upsample]\nlike=0\nmode=bicubic\na=-0.5\n\n[cost]\n"
    )
)
CLASSES = (
    "[net]\nheight=6\nwidth=6\nchannels=2\n\n"
    + CONV
    + "[maxpool]\nsize=2\nstride=2\n\n"
    "[connected]\noutput=7\nbatch_normalize=1\nactivation=relu\n\n"
    "[connected]\noutput=5\nactivation=linear\n\n[softmax]\n"
)


def random_network(text: str, seed: int = 1) -> Network:
    """Initialised, and no parameter or statistic left at a special value."""
    network = Network.parse(text).initialize(seed)
    rng = np.random.default_rng(seed)
    for layer in network:
        for array in layer.parameters.values():
            array += 0.1 * rng.standard_normal(array.shape, np.float32)
        for array in layer.statistics.values():
            array += rng.uniform(0.1, 0.5, array.shape).astype(np.float32)
    return network


def batch(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def input_for(text: str) -> np.ndarray:
    return batch((3, 6, 6, 2) if text is CLASSES else (2, 9, 8, 4))


@pytest.mark.parametrize("text", [EVERYTHING, ATTENTION, CLASSES])
@pytest.mark.parametrize("training", [False, True])
def test_module_computes_what_the_network_computes(text: str, training: bool) -> None:
    network = random_network(text)
    module = NetworkModule(network).train(training)
    other = random_network(text)  # its own random numbers, in the same state
    x = input_for(text)
    ours = other.forward(x, kernels=NumpyKernels(), training=training)
    theirs = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(theirs, ours, rtol=2e-4, atol=2e-5)
    module.store()
    for name, tensor in network.tensors.items():  # statistics moved alike
        np.testing.assert_allclose(tensor, other.tensors[name], rtol=1e-4, atol=1e-5)


def check_gradients(one: Network, two: Network, x: np.ndarray) -> None:
    """Both compute the same, and have the same gradients; two is run by PyTorch."""
    y = one.forward(x, kernels=NumpyKernels(), training=True)
    delta = batch(y.shape, 5)
    by_x = one.backward(delta, kernels=NumpyKernels())
    module = NetworkModule(two).train()
    leaf = torch.tensor(x, requires_grad=True)
    result = module(leaf)
    np.testing.assert_allclose(result.detach().numpy(), y, rtol=2e-4, atol=2e-5)
    result.backward(torch.from_numpy(delta))
    scale = np.abs(by_x).max()
    np.testing.assert_allclose(leaf.grad.numpy(), by_x, atol=2e-4 * scale, rtol=1e-3)
    for name, parameter in module.named_parameters():
        index, _, key = name.split("/")
        ours = one[int(index)].gradients[key]
        scale = np.abs(ours).max() + 1e-3
        np.testing.assert_allclose(
            parameter.grad.numpy(), ours, atol=3e-4 * scale, rtol=1e-3, err_msg=name
        )
    module.store()
    for name, tensor in two.tensors.items():  # statistics moved alike
        np.testing.assert_allclose(
            tensor, one.tensors[name], rtol=1e-4, atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("text", [EVERYTHING, ATTENTION, CLASSES])
def test_gradients_of_whole_networks(text: str) -> None:
    """Every layer's backward at once, by PyTorch's autograd."""
    check_gradients(random_network(text), random_network(text), input_for(text))


TRANSFORMER = HEAD + (
    "[pad]\nmultiple=4\nmode=reflect\n\n"
    "[convolutional]\nfilters=24\nactivation=linear\n\n"
    "[window_attention]\nheads=2\nwindow=2,4\nshift=1,2\n\n"
    "[convolutional]\nfilters=24\nactivation=linear\n\n"
    "[transposed_attention]\nheads=2\n\n"
    "[convolutional]\nfilters=24\nactivation=linear\n\n"
    "[transposed_attention]\nheads=2\nwindow=2\ngrid=1\n\n"
    "[convolutional]\nfilters=24\nactivation=linear\n\n"
    "[transposed_attention]\nheads=1\nwindow=4\n\n"
    "[convolutional]\nfilters=24\nactivation=linear\n\n"
    "[window_attention]\nheads=2\nwindow=4,2\ngrid=1\npositions=0\n\n"
    "[convolutional]\nfilters=12\nactivation=linear\n\n"
    "[window_attention]\nheads=1\nwindow=4\n\n"
    "[trim]\nlike=-14\n"
)


def test_gradients_of_attention() -> None:
    one, two = random_network(TRANSFORMER), random_network(TRANSFORMER)
    x = batch((2, 6, 7, 4))
    assert one.shapes(6, 7)[-1] == (6, 7, 4)
    check_gradients(one, two, x)


SHORTCUT = "[shortcut]\nfrom=0,{}\nactivation=leaky\n"
UNEQUAL = {
    "equal": CONV + CONV,
    "smaller, more channels": CONV
    + "[convolutional]\nfilters=6\nsize=3\nstride=2\nactivation=linear\n\n",
    "larger, fewer channels": CONV
    + "[deconvolutional]\nfilters=3\nsize=2\nstride=2\nactivation=linear\n\n",
    "a row and a column fewer": CONV
    + "[convolutional]\nfilters=4\nsize=2\nactivation=linear\n\n",
}
SUMS = ["", "alpha=0.5\nbeta=3\n"] + [
    f"weights_type={kind}\nweights_normalization={way}\n"
    for kind in ("per_feature", "per_channel")
    for way in ("none", "relu", "softmax")
]


@pytest.mark.parametrize("between", UNEQUAL)
@pytest.mark.parametrize("how", SUMS)
def test_every_shortcut(between: str, how: str) -> None:
    text = HEAD + UNEQUAL[between] + SHORTCUT.format(-1) + how
    check_gradients(
        random_network(text), random_network(text), batch((2, 9, 8, 4), seed=2)
    )


def test_equal_weights_of_a_shortcut_have_one_largest() -> None:
    """As they begin: the first of them, in both."""
    text = HEAD + CONV * 2 + SHORTCUT.format(0) + SUMS[4]
    assert "softmax" in text
    one, two = (Network.parse(text).initialize(1) for _ in range(2))
    check_gradients(one, two, batch((2, 5, 5, 4)))


@pytest.mark.parametrize("a", [-0.5, -1, 0.25])
@pytest.mark.parametrize("stride", [2, 3])
def test_bicubic_of_any_a(a: float, stride: int) -> None:
    text = HEAD + f"[upsample]\nmode=bicubic\na={a}\nstride={stride}\nscale=2\n"
    for size in ((1, 1), (5, 6)):
        x = batch((2, *size, 4))
        check_gradients(random_network(text), random_network(text), x)


def test_every_layer_of_ours_is_known() -> None:
    known = registry("zoo.layers")
    kinds = {known.load(name) for name in known.canonical()}
    ours = {kind for kind in kinds if kind.__module__.startswith("zoo.")}
    assert len(ours) > 15
    # What Darknet alone has computes by itself, on NumPy's kernels.
    darknets = {
        *("contrastive", "conv_lstm", "crnn", "crop", "detection", "empty"),
        *("gaussian_yolo", "gru", "history", "implicit", "iseg", "l1norm", "l2norm"),
        *("local", "logistic", "lstm", "normalization", "region", "reorg", "rnn"),
        "yolo",
    }
    others = {kind for kind in ours - set(MAKERS) if not issubclass(kind, PoolLayer)}
    assert {kind.__module__.split(".")[-1] for kind in others} == darknets


@pytest.mark.parametrize("name", [*PARAMETER_FREE, "prelu"])
def test_activations_and_their_gradients(name: str) -> None:
    network = random_network(HEAD + f"[activation]\nactivation={name}\n")
    x = 3 * batch((2, 5, 5, 4)) + 0.01
    y = network.forward(x, kernels=NumpyKernels(), training=True)
    delta = batch(y.shape, 1)
    ours = network.backward(delta, kernels=NumpyKernels())
    leaf = torch.tensor(x, requires_grad=True)
    result = NetworkModule(network)(leaf)
    np.testing.assert_allclose(result.detach().numpy(), y, rtol=1e-4, atol=1e-5)
    result.backward(torch.from_numpy(delta))
    np.testing.assert_allclose(leaf.grad.numpy(), ours, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("text", [EVERYTHING, ATTENTION, CLASSES])
def test_plan_of_the_back_end(text: str) -> None:
    network = random_network(text)
    x = input_for(text)
    seen: list[float] = []
    plan = Plan(network, x.shape[1], x.shape[2], select("torch", 1))
    result = plan(x, seen.append)
    np.testing.assert_allclose(
        result, network.forward(x, kernels=NumpyKernels()), rtol=2e-4, atol=2e-5
    )
    assert result.dtype == np.float32
    assert seen[-1] == pytest.approx(1)
    assert plan.memory > 0
    steps = plan.steps()
    assert {step.algorithm for step in steps} <= {"torch", "forward"}
    each = network.operations(*x.shape[1:3])
    for step in steps:
        if "convolutional" in {network.kinds[index] for index in step.layers}:
            assert step.operations == sum(each[index] for index in step.layers) > 0


@pytest.mark.parametrize("scale", [2, 7, 41, 61])
def test_pixels_are_repeated_exactly(scale: int) -> None:
    x = batch((1, 2, 90, 3))
    result = apply(Repeat(scale, 0.5), [to_tensor(torch.from_numpy(x))])
    expected = 0.5 * x.repeat(scale, 1).repeat(scale, 2)
    np.testing.assert_array_equal(to_images(result).numpy(), expected)


def test_weights_on_the_device_serve_every_size() -> None:
    network = random_network(HEAD + CONV * 3)
    model, reference = (
        Model(network, kernels) for kernels in (select("torch", 1), NumpyKernels())
    )
    for size in ((5, 6), (7, 4)):
        picture = np.random.default_rng(0).random((*size, 4)).astype(np.float32)
        np.testing.assert_allclose(
            model(picture), reference(picture), rtol=1e-4, atol=1e-5
        )


def recipe(**values: Any) -> Recipe:
    return Recipe(**{"learning_rate": 1e-3, **values})


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "adamw", "adamax"])
def test_learners_learn_the_same(optimizer: str) -> None:
    chosen = recipe(optimizer=optimizer, decay=0.01, clip_gradient=0.5, cost="mse")
    networks = [random_network(EVERYTHING) for _ in range(2)]
    ours = NetworkLearner(networks[0], NumpyKernels(), chosen)
    theirs = TorchLearner(networks[1], chosen, torch.device("cpu"))
    x = batch((2, 9, 8, 4))
    t = batch(networks[0].forward(x, kernels=NumpyKernels()).shape, 3)
    for _ in range(3):
        one, two = ours.learn(x, t, 1e-3), theirs.learn(x, t, 1e-3)
        ours.update_average(0.3)
        theirs.update_average(0.3)
        assert two.loss == pytest.approx(one.loss, rel=1e-4)
        assert two.norm == pytest.approx(one.norm, rel=1e-3)
        assert one.applied
        assert two.applied
    a, b = ours.state(), theirs.state()
    assert a.updates == b.updates == 3
    assert a.random == b.random
    assert a.optimizer.keys() == b.optimizer.keys()
    # Adam turns the noise of gradients near zero into whole steps.
    for name, array in a.weights.items():
        np.testing.assert_allclose(b.weights[name], array, atol=4e-3, err_msg=name)
        difference = np.abs(b.weights[name] - array)
        assert np.median(difference) < 1e-4, name
    assert a.average.keys() == b.average.keys() == a.weights.keys()


def test_one_continues_what_the_other_began() -> None:
    chosen = recipe(cost="softmax", average=0.1)
    x = batch((3, 6, 6, 2))
    t = np.eye(5, dtype=np.float32)[[0, 3, 4]].reshape(3, 1, 1, 5)
    whole = NetworkLearner(random_network(CLASSES), NumpyKernels(), chosen)
    first = NetworkLearner(random_network(CLASSES), NumpyKernels(), chosen)
    for learner in (whole, first):
        for _ in range(2):
            learner.learn(x, t, 1e-3)
            learner.update_average(0.5)
    second = TorchLearner(random_network(CLASSES, 9), chosen, torch.device("cpu"))
    second.restore(first.state())
    third = NetworkLearner(random_network(CLASSES, 8), NumpyKernels(), chosen)
    for learner in (whole, second):
        outcome = learner.learn(x, t, 1e-3)
        learner.update_average(0.5)
    third.restore(second.state())
    assert third.optimizer.updates == 3
    for name, array in whole.network.tensors.items():
        np.testing.assert_allclose(third.network.tensors[name], array, atol=2e-4)
        np.testing.assert_allclose(third.average[name], whole.average[name], atol=2e-4)
    assert whole.learn(x, t, 1e-3).loss == pytest.approx(
        third.learn(x, t, 1e-3).loss, rel=1e-3
    )
    assert outcome.applied


EDGES = [0.0, 1.0, -1.0, 0.5, -0.5, 1e-30, -1e-30, 3.0]


@pytest.mark.parametrize("name", COSTS)
def test_costs_on_both_learners(name: str) -> None:
    """One gradient, edges of the formulas included, for each is a bias of its own."""
    end = {
        "softmax": "[softmax]\nspatial=1\n",
        "logistic": "[activation]\nactivation=logistic\n",
    }.get(name, "")
    pairs = np.array([(y, t) for y in EDGES for t in EDGES], np.float32)
    more = batch((36, 2), 3)
    y, t = np.concatenate([pairs, more]).T.reshape(2, 1, 1, 1, -1)
    if name == "softmax":
        t = np.abs(t) / np.abs(t).sum()
    if name == "masked":
        t[..., ::7] = -1234
    text = (
        f"[net]\nchannels={y.size}\n\n[convolutional]\nfilters={y.size}\nsize=1\n"
        f"activation=linear\n\n{end}"
    )
    chosen = recipe(cost=name, optimizer="sgd")
    found = []
    for backend in ("numpy", "torch"):
        network = Network.parse(text).initialize(1)
        network[0].weights[...] = 0  # so that y comes from the biases, exactly
        network[0].biases[...] = y.reshape(-1)
        kernels = select(backend, 1)
        learner = kernels.learner(network, chosen) or NetworkLearner(
            network, kernels, chosen
        )
        outcome = learner.learn(np.zeros_like(y), t, 2.0**10)
        assert outcome.applied
        assert math.isfinite(outcome.norm)
        after = learner.state().weights["0.convolutional.biases"].copy()
        found.append((outcome, after))
    (one, ours), (two, theirs) = found
    assert two.loss == pytest.approx(one.loss, rel=1e-5)
    assert two.norm == pytest.approx(one.norm, rel=1e-5)
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6)
    assert np.abs(ours - y.reshape(-1)).max() > 1e-3  # it did move


def test_bad_losses_change_nothing() -> None:
    learner = TorchLearner(random_network(HEAD + CONV), recipe(), torch.device("cpu"))
    before = {k: v.copy() for k, v in learner.state().weights.items()}
    x, t = batch((1, 5, 5, 4)), batch((1, 5, 5, 4), 1)
    assert not learner.learn(x, t, 0.1, limit=1e-9).applied
    assert not learner.learn(np.full_like(x, np.nan), t, 0.1).applied
    for name, array in learner.state().weights.items():
        np.testing.assert_array_equal(array, before[name])


def test_run_is_resumed_exactly_and_by_the_other_back_end(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path, middle="[batchnorm]\n\n[dropout]\n")
    data = [pictures(tmp_path / "data")]
    changes = {"updates": 6, "batch": 2, "patch": 6, "average": 0.1}

    def session(output: str, resume: bool = False, backend: str = "torch") -> Session:
        options = TrainingOptions(
            () if resume else data, changes=changes, backend=backend, threads=1
        )
        made = (
            Session.resume(tmp_path / output, options)
            if resume
            else Session.start(cfg, tmp_path / output, options)
        )
        made.prepare()
        return made

    whole = session("whole")
    whole.trainer.run()
    session("parts").trainer.run(until=3)
    parts = session("parts", resume=True)
    parts.trainer.run()
    a, b = whole.folder.load(), parts.folder.load()
    for name, array in a.learner.weights.items():
        np.testing.assert_array_equal(array, b.learner.weights[name])
    session("mixed").trainer.run(until=3)
    mixed = session("mixed", resume=True, backend="numpy")
    mixed.trainer.run()
    c = mixed.folder.load()
    assert c.learner.optimizer.keys() == a.learner.optimizer.keys()
    for name, array in a.learner.weights.items():
        np.testing.assert_allclose(array, c.learner.weights[name], atol=2e-3)
    model = load(mixed.folder.cfg, mixed.folder.best, backend="torch", threads=1)
    assert model(np.zeros((5, 4, 3), np.uint8)).shape == (10, 8, 3)


DEAD = (
    "[convolutional]\nfilters=4\nsize=1\nbatch_normalize=1\nactivation=relu\n\n"
    "[route]\nlayers=0\n"
)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_branch_that_leads_nowhere_is_an_output_to_learn(
    tmp_path: Path, backend: str
) -> None:
    cfg = tiny_cfg(tmp_path, middle=DEAD)
    changes = {"updates": 6, "batch": 2, "patch": 6}
    options = TrainingOptions(
        [pictures(tmp_path / "data")], changes=changes, backend=backend, threads=1
    )
    session = Session.start(cfg, tmp_path / "run", options)
    with pytest.raises(ShapeError, match=r"layer 1 .* is an output of 6x6x4"):
        session.prepare()
        session.trainer.run(until=3)


def foreign(network: Network, index: int, **members: Any) -> Network:
    """Make a layer one of a third party: of a class that the plugin does not know."""
    kind = type(network[index])
    network[index].__class__ = type("Foreign", (kind,), members)
    return network


def test_tensors_of_a_layer_of_a_third_party_keep_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = foreign(random_network(HEAD + CONV), 0)
    kinds = ["acme/conv.2"] * len(network)
    monkeypatch.setattr(type(network), "canonical_kinds", property(lambda _: kinds))
    before = {name: array.copy() for name, array in network.tensors.items()}
    assert any("/" in name for name in before)
    learner = TorchLearner(network, recipe(), torch.device("cpu"))
    assert learner.state().weights.keys() == before.keys()
    module = NetworkModule(network)
    module.load({name: array + 1 for name, array in before.items()})
    module.store()
    for name, array in network.tensors.items():
        np.testing.assert_array_equal(array, before[name] + 1)


def test_layers_of_third_parties_are_run_and_trained_by_themselves() -> None:
    text = (
        HEAD + CONV + "[convolutional]\nfilters=6\nsize=3\nstride=2\n"
        "batch_normalize=1\nactivation=leaky\n\n[dropout]\nprobability=0.3\n\n"
        # Whose gradients by the two inputs are one array.
        "[shortcut]\nfrom=-2\n\n[route]\nlayers=-1,-2\n"
    )
    x = batch((2, 9, 8, 4))
    for index in range(5):
        two = foreign(random_network(text), index)
        check_gradients(random_network(text), two, x)
        np.testing.assert_allclose(
            Plan(two, 9, 8, select("torch", 1))(x),
            two.forward(x, kernels=NumpyKernels()),
            rtol=1e-4,
            atol=1e-5,
        )
    chosen = recipe(cost="mse", optimizer="nesterov")
    ours = NetworkLearner(random_network(text), NumpyKernels(), chosen)
    other = foreign(foreign(random_network(text), 0), 1)
    theirs = TorchLearner(other, chosen, torch.device("cpu"))
    t = batch(ours.network.forward(x, kernels=NumpyKernels()).shape, 3)
    for _ in range(3):
        one, two = ours.learn(x, t, 1e-2), theirs.learn(x, t, 1e-2)
        assert two.loss == pytest.approx(one.loss, rel=1e-4)
        assert two.norm == pytest.approx(one.norm, rel=1e-3)
    for name, array in theirs.state().weights.items():
        truth = ours.network.tensors[name]
        np.testing.assert_allclose(array, truth, rtol=1e-3, atol=1e-5, err_msg=name)


def test_gradients_of_a_layer_that_gives_back_what_it_was_given() -> None:
    """Its delta and its gradients may be one array: nothing may be added to it."""

    def backward(self: Any, delta: np.ndarray, *, kernels: Any) -> Any:
        return delta, delta

    text = HEAD + CONV * 2 + "[shortcut]\nfrom=-2\n\n[shortcut]\nfrom=0,-2\n"
    two = foreign(random_network(text), 2, backward=backward)
    check_gradients(random_network(text), two, batch((2, 5, 6, 4)))


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_layer_without_gradient_is_refused_at_once(backend: str) -> None:
    """Unless none is asked of it."""

    def learner(index: int) -> Any:
        network = random_network(HEAD + "[pad]\ntop=1\n\n" + CONV * 2)
        foreign(network, index, backward=Layer.backward)
        kernels = select(backend, 1)
        return kernels.learner(network, recipe()) or NetworkLearner(
            network, kernels, recipe()
        )

    with pytest.raises(UsageError, match=r"layer 2 \[convolutional\].*no gradient"):
        learner(2)
    x, t = batch((1, 5, 5, 4)), batch((1, 6, 5, 4), 1)
    for index in (0, 1):  # 1 has a backward_parameters, and needs no more
        assert learner(index).learn(x, t, 0.1).applied


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_what_cannot_be_trained_leaves_no_folder(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    from zoo.cli import main

    cfg = tiny_cfg(tmp_path, middle="[dropout]\n")
    data = pictures(tmp_path / "data")
    monkeypatch.setattr(Dropout, "backward", Layer.backward)
    call = ["train", str(cfg), "--data", str(data), "-o", str(tmp_path / "run")]
    assert main([*call, "--backend", backend, "--patch", "6"]) == 2
    assert "layer 1 [dropout] has no gradient" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_with_layers_of_third_parties(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun on PyTorch and gone on with on NumPy, and the other way round."""
    cfg = tiny_cfg(tmp_path, middle="[batchnorm]\n\n[dropout]\n")
    monkeypatch.delitem(MAKERS, BatchNorm)  # as if they were
    monkeypatch.delitem(MAKERS, Dropout)
    data = [pictures(tmp_path / "data")]
    changes = {"updates": 4, "batch": 2, "patch": 6, "average": 0.1}
    found = []
    for backends in (("numpy", "numpy"), ("torch", "numpy"), ("numpy", "torch")):
        run = tmp_path / "-".join(backends)
        for number, backend in enumerate(backends):
            options = TrainingOptions(
                () if number else data, changes=changes, backend=backend, threads=1
            )
            session = (
                Session.resume(run, options)
                if number
                else Session.start(cfg, run, options)
            )
            session.prepare()
            session.trainer.run(until=2 * (number + 1))
            session.close()
        found.append(session.folder.load().learner)
    for other in found[1:]:
        assert other.random == found[0].random
        for name, array in found[0].weights.items():
            np.testing.assert_allclose(other.weights[name], array, atol=1e-3)


def test_devices() -> None:
    assert "PyTorch" in select("torch:cpu", 1).instruction_set
    for device in ("nonsense", "cuda:99"):
        with pytest.raises(PluginError, match=device):
            select(f"torch:{device}", 1)


WITHOUT = """
import sys
sys.modules["torch"] = None
from zoo.plugins import select
from zoo.errors import PluginError, UsageError
from zoo.layers.base import Layer
from zoo.layers.batchnorm import BatchNorm
from zoo.layers.dropout import Dropout
from zoo.layers.pooling import PoolLayer
try:
    select("torch")
except PluginError as error:
    print(error)
"""


def test_without_pytorch_one_sentence_says_how_to_get_it() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    assert "pip install torch" in result.stdout
    assert result.stdout.count("\n") == 1


def test_commands_run_on_a_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zoo.checkpoints.files import save_weights
    from zoo.cli import main
    from zoo.images import read

    cfg = tiny_cfg(tmp_path)
    save_weights(Network.read(cfg).initialize(1), tmp_path / "tiny.safetensors")
    photo = str(pictures(tmp_path / "data", count=1) / "p0.png")
    call = ["run", str(cfg), photo, "-j", "1"]
    torch_call = [*call, "--backend", "torch", "--device", "cpu"]
    assert main([*torch_call, "-o", str(tmp_path / "a.png"), "-v"]) == 0
    assert "PyTorch" in capsys.readouterr().err
    assert main([*call, "--backend", "numpy", "-o", str(tmp_path / "b.png")]) == 0
    one, two = (read(tmp_path / name).pixels.astype(int) for name in ("a.png", "b.png"))
    assert np.abs(one - two).max() <= 1
    # A device alone means PyTorch.
    assert main([*call, "--device", "nonsense"]) == 1
    assert "no device 'nonsense'" in capsys.readouterr().err
    folder = str(tmp_path / "data")
    assert main(["eval", str(cfg), folder, *torch_call[-4:], "--json"]) == 0
