"""What every learner keeps to: on NumPy, in native code, on PyTorch."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoo.errors import PluginError, ShapeError, UsageError
from zoo.network import Network
from zoo.plugins import select
from zoo.train.batches import parts_of
from zoo.train.costs import COSTS
from zoo.train.learner import LearnerState, slots_for
from zoo.train.network_learner import NetworkLearner
from zoo.train.optimizers import OPTIMIZERS
from zoo.train.recipe import Recipe

Make = Callable[[Network, Recipe], Any]

HEAD = "[net]\nchannels=3\n\n"
CONV = "[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=leaky\n{}\n"
NORMALIZED = "[convolutional]\nfilters=3\nsize=1\nbatch_normalize=1\n{}\n"
PLAIN = HEAD + CONV.format("") * 2
WITH_STATISTICS = HEAD + CONV.format("") + NORMALIZED.format("") + "[batchnorm]\n"


@pytest.fixture(params=["numpy", "native", "torch"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a learner on a back end."""
    try:
        kernels = select(request.param, 1)
    except PluginError as error:
        pytest.skip(str(error))

    def learner(network: Network, recipe: Recipe) -> Any:
        own = kernels.learner(network, recipe)
        return own or NetworkLearner(network, kernels, recipe)

    return learner


def network_of(text: str, seed: int = 1) -> Network:
    network = Network.parse(text).initialize(seed)
    rng = np.random.default_rng(seed)
    for array in network.tensors.values():
        array += rng.uniform(0.1, 0.2, array.shape).astype(np.float32)
    return network


def arrays(count: int = 4, side: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, count, side, side, 3), np.float32)
    return x, t


def weights_of(learner: Any) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in learner.state().weights.items()}


def assert_close(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_allclose(array, b[name], rtol=1e-4, atol=2e-6, err_msg=name)


# -- the moving average ----------------------------------------------------


def test_an_average_that_is_switched_off_is_dropped(make: Make) -> None:
    x, t = arrays()
    first = make(network_of(PLAIN), Recipe(average=0.1))
    first.learn(x, t, 0.01)
    first.update_average(0.1)
    first.learn(x, t, 0.01)
    state = first.state()
    assert state.average
    kept = make(network_of(PLAIN), Recipe(average=0.1))
    kept.restore(state)
    assert_close(kept.best_weights(), state.average)
    without = make(network_of(PLAIN), Recipe())
    without.restore(state)
    assert not without.state().average
    assert_close(without.best_weights(), state.weights)
    without.learn(x, t, 0.1)
    assert_close(without.best_weights(), weights_of(without))


def test_an_average_that_is_switched_on_starts_at_the_weights(make: Make) -> None:
    x, t = arrays()
    first = make(network_of(PLAIN, 5), Recipe())
    second = make(network_of(PLAIN), Recipe(average=0.5))
    second.restore(first.state())
    second.learn(x, t, 0.1)
    second.update_average(0.5)
    begun = weights_of(second)
    assert_close(second.best_weights(), begun)
    second.learn(x, t, 0.1)
    second.update_average(0.5)
    middle = {n: (a + begun[n]) / 2 for n, a in weights_of(second).items()}
    assert_close(second.best_weights(), middle)


# -- the optimizer's arrays ------------------------------------------------


@pytest.mark.parametrize("is_old", [False, True])
def test_another_optimizer_starts_afresh(make: Make, is_old: bool) -> None:
    x, t = arrays()
    states = {}
    for name in OPTIMIZERS:
        learner = make(network_of(PLAIN), Recipe(optimizer=name))
        learner.learn(x, t, 1e-3)
        assert learner.state().optimizer_name == name
        states[name] = learner.state()
    for one, two in itertools.permutations(OPTIMIZERS, 2):
        state = states[one]
        slots = {key.partition("/")[0] for key in state.optimizer}
        if is_old:
            if slots <= set(OPTIMIZERS[two].slots):
                continue  # nothing to see it by
            state = replace(state, optimizer_name="")
        resumed = make(network_of(PLAIN, 3), Recipe(optimizer=two))
        resumed.restore(state)
        fresh = make(network_of(PLAIN, 3), Recipe(optimizer=two))
        fresh.restore(LearnerState(state.weights, {}, 0))
        for learner in (resumed, fresh):
            assert learner.learn(x, t, 1e-3).applied
        assert_close(weights_of(resumed), weights_of(fresh))
        assert resumed.state().updates == 1


def test_the_same_optimizer_goes_on() -> None:
    state = LearnerState({}, {"m/0.weights": np.zeros(1), "v/0.weights": np.ones(1)}, 7)
    assert slots_for(state, "adam") == (state.optimizer, 7)
    assert slots_for(state, "momentum") == ({}, 0)
    assert slots_for(replace(state, optimizer_name="adamw"), "adam") == ({}, 0)


# -- updates that are left out ---------------------------------------------


@pytest.mark.parametrize("subdivisions", [1, 2])
def test_statistics_stay_where_an_update_is_left_out(
    make: Make, subdivisions: int
) -> None:
    x, t = arrays()
    learner = make(network_of(WITH_STATISTICS), Recipe(subdivisions=subdivisions))
    before = weights_of(learner)
    assert sum("rolling" in name for name in before) == 4
    poisoned = x.copy()
    poisoned[-1, 0, 0, 0] = np.nan
    with np.errstate(invalid="ignore"):
        assert not learner.learn(poisoned, t, 0.1).applied
        assert not learner.learn(x, np.full_like(t, np.inf), 0.1).applied
    assert not learner.learn(x, t, 0.1, limit=1e-9).applied
    for name, array in learner.state().weights.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    assert learner.learn(x, t, 0.1).applied
    after = learner.state().weights
    for name, array in before.items():
        assert np.isfinite(after[name]).all()
        assert (after[name] != array).any(), name


def test_statistics_stay_where_an_update_fails(make: Make) -> None:
    x, t = arrays()
    learner = make(network_of(WITH_STATISTICS), Recipe())
    before = weights_of(learner)

    def broken(*arguments: Any) -> Any:
        raise ArithmeticError

    learner.cost = broken
    with pytest.raises(ArithmeticError):
        learner.learn(x, t, 0.1)
    for name, array in learner.state().weights.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


# -- what goes in ----------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x, t: (x, t[:, 0, 0]), "differ in shape"),
        (lambda x, t: (x, t[:, :1, :1]), "differ in shape"),
        (lambda x, t: (x, t[:2]), "differ in shape"),
        (lambda x, t: (x[..., :2], t), "takes N x H x W x 3 arrays"),
        (lambda x, t: (x[0], t), "takes N x H x W x 3 arrays"),
        (lambda x, t: (x[:0], t[:0]), "no pictures"),
        (lambda x, t: (x[:, :0], t[:, :0]), "does not fit into 0x5x3"),
        (lambda x, t: ((100 * x).astype(np.uint8), t), "not input uint8"),
        (lambda x, t: (x.astype(object), t), "not input object"),
        (lambda x, t: (x, t.astype(complex)), "and truth complex"),
    ],
)
def test_arrays_that_do_not_fit(make: Make, wrong: Any, says: str) -> None:
    learner = make(network_of(WITH_STATISTICS), Recipe())
    before = weights_of(learner)
    with pytest.raises(ShapeError, match=says):
        learner.learn(*wrong(*arrays()), 0.1)
    for name, array in learner.state().weights.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_arrays_of_any_layout(make: Make) -> None:
    x, t = arrays()
    usual = make(network_of(PLAIN), Recipe())
    usual.learn(x, t, 1e-3)
    frozen = x.copy()
    frozen.flags.writeable = False
    backwards = np.ascontiguousarray(x[:, ::-1, ::-1])[:, ::-1, ::-1]
    assert backwards.strides[1] < 0
    for given, truth in (
        (x.astype(np.float64), t.astype(np.float64)),
        (x.astype(">f4"), t),
        (backwards, np.asfortranarray(t)),
        (frozen, t),
    ):
        learner = make(network_of(PLAIN), Recipe())
        assert learner.learn(given, truth, 1e-3).applied
        assert_close(weights_of(learner), weights_of(usual))


# -- parts of a batch ------------------------------------------------------


def test_parts_are_nearly_equal_and_never_empty() -> None:
    assert parts_of(7, 3) == [slice(0, 2), slice(2, 4), slice(4, 7)]
    assert parts_of(4, 1) == [slice(0, 4)]
    assert parts_of(2, 5) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("cost", COSTS)
def test_parts_of_a_batch_come_to_the_whole(make: Make, cost: str) -> None:
    end = {
        "softmax": "[softmax]\nspatial=1\n\n[cost]\nscale=0.5\n",
        "logistic": "[activation]\nactivation=logistic\n",
        "hellinger": "[activation]\nactivation=softplus\n",
    }.get(cost, "")
    x, t = arrays(5)
    if cost in ("softmax", "logistic", "hellinger"):
        t = np.abs(t) / np.abs(t).sum(axis=3, keepdims=True)
    recipe = Recipe(cost=cost, optimizer="sgd", clip_gradient=0.3)
    whole = make(network_of(PLAIN + end), recipe)
    expected = whole.learn(x, t, 0.1)
    for count in (2, 5, 9):
        learner = make(network_of(PLAIN + end), replace(recipe, subdivisions=count))
        outcome = learner.learn(x, t, 0.1)
        assert outcome.loss == pytest.approx(expected.loss, rel=1e-5)
        assert outcome.norm == pytest.approx(expected.norm, rel=1e-4)
        assert outcome.applied
        assert_close(weights_of(learner), weights_of(whole))


def test_parts_of_a_batch_need_less_memory() -> None:
    x, t = arrays(8, 40)
    peaks = []
    for count in (1, 8):
        recipe = Recipe(subdivisions=count)
        network = network_of(HEAD + 6 * CONV.format(""))
        learner = NetworkLearner(network, select("numpy", 1), recipe)
        tracemalloc.start()
        learner.learn(x, t, 0.1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 0.4 * peaks[0]


# -- layers that stay as they are ------------------------------------------


def moved(make: Make, text: str, optimizer: str = "sgd") -> dict[str, np.ndarray]:
    """How far one update moves every tensor."""
    learner = make(network_of(text), Recipe(optimizer=optimizer, decay=0.01))
    before = weights_of(learner)
    x, t = arrays()
    outcome = learner.learn(x, t, 0.1)
    assert outcome.applied
    assert math.isfinite(outcome.norm)
    return {name: a - before[name] for name, a in weights_of(learner).items()}


def chain(*keys: str) -> str:
    return HEAD + "".join(CONV.format(key) for key in keys)


def test_dont_update(make: Make) -> None:
    usual = moved(make, chain("", "", ""))
    for index in range(3):
        keys = ["", "", ""]
        keys[index] = "dont_update=1\n"
        found = moved(make, chain(*keys))
        for name, difference in found.items():
            is_frozen = name.startswith(f"{index}.")
            expected = 0 * difference if is_frozen else usual[name]
            np.testing.assert_allclose(difference, expected, atol=1e-6, err_msg=name)
            assert is_frozen or difference.any()


def test_stopbackward(make: Make) -> None:
    skip = "[shortcut]\nfrom=-3\n\n"  # around the layer that stops
    usual = moved(make, chain("", "", "") + skip)
    found = moved(make, chain("", "stopbackward=1\n", "") + skip)
    for name, difference in found.items():
        expected = usual[name] if name.startswith("2.") else 0 * difference
        np.testing.assert_allclose(difference, expected, atol=1e-6, err_msg=name)
    # AlexeyAB's "up to update 800" is not known, so nothing stops.
    later = moved(make, chain("", "stopbackward=800\n", "") + skip)
    assert_close(later, usual)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_learning_rate_of_a_layer(make: Make, optimizer: str) -> None:
    usual = moved(make, chain("", "", ""), optimizer)
    keys = ("learning_rate=0.5\n", "", "learning_rate=0\n")
    found = moved(make, chain(*keys), optimizer)
    for name, difference in found.items():
        factor = {"0": 0.5, "1": 1.0, "2": 0.0}[name[0]]
        np.testing.assert_allclose(
            difference, factor * usual[name], rtol=1e-3, atol=1e-6, err_msg=name
        )


NORMALIZED_LAYERS = (
    "[convolutional]\nfilters=3\nsize=1\nbatch_normalize=1\nactivation=mish\n{}\n",
    "[batchnorm]\n{}\n",
    "[deconvolutional]\nfilters=3\nsize=1\nbatch_normalize=1\n{}\n",
)


@pytest.mark.parametrize("layer", NORMALIZED_LAYERS)
def test_normalization_that_stays_is_that_of_inference(make: Make, layer: str) -> None:
    """The gradient below it, by finite differences of the loss."""
    text = chain("") + layer.format("dont_update=1\n")
    network = network_of(text)
    learner = make(network, Recipe(optimizer="sgd", cost="mse"))
    before = weights_of(learner)
    x, t = arrays()
    kernels = select("numpy", 1)
    exact = network_of(text)
    assert learner.learn(x, t, 1e-2).loss == pytest.approx(
        float(np.mean((exact.forward(x, kernels=kernels) - t) ** 2)), rel=1e-4
    )
    after = weights_of(learner)
    for name, array in before.items():
        if name.startswith("1."):
            np.testing.assert_array_equal(after[name], array, err_msg=name)
    name = "0.convolutional.weights"
    gradient = (before[name] - after[name]) / 1e-2
    direction = gradient / np.sqrt(np.sum(gradient**2))
    losses = []
    for sign in (1, -1):
        exact.tensors[name][...] = before[name] + sign * 1e-2 * direction
        y = exact.forward(x, kernels=kernels)
        losses.append(float(np.mean((y - t) ** 2, dtype=np.float64)))
    slope = (losses[0] - losses[1]) / 2e-2
    assert slope == pytest.approx(float(np.sqrt(np.sum(gradient**2))), rel=0.02)


def test_statistics_below_a_stop_stay(make: Make) -> None:
    text = HEAD + NORMALIZED.format("") + "[dropout]\nprobability=0.9\nstopbackward=1\n"
    found = moved(make, text + "\n" + NORMALIZED.format(""))
    for name, difference in found.items():
        assert difference.any() == name.startswith("2."), name
    # As in inference: nothing is dropped.
    network = network_of(text + "\n" + CONV.format(""))
    x, t = arrays()
    y = network.forward(x, kernels=select("numpy", 1))
    loss = make(network, Recipe(cost="mae")).learn(x, t, 0.1).loss
    assert loss == pytest.approx(float(np.mean(np.abs(y - t))), rel=1e-4)


def test_state_with_frozen_layers_goes_on_exactly(make: Make) -> None:
    text = chain("dont_update=1\n", "learning_rate=0.5\n", "") + "[batchnorm]\n"
    x, t = arrays()
    whole = make(network_of(text), Recipe())
    whole.learn(x, t, 0.01)
    names = {key.partition("/")[2] for key in whole.state().optimizer}
    assert {name[0] for name in names} == {"1", "2", "3"}
    second = make(network_of(text, 4), Recipe())
    second.restore(whole.state())
    for learner in (whole, second):
        learner.learn(x, t, 0.01)
    assert_close(weights_of(second), weights_of(whole))
    assert_close(second.state().optimizer, whole.state().optimizer)


def test_a_network_that_cannot_learn_is_refused(make: Make) -> None:
    for keys in (("dont_update=1\n",), ("", "stopbackward=1\n")):
        with pytest.raises(UsageError, match="can learn"):
            make(network_of(chain(*keys)), Recipe())


# -- mixed precision -------------------------------------------------------


def test_bfloat16_is_near_float32_or_refused(make: Make) -> None:
    recipe, x_and_t = Recipe(precision="bf16"), arrays()
    exact = make(network_of(WITH_STATISTICS), Recipe())
    if isinstance(exact, NetworkLearner):
        with pytest.raises(UsageError, match="trains in float32 alone.*--device"):
            make(network_of(WITH_STATISTICS), recipe)
        return
    mixed = make(network_of(WITH_STATISTICS), recipe)
    for _ in range(3):
        wanted, got = exact.learn(*x_and_t, 1e-3), mixed.learn(*x_and_t, 1e-3)
        assert got.loss == pytest.approx(wanted.loss, rel=0.01)
        assert got.norm == pytest.approx(wanted.norm, rel=0.05)
        assert got.loss != wanted.loss  # else nothing was in bfloat16
    # The weights stay in float32: steps of Adam are smaller than bfloat16 tells apart.
    for name, array in weights_of(mixed).items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, weights_of(exact)[name], atol=0.02)
