"""The cfg format: Darknet's text files of sections, and what zoo adds to them.

::

    # a comment
    [net]                      # the first section
    channels=3
    filters=64

    [convolutional]
    filters=$filters           # the value of that key of [net]
    size=3

Strict reading, the default, refuses what cannot be meant: unknown and repeated
keys, values of the wrong type or range, lines that are no "key=value". Lenient
reading follows the lexer of AlexeyAB/darknet and pjreddie/darknet (``list``
and ``option_list`` sources): blanks vanish everywhere, numbers end where
``atoi`` and ``atof`` stop, the first of repeated keys wins, and what is not
understood costs a warning. It reads whatever strict reading does, with the same
meaning.

Nothing here knows which sections or keys exist; layers declare their keys as
:class:`zoo.keys.Key`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.errors import CfgError, did_you_mean
from zoo.parsers._cfg_foreign import what_it_is
from zoo.parsers._cfg_sections import Entry, Section, fingerprint, short, warn
from zoo.parsers._cfg_values import read_values

__all__ = [
    "Entry",
    "Section",
    "fingerprint",
    "parse_cfg",
    "read_cfg",
    "read_values",
    "value_text",
    "write_cfg",
]

MAX_BYTES = 16 * 2**20
"""Larger files are refused; the longest Darknet cfg known has 41 kB."""

_MOST_EXPANDED = 4 * 2**20
"""Characters that all ``$name`` of a file may stand for together."""

_SECTION = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
_KEY = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_TRAILING_COMMENT = re.compile(r"(^|\s)#.*")
_VARIABLE = re.compile(r"\$(\w*)", re.ASCII)
_BLANKS = str.maketrans("", "", " \t\r\n")


SectionLike = Section | tuple[str, Mapping[str, Any] | Sequence[tuple[str, Any]]]
"""What :func:`write_cfg` takes: a Section, or a kind with its keys and values."""


# -- reading text ----------------------------------------------------------


def read_cfg(path: str | Path, *, lenient: bool = False) -> list[Section]:
    """Read the sections of a cfg file.

    Parameters
    ----------
    path : str or Path
        A text file in UTF-8, with or without a byte-order mark. Lenient reading
        takes other encodings too, whose comments then look odd.
    lenient : bool
        Read as Darknet does.

    Raises
    ------
    CfgError
        If the file cannot be read, is no text, or :func:`parse_cfg` refuses it.
    """
    source = str(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise CfgError(f"there is no file {source!r}") from None
    except IsADirectoryError:
        raise CfgError(f"{source!r} is a folder, not a cfg file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CfgError(f"{source!r} cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise CfgError(
            f"{source!r} is larger than {MAX_BYTES // 2**20} MiB; that is no cfg file"
        )
    if b"\0" in data:
        raise CfgError(
            f"{source!r} is not a text file; a cfg is text that begins with [net]"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not lenient:
            raise CfgError(
                f"byte {error.start} is not UTF-8 text; save the file as UTF-8, "
                f"or read it leniently",
                source,
                data.count(b"\n", 0, error.start) + 1,
            ) from None
        text = data.decode("latin-1")
    return parse_cfg(text, source, lenient=lenient)


def parse_cfg(
    text: str, source: str = "<text>", *, lenient: bool = False
) -> list[Section]:
    """Split the text of a cfg into sections.

    Parameters
    ----------
    text : str
        With any line ends.
    source : str
        Name of the text in messages.
    lenient : bool
        Read as Darknet does.

    Returns
    -------
    list of Section
        At least one.

    Raises
    ------
    CfgError
        With the line of what is wrong.
    """
    foreign = what_it_is(text)
    if foreign is not None:
        raise CfgError(f"this {foreign}", source)
    read_line = _lenient_line if lenient else _strict_line
    sections: list[Section] = []
    entries: list[Entry] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        try:
            found = read_line(raw)
            if found is None:
                continue
            name, value = found
            if value is not None and not sections:
                raise _LineError(
                    f"{name}={short(value)} stands before the first section; "
                    f"begin with [net]",
                    is_fatal=not lenient,
                )
        except _LineError as error:
            if error.is_fatal:
                raise CfgError(str(error), source, number) from None
            warn(f"{source}:{number}: {error}; the line is ignored")
            continue
        if value is not None:
            entries.append(Entry(name, value, number))
            continue
        if sections:
            sections[-1] = replace(sections[-1], entries=tuple(entries))
        entries = []
        sections.append(Section(name, number, (), source))
    if not sections:
        raise CfgError("there are no sections; the first must be [net]", source)
    sections[-1] = replace(sections[-1], entries=tuple(entries))
    return _substitute(sections, lenient) if "$" in text else sections


class _LineError(Exception):
    """A line is wrong; where is known to the caller."""

    def __init__(self, message: str, *, is_fatal: bool = True) -> None:
        super().__init__(message)
        self.is_fatal = is_fatal


def _strict_line(raw: str) -> tuple[str, str | None] | None:
    """Return (kind, None), (key, value), or None for a line that says nothing."""
    line = raw.strip()
    if not line or line[0] in "#;":
        return None
    if "#" in line:
        line = _TRAILING_COMMENT.sub("", line).rstrip()
    if line[0] == "[":
        name = line[1:-1].strip()
        if line[-1] != "]" or not _SECTION.fullmatch(name):
            raise _LineError(f"{short(line)!r} is no section; write [name]")
        return name, None
    key, equals, value = line.partition("=")
    key, value = key.rstrip(), value.lstrip()
    if not equals:
        raise _LineError(
            f"{short(line)!r} is neither [section], key=value nor # comment"
        )
    if not _KEY.fullmatch(key):
        raise _LineError(f"{short(key)!r} is not the name of a key")
    if not value:
        raise _LineError(f"{short(key)}= has no value; give one or remove the line")
    return key, value


def _lenient_line(raw: str) -> tuple[str, str | None] | None:
    """Like :func:`_strict_line`, as Darknet's ``read_cfg`` and ``read_option`` do.

    Darknet knows no comments at the end of a line: its numbers end before "#", its
    words and section names do not. Here they do, as in strict reading, for a word
    with a comment in it means nothing to Darknet either.
    """
    if "#" in raw:
        raw = _TRAILING_COMMENT.sub("", raw)
    line = raw.translate(_BLANKS)
    if not line or line[0] in "#;":
        return None
    if line[0] == "[":
        line = line.partition("#")[0]
        if line[-1] != "]" or len(line) < 3:
            raise _LineError(f"{short(line)!r} is no section; write [name]")
        return line[1:-1], None
    key, equals, value = line.partition("=")
    if not equals or not key or not value:
        raise _LineError(f"{short(line)!r} is no key=value", is_fatal=False)
    return key, value


def _substitute(sections: list[Section], lenient: bool) -> list[Section]:
    """Replace ``$name`` in values by the key ``name`` of [net]."""
    head = sections[0]
    values: dict[str, str] = {}
    if head.kind in ("net", "network"):
        for entry in head.entries:
            values.setdefault(entry.key, entry.value)
    used: set[str] = set()
    budget = _MOST_EXPANDED

    def resolve(section: Section, entry: Entry) -> Entry:
        def value_of(match: re.Match[str]) -> str:
            nonlocal budget
            name = match[1]
            if name in values and section is not head:
                used.add(name)
                budget -= len(values[name])
                if budget < 0:
                    raise CfgError(
                        f"{short(match[0])} and the like make the text longer than "
                        f"{_MOST_EXPANDED // 2**20} MiB; that is no network",
                        section.source,
                        entry.line,
                    )
                return values[name]
            if lenient:
                warn(f"{section.source}:{entry.line}: {match[0]} is not defined")
                return match[0]
            if section is head:
                raise CfgError(
                    f"{match[0]} stands in [{head.kind}], which defines such names "
                    f"and cannot use them",
                    section.source,
                    entry.line,
                )
            hint = did_you_mean(name, values, "${}") or "; add it to [net]"
            raise CfgError(
                f"{match[0]} is not defined{hint}",
                section.source,
                entry.line,
            )

        return replace(
            entry, value=_VARIABLE.sub(value_of, entry.value), text=entry.value
        )

    resolved = [
        replace(
            section,
            entries=tuple(
                resolve(section, entry) if "$" in entry.value else entry
                for entry in section.entries
            ),
        )
        for section in sections
    ]
    resolved[0] = replace(resolved[0], variables=frozenset(used))
    return resolved


# -- writing ---------------------------------------------------------------


def write_cfg(sections: Iterable[SectionLike], comments: Sequence[str] = ()) -> str:
    """Write sections as the text of a cfg file.

    Parameters
    ----------
    sections : iterable of Section or (kind, entries)
        Entries are a mapping, or pairs, of keys to values: text, numbers, bools
        (written 0 and 1), or sequences of them (written with commas).
    comments : sequence of str
        Lines to put at the top; "# " is added.

    Returns
    -------
    str
        :func:`parse_cfg` reads the same sections back.

    Raises
    ------
    ValueError
        If a name or value cannot be written so that it is read back.
    """
    blocks = []
    if comments:
        lines = [line for comment in comments for line in comment.splitlines() or [""]]
        blocks.append("".join(f"# {line}".rstrip() + "\n" for line in lines))
    for section in sections:
        if isinstance(section, Section):
            kind = section.kind
            pairs: list[tuple[str, Any]] = [
                (entry.key, entry.value if entry.text is None else entry.text)
                for entry in section.entries
            ]
        else:
            kind, entries = section
            pairs = list(entries.items() if isinstance(entries, Mapping) else entries)
        lines = [f"[{kind}]", *(f"{key}={value_text(value)}" for key, value in pairs)]
        wanted = [(kind, None), *((key, value_text(value)) for key, value in pairs)]
        for line, expected in zip(lines, wanted, strict=True):
            try:
                readable = "\n" not in line and _strict_line(line) == expected
            except _LineError:
                readable = False
            if not readable:
                raise ValueError(f"{short(line)!r} cannot be written in a cfg file")
        blocks.append("".join(f"{line}\n" for line in lines))
    return "\n".join(blocks)


def value_text(value: Any) -> str:
    """A value as it is written in a cfg."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ",".join(value_text(item) for item in value)
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.15g}" if float(f"{value:.15g}") == value else repr(value)
    return str(value)
