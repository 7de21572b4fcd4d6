"""What a run is put together from, and the files that come out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_sessions import begin, go_on
from tiny_training import pictures, tiny_cfg

from zoo.errors import UsageError, ZooError
from zoo.network import Network
from zoo.parsers.safetensors import SafetensorsReader
from zoo.state import load_weights
from zoo.train.options import TrainingOptions
from zoo.train.session import Session


def test_killed_before_the_first_checkpoint_the_folder_can_be_used(
    tmp_path: Path,
) -> None:
    cfg = tiny_cfg(tmp_path)
    session = begin(tmp_path, "run", cfg)
    session.folder.last.unlink()
    with pytest.raises(UsageError, match="no run with a checkpoint"):
        go_on(tmp_path / "run")
    begin(tmp_path, "run", cfg).trainer.run(until=1)
    with pytest.raises(UsageError, match="already holds a run"):
        begin(tmp_path, "run", cfg)


def test_a_cfg_to_start_from_needs_weights(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    with pytest.raises(UsageError, match="goes with --from"):
        options = TrainingOptions(data=[pictures(tmp_path / "data")])
        Session.start(cfg, tmp_path / "run", options, from_cfg=cfg)


def test_files_of_a_run(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    session = begin(tmp_path, "run", cfg)
    session.trainer.run()
    text = session.conclusion()
    folder = session.folder
    assert "10 of 10" in text
    assert str(folder.best) in text
    entries = [json.loads(line) for line in folder.log.read_text().splitlines()]
    assert [e["update"] for e in entries if "loss" in e] == [2, 4, 6, 8, 10]
    assert [e["update"] for e in entries if "psnr" in e] == [5, 10]
    assert folder.curve.read_bytes().startswith(b"\x89PNG")
    network = Network.read(folder.cfg)
    load_weights(network, folder.best)  # with our fingerprint: no warning
    assert network.trained
    best = max(e["psnr"] for e in entries if "psnr" in e)
    assert session.trainer.best == best
    metadata = SafetensorsReader.read(folder.best).metadata
    assert float(metadata["psnr"]) == pytest.approx(best, abs=1e-4)


def test_validation_folder(tmp_path: Path) -> None:
    own = pictures(tmp_path / "valid", count=1)
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), validate=str(own))
    session.trainer.run(until=1)
    assert len(session.trainer.validate.cases) == 1
    with pytest.raises(UsageError, match="no folder"):
        begin(tmp_path, "other", tiny_cfg(tmp_path), validate=str(tmp_path / "none"))
    assert not (tmp_path / "other").exists()


def test_other_pictures_leave_the_validation_folder(tmp_path: Path) -> None:
    own = pictures(tmp_path / "valid", count=1)
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), validate=str(own))
    session.trainer.run(until=1)
    other = [pictures(tmp_path / "other")]
    resumed = go_on(tmp_path / "run", data=other)
    assert len(resumed.trainer.validate.cases) == 1
    session.folder.data.write_text("{")
    with pytest.raises(UsageError, match="name the pictures with --data"):
        go_on(tmp_path / "run")
    assert len(go_on(tmp_path / "run", data=other).trainer.validate.cases) > 1


def test_network_of_luma_learns_from_luma(tmp_path: Path) -> None:
    cfg = tmp_path / "luma.cfg"
    cfg.write_text(
        "[net]\nchannels=1\ncolor=y\n\n[convolutional]\nfilters=4\nsize=3\npad=1\n"
        "activation=linear\n\n[shuffler]\nscale=2\n"
    )
    session = begin(tmp_path, "run", cfg)
    session.trainer.run()
    assert session.trainer.best is not None


def test_networks_that_cannot_learn_from_pictures(tmp_path: Path) -> None:
    cfg = tmp_path / "odd.cfg"
    for text, reason in (
        ("[net]\nchannels=3\n[convolutional]\nsize=2\nstride=2\n", "whole number"),
        ("[net]\nchannels=2\n[convolutional]\n", "2 channels"),
    ):
        cfg.write_text(text)
        with pytest.raises(UsageError, match=reason):
            begin(tmp_path, "run", cfg)
    assert not (tmp_path / "run").exists()


def test_output_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ZooError, match="folder"):
        begin(tmp_path, "file/run", tiny_cfg(tmp_path))
