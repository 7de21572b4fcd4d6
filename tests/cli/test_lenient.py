"""Every command that takes a cfg takes --lenient."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoo.cli import main
from zoo.network import Network
from zoo.parsers.cfg import write_cfg

CFG = """
[net]
channels=3
max_batches=9
foo=1
[convolutional]
filters=12 #the last one
size=3.7
size=5
pad=1
activation=linear
unknown=2
[shuffler]
scale=2
"""


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    path = tmp_path / "odd.cfg"
    path.write_text(CFG)
    with pytest.warns(UserWarning):
        network = Network.read(path, lenient=True)
    from zoo.checkpoints.files import save_weights

    save_weights(network.initialize(), tmp_path / "odd.safetensors")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    rng = np.random.default_rng(0)
    for index in range(2):
        cv2.imwrite(
            str(made / f"{index}.png"), rng.integers(0, 256, (32, 32, 3), np.uint8)
        )
    return made


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_commands(
    cfg: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, weights = str(folder / "0.png"), str(tmp_path / "odd.safetensors")
    run = str(tmp_path / "run")
    calls = [
        ["show", str(cfg)],
        ["run", str(cfg), picture, "-o", str(tmp_path / "large.png")],
        ["convert", weights, "--cfg", str(cfg), "--to", "weights", "-o", run + "w"],
        ["eval", str(cfg), str(folder), "--scale", "2"],
        ["train", str(cfg), "--data", str(folder), "-o", run, "--updates", "1"]
        + ["--patch", "6", "--batch", "1", "--validate", str(folder)],
        ["bench", "net", str(cfg), "--size", "8x8", "--against", "none"]
        + ["--runs", "1", "--cold", "0"],
    ]
    for call in calls:
        assert main(call) == 1
        assert "foo" in capsys.readouterr().err
        assert main([*call, "--lenient"]) == 0, (call, capsys.readouterr().err)
    # A run of training goes on without --lenient: its own copy is plain.
    assert main(["train", "--resume", run, "--updates", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["updates"] == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_lenient_network_is_written_plainly(cfg: Path) -> None:
    lenient = Network.read(cfg, lenient=True)
    text = write_cfg(lenient.sections)
    assert "size=3\n" in text and "foo" not in text and "#" not in text
    strict = Network.parse(text)
    assert strict.fingerprint == lenient.fingerprint
    assert [layer.keys for layer in strict] == [layer.keys for layer in lenient]
    assert strict.parameter_count == lenient.parameter_count


def test_lenient_and_strict_have_one_fingerprint() -> None:
    for name in ("edsr_x2", "wdsr_x3"):
        path = Path(f"cfg/{name}.cfg")
        assert (
            Network.read(path).fingerprint
            == Network.read(path, lenient=True).fingerprint
        )
