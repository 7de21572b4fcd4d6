"""What there is to say about a layer, taken from its declaration of keys.

``zoo layers show`` and docs/layers.md are made from here, so that neither can
differ from what the parser accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.keys import Key
from zoo.net_section import NET_KEYS
from zoo.registry import OWN_DISTRIBUTION, distribution_of, registry

__all__ = [
    "LayerReference",
    "as_markdown",
    "default_text",
    "describe_key",
    "describe_layer",
    "range_text",
]

_NET = "net"
_NET_SUMMARY = "What a network expects of a picture, and how it is trained."

_MARKDOWN_HEAD = """\
# Layers and their keys

Made from the layers' own declarations by `make layers`; a test fails where it is
out of date. `zoo layers show NAME` prints one of these tables, also for layers of
third parties. Lists are written with commas, bool as 0 or 1.
"""


@dataclass(frozen=True)
class LayerReference:
    """A layer as its users see it; ``name`` is the canonical one."""

    name: str
    aliases: tuple[str, ...]
    summary: str
    distribution: str
    keys: tuple[Key, ...]


def describe_layer(name: str) -> LayerReference:
    """Describe a layer by any of its names; "net" is the first section of a cfg.

    Raises
    ------
    PluginError
        If there is no such layer, two distributions claim it, or it is broken.
    """
    if name in (_NET, "network"):
        return LayerReference(
            _NET, ("network",), _NET_SUMMARY, OWN_DISTRIBUTION, NET_KEYS
        )
    known = registry("zoo.layers")
    layer = known.load(name)
    canonical, *aliases = known.names_of(name)
    owner = distribution_of(known.entry(name))
    return LayerReference(canonical, tuple(aliases), layer.summary, owner, layer.keys)


def describe_key(key: Key) -> dict[str, Any]:
    """A key as numbers, strings, lists and dicts, for JSON."""
    return {
        "name": key.name,
        "aliases": list(key.aliases),
        "type": key.type,
        "required": key.required,
        "default": None if key.required else key.default,
        "minimum": key.minimum,
        "maximum": key.maximum,
        "choices": list(key.choices),
        "meaning": key.meaning,
        "unused": key.unused,
    }


def default_text(key: Key) -> str:
    """The default as it would be written in a cfg file; "required" for none."""
    if key.required:
        return "required"
    return "" if key.default is None else _value_text(key.default)


def range_text(key: Key) -> str:
    """The values that a key may have, where they are limited."""
    if key.choices:
        return ", ".join(key.choices)
    low, high = key.minimum, key.maximum
    if low is not None and high is not None:
        return f"{_value_text(low)} to {_value_text(high)}"
    if low is not None:
        return f"at least {_value_text(low)}"
    return f"at most {_value_text(high)}" if high is not None else ""


def as_markdown() -> str:
    """docs/layers.md: [net] and all built-in layers."""
    known = registry("zoo.layers")
    names = [
        name
        for name in known.canonical()
        if all(distribution_of(e) == OWN_DISTRIBUTION for e in known.entries_of(name))
    ]
    parts = [_MARKDOWN_HEAD]
    parts += [_layer_markdown(describe_layer(name)) for name in (_NET, *names)]
    return "\n".join(parts)


def _layer_markdown(layer: LayerReference) -> str:
    lines = [f"## [{layer.name}]", "", layer.summary, ""]
    if layer.aliases:
        names = ", ".join(f"`[{alias}]`" for alias in layer.aliases)
        lines += [f"Also written {names}.", ""]
    used = [key for key in layer.keys if not key.unused]
    unused = [key for key in layer.keys if key.unused]
    if used:
        lines += [
            "| key | type | default | values | meaning |",
            "|---|---|---|---|---|",
        ]
        lines += [_key_markdown(key) for key in used]
        lines += [""]
    else:
        lines += ["It has no keys.", ""] if not unused else []
    if unused:
        names = ", ".join(f"`{key.name}`" for key in unused)
        lines += [f"Darknet's, without effect here: {names}.", ""]
    return "\n".join(lines)


def _key_markdown(key: Key) -> str:
    names = ", ".join(f"`{name}`" for name in (key.name, *key.aliases))
    default = default_text(key)
    shown = default if key.required else (f"`{default}`" if default else "")
    cells = (names, key.type, shown, range_text(key), key.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ",".join(_value_text(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
