"""The viewer in a real browser: what a canvas shows is what the files hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import corners, drawn, shown, stage, texts

from zoo.images.image import Image
from zoo.images.writing import write
from zoo.resize import imresize
from zoo.view.groups import Group
from zoo.view.page import Album
from zoo.view.sheet import sheet_of

RNG = np.random.default_rng(5)
LARGE = RNG.integers(0, 256, (60, 80, 3), np.uint8)
SMALL = imresize(LARGE, 0.5)
OTHER = imresize(SMALL, 2)


def page_of(folder: Path, pictures: dict[str, np.ndarray], reference: str = "") -> Path:
    """A page of pictures, by name."""
    for name, pixels in pictures.items():
        split = pixels.shape[2] in (2, 4)
        colors = pixels[..., :-1] if split else pixels
        write(folder / name, Image(colors, pixels[..., -1] if split else None))
    paths = [folder / name for name in pictures if name != reference]
    album = Album("pictures")
    album.add(sheet_of(Group("g", paths, folder / reference if reference else None)))
    album.write(folder / "page.html")
    return folder / "page.html"


def opened(watched: Any, page: Path, **options: Any) -> Any:
    seen = watched(viewport={"width": 700, "height": 560}, **options)
    seen.page.goto(page.as_uri())
    seen.page.wait_for_selector(".pane canvas[data-zoom]")
    return seen.page


def test_each_way_shows_the_stored_pixels(watched, tmp_path: Path) -> None:
    file = page_of(tmp_path, {"s.png": SMALL, "o.png": OTHER, "l.png": LARGE}, "l.png")
    page = opened(watched, file)
    # One, by its key.
    for key, expected in (
        ("2", OTHER),
        ("3", LARGE),
        ("1", SMALL.repeat(2, 0).repeat(2, 1)),
    ):
        page.keyboard.press(key)
        assert np.array_equal(stage(page, 60, 80), expected)
    assert texts(page, ".tag:visible") == ["s.png, pixels"]
    page.keyboard.press("b")
    assert np.array_equal(stage(page, 60, 80), OTHER)  # our bicubic is imresize's
    assert texts(page, ".tag:visible") == ["s.png, bicubic"]
    page.keyboard.press("x")
    assert np.array_equal(stage(page, 60, 80), LARGE)
    # Difference, with its gain.
    page.keyboard.press("m")
    page.locator("label:has-text('left') select").select_option("1")
    page.locator("label:has-text('right') select").select_option("2")
    page.keyboard.press("]")
    assert texts(page, ".tag:visible") == ["|o.png − l.png| × 8"]
    gap = np.abs(OTHER.astype(int) - LARGE)
    assert np.abs(stage(page, 60, 80) - np.clip(gap * 8.0, 0, 255)).max() <= 1
    # Split by the divider: at its left one, at its right the other.
    page.keyboard.press("m")
    slider = page.locator(".viewer > label.range input")
    slider.focus()
    pixels, left, _, zoom = shown(page)
    middle = round((pixels.shape[1] / 2 - left) / zoom)
    for name, part in (
        ("left", slice(0, middle - 4)),
        ("right", slice(middle + 4, 80)),
    ):
        truth = OTHER if name == "left" else LARGE
        assert np.array_equal(corners(page, 60, 80)[:, part], truth[:, part]), name
    page.keyboard.press("Home")
    assert np.array_equal(corners(page, 60, 80)[:, 1:], LARGE[:, 1:])
    page.keyboard.press("End")
    assert np.array_equal(corners(page, 60, 80)[:, :-1], OTHER[:, :-1])
    # All beside each other.
    page.keyboard.press("m")
    for number, expected in enumerate((OTHER, OTHER, LARGE)):
        assert np.array_equal(stage(page, 60, 80, number), expected)
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[[1], [300], [65535]]], np.uint16), ["1", "300", "65535"]),
        (np.array([[[0.1], [-2.5], [np.nan]]], np.float32), ["0.1", "-2.5", "NaN"]),
        (
            np.array([[[1, 2, 3, 4], [9, 8, 7, 0], [0, 0, 0, 255]]], np.uint8),
            ["R 1  G 2  B 3  A 4", "R 9  G 8  B 7  A 0", "R 0  G 0  B 0  A 255"],
        ),
    ],
    ids=["16 bits", "floats", "alpha"],
)
def test_values_are_read_by_keys_alone(
    watched, tmp_path: Path, values: np.ndarray, expected: list[str]
) -> None:
    page = opened(watched, page_of(tmp_path, {"a.tif": values}))
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "CANVAS":
            break
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    read = []
    for _ in expected:
        drawn(page)
        read += page.locator("td.value").all_text_contents()
        page.keyboard.press("Shift+ArrowRight")
    assert read == expected


def test_16_bits_and_floats_are_shaded(watched, tmp_path: Path) -> None:
    ramp = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16, 1)
    page = opened(watched, page_of(tmp_path, {"r.png": ramp}))
    assert np.array_equal(stage(page, 16, 16)[..., 0], ramp[..., 0] // 257)
    # A window half as wide doubles the contrast about its level.
    page.locator("summary").first.click()
    window = page.locator("label:has-text('window') input")
    window.fill("500")
    expected = np.clip((ramp[..., 0] / 65535 - 0.25) * 2, 0, 1) * 255
    assert np.abs(stage(page, 16, 16)[..., 0] - expected).max() <= 0.51


def test_zoom_keeps_what_is_under_the_cursor(watched, tmp_path: Path) -> None:
    page = opened(watched, page_of(tmp_path, {"a.png": LARGE, "b.png": OTHER}))
    page.keyboard.press("m")
    box = page.locator(".pane canvas").first.bounding_box()
    x, y = box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.55
    page.mouse.move(x, y)
    drawn(page)
    place = texts(page, "thead th:last-child")
    before = texts(page, "td.value")
    for _ in range(4):
        page.mouse.wheel(0, -120)
        drawn(page)
        page.mouse.move(x + 0.1, y)
        drawn(page)
        assert texts(page, "thead th:last-child") == place
    assert texts(page, "td.value") == before
    # Both panes moved alike.
    assert shown(page, 0)[1:] == shown(page, 1)[1:]
    assert texts(page, ".step") == [f"{shown(page)[3] * 100:g} %"]
    for _ in range(30):
        page.keyboard.press("-")
    drawn(page)
    assert texts(page, ".step") == ["1/32"]
    page.keyboard.press("0")
    whole = shown(page)
    assert whole[3] >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out(watched, tmp_path: Path, width: int, scheme: str) -> None:
    """In every mode, with a long name; the picture is there in both schemes."""
    name = "a_very_long_name_" * 6 + ".png"
    file = page_of(tmp_path, {name: LARGE, "b.png": OTHER, "c.png": SMALL}, "b.png")
    page = opened(watched, file, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    for _ in range(4):
        drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("m")
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, "
        "getComputedStyle(document.body).backgroundColor]"
    )
    assert contrast(ink, paper) > 7


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours ``rgb(r, g, b)``."""
    levels = []
    for color in (one, other):
        parts = np.array(color[4:-1].split(","), float) / 255
        linear = np.where(
            parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4
        )
        levels.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(levels) / min(levels)


def test_names_of_files_are_text(watched, tmp_path: Path) -> None:
    names = [
        "<img src=x onerror=document.title='owned'>.png",
        "a&lt;b>\"'`.png",
        "--><script>document.title='owned'<!--.png",
    ]
    page = opened(watched, page_of(tmp_path, dict.fromkeys(names, SMALL)))
    assert texts(page, "button.name") == names
    assert page.title().startswith("pictures")
    assert page.locator("img").count() == 0


def test_sheets_are_gone_through(watched, tmp_path: Path) -> None:
    album = Album("folder")
    for name, pixels in (("one", LARGE), ("two", OTHER)):
        write(tmp_path / f"{name}.png", Image(pixels))
        album.add(sheet_of(Group(name, [tmp_path / f"{name}.png"])))
    album.write(tmp_path / "page.html")
    page = opened(watched, tmp_path / "page.html")
    assert np.array_equal(stage(page, 60, 80), LARGE)
    page.keyboard.press("n")
    page.wait_for_selector("button.name:has-text('two.png')")
    assert np.array_equal(stage(page, 60, 80), OTHER)


def test_volumes_in_three_planes(watched, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    data = RNG.integers(0, 100, (12, 10, 8)).astype(
        np.int16
    )  # right, anterior, superior
    head = nibabel.Nifti1Image(data, np.diag([1.0, 1.0, 2.0, 1.0]))
    nibabel.save(head, tmp_path / "a.nii")
    album = Album("volume")
    album.add(sheet_of(Group("g", [tmp_path / "a.nii"])))
    album.write(tmp_path / "page.html")
    page = opened(watched, tmp_path / "page.html")
    page.locator("label.check input").uncheck()
    low, high = float(data.min()), float(np.percentile(data, 99.9))

    def expected(part: np.ndarray, thick: int = 1) -> np.ndarray:
        shades = np.clip((part.T[::-1] - low) / (high - low) * 255, 0, 255)
        return np.rint(shades).repeat(thick, axis=0)

    slices = [(data[:, :, 4], 1), (data[:, 5, :], 2), (data[6], 2)]
    page.locator("label:has-text('axial') input").focus()
    page.keyboard.press("Home")
    slices[0] = (data[:, :, 0], 1)
    for number, (part, thick) in enumerate(slices):
        truth = expected(part, thick)
        assert np.array_equal(stage(page, *truth.shape, number)[..., 0], truth)
    assert texts(page, ".stage output") == ["1 of 8", "6 of 10", "7 of 12"]
    # A click in one plane moves the others; what is said is the voxel there.
    _, left, top, zoom = shown(page, 0)
    page.locator(".pane canvas").nth(0).click(
        position={"x": left + 2.5 * zoom, "y": top + 3.5 * zoom}
    )
    page.mouse.move(0, 0)
    drawn(page)
    assert texts(page, ".stage output") == ["1 of 8", "7 of 10", "3 of 12"]
    assert texts(page, "td.value") == [str(data[2, 6, 0])]
    assert texts(page, "thead th:last-child") == ["value at 2, 6, 0 (R, A, S)"]


def moving(path: Path, frames: list[np.ndarray]) -> Path:
    """An animation without losses."""
    pillow = pytest.importorskip("PIL.Image", reason="needs Pillow")
    first, *rest = map(pillow.fromarray, frames)
    first.save(path, save_all=True, append_images=rest, duration=50, lossless=True)
    return path


FRAMES = [RNG.integers(0, 256, (24, 32, 3), np.uint8) for _ in range(3)]


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif"])
def test_animations_have_a_slider_of_frames(watched, tmp_path: Path, name: str) -> None:
    """Every frame of both is shown, the same one in all panes, with its own values."""
    frames = FRAMES
    if name.endswith("gif"):  # which has colours of a palette
        frames = [np.full((24, 32, 3), shade, np.uint8) for shade in (5, 90, 200)]
    other = [frame.repeat(2, 0).repeat(2, 1) for frame in frames]
    paths = [moving(tmp_path / name, frames), moving(tmp_path / f"b{name}", other)]
    album = Album("moving")
    album.add(sheet_of(Group("g", paths)))
    album.write(tmp_path / "page.html")
    page = opened(watched, tmp_path / "page.html")
    page.keyboard.press("2")
    slider = page.locator(".stage label.range:has-text('frame') input")
    slider.focus()
    for number, expected in enumerate(other, start=1):
        assert texts(page, ".stage output") == [f"{number} of 3"]
        assert np.array_equal(stage(page, 48, 64), expected)
        page.keyboard.press("ArrowRight")
    page.keyboard.press("1")
    assert np.array_equal(stage(page, 48, 64), other[-1])  # the small one, in step
    page.locator(".pane canvas").first.focus()
    page.keyboard.press("Shift+ArrowLeft")
    slider.focus()
    for expected in other[::-1]:
        red, green, blue = expected[24, 31]
        assert texts(page, "td.value") == [f"R {red}  G {green}  B {blue}"] * 2
        page.keyboard.press("ArrowLeft")


def test_as_many_frames_as_there_is_room_for(tmp_path: Path, monkeypatch) -> None:
    from zoo.view import item as module

    path = moving(tmp_path / "a.png", FRAMES)
    monkeypatch.setattr(module, "_FRAMES_BYTES", 2 * FRAMES[0].nbytes)
    item = module.read_item(path)
    assert np.array_equal(item.values, FRAMES[:2])
    assert item.notes == ("a.png: the first 2 of 3 frames are shown",)


def test_frames_are_measured_one_by_one(tmp_path: Path) -> None:

    noisy = [
        np.clip(frame.astype(int) + 9, 0, 255).astype(np.uint8) for frame in FRAMES
    ]
    paths = [moving(tmp_path / "n.png", noisy), moving(tmp_path / "t.png", FRAMES)]
    from zoo.evaluate.presets import protocol_named

    sheet = sheet_of(
        Group("g", paths[:1], paths[1]), protocol=protocol_named("basicsr")
    )
    assert "mean over 3 frames" in sheet.notes[0]
    each = [
        sheet_of(
            Group(
                "g",
                [moving(tmp_path / f"n{n}.png", [one, one])],
                moving(tmp_path / f"t{n}.png", [true, true]),
            ),
            protocol=protocol_named("basicsr"),
        )
        .items[0]
        .scores["psnr"][0]
        for n, (one, true) in enumerate(zip(noisy, FRAMES, strict=True))
    ]
    mean = np.mean([float(text.split()[0]) for text in each])
    assert abs(float(sheet.items[0].scores["psnr"][0].split()[0]) - mean) < 0.011


class Fingers:
    """Fingers on a page that is touched: Chromium's own events, no script's."""

    def __init__(self, page: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        self.page = page

    def send(self, kind: str, *points: tuple[float, float]) -> None:
        spots = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        words = {"type": kind, "touchPoints": spots}
        self.session.send("Input.dispatchTouchEvent", words)

    def drag(self, *paths: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """Each finger from one place to another, in small steps."""
        self.send("touchStart", *(start for start, _ in paths))
        for part in np.linspace(0.125, 1, 8):
            self.send(
                "touchMove",
                *(
                    (a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]))
                    for a, b in paths
                ),
            )
        self.send("touchEnd")
        drawn(self.page)


def touched(watched: Any, file: Path) -> tuple[Any, Fingers, dict[str, float]]:
    page = opened(watched, file, has_touch=True, is_mobile=True)
    return page, Fingers(page), page.locator(".pane canvas").first.bounding_box()


def test_fingers_drag_and_pinch(watched, tmp_path: Path) -> None:
    file = page_of(tmp_path, {"o.png": OTHER, "l.png": LARGE})
    page, fingers, box = touched(watched, file)
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # A finger takes the divider along.
    fingers.drag((middle, (box["x"] + 1, middle[1])))
    assert np.array_equal(corners(page, 60, 80)[:, 1:], OTHER[:, 1:])
    # Beside it, it moves the picture, and the page stays where it is.
    before = shown(page)
    fingers.drag((middle, (middle[0] + 40, middle[1] - 30)))
    after = shown(page)
    assert page.evaluate("scrollY") == 0
    assert after[3] == before[3]
    moved = (after[1] - before[1], after[2] - before[2])
    assert np.abs(np.array(moved) - (40, -30)).max() <= before[3]
    # Two of them twice as far apart: twice the step, about the middle between them.
    page.keyboard.press("0")
    zoom = shown(page)[3]

    def pixel_at(x: float, y: float) -> tuple[float, float]:
        _, left, top, zoom = shown(page)
        return (x - box["x"] - left) / zoom, (y - box["y"] - top) / zoom

    x, y = middle[0] + 30, middle[1] + 20
    there = pixel_at(x, y)
    fingers.drag(((x - 40, y), (x - 80, y)), ((x + 40, y), (x + 80, y)))
    assert shown(page)[3] == 2 * zoom
    assert np.abs(np.subtract(pixel_at(x, y), there)).max() < 1.5
    fingers.drag(((x, y - 80), (x, y - 40)), ((x, y + 80), (x, y + 40)))
    assert shown(page)[3] == zoom
    # Both in one direction: the picture goes with them.
    before = shown(page)
    fingers.drag(((x - 40, y), (x - 60, y + 20)), ((x + 40, y), (x + 20, y + 20)))
    after = shown(page)
    assert after[3] == zoom
    moved = (after[1] - before[1], after[2] - before[2])
    assert np.abs(np.array(moved) - (-20, 20)).max() <= 2 * zoom


def test_a_tap_moves_the_planes(watched, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    data = RNG.integers(0, 100, (12, 10, 8)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    album = Album("volume")
    album.add(sheet_of(Group("g", [tmp_path / "a.nii"])))
    album.write(tmp_path / "page.html")
    page, _, box = touched(watched, tmp_path / "page.html")
    _, left, top, zoom = shown(page, 0)
    page.touchscreen.tap(box["x"] + left + 2.5 * zoom, box["y"] + top + 3.5 * zoom)
    assert texts(page, ".stage output") == ["5 of 8", "7 of 10", "3 of 12"]
    assert texts(page, "td.value") == [str(data[2, 6, 4])]
