"""zoo layers, zoo plugins and zoo info."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.cli import main
from zoo.key_tables import as_markdown, describe_layer
from zoo.registry import GROUPS, registry

ROOT = Path(__file__).resolve().parents[2]


def test_layers_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = {row["name"]: row for row in json.loads(captured.out)}
    assert set(rows) == set(registry("zoo.layers").canonical())
    assert rows["convolutional"]["aliases"] == ["conv"]
    assert all(
        row["summary"] and row["distribution"] == "cfgzoo" for row in rows.values()
    )
    assert main(["layers"]) == 0
    table = capsys.readouterr().out
    for name in rows:
        assert f"\n{name} " in table


@pytest.mark.parametrize("name", ["convolutional", "net", "shortcut"])
def test_layers_show_explains_every_key(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["layers", "show", name]) == 0
    output = capsys.readouterr().out
    layer = describe_layer(name)
    assert layer.keys
    for key in layer.keys:
        assert key.name in output
        assert key.unused or key.meaning in output
        for choice in key.choices:
            assert choice in output


@pytest.mark.parametrize("name", ["convolutional", "net", "softmax", "dropout"])
def test_layers_show_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "show", name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    keys = describe_layer(name).keys
    assert [key["name"] for key in shown["keys"]] == [key.name for key in keys]


def test_a_long_list_of_values_does_not_widen_the_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["layers", "show", "activation"]) == 0
    output = capsys.readouterr().out
    below = output[output.index("see below") :]
    assert "\nactivation: linear, " in below
    assert max(map(len, output.splitlines())) < 200


def test_layers_show_takes_an_alias(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "show", "pixel_shuffle"]) == 0
    assert capsys.readouterr().out.startswith("[shuffler], [")


def test_layers_show_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "show", "shortcat"]) == 2
    assert "did you mean 'shortcut'" in capsys.readouterr().err


def test_every_key_of_every_layer_is_explained() -> None:
    for name in ("net", *registry("zoo.layers").canonical()):
        layer = describe_layer(name)
        assert layer.summary, name
        for key in layer.keys:
            assert key.meaning, f"[{name}] {key.name}"


def test_the_reference_in_docs_is_up_to_date() -> None:
    written = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    assert written == as_markdown(), "docs/layers.md is out of date; run `make layers`"


def test_plugins_lists_the_registries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--json", "--check"]) == 0, capsys.readouterr().err
    rows = json.loads(capsys.readouterr().out)
    assert {row["registry"] for row in rows} == set(GROUPS)
    by_name = {(row["registry"], row["name"]): row for row in rows}
    assert by_name["zoo.models", "edsr"]["distribution"] == "cfgzoo"
    assert by_name["zoo.layers", "avgpool"]["aliases"] == ["avg"]
    assert main(["plugins"]) == 0
    assert "zoo.kernels" in capsys.readouterr().out


def test_info_says_what_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_BACKEND", "numpy")
    monkeypatch.setenv("ZOO_NUM_THREADS", "3")
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["runs"] == {"backend": "numpy", "threads": 3, "error": None}
    assert facts["environment"]["ZOO_BACKEND"] == "numpy"
    backends = {row["name"]: row for row in facts["backends"]}
    assert {"numpy", "native"} <= set(backends)
    assert "numpy" in backends["numpy"]["instruction_set"].lower()
    assert facts["packages"]["numpy"]
    assert {row["name"] for row in facts["checkpoint_formats"]} >= {"safetensors"}
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert "numpy, threads: 3" in text
    assert "ZOO_NUM_THREADS" in text


def test_info_says_why_an_instruction_set_is_not_used(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.plugins.numpy import NumpyKernels

    unused = property(lambda self: {"amx": "no tiles for us"})
    monkeypatch.setattr(NumpyKernels, "unused_instruction_sets", unused)
    assert main(["info"]) == 0
    assert "(not amx: no tiles for us)" in capsys.readouterr().out
    assert main(["info", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["backends"]
    numpy = next(row for row in rows if row["name"] == "numpy")
    assert numpy["unused_instruction_sets"] == {"amx": "no tiles for us"}


def test_info_shows_a_wrong_variable_as_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_NUM_THREADS", "0")
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert "ZOO_NUM_THREADS is '0'" in text
    assert "UsageError" not in text


def test_info_says_why_a_back_end_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_BACKEND", "cuda9000")
    assert main(["info"]) == 0
    assert "there is no back end 'cuda9000'" in capsys.readouterr().out


def test_a_missing_extension_is_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the compiled module, numpy runs and zoo info says why."""
    import sys

    from zoo.registry import refresh

    # None in sys.modules makes the import fail, as if it had not been built.
    monkeypatch.setitem(sys.modules, "zoo.plugins.native._native", None)
    for name in [*sys.modules]:
        if name.startswith("zoo.plugins.native") and sys.modules[name] is not None:
            monkeypatch.delitem(sys.modules, name)
    refresh()
    try:
        assert main(["info", "--json"]) == 0
    finally:
        refresh()
    facts = json.loads(capsys.readouterr().out)
    native = next(row for row in facts["backends"] if row["name"] == "native")
    assert native["missing"]
    assert facts["runs"]["backend"] == "numpy"
