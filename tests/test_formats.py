"""The registry of file formats: names, endings, contents, sources."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.cli import main
from zoo.errors import ImageError, UsageError
from zoo.formats import (
    by_suffix,
    formats,
    named,
    open_source,
    recognise,
    suffix_of,
    suffixes,
)
from zoo.images import read, write
from zoo.images.image import Image
from zoo.images.png import PNG
from zoo.run.files import NetworkFile, Options, run_file
from zoo.run.jobs import Job
from zoo.testing import check_format


def picture() -> Image:
    return Image(np.arange(105, dtype=np.uint8).reshape(5, 7, 3))


def test_no_two_formats_share_an_ending() -> None:
    assert len(suffixes()) == sum(len(item.suffixes) for item in formats().values())
    for name, item in formats().items():
        assert item.name == name
        assert item.label
        assert all(
            suffix == suffix.lower() and suffix[0] == "." for suffix in item.suffixes
        )


@pytest.mark.parametrize(
    ("path", "name", "ending"),
    [
        ("a.png", "png", ".png"),
        ("dir.png/a.JPEG", "jpg", ".JPEG"),
        ("a.b.tif", "tiff", ".tif"),
        ("a.xyz", None, ""),
        ("png", None, ""),
    ],
)
def test_names(path: str, name: str | None, ending: str) -> None:
    found = by_suffix(path)
    assert (found and found.name) == name
    assert suffix_of(path) == ending


def test_named_takes_endings_and_says_what_there_is() -> None:
    assert named("jpeg") is named("jpg")
    assert named("tif").name == "tiff"
    with pytest.raises(UsageError, match="did you mean 'webp'"):
        named("webq")
    with pytest.raises(UsageError, match="there are"):
        named("")


@given(st.binary(max_size=40))
def test_recognising_never_raises(head: bytes) -> None:
    recognise(head)
    for item in formats().values():
        for length in range(len(head)):
            item.recognise(head[:length])


def test_a_source_begins_at_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 100)
    with open_source(path) as source:
        assert source.head == path.read_bytes()[:4096]
        assert source.size == 25600
        assert source.file.read() == path.read_bytes()


def test_a_pipe_too(monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 100
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    with open_source("-") as source:
        assert source.head == content[:4096]
        assert source.size is None
        assert source.file.read(10) == content[:10]
        assert source.file.read() == content[10:]


def test_a_name_with_a_zero_byte() -> None:
    with pytest.raises(ImageError, match="cannot be read"), open_source("a\0b"):
        pass


def test_one_file_to_one_file_in_the_library(tmp_path: Path) -> None:
    """As a pool of processes would do it: everything pickled."""
    (tmp_path / "x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")
    write(tmp_path / "a.png", picture())
    options = Options(NetworkFile(str(tmp_path / "x2.cfg"), backend="numpy"))
    job = Job(str(tmp_path / "a.png"), str(tmp_path / "b.png"), "png")
    job, options, function = pickle.loads(pickle.dumps((job, options, run_file)))
    record = pickle.loads(pickle.dumps(function(job, options)))
    assert record.state == "done"
    assert record.facts["output_width"] == 14
    assert read(tmp_path / "b.png").width == 14
    bad = Job(str(tmp_path / "none.png"), str(tmp_path / "c.png"), "png")
    record = run_file(bad, options)
    assert record.state == "failed"
    assert record.error.endswith("none.png does not exist")


def test_what_nobody_foresaw_does_not_end_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")
    write("a.png", picture())
    write("b.png", picture())
    decode = PNG.decode

    def fail_once(self: PNG, data: bytes, **options: bool) -> object:
        monkeypatch.setattr(PNG, "decode", decode)
        raise RuntimeError("no such thing")

    monkeypatch.setattr(PNG, "decode", fail_once)
    assert main(["run", "x2.cfg", "a.png", "b.png", "--backend", "numpy"]) == 1
    assert "a.png: something unexpected happened" in capsys.readouterr().err
    assert Path("b_x2.png").exists()


@pytest.mark.parametrize("name", ["png", "tiff", "bmp", "webp", "pnm", "pfm"])
def test_formats_without_loss_keep_their_word(name: str) -> None:
    check_format(named(name), damages=40)
