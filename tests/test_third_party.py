"""A distribution of somebody else: used, broken, doubled, disabled.

examples/acme_zoo is put on the path as an installer would leave it, package and
.dist-info beside each other; one slow test really installs it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pretend_installed import declare, entry_points

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "acme_zoo"
CFG = """\
[net]
channels=3

[upsample]
stride=2

[convolutional]
filters=3
size=3
pad=1
activation=linear

[acme/blur]
times=2
"""

Zoo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH in which the example is installed."""
    site = tmp_path / "site"
    site.mkdir()
    shutil.copytree(
        EXAMPLE / "acme_zoo",
        site / "acme_zoo",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    groups = entry_points(EXAMPLE / "pyproject.toml")
    assert set(groups) == {"zoo.layers", "zoo.kernels", "zoo.models"}
    declare(site, "acme-zoo", groups)
    return site


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def break_package(site: Path) -> None:
    (site / "acme_zoo" / "__init__.py").write_text("import a_module_that_left\n")


def test_listings_show_it(zoo_command: Zoo, site: Path) -> None:
    layers = zoo_command("layers", path=site)
    assert layers.returncode == 0
    assert re.search(
        r"^acme/blur +binomial blur.* acme-zoo$", layers.stdout, re.MULTILINE
    )
    assert layers.stderr == ""
    plugins = zoo_command("plugins", "--json", path=site)
    assert plugins.returncode == 0
    rows = [r for r in json.loads(plugins.stdout) if r["distribution"] == "acme-zoo"]
    assert {(row["registry"], row["name"]) for row in rows} == {
        ("zoo.layers", "acme/blur"),
        ("zoo.kernels", "acme/timed"),
        ("zoo.models", "acme/soften"),
    }
    assert all(row["version"] == "1.0" and row["problem"] is None for row in rows)


def test_keys_of_its_layer(zoo_command: Zoo, site: Path) -> None:
    result = zoo_command("layers", "show", "acme/blur", path=site)
    assert result.returncode == 0
    assert re.search(
        r"^times +int +1 +1 to 1000 +how often to blur$", result.stdout, re.MULTILINE
    )


def test_its_network_is_listed_and_shown(zoo_command: Zoo, site: Path) -> None:
    listing = zoo_command("list", "acme*", "--json", path=site)
    (row,) = json.loads(listing.stdout)
    assert row["name"] == "acme_zoo/soften_x2"
    assert (row["family"], row["distribution"]) == ("acme/soften", "acme-zoo")
    assert row["scale"] == 2
    shown = zoo_command("show", "acme_zoo/soften_x2", "--json", path=site)
    summary = json.loads(shown.stdout)
    assert [layer["kind"] for layer in summary["layers"]] == ["upsample", "acme/blur"]
    assert summary["receptive_field"] == [2, 2]


def test_its_family_writes_a_cfg_that_runs(
    zoo_command: Zoo, site: Path, photo: Path, tmp_path: Path
) -> None:
    made = zoo_command("new", "acme/soften", "--scale", "3", "-o", "my.cfg", path=site)
    assert made.returncode == 0, made.stderr
    ran = zoo_command("run", "my.cfg", photo, "-o", "large.png", path=site)
    assert ran.returncode == 0, ran.stderr
    large = cv2.imread(str(tmp_path / "large.png"))
    expected = np.repeat(np.repeat(cv2.imread(str(photo)), 3, 0), 3, 1).astype(float)
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (1, 1)
        wide = np.moveaxis(np.pad(expected, pad, mode="edge"), axis, 0)
        expected = np.moveaxis((wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4, 0, axis)
    assert np.abs(large - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("backend", ["acme/timed", "numpy"])
def test_its_layer_and_its_kernels_run_from_a_cfg(
    zoo_command: Zoo, site: Path, photo: Path, tmp_path: Path, backend: str
) -> None:
    (tmp_path / "own.cfg").write_text(CFG)
    script = (
        "import zoo; from zoo.checkpoints.files import save_weights; "
        "save_weights(zoo.Network.read('own.cfg').initialize(1), 'own.safetensors')"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )
    result = zoo_command(
        "run", "own.cfg", photo, "-o", "out.png", "--backend", backend, path=site
    )
    assert result.returncode == 0, result.stderr
    assert cv2.imread(str(tmp_path / "out.png")).shape == (18, 14, 3)
    assert ("conv2d (3, 3, 3, 3): " in result.stderr) == (backend == "acme/timed")


def test_a_layer_that_left_is_named_with_whose_it_was(
    zoo_command: Zoo, site: Path, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.cfg").write_text(CFG)
    bare = zoo_command("show", "own.cfg", path=tmp_path)
    assert bare.returncode == 1
    assert "there is no layer [acme/blur]" in bare.stderr
    assert "of a package acme that is not installed" in bare.stderr
    assert "acme-zoo" not in bare.stderr
    script = (
        "import zoo; from zoo.checkpoints.files import save_weights\n"
        "from zoo.origins import comments, origins_of\n"
        "net = zoo.Network.read('own.cfg').initialize(1)\n"
        "save_weights(net, 'own.safetensors')\n"
        "print(comments(origins_of(net.kinds)), end='')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    sentence = "it came from acme-zoo 1.0, which is not installed"
    for command in (("run", "own.cfg", photo), ("show", "own.cfg")):
        result = zoo_command(*command, path=tmp_path)
        assert result.returncode == 1
        assert sentence in result.stderr
    # A run's cfg says it itself.
    assert done.stdout == "# [acme/blur] comes from acme-zoo 1.0\n"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.cfg").write_text(done.stdout + CFG)
    assert sentence in zoo_command("show", "run", path=tmp_path).stderr
    assert zoo_command("show", "run", path=site).returncode == 0


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH with the metric of docs/add_metric.md and a broken one."""
    text = (ROOT / "docs" / "add_metric.md").read_text()
    found = re.search(r"```python\n(\"\"\"Metrics.*?)```", text, re.DOTALL)
    assert found is not None
    site = tmp_path / "metrics"
    site.mkdir()
    broken = "def broken(result, truth):\n    return result[0, 10**9]\n"
    (site / "acme_metrics.py").write_text(found[1] + "\n\n" + broken)
    names = {f"acme/{name}": f"acme_metrics:{name}" for name in ("mae", "broken")}
    declare(site, "acme-metrics", {"zoo.metrics": names})
    return site


def test_its_metric_is_measured(
    zoo_command: Zoo, metrics: Path, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    smooth = cv2.resize(cv2.imread(str(photo)), (48, 36))
    for name in ("a", "b"):
        assert cv2.imwrite(str(folder / f"{name}.png"), smooth)
        smooth = smooth[:, ::-1] // 2
    command = ("eval", "bicubic", folder, "--scale", "2")
    chosen = ("--metric", "acme/mae", "--metric", "psnr")
    shown = zoo_command(*command, *chosen, path=metrics)
    assert shown.returncode == 0, shown.stderr
    head, *rows, _ = shown.stdout.splitlines()
    assert re.split("  +", head) == ["picture", "acme/mae", "PSNR dB"]
    assert [row.split()[0] for row in rows] == ["a", "b", "mean"]
    result = json.loads(zoo_command(*command, *chosen, "--json", path=metrics).stdout)
    assert "ssim" not in result
    pictures = result["pictures"]
    assert [list(picture) for picture in pictures] == [["name", "acme/mae", "psnr"]] * 2
    mean = sum(picture["acme/mae"] for picture in pictures) / 2
    assert result["acme/mae"] == pytest.approx(mean)
    assert float(rows[-1].split()[1]) == pytest.approx(mean, rel=1e-5)
    # Of any errors, the mean is at most the root of the mean square.
    for picture in pictures:
        root = 255 / 10 ** (picture["psnr"] / 20)
        assert 0.2 * root < picture["acme/mae"] <= root
    usual = json.loads(zoo_command(*command, "--json", path=metrics).stdout)
    assert usual["psnr"] == result["psnr"]
    assert list(usual["pictures"][0]) == ["name", "psnr", "ssim"]


def test_metrics_that_fail_or_are_not_there(
    zoo_command: Zoo, metrics: Path, photo: Path
) -> None:
    assert cv2.imwrite(str(photo), cv2.resize(cv2.imread(str(photo)), (48, 36)))
    for name, reason, code in (
        ("acme/broken", "metric 'acme/broken' of acme-metrics failed on pict", 1),
        ("acme/mea", "there is no metric 'acme/mea'; did you mean 'acme/mae'?", 2),
    ):
        result = zoo_command(
            *("eval", "bicubic", photo.parent, "--scale", "2", "--metric", name),
            path=metrics,
        )
        assert result.returncode == code
        assert reason in result.stderr
        assert "Traceback" not in result.stderr


def test_broken_it_costs_a_warning_for_those_who_do_not_use_it(
    zoo_command: Zoo, site: Path
) -> None:
    break_package(site)
    for command in ("layers", "plugins"):
        result = zoo_command(command, path=site)
        assert result.returncode == 0
        warnings = [
            line for line in result.stderr.splitlines() if line.startswith("zoo: warn")
        ]
        assert warnings, result.stderr
        assert all("acme-zoo" in line for line in warnings)
        assert any("a_module_that_left" in line for line in warnings)
        assert "Traceback" not in result.stderr
        assert "convolutional" in result.stdout
    assert zoo_command("plugins", "--check", path=site).returncode == 1
    info = zoo_command("info", path=site)
    assert info.returncode == 0
    assert re.search("^back end acme/timed .*acme-zoo", info.stdout, re.MULTILINE)


def test_broken_it_is_an_error_for_those_who_use_it(
    zoo_command: Zoo, site: Path, photo: Path, tmp_path: Path
) -> None:
    break_package(site)
    (tmp_path / "own.cfg").write_text(CFG)
    for arguments in (
        ("show", "own.cfg"),
        ("layers", "show", "acme/blur"),
        ("run", "own.cfg", photo, "-o", "out.png"),
        ("new", "acme/soften"),
    ):
        result = zoo_command(*arguments, path=site)
        assert result.returncode not in (0, 130), arguments
        assert "acme-zoo cannot be loaded" in result.stderr
        assert "a_module_that_left" in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.png").exists()


def test_two_claims_to_a_name_are_an_error_that_names_both(
    zoo_command: Zoo, site: Path, tmp_path: Path
) -> None:
    other = {"zoo.layers": {"acme/blur": "acme_zoo.blur:Blur"}}
    declare(site, "copycat", other)
    (tmp_path / "own.cfg").write_text(CFG)
    used = zoo_command("show", "own.cfg", path=site)
    assert used.returncode == 1
    assert "acme-zoo and copycat" in used.stderr
    listed = zoo_command("layers", path=site)
    assert listed.returncode == 0
    assert "acme-zoo and copycat" in listed.stderr
    rows = json.loads(zoo_command("plugins", "--json", path=site).stdout)
    disputed = [row for row in rows if row["name"] == "acme/blur"]
    assert {row["distribution"] for row in disputed} == {"acme-zoo", "copycat"}
    # The way out that the message names.
    chosen = zoo_command(
        "show", "own.cfg", path=site, env={"ZOO_DISABLE_PLUGINS": "copycat"}
    )
    assert chosen.returncode == 0, chosen.stderr


def test_a_claim_to_a_name_of_ours_is_an_error_too(
    zoo_command: Zoo, site: Path, tmp_path: Path
) -> None:
    declare(site, "impostor", {"zoo.layers": {"upsample": "acme_zoo.blur:Blur"}})
    (tmp_path / "own.cfg").write_text(CFG)
    result = zoo_command("show", "own.cfg", path=site)
    assert result.returncode == 1
    assert "cfgzoo and impostor" in result.stderr


@pytest.mark.parametrize("value", ["1", "acme-zoo", "Acme_Zoo"])
def test_disabled_it_is_not_there(
    zoo_command: Zoo, site: Path, tmp_path: Path, value: str
) -> None:
    break_package(site)
    (tmp_path / "own.cfg").write_text(CFG)
    hidden = {"ZOO_DISABLE_PLUGINS": value}
    result = zoo_command("plugins", path=site, env=hidden)
    assert result.returncode == 0
    assert result.stderr == ""
    assert "acme" not in result.stdout
    used = zoo_command("show", "own.cfg", path=site, env=hidden)
    assert used.returncode == 1
    assert "own.cfg:13: there is no layer [acme/blur]" in used.stderr


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + [str(EXAMPLE / "tests"), "--rootdir", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout


@pytest.mark.slow
def test_pip_installs_it(zoo_command: Zoo, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(EXAMPLE, source)
    target = tmp_path / "target"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        + ["--no-index", "--no-build-isolation", "--target", str(target), str(source)],
        check=True,
    )
    layers = zoo_command("layers", "show", "acme/blur", path=target)
    assert layers.returncode == 0
    assert "from acme-zoo" in layers.stdout
    listing = zoo_command("list", "acme", "--json", path=target)
    assert json.loads(listing.stdout)[0]["name"] == "acme_zoo/soften_x2"
