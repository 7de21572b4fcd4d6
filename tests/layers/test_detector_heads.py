"""[yolo], [Gaussian_yolo], [region], [detection]: what their forward gives."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import CfgError, ShapeError
from zoo.layers.detection import Detection
from zoo.layers.gaussian_yolo import GaussianYolo
from zoo.layers.region import Region
from zoo.layers.yolo import Yolo
from zoo.network import Network
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x.astype(np.float64))
    return powers / powers.sum(axis=-1, keepdims=True)


def given(channels: int) -> tuple[Shape, np.ndarray]:
    shape = Shape(4, 3, channels)
    return shape, random_inputs([shape], seed=2)[0]


@pytest.mark.parametrize("new_coords", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_yolo(new_coords: bool, scale: float) -> None:
    shape, x = given(2 * 8)
    layer = Yolo(
        classes=3,
        num=3,
        mask=(1, 2),
        anchors=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
        scale_x_y=scale,
        new_coords=new_coords,
    )
    assert layer.boxes == [(3.0, 4.0), (5.0, 6.0)]
    got = check_layer(layer, [shape], inputs=[x], gradient=False)
    for anchor in range(2):
        part = slice(8 * anchor, 8 * anchor + 8)
        t, y = x[..., part], got[..., part]
        f = (lambda v: v) if new_coords else logistic
        xy = scale * f(t[..., :2]) - 0.5 * (scale - 1)
        np.testing.assert_allclose(y[..., :2], xy, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(y[..., 2:4], t[..., 2:4])
        np.testing.assert_allclose(y[..., 4:], f(t[..., 4:]), rtol=1e-5)


def test_gaussian_yolo() -> None:
    shape, x = given(12)
    layer = GaussianYolo(classes=3, num=1, anchors=(8.0, 9.0), scale_x_y=1.1)
    got = check_layer(layer, [shape], inputs=[x], gradient=False)
    want = logistic(x)
    want[..., [4, 6]] = x[..., [4, 6]]
    want[..., [0, 2]] = 1.1 * want[..., [0, 2]] - 0.05
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "pjreddie", "alexeyab", "background"])
def test_region(kind: str) -> None:
    shape, x = given(2 * 8)
    values = {
        "softmax": {"softmax": True},
        "pjreddie": {},
        "alexeyab": {"dialect": "alexeyab"},
        "background": {"softmax": True, "background": True},
    }[kind]
    layer = Region(classes=3, num=2, **values)  # type: ignore[arg-type]
    got = check_layer(layer, [shape], inputs=[x], gradient=False)
    for anchor in range(2):
        t = x[..., 8 * anchor : 8 * anchor + 8]
        want = t.astype(np.float64).copy()
        want[..., :2] = logistic(t[..., :2])
        want[..., 4] = logistic(t[..., 4])
        if kind == "softmax":
            want[..., 5:] = softmax(t[..., 5:])
        elif kind == "pjreddie":
            want[..., 5:] = logistic(t[..., 5:])
        elif kind == "background":
            want[..., 4:] = softmax(t[..., 4:])
        part = got[..., 8 * anchor : 8 * anchor + 8]
        np.testing.assert_allclose(part, want, rtol=1e-5, atol=1e-6)


def test_region_with_a_tree(tmp_path) -> None:
    path = tmp_path / "a.tree"
    path.write_text("a -1\nb -1\nc 0\n")
    shape, x = given(8)
    layer = Region(classes=3, num=1, softmax=True, tree=str(path))
    got = check_layer(layer, [shape], inputs=[x], gradient=False)
    np.testing.assert_allclose(got[..., 5:7], softmax(x[..., 5:7]), rtol=1e-5)
    assert (got[..., 7] == 1).all()  # alone in its group


def test_detection() -> None:
    layer = Detection(classes=2, num=1, side=2, coords=4, softmax=True)
    assert layer.channels() == 4 * (5 + 2)
    shape = Shape(1, 1, 28)
    (x,) = random_inputs([shape])
    got = check_layer(layer, [shape], inputs=[x], gradient=False)
    want = x.copy()
    want[..., :8] = softmax(x[..., :8].reshape(2, 4, 2)).reshape(2, 1, 1, 8)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    with pytest.raises(ShapeError, match="output=28"):
        layer.output_shape(Shape(1, 1, 27))


def test_the_filters_that_a_head_needs_are_named() -> None:
    head = "[net]\nheight=8\nwidth=8\n[convolutional]\nfilters=20\n[yolo]\n"
    with pytest.raises(
        CfgError,
        match=r"layer 1 \[yolo\]: 8x8x20 arrives, and classes=80 and a mask of 3 "
        r"anchors need 255 channels; give the layer before it filters=255",
    ):
        Network.parse(head + "classes=80\nnum=9\nmask=0,1,2\n")
    with pytest.raises(CfgError, match=r"has 4 numbers in anchors; num=3 needs 6"):
        Network.parse(head + "num=3\nanchors=1,2,3,4\n")
    with pytest.raises(CfgError, match=r"has 3 in mask, and 3 anchors count from 0"):
        Network.parse(head + "num=3\nmask=3\n")


def test_a_head_is_an_output_though_it_is_read() -> None:
    network = Network.parse(
        "[net]\nheight=8\nwidth=8\n[convolutional]\nfilters=6\n"
        "[yolo]\nclasses=1\n[convolutional]\nfilters=2\n"
    ).initialize()
    assert network.outputs == (1, 2)
    first, second = network.forward(np.zeros((1, 8, 8, 3), np.float32))
    assert first.shape[3] == 6 and second.shape[3] == 2
