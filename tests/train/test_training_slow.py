"""A small EDSR, trained for a minute or two, beats bicubic."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import Bicubic
from zoo.evaluate.protocol import cases_in, evaluate
from zoo.models.edsr import EDSR
from zoo.train.options import TrainingOptions
from zoo.train.session import Session


@pytest.mark.slow
def test_small_edsr_beats_bicubic_on_set5(shared: Path, tmp_path: Path) -> None:
    cfg = tmp_path / "edsr.cfg"
    cfg.write_text(EDSR.write(blocks=4, filters=16, scale=2))
    set5 = shared / "data" / "benchmarks" / "Set5" / "x2"
    options = TrainingOptions(
        data=[shared / "data" / "train" / "t91"],
        validate=set5,
        changes={
            "updates": 400,
            "batch": 4,
            "patch": 24,
            "learning_rate": 2e-3,
            "policy": "sgdr",
        },
        validate_every=200,
    )
    session = Session.start(cfg, tmp_path / "run", options)
    session.prepare()
    session.trainer.run()
    baseline = evaluate(Bicubic(), cases_in(find_set(set5, 2), 2), 2).psnr
    psnr = [e["psnr"] for e in session.folder.entries() if "psnr" in e]
    assert session.trainer.guard.skipped == 0
    assert psnr[-1] > psnr[0]
    assert session.trainer.best == max(psnr)
    assert session.trainer.best > baseline + 0.3, (psnr, baseline)
