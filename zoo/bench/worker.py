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
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.bench.subject import Subject

__all__ = ["main"]


def main() -> None:
    """Read the specification, load, and answer until stdin ends."""
    # Libraries print where they like; the answers need a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    try:
        subject = _subject(spec)
        _say(answers, subject.ready)
        gc.collect()
        gc.disable()
        for line in sys.stdin:
            _say(answers, _answer(subject, line.rstrip("\n")))
    except Exception as error:  # noqa: BLE001 - the parent reports it
        _say(answers, {"error": _sentence(error)})


def _subject(spec: dict[str, Any]) -> Subject:
    if spec["task"] == "net":
        from zoo.bench.net_subject import NetSubject

        return NetSubject(spec)
    from zoo.bench.layer_subject import LayerSubject

    return LayerSubject(spec)


def _answer(subject: Subject, line: str) -> dict[str, Any]:
    what, _, argument = line.partition(" ")
    match what:
        case "run":
            subject.clear()  # its memory is free for the next one
            start = time.perf_counter()
            subject.run()
            return {"seconds": time.perf_counter() - start}
        case "save":
            subject.save(argument)
            return {}
        case "build":
            return subject.build(json.loads(argument))
        case "drop":
            subject.drop()
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
