"""The page in a real browser: dropped, run, looked at, saved."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from browsing import corners, shown, stage, texts
from serving import Client, running

from zoo.images.image import Image
from zoo.images.reading import read
from zoo.images.writing import write

NETWORK = "edsr_r8f32_x2"
SMALL = np.random.default_rng(8).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def service() -> Iterator[Any]:
    with running(named=[NETWORK]) as it:
        yield it


@pytest.fixture
def opened(watched: Callable[..., Any], service: Any) -> Iterator[Callable[..., Any]]:
    """Open the page; whatever it asks for is asked of this machine."""
    pages = []

    def open_page(**options: Any) -> Any:
        for identifier in list(service.store.inputs):
            service.store.remove(identifier)
        seen = watched(viewport={"width": 700, "height": 560}, **options)
        pages.append(seen)
        seen.page.goto(service.address)
        seen.page.wait_for_selector(".networks td")
        return seen.page

    yield open_page
    assert all(seen.requests for seen in pages)
    for url in (url for seen in pages for url in seen.requests):
        place = urlsplit(url)
        if place.scheme not in ("data", "blob"):
            assert place.netloc == f"127.0.0.1:{service.port}", url


DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind,
      { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def drop(page: Any, path: Path, name: str | None = None) -> None:
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(DROP, [name or path.name, data])
    page.wait_for_selector(f".card:has-text({json.dumps(name or path.name)})")
    page.wait_for_selector(".pane canvas[data-zoom]")


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_drop_run_look_save(
    opened, zoo_command: Callable[..., Any], tmp_path: Path
) -> None:
    """What the canvas shows, and what is saved, is what `zoo run` writes."""
    path = tmp_path / "photo.png"
    write(path, Image(SMALL))
    assert zoo_command("run", NETWORK, path, "-o", "large.png").returncode == 0
    large = read(tmp_path / "large.png").pixels
    page = opened()
    drop(page, path)
    assert np.array_equal(stage(page, 30, 40), SMALL)
    press(page, "Run")
    page.wait_for_selector(f".tag:has-text('{NETWORK}')")
    assert texts(page, ".tag") == ["photo.png, pixels", NETWORK]
    divider = page.locator(".viewer > label.range input")
    divider.focus()
    page.keyboard.press("Home")
    assert np.array_equal(corners(page, 60, 80)[:, 1:], large[:, 1:])
    page.keyboard.press("End")
    before = SMALL.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(corners(page, 60, 80)[:, :-1], before[:, :-1])
    page.keyboard.press("2")
    assert np.array_equal(stage(page, 60, 80), large)
    with page.expect_download() as download:
        press(page, "Save")
    assert download.value.suggested_filename == "photo_x2.png"
    saved = Path(download.value.path()).read_bytes()
    assert saved == (tmp_path / "large.png").read_bytes()
    # A tab that is opened again still knows the token, and the address does not show it.
    assert "#" not in page.url
    page.reload()
    page.wait_for_selector(f".tag:has-text('{NETWORK}')")
    press(page, "Remove")
    page.wait_for_selector(".card", state="detached")


def test_by_keyboard_alone(opened, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    write(path, Image(SMALL))
    page = opened()

    def tab_to(css: str) -> None:
        for _ in range(60):
            if page.evaluate("css => document.activeElement.matches(css)", css):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{css} is not reached by Tab")

    # The browser is told to expect it well before it comes.
    with page.expect_file_chooser() as chooser:
        tab_to("input[type=file]")
        page.wait_for_selector(".networks td:last-child:not(:has-text('…'))")
        page.keyboard.press("Enter")
    chooser.value.set_files(str(path))
    page.wait_for_selector(".pane canvas[data-zoom]")
    tab_to(f"input[value='{NETWORK}']")
    assert page.locator(f"input[value='{NETWORK}']").is_checked()
    tab_to("button.strong")
    page.keyboard.press("Enter")
    page.wait_for_selector(f".tag:has-text('{NETWORK}')")
    tab_to("input[type=radio]:checked")
    page.keyboard.press("ArrowRight")
    assert len(texts(page, ".pane .tag:visible")) == 2
    tab_to("canvas")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Shift+ArrowRight")
    shown(page)
    assert all(text.startswith("R ") for text in texts(page, "td.value"))


def test_a_run_is_cancelled(opened, service: Any, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    write(path, Image(np.zeros((1600, 1600, 3), np.uint8)))
    page = opened()
    drop(page, path)
    page.locator(f"input[value='{NETWORK}']").uncheck()
    page.locator("input[value='edsr_x4']").check()
    press(page, "Run")
    page.wait_for_selector(".jobs progress[value]:not([value='0'])")
    press(page, "Cancel")
    page.wait_for_selector(".state:has-text('cancelled')")
    (job,) = service.store.jobs.values()
    assert Client(service).ended(job.id, 20)["state"] == "cancelled"
    assert job.output is None
    # Nothing half-written is left, and the next job runs.
    assert len(list(service.store.folder.iterdir())) == 1
    page.locator("input[value='edsr_x4']").uncheck()
    press(page, "Remove")


HOSTILE = [
    "<img src=x onerror=document.title='owned'>.png",
    "</script><script>document.title='owned'</script>.png",
    "\u202egpj.exe",
    "'\"`&lt;${document.title='owned'}.png",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_files_are_text(opened, tmp_path: Path, name: str) -> None:
    path = tmp_path / "plain.png"
    write(path, Image(SMALL))
    page = opened()
    page.evaluate(DROP, [name, base64.b64encode(path.read_bytes()).decode()])
    page.wait_for_selector(".pane canvas[data-zoom]")
    shown_name = name.rpartition("/")[2].replace("\u202e", "\\u202e")
    assert texts(page, ".card .name") == [shown_name]
    assert page.title() == "zoo"
    assert page.locator("img").count() == 1  # the thumbnail
    press(page, "Run")
    page.wait_for_selector(f".tag:has-text('{NETWORK}')")
    assert page.title() == "zoo"


def test_what_is_refused_is_said(opened) -> None:
    page = opened(ignoring="422")
    data = base64.b64encode(b"no picture").decode()
    page.evaluate(DROP, ["<b>x.png", data])
    page.wait_for_selector(".said.bad")
    assert "<b>x.png is of no format" in page.locator(".said").inner_text()


def test_measured_and_reported(opened, tmp_path: Path) -> None:
    """Scores in the page, and the report that `zoo eval --report` writes."""
    path = tmp_path / "photo.png"
    write(path, Image(np.kron(SMALL, np.ones((3, 3, 1), np.uint8))))
    page = opened()
    drop(page, path)
    press(page, "Measure")
    page.wait_for_selector(".reports table")
    assert texts(page, ".reports tbody td:first-child") == ["bicubic", NETWORK]
    with page.expect_download() as download:
        press(page, "Save report")
    report = Path(download.value.path()).read_text()
    assert "photo.png" in report
    assert "zoo-serve-" not in report


def test_without_the_token_nothing_is_shown(watched, service: Any) -> None:
    seen = watched(ignoring="401")
    seen.page.goto(f"http://127.0.0.1:{service.port}/")
    seen.page.wait_for_selector(".said.bad")
    assert "the token is missing" in seen.page.locator(".said").inner_text()


# Whether all that is in an element, tables that could be scrolled too, is seen.
FITS = """css => {
  const box = document.querySelector(css).getBoundingClientRect();
  return [...document.querySelectorAll(`${css} *`)].every((one) =>
    one.scrollWidth <= one.clientWidth + 1 || getComputedStyle(one).display === "inline") &&
    [...document.querySelectorAll(`${css} td, ${css} th`)].every((one) =>
      one.getBoundingClientRect().right <= box.right + 1);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out(opened, tmp_path: Path, width: int, scheme: str) -> None:
    path = tmp_path / ("a_long_name_" * 8 + ".png")
    write(path, Image(SMALL))
    page = opened(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    drop(page, path)
    press(page, "Run")
    page.wait_for_selector(f".tag:has-text('{NETWORK}')")
    press(page, "Measure")
    page.wait_for_selector(".reports table")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FITS, ".reports")
    boxes = page.locator("button:visible, select:visible").all()
    for box in (one.bounding_box() for one in boxes):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_volumes_are_run(opened, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    data = np.random.default_rng(2).integers(0, 900, (12, 14, 6)).astype(np.int16)
    path = tmp_path / "t1.nii.gz"
    nibabel.save(nibabel.Nifti1Image(data, np.diag([1, 1, 3, 1.0])), path)
    page = opened()
    drop(page, path)
    press(page, "Run")
    page.wait_for_selector(f".tag:has-text('{NETWORK}')")
    assert texts(page, ".stage output") == ["4 of 6", "15 of 28", "13 of 24"]
    with page.expect_download() as download:
        press(page, "Save")
    assert download.value.suggested_filename == "t1_x2.nii.gz"
    saved = io.BytesIO(Path(download.value.path()).read_bytes())
    assert saved.getvalue().startswith(b"\x1f\x8b")
