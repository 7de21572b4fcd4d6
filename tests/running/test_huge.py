"""Pictures in parts: the same pixels and metadata, little memory, and going on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine_calls import CFG, call

from zoo.checkpoints.files import save_weights
from zoo.images import Image, read
from zoo.images.image import Metadata
from zoo.images.tiff_tiles import write_tiled
from zoo.images.tiff_writer import deflated
from zoo.network import Network
from zoo.program.geometry import Window
from zoo.run import huge
from zoo.run.engines import Engine
from zoo.run.engines.files import run_jobs
from zoo.run.files import NetworkFile, Options, run_file
from zoo.run.jobs import Job
from zoo.run.pieces import Pieces
from zoo.run.region import Region

pytest.importorskip("zoo.plugins.native")

DEEP = """\
[net]
channels={channels}
color={color}

[convolutional]
filters=8
size=3
pad=1
activation=relu

[convolutional]
filters=8
size=5
pad=1
activation=leaky

[shortcut]
from=-2
activation=linear

[convolutional]
filters={last}
size=3
pad=1
activation=linear

[shuffler]
scale=3
"""
ICC = bytes(16) + b"RGB " + bytes(120)


def network(folder: Path, color: str = "rgb") -> NetworkFile:
    channels = 1 if color == "y" else 3
    cfg = folder / f"{color}.cfg"
    cfg.write_text(DEEP.format(channels=channels, color=color, last=9 * channels))
    save_weights(Network.read(cfg).initialize(1), folder / f"{color}.safetensors")
    return NetworkFile(str(cfg), memory="64M")


def tiled(path: Path, image: Image, side: int = 64, *, is_big: bool = True) -> None:
    """A tiled TIFF, BigTIFF by default."""
    pixels = image.pixels
    if image.alpha is not None:
        pixels = np.dstack([pixels, image.alpha])
    height, width = pixels.shape[:2]

    def tiles():
        for row in range(-(-height // side)):
            for column in range(-(-width // side)):
                part = pixels[row * side :, column * side :][:side, :side]
                edge = ((0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0))
                yield row, column, deflated(np.pad(part, edge))

    with open(path, "wb") as file:
        write_tiled(
            *(file, (height, width), image, image.metadata, side, tiles()),
            is_big=is_big,
        )


def picture(dtype: str = "uint8", channels: int = 3, alpha: str = "") -> Image:
    rng = np.random.default_rng(3)
    shape = (150, 190)
    most = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    pixels = (rng.random((*shape, channels)) * most).astype(dtype)
    layer = None
    if alpha:
        layer = np.full(shape, most, dtype)
    if alpha == "varies":
        layer = (1 + rng.random(shape) * (most - 1)).astype(dtype)
        layer[:70] = most
    meta = Metadata(icc=ICC if channels == 3 else b"", dpi=(300.0, 150.0))
    return Image(pixels, layer, format="tiff", metadata=meta)


def both(folder: Path, image: Image, net: NetworkFile, window: int = 70, **more):
    """The results of a run as a whole and of one in parts."""
    source = folder / "in.tif"
    if not source.exists():
        tiled(source, image)
    found = []
    for size in (None, window):
        target = folder / f"out{size}.tif"
        options = Options(net, force=True, window=size, **more)
        record = run_file(Job(str(source), str(target), "tiff"), options)
        assert record.error is None, record.error
        found.append(target)
    assert record.facts["parts"] > 3
    return found


def require_same(paths: list[Path]) -> None:
    whole, parts = map(read, paths)
    np.testing.assert_array_equal(parts.pixels, whole.pixels)
    assert (parts.alpha is None) == (whole.alpha is None)
    if whole.alpha is not None:
        np.testing.assert_array_equal(parts.alpha, whole.alpha)
    assert parts.metadata == whole.metadata
    assert not list(paths[0].parent.glob(".zoo-parts*"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("color", ["rgb", "y"])
def test_kinds_of_pixels(tmp_path, dtype, channels, color):
    paths = both(tmp_path, picture(dtype, channels), network(tmp_path, color))
    require_same(paths)
    assert paths[1].read_bytes()[:4] == b"II+\0"  # as the picture was


@pytest.mark.parametrize(
    ("dtype", "alpha", "channels"),
    [
        ("uint8", "varies", 3),
        ("uint16", "varies", 1),
        ("uint8", "opaque", 3),
        ("float32", "opaque", 3),
    ],
)
def test_transparency(tmp_path, dtype, alpha, channels):
    image = picture(dtype, channels, alpha)
    require_same(both(tmp_path, image, network(tmp_path)))


@pytest.mark.parametrize("color", ["rgb", "y"])
def test_ensemble(tmp_path, color):
    image = picture(alpha="varies")
    require_same(both(tmp_path, image, network(tmp_path, color), use_ensemble=True))


def test_strips_of_other_programs(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    image = picture()
    more = {"metadata": None, "photometric": "rgb"}
    ways = [
        {"rowsperstrip": 7},
        {"rowsperstrip": 150},
        {"rowsperstrip": 13, "compression": "zlib", "predictor": 2},
        {"tile": (32, 48), "planarconfig": "separate"},
        {"tile": (16, 16), "byteorder": ">"},
    ]
    for way in ways:
        pixels = image.pixels
        if "planarconfig" in way:
            pixels = np.moveaxis(pixels, 2, 0)
        tifffile.imwrite(tmp_path / "in.tif", pixels, **more, **way)
        paths = both(tmp_path, image, network(tmp_path))
        require_same(paths)
        theirs = tifffile.imread(paths[1])
        np.testing.assert_array_equal(theirs, read(paths[0]).pixels)


def test_a_careless_halo_would_be_noticed(tmp_path, monkeypatch):
    """The control: crops with two pixels of overlap, which is less than it takes."""

    def reads(self, image, *, use_ensemble=False):
        rows, columns = (
            (max(0, first // 3 - 2), min(side, -(-last // 3) + 2))
            for (first, last), side in zip(self.want, self.size, strict=True)
        )
        return Window(rows, columns)

    def naive(self, part, have, turn, white, as_float, progress):
        made = self.model(part, white=white, as_float=as_float)
        whole = Window(
            (3 * have.rows[0], 3 * have.rows[1]),
            (3 * have.columns[0], 3 * have.columns[1]),
        )
        return made[self.want.within(whole)]

    monkeypatch.setattr(Region, "reads", reads)
    monkeypatch.setattr(Region, "__call__", naive)
    paths = both(tmp_path, picture(), network(tmp_path))
    with pytest.raises(AssertionError):
        require_same(paths)


def test_a_part_that_is_dropped_is_noticed(tmp_path, monkeypatch):
    """The other control: nothing is written of a result with a hole."""
    tiled(tmp_path / "in.tif", picture())
    plain = Pieces.tiles
    monkeypatch.setattr(
        Pieces, "tiles", staticmethod(lambda paths: plain(list(paths)[1:]))
    )
    job = Job(str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "tiff")
    record = run_file(job, Options(network(tmp_path), window=70))
    assert "tiles of the result are missing" in str(record.error)
    assert not (tmp_path / "out.tif").exists()


def test_going_on(tmp_path, monkeypatch):
    """What is there of a call that was stopped is not computed again."""
    net = network(tmp_path)
    tiled(tmp_path / "in.tif", picture())
    options = Options(net, window=70)
    job = Job(str(tmp_path / "in.tif"), str(tmp_path / "out70.tif"), "tiff")
    plain, made = huge.super_resolve_part, []

    def stopped(*rest, **more):
        made.append(1)
        if len(made) == 4:
            raise KeyboardInterrupt
        return plain(*rest, **more)

    monkeypatch.setattr(huge, "super_resolve_part", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_file(job, options)
    assert not (tmp_path / "out70.tif").exists()
    assert len(list(tmp_path.glob(".zoo-parts*/*_*"))) == 3
    record = run_file(job, options)
    assert record.error is None
    assert len(made) == 4 + record.facts["parts"] - 3
    paths = both(tmp_path, picture(), net)
    require_same(paths)
    # Of another picture nothing is taken.
    made.clear()
    with pytest.raises(KeyboardInterrupt):
        run_file(job, options)
    os.utime(tmp_path / "in.tif", (1, 1))
    made.clear()
    made += [1] * 10
    assert run_file(job, options).facts["parts"] == len(made) - 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"background": (255, 255, 255)}, "need the whole result"),
        ({"damaged": True}, "needs the whole picture"),
    ],
)
def test_what_needs_the_whole(tmp_path, change, words):
    tiled(tmp_path / "in.tif", picture())
    options = Options(network(tmp_path), window=70, **change)
    job = Job(str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "tiff")
    assert words in str(run_file(job, options).error)


def test_transparent_pixels_need_the_whole(tmp_path):
    image = picture(alpha="varies")
    image.alpha[140, 180] = 0
    tiled(tmp_path / "in.tif", image)
    job = Job(str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "tiff")
    options = Options(network(tmp_path), window=70)
    assert "fully transparent" in str(run_file(job, options).error)
    assert not (tmp_path / "out.tif").exists()


def test_a_damaged_tile_is_said(tmp_path):
    tiled(tmp_path / "in.tif", picture())
    data = bytearray((tmp_path / "in.tif").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    (tmp_path / "in.tif").write_bytes(data)
    job = Job(str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "tiff")
    record = run_file(job, Options(network(tmp_path), window=70))
    assert "damaged" in str(record.error)
    assert str(record.error).startswith(str(tmp_path / "in.tif"))


class _Backwards(Engine):
    """The last part first."""

    def work(self, call):
        for number in reversed(range(len(call.items))):
            yield number, call.items[number].run(call.common, call.networks)


def test_files_do_not_depend_on_the_order_of_parts(tmp_path):
    """Nor, byte by byte, on whether an engine worked them off."""
    options = Options(network(tmp_path), window=64)
    tiled(tmp_path / "in.tif", picture(alpha="varies"))
    found = []
    for name in ("here.tif", "there.tif"):
        job = Job(str(tmp_path / "in.tif"), str(tmp_path / name), "tiff")
        if name == "here.tif":
            record = run_file(job, options)
        else:
            (record,) = run_jobs(_Backwards("x", print), [job], options)
        assert record.error is None, record.error
        assert record.facts["parts"] > 3
        assert record.seconds > 0
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]


@pytest.mark.slow
def test_parts_on_processes(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "site").mkdir()
    network(tmp_path)
    tiled(tmp_path / "in.tif", picture(alpha="varies"))
    code, _, err = call(tmp_path, "run", "rgb.cfg", "in.tif", "-o", "whole.tif")
    assert code == 0, err
    words = ("run", "rgb.cfg", "in.tif", "-o", "parts.tif", "--window", "64")
    code, out, err = call(tmp_path, *words, "--on", "local:2", "--json")
    assert code == 0, err
    assert json.loads(out)["parts"] > 3
    require_same([tmp_path / "whole.tif", tmp_path / "parts.tif"])
    code, _, err = call(tmp_path, *words, "--on", "local:2", "--ship", "--force")
    assert code == 1
    assert "common disk" in err


@pytest.mark.slow
def test_memory_does_not_grow_with_the_picture(tmp_path):
    """135 megapixels, 404 MB and 1.6 GB of result, in a process of less than 1 GB."""
    (tmp_path / "net.cfg").write_text(CFG)
    net = Network.read(tmp_path / "net.cfg").initialize(1)
    save_weights(net, tmp_path / "net.safetensors")
    side, tile = 11_600, 464
    ramp = np.add.outer(np.arange(tile), np.arange(tile)).astype(np.uint8)
    block = deflated(np.dstack([ramp, ramp.T, 255 - ramp]))
    count = side // tile
    with open(tmp_path / "in.tif", "wb") as file:
        write_tiled(
            *(
                file,
                (side, side),
                Image(np.zeros((1, 1, 3), np.uint8)),
                Metadata(),
                tile,
            ),
            ((row, column, block) for row in range(count) for column in range(count)),
            is_big=True,
        )
    words = (
        "import sys, resource\nfrom zoo.cli import main\ntry:\n    main()\nfinally:\n"
    )
    words += (
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", words, "run", "net.cfg", "in.tif", "-o", "out.tif"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    most = int(done.stderr.split()[-1]) * (1 if sys.platform == "darwin" else 1024)
    assert most < 1e9, f"{most / 1e6:.0f} MB"
    with open(tmp_path / "out.tif", "rb") as file:
        assert file.read(4) == b"II+\0"
