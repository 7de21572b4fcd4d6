"""The five registries, all of them entry points.

Listing a registry imports nothing; a plugin is imported when it is first
asked for. Built-ins are declared in setup.cfg as any third party would.

==============  ====================================================
group           an entry is
==============  ====================================================
zoo.layers      a subclass of :class:`zoo.layers.Layer`
zoo.kernels     a subclass of :class:`zoo.plugins.Kernels`
zoo.models      a subclass of :class:`zoo.models.Family`
zoo.readers     a subclass of :class:`zoo.parsers.Reader`
zoo.metrics     a function of two arrays that returns a float
==============  ====================================================
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from zoo.errors import PluginError

__all__ = ["GROUPS", "Registry", "refresh", "registry"]

GROUPS = ("zoo.layers", "zoo.kernels", "zoo.models", "zoo.readers", "zoo.metrics")

_OWN_DISTRIBUTION = "cfgzoo"


def distribution_of(entry: EntryPoint) -> str:
    """Name of the distribution that declares an entry point, or "unknown"."""
    return entry.dist.metadata["Name"] if entry.dist is not None else "unknown"


def _is_disabled(entry: EntryPoint) -> bool:
    """Whether ``ZOO_DISABLE_PLUGINS`` (1, or distribution names) hides the entry."""
    value = os.environ.get("ZOO_DISABLE_PLUGINS", "").strip()
    if not value or distribution_of(entry) == _OWN_DISTRIBUTION:
        return False
    names = {name.strip() for name in value.split(",")}
    return bool(names & {"1", "all", distribution_of(entry), entry.name})


class Registry:
    """Named plugins of one kind.

    Parameters
    ----------
    group : str
        The entry-point group, for example ``"zoo.layers"``.
    entries : iterable of EntryPoint
        What is installed.
    """

    def __init__(self, group: str, entries: Iterable[EntryPoint]) -> None:
        self.group = group
        self._entries: dict[str, list[EntryPoint]] = {}
        for entry in entries:
            if _is_disabled(entry):
                continue
            same = self._entries.setdefault(entry.name, [])
            if all(
                (known.value, distribution_of(known))
                != (entry.value, distribution_of(entry))
                for known in same
            ):
                same.append(entry)
        self._loaded: dict[str, Any] = {}

    @property
    def kind(self) -> str:
        """What one entry is, in the singular: "layer", "model", ..."""
        name = self.group.removeprefix("zoo.")
        return name if name == "kernels" else name.removesuffix("s")

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def entry(self, name: str) -> EntryPoint:
        """Return the entry point of a name without loading it.

        Raises
        ------
        PluginError
            If nothing has the name, or two distributions claim it.
        """
        found = self._entries.get(name)
        if not found:
            near = self.nearest(name)
            hint = f"; did you mean {near!r}?" if near else ""
            raise PluginError(
                f"there is no {self.kind} {name!r}{hint} "
                f"(`zoo plugins` lists what is installed)"
            )
        if len(found) > 1:
            owners = " and ".join(sorted(distribution_of(entry) for entry in found))
            raise PluginError(
                f"{self.kind} {name!r} is claimed by {owners}; uninstall one of them, "
                f"or name one in ZOO_DISABLE_PLUGINS"
            )
        return found[0]

    def conflicts(self) -> list[tuple[str, list[str]]]:
        """Names that more than one distribution claims, with the distributions."""
        return [
            (name, sorted(distribution_of(entry) for entry in found))
            for name, found in sorted(self._entries.items())
            if len(found) > 1
        ]

    def load(self, name: str) -> Any:
        """Import and return the plugin of a name.

        Raises
        ------
        PluginError
            If it is unknown, claimed twice, or its import fails; the message
            names the distribution that installed it.
        """
        if name not in self._loaded:
            entry = self.entry(name)
            try:
                self._loaded[name] = entry.load()
            except Exception as error:
                raise PluginError(
                    f"{self.kind} {name!r} of {distribution_of(entry)} cannot be loaded "
                    f"({type(error).__name__}: {error}); "
                    f"repair or uninstall {distribution_of(entry)}"
                ) from error
        return self._loaded[name]

    def load_all(self) -> dict[str, Any]:
        """Load every plugin; one that fails costs a warning, not the call."""
        loaded = {}
        for name in self:
            try:
                loaded[name] = self.load(name)
            except PluginError as error:
                warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        return loaded

    def names_of(self, name: str) -> tuple[str, ...]:
        """All names of the plugin behind a name, the canonical one first.

        Entry points with the same value are aliases of each other. Canonical is
        the one that is called like its module, else the first one declared.
        """
        value = self.entry(name).value
        names = [
            other
            for other, found in self._entries.items()
            if any(entry.value == value for entry in found)
        ]
        module = value.partition(":")[0].rpartition(".")[2]
        names.sort(key=lambda other: other.rpartition("/")[2] != module)
        return tuple(names)

    def canonical(self) -> list[str]:
        """Canonical names, sorted: every plugin once."""
        names = set()
        for name, found in self._entries.items():
            names.add(name if len(found) > 1 else self.names_of(name)[0])
        return sorted(names)

    def nearest(self, name: str) -> str | None:
        """The known name most like a wrong one, or None if none is like it."""
        matches = difflib.get_close_matches(name, self._entries, n=1, cutoff=0.6)
        return matches[0] if matches else None


@cache
def registry(group: str) -> Registry:
    """Return the registry of a group such as ``"zoo.layers"``.

    Raises
    ------
    PluginError
        If zoo itself is not installed, so that not even the built-ins are known.
    """
    if group not in GROUPS:
        raise PluginError(f"there is no registry {group!r}; there are {GROUPS}")
    found = Registry(group, entry_points(group=group))
    if not found:
        raise PluginError(
            "zoo's own entry points are not installed; "
            "run `pip install -e .` in the checkout"
        )
    return found


def refresh() -> None:
    """Forget what was found, so that newly installed plugins are seen."""
    registry.cache_clear()
