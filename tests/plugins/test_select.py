"""Which back end runs where none is named."""

from __future__ import annotations

from typing import Any

import pytest

import zoo.plugins
from zoo.errors import NotCompiledError, PluginError
from zoo.registry import registry


class Broken:
    """The registry, in which the native back end does not load."""

    def __init__(self, why: PluginError) -> None:
        self.why = why

    def load(self, name: str) -> Any:
        if name == "native":
            raise PluginError(f"{name} cannot be loaded") from self.why
        return registry("zoo.kernels").load(name)


def test_numpy_runs_where_nothing_was_compiled(monkeypatch, recwarn):
    monkeypatch.delenv("ZOO_BACKEND", raising=False)
    broken = Broken(NotCompiledError("no compiler"))
    monkeypatch.setattr(zoo.plugins, "registry", lambda group: broken)
    assert zoo.plugins.select().name == "numpy"
    assert not recwarn.list


def test_what_was_compiled_and_does_not_load_costs_a_warning(monkeypatch):
    monkeypatch.delenv("ZOO_BACKEND", raising=False)
    broken = Broken(PluginError("of another version"))
    monkeypatch.setattr(zoo.plugins, "registry", lambda group: broken)
    with pytest.warns(RuntimeWarning, match="cannot be loaded; numpy runs"):
        assert zoo.plugins.select().name == "numpy"
    with pytest.raises(PluginError, match="cannot be loaded"):
        zoo.plugins.select("native")
