"""The registries, all of them entry points.

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
zoo.formats     a subclass of :class:`zoo.formats.Format`
==============  ====================================================
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

from zoo.errors import PluginError, UnknownPluginError, ZooError, did_you_mean

__all__ = [
    "GROUPS",
    "OWN_DISTRIBUTION",
    "Registry",
    "distribution_of",
    "refresh",
    "registry",
    "version_of",
]

GROUPS = (
    "zoo.layers",
    "zoo.kernels",
    "zoo.models",
    "zoo.readers",
    "zoo.metrics",
    "zoo.formats",
    "zoo.engines",
)

OWN_DISTRIBUTION = "cfgzoo"
"""The distribution that declares the built-in plugins: zoo itself."""


_CONTRACTS = {
    "zoo.layers": "zoo.layers.base:Layer",
    "zoo.kernels": "zoo.plugins.base:Kernels",
    "zoo.models": "zoo.models.base:Family",
    "zoo.readers": "zoo.parsers.base:Reader",
    "zoo.formats": "zoo.formats:Format",
    "zoo.engines": "zoo.run.engines:Engine",
}
"""The class whose subclasses a registry takes; metrics are plain functions."""


@cache
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    # Each look at these parses the whole METADATA file again.
    metadata = distribution.metadata
    return metadata["Name"] or "unknown", metadata["Version"] or "unknown"


def distribution_of(entry: EntryPoint) -> str:
    """Name of the distribution that declares an entry point, or "unknown"."""
    return _name_and_version(entry.dist)[0] if entry.dist is not None else "unknown"


def version_of(entry: EntryPoint) -> str:
    """Version of the distribution that declares an entry point, or "unknown"."""
    return _name_and_version(entry.dist)[1] if entry.dist is not None else "unknown"


def _normalized(name: str) -> str:
    """A distribution's name as pip compares it: case, ``-``, ``_``, ``.`` alike."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _is_disabled(entry: EntryPoint) -> bool:
    """Whether ``ZOO_DISABLE_PLUGINS`` (1, or distribution names) hides the entry."""
    value = os.environ.get("ZOO_DISABLE_PLUGINS", "").strip()
    if not value or distribution_of(entry) == OWN_DISTRIBUTION:
        return False
    names = {_normalized(name) for name in value.split(",")}
    return bool(
        names
        & {"1", "all", _normalized(distribution_of(entry)), _normalized(entry.name)}
    )


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
        """What one entry is, as "layer", "model", "back end"."""
        name = self.group.removeprefix("zoo.")
        return "back end" if name == "kernels" else name.removesuffix("s")

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
            hint = did_you_mean(name, self._entries)
            raise UnknownPluginError(
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

    def entries(self) -> list[EntryPoint]:
        """All entry points, sorted by name; a name claimed twice comes twice."""
        return [entry for name in self for entry in self._entries[name]]

    def entries_of(self, name: str) -> list[EntryPoint]:
        """The entry points of one name: one, or more that dispute it."""
        return list(self._entries.get(name, ()))

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
            If it is unknown, claimed twice, its import fails, or it is not what
            the registry takes; the message names the distribution that
            installed it.
        """
        if name not in self._loaded:
            entry = self.entry(name)
            owner = distribution_of(entry)
            try:
                plugin = entry.load()
            except ZooError as error:  # it knows best what to do
                raise PluginError(
                    f"{self.kind} {name!r} of {owner} cannot be loaded: {error}"
                ) from error
            except (Exception, SystemExit) as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise PluginError(
                    f"{self.kind} {name!r} of {owner} cannot be loaded ({reason}); "
                    f"repair or uninstall {owner}"
                ) from error
            wanted = self._broken_contract(plugin)
            if wanted is not None:
                raise PluginError(
                    f"{self.kind} {name!r} of {owner} is no {wanted} "
                    f"({entry.value}); repair or uninstall {owner}"
                )
            self._loaded[name] = plugin
        return self._loaded[name]

    def _broken_contract(self, plugin: Any) -> str | None:
        """What a plugin should be and is not; None if all is well."""
        if self.group not in _CONTRACTS:
            return None if callable(plugin) else "function"
        module, _, attribute = _CONTRACTS[self.group].partition(":")
        base = getattr(import_module(module), attribute)
        if isinstance(plugin, type) and issubclass(plugin, base):
            return None
        return f"subclass of {module}.{attribute}"

    def names_of(self, name: str) -> tuple[str, ...]:
        """All names of the plugin behind a name, the canonical one first.

        Entry points with the same value are aliases of each other. Canonical is
        the one that is called like its module, else the first one declared.
        """
        value = self.entry(name).value
        names = self._names[value].copy()
        module = value.partition(":")[0].rpartition(".")[2]
        names.sort(key=lambda other: other.rpartition("/")[2] != module)
        return tuple(names)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """By what entry points lead to: their names, in the order declared."""
        names: dict[str, list[str]] = {}
        for name, found in self._entries.items():
            for value in {entry.value for entry in found}:
                names.setdefault(value, []).append(name)
        return names

    def canonical(self) -> list[str]:
        """Canonical names, sorted: every plugin once."""
        names = set()
        for name, found in self._entries.items():
            names.add(name if len(found) > 1 else self.names_of(name)[0])
        return sorted(names)


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
    found = Registry(group, _installed().select(group=group))
    if not found:
        raise PluginError(
            "zoo's own entry points are not installed; "
            "run `pip install -e .` in the checkout"
        )
    return found


@cache
def _installed() -> Any:
    """Entry points of all groups: to look for those of one reads the same files."""
    return entry_points()


def refresh() -> None:
    """Forget what was found, so that newly installed plugins are seen."""
    _installed.cache_clear()
    registry.cache_clear()
