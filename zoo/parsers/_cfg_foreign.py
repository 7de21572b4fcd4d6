"""Recognises what is given in place of a cfg, so that messages can say what it is."""

from __future__ import annotations

import re

__all__ = ["what_it_is"]

_DATA_KEYS = frozenset(
    (
        *("classes", "train", "valid", "names", "labels", "backup", "top", "map"),
        *("eval", "difficult", "results", "leaves", "tree", "test"),
    )
)
_MARKUP = ("<!doctype", "<html", "<?xml", "<head", "<body")
_KEY = re.compile(r"\s*(\w+)\s*=", re.ASCII)


def what_it_is(text: str) -> str | None:
    """What a text is that is no cfg, and what to do, as the end of a sentence.

    None where it may be a cfg.
    """
    start = text[:4096].lstrip().lower()
    if start.startswith("version https://git-lfs"):
        return (
            "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`, "
            "or download it from the project's page"
        )
    if start.startswith(_MARKUP):
        return "is a page of HTML, not a cfg; download the file itself (on GitHub: Raw)"
    if "\r" in text and "\n" not in text and text.strip("\r").count("\r"):
        return (
            "has line ends of old Macs (CR alone), which make it one line; save it "
            "with LF"
        )
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and line[0] not in "#;"]
    if not lines or any(line.startswith("[") for line in lines):
        return None
    keys = {match[1] for line in lines if (match := _KEY.match(line))}
    if keys and keys <= _DATA_KEYS and keys & {"train", "valid", "names", "classes"}:
        return (
            "is a .data file, which names Darknet's lists of pictures and classes; "
            "give the .cfg of the network"
        )
    if not keys and all(len(line) < 64 for line in lines):
        return (
            "has no section and no key=value: it looks like a .names file, one class "
            "a line; give the .cfg of the network"
        )
    return None
