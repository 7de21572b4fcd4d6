"""From the text of a section to the values of declared keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import CfgError, did_you_mean
from zoo.keys import Key
from zoo.parsers._cfg_sections import Entry, Section, short, warn

__all__ = ["read_values"]


def read_values(
    section: Section, keys: Sequence[Key], *, lenient: bool = False
) -> dict[str, Any]:
    """Turn the entries of a section into values of declared keys.

    Parameters
    ----------
    section : Section
    keys : sequence of Key
        What the section understands.
    lenient : bool
        Read as Darknet does.

    Returns
    -------
    dict of str to object
        The value of every declared key by its attribute name, defaults included.

    Raises
    ------
    CfgError
        With the line and the key, if an entry is unknown, repeated or wrong, or
        a required one is missing.
    """
    table = {name: key for key in keys for name in (key.name, *key.aliases)}
    values = {key.attribute: key.default for key in keys}
    given: dict[str, Entry] = {}
    for entry in section.entries:
        key = table.get(entry.key)
        if key is None:
            if entry.key in section.variables:
                continue
            if not lenient:
                raise _unknown_key(section, entry, table)
            warn(
                f"{section.source}:{entry.line}: [{section.kind}] does not use the key "
                f"{short(entry.key)!r}"
            )
            continue
        earlier = given.setdefault(key.attribute, entry)
        if earlier is not entry:
            message = _repeated(earlier, entry)
            if not lenient:
                raise CfgError(
                    f"[{section.kind}] {message}; remove one",
                    section.source,
                    entry.line,
                )
            warn(f"{section.source}:{entry.line}: {message}; the first one counts")
            continue
        try:
            values[key.attribute] = (
                key.parse_lenient(entry.value) if lenient else key.parse(entry.value)
            )
        except ValueError as error:
            stand_in = key.stand_in(entry.value) if lenient else ""
            if stand_in:
                warn(
                    f"{section.source}:{entry.line}: [{section.kind}] {entry.key}="
                    f"{short(entry.value)}: {error}; as in Darknet, {stand_in} is taken"
                )
                values[key.attribute] = stand_in
                continue
            raise CfgError(
                f"[{section.kind}] {entry.key}={short(entry.value)}: {error} "
                f"({entry.key}: {key.meaning})",
                section.source,
                entry.line,
            ) from None
    for key in keys:
        if key.required and key.attribute not in given:
            raise section.error(f"needs the key {key.name!r} ({key.meaning})")
    return values


def _unknown_key(section: Section, entry: Entry, table: Mapping[str, Key]) -> CfgError:
    """The error for a key that nobody declared, with the nearest one that is."""
    folded = {name.lower(): name for name in table}.get(entry.key.lower())
    hint = did_you_mean(folded or entry.key, table)
    if not hint and len(table) <= 12:
        hint = f"; it has {', '.join(table) or 'none at all'}"
    return CfgError(
        f"[{section.kind}] has no key {short(entry.key)!r}{hint}",
        section.source,
        entry.line,
    )


def _repeated(earlier: Entry, entry: Entry) -> str:
    """What to say of two entries for one key."""
    if earlier.key == entry.key:
        return f"{entry.key} is already given in line {earlier.line}"
    return (
        f"{entry.key} is another name of {earlier.key}, "
        f"which line {earlier.line} already gives"
    )
