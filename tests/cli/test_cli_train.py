"""zoo train."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from tiny_training import pictures, tiny_cfg

from zoo.cli import main
from zoo.cli.train import command
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder

NUMPY = ["--backend", "numpy"]
KEYS = "batch=2\npatch=6\nmax_batches=6\nlearning_rate=0.002"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A call that trains a tiny network for six updates."""
    cfg = tiny_cfg(tmp_path, keys=KEYS)
    data = pictures(tmp_path / "data")
    run = tmp_path / "run"
    return ["train", str(cfg), "--data", str(data), "-o", str(run), "--log-every", "2"]


def test_from_cfg_to_weights(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *NUMPY]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("6 of 6 updates done; best PSNR")
    assert captured.err.count(" updates: loss") == 3
    assert "0 s left" in captured.err
    recipe = RunFolder(tmp_path / "run").load().recipe
    assert (recipe["batch"], recipe["learning_rate"]) == (2, 0.002)
    cfg, best = tmp_path / "run" / "model.cfg", tmp_path / "run" / "best.safetensors"
    # What was kept out of the training: the run measured itself on it and says so.
    said = re.search(
        r"on 1 other pictures \((p\d)\), on which bicubic has", captured.err
    )
    assert said
    for path in (tmp_path / "data").iterdir():
        if path.stem != said[1]:
            path.unlink()
    measured = RunFolder(tmp_path / "run").entries()[-1]["psnr"]
    for call in (
        [str(cfg), "--weights", str(best)],
        [str(tmp_path / "run")],
        [str(cfg)],
    ):
        assert main(["eval", *call, str(tmp_path / "data"), "--json", *NUMPY]) == 0
        psnr = json.loads(capsys.readouterr().out)["psnr"]
        assert psnr == pytest.approx(measured)


def test_options_override_the_cfg(arguments: list[str], tmp_path: Path) -> None:
    extra = ["--learning-rate", "0.001", "--set", "steps=3", "--set", "scales=.1"]
    assert main([*arguments, *NUMPY, *extra, "--policy", "steps", "--seed", "5"]) == 0
    recipe = RunFolder(tmp_path / "run").load().recipe
    assert recipe["learning_rate"] == 0.001
    assert (recipe["steps"], recipe["scales"], recipe["seed"]) == ([3], [0.1], 5)
    rates = [e["rate"] for e in RunFolder(tmp_path / "run").entries() if "rate" in e]
    assert rates == pytest.approx([1e-3, 1e-4, 1e-4])


def test_what_is_no_option_of_a_run_is_a_field_of_the_recipe() -> None:
    """Whatever click gives to ``**recipe`` must be one."""
    named = inspect.signature(command.callback).parameters
    others = {parameter.name for parameter in command.params} - named.keys()
    assert others <= {field.name for field in fields(Recipe)}
    assert {"updates", "cost", "clip_gradient"} <= others


def test_resume_and_change_of_mind(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *NUMPY, "--minutes", "0"]) == 0
    assert "1 of 6 updates done" in capsys.readouterr().out
    run = str(tmp_path / "run")
    assert main(["train", "--resume", run, "--updates", "4", *NUMPY]) == 0
    assert "4 of 4 updates done" in capsys.readouterr().out
    assert main(["train", "--resume", run, "--updates", "4", *NUMPY]) == 0
    assert "4 of 4 updates done" in capsys.readouterr().out


def test_fine_tuning_of_another_scale(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *NUMPY]) == 0
    (tmp_path / "x3").mkdir()
    cfg = tiny_cfg(tmp_path / "x3", keys=KEYS, scale=3)
    call = ["train", str(cfg), "--data", str(tmp_path / "data")]
    call += ["-o", str(tmp_path / "run3")]
    call += ["--from", str(tmp_path / "run" / "best.safetensors")]
    call += ["--from-cfg", str(tmp_path / "run" / "model.cfg")]
    capsys.readouterr()
    assert main([*call, *NUMPY]) == 0
    assert (
        "best.safetensors (2 of 4 tensors; starting afresh: 1.conv"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (["--set", "bach=3"], "did you mean batch"),
        (["--cost", "none"], "no cost 'none'"),
        (["--updates", "0"], "updates is 0"),
        (["--seed", "-1"], "seed is -1; it must not be negative"),
        (["--set", "B2=1"], "B2 is 1.0; it must lie in [0, 1)"),
        (["--decay", "nan"], "decay is nan; it must be a finite number"),
        (["--minutes", "-1"], "--minutes is -1"),
        (["--minutes", "nan"], "--minutes is nan"),
        (["--device", "nowhere"], "no device 'nowhere'"),
        (["--backend", "numpy", "--device", "cuda"], "knows no devices"),
        (["--patch", "1000"], "smaller than a patch"),
        (["--from", "none.safetensors"], "no file"),
        (["--resume", "run"], "has its cfg already"),
    ],
)
def test_what_does_not_go(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    reason: str,
) -> None:
    assert main([*arguments, *extra]) in (1, 2)
    assert reason in capsys.readouterr().err.splitlines()[-1]


def test_calls_that_say_too_little(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "CFG, --data and --output" in capsys.readouterr().err
    assert main(["train", "--resume", "nowhere"]) == 2
    assert "no run with a checkpoint" in capsys.readouterr().err


def test_json_is_the_log_and_a_summary(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *NUMPY, "--json"]) == 0
    captured = capsys.readouterr()
    *entries, summary = [json.loads(line) for line in captured.out.splitlines()]
    folder = RunFolder(tmp_path / "run")
    assert entries == folder.entries()
    assert len(entries) == 4
    assert (summary["updates"], summary["updates_planned"]) == (6, 6)
    assert (summary["left_out"], summary["weights"]) == (0, str(folder.best))
    assert summary["best"] == entries[-1]["psnr"]
    assert "6 of 6 updates done" in captured.err


def test_resumed_run_goes_on_as_before(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = [*arguments, *NUMPY, "--validate-every", "3", "--minutes", "0"]
    assert main(begin) == 0
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    err = capsys.readouterr().err
    assert "zoo: goes on after update 1 of 6 on numpy: adam, learning rate" in err
    updates = [
        [e["update"] for e in RunFolder(tmp_path / "run").entries() if key in e]
        for key in ("loss", "psnr")
    ]
    assert updates == [[1, 2, 4, 6], [1, 3, 6]]


def test_network_that_breaks_is_a_failure(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *NUMPY, "--learning-rate", "3e38"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    last = captured.err.splitlines()[-1]
    assert "gives values that are not finite; resume from the last" in last
    assert "warning" not in captured.err
