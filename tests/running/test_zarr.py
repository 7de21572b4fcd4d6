"""Zarr in parts: the values of a plain run, of what was stored in any way."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from engine_calls import call

from zoo.errors import ImageError
from zoo.images import Image, read, write
from zoo.images.folders import find
from zoo.run.files import NetworkFile, Options, run_file
from zoo.run.jobs import Job

pytest.importorskip("zoo.plugins.native")
if os.environ.get("CI") and sys.version_info >= (3, 11):
    import zarr
else:
    zarr = pytest.importorskip("zarr", minversion="3")

NET = """\
[net]
channels=3
color=rgb

[convolutional]
filters=8
size=5
pad=1
activation=relu

[convolutional]
filters=12
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""
SHAPE = (150, 190)


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> NetworkFile:
    from zoo.checkpoints.files import save_weights
    from zoo.network import Network

    folder = tmp_path_factory.mktemp("net")
    (folder / "net.cfg").write_text(NET)
    net = Network.read(folder / "net.cfg").initialize(1)
    save_weights(net, folder / "net.safetensors")
    return NetworkFile(str(folder / "net.cfg"), memory="64M")


def values(dtype: str = "uint8", channels: int = 3) -> np.ndarray:
    most = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    rng = np.random.default_rng(5)
    made = (rng.random((*SHAPE, channels)) * most).astype(dtype)
    if channels == 4:
        made[..., 3] = made[..., 3] // 2 + 1
    return made


def save(path: Path, data: np.ndarray, **more):
    chunks = tuple(min(size, 40) for size in data.shape)
    return zarr.create_array(str(path), data=data, **{"chunks": chunks, **more})


def plain(folder: Path, pixels: np.ndarray, net: NetworkFile) -> np.ndarray:
    """What a run of the same pixels as a TIFF makes, as a whole."""
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    write(folder / "plain.tif", Image(pixels[..., :3], alpha, format="tiff"))
    job = Job(str(folder / "plain.tif"), str(folder / "whole.tif"), "tiff")
    record = run_file(job, Options(net, force=True))
    assert record.error is None, record.error
    whole = read(folder / "whole.tif")
    return whole.pixels if alpha is None else np.dstack([whole.pixels, whole.alpha])


def run(folder: Path, net: NetworkFile, target: str = "out.zarr", source="in.zarr"):
    kind = "zarr" if target.endswith("zarr") else "tiff"
    job = Job(str(folder / source), str(folder / target), kind)
    return run_file(job, Options(net, window=70, force=True))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("uint8", 3), ("uint16", 1), ("float32", 3), ("uint8", 4), ("uint16", 3)],
)
def test_kinds_of_pixels(tmp_path, net, dtype, channels, version):
    pixels = values(dtype, channels)
    data = pixels[..., 0] if channels == 1 else pixels
    save(tmp_path / "in.zarr", data, zarr_format=version, attributes={"by": "me"})
    record = run(tmp_path, net)
    assert record.error is None, record.error
    assert record.facts["parts"] > 3
    made = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    whole = plain(tmp_path, pixels, net)
    assert made.dtype == dtype
    np.testing.assert_array_equal(made[:].reshape(whole.shape), whole)
    source = zarr.open_array(str(tmp_path / "in.zarr"), mode="r")
    assert made.chunks[:2] == (80, 80)
    assert made.compressors == source.compressors
    assert (made.metadata.zarr_format, dict(made.attrs)) == (version, {"by": "me"})
    assert sorted(os.listdir(tmp_path)) == [
        *("in.zarr", "out.zarr", "plain.tif", "whole.tif")
    ]


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (("c", "y", "x"), {}),
        (("x", "c", "y"), {}),
        (("t", "c", "z", "y", "x"), {}),
        (("y", "x", "c"), {"shards": (80, 80, 3)}),
        (("c", "y", "x"), {"zarr_format": 2}),
        (("c", "y", "x"), {"compressors": None}),
    ],
)
def test_orders_of_axes(tmp_path, net, names, more):
    pixels = values()
    kept = [name for name in names if name in "yxc"]
    data = pixels.transpose(["yxc".index(name) for name in kept])
    for place, name in enumerate(names):
        if name not in "yxc":
            data = np.expand_dims(data, place)
    if more.get("zarr_format") == 2:
        more = {**more, "attributes": {"_ARRAY_DIMENSIONS": list(names)}}
    else:
        more = {**more, "dimension_names": names}
    save(tmp_path / "in.zarr", data, **more)
    assert run(tmp_path, net).error is None
    made = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")[:]
    squeezed = made.squeeze().transpose([kept.index(axis) for axis in "yxc"])
    assert made.ndim == len(names)
    np.testing.assert_array_equal(squeezed, plain(tmp_path, pixels, net))


def ome(folder: Path, data: np.ndarray, version: int, **more):
    axes = [{"name": name} for name in "tczyx"]
    scale = {"type": "scale", "scale": [1, 1, 2, 0.5, 0.25]}
    levels = [
        {"path": str(level), "coordinateTransformations": [scale]} for level in (0, 1)
    ]
    about = {"multiscales": [{"axes": axes, "datasets": levels, **more}]}
    group = zarr.create_group(
        str(folder),
        zarr_format=version,
        attributes=about if version == 2 else {"ome": {"version": "0.5", **about}},
    )
    group.create_array("0", data=data, chunks=(1, 1, 1, 64, 64))
    group.create_array("1", data=data[..., ::2, ::2], chunks=(1, 1, 1, 64, 64))


@pytest.mark.parametrize("version", [2, 3])
def test_ome(tmp_path, net, version):
    pixels = values("uint16")
    data = np.moveaxis(pixels, 2, 0)[None, :, None]
    ome(tmp_path / "in.zarr", data, version)
    assert run(tmp_path, net).error is None
    made = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")
    about = made.attrs.get("ome", made.attrs)["multiscales"][0]
    assert [level["path"] for level in about["datasets"]] == ["0"]
    change = about["datasets"][0]["coordinateTransformations"]
    assert change[0]["scale"] == [1, 1, 2, 0.25, 0.125]
    assert list(made.array_keys()) == ["0"]
    whole = plain(tmp_path, pixels, net)
    np.testing.assert_array_equal(np.moveaxis(made["0"][0, :, 0], 0, 2), whole)
    assert made["0"].chunks == (1, 1, 1, 128, 128)


def test_ome_volumes_are_refused(tmp_path, net):
    ome(tmp_path / "in.zarr", np.zeros((1, 1, 3, *SHAPE), np.uint8), 3)
    assert "has 3 along 'z'; a picture has 1 there" in run(tmp_path, net).error


def test_between_tiff_and_zarr(tmp_path, net):
    pixels = values("uint16")
    save(tmp_path / "in.zarr", pixels)
    whole = plain(tmp_path, pixels, net)
    assert run(tmp_path, net, "out.tif").error is None
    np.testing.assert_array_equal(read(tmp_path / "out.tif").pixels, whole)
    assert run(tmp_path, net, source="plain.tif").error is None
    made = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    np.testing.assert_array_equal(made[:], whole)
    assert made.metadata.dimension_names == ("y", "x", "c")


def change(folder: Path, **facts) -> None:
    """Other facts in a folder's metadata."""
    path = next(
        folder / name for name in (".zarray", "zarr.json") if (folder / name).exists()
    )
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"dtype": "<f8"}, "has values of type '<f8'"),
        ({"dtype": "|O", "filters": [{"id": "pickle"}]}, "codec 'pickle'"),
        ({"compressor": {"id": "pickle"}}, "codec 'pickle'"),
        ({"chunks": [2**16, 2**16, 3]}, "MB in a chunk"),
        ({"shape": [2**40, 9, 3]}, "a side has at most"),
        ({"shape": [2**20, 2**20, 3]}, "ZOO_MAX_PIXELS="),
        ({"shape": [150, 190, 5]}, "has 5 channels"),
        ({"shape": [150, 190]}, "is damaged"),
        ({"shape": [0, 190, 3]}, "is damaged"),
        ({"shape": None}, "is damaged"),
        ({"shape": "big"}, "is damaged"),
        ({"chunks": [-1, 40, 3]}, "is damaged"),
        ({"compressor": 7}, "is damaged"),
    ],
)
def test_bad_metadata(tmp_path, net, facts, words):
    save(tmp_path / "in.zarr", values(), zarr_format=2)
    change(tmp_path / "in.zarr", **facts)
    error = run(tmp_path, net).error
    assert words in error
    assert "unexpected" not in error
    assert error.startswith(str(tmp_path / "in.zarr"))
    assert os.listdir(tmp_path) == ["in.zarr"]


def test_damage_and_other_targets(tmp_path, net):
    save(tmp_path / "in.zarr", values(), zarr_format=2)
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / "mine").write_text("kept")
    assert "no Zarr folder" in run(tmp_path, net).error
    assert (tmp_path / "out.zarr" / "mine").read_text() == "kept"
    job = Job(str(tmp_path / "in.zarr"), str(tmp_path / "out.png"), "png")
    assert "TIFF and Zarr alone" in run_file(job, Options(net, window=70)).error
    assert not (tmp_path / "out.png").exists()
    (tmp_path / "in.zarr" / "1.1.0").write_bytes(b"no chunk")
    assert "is damaged" in run(tmp_path, net, "new.zarr").error
    (tmp_path / "in.zarr" / ".zarray").write_text("{")
    assert "no JSON" in run(tmp_path, net, "new.zarr").error
    assert not (tmp_path / "new.zarr").exists()


@pytest.mark.parametrize("shards", [None, (80, 80, 3)])
@pytest.mark.parametrize("codec", ["Zstd", "Gzip", "Blosc"])
def test_bombs(tmp_path, net, monkeypatch, codec, shards):
    """What becomes more than a chunk holds is refused before a library decodes it."""
    from zoo.images import zarr_guard

    compressor = getattr(zarr.codecs, f"{codec}Codec")()
    pixels = np.zeros((80, 80, 3), np.uint8)
    chunk = (80, 80, 3) if shards is None else (40, 40, 3)
    more = {"chunks": chunk, "shards": shards, "compressors": compressor}
    save(tmp_path / "in.zarr", pixels, config={"write_empty_chunks": True}, **more)
    assert run(tmp_path, net).error is None
    if shards is None:
        other = np.zeros((1000, 1000, 3), np.uint8)
        save(tmp_path / "large.zarr", other + 1, **{**more, "chunks": other.shape})
        data = (tmp_path / "large.zarr" / "c" / "0" / "0" / "0").read_bytes()
        (tmp_path / "in.zarr" / "c" / "0" / "0" / "0").write_bytes(data)
        words = "becomes more than the 19200 bytes"
    else:  # no chunk fits any more
        monkeypatch.setattr(zarr_guard, "_SLACK", -4799)
        words = "more than the 4800 bytes"
    assert words in str(run(tmp_path, net).error)


@pytest.mark.parametrize("name", ["Zstd", "GZip", "Zlib", "BZ2", "LZ4", "Blosc"])
def test_lengths(tmp_path, net, name, monkeypatch):
    """What codecs make is counted to the byte, and is read."""
    import numcodecs

    from zoo.images import zarr_guard

    codec = getattr(numcodecs, name)()
    monkeypatch.setattr(zarr_guard, "_SLACK", 0)
    for size in (1, 200, 300, 70_000, 200_001):
        data = bytes(codec.encode(np.arange(size, dtype=np.uint8)))
        zarr_guard.require_fits(codec.codec_id, data, size)
        with pytest.raises(ImageError):
            zarr_guard.require_fits(codec.codec_id, data, size - 1)
        zarr_guard.require_fits(codec.codec_id, data[: size // 3], size)
    monkeypatch.undo()
    save(tmp_path / "in.zarr", values(), zarr_format=2, compressors=codec)
    assert run(tmp_path, net).error is None
    made = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    np.testing.assert_array_equal(made[:], plain(tmp_path, values(), net))


def test_zstd_that_states_no_size():
    """As streaming writers make it: 128 KB a block; skippable frames count nothing."""
    from zoo.images.zarr_guard import require_fits

    head = b"\x28\xb5\x2f\xfd\x00\x58"
    data = b"\x50\x2a\x4d\x18\x02\0\0\0ab" + head
    repeated = 2**17 << 3 | 1 << 1  # one byte, 2^17 times
    data += (7 << 3).to_bytes(3, "little") + b"x" * 7
    data += repeated.to_bytes(3, "little") + b"y"
    data += repeated.to_bytes(3, "little") + b"y"
    data += (1 << 3 | 1).to_bytes(3, "little") + b"z"
    total = 7 + 2 * 2**17 + 1
    require_fits("zstd", data, total - 2**16)
    with pytest.raises(ImageError):
        require_fits("zstd", data, total - 2**16 - 1)


def test_files_that_are_too_long(tmp_path, net):
    save(tmp_path / "in.zarr", values(), compressors=None)
    with (tmp_path / "in.zarr" / "c" / "1" / "1" / "0").open("r+b") as file:
        file.truncate(2**40)
    assert "has more bytes" in str(run(tmp_path, net).error)


def test_the_package_is_missing(tmp_path, net, monkeypatch):
    save(tmp_path / "in.zarr", values())
    monkeypatch.setitem(sys.modules, "zarr", None)
    assert "pip install zarr" in run(tmp_path, net).error


def test_the_command(tmp_path, net):
    """Names, --force, and a call that goes on."""
    save(tmp_path / "in.zarr", values())
    words = ("run", net.cfg, "in.zarr/")
    code, out, err = call(tmp_path, *words)
    assert (code, out.strip()) == (0, "in_x2.zarr"), err
    code, _, err = call(tmp_path, *words, "-o", "in_x2.zarr")
    assert code == 2
    assert "exists already" in err
    code, _, err = call(tmp_path, *words, "-o", "in_x2.zarr", "--force")
    assert code == 0, err
    assert sorted(os.listdir(tmp_path)) == ["in.zarr", "in_x2.zarr"]
    made = zarr.open_array(str(tmp_path / "in_x2.zarr"), mode="r")[:]
    np.testing.assert_array_equal(made, plain(tmp_path, values(), net))


def opened(path: Path) -> np.ndarray:
    return zarr.open_array(str(path), mode="r")[:]


def test_other_files_become_zarr(tmp_path, net):
    """A result that is written whole: its values, its losses, what is in its way."""
    pixels = values("uint16", 4)
    write(tmp_path / "in.png", Image(pixels[..., :3], pixels[..., 3]))
    whole = plain(tmp_path, pixels, net)
    code, out, err = call(tmp_path, "run", net.cfg, "in.png", "-f", "zarr")
    assert (code, out.strip()) == (0, "in_x2.zarr"), err
    np.testing.assert_array_equal(opened(tmp_path / "in_x2.zarr"), whole)
    words = ("run", net.cfg, "in.png", "-o", "out.zarr", "--width", "100")
    code, _, err = call(tmp_path, *words)
    assert code == 0, err
    code, _, err = call(tmp_path, *words[:-3], "other.png", *words[-2:])
    assert code == 0, err
    small = read(tmp_path / "other.png")
    np.testing.assert_array_equal(
        opened(tmp_path / "out.zarr"), np.dstack([small.pixels, small.alpha])
    )
    assert call(tmp_path, *words)[0] == 2  # it is there
    assert call(tmp_path, *words, "--force")[0] == 0
    code, _, err = call(tmp_path, "run", net.cfg, "in.png", "-f", "zarr", "-o", "-")
    assert (code, "is a folder" in err) == (2, True)
    (tmp_path / "mine.zarr").write_text("kept")
    words = ("run", net.cfg, "in.png", "-o", "mine.zarr", "--force")
    assert "no Zarr folder" in call(tmp_path, *words)[2]
    assert (tmp_path / "mine.zarr").read_text() == "kept"


def test_zarr_becomes_other_files(tmp_path, net):
    """Whole where the format, or a size, needs that; the axes stay in Zarr."""
    pixels = values()
    names = ("c", "y", "x")
    save(tmp_path / "in.zarr", np.moveaxis(pixels, 2, 0), dimension_names=names)
    whole = plain(tmp_path, pixels, net)
    code, out, err = call(tmp_path, "run", net.cfg, "in.zarr", "-f", "png")
    assert (code, out.strip()) == (0, "in_x2.png"), err
    np.testing.assert_array_equal(read(tmp_path / "in_x2.png").pixels, whole)
    words = ("run", net.cfg, "in.zarr", "--factor", "3", "-o")
    for target in ("three.zarr", "three.png"):
        code, _, err = call(tmp_path, *words, target)
        assert code == 0, err
    three = read(tmp_path / "three.png").pixels
    assert three.shape[:2] == (3 * SHAPE[0], 3 * SHAPE[1])
    made = np.moveaxis(opened(tmp_path / "three.zarr"), 0, 2)
    np.testing.assert_array_equal(made, three)


def test_what_is_no_picture_becomes_no_zarr(tmp_path, net):
    (tmp_path / "v.y4m").write_bytes(b"YUV4MPEG2 W8 H8 F1:1 C420\nFRAME\n" + bytes(96))
    code, _, err = call(tmp_path, "run", net.cfg, "v.y4m", "-o", "v.zarr")
    assert (code, "is a video; Zarr is written of pictures" in err) == (1, True)
    assert not (tmp_path / "v.zarr").exists()


def test_folders_of_stores(tmp_path, net):
    """A store is a picture; its chunks are files of no interest, whatever their names."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    pixels = values()
    save(tmp_path / "in" / "sub" / "a.zarr", pixels)
    (tmp_path / "in" / "sub" / "a.zarr" / "chunk.png").write_bytes(b"none")
    write(tmp_path / "in" / "b.png", Image(pixels))
    whole = plain(tmp_path, pixels, net)
    code, out, err = call(tmp_path, "run", net.cfg, "in", "-o", "out")
    assert code == 0, err
    assert sorted(out.split()) == ["out/b.png", "out/sub/a.zarr"]
    assert "2 of 2 done" in err
    np.testing.assert_array_equal(opened(tmp_path / "out" / "sub" / "a.zarr"), whole)
    code, out, err = call(tmp_path, "run", net.cfg, "in", "-o", "png", "-f", "png")
    assert sorted(out.split()) == ["png/b.png", "png/sub/a.png"], err
    code, out, err = call(tmp_path, "run", net.cfg, "in", "-o", "all", "-f", "zarr")
    assert sorted(out.split()) == ["all/b.zarr", "all/sub/a.zarr"], err
    # What takes no Zarr says so, and does not look into it.
    found = find(tmp_path / "in", recursive=True)
    assert [path.name for path in found.files] == ["b.png"]
    assert found.left_out() == ["1 file of other endings (.zarr)"]


def test_results_are_known_again_and_looked_at(tmp_path, net):
    """`in_x2.zarr` is no input the next time; `zoo view` puts it beside `in.zarr`."""
    from zoo.view.groups import groups_of
    from zoo.view.item import read_item

    save(tmp_path / "in.zarr", values("uint16"))
    code, _, err = call(tmp_path, "run", net.cfg, "in.zarr")
    assert code == 0, err
    words = ("run", net.cfg, "in.zarr", "in_x2.zarr", "--skip-existing")
    code, _, err = call(tmp_path, *words)
    assert "1 file that zoo made of others" in err
    (group,) = groups_of([tmp_path])
    assert [path.name for path in group.paths] == ["in.zarr", "in_x2.zarr"]
    assert groups_of(group.paths)[0].paths == group.paths
    item = read_item(tmp_path / "in_x2.zarr")
    np.testing.assert_array_equal(item.values[0], opened(tmp_path / "in_x2.zarr"))


def test_one_name_for_two(tmp_path, net):
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.zarr", values())
    write(tmp_path / "in" / "a.png", Image(values()))
    code, out, err = call(tmp_path, "run", net.cfg, "in", "-o", "out", "-f", "zarr")
    assert code == 0, err
    assert sorted(out.split()) == ["out/a.png.zarr", "out/a.zarr.zarr"]


@pytest.mark.slow
def test_stores_on_processes(tmp_path, net):
    pytest.importorskip("distributed")
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.zarr", values())
    write(tmp_path / "in" / "b.png", Image(values()))
    words = ("run", net.cfg, "in", "--on", "local:2")
    code, _, err = call(tmp_path, *words, "-o", "out", "-f", "zarr")
    assert code == 0, err
    whole = plain(tmp_path, values(), net)
    for name in ("a", "b"):
        np.testing.assert_array_equal(opened(tmp_path / "out" / f"{name}.zarr"), whole)
    code, _, err = call(tmp_path, *words, "-o", "png", "-f", "png")
    assert code == 0, err
    assert (tmp_path / "png" / "a.png").exists()
    code, _, err = call(tmp_path, *words, "-o", "sent", "--ship")
    assert (code, "a.zarr: --ship sends whole files" in err) == (1, True)
    assert (tmp_path / "sent" / "b.png").exists()


@pytest.mark.slow
def test_parts_on_processes(tmp_path, net):
    pytest.importorskip("distributed")
    save(tmp_path / "in.zarr", values())
    words = ("run", net.cfg, "in.zarr", "-o", "out.zarr", "--window", "70")
    code, out, err = call(tmp_path, *words, "--on", "local:2", "--json")
    assert code == 0, err
    assert json.loads(out)["parts"] > 3
    made = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")[:]
    np.testing.assert_array_equal(made, plain(tmp_path, values(), net))
