"""zoo detect and zoo classify."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import zoo
from zoo.checkpoints.files import save_weights
from zoo.cli import main
from zoo.detect import Classifier, Detector
from zoo.detect.decoding import decode
from zoo.detect.nms import keep, overlaps
from zoo.detect.resizing import fitted, stretched
from zoo.errors import PluginError
from zoo.images import read
from zoo.images.image import Image
from zoo.layers.detection import Detection
from zoo.layers.gaussian_yolo import GaussianYolo
from zoo.layers.region import Region
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels

SHARED = Path(__file__).parents[3] / "shared" / "data" / "darknet"
FASTEST = SHARED / "yolo-fastest-1.1.cfg"

needs_oracle = pytest.mark.skipif(
    not FASTEST.exists(), reason="yolo-fastest is not beside this checkout"
)


# -- against OpenCV 4.12 ---------------------------------------------------


def oracle() -> dict:
    models = json.loads((SHARED / "oracle.json").read_text())["models"]
    return models["yolo-fastest-1.1"]


@needs_oracle
@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_raw_rows_of_opencv(backend: str, tmp_path: Path) -> None:
    """The same blob, OpenCV's epsilon: head rows within 1e-5."""
    cfg = tmp_path / "fastest.cfg"
    cfg.write_text(FASTEST.read_text().replace("[net]", "[net]\nbn_eps=1e-6", 1))
    try:
        model = zoo.load(cfg, FASTEST.with_suffix(".weights"), backend=backend)
    except PluginError as error:
        pytest.skip(str(error))
    known = np.load(SHARED / "oracle_raw.npz")
    blob = np.ascontiguousarray(known["blob"].transpose(0, 2, 3, 1))
    for name, rows in zip(
        ("yolo_121", "yolo_130"), Detector(model).rows(blob), strict=True
    ):
        scores = np.where(rows.scores > 0.2, rows.scores, 0)
        found = np.concatenate([rows.boxes, rows.objectness[:, None], scores], axis=1)
        want = known[name]
        # A score at the threshold may be zero on either side.
        near = np.abs(rows.scores - 0.2) < 1e-5
        found[:, 5:][near] = want[:, 5:][near]
        assert np.abs(found - want).max() < 1e-5, name


@needs_oracle
@pytest.mark.parametrize(
    ("nms", "key"),
    [("class", "detections_nms_per_class"), ("agnostic", "detections_nms_all_classes")],
)
def test_the_objects_of_opencv(
    nms: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """End to end with the default epsilon: scores within 3e-3, boxes within a pixel."""
    call = ["detect", str(FASTEST), str(SHARED / "dog.jpg"), "--json", "--nms", nms]
    call += ["--weights", str(FASTEST.with_suffix(".weights"))]
    assert main(call) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["resize"] == "opencv" and record["error"] is None
    want = oracle()[key]
    found = record["objects"]
    assert [one["class"] for one in found] == [one["cls"] for one in want]
    for ours, theirs in zip(found, want, strict=True):
        assert abs(ours["score"] - theirs["score"]) < 3e-3
        np.testing.assert_allclose(ours["box"], theirs["box_xywh_px"], atol=1)


# -- resizing --------------------------------------------------------------


def darknets_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """resize_image of both Darknets, loop by loop, in float32; H x W x C."""
    rows, columns, _ = image.shape
    part = np.zeros((rows, width, image.shape[2]), np.float32)
    for c in range(width):
        if c == width - 1 or columns == 1:
            part[:, c] = image[:, columns - 1]
        else:
            x = np.float32(c) * (np.float32(columns - 1) / np.float32(width - 1))
            first = int(x)
            part[:, c] = (1 - (x - first)) * image[:, first]
            part[:, c] += (x - first) * image[:, first + 1]
    out = np.zeros((height, width, image.shape[2]), np.float32)
    for r in range(height):
        y = np.float32(r) * (np.float32(rows - 1) / np.float32(max(height - 1, 1)))
        first = int(y)
        out[r] = (1 - (y - first)) * part[first]
        if r != height - 1 and rows != 1:
            out[r] += (y - first) * part[first + 1]
    return out


@pytest.mark.parametrize("size", [(5, 9), (13, 4), (7, 7), (1, 3)])
def test_darknets_resize(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((6, 8, 3), np.float32)
    if size[0] == 1:
        image = image[:1]
    np.testing.assert_allclose(
        stretched(image, *size), darknets_resize(image, *size), atol=1e-6
    )


def test_letterbox_and_back() -> None:
    pixels = Network.parse("[net]\n[convolutional]\n").pixels
    image = Image(np.full((30, 60, 3), 255, np.uint8))
    x, fit = fitted(image, pixels, (40, 40), "letterbox")
    assert (x[0, :10] == 0.5).all() and (x[0, 10:30] == 1).all()
    assert (x[0, 30:] == 0.5).all()
    whole = np.array([[0.5, 0.5, 1.0, 0.5]], np.float32)  # the picture in the input
    np.testing.assert_allclose(fit.back(whole), [[0.5, 0.5, 1, 1]])


def test_colour_for_a_network_of_one_channel() -> None:
    pixels = Network.parse("[net]\nchannels=1\n[convolutional]\n").pixels
    image = Image(np.full((4, 4, 3), (255, 0, 0), np.uint8))
    x, _ = fitted(image, pixels, (2, 2), "opencv")
    np.testing.assert_allclose(x, 76 / 255)


# -- decoding --------------------------------------------------------------


def test_gaussian_boxes() -> None:
    layer = GaussianYolo(classes=1, num=1, anchors=(8.0, 4.0), yolo_point="left_top")
    output = np.zeros((2, 2, 10), np.float32)
    #                 x   -    y   -    w  -   h  -    object, class
    output[1, 0] = [0.5, 0.1, 0.25, 0.2, 0, 0.3, 0, 0.4, 0.8, 0.5]
    rows = decode(layer, output, (16, 16))
    w, h = 8 / 16, 4 / 16
    np.testing.assert_allclose(
        rows.boxes[2], [0.25 + w / 2, 0.625 + h / 2, w, h], rtol=1e-6
    )
    assert rows.scores[2, 0] == pytest.approx(0.8 * 0.5 * 0.75)


def test_region_boxes() -> None:
    layer = Region(classes=2, num=1, anchors=(1.0, 2.0), softmax=True)
    output = np.zeros((2, 4, 7), np.float32)
    output[1, 3] = [0.5, 0.5, np.log(2), 0, 0.9, 0.25, 0.75]
    rows = decode(layer, output, (64, 128))
    np.testing.assert_allclose(rows.boxes[7], [3.5 / 4, 1.5 / 2, 2 / 4, 1], rtol=1e-6)
    np.testing.assert_allclose(rows.scores[7], [0.225, 0.675], rtol=1e-6)


def test_the_top_of_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "a.tree"
    path.write_text("animal -1\nthing -1\ncat 0\ndog 0\n")
    layer = Region(classes=4, num=1, tree=str(path))
    output = np.zeros((1, 2, 9), np.float32)
    output[0, 0, 4:] = [0.9, 1.0, 0.0, 1.0, 0.0]  # surely an animal, surely a cat
    output[0, 1, 4:] = [0.8, 1.0, 0.0, 0.5, 0.5]  # an animal, but which
    rows = decode(layer, output, (8, 8))
    np.testing.assert_allclose(rows.scores, [[0, 0, 0.9, 0], [0.8, 0, 0, 0]])
    listed = tmp_path / "a.map"
    listed.write_text("3\n2\n")
    layer = Region(classes=4, num=1, tree=str(path), map=str(listed))
    rows = decode(layer, output, (8, 8))
    np.testing.assert_allclose(rows.scores, [[0, 0.9], [0.4, 0.4]])


def test_boxes_of_the_first_yolo() -> None:
    layer = Detection(classes=2, num=2, side=2, coords=4, sqrt=True)
    flat = np.zeros(4 * (2 + 2 * 5), np.float32)
    flat[2 * 3 : 2 * 3 + 2] = [0.2, 0.7]  # the classes of the last cell
    flat[8 + 2 * 3 + 1] = 0.5  # objectness of its second box
    flat[8 + 8 + 4 * 7 :] = [0.5, 0.25, 0.5, 1.0]
    rows = decode(layer, flat.reshape(1, 1, -1), (8, 8))
    np.testing.assert_allclose(rows.boxes[7], [0.75, 0.625, 0.25, 1])
    np.testing.assert_allclose(rows.scores[7], [0.1, 0.35], rtol=1e-6)


# -- suppression -----------------------------------------------------------


def test_suppression() -> None:
    boxes = np.array(
        [[0.5, 0.5, 0.4, 0.4], [0.52, 0.5, 0.4, 0.4], [0.9, 0.9, 0.1, 0.1]]
    )
    scores = np.array([0.6, 0.9, 0.3])
    assert keep(boxes, scores, 0.45) == [1, 2]
    assert keep(boxes, scores, 0.95) == [1, 0, 2]
    iou = 0.38 * 0.4 / (2 * 0.16 - 0.38 * 0.4)
    assert overlaps(boxes[1], boxes[:1])[0] == pytest.approx(iou)
    diagonal = 0.42**2 + 0.4**2
    less = iou - (0.02**2 / diagonal) ** 0.6
    assert overlaps(boxes[1], boxes[:1], 0.6)[0] == pytest.approx(less)


# -- commands --------------------------------------------------------------

CFG = """
[net]
height=32
width=32
channels=1
letter_box=1

[convolutional]
filters=14
size=8
stride=8
activation=linear

[yolo]
classes=2
num=2
anchors=8,8, 16,16
nms_kind=diounms
"""


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    cfg = tmp_path / "tiny.cfg"
    cfg.write_text(CFG)
    network = Network.read(cfg).initialize(0)
    network[0].parameters["biases"][4::7] = 2
    network[0].parameters["biases"][5::7] = 3
    save_weights(network, tmp_path / "tiny.safetensors")
    return cfg


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("a", (40, 60, 3)), ("b", (33, 21))):
        cv2.imwrite(str(made / f"{name}.png"), rng.integers(0, 256, shape, np.uint8))
    return made


def test_folders_drawings_and_bad_files(
    detector: Path, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = tmp_path / "two.names"
    names.write_text("left shoe\nright shoe\n")
    (folder / "c.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    call = ["detect", str(detector), str(folder), "--names", str(names), "-o", str(out)]
    assert main(call) == 1
    printed = capsys.readouterr()
    assert "letterbox resizing, nms diou" in printed.err
    assert "c.png" in printed.err and "1 of 3 pictures failed" in printed.err
    assert "left shoe" in printed.out
    drawn = read(out / "a.png")
    assert drawn.pixels.shape == (40, 60, 3)
    assert not np.array_equal(drawn.pixels, read(folder / "a.png").pixels)
    assert read(out / "b.png").pixels.shape == (33, 21, 3)
    (folder / "c.png").unlink()
    assert main([*call, "--json"]) == 1  # the drawings exist
    assert main([*call, "--json", "--force", "--threshold", "0.99999"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["objects"] for record in records[-2:]] == [[], []]


def test_what_is_no_detector(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "edsr_x2", str(folder / "a.png")]) == 2
    assert "is no detector" in capsys.readouterr().err
    assert main(["classify", "edsr_x2", str(folder / "a.png")]) == 2
    assert "does not say its size" in capsys.readouterr().err


def test_a_result_that_is_not_finite_is_said(
    detector: Path, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    network = Network.read(detector).initialize(0)
    network[0].weights[...] = 3e38
    save_weights(network, tmp_path / "huge.safetensors")
    call = ["detect", str(detector), str(folder / "a.png")]
    assert main([*call, "--weights", str(tmp_path / "huge.safetensors")]) == 1
    assert "gives NaN or infinity" in capsys.readouterr().err


CLASSES = """
[net]
height=8
width=8
[convolutional]
filters=4
size=3
activation=leaky
[avgpool]
[connected]
output=3
activation=linear
[softmax]
"""


def test_classify(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cfg = tmp_path / "three.cfg"
    cfg.write_text(CLASSES)
    network = Network.read(cfg).initialize(4)
    save_weights(network, tmp_path / "three.safetensors")
    names = tmp_path / "three.names"
    names.write_text("ant\nbee\ncow\n")
    call = ["classify", str(cfg), str(folder), "--names", str(names), "--json"]
    assert main([*call, "--top", "2"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(record["input"]).name for record in records] == ["a.png", "b.png"]
    resized = cv2.resize(read(folder / "a.png").pixels, (8, 8))
    x = resized[None].astype(np.float32) / 255
    want = network.forward(x, kernels=NumpyKernels()).reshape(-1)
    best = records[0]["classes"]
    assert [one["class"] for one in best] == np.argsort(-want)[:2].tolist()
    assert best[0]["score"] == pytest.approx(want.max(), abs=1e-5)
    assert best[0]["name"] in ("ant", "bee", "cow")
    assert main([*call[:-1]]) == 0
    assert "%" in capsys.readouterr().out


def test_the_middle_of_a_picture(tmp_path: Path) -> None:
    cfg = tmp_path / "three.cfg"
    cfg.write_text(CLASSES)
    save_weights(Network.read(cfg).initialize(4), tmp_path / "three.safetensors")
    model = zoo.load(cfg, tmp_path / "three.safetensors")
    pixels = np.zeros((20, 50, 3), np.uint8)
    pixels[:, 15:35] = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    whole = Image(pixels)
    part = Image(np.ascontiguousarray(pixels[:, 15:35]))
    middle = Classifier(model, middle=True)
    assert middle(whole) == Classifier(model)(part)
    assert middle(whole) != Classifier(model)(whole)


def test_without_weights(
    detector: Path, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    alone = tmp_path / "alone.cfg"
    shutil.copy(detector, alone)
    assert main(["detect", str(alone), str(folder / "a.png")]) == 1
    assert "has no weights yet" in capsys.readouterr().err
