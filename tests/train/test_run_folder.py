"""The folder of a run, damaged and cut short."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sessions import begin, go_on
from tiny_training import tiny_cfg

from zoo.errors import ReaderError, WeightsError
from zoo.train.run_folder import RunFolder


def test_damaged_checkpoints(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    session.trainer.run()
    last = session.folder.last
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReaderError):
        go_on(tmp_path / "run")
    last.write_bytes(whole.replace(b"optimizer_updates", b"optimizer_updatez"))
    with pytest.raises(ReaderError, match="before.safetensors"):
        go_on(tmp_path / "run")
    last.write_bytes(session.folder.best.read_bytes())
    with pytest.raises(WeightsError, match="no checkpoint of a training run"):
        go_on(tmp_path / "run")
    session.folder.before.replace(last)
    assert go_on(tmp_path / "run").trainer.update == 8


def test_flipped_exponents_are_noticed(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    session.trainer.run()
    last = session.folder.last
    whole = last.read_bytes()
    begin_of_data = 8 + int.from_bytes(whole[:8], "little")
    for part in range(12):
        at = begin_of_data + (len(whole) - begin_of_data) * part // 12
        damaged = bytearray(whole)
        damaged[at - at % 4 + 3] ^= 0x40  # the exponent of a float, little-endian
        last.write_bytes(damaged)
        with pytest.raises(ReaderError, match=r"checksum.*before\.safetensors"):
            go_on(tmp_path / "run")
    last.write_bytes(whole)
    assert go_on(tmp_path / "run").trainer.update == session.trainer.update


def test_log_survives_a_line_cut_short(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append({"update": 1, "loss": float("nan")})
    with open(folder.log, "a") as file:
        file.write('{"update": 2, "lo')
    assert folder.entries() == [{"update": 1, "loss": None}]
    folder.forget_after(1)
    folder.append({"update": 2})
    assert [e["update"] for e in folder.entries()] == [1, 2]
