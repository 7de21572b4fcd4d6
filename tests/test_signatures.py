"""What is known of formats before they are imported, against the formats themselves."""

import struct

import numpy as np
import pytest

from zoo.formats import HEAD, formats, recognise, usual_suffixes
from zoo.images import Image, encode
from zoo.registry import registry
from zoo.signatures import SIGNATURES

OWN = {
    name: item
    for name, item in formats().items()
    if registry("zoo.formats").entry(name).value in SIGNATURES
}


def test_every_format_of_ours_has_a_signature() -> None:
    values = {registry("zoo.formats").entry(name).value for name in OWN}
    assert values == set(SIGNATURES)


@pytest.mark.parametrize("name", OWN)
def test_it_says_what_the_format_says(name: str) -> None:
    item = OWN[name]
    signature = SIGNATURES[registry("zoo.formats").entry(name).value]
    assert signature[:1] + signature[2:] == (item.suffixes, item.kind, item.rank)


def heads() -> list[tuple[str, bytes]]:
    """The beginning of a file of every format."""
    nifti = struct.pack("<i", 348) + bytes(340) + b"n+1\0"
    mgh = struct.pack(">7i", 1, 2, 2, 2, 1, 3, 0)
    found = [
        ("gif", b"GIF89a"),
        ("gif", b"GIF87a"),
        ("dicom", bytes(128) + b"DICM"),
        ("nii", nifti),
        ("nii", struct.pack(">i", 348) + nifti[4:]),
        ("nii", struct.pack("<i", 540) + b"n+2\0" + bytes(532)),
        ("mgh", mgh),
        ("y4m", b"YUV4MPEG2 W2 H2"),
        ("jp2", b"\xff\x4f\xff\x51" + bytes(40)),
        ("tiff", b"MM\0+" + bytes(40)),
        ("pfm", b"Pf\n1 1\n-1\n"),
    ]
    found += [("pnm", b"P%d\n1 1\n" % kind) for kind in range(1, 8)]
    for name, item in OWN.items():
        for dtype in ("uint8", "float32"):
            image = Image(np.zeros((32, 32, 3), dtype))
            able = item.kind == "picture" and not item.missing()
            if able and not item.misfit(image, (32, 32)):
                found.append((name, encode(image, name)[:HEAD]))
    return found


@pytest.mark.parametrize(("name", "head"), heads())
def test_a_file_is_recognised_by_it(name: str, head: bytes) -> None:
    assert OWN[name].recognise(head)
    signature = SIGNATURES[registry("zoo.formats").entry(name).value]
    assert signature.may_be(head)
    assert recognise(head) is OWN[name]


def test_gzipped_volumes_are_told_apart_by_what_they_hold() -> None:
    import gzip

    for name, head in heads():
        if name in ("nii", "mgh"):
            found = recognise(gzip.compress(head))
            assert found is OWN["nii.gz" if name == "nii" else "mgz"]


def test_the_usual_endings_stand_in_the_order_of_rank() -> None:
    assert usual_suffixes()[:4] == [".png", ".tiff", ".jpg", ".webp"]
