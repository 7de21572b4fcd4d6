"""What a pickle may hold that is not plain data: names and inert objects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Global", "Opaque", "Unnamed", "is_hostile", "is_plain_key", "quoted"]

# Names that no checkpoint needs and most attacks use. Nothing would be run for
# other names either; these are refused so that their owner hears of it. What
# training scripts leave in honest files (functools.partial, types.SimpleNamespace,
# getattr for a bound method) is no accusation: it stays inert like any other name.
_HOSTILE_MODULES: Final = re.compile(
    r"(os|posix|nt|subprocess|commands|sys|shutil|socket|runpy|importlib|imp|pty"
    r"|ctypes|code|codeop|pdb|bdb|timeit|webbrowser|marshal|_?pickle|cPickle"
    r"|asyncio|multiprocessing|http\.(client|server)|urllib|requests|pip|signal)(\.|\Z)"
)
_BUILTIN_MODULES: Final = ("builtins", "__builtin__")
_HOSTILE_BUILTINS: Final = re.compile(
    r"(.*__.*|apply|breakpoint|compile|delattr|eval|exec|execfile|exit|file|globals"
    r"|input|locals|open|print|quit|raw_input|reload|setattr|vars)(\.|\Z)"
)
_HOSTILE_MEMBERS: Final = frozenset(
    {
        ("types", "CodeType"),
        ("types", "FunctionType"),
        ("types", "LambdaType"),
        ("_operator", "methodcaller"),
        ("operator", "methodcaller"),
        ("functools", "reduce"),
    }
)


def is_hostile(module: str, name: str) -> bool:
    """Whether a name is one that attacks use and weights do not."""
    if module in _BUILTIN_MODULES:
        return _HOSTILE_BUILTINS.match(name) is not None
    if (module, name) in _HOSTILE_MEMBERS:
        return True
    return _HOSTILE_MODULES.match(module) is not None


def quoted(text: str) -> str:
    """Quote a name out of a file for a message: printable, and of limited length."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def is_plain_key(key: Any) -> bool:
    """Whether a value can be a dictionary's key in constant time.

    Deep tuples hash in exponential time when they share their parts, and whole
    numbers beyond 61 bits can be chosen to collide; no checkpoint has either.
    """
    if isinstance(key, tuple):
        return len(key) <= 8 and all(
            not isinstance(item, tuple) and is_plain_key(item) for item in key
        )
    if isinstance(key, int):
        return abs(key) < 1 << 48
    return key is None or isinstance(key, (str, bytes, Global, Opaque))


class Unnamed:
    """Stands for a key that is no plain value: equal to itself alone.

    An optimizer that was pickled whole has tensors as keys; nobody looks them up.
    """

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key


@dataclass(frozen=True)
class Global:
    """A name of a module's member, never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Opaque:
    """An object of a class that is not known here: what was asked, not done.

    Attributes
    ----------
    function : Global
        The class or function that the file wants called.
    arguments : tuple
        What it wants it called with.
    state : object
        What it wants the object's attributes to be, or None.
    reason : str
        Why it stays inert although its name is known: a sentence, or "".
    items : dict
        What the file sets in it by key.
    """

    __slots__ = ("arguments", "function", "items", "reason", "state")

    def __init__(
        self, function: Global, arguments: tuple[Any, ...], reason: str = ""
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.state: Any = None
        self.reason = reason
        self.items: dict[Any, Any] = {}

    def build(self, state: Any) -> None:
        """Remember the state that the file gives the object."""
        self.state = state
