"""Whether an engine does what :class:`zoo.run.engines.Engine` says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.errors import ZooError
from zoo.run.engines import Call, Engine, Lost
from zoo.run.files import NetworkFile

__all__ = ["check_engine"]

_COUNT = 40


@dataclass(frozen=True)
class _Copy:
    """Reads a file, perhaps writes one, and says what it was given."""

    path: str
    target: str
    away: bool = False
    fails: bool = False

    def reads(self) -> tuple[str, ...]:
        return (self.path,)

    def moved(self, places: Mapping[str, str], folder: str) -> _Copy:
        name = Path(self.target).name
        place = os.path.join(folder, name)
        return replace(self, path=places[self.path], target=place, away=True)

    def run(
        self, common: str, networks: tuple[NetworkFile, ...]
    ) -> tuple[str, int, bytes, bytes | None]:
        if self.fails:
            raise ZooError("this item fails")
        data = Path(self.path).read_bytes()
        Path(self.target).write_bytes(data * 2)
        made = Path(self.target).read_bytes() if self.away else None
        return common, len(networks), data, made


def check_engine(engine: Engine, folder: Path) -> None:
    """Run small items on an engine and check what comes back.

    Parameters
    ----------
    engine : Engine
        With its workers. With ``ship`` they need not see the folder.
    folder : Path
        Empty; files are written into it.

    Raises
    ------
    AssertionError
        That says which rule was broken.
    """
    inputs, outputs = folder / "in", folder / "out"
    inputs.mkdir()
    outputs.mkdir()
    items = []
    for number in range(_COUNT):
        path = inputs / f"{number}.txt"
        path.write_bytes(b"%d" % number)
        items.append(_Copy(str(path.resolve()), str(outputs.resolve() / path.name)))
    call = Call(items, "common", (), str(outputs.resolve()))
    found: dict[int, object] = {}
    for number, result in engine.work(call):
        assert 0 <= number < _COUNT, f"there is no item {number}"
        assert number not in found, f"item {number} came twice"
        found[number] = result
    missing = set(range(_COUNT)) - set(found)
    assert not missing, f"items {sorted(missing)} never came"
    for number, result in found.items():
        assert not isinstance(result, Lost), f"item {number} {result}"
        data = b"%d" % number
        wanted = ("common", 0, data, data * 2 if engine.ship else None)
        assert result == wanted, f"item {number} came to {result}, not to {wanted}"
    made = {path.name: path.read_bytes() for path in outputs.iterdir()}
    expected = {} if engine.ship else {f"{n}.txt": b"%d" % n * 2 for n in range(_COUNT)}
    assert made == expected, f"the folder of the results holds {sorted(made)}"
    gone = replace(items[0], path=str(inputs.resolve() / "gone.txt"))
    if engine.ship:
        ((_, result),) = engine.work(replace(call, items=[gone]))
        assert isinstance(result, Lost), "an input that is not there came to a result"
    assert list(engine.work(replace(call, items=[]))) == [], (
        "no items came to something"
    )
    failing = replace(call, items=[replace(items[0], fails=True)])
    try:
        results = list(engine.work(failing))
    except ZooError as problem:
        assert "this item fails" in str(problem), f"another error came: {problem}"
    else:
        raise AssertionError(f"the error of an item came to {results}")
