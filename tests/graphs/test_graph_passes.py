"""Each pass over a draft, alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.passes import (
    affines,
    borders,
    drop,
    ends,
    enlargements,
    folding,
    norms,
    padding,
    pointwise,
    selections,
)
from zoo.shapes import Shape

SHAPE = Shape(8, 6, 4)
RNG = np.random.default_rng(0)


def draft_of() -> Draft:
    return Draft(SHAPE)


def conv(draft: Draft, x: Step, filters: int = 4, size: int = 3, **values: Any) -> Step:
    known = {
        "weights": RNG.normal(size=(size, size, x.shape.channels, filters)),
        "biases": RNG.normal(size=filters),
        "strides": (1, 1),
        "dilation": (1, 1),
        "pads": (size // 2,) * 4,
        "same": False,
        "mode": "zero",
        "groups": 1,
    }
    shape = Shape(x.shape.height, x.shape.width, filters)
    return draft.add("conv", [x], shape, **{**known, **values})


def unary(draft: Draft, x: Step, name: str) -> Step:
    return draft.add("unary", [x], x.shape, function=name)


def add(draft: Draft, x: Step, y: Step, alpha: float = 1.0, beta: float = 1.0) -> Step:
    shape = Shape(*map(max, x.shape, y.shape))
    return draft.add("add", [x, y], shape, alpha=alpha, beta=beta)


def mul(draft: Draft, x: Step, y: Step) -> Step:
    return draft.add("mul", [x, y], Shape(*map(max, x.shape, y.shape)))


def kinds(draft: Draft, output: Step) -> list[str]:
    draft.output = output
    draft.sweep()
    return [step.kind for step in draft.steps[1:]]


def after(run: Any, draft: Draft, output: Step) -> list[str]:
    draft.output = output
    draft.sweep()
    run(draft)
    draft.sweep()
    return [step.kind for step in draft.steps[1:]]


# -- draft -----------------------------------------------------------------------


def test_sweep_drops_what_nobody_reads_and_orders_the_rest() -> None:
    d = draft_of()
    late = conv(d, d.input)
    unary(d, late, "exp")
    first = conv(d, d.input)
    late.inputs = [first]
    assert kinds(d, late) == ["conv", "conv"]
    assert d.steps[1] is first


def test_replace_moves_readers() -> None:
    d = draft_of()
    x = conv(d, d.input)
    y = unary(d, x, "exp")
    z = add(d, y, y)
    d.output = z
    d.replace(y, x)
    assert z.inputs == [x, x] and x.readers == [z, z] and not y.readers


# -- affines ---------------------------------------------------------------------


def test_factors_in_a_row_are_one() -> None:
    d = draft_of()
    x = d.affine(d.affine(d.input, 2, 1), 3, -1)
    assert after(affines.merge, d, x) == ["affine"]
    assert d.output.values["scale"][0] == 6 and d.output.values["offset"][0] == 2


def test_a_factor_that_undoes_another_is_dropped() -> None:
    d = draft_of()
    count = 1234.0
    x = d.affine(d.affine(conv(d, d.input), count, 0), 1 / count, 0)
    assert after(affines.merge, d, x) == ["conv"]


def test_factors_of_a_sum_become_alpha_and_beta() -> None:
    d = draft_of()
    x = add(d, d.affine(conv(d, d.input), 0.2, 0), d.input)
    assert after(affines.merge, d, x) == ["conv", "add"]
    assert (x.values["alpha"], x.values["beta"]) == (0.2, 1.0)


def test_a_positive_factor_passes_a_relu_but_a_negative_one_does_not() -> None:
    for factor, wanted in ((2.0, ["conv", "affine", "activation"]), (-2.0, None)):
        d = draft_of()
        x = d.affine(d.function(conv(d, d.input), "relu"), factor, 0)
        found = after(affines.merge, d, x)
        assert found == (wanted or ["conv", "activation", "affine"])


# -- activations -------------------------------------------------------------------


def spelled(d: Draft, name: str) -> Step:
    x = conv(d, d.input)
    match name:
        case "swish":
            return mul(d, x, d.function(x, "logistic"))
        case "mish":
            return mul(d, d.function(d.function(x, "softplus"), "tanh"), x)
        case "gelu_erf":
            erf = unary(d, d.affine(x, 1 / np.sqrt(2), 0), "erf")
            return mul(d, d.affine(x, 0.5, 0), d.affine(erf, 1, 1))
        case "softplus":
            return unary(d, d.affine(unary(d, x, "exp"), 1, 1), "log")
        case "leaky":
            return d.add("max", [x, d.affine(x, 0.2, 0)], x.shape)
    below = d.affine(d.function(d.affine(x, -1, 0), "relu"), [-0.1, 0.2, -0.3, 0.4], 0)
    return add(d, d.function(x, "relu"), below)


@pytest.mark.parametrize(
    "name", ["swish", "mish", "gelu_erf", "softplus", "leaky", "prelu"]
)
def test_a_spelled_out_activation_is_recognised(name: str) -> None:
    d = draft_of()
    found = after(pointwise.recognize, d, spelled(d, name))
    assert [kind for kind in found if kind != "affine"] == ["conv", "activation"]
    (made,) = [step for step in d.steps if step.kind == "activation"]
    assert made.activation == name
    if name == "prelu":
        np.testing.assert_allclose(made.values["slopes"], [0.1, -0.2, 0.3, -0.4])


def test_a_gate_of_two_pictures_is_no_activation() -> None:
    d = draft_of()
    x = conv(d, d.input)
    y = mul(d, x, d.function(conv(d, x), "logistic"))
    assert "mul" in after(pointwise.recognize, d, y)


# -- norms ------------------------------------------------------------------------


def normed(d: Draft, over: str, eps: float) -> Step:
    x = conv(d, d.input)
    shape = Shape(1, 1, 4) if over == "mean" else Shape(8, 6, 1)

    def mean(step: Step) -> Step:
        return d.add(over, [step], shape)

    centred = add(d, x, mean(x), 1.0, -1.0)
    variance = mean(unary(d, centred, "square"))
    root = unary(d, d.affine(variance, 1, eps), "sqrt")
    return d.add("div", [centred, root], x.shape)


@pytest.mark.parametrize(
    "over, kind", [("mean", "groupnorm"), ("mean_channels", "layernorm")]
)
def test_norms_are_recognised(over: str, kind: str) -> None:
    d = draft_of()
    assert after(norms.recognize, d, normed(d, over, 1e-5)) == ["conv", kind]
    assert d.output.values["eps"] == 1e-5


def test_a_deviation_is_recognised() -> None:
    d = draft_of()
    x = conv(d, d.input)
    centred = add(d, x, d.add("mean", [x], Shape(1, 1, 4)), 1.0, -1.0)
    variance = d.add("mean", [unary(d, centred, "square")], Shape(1, 1, 4))
    y = unary(d, variance, "sqrt")
    assert after(norms.recognize, d, y) == ["conv", "deviation"]


# -- folding: the rule of zero padding ---------------------------------------------------


@pytest.mark.parametrize(
    "factor, offset, pads, folds",
    [
        (2.0, 0.0, 1, True),  # a factor always
        (2.0, 1.0, 0, True),  # an offset where nothing is padded
        (1.0, 1.0, 1, False),  # never where zeros are
    ],
)
def test_what_goes_into_a_convolution_after_it(
    factor: float, offset: float, pads: int, folds: bool
) -> None:
    d = draft_of()
    x = d.affine(d.function(conv(d, d.input), "tanh"), factor, offset)
    y = conv(d, x, pads=(pads,) * 4)
    weights, biases = y.values["weights"].copy(), y.values["biases"].copy()
    assert ("affine" not in after(folding.fold, d, y)) == folds
    if folds:
        np.testing.assert_allclose(d.output.values["weights"], weights * factor)
        added = offset * weights.sum(axis=(0, 1, 2))
        np.testing.assert_allclose(d.output.values["biases"], biases + added)


@pytest.mark.parametrize("mode, folds", [("zero", False), ("reflect", True)])
def test_an_offset_passes_a_border_that_is_not_made_of_zeros(
    mode: str, folds: bool
) -> None:
    d = draft_of()
    x = d.affine(d.function(conv(d, d.input), "tanh"), 1, 3)
    shape = Shape(10, 8, 4)
    padded = d.add("pad", [x], shape, pads=(1,) * 4, mode=mode)
    y = conv(d, padded, pads=(0,) * 4)
    assert ("affine" not in after(folding.fold, d, y)) == folds


def test_an_affine_after_a_shuffle_goes_into_the_convolution_before() -> None:
    d = draft_of()
    x = conv(d, d.input, filters=8)
    weights = x.values["weights"].copy()
    shuffled = d.add("shuffle", [x], Shape(16, 12, 2), scale=2, order="crd")
    y = d.affine(shuffled, [2.0, 3.0], [0.5, -0.5])
    assert after(folding.fold, d, y) == ["conv", "shuffle"]
    made = d.steps[1].values["weights"]
    np.testing.assert_allclose(made, weights * np.repeat([2.0, 3.0], 4))


def test_an_affine_of_a_value_read_twice_stays() -> None:
    d = draft_of()
    x = d.affine(d.function(d.input, "tanh"), 2, 1)
    y = add(d, conv(d, x, pads=(0,) * 4), d.function(x, "relu"))
    assert "affine" in after(folding.fold, d, y)


# -- the other passes ----------------------------------------------------------------


def test_channels_go_into_the_convolution_before() -> None:
    d = draft_of()
    x = conv(d, d.input)
    weights = x.values["weights"].copy()
    y = d.add("channels", [x], SHAPE, indices=np.array([2, 0, 3, 1]))
    assert after(selections.fold, d, y) == ["conv"]
    np.testing.assert_array_equal(
        d.output.values["weights"], weights[..., [2, 0, 3, 1]]
    )


def test_channels_go_into_the_convolution_after() -> None:
    d = draft_of()
    picked = d.add("channels", [d.input], SHAPE, indices=np.array([1, 1, -1, 0]))
    y = conv(d, picked)
    weights = y.values["weights"].copy()
    assert after(selections.fold, d, y) == ["conv"]
    made = d.output.values["weights"]
    np.testing.assert_allclose(made[:, :, 1], weights[:, :, 0] + weights[:, :, 1])
    np.testing.assert_array_equal(made[:, :, 0], weights[:, :, 3])
    assert not made[:, :, 2:].any()


def test_repeated_channels_before_a_shuffle_are_an_enlargement() -> None:
    d = draft_of()
    indices = np.repeat(np.arange(4), 4)
    x = d.add("channels", [d.input], Shape(8, 6, 16), indices=indices)
    y = d.add("shuffle", [x], Shape(16, 12, 4), scale=2, order="crd")
    assert after(enlargements.recognize, d, y) == ["resize"]


def picked(rows: list[int], columns: list[int]) -> list[tuple[str, Any]]:
    d = draft_of()
    shape = Shape(len(rows), len(columns), 4)
    places = {"rows": np.array(rows), "columns": np.array(columns)}
    d.output = d.add("index", [d.input], shape, **places)
    borders.classify(d)
    d.sweep()
    names = {"trim": "pads", "pad": "pads", "conv": "strides", "resize": "scale"}
    return [(s.kind, s.values[names[s.kind]]) for s in d.steps[1:]]


ALL = list(range(6))


@pytest.mark.parametrize(
    "rows, columns, wanted",
    [
        ([2, 3, 4, 5], ALL, [("trim", (2, 2, 0, 0))]),
        ([-1, *range(8), -1, -1], ALL, [("pad", (1, 2, 0, 0))]),
        ([2, 1, *range(8)], [1, *ALL, 4], [("pad", (2, 0, 1, 1))]),
        ([1, 0, *range(8)], [0, *ALL], [("pad", (2, 0, 1, 0))]),
        ([0, 2, 4, 6], [1, 3, 5], [("trim", (0, 0, 1, 0)), ("conv", (2, 2))]),
        (
            [n // 2 for n in range(16)],
            [n // 2 for n in range(12)],
            [("resize", 2)],
        ),
        ([3, 2, 3, 4, 5, 4], ALL, [("trim", (2, 2, 0, 0)), ("pad", (1, 1, 0, 0))]),
    ],
)
def test_rows_and_columns_are_classified(
    rows: list[int], columns: list[int], wanted: list[tuple[str, Any]]
) -> None:
    assert picked(rows, columns) == wanted


@pytest.mark.parametrize("rows", [[7, 6, 5, 4, 3, 2, 1, 0], [0, 3, 1, 2]])
def test_other_orders_of_rows_are_refused(rows: list[int]) -> None:
    with pytest.raises(Untranslatable):
        picked(rows, ALL)


@pytest.mark.parametrize("mode", ["zero", "reflect"])
def test_a_border_goes_into_the_convolution(mode: str) -> None:
    d = draft_of()
    padded = d.add("pad", [d.input], Shape(10, 8, 4), pads=(1,) * 4, mode=mode)
    y = conv(d, padded, pads=(0,) * 4)
    assert after(padding.fold, d, y) == ["conv"]
    assert (d.output.values["pads"], d.output.values["mode"]) == ((1,) * 4, mode)


def test_rounding_is_dropped_at_the_output_only() -> None:
    d = draft_of()
    x = conv(d, unary(d, d.input, "round"))
    y = unary(d, unary(d, x, "round"), "to uint8")
    assert after(drop.drop, d, y) == ["unary", "conv"]


def test_ends_become_keys_of_net() -> None:
    d = draft_of()
    mean, std = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.25, 2.0, 4.0])
    x = conv(d, d.affine(d.input, 1 / std, -mean / std))
    y = d.affine(x, std, mean)
    assert after(ends.ends, d, y) == ["conv"]
    wanted = {"mean": tuple(mean), "std": tuple(std), "denormalize": True}
    assert d.net == wanted


def test_an_input_that_others_read_keeps_its_ends() -> None:
    d = draft_of()
    y = add(d, conv(d, d.affine(d.input, 2, 1)), d.input)
    assert "affine" in after(ends.ends, d, y)
    assert not d.net
