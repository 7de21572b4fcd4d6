"""From the sections of a cfg to layers, one by one: what is wrong with each is said here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zoo.errors import CfgError, ZooError, did_you_mean
from zoo.keys import Key
from zoo.layers.base import INPUT, Layer
from zoo.origins import origins_beside
from zoo.parsers.cfg import Entry, Section, read_values, value_text
from zoo.registry import registry

__all__ = ["checked", "links", "make_layer", "strict"]

_HEADS = ("net", "network")
_YOLOR = ("implicit_add", "implicit_mul", "shift_channels", "control_channels")
# Planning takes time with every layer, and a cfg of a few kB has thousands.
_MOST_LAYERS = 10_000


def checked(sections: Sequence[Section]) -> tuple[Section, list[Section]]:
    """[net] and the sections of layers, of which there are some, none unknown.

    Raises
    ------
    CfgError
        With file:line, if it is not so.
    """
    if not sections:
        raise CfgError("the cfg has no sections; the first must be [net]")
    head, *rest = sections
    if head.kind not in _HEADS:
        hint = ""
        if head.kind.lower() in _HEADS:
            hint = "; names of sections are written in small letters"
        raise CfgError(
            f"the first section must be [net], not [{head.kind}]{hint}",
            head.source,
            head.line,
        )
    if not rest:
        raise CfgError("there is no layer after [net]", head.source, head.line)
    if len(rest) > _MOST_LAYERS:
        raise CfgError(
            f"the cfg has {len(rest)} layers; {_MOST_LAYERS} are the most that "
            f"are read",
            head.source,
            rest[_MOST_LAYERS].line,
        )
    _require_known(rest)
    return head, rest


def _require_known(sections: Sequence[Section]) -> None:
    """Refuse sections that no layer answers to, all of them in one message."""
    known = registry("zoo.layers")
    missing: dict[str, list[Section]] = {}
    for section in sections:
        if section.kind in _HEADS:
            raise CfgError(
                f"[{section.kind}] comes once, as the first section",
                section.source,
                section.line,
            )
        if section.kind not in known:
            missing.setdefault(section.kind, []).append(section)
    if not missing:
        return
    origins = origins_beside(sections[0].source)
    parts = []
    for kind, found in missing.items():
        hint = did_you_mean(kind, known, "[{}]")
        if kind in _YOLOR:
            hint = "; it belongs to the dialect of YOLOR, which zoo does not read"
        more = ", ".join(str(section.line) for section in found[1:6])
        if more:
            dots = ", ..." if len(found) > 6 else ""
            more = f" (also in line{'s' * (len(found) > 2)} {more}{dots})"
        if kind in origins:
            hint = f"; it came from {origins[kind]}, which is not installed"
        elif "/" in kind and not hint:
            package = kind.partition("/")[0]
            hint = f"; it is of a package {package} that is not installed"
        parts.append(f"there is no layer [{kind}]{more}{hint}")
    first = next(iter(missing.values()))[0]
    text = parts[0]
    for kind, part in zip(list(missing)[1:], parts[1:], strict=True):
        text += f"; line {missing[kind][0].line}: {part}"
    raise CfgError(f"{text} (`zoo layers` lists them all)", first.source, first.line)


def strict(section: Section, keys: Sequence[Key], values: dict[str, Any]) -> Section:
    """A section that was read leniently, so that strict reading gives the same."""
    known = {name: key for key in keys for name in (key.name, *key.aliases)}
    entries: dict[str, Entry] = {}
    for entry in section.entries:
        key = known.get(entry.key)
        if key is None:
            if entry.key in section.variables:
                entries.setdefault(entry.key, entry)
            continue
        value = values[key.attribute]
        try:
            is_strict = key.parse(entry.value) == value
        except ValueError:
            is_strict = False
        if not is_strict:
            entry = replace(entry, value=value_text(value), text=None)
        if entry.value:
            entries.setdefault(key.attribute, entry)
    return replace(section, entries=tuple(entries.values()))


def make_layer(
    section: Section, lenient: bool, inherited: dict[str, Any]
) -> tuple[Layer, dict[str, Any]]:
    """Make the layer that a section describes, and give the values it was made of.

    ``inherited`` are settings of [net] that hold where the section gives no own.
    """
    layer_type = registry("zoo.layers").load(section.kind)
    values = read_values(section, layer_type.keys, lenient=lenient)
    given = {entry.key for entry in section.entries}
    defaults = {
        **layer_type.dialects.get(inherited.get("dialect", ""), {}),
        **inherited,
    }
    for key in layer_type.keys:
        if key.attribute in defaults and not given & {key.name, *key.aliases}:
            values[key.attribute] = defaults[key.attribute]
    try:
        return layer_type(**values), values
    except (ZooError, ValueError) as error:
        raise CfgError(
            f"[{section.kind}] {error}", section.source, section.line
        ) from None


def links(layer: Layer, index: int, section: Section) -> tuple[int, ...]:
    """Indices of the layers that feed the layer at ``index``, checked."""
    sources = layer.sources(index)
    for source in sources:
        if source >= index:
            raise CfgError(
                f"layer {index} [{section.kind}] reads layer {source}, which does not "
                f"come before it; a network has no cycles",
                section.source,
                section.line,
            )
        if source < INPUT:
            raise CfgError(
                f"layer {index} [{section.kind}] reads layer {source}, which does not "
                f"exist; layers count from 0",
                section.source,
                section.line,
            )
    return sources
