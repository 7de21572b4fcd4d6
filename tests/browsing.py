"""A real browser for tests: Debian's Chromium, driven by Playwright's package."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["Watched", "open_browser"]

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

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def close(self) -> None:
        """Close the page, and fail if anything was wrong on it."""
        self.context.close()
        assert not self.complaints
