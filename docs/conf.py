"""The site: `make docs` builds it into site/, and a warning is an error.

Beside Sphinx's own work: names of zoo that are not in the reference are code where
they exist and an error where they do not; NumPy docstrings are held against their
signatures; what the registries hold is listed from them.
"""

from __future__ import annotations

import posixpath
import re
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from docutils import nodes
from numpydoc.validate import validate
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

from zoo import __version__

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "CONTRIBUTING.md": "docs/contributing.md",
    "CHANGELOG.md": "docs/changelog.md",
    "README.md": "docs/index.md",
    "zoo/weights/README.md": "docs/weights.md",
}
"""Files that are pages of the site by being included in one."""
log = logging.getLogger(__name__)

project = "zoo"
author = copyright = "the authors of zoo"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
]
exclude_patterns = ["images"]
myst_heading_anchors = 3
myst_enable_extensions = ["substitution"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it, with shapes
autodoc_default_options = {"members": True, "special-members": "__call__"}
smartquotes = False  # two hyphens are an option
default_role = "literal"  # what `zoo --help` puts between single backticks
autodoc_inherit_docstrings = True
napoleon_google_docstring = False
napoleon_use_rtype = False

nitpicky = True
# What stands after a parameter's name is a sentence, not a reference.
nitpick_ignore_regex = [("py:class", r"(?!zoo\.).*")]

html_theme = "furo"
html_title = f"zoo {release}"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["zoo.css"]


def listed(group: str, options: str = "") -> str:
    """Directives for what zoo itself registers in a group, each object once."""
    points = {
        point.value: point
        for point in entry_points(group=group)
        if point.dist is not None and point.dist.name == "cfgzoo"
    }
    lines = []
    for value in sorted(points):
        module, _, name = value.partition(":")
        kind = "class" if isinstance(points[value].load(), type) else "function"
        lines += [f".. auto{kind}:: {module}.{name}", f"   {options}", ""]
    return "\n".join(["```{eval-rst}", *lines, "```"])


myst_substitutions = {
    "layers": listed("zoo.layers", ":no-members:"),
    "families": listed("zoo.models", ":no-members:"),
    "readers": listed("zoo.readers", ":no-members:"),
    "formats": listed("zoo.formats", ":no-members:"),
    "metrics": listed("zoo.metrics"),
}


def check_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Warn of a public docstring that is missing or says other than the signature.

    A docstring of a sentence is enough where that says all; one with a section of
    parameters has all of them, in their order.
    """
    if what in ("property", "attribute") and ": " in "".join(lines[:1]):
        log.warning("%s: what stands before a colon is taken for its type", name)
    if what not in ("function", "method", "class", "exception"):
        return
    if not lines:
        log.warning("%s has no docstring", name)
        return
    wrong = {"PR02", "PR03"}
    if any("Parameters" == line.strip() for line in (obj.__doc__ or "").splitlines()):
        wrong.add("PR01")
    for code, text in validate(name)["errors"]:
        if code in wrong:
            log.warning("%s: %s", name, text)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.Element
) -> nodes.Element | None:
    """Find what a short name means, or let a name of zoo stand as code."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"])
    name = target.rpartition(".")[2]
    found = {
        (entry.docname, entry.node_id): full
        for full, entry in env.get_domain("py").objects.items()
        if full.rpartition(".")[2] == name and not entry.aliased
    }
    if len(found) == 1:
        (((docname, anchor), full),) = found.items()
        return make_refnode(app.builder, node["refdoc"], docname, anchor, content, full)
    around = (node.get("py:module"), node.get("py:class"))
    places = [".".join(filter(None, around[:end])) for end in range(3)]
    return (
        content
        if found or any(exists(f"{place}.{target}".strip(".")) for place in places)
        else None
    )


def exists(name: str) -> bool:
    """Whether a dotted name can be imported, or is an attribute of what can."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            item: Any = import_module(".".join(parts[:end]))
        except ImportError:
            continue
        try:
            for part in parts[end:]:
                item = getattr(item, part)
        except AttributeError:
            return False
        return True
    return False


def rewritten(text: str, folder: str) -> str:
    """Links of a Markdown file, which lead from its own folder, as the site has them.

    A file that is no page is offered as it is, a folder is its name alone. What is
    not there is left for Sphinx to complain of.
    """

    def link(found: re.Match[str]) -> str:
        path, _, anchor = found[3].partition("#")
        whole = posixpath.normpath(posixpath.join(folder, path))
        place = PAGES.get(whole, whole).removeprefix("docs/")
        if not path or ":" in path or not (ROOT / whole).exists():
            return found[0]
        if (ROOT / whole).is_dir():
            return found[2]
        if place == whole:
            place = f"../{place}"
        return f"{found[1]}[{found[2]}](/{place}{anchor and '#'}{anchor})"

    return re.sub(r"(!?)\[([^][]*)\]\(([^()\s]+)\)", link, text)


def rewrite_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Links of a page."""
    source[0] = rewritten(source[0], posixpath.join("docs", posixpath.dirname(page)))


def rewrite_included(app: Sphinx, path: Path, page: str, source: list[str]) -> None:
    """Links of a file that a page includes, such as README.md."""
    folder = (ROOT / "docs" / path).resolve().relative_to(ROOT).parent.as_posix()
    source[0] = rewritten(source[0], folder)


def draw_dashes(app: Sphinx, doctree: nodes.document) -> None:
    """What Sphinx puts between a parameter and its meaning, for want of smartquotes."""
    for text in [*doctree.findall(nodes.Text)]:
        if " -- " in text and not isinstance(text.parent, nodes.FixedTextElement):
            text.parent.replace(text, nodes.Text(text.replace(" -- ", " – ")))


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.connect("autodoc-process-docstring", check_docstring)
    app.connect("missing-reference", resolve)
    app.connect("doctree-read", draw_dashes)
    app.connect("source-read", rewrite_page)
    app.connect("include-read", rewrite_included)
