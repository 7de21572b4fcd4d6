"""What white is at both ends, as far as a smooth picture tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import zoo
from tests.graphs.comparing import runtime
from tests.graphs.hand import Writer
from zoo.checkpoints.convert import convert
from zoo.onnx.check import export_onnx

Case = Callable[[Writer], str]
CASES: dict[str, tuple[Case, float, float, dict[str, Any]]] = {}
"""Of each: what it computes, white in its input and result, what is assumed."""


def case(taken: float, given: float, **assumed: Any) -> Callable[[Case], Case]:
    def note(function: Case) -> Case:
        CASES[function.__name__] = function, taken, given, assumed
        return function

    return note


def learned(w: Writer, x: str) -> str:
    """Nearly the picture, as what a trained network makes is."""
    return str(w("Add", w("Mul", w.conv(x, 3, 3), w.const(0.01)), x))


def clipped(w: Writer, x: str, high: float) -> str:
    return str(w("Clip", x, w.const(0), w.const(high)))


@case(1, 255, range=1, result=255)
def to_bytes(w: Writer) -> str:
    return str(w("Mul", learned(w, "x"), w.const(255)))


@case(1, 255, range=1, result=255)
def clipped_to_bytes(w: Writer) -> str:
    return clipped(w, w("Mul", learned(w, "x"), w.const(255)), 255)


@case(255, 255, range=255)
def bytes_clipped(w: Writer) -> str:
    return clipped(w, learned(w, "x"), 255)


@case(255, 1, range=255, result=1)
def from_bytes(w: Writer) -> str:
    return learned(w, w("Div", "x", w.const(255)))


@case(255, 255, range=255)
def there_and_back(w: Writer) -> str:
    return str(w("Mul", learned(w, w("Div", "x", w.const(255))), w.const(255)))


@case(1, 255, range=1, result=255)
def from_minus_one_to_bytes(w: Writer) -> str:
    x = w("Sub", w("Mul", "x", w.const(2)), w.const(1))
    return str(w("Mul", w("Add", learned(w, x), w.const(1)), w.const(127.5)))


@pytest.mark.parametrize("name", CASES)
def test_white(name: str, tmp_path: Path) -> None:
    function, white, result, assumed = CASES[name]
    w = Writer()
    path = w.save(tmp_path / "net.onnx", function(w))
    made = convert(path, tmp_path / "net", family="graph", check=True)
    said = {item.option: item.value for item in made.assumptions}
    assert said == {"color": "rgb", **assumed}
    picture = np.random.default_rng(0).random((24, 32, 3)).astype(np.float32)
    (theirs,) = runtime(path).run(None, {"x": white * picture.transpose(2, 0, 1)[None]})
    ours = zoo.load(tmp_path / "net.cfg")(picture)
    wanted = theirs[0].transpose(1, 2, 0) / result
    np.testing.assert_allclose(np.clip(ours, 0, 1), np.clip(wanted, 0, 1), atol=1e-5)


def test_a_result_without_its_mean_gets_it_back(tmp_path: Path) -> None:
    w = Writer()
    x = w("Div", w("Sub", "x", w.const(0.5)), w.const(0.5))
    path = w.save(tmp_path / "net.onnx", learned(w, x))
    made = convert(path, tmp_path / "net", family="graph", check=True)
    assert ("result", "normalized") in [(a.option, a.value) for a in made.assumptions]
    picture = np.linspace(0.1, 0.9, 24 * 32 * 3, dtype=np.float32).reshape(24, 32, 3)
    assert np.abs(zoo.load(tmp_path / "net.cfg")(picture) - picture).mean() < 0.02


def test_the_caller_says_what_white_is(tmp_path: Path) -> None:
    w = Writer()
    path = w.save(tmp_path / "net.onnx", w.conv("x", 3, 3))
    plain = convert(path, tmp_path / "a", family="graph")
    assert "result" not in {item.option for item in plain.assumptions}
    convert(path, tmp_path / "b", family="graph", options={"result": 255})
    picture = np.full((8, 8, 3), 0.4, np.float32)
    a, b = (zoo.load(tmp_path / f"{name}.cfg")(picture) for name in "ab")
    np.testing.assert_allclose(b, a / 255, atol=1e-7)


@pytest.mark.parametrize("is_trained", [True, False])
def test_a_drawn_picture_tells_that_a_bare_network_takes_bytes(
    is_trained: bool, tmp_path: Path
) -> None:
    """Nothing in the file says so; without training nothing can be told."""
    network = zoo.load("edsr_r8f32_x2").network
    assert network.pixels.range == 255
    if not is_trained:
        network.initialize(1)
    export_onnx(network, tmp_path / "net.onnx", white=None)
    made = convert(tmp_path / "net.onnx", tmp_path / "net", family="graph")
    said = {item.option: item.value for item in made.assumptions}
    assert said["range"] == (255 if is_trained else 1)
