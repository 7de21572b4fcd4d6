"""tools/ship.py: from a run to weights and a card that are true."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tiny_training import pictures, tiny_cfg

from zoo.api import load
from zoo.checkpoints.cards import Card, read_card
from zoo.checkpoints.files import load_weights, save_weights
from zoo.cli import main
from zoo.errors import UsageError
from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import NetworkEntrant
from zoo.evaluate.protocol import cases_in, evaluate
from zoo.network import Network
from zoo.parsers.safetensors import read_metadata
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder

TOOL = Path(__file__).parents[2] / "tools" / "ship.py"

# A network of luma, so that it matters how pictures are brought to it.
LUMA = """\
[net]
channels=1
color=y
batch=2
patch=6
max_batches=4

[convolutional]
filters=4
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""


@pytest.fixture(scope="module")
def ship() -> ModuleType:
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location("ship", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path: Path) -> list[str]:
    """Arguments for a run of a network of luma."""
    cfg = tmp_path / "luma.cfg"
    cfg.write_text(LUMA)
    data = pictures(tmp_path / "data")
    for name in ("Set5", "Set14"):
        pictures(tmp_path / "sets" / name / "x2", count=2, side=24)
    call = ["train", str(cfg), "--data", str(data), "-o", str(tmp_path / "run")]
    call += ["--policy", "sgdr", "--set", "sgdr_cycle=2", "--decay", "1e-5"]
    assert main([*call, "--backend", "numpy"]) == 0
    (tmp_path / "weights").mkdir()
    sets, output = str(tmp_path / "sets"), str(tmp_path / "weights")
    return [str(tmp_path / "run"), str(cfg), "--sets", sets, "--output", output]


def shipped(tmp_path: Path) -> tuple[Path, Card]:
    """Weights and card that the tool wrote."""
    weights = tmp_path / "weights" / "luma.safetensors"
    return weights, read_card(weights.with_suffix(".yaml"), weights)


def test_weights_and_card(ship: ModuleType, run: list[str], tmp_path: Path) -> None:
    ship.main(run)
    weights, card = shipped(tmp_path)
    assert card.dtype == "float16"
    assert card.training["updates"] == 4
    assert card.training["best"].startswith("zoo train, update")
    assert read_metadata(weights)["source"] == card.training["best"]
    model = load(tmp_path / "luma.cfg", weights)
    cases = cases_in(find_set(tmp_path / "sets" / "Set5" / "x2", 2), 2)
    scores = evaluate(NetworkEntrant("net", model), cases, 2)
    assert card.scores["Set5"]["psnr"] == pytest.approx(scores.psnr, abs=1e-3)
    assert card.scores["Set5"]["ssim"] == pytest.approx(scores.ssim, abs=1e-4)
    assert card.protocol == f"{scores.protocol}; mean over pictures"


def test_the_card_says_how_to_repeat_the_run(
    ship: ModuleType, run: list[str], tmp_path: Path
) -> None:
    ship.main(run)
    call = shlex.split(shipped(tmp_path)[1].repeat[0])
    assert call[:3] == ["zoo", "train", "luma"]
    values = {
        "luma": str(tmp_path / "luma.cfg"),
        "FOLDER": str(tmp_path / "data"),
        "RUN": str(tmp_path / "again"),
        "OTHER": str(tmp_path / "data"),
    }
    call = [values.get(word, word) for word in call[1:]]
    assert main([*call, "--backend", "numpy"]) == 0
    recipe = RunFolder(tmp_path / "run").load().recipe
    assert RunFolder(tmp_path / "again").load().recipe == recipe
    assert Recipe.from_dict(recipe).cycle == 2


def test_a_network_for_jpeg_is_measured_on_jpeg(
    ship: ModuleType, run: list[str], tmp_path: Path
) -> None:
    ship.main(run)
    assert shipped(tmp_path)[1].pictures == "gray, medical"
    call = ["train", str(tmp_path / "luma.cfg"), "--data", str(tmp_path / "data")]
    call += ["-o", str(tmp_path / "jpeg"), "--set", "jpeg_quality=40,90"]
    assert main([*call, "--backend", "numpy"]) == 0
    (tmp_path / "weights" / "README.md").write_text(
        "# W\n\n| network | parameters | Set5, dB / SSIM | Set14 | bicubic | updates "
        "| hours |\nold\n"
    )
    ship.main([str(tmp_path / "jpeg"), *run[1:]])
    card = shipped(tmp_path)[1]
    assert card.pictures == "JPEG photographs"
    names = list(card.scores)
    assert names[:2] == ["Set14, JPEG 40", "Set14, JPEG 60"]
    bicubic = [card.scores[name]["bicubic"] for name in names if "JPEG" in name]
    assert bicubic == sorted(bicubic)
    assert bicubic[-1] < card.scores["Set14"]["bicubic"]
    table = (tmp_path / "weights" / "README.md").read_text()
    assert f"({bicubic[0]:.2f})" in table and "old" not in table
    assert "jpeg_quality=40,90" in card.repeat[0]


def test_weights_between_two(ship: ModuleType, run: list[str], tmp_path: Path) -> None:
    start = tmp_path / "start"
    start.mkdir()
    cfg = start / "luma.cfg"
    cfg.write_text(LUMA)
    network = Network.read(cfg).initialize(seed=9)
    save_weights(network, cfg.with_suffix(".safetensors"))
    ship.main([*run, "--start", str(cfg), "--share", "0.25"])
    weights, card = shipped(tmp_path)
    made, learned = Network.read(cfg), Network.read(cfg)
    load_weights(made, weights)
    load_weights(learned, tmp_path / "run" / "best.safetensors")
    for name, tensor in made.tensors.items():
        wanted = 0.25 * learned.tensors[name] + 0.75 * network.tensors[name]
        np.testing.assert_allclose(tensor, wanted, rtol=1e-3, atol=1e-4)
    assert card.training["best"].startswith("0.25 of zoo train")
    assert "--share 0.25" in card.repeat[-1]
    with pytest.raises(SystemExit):
        ship.main([*run, "--share", "0.5"])


def test_float32_where_float16_costs_too_much(
    ship: ModuleType,
    run: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ship, "MOST_LOST", -99.0)
    ship.main(run)
    weights, card = shipped(tmp_path)
    assert card.dtype == "float32"
    assert read_metadata(weights)["source"] == card.training["best"]
    assert read_metadata(weights)["license"] == "MIT"


def test_what_a_scale_that_is_no_whole_number_gets(
    ship: ModuleType, run: list[str], tmp_path: Path
) -> None:
    cfg = tiny_cfg(tmp_path, middle="[maxpool]\nsize=4\nstride=4\n")
    with pytest.raises(UsageError, match="whole number"):
        ship.main([run[0], str(cfg), *run[2:]])


def test_a_run_that_goes_on_from_what_ships_keeps_its_past(
    ship: ModuleType, run: list[str], tmp_path: Path
) -> None:
    ship.main(run)
    once = shipped(tmp_path)[1]
    ship.main([*run, "--start", "luma"])
    ship.main([*run, "--start", "luma"])
    card = shipped(tmp_path)[1]
    assert card.training["updates"] == 3 * once.training["updates"]
    assert card.training["start"] == "random weights"
    folders = [call.split(" -o ")[1].split()[0] for call in card.repeat[:-1]]
    assert folders == ["RUN1", "RUN2", "RUN"]
    for before, call in zip(folders, card.repeat[1:], strict=False):
        assert f"--from {before}/best.safetensors" in call or call == card.repeat[-1]
    assert "luma.safetensors" not in " ".join(card.repeat)
