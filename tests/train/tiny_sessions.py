"""Runs of a tiny network on a back end of NumPy; not a test."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from tiny_training import pictures

from zoo.parsers.safetensors import SafetensorsReader
from zoo.train.options import TrainingOptions
from zoo.train.session import Session

OPTIONS: dict[str, Any] = {
    "updates": 10,
    "batch": 2,
    "patch": 6,
    "learning_rate": 1e-3,
    "backend": "numpy",
    "save_every": 4,
    "validate_every": 5,
    "log_every": 2,
}


def training_options(**given: Any) -> TrainingOptions:
    """Options of a run; what is none of them is a change of the recipe."""
    names = {field.name for field in fields(TrainingOptions)}
    own = {name: value for name, value in given.items() if name in names}
    changes = {name: value for name, value in given.items() if name not in names}
    return TrainingOptions(**own, changes=changes)


def begin(folder: Path, output: str, cfg: Path, **options: Any) -> Session:
    """A new session on three small pictures."""
    data = folder / "data"
    if not data.exists():
        pictures(data)
    given = training_options(**{**OPTIONS, "data": [data], **options})
    session = Session.start(cfg, folder / output, given)
    session.prepare()
    return session


def go_on(path: Path, **options: Any) -> Session:
    """A session that resumes a run."""
    given = {**OPTIONS, **dict.fromkeys(("updates", "batch", "patch")), **options}
    session = Session.resume(path, training_options(**given))
    session.prepare()
    return session


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint."""
    return SafetensorsReader.read(path).tensors


def assert_equal_checkpoints(a: Path, b: Path) -> None:
    """Check that two checkpoints hold the same, bit by bit."""
    ours, theirs = tensors(a), tensors(b)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
