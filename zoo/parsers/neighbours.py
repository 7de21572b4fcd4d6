"""Files that are taken for checkpoints and are something else, known by their bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["describe_neighbour"]

# How a file begins (from an offset), what it is, and what to do.
_SIGNATURES: Final[tuple[tuple[int, bytes, str, str], ...]] = (
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file that it stands for",
        "fetch that one (git lfs pull, or the page's download button)",
    ),
    (0, b"\x1f\x8b", "packed by gzip", "unpack it (gunzip) and give what is in it"),
    (0, b"BZh", "packed by bzip2", "unpack it (bunzip2) and give what is in it"),
    (0, b"\xfd7zXZ\x00", "packed by xz", "unpack it (unxz) and give what is in it"),
    (0, b"\x28\xb5\x2f\xfd", "packed by zstd", "unpack it and give what is in it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and give what is in it"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it and give what is in it"),
    (
        4,
        b"TFL3",
        "a TensorFlow Lite model, whose weights are made for its own arithmetic",
        "give the model that it was converted from (.pb, .h5 or ONNX)",
    ),
    (
        0,
        b"\x93NUMPY",
        "one array of NumPy, without a name",
        "save all arrays of the network with their names (np.savez)",
    ),
    (
        0,
        b"MATLAB 5.0 MAT-file",
        "a MATLAB file",
        "load it in Python (scipy.io.loadmat) and save its arrays with np.savez",
    ),
    (
        0,
        b"MATLAB 7.3 MAT-file",
        "a MATLAB file",
        "load it in Python (h5py) and save its arrays with np.savez",
    ),
    (0, b"GGUF", "a GGUF model, packed for its own arithmetic", "give the original"),
    (0, b"\x89PNG\r\n", "a picture (PNG)", "give the network, and run it on this"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", "give the network, and run it on this"),
    (0, b"%PDF-", "a PDF document", "give the network's file"),
    (
        0,
        b"\xdd\x85v\x00",
        "an ncnn .param in binary form, whose layers have numbers for names",
        "give the text .param",
    ),
)

_HTML: Final = re.compile(
    rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head)", re.IGNORECASE | re.DOTALL
)
_XML_NETWORK: Final = re.compile(rb"<net\s+name=", re.IGNORECASE)
_TFJS_SHARD: Final = re.compile(r"group\d+-shard\d+of\d+(\.bin)?\Z")


def describe_neighbour(path: Path, head: bytes) -> str | None:
    """What a file is that no reader of checkpoints reads, and what to do about it.

    Parameters
    ----------
    path : Path
    head : bytes
        The first bytes (up to 4096).

    Returns
    -------
    str or None
        "a picture (PNG); give ...", or None if nothing is known of it.
    """
    for offset, signature, what, remedy in _SIGNATURES:
        if head[offset:].startswith(signature):
            return f"{what}; {remedy}"
    if _HTML.match(head):
        return (
            "a web page, not the file: the download went wrong or wants a login; "
            "download it again"
        )
    if head[:5] == b"<?xml" and _XML_NETWORK.search(head):
        return "a network of OpenVINO; give the ONNX file that it was made of"
    if head[257:262] == b"ustar" and b"\0" in head[:100]:
        return "a tar archive; unpack it and give what is in it"
    if _TFJS_SHARD.search(path.name):
        return (
            "a shard of a TensorFlow.js model, numbers without names; give the "
            "model.json that lists it"
        )
    return None
