"""A process with one engine in it, which runs when it is told to.

``python -m zoo.bench.worker SPEC.json``. It loads, runs once, and says what that
took in a line of JSON on stdout; then it answers each line on stdin: ``run`` runs
once, ``save FILE`` writes the last output, ``memory`` tells the peak. The end of
stdin ends it. What else is written to stdout goes to stderr.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import IO, Any

__all__ = ["main", "serve"]


def main() -> None:
    """Read the specification, load, and serve."""
    # Libraries print where they like; the answers need a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    try:
        if spec["task"] == "net":
            _net(spec, answers)
        else:
            from zoo.bench.layer_worker import start

            start(spec, answers)
    except Exception as error:  # noqa: BLE001 - the parent reports it
        _say(answers, {"error": _sentence(error)})


def _net(spec: dict[str, Any], answers: IO[str]) -> None:
    """Load one network into one engine."""
    import numpy as np

    from zoo.bench.memory import resident
    from zoo.bench.peers import load
    from zoo.bench.peers.base import Job

    began = time.perf_counter()
    engine_type = load(spec["peer"])
    version = engine_type.version()
    imported = time.perf_counter()
    memory = resident()
    engine = engine_type(Job(**spec["job"]))
    loaded = time.perf_counter()
    x = engine.feed(np.load(spec["input"]))
    fed = time.perf_counter()
    y = engine.run(x)
    ready = {
        "version": version,
        "settings": engine.settings,
        "import_seconds": imported - began,
        "load_seconds": loaded - imported,
        "first_seconds": time.perf_counter() - fed,
        "import_memory": memory,
    }

    def save(path: str, y: Any) -> None:
        np.save(path, engine.fetch(y))

    serve(answers, ready, lambda: engine.run(x), save, y)


def serve(
    answers: IO[str],
    ready: dict[str, Any],
    run: Any,
    save: Any = None,
    y: Any = None,
) -> None:
    """Answer until stdin ends.

    Parameters
    ----------
    answers : file
        Where answers go.
    ready : dict
        The first of them.
    run : callable
        What is timed.
    save : callable, optional
        Takes a path and the last result.
    y : object, optional
        The first result.
    """
    from zoo.bench.memory import peak

    gc.collect()
    gc.disable()
    _say(answers, ready)
    for line in sys.stdin:
        what, _, argument = line.rstrip("\n").partition(" ")
        if what == "run":
            del y  # its memory is free for the next one
            start = time.perf_counter()
            y = run()
            _say(answers, {"seconds": time.perf_counter() - start})
        elif what == "save":
            save(argument, y)
            _say(answers, {})
        else:
            _say(answers, {"peak": peak()})


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
