"""A whole process: from nothing to a picture enlarged.

``python -m zoo.bench.cold SPEC.json`` reads a picture, runs a network once, writes
the result and ends. For zoo that is ``zoo run``; for a peer it is what a short
script would do. The parent takes the time.
"""

from __future__ import annotations

import json
import sys
from typing import Any

__all__ = ["main"]


def main() -> int:
    """Do what the specification says; returns an exit code."""
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    code = _ours(spec) if "command" in spec else _peer(spec)
    from zoo.bench.memory import peak

    with open(spec["report"], "w", encoding="utf-8") as file:
        json.dump({"peak": peak()}, file)
    return code


def _ours(spec: dict[str, Any]) -> int:
    from zoo.cli import main as zoo_main

    return zoo_main(spec["command"])


def _peer(spec: dict[str, Any]) -> int:
    import cv2
    import numpy as np

    from zoo.bench.peers import load
    from zoo.bench.peers.base import Setup

    engine = load(spec["peer"])(Setup(**spec["setup"]))
    image = cv2.imread(spec["picture"], cv2.IMREAD_COLOR)
    assert image is not None
    order = 1 if spec["color"] == "bgr" else -1
    x = image[..., ::order].astype(np.float32)
    mean, std = np.float32(spec["mean"]), np.float32(spec["std"])
    x = (x * np.float32(spec["range"] / 255) - mean) / std
    y = engine.fetch(engine.run(engine.feed(x[None])))[0]
    if spec["denormalize"]:
        y = y * std + mean
    y = np.clip(np.rint(y * np.float32(255 / spec["range"])), 0, 255)
    cv2.imwrite(spec["output"], y.astype(np.uint8)[..., ::order])
    return 0


if __name__ == "__main__":
    sys.exit(main())
