"""The test that an instruction set must pass before it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from zoo.errors import PluginError

try:
    from zoo.plugins.native import _native, codes, isa, selftest
    from zoo.plugins.native.codes import CODE_NAMES
except PluginError as error:
    pytest.skip(str(error), allow_module_level=True)

# What has no function in the table of an instruction set, or cannot be called alone:
# sizes and choices, copies, and plans, which call the same functions.
UNTESTED = {
    "algorithm_tiles",
    "code_names",
    "conv_algorithm",
    "conv_pack",
    "conv_packed",
    "copy_channels",
    "cpu_level",
    "describe",
    "shuffle",
}
WRITTEN = {"conv2d_gradient": 2, "channel_sums": 2, "max_pool_places": 2}
"""Arrays at the end of the arguments."""
LEVEL = 1
NAME = codes.LEVELS[LEVEL]  # avx2, neon
needs_level = pytest.mark.skipif(_native.cpu_level() < LEVEL, reason=f"needs {NAME}")


class Spoiled:
    """The binding, with a fault in one of the arrays that one function writes."""

    def __init__(self, name: str = "", position: int = 1) -> None:
        self.called: set[str] = set()
        self._name, self._position = name, position

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(_native, name)

        def call(*arguments: Any) -> Any:
            self.called.add(name)
            result = function(*arguments)
            if name == self._name and arguments[0] == LEVEL:
                place = -4 if name == "adam" else -self._position  # p, m, v, gradients
                array = arguments[place]
                off = 1 if array.dtype.kind == "i" else 0.01 * np.abs(array).max()
                array.flat[-1] += off
            return result

        return call


def functions() -> set[str]:
    """Names of the functions of the binding."""
    kind = type(_native.conv2d)
    return {
        name
        for name, value in vars(_native).items()
        if isinstance(value, kind) and not name.startswith("_")
    }


TESTED = sorted(functions() - UNTESTED)
FAULTS = [
    (name, position)
    for name in TESTED
    for position in range(1, 1 + WRITTEN.get(name, 1))
]


@pytest.fixture
def fresh() -> Iterator[None]:
    isa.available.cache_clear()
    yield
    isa.available.cache_clear()


def test_every_function_of_the_binding_is_tested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoiled = Spoiled()
    monkeypatch.setattr(selftest, "_native", spoiled)
    assert selftest.agrees(0)
    assert spoiled.called == functions() - UNTESTED
    assert {"conv2d_gradient", "adam", "max_pool_gradient"} <= set(TESTED)


@needs_level
@pytest.mark.parametrize(("name", "position"), FAULTS)
def test_a_fault_anywhere_is_noticed(
    name: str, position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert selftest.agrees(LEVEL)
    monkeypatch.setattr(selftest, "_native", Spoiled(name, position))
    with pytest.warns(
        RuntimeWarning, match=f"{NAME} fail their test .* differ by \\d.\\de-02"
    ):
        assert not selftest.agrees(LEVEL)


@needs_level
def test_a_result_that_is_not_written_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Idle(Spoiled):
        def resample(self, level: int, *arguments: Any) -> None:
            if level != LEVEL:
                _native.resample(level, *arguments)

    monkeypatch.setattr(selftest, "_native", Idle())
    with pytest.warns(RuntimeWarning, match="differ by nan"):
        assert not selftest.agrees(LEVEL)


def test_the_cases_take_the_ways_that_they_are_for() -> None:
    """Few filters, one channel per group, few channels; see _Cases.convolve."""
    found = [
        _native.conv_algorithm(
            *(level, (1, 9, 11, c), (3, 3, c // groups, k)),
            *((2, 2), (1, 1), (0, 0, 0, 0), 0, groups, selftest._DIRECT),
        )
        for level in range(_native.cpu_level() + 1)
        for c, k, groups in ((19, 3, 1), (19, 19, 19), (3, 35, 1))
    ]
    assert [CODE_NAMES[code] for code in found[:3]] == ["dot", "depthwise", "direct"]
    assert found == found[:3] * (_native.cpu_level() + 1)


@pytest.mark.parametrize("tiles", [False, True])
def test_the_cases_are_fit_to_be_compared(tiles: bool) -> None:
    results = selftest._sample(0, tiles=tiles)
    assert len(results) > 60
    for result in results:
        assert np.isfinite(result).all()
        assert np.abs(result).max() > 0.05
    for result, again in zip(results, selftest._sample(0, tiles=tiles), strict=True):
        np.testing.assert_array_equal(result, again)


@needs_level
def test_levels_that_compute_wrongly_are_left_out(
    monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    monkeypatch.setattr(selftest, "_native", Spoiled("conv2d_gradient"))
    monkeypatch.setattr(_native, "cpu_level", lambda: LEVEL)
    with pytest.warns(RuntimeWarning, match=NAME):
        assert isa.available() == ("portable",)
    assert isa.why_not(0)[NAME] == "it fails its self-test"
    with pytest.raises(PluginError, match="fails its self-test"):
        isa.choose(NAME)


def test_names_have_the_numbers_of_c() -> None:
    assert set(codes.ALGORITHMS) <= set(codes.CODE_NAMES)
    assert codes.CODE_NAMES[codes.AUTO_CODES["bf16"]] == "auto_bf16"
    assert codes.LEVELS in (("portable", "avx2", "avx512", "amx"), ("portable", "neon"))
    assert set(codes.PIXEL_CODES) == {"uint8", "uint16", "float32"}
    assert set(codes.PAD_CODES) == {"zero", "symmetric", "edge", "reflect"}
    x = np.array([[-2.0, 0.5]], np.float32)
    for name, expected in (("relu", [0, 0.5]), ("leaky", [-0.2, 0.5])):
        code = codes.activation_code(name)
        assert code is not None
        out = np.empty_like(x)
        _native.activate(0, 1, *code, None, x, out)
        np.testing.assert_allclose(out, [expected], rtol=1e-6)
