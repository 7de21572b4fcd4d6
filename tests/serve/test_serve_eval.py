"""Measuring on the page: the scores and the report of `zoo eval`, of volumes too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import Client, running

NETWORK = "edsr_r8f32_x2"
RANDOM_NAME = re.compile(r"[0-9a-f]{32}")


def test_volumes_are_measured_as_the_command_does(
    tmp_path: Path, zoo_command: Callable[..., Any]
) -> None:
    """Scores, slices of all ways in one figure, and the worst slice by its name."""
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    rng = np.random.default_rng(4)
    identifiers = []
    with running(named=[NETWORK]) as service:
        client = Client(service)
        for name in ("one/t1.nii", "two/t1.nii"):
            data = rng.integers(0, 900, (24, 28, 5)).astype(np.int16)
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True)
            nibabel.save(nibabel.Nifti1Image(data, np.diag([1, 1, 3, 1.0])), path)
            identifiers.append(client.drop(path.read_bytes(), path.name)["id"])
        job = client.run("evaluation", identifiers, [NETWORK])
        assert job["state"] == "done", job
        report = client.send("GET", f"/api/jobs/{job['id']}/file").body.decode()
    assert "zoo-serve" not in report + json.dumps(job)
    words = re.sub(
        r"<style.*?</style>|<script.*?</script>", " ", report, flags=re.DOTALL
    )
    words = re.sub(r"<[^>]*>", " ", words)
    assert not RANDOM_NAME.search(words)
    assert words.count("measured in axial slices") == 1
    assert "t1.nii (the first of 2 volumes), x2" in words
    for entrant in (NETWORK, "bicubic"):
        assert re.search(rf"{entrant} on dropped, t1( \(2\))?\.nii axial \d:", words)
    command = ("eval", NETWORK, "bicubic", tmp_path / "in", "--json")
    told = json.loads(zoo_command(*command).stdout)
    _, *rows = job["table"]
    shown = {row[0]: row[2:4] for row in rows}
    for result in told:
        scores = [f"{result['psnr']:.2f}", f"{result['ssim']:.4f}"]
        assert shown[result["model"]] == scores
