"""The command zoo bench."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.cli import main

TINY = """\
[net]
channels=3
range=255

[convolutional]
filters=12
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.cfg"
    path.write_text(TINY)
    return path


def test_net(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "plot.png"
    call = ["bench", "net", str(tiny), "--size", "8x6", "--against", "none", "-j", "1"]
    call += ["--runs", "2", "--cold", "1", "--backend", "numpy", "--plot", str(plot)]
    assert main([*call, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["size"] == [8, 6] and found["weights"] == "random"
    assert found["threads"] == 1 and found["precision"] == "f32"
    assert found["operations"] == 2 * 6 * 8 * 12 * 27
    (ours,) = found["results"]
    assert len(ours["warm"]["samples"]) == 2 and len(ours["cold"]["samples"]) == 1
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("case", ["shuffle2", "conv3x3_3to64"])
def test_layers(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["bench", "layers", "--case", case, "--batch", "1", "--size", "6x5"]
    call += ["--runs", "1", "-j", "1", "--against", "none", "--backend", "numpy"]
    assert main([*call, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["direction"] for row in rows] == ["forward", "backward"]
    assert main(call) == 0
    assert ("1x5x6x12" if case == "shuffle2" else "1x5x6x3") in capsys.readouterr().out


def test_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["bench", "kernels", "--operation", "relu_64", "--size", "5x4"]
    assert main([*call, "--runs", "1", "-j", "1"]) == 0
    assert "numpy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (["net", "CFG", "--size", "4x4", "--against", "caffe"], "no engine 'caffe'"),
        (["net", "CFG", "--size", "4"], "no size"),
        (["layers", "--case", "conv4"], "no case 'conv4'"),
        (["layers", "--against", "caffe"], "no engine 'caffe'"),
        (["layers", "-j", "two"], "no numbers of threads"),
        (["layers", "-j", "0"], "1 to 1024"),
        (["layers", "-j", "9" * 5000], "1 to 1024"),
        (["layers", "--case", "depthwise3x3_64"], "no case 'depthwise3x3_64'"),
        (["kernels", "--operation", "fft"], "no operation 'fft'"),
        (["kernels", "--isa", "mmx"], "no instruction set 'mmx'"),
        (["kernels", "--isa", "portable", "--algorithm", "amx3"], "AMX is missing"),
    ],
)
def test_wrong_calls(
    call: list[str], sentence: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [str(tiny) if word == "CFG" else word for word in call]
    assert main(["bench", *call]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_plot_of_no_known_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["bench", "kernels", "--operation", "relu_64", "--size", "4x4"]
    call += ["--runs", "1", "-j", "1", "--plot", str(tmp_path / "plot.docx")]
    assert main(call) == 1
    assert "charts are written as .png" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_kept_and_compared(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "before.json"
    call = ["bench", "net", str(tiny), "--size", "8x6", "--against", "torch", "-j", "1"]
    call += ["--runs", "2", "--cold", "0", "--backend", "numpy"]
    assert main([*call, "--save", str(kept)]) == 0
    # Twice as slow that day, on another machine.
    plain = json.loads(kept.read_text())
    for timed in plain["timed"]:
        timed["seconds"] = {name: 2 * s for name, s in timed["seconds"].items()}
    plain["machine"]["processor"] = "Z80\x1b[2J"
    slow = tmp_path / "slow.json"
    slow.write_text(json.dumps(plain))
    capsys.readouterr()
    assert main([*call, "--compare", str(slow), "--json"]) == 0
    changes = json.loads(capsys.readouterr().out)["compared"]
    seconds = plain["timed"][0]["seconds"]
    assert {c["engine"]: c["before"] for c in changes} == seconds
    ours = changes[0]
    assert ours["engine"] == "zoo numpy" and ours["ratio_now"] is None
    for change in changes[1:]:
        assert change["ratio_now"] == change["now"] / ours["now"]
        assert change["ratio_before"] == change["before"] / ours["before"]
    assert main([*call, "--compare", str(slow)]) == 0
    out = capsys.readouterr().out
    assert "that was another machine (Z80" in out and "\x1b[2J" not in out
    # Nothing is overwritten, and nothing is measured first.
    assert main([*call, "--save", str(kept)]) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "zoo bench 1"}', "1e999"])
def test_what_is_no_kept_measurement(
    text: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kept.json"
    path.write_text(text)
    call = ["bench", "net", str(tiny), "--size", "8x6", "--compare", str(path)]
    assert main(call) == 1
    assert "nothing that zoo bench --save wrote" in capsys.readouterr().err


def test_measurements_of_another_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kept.json"
    call = ["bench", "kernels", "--operation", "relu_64", "--size", "4x4"]
    call += ["--runs", "1", "-j", "1"]
    assert main([*call, "--save", str(path)]) == 0
    assert main([*call, "--compare", str(path)]) == 0
    assert "faster" in capsys.readouterr().out
    assert main(["bench", "layers", "--compare", str(path)]) == 2
    assert "was saved by zoo bench kernels" in capsys.readouterr().err
