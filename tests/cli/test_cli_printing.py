"""What files and names contain can neither clear a screen nor forge a line."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from zoo.checkpoints.files import save_weights
from zoo.cli import main
from zoo.images import Image, encode
from zoo.network import Network
from zoo.tables import printable, printable_lines, table

EVIL = "a\x1b[2Jb\nzoo: all is well\r\x9b1A\u202e\u2028"
COMMANDS = Path(__file__).parents[2] / "zoo" / "cli"
SHUFFLED = """[net]
channels=3
[convolutional]
filters=12
size=3
pad=1
activation=linear
[shuffler]
scale=2
"""
NET = "[net]\nchannels=1\n[convolutional]\nfilters=1\nactivation=linear\n"


def clean(text: str) -> bool:
    return all(char == "\n" or printable(char) == char for char in text)


@given(st.text())
def test_nothing_but_text_is_left(text):
    shown = printable(text)
    assert clean(shown)
    assert "\n" not in shown
    shown.encode()
    assert printable(shown) == shown
    assert printable_lines(text).count("\n") == text.count("\n")
    assert clean(table(("name",), [(text,)]))
    assert table(("name",), [(text,)]).count("\n") == 1


def test_only_two_modules_write_to_the_streams():
    """All commands print through zoo.cli._common, which escapes."""
    for path in COMMANDS.glob("*.py"):
        if path.name in ("_common.py", "__init__.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("click.echo", "print", "click.secho"), path


@pytest.mark.parametrize("as_json", [False, True])
def test_names_of_tensors(tmp_path, capfd, as_json):
    path = tmp_path / "evil.safetensors"
    save_file({EVIL: np.zeros((3, 3), np.float32)}, path)
    code = main(["convert", str(path), *["--json"] * as_json])
    out, err = capfd.readouterr()
    assert code == 1
    assert clean(out)
    assert clean(err)
    assert "all is well" in err
    assert re.fullmatch(r"zoo: .*\n", err)


def test_names_of_files(tmp_path, capfd):
    cfg = tmp_path / f"{EVIL}.cfg"
    cfg.write_text(NET)
    for call in (["show"], ["show", "--plan"], ["show", "--json"], ["eval"], ["train"]):
        main([call[0], str(cfg), *call[1:]])
        out, err = capfd.readouterr()
        assert clean(out)
        assert clean(err)
        assert "zoo: all is well" not in (out + err).splitlines()
        assert not any(line.startswith("zoo: all") for line in out.splitlines())
    assert main(["show", str(cfg), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["source"] == str(cfg)


def test_text_of_a_cfg(tmp_path, capfd):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(NET + "filt\x1b[2Jers=3\n[\x1b[2Jlayer\x9b]\n")
    assert main(["show", str(cfg)]) == 1
    assert clean(capfd.readouterr().err)
    main(["show", "--lenient", str(cfg)])
    assert clean(capfd.readouterr().err)


def test_a_name_that_is_no_utf_8(tmp_path, capfd):
    cfg = tmp_path / "na\udcffme.cfg"
    try:
        cfg.write_text(NET)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 only")
    assert main(["show", str(cfg), "--json"]) == 0
    out = capfd.readouterr().out
    assert json.loads(out)["source"] == str(cfg)
    assert main(["show", str(cfg)]) == 0
    assert clean(capfd.readouterr().out)


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """A folder with pictures and a network whose names are no UTF-8."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for name in ("a\udcff", "b", "c"):
        try:
            Path("in", f"{name}.png").write_bytes(encode(Image(pixels), "png"))
        except OSError:
            pytest.skip("this file system takes UTF-8 alone")
    Path("n\udcff.cfg").write_text(SHUFFLED)
    save_weights(Network.parse(SHUFFLED).initialize(), "n\udcff.safetensors")
    return "n\udcff.cfg"


@pytest.mark.parametrize(
    "call",
    [
        "run NET in -o out --json",
        "eval NET in --report report.html",
        "eval NET in --plot plot.png",
        "eval NET in --degrade noise_sigma=3",
        "train NET --data in -o run\udcff --updates 1 --patch 8 --batch 1",
        "graph NET -o n\udcff.svg",
        "export NET --to npz",
        "convert n\udcff.safetensors --cfg NET --to npz -o other",
        "view in -o view.html",
        "study mri in/a\udcff.png -o study --network NET --angles 0",
    ],
)
def test_names_that_are_no_utf8(strange, capfd, call):
    code = main(call.replace("NET", strange).split())
    out, err = capfd.readouterr()
    assert code == 0, err
    assert clean(out)
    assert clean(err.replace("\r", ""))
    for path in (*Path().glob("*.svg"), *Path().glob("*.html")):
        path.read_text(encoding="utf-8")
