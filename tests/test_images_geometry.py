"""Metadata that depend on the size of the picture change with it, or go."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.cli import main
from zoo.images import Image, decode, read
from zoo.images.geometry import scaled
from zoo.images.image import Metadata, Tag
from zoo.images.xmp import scale as scale_xmp
from zoo.images.xmp import update as update_xmp

pil = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")

COLOR = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)

Run = Callable[..., tuple[Path, str]]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Double a file's picture; returns the result and what was said."""
    monkeypatch.chdir(tmp_path)
    Path("x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")

    def doubled(name: str, data: bytes, *options: str) -> tuple[Path, str]:
        Path(name).write_bytes(data)
        assert main(["run", "x2.cfg", name, "--backend", "numpy", *options]) == 0
        made = set(tmp_path.iterdir()) - {tmp_path / name, tmp_path / "x2.cfg"}
        return made.pop(), capsys.readouterr().err

    return doubled


def tiff(array: np.ndarray[Any, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp"])
def test_resolution_is_scaled(run: Run, ending: str) -> None:
    out = io.BytesIO()
    name = {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper())
    pil.fromarray(COLOR).save(out, name, dpi=(100, 150))
    made, said = run(f"a.{ending}", out.getvalue())
    assert pil.open(made).info["dpi"] == pytest.approx((200, 300), rel=0.01)
    assert said == ""


def test_imagejs_pixel_size(run: Run) -> None:
    data = tiff(
        COLOR[..., 0], imagej=True, resolution=(4.0, 2.0), metadata={"unit": "um"}
    )
    made, said = run("a.tif", data)
    with tifffile.TiffFile(made) as file:
        assert file.is_imagej
        assert file.imagej_metadata["unit"] == "um"
        x, y = (
            file.pages[0].tags[name].value for name in ("XResolution", "YResolution")
        )
        assert x[0] / x[1] == pytest.approx(8)
        assert y[0] / y[1] == pytest.approx(4)
    assert said == ""


def test_imagejs_pixel_size_has_no_place_in_png(run: Run) -> None:
    data = tiff(COLOR[..., 0], imagej=True, resolution=(4.0, 2.0))
    made, said = run("a.tif", data, "-f", "png")
    assert "pixels per unit" in said
    assert "ImageJ" in said
    assert said.count("\n") == 1
    assert b"ImageJ" not in made.read_bytes()


@pytest.mark.parametrize("ome", [False, True])
def test_descriptions_that_state_sizes(run: Run, ome: bool) -> None:
    options = {"ome": True} if ome else {}
    made, said = run("a.tif", tiff(COLOR, photometric="rgb", **options))
    assert "description is left out" in said
    with tifffile.TiffFile(made) as file:
        assert "ImageDescription" not in file.pages[0].tags


def test_a_description_of_a_person_stays(run: Run) -> None:
    data = tiff(COLOR, photometric="rgb", description="a cat", metadata=None)
    made, said = run("a.tif", data)
    with tifffile.TiffFile(made) as file:
        assert file.pages[0].tags["ImageDescription"].value == "a cat"
    assert said == ""


def geo(is_point: bool) -> list[tuple[Any, ...]]:
    keys = (1, 1, 0, 1, 1025, 0, 1, 2 if is_point else 1)
    return [
        (33550, 12, 3, (10.0, 20.0, 0.0), False),
        (33922, 12, 6, (4.0, 2.0, 0.0, 500000.0, 4200000.0, 0.0), False),
        (34735, 3, len(keys), keys, False),
    ]


@pytest.mark.parametrize("is_point", [False, True])
def test_georeference_keeps_every_corner(run: Run, is_point: bool) -> None:
    """What is where on the map is the same before and after."""
    data = tiff(COLOR, photometric="rgb", extratags=geo(is_point), metadata=None)
    made, said = run("a.tif", data)
    with tifffile.TiffFile(made) as file:
        tags = file.pages[0].tags
        scale = tags["ModelPixelScaleTag"].value
        tie = tags["ModelTiepointTag"].value
    assert scale[:2] == (5.0, 10.0)
    half = 0.5 if is_point else 0.0
    for u, v in ((0.0, 0.0), (32.0, 24.0)):  # corners, in pixels from the edge
        before = (500000 + (u - half - 4) * 10, 4200000 - (v - half - 2) * 20)
        x = tie[3] + (2 * u - half - tie[0]) * scale[0]
        y = tie[4] - (2 * v - half - tie[1]) * scale[1]
        assert (x, y) == pytest.approx(before)
    assert said == ""


@pytest.mark.parametrize("half", [0.0, 0.5])
def test_a_transformation_keeps_every_corner(half: float) -> None:
    matrix = np.array(
        [[3.0, 0.5, 0, 100], [-0.4, 2, 0, 50], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    keys = struct.pack("<8H", 1, 1, 0, 1, 1025, 0, 1, 2 if half else 1)
    tags = (
        Tag(34264, 12, 16, matrix.astype("<f8").tobytes()),
        Tag(34735, 3, 8, keys),
    )
    meta = scaled(Metadata(geo=tags), (10, 10), (30, 20))
    found = np.frombuffer(meta.geo[0].data, "<f8").reshape(4, 4)
    for u, v in ((0.0, 0.0), (10.0, 4.0)):
        before = matrix @ [u - half, v - half, 0, 1]
        after = found @ [2 * u - half, 3 * v - half, 0, 1]
        np.testing.assert_allclose(after, before)


def test_a_georeference_has_no_place_in_png(run: Run) -> None:
    data = tiff(COLOR, photometric="rgb", extratags=geo(False), metadata=None)
    _, said = run("a.tif", data, "-f", "png")
    assert "georeference" in said


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" '
    b'tiff:ImageWidth="32" tiff:ImageLength="24" tiff:XResolution="720000/10000">'
    b"<exif:PixelXDimension>32</exif:PixelXDimension>"
    b"<exif:PixelYDimension>24</exif:PixelYDimension><dc:title>24 x 32</dc:title>"
    b"</rdf:Description></x:xmpmeta>"
)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_exif_and_xmp_agree_after_turning(run: Run, format: str) -> None:
    tags = pil.Exif()
    tags[0x0112] = 6
    out = io.BytesIO()
    info: dict[str, Any] = {"exif": tags}
    if format == "PNG":
        from PIL import PngImagePlugin

        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        info["pnginfo"] = text
    elif format == "JPEG":
        info["xmp"] = XMP
    else:
        info["tiffinfo"] = {700: XMP, 0x0112: 6}
        del info["exif"]
    pil.fromarray(COLOR).save(out, format, **info)
    made, _ = run(f"a.{format.lower()}", out.getvalue())
    image = read(made)
    assert (image.width, image.height) == (48, 64)
    packet = image.metadata.xmp
    assert b'tiff:Orientation="1"' in packet
    assert b'tiff:ImageWidth="48"' in packet
    assert b'tiff:ImageLength="64"' in packet
    assert b"<exif:PixelXDimension>48<" in packet
    assert b"<exif:PixelYDimension>64<" in packet
    assert b'tiff:XResolution="144000/1000"' in packet
    assert b"24 x 32" in packet


def test_xmp_of_anything() -> None:
    for packet in (b"", b"\xff\xfe<\0x\0", b'tiff:ImageWidth="', b"tiff:ImageWidth"):
        assert update_xmp(packet, 1, 1, upright=True) == packet
        assert scale_xmp(packet, 2, 2) == packet
    assert scale_xmp(b'tiff:XResolution="high"', 2, 2) == b'tiff:XResolution="high"'


IPTC = (
    b"\x1c\x02\x78\0\x09a caption" + b"\x1c\x02\x19\0\x03cat" + b"\x1c\x02\x74\0\x02me"
)


def iptc_jpeg() -> bytes:
    out = io.BytesIO()
    pil.fromarray(COLOR).save(out, "JPEG", comment=b"taken by me", quality=90)
    record = struct.pack(">4sHHI", b"8BIM", 0x0404, 0, len(IPTC)) + IPTC
    other = struct.pack(">4sHHI", b"8BIM", 0x03ED, 0, 3) + b"abc\0"
    body = b"Photoshop 3.0\0" + other + record + b"\0" * (len(IPTC) % 2)
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    data = out.getvalue()
    return data[:2] + segment + data[2:]


def test_iptc_and_comments_are_kept(run: Run) -> None:
    made, said = run("a.jpg", iptc_jpeg())
    with pil.open(made) as other:
        from PIL import IptcImagePlugin

        found = IptcImagePlugin.getiptcinfo(other)
        assert found[2, 120] == b"a caption"
        assert found[2, 25] == b"cat"
        assert other.info["comment"] == b"taken by me"
    assert said == ""


def test_iptc_in_tiff_and_what_others_have_no_place_for(run: Run) -> None:
    made, said = run("a.jpg", iptc_jpeg(), "-f", "tiff")
    with pil.open(made) as other:
        from PIL import IptcImagePlugin

        assert IptcImagePlugin.getiptcinfo(other)[2, 120] == b"a caption"
    assert "comments" in said
    made.unlink()
    made, said = run("a.jpg", iptc_jpeg(), "-f", "png")
    assert pil.open(made).info["Comment"] == "taken by me"
    assert "png has no place for IPTC: left out" in said


def test_resolution_of_exif_is_scaled_in_place() -> None:
    from PIL import TiffImagePlugin

    tags = pil.Exif()
    tags[0x011A] = tags[0x011B] = 72.0
    tags.get_ifd(0x8769)[0xA20E] = TiffImagePlugin.IFDRational(2001, 2)
    out = io.BytesIO()
    pil.fromarray(COLOR).save(out, "JPEG", exif=tags)
    image = decode(out.getvalue())
    changed = scaled(image.metadata, (24, 32), (96, 128))
    found = pil.Exif()
    found.load(changed.exif)
    assert found[0x011A] == 288
    assert float(found.get_ifd(0x8769)[0xA20E]) == pytest.approx(4002)
    assert len(changed.exif) == len(image.metadata.exif)


def test_the_same_size_changes_nothing() -> None:
    meta = Metadata(dpi=(72, 72), xmp=XMP)
    assert scaled(meta, (5, 5), (5, 5)) is meta
    assert Image(COLOR, metadata=meta).metadata is meta


def test_chunks_of_png_that_are_of_the_old_size(run: Run) -> None:
    import zlib

    out = io.BytesIO()
    pil.fromarray(COLOR).save(out, "PNG")
    data = out.getvalue()
    body = struct.pack(">iiB", 5, 5, 0)
    checksum = struct.pack(">I", zlib.crc32(b"oFFs" + body))
    data = data[:33] + struct.pack(">I", 9) + b"oFFs" + body + checksum + data[33:]
    made, said = run("a.png", data)
    assert "oFFs: left out" in said
    assert b"oFFs" not in made.read_bytes()


def test_exif_that_jpeg_cannot_hold_is_said(run: Run) -> None:
    tags = pil.Exif()
    tags[0x010E] = "x" * 70_000
    out = io.BytesIO()
    pil.fromarray(COLOR).save(out, "PNG", exif=tags)
    _, said = run("a.png", out.getvalue(), "-f", "jpg")
    assert "EXIF above 64 kB" in said


def test_a_profile_of_another_kind_is_said(run: Run) -> None:
    profile = b"\0\0\0\x80" + b"\0" * 12 + b"GRAY" + b"\0" * 80
    out = io.BytesIO()
    pil.fromarray(COLOR).save(out, "PNG", icc_profile=profile)
    _, said = run("a.png", out.getvalue())
    assert "a profile of another kind of colour" in said
