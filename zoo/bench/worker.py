"""A process with one engine in it, which runs when it is told to.

``python -m zoo.bench.worker SPEC.json`` imports and perhaps loads, and says what
that took in a line of JSON on stdout. Then it answers each line on stdin: ``run``
runs once, ``save FILE`` writes the last result, ``memory`` tells the peak, ``build
JSON`` and ``drop`` change what is loaded, where that can be changed. The end of
stdin ends it. What else is written to stdout goes to stderr.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import IO, Any

__all__ = ["Session", "main"]


class Session:
    """What a worker has loaded.

    Attributes
    ----------
    ready : dict
        The worker's first answer.
    """

    ready: dict[str, Any]

    def run(self) -> None:
        """Run once and keep the result. What was kept before may be dropped."""
        raise NotImplementedError

    def clear(self) -> None:
        """Drop the last result; not timed."""

    def save(self, path: str) -> None:
        """Write the last result."""
        raise NotImplementedError

    def build(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Load something else; returns what to say about it."""
        raise NotImplementedError

    def drop(self) -> None:
        """Free all that was loaded."""
        raise NotImplementedError


class _Net(Session):
    """One network in one engine."""

    def __init__(self, spec: dict[str, Any]) -> None:
        import numpy as np

        from zoo.bench.memory import resident
        from zoo.bench.peers import load
        from zoo.bench.peers.base import Job

        began = time.perf_counter()
        engine_type = load(spec["peer"])
        version = engine_type.version()
        imported = time.perf_counter()
        memory = resident()
        self.engine = engine_type(Job(**spec["job"]))
        loaded = time.perf_counter()
        self.x = self.engine.feed(np.load(spec["input"]))
        fed = time.perf_counter()
        self.run()
        self.ready = {
            "version": version,
            "settings": self.engine.settings,
            "import_seconds": imported - began,
            "load_seconds": loaded - imported,
            "first_seconds": time.perf_counter() - fed,
            "import_memory": memory,
        }

    def run(self) -> None:
        self.y = self.engine.run(self.x)

    def clear(self) -> None:
        self.y = None

    def save(self, path: str) -> None:
        import numpy as np

        np.save(path, self.engine.fetch(self.y))


def main() -> None:
    """Read the specification, load, and answer until stdin ends."""
    # Libraries print where they like; the answers need a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    try:
        session = _session(spec)
        _say(answers, session.ready)
        gc.collect()
        gc.disable()
        for line in sys.stdin:
            _say(answers, _answer(session, line.rstrip("\n")))
    except Exception as error:  # noqa: BLE001 - the parent reports it
        _say(answers, {"error": _sentence(error)})


def _session(spec: dict[str, Any]) -> Session:
    if spec["task"] == "net":
        return _Net(spec)
    from zoo.bench.layer_worker import LayerSession

    return LayerSession(spec)


def _answer(session: Session, line: str) -> dict[str, Any]:
    what, _, argument = line.partition(" ")
    match what:
        case "run":
            session.clear()  # its memory is free for the next one
            start = time.perf_counter()
            session.run()
            return {"seconds": time.perf_counter() - start}
        case "save":
            session.save(argument)
            return {}
        case "build":
            return session.build(json.loads(argument))
        case "drop":
            session.drop()
            gc.collect()
            return {}
        case _:
            from zoo.bench.memory import peak

            return {"peak": peak()}


def _say(answers: IO[str], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def _sentence(error: Exception) -> str:
    """What happened, in one line; the name of the class unless it is a phrase."""
    text = " ".join(str(error).split())[:400]
    plain = type(error).__module__.startswith("zoo.") and text
    return text if plain else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    main()
