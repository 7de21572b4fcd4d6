"""zoo bench net: every engine that is installed computes what zoo computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zoo.agreement import relative_error
from zoo.bench.net import measure, sample_picture
from zoo.bench.peers import PEERS, installed, load
from zoo.bench.peers.base import NotPossibleError, Setup
from zoo.bench.report import duration, net_panels, net_text
from zoo.bench.results import Entrant, NetReport, Result
from zoo.bench.timing import Stats
from zoo.charts import draw
from zoo.cli import main
from zoo.errors import ZooError
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels

# All kinds of operations that the peers' files are written for.
CFG = """\
[net]
channels=3
range=255
mean=120
denormalize=1

[convolutional]
filters=8
size=3
pad=1
activation=relu

[convolutional]
filters=8
size=3
pad=1
groups=8
activation=leaky

[shortcut]
from=-2
alpha=0.5
beta=2
activation=linear

[maxpool]
size=3
stride=1

[local_avgpool]
size=3
stride=1
padding=0

[convolutional]
filters=6
size=3
padding=2
pad_mode=edge
activation=tanh

[route]
layers=-1,-3

[route]
layers=-1
groups=2
group_id=1

[convolutional]
filters=12
size=1
activation=linear

[activation]
activation=prelu

[shuffler]
scale=2
order=dcr

[upsample]
stride=2

[convolutional]
filters=12
size=5
stride=2
pad=1
activation=linear

[shuffler]
scale=2
order=crd
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    path = tmp_path_factory.mktemp("cfg") / "mixed.cfg"
    path.write_text(CFG)
    network = Network.read(path).initialize(3)
    for index, layer in enumerate(network.layers):
        for name, tensor in layer.parameters.items():
            if name != "weights":
                rng = np.random.default_rng(index)
                tensor[...] = rng.uniform(-0.5, 0.5, tensor.shape)
    return network


@pytest.mark.parametrize("name", PEERS)
def test_peer_computes_what_zoo_computes(
    name: str, network: Network, tmp_path: Path
) -> None:
    pytest.importorskip(PEERS[name], exc_type=ImportError)
    if name in ("onnxruntime", "openvino", "opencv"):
        pytest.importorskip("onnx", exc_type=ImportError)
    engine_type = load(name)
    height, width = 13, 18
    x = np.random.default_rng(0).uniform(-100, 130, (1, height, width, 3))
    x = x.astype(np.float32)
    truth = network.forward(x, kernels=NumpyKernels())
    files = engine_type.prepare(network, height, width, tmp_path)
    for variant in engine_type.variants:
        engine = engine_type(Setup(files, height, width, 3, 1, "f32", variant))
        result = engine.fetch(engine.run(engine.feed(x)))
        assert relative_error(result, truth) < 1e-5
        assert engine.version() and engine.settings


@pytest.mark.parametrize("name", PEERS)
def test_peer_in_bfloat16_or_not_at_all(
    name: str, network: Network, tmp_path: Path
) -> None:
    pytest.importorskip(PEERS[name], exc_type=ImportError)
    if name in ("onnxruntime", "openvino", "opencv"):
        pytest.importorskip("onnx", exc_type=ImportError)
    engine_type = load(name)
    x = np.random.default_rng(0).uniform(-100, 130, (1, 9, 7, 3)).astype(np.float32)
    truth = network.forward(x, kernels=NumpyKernels())
    files = engine_type.prepare(network, 9, 7, tmp_path)
    setup = Setup(files, 9, 7, 3, 1, "bf16", engine_type.variants[0])
    try:
        engine = engine_type(setup)
    except NotPossibleError as error:
        assert name in ("onnxruntime", "opencv", "openvino"), error
        assert "bfloat16" in str(error) or "computes in f32" in str(error)
        return
    result = engine.fetch(engine.run(engine.feed(x)))
    assert relative_error(result, truth) < 5e-2


MIRRORED = """\
[net]
channels=3

[convolutional]
filters=8
size=3
pad=1
pad_mode=symmetric
activation=relu

[convolutional]
filters=8
size=5
pad=1
pad_mode=symmetric
activation=leaky

[deconvolutional]
filters=3
size=4
stride=2
padding=1
activation=linear
"""


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_torch_mirrors_and_enlarges(precision: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    network = Network.parse(MIRRORED).initialize(1)
    x = np.random.default_rng(0).random((1, 9, 7, 3), np.float32)
    truth = network.forward(x, kernels=NumpyKernels())
    engine_type = load("torch")
    files = engine_type.prepare(network, 9, 7, tmp_path)
    for variant in engine_type.variants:
        engine = engine_type(Setup(files, 9, 7, 3, 1, precision, variant))
        result = engine.fetch(engine.run(engine.feed(x)))
        assert relative_error(result, truth) < (1e-5 if precision == "f32" else 5e-2)


def test_torch_refuses_what_is_no_operation(tmp_path: Path) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    network = Network.parse("[net]\nchannels=3\n[softmax]\nspatial=1\n")
    with pytest.raises(NotPossibleError, match="no counterpart"):
        load("torch").prepare(network, 5, 6, tmp_path)


def test_report_of_a_tiny_network(network: Network) -> None:
    entrants = [Entrant("zoo", "numpy"), Entrant("opencv")]
    parts: list[float] = []
    report = measure(
        network,
        entrants,
        11,
        14,
        threads=1,
        runs=2,
        cold_runs=1,
        report=lambda part, what: parts.append(part),
    )
    assert parts == sorted(parts) and parts[-1] == 1
    ours, other = report.results
    assert ours.peer == "zoo" and ours.problem is None and ours.agrees
    assert ours.warm is not None and len(ours.warm.samples) == 2
    assert ours.cold is not None and len(ours.cold.samples) == 1
    assert report.operations > 0
    text = net_text(report)
    assert "zoo numpy" in text and "14x11" in text
    if installed("opencv") and other.problem is None:
        assert other.agrees and other.error is not None and other.error < 1e-5
        assert report.fastest_peer is other
        assert report.ratios().keys() == {"opencv"}
        assert "times as fast as the fastest peer, opencv" in text
    assert report.as_dict()["results"][0]["warm"]["samples"] == [*ours.warm.samples]
    assert draw(net_panels(report)).any()


def test_peer_that_is_missing_is_named(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PEERS, "openvino", "no_such_module")
    entrants = [Entrant("zoo", "numpy"), Entrant("openvino")]
    report = measure(network, entrants, 5, 6, threads=1, runs=1, cold_runs=0)
    assert "not installed (pip install" in net_text(report)
    assert report.fastest_peer is None and report.ratios() == {}


def test_zoo_that_cannot_run_is_an_error(network: Network) -> None:
    entrants = [Entrant("zoo", "no_such_back_end")]
    with pytest.raises(ZooError, match="no_such_back_end"):
        measure(network, entrants, 5, 6, threads=1, runs=1, cold_runs=0)


def test_a_peer_that_disagrees_does_not_count() -> None:
    ours = Result("zoo", "zoo", warm=Stats((1.0,)), error=0.0)
    good = Result("ncnn", "ncnn", warm=Stats((3.0,)), error=1e-6)
    bad = Result("torch", "torch", warm=Stats((2.0,)), error=0.5, agrees=False)
    report = NetReport("a.cfg", "random", 2, 3, 1, "f32", 10**9, (ours, good, bad))
    assert report.fastest_peer is good
    assert report.ratios() == {"ncnn": 3.0, "torch": 2.0}
    text = net_text(report)
    assert "zoo is 3.00 times as fast" in text
    assert "torch: its output is another one" in text


def test_sample_picture_is_one() -> None:
    picture = sample_picture(9, 31)
    assert picture.shape == (9, 31, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, sample_picture(9, 31)) and picture.std() > 20


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.345, "12.3 s"), (1.0, "1.00 s"), (0.0999, "99.9 ms"), (2.5e-6, "2.50 us")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_detector_has_several_outputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "two.cfg"
    path.write_text(
        "[net]\nheight=16\nwidth=16\n[convolutional]\nfilters=6\nsize=4\nstride=4\n"
        "activation=linear\n[yolo]\nclasses=1\n[route]\nlayers=-2\n"
        "[convolutional]\nfilters=6\nsize=2\nstride=2\n[yolo]\nclasses=1\n"
    )
    call = ["bench", "net", str(path), "--size", "16x16", "--against", "onnxruntime"]
    assert main([*call, "--runs", "1", "--cold", "0", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert len(results) == 2
    assert all(result["agrees"] for result in results)
