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
from zoo.page import parts
from zoo.page.blocks import Blocks
from zoo.page.parts import safe
from zoo.tables import printable

__all__ = ["Document"]


class Document:
    """A page that is written piece by piece.

    Every text is escaped; pictures are embedded. The page loads nothing, and runs no
    script but zoo's own where there are slices to move through.

    Parameters
    ----------
    title : str
    subtitle : str
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self._parts = [f"<h1>{safe(title)}</h1>"]
        if subtitle:
            self._parts.append(f'<p class="soft">{safe(subtitle)}</p>')
        self._headings: list[tuple[str, str]] = []
        self._blocks = Blocks()

    def heading(self, text: str) -> None:
        """A heading, which the list at the top names."""
        anchor = f"part{len(self._headings) + 1}"
        self._headings.append((anchor, text))
        self._parts.append(f'<h2 id="{anchor}">{safe(text)}</h2>')

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{safe(text)}</p>")

    def code(self, text: str) -> None:
        """Commands or other lines as they are."""
        lines = "\n".join(html.escape(printable(line)) for line in text.split("\n"))
        self._parts.append(f"<pre>{lines}</pre>")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table; the first column is text, the others numbers."""
        head = "".join(f"<th>{safe(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{safe(cell)}</td>" for cell in row) + "</tr>"
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

    def slices(
        self,
        stacks: Sequence[tuple[str, NDArray[Any]]],
        caption: str,
        *,
        low: float,
        high: float,
        labels: Sequence[str] = (),
        first: int | None = None,
        aspect: float = 1.0,
    ) -> None:
        """Stacks of slices beside each other, with one slider through all of them.

        Parameters
        ----------
        stacks : sequence of (str, ndarray)
            A name, and N x H x W or N x H x W x 3 (RGB) of whole numbers or floats,
            which are kept as they are. The slider counts the slices of the longest;
            the others show what lies in the same place.
        caption : str
        low, high : float
            The values that are black and white.
        labels : sequence of str
            What is said of each slice; by default its number.
        first : int, optional
            The slice that is shown first; by default the one in the middle.
        aspect : float
            Width of a pixel for a height of 1.

        Raises
        ------
        ZooError
            If the page would hold more than :data:`zoo.page.blocks.MOST_BYTES`.
        """
        found = []
        for name, stack in stacks:
            shape = (*stack.shape, 1)[:4]
            facts = self._blocks.add(stack, shape[3])
            found.append({"name": printable(name), "shape": shape, **facts})
        most = max(stack.shape[0] for _, stack in stacks)
        facts = {
            "stacks": found,
            "low": float(low),
            "high": float(high),
            "labels": [printable(label) for label in labels],
            "first": most // 2 if first is None else first,
            "aspect": float(aspect),
        }
        self._parts.append(
            f'<figure class="slices"><script type="application/json">'
            f"{parts.as_json(facts)}</script>"
            f"<figcaption>{safe(caption)}</figcaption></figure>"
        )

    def _image(self, png: bytes, caption: str, kind: str) -> None:
        data = base64.b64encode(png).decode("ascii")
        self._parts.append(
            f'<figure><img class="{kind}" alt="{safe(caption)}" '
            f'src="data:image/png;base64,{data}">'
            f"<figcaption>{safe(caption)}</figcaption></figure>"
        )

    def write(self, path: str | Path) -> None:
        """Write the file.

        Raises
        ------
        ZooError
            If it cannot be written.
        """
        links = "".join(
            f'<a href="#{anchor}">{safe(text)}</a>' for anchor, text in self._headings
        )
        body = [
            self._parts[0],
            f"<nav>{links}</nav>",
            *self._parts[1:],
            f'<p class="soft">Made by zoo {safe(__version__)}.</p>',
            self._blocks.html(),
        ]
        page = parts.page(
            self.title,
            body,
            styles=parts.style("base", "document", "slices"),
            scripts=parts.script("slices") if self._blocks.size else "",
        )
        with atomic_write(path) as file:
            file.write(page.encode("utf-8"))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise ImageError("a picture of the report could not be encoded")
    return bytes(data.tobytes())
