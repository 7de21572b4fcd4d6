"""The frame of the command line: help, errors, exit codes, what is imported."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest

import zoo.cli
from zoo._version import __version__
from zoo.cli import COMMANDS, cli, main
from zoo.errors import CfgError, UsageError, ZooError
from zoo.images import Image, write

Zoo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """`zoo fail` raises the error that a test puts into this list."""
    errors: list[BaseException] = []

    @click.command()
    @click.option("--count", type=int)
    def fail(count: int | None) -> int | None:
        if errors:
            raise errors.pop()
        return count

    module = type(sys)("zoo_failing")
    module.command = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zoo_failing", module)
    monkeypatch.setitem(COMMANDS, "fail", ("zoo_failing", "Fail."))
    yield errors


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    for name, (_, line) in COMMANDS.items():
        assert name in output
        assert line in output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: zoo {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from zoo.cli import main; code = main(['--help']); "
        "heavy = {'numpy', 'cv2', 'yaml', 'tqdm', 'safetensors', 'torch', "
        "'importlib.metadata'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "[]"


def test_a_png_is_run_without_what_it_does_not_need(tmp_path: Path) -> None:
    """A picture costs half of its time before the network if everything is imported."""
    pytest.importorskip("zoo.images._unfilter", reason="there was no compiler")
    write(tmp_path / "a.png", Image(np.zeros((9, 8, 3), np.uint8)))
    script = (
        "import sys; from zoo.cli import main; code = main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "run", "edsr_r8f32_x2", "a.png"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert (tmp_path / "a_x2.png").exists()
    found = set(result.stderr.split())
    others = {f"zoo.images.{name}" for name in ("codec", "gif", "jpeg", "tiff", "webp")}
    heavy = {"cv2", "yaml", "tqdm", "torch", "onnx", "nibabel", "pydicom", "scipy"}
    heavy |= {"zoo.train", "zoo.onnx", "zoo.graphs.passes", "zoo.models", "zoo.volumes"}
    assert "numpy" in found
    assert not found & (heavy | others)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ZooError("the picture is blue"), 1, "zoo: the picture is blue\n"),
        (CfgError("no such key", "a.cfg", 7), 1, "zoo: a.cfg:7: no such key\n"),
        (UsageError("give a file"), 2, "zoo: give a file\n"),
        (
            PermissionError(13, "Permission denied", "x.png"),
            1,
            "zoo: x.png: Permission denied\n",
        ),
        (OSError(28, "No space left on device"), 1, "zoo: No space left on device\n"),
        (click.ClickException("Wrong thing."), 1, "zoo: wrong thing\n"),
    ],
)
def test_errors_are_one_sentence(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    failing.append(error)
    assert main(["fail"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == sentence


def test_memory_error(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(MemoryError("Unable to allocate 9 TiB"))
    assert main(["fail"]) == 1
    assert "not enough memory (Unable to allocate 9 TiB)" in capsys.readouterr().err


def test_the_unexpected_is_one_sentence_too(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(KeyError("x"))
    assert main(["fail"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "KeyError: 'x'" in error
    assert "--debug" in error


@pytest.mark.parametrize("error", [KeyError("x"), ZooError("known")])
def test_debug_shows_the_traceback(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    failing.append(error)
    assert main(["--debug", "fail"]) == 1
    output = capsys.readouterr().err
    assert "Traceback (most recent call last)" in output
    assert output.splitlines()[-1].startswith("zoo: ")
    failing.append(ZooError("again"))
    assert main(["fail"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_debug_by_environment(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZOO_DEBUG", "1")
    failing.append(ZooError("known"))
    assert main(["fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c(failing: list[BaseException]) -> None:
    failing.append(KeyboardInterrupt())
    assert main(["fail"]) == 130


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fail", "--count", "x"], "'x' is not a valid integer"),
        (["fail", "--wrong"], "--wrong"),
        (["fial"], "there is no command 'fial'; did you mean 'fail'?"),
        (["qqqq"], "there is no command 'qqqq' "),
        (["--wrong"], "--wrong"),
    ],
)
def test_wrong_calls(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("zoo: ")
    assert sentence in error
    assert "usage: zoo" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("code", [0, 1, 3])
def test_commands_return_exit_codes(failing: list[BaseException], code: int) -> None:
    assert main(["fail", "--count", str(code)]) == code


def test_warnings_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def warn() -> None:
        warnings.warn("two\nlines", RuntimeWarning, stacklevel=1)

    module = type(sys)("zoo_warning")
    module.command = warn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zoo_warning", module)
    monkeypatch.setitem(COMMANDS, "warn", ("zoo_warning", "Warn."))
    assert main(["warn"]) == 0
    assert capsys.readouterr().err == "zoo: warning: two lines\n"
    assert main(["--debug", "warn"]) == 0
    assert __file__ in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        result = subprocess.run(
            [sys.executable, "-m", "zoo", "layers", "show", "net"],
            stdout=broken,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.stderr == ""
    assert result.returncode == 1


def test_the_table_of_commands_is_right() -> None:
    for name, (module, line) in COMMANDS.items():
        found = cli.get_command(click.Context(cli), name)
        assert found is not None
        assert module == f"zoo.cli.{name}"
        assert line.endswith(".")


def test_the_module_runs_as_a_program(zoo_command: Zoo, tmp_path: Path) -> None:
    result = zoo_command("--version")
    assert result.returncode == 0
    assert __version__ in result.stdout
    assert zoo.cli.__doc__ is not None


@pytest.mark.parametrize(
    "call",
    [
        ["eval", "bicubic", "", "--scale", "2"],
        ["run", "edsr_x2", "", "-o", "out"],
        ["run", "", "a.png"],
        ["train", "edsr_x2", "--data", "", "-o", "run"],
        ["identify", ""],
    ],
)
def test_an_empty_name_is_not_the_current_folder(
    call: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write("a.png", Image(np.zeros((40, 40, 3), np.uint8)))
    assert main(call) == 2
    captured = capsys.readouterr()
    assert "one of the arguments is empty" in captured.err
    assert f"zoo {' '.join(word or repr('') for word in call)}" in captured.err
    assert os.listdir() == ["a.png"]
