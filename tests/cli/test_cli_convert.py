"""``zoo convert``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from graphdef_builder import opencv_edsr

from zoo.checkpoints.files import save_weights
from zoo.cli import main
from zoo.network import Network
from zoo.parsers.safetensors import read_metadata

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a published kind of checkpoint in it."""
    monkeypatch.chdir(tmp_path)
    Path("EDSR_x3.pb").write_bytes(opencv_edsr(scale=3)[0])
    return tmp_path


def test_every_tensor_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "EDSR_x3.pb", "--license", "Apache-2.0"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split() == ["tensor", "shape", "use", "where"]
    uses = {line.split()[0]: line for line in lines[1 : lines.index("")]}
    assert len(uses) == 17
    assert uses["resFilter3"].split()[1:4] == [
        "3x3x6x6",
        "stored",
        "6.convolutional.weights",
    ]
    assert uses["mul_0/y"].split()[1:3] == ["scalar", "stated"]
    assert "blocks=2 filters=6 scale=3 res_scale=0.1 tail=single" in out
    assert "assumed color=bgr (as in OpenCV's dnn_superres)" in out
    network = Network.read("EDSR_x3.cfg")
    assert lines[-1] == (
        f"wrote EDSR_x3.cfg and EDSR_x3.safetensors: "
        f"{network.parameter_count:,} parameters"
    )
    assert read_metadata("EDSR_x3.safetensors")["license"] == "Apache-2.0"


def test_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "EDSR_x3.pb", "-o", "x", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["family"] == "edsr"
    assert told["options"]["scale"] == 3
    assert told["written"] == ["x.cfg", "x.safetensors"]
    assert {line["use"] for line in told["tensors"]} == {"stored", "stated", "ignored"}
    assert len(told["sha256"]) == 64


def test_what_is_assumed_can_be_set(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--set", "color=rgb", "--set", "mean=1,2,3"]
    assert main(["convert", "EDSR_x3.pb", *arguments]) == 0
    text = Path("EDSR_x3.cfg").read_text()
    assert "color=rgb\nmean=1,2,3\n" in text
    assert "assumed color" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message, code",
    [
        (["none.pb"], "there is no file 'none.pb'", 1),
        (["EDSR_x3.pb", "--set", "color"], "'color' is no NAME=VALUE", 2),
        (["EDSR_x3.pb", "--set", "range=1", "--set", "range=2"], "twice", 2),
        (["EDSR_x3.pb", "--set", "scale=2"], "contradicts the checkpoint", 2),
        (["EDSR_x3.pb", "--set", "colour=rgb"], "did you mean 'color'", 2),
        (["EDSR_x3.pb", "--family", "wdsr"], "of no known family", 1),
        (["EDSR_x3.pb", "--family", "wdrs"], "did you mean 'wdsr'", 2),
        (["EDSR_x3.pb", "--to", "pb"], "pb", 2),
        ([], "missing argument", 2),
    ],
)
def test_wrong_calls(
    folder: Path,
    arguments: list[str],
    message: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["convert", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} == {"EDSR_x3.pb"}


def test_darknet_there_and_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "EDSR_x3.pb"]) == 0
    save_weights(_loaded(), "d.weights")
    to_safetensors = ["convert", "d.weights", "--cfg", "EDSR_x3.cfg"]
    to_weights = ["convert", "d.safetensors", "--cfg", "EDSR_x3.cfg", "--to", "weights"]
    assert main(to_safetensors) == 0
    assert main(to_weights) == 2  # d.weights exists
    assert main([*to_weights, "-o", "e"]) == 0
    assert Path("e.weights").read_bytes() == Path("d.weights").read_bytes()
    assert capsys.readouterr().out.splitlines()[-1].startswith("wrote e.weights: ")


def _loaded() -> Network:
    from zoo.checkpoints.files import load_weights

    network = Network.read("EDSR_x3.cfg")
    load_weights(network, "EDSR_x3.safetensors")
    return network


def test_in_a_process(zoo_command: Command, folder: Path) -> None:
    done = zoo_command("convert", "EDSR_x3.pb")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("wrote EDSR_x3.cfg")
