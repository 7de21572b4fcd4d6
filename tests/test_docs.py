"""The documents: what they show works, and what they point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zoo.cli import COMMANDS
from zoo.network import Network

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
]


def blocks(path: Path, language: str) -> list[str]:
    """Code of one language in a document."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", ["README.md", "docs/cfg.md"])
def test_shown_networks_are_networks(name: str) -> None:
    texts = [text for text in blocks(ROOT / name, "ini") if "[net]" in text]
    assert texts
    for text in texts:
        network = Network.parse(text, name)
        assert network.scale == 2
        assert network.shapes(5, 7)[-1] == (10, 14, 3)


def test_readme_shows_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\| `zoo (\w+)", text, re.MULTILINE))
    assert shown == set(COMMANDS)


def test_readme_says_what_ci_runs() -> None:
    (commands,) = [text for text in blocks(ROOT / "README.md", "sh") if "make" in text]
    assert re.findall(r"^make \w+", commands, re.MULTILINE) == [
        "make demo",
        "make test",
        "make docs",
    ]


def test_the_layer_in_the_docs_is_the_tested_one() -> None:
    code = (ROOT / "examples/acme_zoo/acme_zoo/blur.py").read_text(encoding="utf-8")
    assert code in blocks(ROOT / "docs" / "add_layer.md", "python")


def test_every_variable_is_documented() -> None:
    text = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(ZOO_\w+)`", text, re.MULTILINE))
    used: set[str] = set()
    for suffix in ("py", "pyx", "c", "h"):
        for path in (ROOT / "zoo").rglob(f"*.{suffix}"):
            if path.name != "_native.c":
                source = path.read_text(encoding="utf-8")
                used |= set(re.findall(r"""["'](ZOO_[A-Z_]+)["']""", source))
    assert used == documented
