"""``zoo new``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.cli import main
from zoo.models.edsr import EDSR
from zoo.models.wdsr import WDSR
from zoo.network import Network

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_text_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "edsr", "--blocks", "3", "--filters", "8", "--scale", "3"]) == 0
    out, err = capsys.readouterr()
    assert out == EDSR.write(blocks=3, filters=8, scale=3)
    count = Network.parse(out).parameter_count
    assert err == f"zoo: edsr: 16 layers, {count:,} parameters\n"


def test_or_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.cfg"
    arguments = ["new", "wdsr", "--variant", "b", "--res-scale", "0.5", "--blocks=2"]
    assert main([*arguments, "--mean", "1,2,3", "-o", str(path)]) == 0
    wanted = WDSR.write(variant="b", res_scale=0.5, blocks=2, mean=(1.0, 2.0, 3.0))
    assert path.read_text() == wanted
    assert capsys.readouterr().out == ""


def test_nothing_is_overwritten_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.cfg"
    path.write_text("precious")
    assert main(["new", "edsr", "-o", str(path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "precious"
    assert main(["new", "edsr", "--force", "-o", str(path)]) == 0
    assert path.read_text() == EDSR.write()


def test_without_a_family_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new"]) == 0
    out = capsys.readouterr().out
    assert "edsr" in out and "wdsr" in out and "Lim et al." in out


@pytest.mark.parametrize("family", [EDSR, WDSR])
def test_help_has_every_option(
    family: type[EDSR | WDSR], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", family.name, "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for key in family.options:
        assert f"--{key.name.replace('_', '-')}" in out
        assert key.meaning.split(";")[0].split()[0] in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["esdr"], "did you mean 'edsr'"),
        (["edsr", "--blocks", "x"], "'x' is not a whole number"),
        (["edsr", "--blocks", "0"], "0 is below 1"),
        (["edsr", "--tail", "long"], "'long' is not one of official, single"),
        (["edsr", "--block", "1"], "--block"),
        (["wdsr", "--skip-size", "4"], "skip_size=4 is even"),
        (["edsr", "-o", "nowhere/x.cfg"], "there is no folder"),
    ],
)
def test_wrong_calls(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", *arguments]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1 and err.startswith("zoo: ")


def test_in_a_process(zoo_command: Command, tmp_path: Path) -> None:
    done = zoo_command("new", "edsr", "--blocks", 1, "-o", "my.cfg")
    assert done.returncode == 0, done.stderr
    assert len(Network.read(tmp_path / "my.cfg")) == 10
