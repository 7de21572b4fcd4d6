"""YAML from strangers: plain values only, without aliases, of limited depth.

An alias lets a few lines stand for gigabytes, and no card needs one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from zoo.errors import ReaderError

__all__ = ["read_yaml"]

_LARGEST: Final = 1 << 20  # bytes
_DEEPEST: Final = 32


@cache
def _loader() -> Any:
    """A loader that refuses aliases and depth while it composes."""
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it has an alias (*name); write values out")
            self.depth += 1
            if self.depth > _DEEPEST:
                raise yaml.YAMLError(f"it is nested more than {_DEEPEST} deep")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return Loader


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Returns
    -------
    object
        Mappings, lists, texts, numbers, dates, bool and None.

    Raises
    ------
    ReaderError
        If it is unreadable, no YAML, larger than 1 MiB, or has aliases, tags or
        depth that no card has.
    """
    import yaml  # slow to import

    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ReaderError(f"{path} is too large for a card")
        return yaml.load(data.decode("utf-8"), _loader())
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ReaderError(f"{path} is no readable YAML ({reason})") from None
    except RecursionError:
        raise ReaderError(f"{path} is nested too deep to be read") from None
