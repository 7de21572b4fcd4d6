"""zoo bench layers and kernels: results agree, whoever computes them."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.bench import layers
from zoo.bench.cases import CASES, OPERATIONS, THESIS, data, sampled
from zoo.bench.kernels import choices
from zoo.bench.kernels import measure as measure_kernels
from zoo.bench.layer_peers import VARIANTS, load
from zoo.bench.report import kernels_panels, kernels_text, layers_panels, layers_text
from zoo.bench.results import Entrant


def test_cases_are_those_of_the_thesis() -> None:
    conv, shuffle = THESIS["conv3"], THESIS["shuffle6"]
    assert conv.input == (16, 512, 512, 3) and conv.output == (16, 512, 512, 100)
    assert conv.work == 2 * 16 * 512 * 512 * 100 * 27
    assert THESIS["conv3s2"].output == (16, 256, 256, 100)
    assert THESIS["maxpool30"].output == (16, 512, 512, 3)
    assert shuffle.input == (16, 512, 512, 108)
    assert shuffle.output == (16, 3072, 3072, 3)
    # 1.81 GB in and 1.81 GB out, at least.
    assert shuffle.memory("forward") > 3.6e9
    assert shuffle.work == 2 * 16 * 512 * 512 * 108 * 4


def test_work_of_operations() -> None:
    cases = {name: case.sized(2, 5, 7) for name, case in OPERATIONS.items()}
    assert cases["depthwise3x3_64"].work == 2 * 2 * 35 * 9 * 64
    assert cases["conv3x3s2_64to64"].work == 2 * 2 * 12 * 9 * 64 * 64
    assert cases["tanh_64"].work == 2 * 4 * 2 * 35 * 64
    assert cases["add_64"].work == 3 * 4 * 2 * 35 * 64


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_ours(name: str) -> None:
    case = OPERATIONS[name].sized(2, 12, 6)
    arrays = data(case, "forward")
    built = load("zoo").build(case, "forward", arrays, 1, "numpy")
    (result,) = built.fetch(built.run())
    assert result.shape == case.output
    if case.kind == "add":
        np.testing.assert_array_equal(result, arrays.x + arrays.other)
    elif case.kind == "tanh":
        np.testing.assert_allclose(result, np.tanh(arrays.x), rtol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("name", CASES)
def test_torch_computes_what_zoo_computes(name: str, direction: str) -> None:
    pytest.importorskip("torch")
    _compare("torch", name, direction)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("name", CASES)
def test_tensorflow_computes_what_zoo_computes(name: str, direction: str) -> None:
    pytest.importorskip("tensorflow")
    _compare("tensorflow", name, direction)


def _compare(peer: str, name: str, direction: str) -> None:
    case = CASES[name].sized(2, 33, 36)
    arrays = data(case, direction)
    built = load("zoo").build(case, direction, arrays, 1, "numpy")
    truth = built.fetch(built.run())
    if direction == "forward":
        assert truth[0].shape == case.output
    elif case.kind != "shuffle":
        assert truth[0].shape == case.input
    for variant in VARIANTS[peer]:
        other = load(peer).build(case, direction, arrays, 1, variant)
        results = other.fetch(other.run())
        assert len(results) == len(truth) == (3 if len(truth) > 1 else 1)
        for result, true in zip(results, truth, strict=True):
            assert result.shape == true.shape
            span = float(np.ptp(true))
            np.testing.assert_allclose(result, true, rtol=0, atol=1e-5 * span)


def test_samples_are_the_same_in_every_order() -> None:
    rng = np.random.default_rng(0)
    array = rng.random((40, 50, 60), np.float32)
    view = np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0)
    assert not view.flags.c_contiguous
    np.testing.assert_array_equal(sampled(array), sampled(view))
    np.testing.assert_array_equal(sampled(array[:2, :3]), array[:2, :3].ravel())


def test_rows_in_processes() -> None:
    cases = [CASES[name].sized(1, 9, 8) for name in ("conv3s2", "maxpool3")]
    entrants = [Entrant("zoo", "numpy"), Entrant("nobody")]
    layers.HINTS["nobody"] = "ask nobody"
    try:
        rows = list(
            layers.measure(cases, ["forward", "backward"], [1], entrants, runs=2)
        )
    finally:
        del layers.HINTS["nobody"]
    assert [(row.case.name, row.direction) for row in rows] == [
        ("conv3s2", "forward"),
        ("conv3s2", "backward"),
        ("maxpool3", "forward"),
        ("maxpool3", "backward"),
    ]
    for row in rows:
        assert len(row.seconds["zoo numpy"].samples) == 2
        assert row.errors == {"zoo numpy": 0.0} and row.agrees and row.in_turn
        assert row.problems == {"nobody": "not installed (ask nobody)"}
        assert row.ratio() is None
        assert row.as_dict()["case"]["batch"] == 1
    text = layers_text(rows)
    assert "1x9x8x3" in text and "nobody: not installed" in text
    assert len(layers_panels(rows)) == 4


def test_what_does_not_fit_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "available_memory", lambda: 2**30)
    entrants = [Entrant("zoo", "numpy")]
    (row,) = layers.measure([CASES["shuffle6"]], ["forward"], [1], entrants, 1)
    assert not row.seconds
    assert "GiB are free" in row.problems["zoo numpy"]
    assert "GiB are free" in layers_text([row])


def test_kernels_agree_with_numpy() -> None:
    isas, algorithms = choices()
    rows = list(
        measure_kernels(
            [
                OPERATIONS[name].sized(1, 7, 9)
                for name in ("conv3x3_64to3", "shuffle2_256", "add_64")
            ],
            isas=isas,
            algorithms=algorithms,
            threads=[1, 2],
            runs=1,
        )
    )
    assert {row.case.name for row in rows} == {
        "conv3x3_64to3",
        "shuffle2_256",
        "add_64",
    }
    for row in rows:
        # amx1 multiplies in bfloat16, whatever precision was asked for.
        assert row.error < (1e-2 if row.algorithm == "amx1" else 1e-4)
        assert row.rate > 0
        assert row.threads in (1, 2)
    assert rows[0].case.work == 2 * 7 * 9 * 3 * 9 * 64
    assert {row.back_end for row in rows} == ({"native"} if isas else set()) | {"numpy"}
    assert "GB/s" in kernels_text(rows) and "GFLOP/s" in kernels_text(rows)
    assert len(kernels_panels(rows)) == 3
