"""Pages: what is packed comes out again, and nothing in a text becomes HTML."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from zoo.errors import ZooError
from zoo.page import blocks, parts
from zoo.page.blocks import Blocks, packed, storable
from zoo.page.document import Document

PAGE = Path(parts.__file__).parent
TYPES = ("u1", "i1", "<u2", ">i2", "<u4", ">i4", "<f4", ">f4", "<f8")


def unpacked(data: bytes, dtype: np.dtype, step: int) -> np.ndarray:
    """What decode.js does, written again."""
    import zlib

    size = dtype.itemsize
    plain = np.frombuffer(zlib.decompress(data), np.uint8).reshape(size, -1).T
    numbers = np.ascontiguousarray(plain).view(f"<u{size}").ravel().copy()
    if size <= 4:
        for start in range(step):
            numbers[start::step] = np.cumsum(numbers[start::step], dtype=numbers.dtype)
    return numbers.view(dtype)


@given(
    npst.arrays(
        st.sampled_from(TYPES), npst.array_shapes(min_dims=3, max_dims=3, max_side=9)
    )
)
def test_what_is_packed_comes_out(values: np.ndarray) -> None:
    plain = storable(values)
    back = unpacked(packed(plain, values.shape[2]), plain.dtype, values.shape[2])
    assert back.tobytes() == values.astype(values.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.array([1, -(2**31)], np.int64), "int32"),
        (np.array([2**31], np.int64), "float64"),
        (np.array([2**53], np.uint64), "float64"),
        (np.array([1.5], np.float16), "float32"),
        (np.array([True]), "uint8"),
    ],
)
def test_other_types_become_one_that_holds_them(values: np.ndarray, name: str) -> None:
    made = storable(values)
    assert made.dtype.name == name
    assert np.array_equal(made, values)


def test_a_page_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_BYTES", 100)
    page = Blocks()
    page.add(np.zeros((5, 10, 1), np.uint8), 1)
    with pytest.raises(ZooError, match="give fewer files"):
        page.add(np.zeros((6, 10, 1), np.uint8), 1)


def test_slices_in_a_browser(watched, tmp_path: Path) -> None:
    """The slider shows the slice that it says, in the gray that its value has."""
    stack = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7) * 50 - 3000
    color = np.random.default_rng(1).integers(0, 256, (10, 12, 14, 3), np.uint8)
    page = Document("Slices", "<b>bold</b>")
    names = "<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>"
    page.slices([(names[0], stack)], names[1], low=-3000, high=7500)
    page.slices([("one", color), ("two", color[::2])], "two", low=0, high=255)
    file = tmp_path / "page.html"
    page.write(file)

    seen = watched()
    seen.page.goto(file.as_uri())
    slider = seen.page.locator("input").first
    slider.focus()
    assert seen.page.locator("output").first.inner_text() == "3 of 5"
    for _ in range(2):
        seen.page.keyboard.press("ArrowRight")
    assert seen.page.locator("output").first.inner_text() == "5 of 5"
    pixels = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    shown = seen.page.locator("canvas").first.evaluate(pixels)
    expected = np.rint((stack[4].astype(float) + 3000) * (255 / 10500))
    assert np.array_equal(np.reshape(shown, (6, 7, 4))[..., 1], expected)
    # A window half as wide is twice the contrast, about the level.
    seen.page.locator("input").nth(2).fill("5250")
    shown = seen.page.locator("canvas").first.evaluate(pixels)
    expected = np.rint((stack[4].astype(float) - 2250 + 5250 / 2) * (255 / 5250))
    gray = np.reshape(shown, (6, 7, 4))[..., 1]
    assert np.array_equal(gray, np.clip(expected, 0, 255))
    for number, index in ((1, 5), (2, 4)):
        shown = seen.page.locator("canvas").nth(number).evaluate(pixels)
        assert np.array_equal(np.reshape(shown, (12, 14, 4))[..., :3], color[index])
    assert seen.page.locator("img").count() == 0
    assert seen.requests == [file.as_uri()]


def test_the_scripts_are_modules_that_parse(tmp_path: Path) -> None:
    """One by one as modules, and joined as a page has them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node: the browser reads the scripts")
    files = sorted(PAGE.glob("*.js"))
    assert files
    joined = tmp_path / "joined.js"
    joined.write_text(parts.script(*(path.stem for path in files)))
    modules = [shutil.copy(path, tmp_path / f"{path.stem}.mjs") for path in files]
    for path in (joined, *modules):
        done = subprocess.run(
            [node, "--check", path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_scripts_neither_make_html_nor_run_text() -> None:
    """Names of files are set as text alone."""
    words = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|\bFunction\("
    for path in PAGE.glob("*.js"):
        text = path.read_text()
        assert not re.search(words, text), path
        assert not re.search(r"https?://", text), path
        imported = re.findall(r"^import.*", text, re.MULTILINE)
        assert len(imported) == len(re.findall(parts._IMPORT, text)), path
