"""`zoo eval --on --report` writes the page that `zoo eval --report` writes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from zoo.cli import main
from zoo.images import Image, write
from zoo.run.engines import Engine

# The last column of the table, and the chart of quality against time.
TIMES = re.compile(r'<td>[^<]*</td></tr>|<img class="chart" alt="By network[^>]*>')


class _Backwards(Engine):
    """Does everything here, the last item first, through what would be sent."""

    def work(self, call):
        import pickle

        for number in reversed(range(len(call.items))):
            item, common, networks = pickle.loads(
                pickle.dumps((call.items[number], call.common, call.networks))
            )
            yield number, pickle.loads(pickle.dumps(item.run(common, networks)))


def pages(folder: Path, words: list[str], monkeypatch) -> list[str]:
    """The page of one process, and that of an engine, without what depends on time."""
    from zoo.run import engines

    monkeypatch.setattr(
        engines, "engine_at", lambda at, say, **rest: _Backwards(at, say)
    )
    monkeypatch.chdir(folder)
    found = []
    for name, on in (("plain", []), ("away", ["--on", "local:2"])):
        page = folder / f"{name}.html"
        assert main(["eval", *words, "--report", str(page), *on]) == 0
        text = page.read_text(encoding="utf-8").replace(page.name, "page.html")
        found.append(TIMES.sub("", text.replace(" --on local:2", "")))
    return found


def test_pictures(tmp_path: Path, monkeypatch) -> None:
    rng = np.random.default_rng(1)
    for name in "abc":
        pixels = rng.integers(0, 256, (40, 36, 3)).astype(np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        write(tmp_path / "in" / f"{name}.png", Image(pixels))
    words = ["edsr_r8f32_x2", "bicubic", "in"]
    plain, away = pages(tmp_path, words, monkeypatch)
    assert "Where it is worst" in plain
    assert plain == away


def test_volumes_of_one_name(tmp_path: Path, monkeypatch) -> None:
    """The slices of the first are shown, not those of both laid over each other."""
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    rng = np.random.default_rng(2)
    for place in ("one", "two"):
        (tmp_path / "in" / place).mkdir(parents=True)
        data = rng.normal(100, 30, (24, 28, 5)).astype(np.float32)
        image = nibabel.Nifti1Image(data, np.diag([1.0, 1.0, 3.0, 1.0]))
        nibabel.save(image, tmp_path / "in" / place / "t1.nii")
    words = ["edsr_r8f32_x2", "bicubic", "in"]
    plain, away = pages(tmp_path, words, monkeypatch)
    assert "the first of 2 volumes" in plain
    assert plain == away
