"""What a user types nearly right: names, orders of arguments, nothing at all."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli import main
from zoo.errors import did_you_mean
from zoo.extras import PACKAGES, how_to_install

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("edsr_2x", ("edsr_x2", "edsr_x3", "edsr_x4"), "edsr_x2"),
        ("edsr_4x", ("edsr_x2", "edsr_x3", "edsr_x4"), "edsr_x4"),
        ("edsrx3", ("edsr_x2", "edsr_x3", "edsr_x4"), "edsr_x3"),
        ("PSNR", ("psnr", "ssim"), "psnr"),
        ("Convolutinal", ("convolutional", "connected"), "convolutional"),
    ],
)
def test_suggestions(typed: str, known: tuple[str, ...], meant: str) -> None:
    assert did_you_mean(typed, known) == f"; did you mean {meant!r}?"
    assert did_you_mean(typed, known[::-1]) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (["show", "edsr_2x"], "did you mean 'edsr_x2'"),
        (["run", "edsr_2x", "{picture}"], "did you mean 'edsr_x2'"),
        (["run", "edsr_x2", "nowhere.png"], "no picture nowhere.png"),
        (["run", "{picture}", "edsr_x2"], "the network comes first"),
        (["eval", "edsr_2x", "{folder}"], "did you mean 'edsr_x2'"),
        (["eval", "bicubic", "{folder}", "--scale", "2", "--metric", "PSNR"], "'psnr'"),
        (["show", "{folder}"], "is a folder"),
    ],
)
def test_a_wrong_call_is_2_whatever_is_wrong(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    call: list[str],
    reason: str,
) -> None:
    from tiny_training import pictures

    folder = pictures(tmp_path / "data")
    words = {"picture": str(folder / "p0.png"), "folder": str(folder)}
    assert main([word.format(**words) for word in call]) == 2
    assert reason in capfd.readouterr().err


@pytest.mark.parametrize("call", [[], ["bench"], ["layers"][:0]])
def test_nothing_prints_help(
    call: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(call) == 0
    out, err = capfd.readouterr()
    assert out.startswith("Usage: zoo")
    assert "Commands:\n" in out
    assert err == ""


def test_version_and_lists(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-V"]) == 0
    assert capfd.readouterr().out.startswith("zoo, version ")
    assert main(["list", "nosuch"]) == 1
    assert main(["list", "nosuch", "--json"]) == 1
    assert capfd.readouterr().out == "[]\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(closed: str) -> None:
    command = f"'{sys.executable}' -m zoo list edsr_x2 {closed}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "unexpected" not in done.stderr


def test_advice_names_packages_and_not_an_index_without_us() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = parser["options.extras_require"]
    for extra, packages in PACKAGES.items():
        declared = [line.split(">")[0].split("=")[0] for line in extras[extra].split()]
        assert set(packages) <= {*declared, "torch"}, extra
        assert how_to_install(extra).endswith(packages[-1])
    for path in (ROOT / "zoo").rglob("*.py"):
        assert "install 'cfgzoo" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    ("words", "incomplete", "proposed"),
    [
        ("zoo run", "edsr_x", "edsr_x4"),
        ("zoo eval", "bic", "bicubic"),
        ("zoo show", "WDSR", "wdsr_x2"),
        ("zoo run edsr_x2 a.png --backend", "nu", "numpy"),
        ("zoo eval bicubic x --metric", "ps", "psnr"),
        ("zoo", "conv", "convert"),
    ],
)
def test_completion(words: str, incomplete: str, proposed: str) -> None:
    environment = {
        **os.environ,
        "_ZOO_COMPLETE": "bash_complete",
        "COMP_WORDS": f"{words} {incomplete}",
        "COMP_CWORD": str(len(words.split())),
    }
    code = "from zoo.cli import cli; cli(prog_name='zoo')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert f"plain,{proposed}" in done.stdout.splitlines(), done.stderr
