"""Keys of a cfg that mean something in Darknet and nothing here."""

from __future__ import annotations

from zoo.keys import Key
from zoo.layers.darknet_keys import STOP_KEY
from zoo.net_section import NET_KEYS
from zoo.network import Network

__all__ = ["ignored_keys"]


def ignored_keys(network: Network) -> list[str]:
    """What a cfg asks for in vain, a phrase per kind of section.

    Keys at their default values, which ask for nothing, are left out.

    Returns
    -------
    list of str
        ``["[net] angle, hue", "[convolutional] clip"]``
    """
    found: dict[str, list[str]] = {}
    layers = zip(network.sections[1:], network.layers, strict=True)
    for section, keys, values in [
        (network.sections[0], NET_KEYS, network.settings),
        *((section, layer.keys, vars(layer)) for section, layer in layers),
    ]:
        known = {name: key for key in keys for name in (key.name, *key.aliases)}
        names = found.setdefault(section.kind, [])
        for entry in section.entries:
            key = known.get(entry.key)  # None: read leniently, and unknown
            phrase = entry.key if key is None else _phrase(key, values[key.attribute])
            if phrase and phrase not in names:
                names.append(phrase)
    return [f"[{kind}] {', '.join(names)}" for kind, names in found.items() if names]


def _phrase(key: Key, value: object) -> str:
    """The key, if it asks for something in vain."""
    if key.unused and value != key.default:
        return key.name
    if key == STOP_KEY and value not in (0, 1):
        return f"{key.name}={value}"
    return ""
