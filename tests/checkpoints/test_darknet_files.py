"""Darknet's own cfg files: built, written back, and their weights read and written."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from zoo.checkpoints.darknet import read_darknet, write_darknet
from zoo.checkpoints.darknet_order import float_counts, slots
from zoo.checkpoints.files import load_weights
from zoo.cli import main
from zoo.errors import WeightsError
from zoo.network import Network
from zoo.parsers.cfg import parse_cfg, write_cfg

SHARED = Path(__file__).parents[3] / "shared" / "data"
CFG = SHARED / "darknet" / "cfg"
EXPECTED = SHARED / "darknet" / "expected.json"
NAMES = sorted(json.loads(EXPECTED.read_text())) if EXPECTED.exists() else []
needs_files = pytest.mark.skipif(
    not NAMES, reason="the Darknet cfg files are not beside this checkout"
)


def built(name: str, lenient: bool = True) -> Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Network.read(CFG / name, lenient=lenient)


@needs_files
@pytest.mark.parametrize("name", NAMES)
def test_layers_and_floats(name: str) -> None:
    known = json.loads(EXPECTED.read_text())[name]
    network = built(name)
    assert len(network) == known["layers"]
    assert sum(float_counts(network)) == known["floats"]
    again = Network(parse_cfg(write_cfg(network.sections)))
    assert again.fingerprint == network.fingerprint
    assert float_counts(again) == float_counts(network)


# Of every kind of layer one; all the others are 13 GB of weights.
QUICK = {
    "cifar.cfg",
    "efficientnet_b0.cfg",
    "enet-coco.cfg",
    "go.test.cfg",
    "gru.cfg",
    "rnn.cfg",
    "crnn.train.cfg",
    "writing.cfg",
    "yolov4-tiny.cfg",
    "yolov7-tiny.cfg",
}


@needs_files
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in NAMES
    ],
)
def test_random_weights_survive(name: str, tmp_path: Path) -> None:
    """Byte for byte; those of each layer where they belong."""
    network = built(name)
    total = sum(float_counts(network))
    head = np.array([0, 2, 5, 0, 0], "<i4").tobytes()
    values = np.random.default_rng(0).random(total, np.float32)
    first = tmp_path / "a.weights"
    first.write_bytes(head + values.tobytes())
    report = load_weights(network, first)
    assert len(report) == len(network.tensors)
    write_darknet(network, tmp_path / "b.weights")
    assert (tmp_path / "b.weights").read_bytes() == first.read_bytes()
    for file in tmp_path.iterdir():  # up to a gigabyte, which pytest would keep
        file.unlink()


def test_show_gives_the_number_of_floats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.cfg"
    path.write_text(N_CFG)
    assert main(["show", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["darknet_floats"] == (8 * 4 + 8 * 27) + (8 * 4 + 8 * 72) + (6 + 48)
    assert [layer["darknet_floats"] for layer in shown["layers"]] == [248, 608, 54]
    assert shown["outputs"] == [2]


# -- headers and unsound values --------------------------------------------

N_CFG = """
[net]
channels=3
[convolutional]
filters=8
size=3
batch_normalize=1
activation=leaky
[convolutional]
filters=8
size=3
batch_normalize=1
activation=leaky
[convolutional]
filters=6
activation=linear
"""


def stored(values: np.ndarray, version: tuple[int, int], width: int) -> bytes:
    """A file whose header has so many bytes, whatever its version says."""
    head = np.array([*version, 5], "<i4").tobytes()
    return head + bytes(width - 12) + values.astype("<f4").tobytes()


def sound(network: Network) -> np.ndarray:
    """Numbers with variances above 0 and weights on both sides of it."""
    rng = np.random.default_rng(1)
    for layer in network:
        for name, tensor in layer.tensors.items():
            tensor[...] = rng.standard_normal(tensor.shape)
            if name == "rolling_variance":
                tensor[...] = np.abs(tensor) + 0.1
    network.trained = True
    return np.concatenate(
        [
            np.zeros(s.size, np.float32)
            if s.tensor is None
            else s.write(s.tensor).ravel()
            for s in slots(network)
        ]
    )


@pytest.mark.parametrize(("version", "width"), [((0, 2), 16), ((0, 0), 20)])
def test_the_other_header_is_recognised_by_the_variances(
    version: tuple[int, int], width: int, tmp_path: Path
) -> None:
    network = Network.parse(N_CFG)
    values = sound(network)
    wanted = {name: tensor.copy() for name, tensor in network.tensors.items()}
    path = tmp_path / "a.weights"
    path.write_bytes(stored(values, version, width))
    with pytest.warns(UserWarning, match=f"a header of {width} bytes, though"):
        load_weights(network, path)
    for name, tensor in wanted.items():
        np.testing.assert_array_equal(network.tensors[name], tensor)


@pytest.mark.parametrize(("version", "width"), [((0, 2), 16), ((0, 0), 20)])
def test_where_variances_do_not_tell_the_caller_must(
    version: tuple[int, int], width: int, tmp_path: Path
) -> None:
    network = Network.parse(N_CFG.replace("batch_normalize=1\n", ""))
    values = sound(network)
    path = tmp_path / "a.weights"
    path.write_bytes(stored(values, version, width))
    with pytest.raises(WeightsError, match=f"one .* --header {width} reads it so"):
        load_weights(network, path)
    load_weights(network, path, header=width)
    again = np.concatenate(
        [t.ravel() for t in read_darknet(network, path, header=width)[0].values()]
    )
    np.testing.assert_array_equal(np.sort(again), np.sort(values))


def test_report_of_bytes(tmp_path: Path) -> None:
    network = Network.parse(N_CFG)
    path = tmp_path / "a.weights"
    path.write_bytes(stored(sound(network), (0, 2), 20))
    runs = [entry.origin for entry in load_weights(network, path)]
    assert "bytes 20..51" in runs  # the biases of layer 0
    assert f"bytes {20 + 4 * 32}..{20 + 4 * 248 - 1}" in runs  # and its weights


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            -0.25,
            r"rolling_variance is -0.25 in channel 5 of .*layer 1 \[convolutional\]",
        ),
        (np.nan, r"rolling_variance are NaN or infinite, the first in channel 5 of"),
        (np.inf, r"rolling_variance are NaN or infinite, the first in channel 5 of"),
    ],
)
def test_unsound_statistics_are_refused(
    value: float, words: str, tmp_path: Path
) -> None:
    network = Network.parse(N_CFG)
    sound(network)
    network[1].statistics["rolling_variance"][5] = value
    path = tmp_path / "a.weights"
    write_darknet(network, path)
    fresh = Network.parse(N_CFG)
    with pytest.raises(WeightsError, match=words):
        load_weights(fresh, path)
    assert not fresh.trained


@pytest.mark.skipif(not (SHARED / "cases").exists(), reason="the cases are not here")
def test_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = SHARED / "cases" / "weights"
    with pytest.raises(WeightsError, match="rolling_variance is -"):
        load_weights(Network.read(cases / "c.cfg", lenient=True), cases / "c.weights")
    truth = Network.read(cases / "n.cfg", lenient=True)
    load_weights(truth, cases / "n.weights")
    found = Network.read(cases / "n.cfg", lenient=True)
    # The weight that follows the variances is positive: both readings are possible.
    with pytest.raises(WeightsError, match="--header 16 reads it so"):
        load_weights(found, cases / "h_020_16.weights")
    for name, width in (("h_020_16", 16), ("h_000_20", None), ("h_000_20", 20)):
        found = Network.read(cases / "n.cfg", lenient=True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load_weights(found, cases / f"{name}.weights", header=width)
        assert bool(caught) == (width is None)
        for key, tensor in truth.tensors.items():
            np.testing.assert_array_equal(found.tensors[key], tensor)
    path = str(tmp_path / "out")
    call = ["convert", str(cases / "h_020_16.weights"), "--cfg", str(cases / "n.cfg")]
    call += ["--lenient", "--header", "16", "-o", path]
    assert main(call) == 0, capsys.readouterr().err
    assert "bytes 16.." in capsys.readouterr().out
