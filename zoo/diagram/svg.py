"""A network's layout as SVG."""

from __future__ import annotations

from html import escape as escape_html

from zoo.diagram.layout import Frame, Layout, Row, lay_out
from zoo.network import Network
from zoo.shapes import Shape
from zoo.tables import printable

__all__ = ["draw_network"]

_ROW = 26  # pixels from row to row
_BOX = 20  # of which a box takes
_WIDTH = 306
_LANE = 9
_MARGIN = 24
_TITLE = 40
_LETTER = 6.1  # width of a letter of 11 pixels, about

_COLORS = {
    "convolutional": ("#dbe9f8", "#2f6fb0"),
    "deconvolutional": ("#dbe9f8", "#2f6fb0"),
    "connected": ("#d5eeea", "#22806f"),
    "local": ("#d5eeea", "#22806f"),
    "maxpool": ("#e3f1d8", "#55892b"),
    "avgpool": ("#e3f1d8", "#55892b"),
    "local_avgpool": ("#e3f1d8", "#55892b"),
    "shortcut": ("#fdebcf", "#b9770e"),
    "sam": ("#fdebcf", "#b9770e"),
    "scale_channels": ("#fdebcf", "#b9770e"),
    "route": ("#f0e3f7", "#7d3c98"),
    "upsample": ("#fbe0ea", "#b03a68"),
    "shuffler": ("#fbe0ea", "#b03a68"),
    "reorg": ("#fbe0ea", "#b03a68"),
    "reorg3d": ("#fbe0ea", "#b03a68"),
    "yolo": ("#fadbd8", "#a93226"),
    "gaussian_yolo": ("#fadbd8", "#a93226"),
    "region": ("#fadbd8", "#a93226"),
    "detection": ("#fadbd8", "#a93226"),
    "softmax": ("#fadbd8", "#a93226"),
}
_OTHER = ("#eceff1", "#546e7a")


def draw_network(
    network: Network, height: int | None = None, width: int | None = None
) -> str:
    """Draw a network.

    Parameters
    ----------
    network : Network
        With or without weights.
    height, width : int, optional
        Of the picture; by default [net]'s.

    Returns
    -------
    str
        SVG: a row for each layer, from top to bottom and in columns, with what it is
        and the rows x columns x channels that it makes. Blocks that repeat are drawn
        once, in a frame that says how often. Links to other layers than the one above
        are lines on the right, long ones words.

    Raises
    ------
    ShapeError
        If the network cannot take such a picture.
    """
    nominal = network.nominal_size
    layout = lay_out(network, height or nominal[0], width or nominal[1])
    lanes = max((link.lane for link in layout.links), default=-1) + 1
    step = _WIDTH + _MARGIN * 2 + lanes * _LANE
    total = (
        _MARGIN + layout.columns * step,
        _TITLE + _MARGIN * 2 + layout.tallest * _ROW,
    )
    parts = [_title(network, layout)]

    def at(row: Row) -> tuple[float, float]:
        return (
            _MARGIN + row.column * step,
            _TITLE + _MARGIN + row.place * _ROW,
        )

    parts += [_frame(layout, frame, at) for frame in layout.frames]
    parts += _lines(layout, at, step)
    parts += [_box(row, *at(row)) for row in layout.rows]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total[0]:.0f}" '
        f'height="{total[1]:.0f}" viewBox="0 0 {total[0]:.0f} {total[1]:.0f}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _title(network: Network, layout: Layout) -> str:
    name = _escaped(network.source.replace("\\", "/").rpartition("/")[2])
    count = len(network)
    shown = f", {len(layout.rows) - 1} drawn" if len(layout.rows) - 1 < count else ""
    return (
        f'<text x="{_MARGIN}" y="{_MARGIN + 6}" font-size="17" font-weight="bold" '
        f'fill="#263238">{name}</text>\n<text x="{_MARGIN}" y="{_MARGIN + 24}" '
        f'fill="#607d8b">{count} layers{shown}; {network.parameter_count:,} parameters; '
        f"rows x columns x channels</text>"
    )


def _escaped(text: str) -> str:
    """A name or a value as text of XML, which knows no control characters."""
    return escape_html(printable(text))


def _text(shape: Shape) -> str:
    return f"{shape.height}x{shape.width}x{shape.channels}"


def _box(row: Row, x: float, y: float) -> str:
    """A layer: number, words, shape."""
    fill, ink = _COLORS.get(row.kind, _OTHER)
    number = "" if row.index < 0 else str(row.index)
    border = 2.2 if row.is_output else 1
    words = row.text
    tags = f" from {', '.join(row.tags)}" if row.tags else ""
    shape = _text(row.shape)
    room = int((_WIDTH - 46 - len(shape) * _LETTER) / _LETTER)
    if len(words) + len(tags) > room:
        keep = max(4, room - len(tags) - 1)
        words = words if len(words) <= keep else words[: keep - 1] + "…"
        tags = (
            tags if len(words) + len(tags) <= room else tags[: room - len(words)] + "…"
        )
    spans = f"{_escaped(words)}"
    if tags:
        spans += f'<tspan fill="#7d3c98" font-style="italic">{_escaped(tags)}</tspan>'
    middle = y + _BOX / 2 + 4
    full = _escaped(
        f"{number} {row.text}" + (f" from {', '.join(row.tags)}" if row.tags else "")
    )
    return (
        f"<g><title>{full}: {shape}</title>"
        f'<rect x="{x + 26:.0f}" y="{y:.1f}" width="{_WIDTH - 26}" height="{_BOX}" '
        f'rx="4" fill="{fill}" stroke="{ink}" stroke-width="{border}"/>'
        f'<text x="{x + 21:.0f}" y="{middle:.1f}" text-anchor="end" fill="#90a4ae" '
        f'font-size="9.5">{number}</text>'
        f'<text x="{x + 34:.0f}" y="{middle:.1f}" fill="#263238">{spans}</text>'
        f'<text x="{x + _WIDTH - 8:.0f}" y="{middle:.1f}" text-anchor="end" '
        f'fill="{ink}">{shape}</text></g>'
    )


def _frame(layout: Layout, frame: Frame, at: object) -> str:
    """The frame around a block that repeats; it may be torn by a column's end."""
    assert callable(at)
    parts = []
    first = frame.first
    while first <= frame.last:
        column = layout.rows[first].column
        last = first
        while last < frame.last and layout.rows[last + 1].column == column:
            last += 1
        x, top = at(layout.rows[first])
        _, bottom = at(layout.rows[last])
        parts.append(
            f'<rect x="{x - 3:.0f}" y="{top - 6:.1f}" width="{_WIDTH + 9}" '
            f'height="{bottom - top + _BOX + 12:.1f}" rx="7" fill="#f7f9fa" '
            f'stroke="#90a4ae" stroke-dasharray="5 3"/>'
        )
        if first == frame.first:
            parts.append(
                f'<text x="{x + _WIDTH + 10:.0f}" y="{top - 9:.1f}" text-anchor="end" '
                f'font-weight="bold" fill="#455a64">{frame.times} times, to '
                f"{frame.stop - 1}</text>"
            )
        first = last + 1
    return "\n".join(parts)


def _lines(layout: Layout, at: object, step: float) -> list[str]:
    """Arrows from row to row, and the lines of links."""
    assert callable(at)
    parts = []
    for number in range(1, len(layout.rows)):
        if number in layout.breaks:
            continue
        row, above = layout.rows[number], layout.rows[number - 1]
        x, y = at(row)
        center = x + 26 + (_WIDTH - 26) / 2
        if row.column == above.column:
            _, top = at(above)
            parts.append(_arrow(f"M{center:.0f},{top + _BOX:.1f} V{y:.1f}", y, center))
        else:
            parts.append(_arrow(f"M{center:.0f},{y - 12:.1f} V{y:.1f}", y, center))
            parts.append(
                f'<text x="{center + 6:.0f}" y="{y - 4:.1f}" font-size="9.5" '
                f'fill="#90a4ae">from {above.index}</text>'
            )
    for link in layout.links:
        x, top = at(layout.rows[link.source])
        _, bottom = at(layout.rows[link.target])
        right = x + _WIDTH
        out = right + 14 + link.lane * _LANE
        color = _COLORS.get(layout.rows[link.target].kind, _OTHER)[1]
        top, bottom = top + _BOX * 0.72, bottom + _BOX * 0.36
        parts.append(
            f'<path d="M{right:.0f},{top:.1f} H{out - 5:.0f} '
            f"q5,0 5,5 V{bottom - 5:.1f} q0,5 -5,5 H{right + 5:.0f}"
            f'" fill="none" stroke="{color}" stroke-width="1.3"/>'
            f'<path d="M{right + 7:.0f},{bottom - 3.5:.1f} l-7,3.5 l7,3.5 z" '
            f'fill="{color}"/>'
        )
    return parts


def _arrow(path: str, y: float, x: float) -> str:
    return (
        f'<path d="{path}" stroke="#b0bec5" fill="none"/>'
        f'<path d="M{x - 3:.1f},{y - 4:.1f} l3,4 l3,-4 z" fill="#b0bec5"/>'
    )
