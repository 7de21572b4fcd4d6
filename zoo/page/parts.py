"""The parts of a page that are files beside this one: scripts, styles, their policy.

The scripts are modules. A page that opens from disk cannot import, so that they are
joined here, each in a scope of its own, those first that others import.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from zoo.tables import printable

__all__ = ["as_json", "page", "policy", "safe", "script", "style"]

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export ((?:async )?function|const|let|class) (\w+)", re.MULTILINE
)


@cache
def style(*names: str) -> str:
    """Style sheets, one after the other."""
    return "".join(_text(f"{name}.css") for name in names)


@cache
def script(*names: str) -> str:
    """Modules and what they import, as one script."""
    done: dict[str, str] = {}
    for name in names:
        _join(name, done)
    return '"use strict";\n' + "".join(done.values())


def _join(name: str, done: dict[str, str]) -> None:
    if name in done:
        return
    text = _text(f"{name}.js")
    for _, other in _IMPORT.findall(text):
        _join(other, done)
    names = ", ".join(made for _, made in _EXPORT.findall(text))
    text = _IMPORT.sub(r"const {\1} = module_\2;", text)
    text = _EXPORT.sub(r"\1 \2", text)
    done[name] = (
        f"const module_{name} = (() => {{\n{text}return {{ {names} }};\n}})();\n"
    )


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def policy(styles: str, scripts: str = "", *, connect: str = "'none'") -> str:
    """The content security policy of a page with one style sheet and one script."""
    ways = ["default-src 'none'", "img-src data:", f"style-src {_hash(styles)}"]
    if scripts:
        ways += [f"script-src {_hash(scripts)}", f"connect-src {connect}"]
    return "; ".join([*ways, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def safe(text: Any) -> str:
    """Text as HTML shows it, in elements and attributes."""
    return html.escape(printable(str(text)))


def as_json(value: Any) -> str:
    """JSON within a script element: nothing in it ends the element."""
    text = json.dumps(value, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(
    title: str,
    body: Sequence[str],
    *,
    styles: str,
    scripts: str = "",
    how: str | None = None,
) -> str:
    """A whole page.

    Parameters
    ----------
    title : str
    body : sequence of str
        HTML.
    styles, scripts : str
    how : str, optional
        The policy; by default one that lets nothing in, stated in the page.
    """
    stated = policy(styles, scripts) if how is None else how
    meta = f'<meta http-equiv="Content-Security-Policy" content="{stated}">'
    end = f"<script>{scripts}</script>" if scripts else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{meta}'
        f'<link rel="icon" href="data:,"><title>{safe(title)}</title><style>{styles}</style></head><body>'
        f"{''.join(body)}{end}</body></html>\n"
    )
