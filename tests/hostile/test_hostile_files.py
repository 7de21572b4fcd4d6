"""No stranger's file runs code, crashes, or takes more than its size accounts for."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

resource = pytest.importorskip("resource")

sys.path.insert(0, str(Path(__file__).parent))

from corpus import CFG, MARK, corpus, edsr_tensors, mutations, samples, tfjs

from zoo.checkpoints.cards import read_card
from zoo.checkpoints.convert import convert
from zoo.checkpoints.files import load_weights
from zoo.engine import Plan
from zoo.errors import ZooError
from zoo.network import Network
from zoo.plugins import select
from zoo.summary import summarize

FILES = list(corpus())
MEMORY = 300 << 20
SECONDS = 20


def use(path: Path, out: Path) -> Any:
    """Do with a file what a user would."""
    if path.suffix == ".cfg":
        network = Network.read(path)
        height, width = network.nominal_size
        str(summarize(network, height, width))
        small = max(height, width) < 10_000 and len(network) < 1000
        if small and network.parameter_count < 10**6:
            network.initialize()
            Plan(network, height, width, select("numpy"), memory=1 << 28)
        return network
    if path.suffix == ".yaml":
        card = read_card(path)
        str(card)
        return card
    if path.suffix == ".weights":
        network = Network.parse(CFG.decode())
        load_weights(network, path)
        return network
    return convert(path, out, force=True)


def survive(path: Path, out: Path) -> Any:
    """What came of a file; fails on anything but a result or one honest sentence."""
    size = path.stat().st_size
    begin = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result: Any = use(path, out)
    except ZooError as error:
        result = error
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert 1024 * grown < MEMORY + 40 * size, f"{grown >> 10} MiB for {size} bytes"
    assert time.monotonic() - begin < SECONDS
    if isinstance(result, ZooError):
        assert len(str(result)) < 4000
    return result


def test_the_corpus_is_large() -> None:
    assert len({name for name, _, _ in FILES}) == len(FILES)
    assert len(FILES) >= 700


@pytest.mark.parametrize("part", range(8))
def test_hostile_files(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = FILES[part::8]
    assert mine
    for name, ending, data in mine:
        path = tmp_path / f"x{ending}"
        path.write_bytes(data)
        try:
            result = survive(path, tmp_path / "out")
        except BaseException as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
        assert not (tmp_path / MARK).exists(), name
        if "attack" in name:
            assert isinstance(result, ZooError), name
        path.unlink()


@pytest.mark.parametrize("kind", list(samples()))
def test_damaged_files(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuzz(kind, 60, 1, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(samples()))
def test_damaged_files_for_long(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = int(os.environ.get("ZOO_FUZZ", "3000"))
    fuzz(kind, count, time.time_ns(), tmp_path, monkeypatch)


def fuzz_tfjs(damaged: str, count: int, seed: int, folder: Path) -> None:
    """Damage one of the two files of a model many times over."""
    files = tfjs()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    asked = folder / "model.json"
    assert not isinstance(survive(asked, folder / "honest"), ZooError)
    for name, data in mutations(files[damaged], count, seed):
        (folder / damaged).write_bytes(data)
        try:
            survive(asked, folder / "out")
        except BaseException as error:
            raise AssertionError(
                f"{damaged}, {name}, seed {seed}: {type(error).__name__}: {error}"
            ) from error


@pytest.mark.parametrize("damaged", list(tfjs()))
def test_damaged_tfjs(damaged: str, tmp_path: Path) -> None:
    fuzz_tfjs(damaged, 60, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("damaged", list(tfjs()))
def test_damaged_tfjs_for_long(damaged: str, tmp_path: Path) -> None:
    count = int(os.environ.get("ZOO_FUZZ", "3000"))
    fuzz_tfjs(damaged, count, time.time_ns(), tmp_path)


SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "weights"
# A file of each other reader, and what lies beside it.
OTHERS = {
    "ncnn.param": ("realesr-animevideov3-x2.param", "realesr-animevideov3-x2.bin"),
    "ncnn.bin": ("realesr-animevideov3-x2.bin", "realesr-animevideov3-x2.param"),
    "mxnet.params": ("EDSR-8-x2-0000.params", "EDSR-8-x2-symbol.json"),
    "mxnet.json": ("EDSR-8-x2-symbol.json", "EDSR-8-x2-0000.params"),
    "keras": ("wdsr-b-16-x4.plain.h5", None),
    "tensorflow": ("ESPCN_x2.pb", None),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", list(OTHERS))
def test_damaged_published_files_for_long(kind: str, tmp_path: Path) -> None:
    main, other = OTHERS[kind]
    if not (SHARED / main).exists():
        pytest.skip("the shared checkpoints are not here")
    if kind == "keras":
        pytest.importorskip("h5py")
    if other is not None:
        (tmp_path / other).write_bytes((SHARED / other).read_bytes())
    # What is asked for is the file that names the network.
    asked = other if kind in ("mxnet.json", "ncnn.bin") else main
    seed = time.time_ns()
    count = int(os.environ.get("ZOO_FUZZ", "300"))
    for name, data in mutations((SHARED / main).read_bytes(), count, seed):
        (tmp_path / main).write_bytes(data)
        try:
            survive(tmp_path / str(asked), tmp_path / "out")
        except BaseException as error:
            raise AssertionError(
                f"{kind}, {name}, seed {seed}: {type(error).__name__}: {error}"
            ) from error


def fuzz(
    kind: str, count: int, seed: int, folder: Path, patch: pytest.MonkeyPatch
) -> None:
    """Damage a file of one kind many times over."""
    patch.chdir(folder)
    ending, honest = samples()[kind]
    (folder / f"honest{ending}").write_bytes(honest)
    if kind not in ("index",):
        assert not isinstance(
            survive(folder / f"honest{ending}", folder / "a"), ZooError
        )
    for name, data in mutations(honest, count, seed):
        path = folder / f"x{ending}"
        path.write_bytes(data)
        try:
            result = survive(path, folder / "out")
        except BaseException as error:
            kept = folder / "failed"
            kept.write_bytes(data)
            raise AssertionError(
                f"{kind}, {name}, seed {seed} ({kept}): {type(error).__name__}: {error}"
            ) from error
        if kind.startswith("torch zip") and not isinstance(result, ZooError):
            unchanged(folder / "out.safetensors", f"{kind}, {name}, seed {seed}")


def unchanged(path: Path, what: str) -> None:
    """A file with checksums that is read after damage gives the weights it had."""
    from zoo.parsers.safetensors import SafetensorsReader

    found = SafetensorsReader.read(path).tensors["1.convolutional.weights"]
    wanted = edsr_tensors()["head.0.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(found, wanted, err_msg=what)


def test_files_without_end_are_refused(tmp_path: Path) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("there is no /dev/zero")
    link = tmp_path / "x.pth"
    link.symlink_to("/dev/zero")
    with pytest.raises(ZooError, match="device"):
        convert(link, tmp_path / "out")
    network = Network.parse(CFG.decode())
    weights = tmp_path / "x.safetensors"
    weights.symlink_to("/dev/zero")
    with pytest.raises(ZooError, match="device"):
        load_weights(network, weights)


def test_files_of_holes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    if path.stat().st_blocks * 512 >= 1 << 30:
        pytest.skip("this file system has no holes")
    with pytest.raises(ZooError, match="not fetched to its end"):
        convert(path, tmp_path / "out")


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff\xfe\n",
        b"{\n",
        b"5\n",
        b'["update"]\n',
        b'"update"\n',
        b'{"update": "x"}\n',
        b'{"update": null}\n',
        b"[" * 100000 + b"\n",
        b"\0\0\0\n",
        b"x" * 100000 + b"\n",
    ],
)
def test_damaged_lines_of_a_log_are_left_out(tmp_path: Path, damage: bytes) -> None:
    from zoo.train.run_folder import RunFolder

    folder = RunFolder(tmp_path)
    good = b'{"update": 1, "loss": 2.0}\n', b'{"update": 9, "loss": 1.0}\n'
    folder.log.write_bytes(good[0] + damage + good[1])
    assert [entry["update"] for entry in folder.entries()] == [1, 9]
    folder.forget_after(5)
    assert [entry["update"] for entry in folder.entries()] == [1]
