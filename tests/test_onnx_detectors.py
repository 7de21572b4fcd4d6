"""Detectors as ONNX: raw heads, and their boxes and scores, as ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.detect.decoding import decode, heads_of
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from zoo.onnx.check import export_onnx
from zoo.onnx.graph import to_onnx

HEAD = "[net]\nheight=16\nwidth=24\n"
TWO = (
    HEAD
    + "[convolutional]\nfilters={0}\nsize=4\nstride=4\nactivation={2}\n"
    + "[{1}]\nclasses=3\nnum=4\nmask=2,3\nanchors=4,4, 5,6, 8,9, 12,10\n{3}\n"
    + "[route]\nlayers=-2\n"
    + "[convolutional]\nfilters={0}\nsize=2\nstride=2\nactivation={2}\n"
    + "[{1}]\nclasses=3\nnum=4\nmask=0,1\nanchors=4,4, 5,6, 8,9, 12,10\n{3}\n"
)
ONE = (
    HEAD
    + "[convolutional]\nfilters={0}\nsize=4\nstride=4\nactivation=linear\n[{1}]\n{2}\n"
)
CFGS = {
    "yolo": TWO.format(16, "yolo", "linear", "scale_x_y=1.1"),
    "new_coords": TWO.format(16, "yolo", "logistic", "new_coords=1\nscale_x_y=2"),
    "gaussian": TWO.format(24, "Gaussian_yolo", "linear", "yolo_point=left_top"),
    "region": ONE.format(16, "region", "classes=3\nnum=2\nsoftmax=1\nanchors=1,2,3,4"),
    "background": ONE.format(
        16, "region", "classes=3\nnum=2\nsoftmax=1\nbackground=1\nanchors=1,2,3,4"
    ),
    "logistic": ONE.format(16, "region", "classes=3\nnum=2\nanchors=1,2,3,4"),
    "detection": HEAD
    + "[connected]\noutput=52\nactivation=linear\n"
    + "[detection]\nclasses=3\nnum=2\nside=2\ncoords=4\nsqrt=1\nsoftmax=1\n",
}


@pytest.mark.parametrize("name", CFGS)
def test_boxes_and_scores(name: str, tmp_path: Path) -> None:
    network = Network.parse(CFGS[name]).initialize(1)
    session = runtime.InferenceSession(
        to_onnx(network, batch=None).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    outputs = [output.name for output in session.get_outputs()]
    assert outputs[-2:] == ["boxes", "scores"]
    x = np.random.default_rng(0).random((2, 16, 24, 3), np.float32)
    *raw, boxes, scores = session.run(None, {"input": x.transpose(0, 3, 1, 2).copy()})
    made = network.forward(x, kernels=NumpyKernels())
    ours = [made] if len(network.outputs) == 1 else made
    for their, our in zip(raw, ours, strict=True):
        np.testing.assert_allclose(
            their.transpose(0, 2, 3, 1), our, rtol=1e-4, atol=1e-5
        )
    for number in range(2):
        rows = [
            decode(network[index], ours[network.outputs.index(index)][number], (16, 24))
            for index in heads_of(network)
        ]
        want = np.concatenate([part.boxes for part in rows])
        np.testing.assert_allclose(boxes[number], want, rtol=1e-4, atol=1e-5)
        want = np.concatenate([part.scores for part in rows])
        np.testing.assert_allclose(scores[number], want, rtol=1e-4, atol=1e-5)
    done = export_onnx(network, tmp_path / "a.onnx")
    assert done.error is not None and done.error < 1e-4
