"""One HTML file that opens from disk: tables, charts, pictures, nothing from outside."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo._version import __version__
from zoo.charts import Bars, Panel, draw
from zoo.errors import ImageError
from zoo.files import atomic_write
from zoo.tables import printable

__all__ = ["Document"]

_STYLE = """
:root{--ink:#1d2127;--paper:#fff;--soft:#5d6570;--line:#d9dde3;--band:#f4f6f8}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--paper:#16181c;--soft:#a2a9b3;
--line:#343941;--band:#1f2328}img.chart{filter:invert(1) hue-rotate(180deg)}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:64rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line)}
p{margin:.5rem 0}.soft{color:var(--soft)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}
th:first-child,td:first-child{text-align:left}
tbody tr:nth-child(odd){background:var(--band)}
figure{margin:1rem 0}figcaption{font-size:.9rem;color:var(--soft)}
img{max-width:100%;height:auto}img.pixels{image-rendering:pixelated}
nav a{margin-right:1rem}pre{background:var(--band);padding:.7rem;overflow-x:auto}
"""


class Document:
    """A page that is written piece by piece.

    Every text is escaped; pictures are embedded. The page loads nothing and runs no
    script.

    Parameters
    ----------
    title : str
    subtitle : str
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self._parts = [f"<h1>{_safe(title)}</h1>"]
        if subtitle:
            self._parts.append(f'<p class="soft">{_safe(subtitle)}</p>')
        self._headings: list[tuple[str, str]] = []

    def heading(self, text: str) -> None:
        """A heading, which the list at the top names."""
        anchor = f"part{len(self._headings) + 1}"
        self._headings.append((anchor, text))
        self._parts.append(f'<h2 id="{anchor}">{_safe(text)}</h2>')

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{_safe(text)}</p>")

    def code(self, text: str) -> None:
        """Commands or other lines as they are."""
        lines = "\n".join(html.escape(printable(line)) for line in text.split("\n"))
        self._parts.append(f"<pre>{lines}</pre>")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table; the first column is text, the others numbers."""
        head = "".join(f"<th>{_safe(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._parts.append(
            f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def chart(self, panels: Sequence[Panel | Bars], caption: str) -> None:
        """Charts below each other."""
        self._image(_png(draw(panels)), caption, "chart")

    def picture(
        self, pixels: NDArray[np.uint8], caption: str, *, enlarged: int = 1
    ) -> None:
        """A picture, H x W or H x W x 3 (RGB), each pixel ``enlarged`` times."""
        plain = pixels if pixels.ndim == 2 else pixels[..., ::-1]
        if enlarged > 1:
            plain = plain.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
        self._image(_png(np.ascontiguousarray(plain)), caption, "pixels")

    def _image(self, png: bytes, caption: str, kind: str) -> None:
        data = base64.b64encode(png).decode("ascii")
        self._parts.append(
            f'<figure><img class="{kind}" alt="{_safe(caption)}" '
            f'src="data:image/png;base64,{data}">'
            f"<figcaption>{_safe(caption)}</figcaption></figure>"
        )

    def write(self, path: str | Path) -> None:
        """Write the file.

        Raises
        ------
        ZooError
            If it cannot be written.
        """
        links = "".join(
            f'<a href="#{anchor}">{_safe(text)}</a>' for anchor, text in self._headings
        )
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            '<meta http-equiv="Content-Security-Policy" content="default-src '
            "'none'; img-src data:; style-src 'unsafe-inline'\">"
            f"<title>{_safe(self.title)}</title><style>{_STYLE}</style></head><body>"
            f"{self._parts[0]}<nav>{links}</nav>{''.join(self._parts[1:])}"
            f'<p class="soft">Made by zoo {_safe(__version__)}.</p></body></html>\n'
        )
        with atomic_write(path) as file:
            file.write(page.encode("utf-8"))


def _safe(text: Any) -> str:
    return html.escape(printable(str(text)))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise ImageError("a picture of the report could not be encoded")
    return bytes(data.tobytes())
