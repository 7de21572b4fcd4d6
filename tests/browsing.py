"""A real browser for tests: Debian's Chromium, driven by Playwright's package.

And what a viewer on a page shows, pixel by pixel.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

__all__ = ["Watched", "corners", "drawn", "open_browser", "shown", "stage", "texts"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_browser() -> Iterator[Any]:
    """Playwright's browser; skips where there is none."""
    sync = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright; pip install playwright"
    )
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox"] if is_root else [],
        )
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page whose every request and complaint is kept.

    Attributes
    ----------
    page : playwright.sync_api.Page
    requests : list of str
        URLs.
    complaints : list of str
        Errors of scripts, and what the console says of errors.
    """

    def __init__(self, browser: Any, ignoring: str = "\0", **options: Any) -> None:
        self._ignoring = ignoring  # complaints that are meant
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(45_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and self._ignoring not in message.text:
            self.complaints.append(message.text)

    def close(self) -> None:
        """Close the page, and fail if anything was wrong on it."""
        self.context.close()
        assert not self.complaints


READ = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let i = 0; i < data.length; i += 8192) {
    text += String.fromCharCode(...data.subarray(i, i + 8192));
  }
  const { left, top, zoom } = canvas.dataset;
  return [canvas.width, canvas.height, Number(left), Number(top), Number(zoom), btoa(text)];
}"""
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def drawn(page: Any) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate(DRAWN)


def shown(page: Any, number: int = 0) -> tuple[np.ndarray, int, int, float]:
    """Pixels of a canvas, where pixel 0, 0 of the stage lies, and the zoom."""
    drawn(page)
    canvas = page.locator(".pane canvas").nth(number)
    width, height, left, top, zoom, data = canvas.evaluate(READ)
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
    return pixels[..., :3], left, top, zoom


def stage(page: Any, height: int, width: int, number: int = 0) -> np.ndarray:
    """What a canvas shows of the stage, one pixel for each of its units."""
    pixels, left, top, zoom = shown(page, number)
    assert zoom == int(zoom), "the picture must not be averaged"
    step = int(zoom)
    part = pixels[top : top + height * step, left : left + width * step]
    assert part.shape == (height * step, width * step, 3)
    blocks = part.reshape(height, step, width, step, 3)
    assert (blocks == blocks[:, :1, :, :1]).all(), "a pixel is one square of one colour"
    return blocks[:, 0, :, 0]


def texts(page: Any, css: str) -> list[str]:
    """What elements say, once all is drawn."""
    drawn(page)
    return page.locator(css).all_inner_texts()


def corners(page: Any, height: int, width: int) -> np.ndarray:
    """The upper left corner of each pixel of the stage: a divider lies somewhere."""
    pixels, left, top, zoom = shown(page)
    step = int(zoom)
    rows, columns = (
        slice(top, top + height * step, step),
        slice(left, left + width * step, step),
    )
    return pixels[rows, columns]
