"""Files that promise more than they hold: refused in a sentence, soon, in little memory."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from zoo.cli import main
from zoo.errors import ImageError
from zoo.formats import open_source
from zoo.images import Image, decode, encode, write

pil = pytest.importorskip("PIL.Image")

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is measured as on Linux"
)

# Of a process that only imports what reads pictures, and what it may take more.
_BASE = 250_000_000
_MORE = 250_000_000
_SECONDS = 5.0

COLOR = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def saved(format: str, **options: object) -> bytes:
    out = io.BytesIO()
    pil.fromarray(COLOR).save(out, format, **options)
    return out.getvalue()


def ifd(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    body = struct.pack("<H", len(entries))
    body += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return body + struct.pack("<I", following)


def tiff(entries: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    return struct.pack("<2sHI", b"II", 42, 8) + ifd(sorted(entries)) + tail


PLAIN = [(256, 4, 1, 100), (257, 4, 1, 100), (258, 3, 1, 8), (259, 3, 1, 1)]
PLAIN += [(262, 3, 1, 1), (277, 3, 1, 1), (278, 4, 1, 100)]


def exif_of(size: int) -> bytes:
    """EXIF whose values all are the whole of it, again and again."""
    count = 4000
    head = struct.pack("<2sHI", b"II", 42, 8)
    entries = [(tag + 1, 7, size - 16, 8) for tag in range(count)]
    return (head + ifd(entries)).ljust(size, b"\0")


def with_exif(exif: bytes) -> bytes:
    """A PNG, for JPEG holds no more than 64 kB."""
    data = saved("PNG")
    return data[:33] + chunk(b"eXIf", exif) + data[33:]


def flat_webp(width: int, height: int) -> bytes:
    """A picture of one colour: a few bytes whatever its size."""
    out = io.BytesIO()
    pil.new("RGB", (64, 64)).save(out, "WEBP", lossless=True)
    data = bytearray(out.getvalue())
    at = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, at)
    bits = bits & ~0x0FFFFFFF | (width - 1) | (height - 1) << 14
    struct.pack_into("<I", data, at, bits)
    return bytes(data)


def wide_jpeg(width: int, height: int) -> bytes:
    data = bytearray(saved("JPEG"))
    at = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, height, width)
    return bytes(data)


def scans_over_scans() -> bytes:
    """A progressive JPEG whose last scan comes a hundred thousand times."""
    data = saved("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 100_000 + data[-2:]


def chain() -> bytes:
    """Directories that begin two bytes after each other and overlap."""
    body = bytearray(struct.pack("<2sHI", b"II", 42, 8) + ifd(PLAIN, 0))
    body += bytes(200_000)
    for index in range(4000):
        struct.pack_into("<H", body, 1000 + 4 * index, 4000)
    return bytes(body)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "jpeg of gigabytes": lambda: wide_jpeg(65000, 8000),
    "webp of gigabytes": lambda: flat_webp(16383, 16383),
    "png of gigabytes": lambda: (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    ),
    "exif that overlaps": lambda: with_exif(exif_of(450_000)),
    "exif of 62 kB": lambda: with_exif(exif_of(62_000)),
    "profiles": lambda: (
        saved("PNG")[:33]
        + chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(1 << 24))) * 2000
        + saved("PNG")[33:]
    ),
    "scans": scans_over_scans,
    "directories": chain,
    "bigtiff offset": lambda: struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**63 + 5),
    "bigtiff values": lambda: (
        struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16)
        + struct.pack("<Q", 1)
        + struct.pack("<HHQQ", 256, 4, 2**62, 2**63 + 1)
        + bytes(8)
    ),
    "strips": lambda: tiff(
        [
            *[e for e in PLAIN if e[0] not in (257, 278)],
            (257, 4, 1, 5_000_000),
            (278, 4, 1, 1),
            (273, 4, 5_000_000, 200),
            (279, 4, 5_000_000, 200),
        ],
        bytes(20_000_200),
    ),
    "one strip again and again": lambda: tiff(
        [
            *[e for e in PLAIN if e[0] not in (256, 257, 278)],
            (256, 4, 1, 30_000),
            (257, 4, 1, 10_000),
            (278, 4, 1, 1),
            (273, 4, 10_000, 200),
            (279, 4, 10_000, 200),
        ],
        bytes(40_200),
    ),
    "lzw that grows": lambda: tiff(
        [
            *[e for e in PLAIN if e[0] not in (256, 257, 259, 278)],
            (256, 4, 1, 20_000),
            (257, 4, 1, 20_000),
            (259, 3, 1, 5),
            (278, 4, 1, 20_000),
            (273, 4, 1, 200),
            (279, 4, 1, 100_000),
        ],
        bytes(100_300),
    ),
    "pnm": lambda: b"P2\n20000 20000\n255\n" + b"1 " * 1000,
    "pam": lambda: b"P7\n" + b"# x\n" * 100_000,
    "pfm": lambda: b"PF\n20000 20000\n-1.0\n" + bytes(1000),
    "gif": lambda: b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";",
    "bmp": lambda: (
        b"BM"
        + struct.pack(
            "<IIIIiiHHIIiiII", 100, 0, 54, 40, 30000, 30000, 1, 24, 1, 0, 0, 0, 0, 0
        )
        + bytes(100)
    ),
    "jpeg 2000": lambda: (
        b"\xff\x4f\xff\x51\0\x29\0\0"
        + struct.pack(">8I", 60000, 60000, 0, 0, 60000, 60000, 0, 0)
        + b"\0\1\7\1\1"
        + bytes(100)
    ),
    "xmp": lambda: (
        saved("PNG")[:33]
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"tiff:ImageWidth " * 300_000)
        + saved("PNG")[33:]
    ),
}

SPARSE: dict[str, Callable[[], bytes]] = {
    "zeros.png": lambda: b"",
    "a.png": lambda: saved("PNG")[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT",
    "b.png": lambda: saved("PNG")[:-12],
    "a.jpg": lambda: saved("JPEG")[:-200],
    "a.webp": lambda: b"RIFF\xf0\xff\xff\xffWEBPVP8L\xf0\0\0\0" + saved("WEBP")[20:40],
    "b.webp": lambda: saved("WEBP", lossless=True),
    "a.tiff": lambda: tiff([*PLAIN, (273, 4, 1, 2**31), (279, 4, 1, 10_000)]),
    "a.bmp": lambda: saved("BMP"),
    "a.gif": lambda: saved("GIF")[:-400],
    "a.ppm": lambda: b"P3\n40 40\n255\n",
    "b.ppm": lambda: b"P6\n40 40\n255\n",
    "a.pfm": lambda: b"PF\n40 40\n-1.0\n",
    "a.jp2": lambda: b"\0\0\0\x0cjP  \r\n\x87\n",
    "a.avif": lambda: b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
}

# Reads every file that it is given and says how long it took, and the peak of memory.
READER = """
import json, sys, time
from zoo.errors import ImageError
from zoo.images import read
result = {}
for path in sys.argv[1:]:
    start = time.process_time()  # other programs take their time too
    try:
        read(path)
        outcome = "read"
    except ImageError as error:
        outcome = str(error)
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
        result["unexpected"] = f"{path}: {outcome}"
    result[path] = (time.process_time() - start, outcome)
# Not what getrusage says, which begins with the memory of the parent.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
result["peak"] = int(status["VmHWM"].split()[0]) * 1024
print(json.dumps(result))
"""


def check(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Read files in a process of its own, and judge what it took."""
    for path in paths:
        done = subprocess.run(
            [sys.executable, "-c", READER, str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
        assert done.stderr == "", path.name
        result = json.loads(done.stdout)
        assert "unexpected" not in result, result["unexpected"]
        seconds, outcome = result[str(path)]
        assert seconds < _SECONDS, f"{path.name}: {seconds:.1f} s ({outcome})"
        assert result["peak"] < _BASE + _MORE, f"{path.name}: {result['peak']:,}"
        yield path, outcome


@pytest.mark.parametrize("name", HOSTILE)
def test_small_files_that_promise_much(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(HOSTILE[name]())
    for _, outcome in check([path]):
        # Metadata that make no sense cost the metadata, not the picture.
        assert outcome == "read" or outcome.startswith(str(path))
        assert "something unexpected" not in outcome


@pytest.mark.parametrize("name", SPARSE)
def test_files_with_a_hole_of_a_terabyte(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SPARSE[name]())
    try:
        os.truncate(path, 2**40)
    except OSError:
        pytest.skip("the file system has no such large files")
    for _, outcome in check([path]):
        assert outcome == "read" or outcome.startswith(str(path))


def test_holes_of_damaged_files_are_not_searched(tmp_path: Path) -> None:
    """Who insists waits no longer."""
    for name in ("a.jpg", "b.png", "a.gif"):
        path = tmp_path / name
        path.write_bytes(SPARSE[name]())
        os.truncate(path, 2**38)
        code = READER.replace("read(path)", "read(path, damaged=True)")
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        result = json.loads(done.stdout)
        assert result[str(path)][0] < _SECONDS, path.name
        assert result["peak"] < _BASE + _MORE, path.name


def test_an_endless_pipe(tmp_path: Path) -> None:
    for head in (b"", saved("JPEG")[:300]):
        (tmp_path / "head").write_bytes(head)
        command = f"cat {tmp_path / 'head'} /dev/zero"
        with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE) as pipe:
            done = subprocess.run(
                [sys.executable, "-c", READER, "-"],
                stdin=pipe.stdout,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            pipe.kill()
        _, outcome = json.loads(done.stdout)["-"]
        assert outcome.startswith("standard input")


def test_a_pipe_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.formats._MAPPED", 1000)
    monkeypatch.setattr("zoo.formats.available_memory", lambda: 4000)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bytes(5000))))
    with (
        open_source("-") as source,
        pytest.raises(ImageError, match="more than 1000 bytes"),
    ):
        source.content()


def test_a_mapped_file_reads_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.formats._MAPPED", 10)
    from zoo.images import read

    for format in ("png", "jpg", "webp", "tiff", "bmp", "pnm", "jp2"):
        data = encode(Image(COLOR), format)
        path = tmp_path / f"a.{format}"
        path.write_bytes(data)
        np.testing.assert_array_equal(read(path).pixels, decode(data).pixels)
    (tmp_path / "a.gif").write_bytes(saved("GIF"))
    assert read(tmp_path / "a.gif").width == 48


def test_one_bad_file_never_ends_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")
    Path("t").mkdir()
    small = [name for name in HOSTILE if name not in ("scans", "profiles", "strips")]
    for index, name in enumerate(small):
        Path(f"t/{index}.png").write_bytes(HOSTILE[name]())
    write("t/z.png", Image(COLOR))
    main(["run", "x2.cfg", "t", "-o", "out", "--backend", "numpy"])
    assert Path("out/z.png").exists()
    assert "something unexpected" not in capsys.readouterr().err
