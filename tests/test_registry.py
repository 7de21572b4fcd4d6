"""The registries, on fabricated entry points."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint
from typing import Any

import pytest

from zoo.errors import PluginError
from zoo.layers.base import Layer
from zoo.registry import GROUPS, Registry, distribution_of, registry


class _Fake(Distribution):
    """A distribution that exists only in memory."""

    def __init__(self, name: str, version: str = "1.0") -> None:
        self._text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return path


def entry(name: str, value: str, distribution: str = "acme-zoo") -> EntryPoint:
    point = EntryPoint(name=name, value=value, group="zoo.layers")
    vars(point)["dist"] = _Fake(distribution)  # as importlib.metadata does
    return point


class Blur(Layer):
    summary = "blurs"


@pytest.fixture
def acme() -> Iterator[types.ModuleType]:
    module = types.ModuleType("acme_fake")
    module.Blur = Blur  # type: ignore[attr-defined]
    module.Other = int  # type: ignore[attr-defined]
    sys.modules["acme_fake"] = module
    yield module
    del sys.modules["acme_fake"]


def test_load_imports_once_and_lists_without_loading(acme: types.ModuleType) -> None:
    known = Registry("zoo.layers", [entry("acme/blur", "acme_fake:Blur")])
    assert list(known) == ["acme/blur"]
    assert "acme/blur" in known
    assert len(known) == 1
    assert known.load("acme/blur") is Blur
    del acme.Blur  # type: ignore[attr-defined]
    assert known.load("acme/blur") is Blur


def test_listing_imports_nothing() -> None:
    known = Registry("zoo.layers", [entry("x", "no_such_module_at_all:X")])
    assert list(known) == ["x"]
    assert known.canonical() == ["x"]
    assert distribution_of(known.entry("x")) == "acme-zoo"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module_at_all:X", "ModuleNotFoundError"),
        ("acme_fake:Absent", "AttributeError"),
        ("acme fake", "Error"),
        ("acme_fake:Other", "no subclass of zoo.layers.base.Layer"),
    ],
)
def test_broken_plugins_name_their_distribution(
    acme: types.ModuleType, value: str, reason: str
) -> None:
    known = Registry("zoo.layers", [entry("broken", value)])
    with pytest.raises(PluginError, match=f"acme-zoo.*{reason}"):
        known.load("broken")


def test_a_plugin_that_exits_is_broken_not_obeyed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = Registry("zoo.layers", [entry("quitter", "acme_fake:X")])

    def leave(self: EntryPoint) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(EntryPoint, "load", leave)
    with pytest.raises(PluginError, match="SystemExit"):
        known.load("quitter")


def test_a_plugin_that_says_what_to_do_is_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = Registry("zoo.layers", [entry("native", "acme_fake:X")])

    def fail(self: EntryPoint) -> None:
        raise PluginError("it was not compiled; install a compiler")

    monkeypatch.setattr(EntryPoint, "load", fail)
    with pytest.raises(PluginError) as caught:
        known.load("native")
    assert str(caught.value) == (
        "layer 'native' of acme-zoo cannot be loaded: "
        "it was not compiled; install a compiler"
    )


def test_two_claims_name_both_and_hide_neither(acme: types.ModuleType) -> None:
    known = Registry(
        "zoo.layers",
        [
            entry("blur", "acme_fake:Blur", "first"),
            entry("blur", "acme_fake:Blur", "second"),
            entry("fine", "acme_fake:Blur", "first"),
        ],
    )
    assert known.conflicts() == [("blur", ["first", "second"])]
    with pytest.raises(PluginError, match="first and second"):
        known.load("blur")
    assert known.load("fine") is Blur
    assert [distribution_of(e) for e in known.entries_of("blur")] == [
        "first",
        "second",
    ]


def test_one_distribution_found_twice_is_no_conflict(acme: types.ModuleType) -> None:
    twice = [entry("blur", "acme_fake:Blur"), entry("blur", "acme_fake:Blur")]
    assert Registry("zoo.layers", twice).load("blur") is Blur


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("1", True),
        ("all", True),
        ("acme-zoo", True),
        ("Acme_Zoo", True),
        ("other, acme.zoo", True),
        ("acme/blur", True),
        ("other", False),
        ("", False),
    ],
)
def test_disabled_plugins(
    monkeypatch: pytest.MonkeyPatch, value: str, hidden: bool
) -> None:
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", value)
    known = Registry(
        "zoo.layers",
        [entry("acme/blur", "acme_fake:Blur"), entry("own", "zoo.x:Y", "cfgzoo")],
    )
    assert list(known) == (["own"] if hidden else ["acme/blur", "own"])


def test_aliases_and_canonical_names() -> None:
    known = Registry(
        "zoo.layers",
        [
            entry("conv", "zoo.layers.convolutional:C"),
            entry("convolutional", "zoo.layers.convolutional:C"),
            entry("acme/blur", "acme.blur:Blur"),
            entry("acme/smooth", "acme.blur:Blur"),
        ],
    )
    assert known.names_of("conv") == ("convolutional", "conv")
    assert known.names_of("acme/smooth") == ("acme/blur", "acme/smooth")
    assert known.canonical() == ["acme/blur", "convolutional"]


def test_unknown_names_get_a_hint() -> None:
    known = Registry("zoo.layers", [entry("shortcut", "a:b")])
    with pytest.raises(PluginError, match="did you mean 'shortcut'"):
        known.load("shortcat")
    with pytest.raises(PluginError, match="no layer 'xyz' "):
        known.load("xyz")


def test_the_registries_hold_the_built_ins() -> None:
    assert len(GROUPS) >= 6
    for group in GROUPS:
        known = registry(group)
        assert len(known) > 1
        assert {distribution_of(e) for e in known.entries()} >= {"cfgzoo"}
        assert registry(group) is known
    with pytest.raises(PluginError, match=r"zoo\.colours"):
        registry("zoo.colours")
