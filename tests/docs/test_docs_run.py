"""What the documents show runs: every block of commands and of Python, in order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import PAGES, ROOT, Block, blocks_of
from doc_workshop import Workshop

# Blocks that no test runs, in all documents. Each has its reason beside it.
NOT_RUN = 6

RUNNABLE = [page for page in PAGES if any(not b.reason for b in blocks_of(page))]


def run_page(page: Path, folder: Path, *, slow: bool) -> None:
    """Run the blocks of a page in one folder, without or with the slow ones."""
    workshop = Workshop(folder, page.read_text(encoding="utf-8"))
    before = Path.cwd()
    names: dict[str, object] = {"__name__": page.stem}
    sys.path.insert(0, str(workshop.folder))
    os.chdir(workshop.folder)
    try:
        for block in blocks_of(page):
            if block.reason or (block.is_slow and not slow):
                continue
            if block.language == "sh":
                run_commands(block, workshop, page)
            else:
                run_python(block, names, page)
    finally:
        os.chdir(before)
        sys.path.remove(str(workshop.folder))


def run_commands(block: Block, workshop: Workshop, page: Path) -> None:
    where = f"{page.relative_to(ROOT)}:{block.line}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"set -v\n{block.code}"],
        cwd=workshop.folder,
        env=workshop.environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900 if block.is_slow else 300,
        check=False,
    )
    assert result.returncode == 0, f"{where}\n{result.stderr}\n{result.stdout[-2000:]}"
    assert "Traceback" not in result.stderr, f"{where}\n{result.stderr}"


def run_python(block: Block, names: dict[str, object], page: Path) -> None:
    # Blank lines in front: a traceback then has the line of the page.
    code = "\n" * (block.line - 1) + block.code
    exec(compile(code, str(page), "exec"), names)  # noqa: S102 - our own documents


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.is_slow for block in blocks_of(page))],
    ids=lambda page: page.stem,
)
def test_page_in_full(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path, slow=True)


def test_few_blocks_are_not_run() -> None:
    left = [
        f"{page.name}:{block.line}: {block.reason}"
        for page in PAGES
        for block in blocks_of(page)
        if block.reason
    ]
    assert len(left) <= NOT_RUN, "\n".join(left)


def test_a_page_that_is_wrong_fails(tmp_path: Path) -> None:
    for number, code in enumerate(("zoo shwo edsr_x2", "zoo show edsr_x9 | cat")):
        page = tmp_path / "wrong.md"
        page.write_text(f"```sh\n{code}\n```\n", encoding="utf-8")
        folder = tmp_path / str(number)
        folder.mkdir()
        (block,) = blocks_of(page)
        with pytest.raises(AssertionError):
            run_commands(block, Workshop(folder, code), ROOT / "README.md")


def test_every_fence_is_a_block() -> None:
    """No mark swallows what stands behind it."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = text.count("\n```sh\n") + text.count("\n```python\n")
        assert len(blocks_of(page)) == fences, page
