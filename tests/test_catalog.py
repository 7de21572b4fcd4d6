"""Finding networks and weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo import catalog
from zoo.catalog import CFG_FOLDER, find_cfg, find_weights, networks
from zoo.errors import CfgError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two networks that "ship", one of them with weights."""
    folder = tmp_path / "zoo"
    (folder / "cfg").mkdir(parents=True)
    (folder / "weights").mkdir()
    for name in ("edsr_x2.cfg", "wdsr_x4.cfg"):
        (folder / "cfg" / name).write_text("[net]\n")
    (folder / "weights" / "edsr_x2.safetensors").write_bytes(b"")
    monkeypatch.setattr(catalog, "CFG_FOLDER", folder / "cfg")
    return folder


@pytest.mark.parametrize("name", ["edsr_x2", "edsr_x2.cfg", "EDSR_x2", "Edsr_X2.CFG"])
def test_names_of_what_ships(shipped: Path, name: str) -> None:
    assert find_cfg(name) == shipped / "cfg" / "edsr_x2.cfg"


def test_an_existing_file_goes_before_a_name(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "edsr_x2"
    own.write_text("[net]\n")
    assert find_cfg("edsr_x2").resolve() == own
    assert find_cfg(own) == own


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("edsr_x3", "no network and no cfg file 'edsr_x3'; did you mean 'edsr_x2'"),
        ("folder/edsr_x2.cfg", "no cfg file 'folder/edsr_x2.cfg'; did you mean"),
        ("q", "no network and no cfg file 'q' "),
        ("", "folder"),
    ],
)
def test_unknown_names(shipped: Path, name: str, sentence: str) -> None:
    with pytest.raises(CfgError, match=sentence):
        find_cfg(name)


def test_a_folder_is_no_cfg(tmp_path: Path) -> None:
    with pytest.raises(CfgError, match="is a folder"):
        find_cfg(tmp_path)


def test_weights_beside_the_cfg(tmp_path: Path) -> None:
    cfg = tmp_path / "my.net.cfg"
    cfg.write_text("[net]\n")
    assert find_weights(cfg) is None
    darknet = tmp_path / "my.net.weights"
    darknet.write_bytes(b"")
    assert find_weights(cfg) == darknet
    preferred = tmp_path / "my.net.safetensors"
    preferred.write_bytes(b"")
    assert find_weights(str(cfg)) == preferred


def test_weights_in_the_folder_of_weights(shipped: Path) -> None:
    found = find_weights(shipped / "cfg" / "edsr_x2.cfg")
    assert found == shipped / "weights" / "edsr_x2.safetensors"
    assert find_weights(shipped / "cfg" / "wdsr_x4.cfg") is None


def test_weights_through_a_link(shipped: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere"
    try:
        link.symlink_to(shipped / "cfg", target_is_directory=True)
    except OSError:
        pytest.skip("this system has no links")
    found = find_weights(link / "edsr_x2.cfg")
    assert found is not None
    assert found.name == "edsr_x2.safetensors"


def test_entries_of_what_ships(shipped: Path) -> None:
    own = [entry for entry in networks() if entry.distribution == "cfgzoo"]
    assert [entry.name for entry in own] == ["edsr_x2", "wdsr_x4"]
    assert [entry.family for entry in own] == ["edsr", "wdsr"]
    assert [entry.weights is not None for entry in own] == [True, False]


def test_the_checkout_finds_what_it_ships() -> None:
    names = {entry.name for entry in networks()}
    assert {path.stem for path in CFG_FOLDER.glob("*.cfg")} <= names
    for name in names:
        assert find_cfg(name).is_file()


@pytest.mark.parametrize("room", ["layers", "parsers", "plugins", "cfg", "weights"])
def test_the_doors_lead_into_the_package(room: str) -> None:
    door = ROOT / room
    if not door.is_symlink():
        pytest.skip("this checkout has no links")
    assert door.resolve() == ROOT / "zoo" / room
