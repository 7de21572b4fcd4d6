"""``zoo identify``, and commands that take a checkpoint in place of a network."""

from __future__ import annotations

import errno
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import zoo
from zoo.catalog import find_weights
from zoo.checkpoints.convert import convert
from zoo.checkpoints.files import load_weights, save_weights
from zoo.checkpoints.inspect import inspect
from zoo.checkpoints.passing import find_network
from zoo.cli import main
from zoo.errors import UnknownNetworkError, WeightsError, ZooError
from zoo.images import Image, read, write
from zoo.models.signatures import looks_like
from zoo.network import Network
from zoo.parsers.safetensors import write_safetensors


def edsr(filters: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "head.0": (filters, 3),
        "body.0.body.0": (filters, filters),
        "body.0.body.2": (filters, filters),
        "body.1": (filters, filters),
        "tail.0.0": (4 * filters, filters),
        "tail.1": (3, filters),
    }
    state = {}
    for name, (out, into) in shapes.items():
        state[f"{name}.weight"] = rng.normal(0, 0.1, (out, into, 3, 3))
        state[f"{name}.bias"] = rng.normal(0, 0.1, out)
    return {name: value.astype(np.float32) for name, value in state.items()}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_a_folder_of_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models"
    (folder / "more").mkdir(parents=True)
    write_safetensors(folder / "a.safetensors", edsr(), {"license": "MIT"})
    write_safetensors(
        folder / "more" / "hat.safetensors",
        {
            "params_ema.layers.0.residual_group.overlap_attn.qkv.weight": np.ones(
                (3, 3)
            ),
            "params_ema.conv_first.weight": np.ones((4, 3, 3, 3), np.float32),
            "params_ema.conv_first.bias": np.ones(4, np.float32),
        },
    )
    (folder / "broken.pth").write_bytes(b"PK\x03\x04 no zip")
    (folder / "README.md").write_text("text")
    (folder / "net.cfg").write_text("[net]\n")
    assert main(["identify", str(folder), "--json"]) == 1
    found = {
        Path(item["file"]).name: item for item in json.loads(capsys.readouterr().out)
    }
    assert set(found) == {"a.safetensors", "hat.safetensors", "broken.pth"}
    known = found["a.safetensors"]
    assert known["family"] == "edsr"
    assert (known["scale"], known["channels"]) == (2, 3)
    assert known["parameters"] == sum(value.size for value in edsr().values())
    assert known["licence"] == "MIT"
    assert known["reason"] is None
    assert "looks like HAT" in found["hat.safetensors"]["reason"]
    assert found["broken.pth"]["family"] is None
    assert main(["identify", str(folder)]) == 1
    text = capsys.readouterr().out
    assert "hat.safetensors" in text and "looks like HAT" in text
    assert main(["identify", str(folder / "a.safetensors")]) == 0


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["layers.0.residual_group.overlap_attn.qkv.weight"], "HAT"),
        (
            ["a.layers.3.residual_group.blocks.0.attn.relative_position_bias_table"],
            "SwinIR",
        ),
        (["before_RG.1.weight", "layers.0.blocks.0.attn.qkv.weight"], "DAT"),
        (
            [
                "params.intro.weight",
                "params.ending.bias",
                "params.encoders.0.0.conv1.weight",
            ],
            "NAFNet",
        ),
        (["m_head.weight", "m_down1.0.res.0.weight"], "DRUNet, which denoises"),
        (["B1.body.0.transformer_body.0.blocks.0.attn.qkv.weight"], "DCTLSA"),
        (["1.sub.0.RDB1.conv1.1.weight"], "a relative of RRDBNet"),
        (["tea_conv_cat.bias", "block_1.c1_r.eval_conv.weight"], "ESPAN"),
        (
            ["fea_conv.weight", "B1.c2_r.rbr_reparam.weight"],
            "a relative of RFDN or RLFN",
        ),
        (["model.diffusion_model.input_blocks.0.0.weight"], "a diffusion model"),
        (["layer1.0.conv1.weight", "fc.weight"], "ResNet, a classifier"),
        (["something.else"], None),
        ([], None),
    ],
)
def test_what_strangers_look_like(names: list[str], what: str | None) -> None:
    assert looks_like(names) == what


def test_a_checkpoint_runs_like_a_network(tmp_path: Path, cache: Path) -> None:
    write_safetensors(tmp_path / "m.safetensors", edsr())
    picture = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    with pytest.warns(UserWarning, match="converted in passing: edsr"):
        net = zoo.load(tmp_path / "m.safetensors", backend="numpy")
    assert net(picture).shape == (12, 14, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the second time it is there already
        again = zoo.load(tmp_path / "m.safetensors", backend="numpy")
    np.testing.assert_array_equal(net(picture), again(picture))
    made = list(cache.rglob("*.cfg"))
    assert len(made) == 1
    # Other contents under the same name are another network.
    write_safetensors(tmp_path / "m.safetensors", edsr(seed=1))
    with pytest.warns(UserWarning, match="converted in passing"):
        other = zoo.load(tmp_path / "m.safetensors", backend="numpy")
    assert (other(picture) != net(picture)).any()
    assert len(list(cache.rglob("*.cfg"))) == 2


def test_from_a_download_to_a_picture(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m.safetensors", edsr())
    picture = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    write(tmp_path / "p.png", Image(picture))
    assert main(["run", "m.safetensors", "p.png", "--backend", "numpy"]) == 0
    assert read(tmp_path / "p_x2.png").pixels.shape == (12, 14, 3)
    assert main(["show", "m.safetensors"]) == 0


def test_zoos_own_weights_take_the_cfg_beside_them(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m.safetensors", edsr())
    assert main(["convert", "m.safetensors", "-o", "mine"]) == 0
    assert find_network("mine.safetensors") == Path("mine.cfg")
    assert find_weights(find_network("mine.safetensors")) == Path("mine.safetensors")
    assert inspect("mine.safetensors").scale == 2
    os.remove("mine.cfg")
    with pytest.raises(UnknownNetworkError, match="no mine.cfg beside it"):
        find_network("mine.safetensors")
    assert inspect("mine.safetensors").reason is not None


def test_weights_find_the_cfg_that_finds_them(tmp_path: Path) -> None:
    text = "[net]\nchannels=3\n[convolutional]\nfilters=3\nactivation=linear\n"
    network = Network.parse(text).initialize()
    run = tmp_path / "run"
    (tmp_path / "cfg").mkdir()
    (tmp_path / "weights").mkdir()
    run.mkdir()
    for cfg, weights in (
        (run / "model.cfg", run / "best.safetensors"),
        (tmp_path / "cfg/n.cfg", tmp_path / "weights/n.safetensors"),
        (tmp_path / "m.cfg", tmp_path / "m.safetensors"),
    ):
        cfg.write_text(text)
        save_weights(network, weights)
        assert find_network(weights).samefile(cfg)
        assert inspect(weights).scale == 1
    # m.cfg would run with m.safetensors, whatever m.weights holds.
    save_weights(network, tmp_path / "m.weights")
    with pytest.raises(UnknownNetworkError, match="--weights"):
        find_network(tmp_path / "m.weights")


def test_the_state_of_a_run_is_no_network(tmp_path: Path) -> None:
    state = tmp_path / "last.safetensors"
    save_file({"weights:0.x": np.zeros(1, np.float32)}, state, {"zoo.run": "{}"})
    network = Network.parse("[net]\n[convolutional]\n")
    for use in (
        find_network,
        lambda path: convert(path, "other"),
        lambda path: load_weights(network, path),
    ):
        with pytest.raises(WeightsError, match=r"--resume .*best\.safetensors beside"):
            use(state)
    assert "training run" in (inspect(state).reason or "")


def test_what_is_no_checkpoint_stays_what_it_was(tmp_path: Path) -> None:
    shipped = find_network("edsr_x2")
    assert shipped.name == "edsr_x2.cfg"
    shutil.copy(shipped, tmp_path / "net.txt")
    assert find_network(tmp_path / "net.txt") == tmp_path / "net.txt"
    with pytest.raises(UnknownNetworkError, match="did you mean"):
        find_network("edsr_x22")
    (tmp_path / "x.pth").write_bytes(b"<!DOCTYPE html><html></html>")
    with pytest.raises(ZooError, match="(?i)html|web page"):
        find_network(tmp_path / "x.pth")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnknownNetworkError, match="is a folder"):
        find_network(tmp_path / "empty")


def test_a_folder_with_a_checkpoint_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    write_safetensors(folder / "model.safetensors", edsr())
    with pytest.warns(UserWarning, match="converted in passing"):
        assert find_network(folder).suffix == ".cfg"


def test_run_sets_what_a_folder_of_the_hub_does_not_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hub").mkdir()
    write_safetensors(tmp_path / "hub" / "model.safetensors", edsr())
    write(tmp_path / "p.png", Image(np.full((6, 7, 3), (9, 90, 200), np.uint8)))
    call = ["run", "hub", "p.png", "--backend", "numpy"]
    assert main([*call, "-o", "rgb.png"]) == 0
    assert main([*call, "-o", "bgr.png", "--set", "color=bgr"]) == 0
    rgb, bgr = (read(tmp_path / f"{name}.png").pixels for name in ("rgb", "bgr"))
    assert (rgb != bgr).any()
    capsys.readouterr()
    assert main([*call, "--set", "colour=bgr"]) == 2
    assert "did you mean 'color'" in capsys.readouterr().err


def test_strangers_are_refused_with_what_they_look_like(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        f"layers.{i}.residual_group.td": np.ones(3, np.float32) for i in range(4)
    }
    write_safetensors(tmp_path / "x.safetensors", state)
    with pytest.raises(
        WeightsError, match="looks like ATD, which zoo does not convert"
    ):
        find_network(tmp_path / "x.safetensors")
    assert not list((tmp_path / "cache").rglob("*.cfg"))


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file"))
    write_safetensors(tmp_path / "m.safetensors", edsr())
    with pytest.raises(ZooError, match="ZOO_CACHE"):
        find_network(tmp_path / "m.safetensors")


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "all" / "locked"
    locked.mkdir(parents=True)
    list_folder, access = os.scandir, os.access

    def scandir(path: Any) -> Any:
        if Path(path) == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != locked and access(path, mode)
    )
    assert main(["identify", str(tmp_path / "all")]) == 1
    assert "locked: is a folder that cannot be read" in capsys.readouterr().out
    assert main(["identify", str(tmp_path / "all"), "--json"]) == 1
