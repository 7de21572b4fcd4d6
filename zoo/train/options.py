"""What a training run is told beside its network and its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["TrainingOptions"]


@dataclass(frozen=True)
class TrainingOptions:
    """Pictures, changes of the recipe, and how the run is worked off.

    Attributes
    ----------
    data : sequence of path
        Folders of pictures; a resumed run has its own, for which these stand in.
    validate : path, optional
        Folder to measure PSNR on; without one it is what a resumed run has, or a few
        pictures that are kept for it.
    low, low_name : optional
        Folder of the small pictures, and how they are named: see
        :func:`zoo.evaluate.datasets.find_set`.
    is_high : bool
        The folder holds large pictures, whatever it is called.
    changes : mapping of str to object
        Fields of :class:`zoo.train.recipe.Recipe` and what they shall be instead of
        what the cfg says, or the run that is resumed; None leaves them as they are.
    settings : sequence of str
        More changes, written ``key=value``, the keys those of [net].
    backend : str, optional
        As in :func:`zoo.plugins.select`; by default what a run has that is resumed.
    threads : int, optional
        As there.
    validate_every, save_every, log_every : int, optional
        Updates between two validations, checkpoints, lines of the log; by default
        what a run has that is resumed, or :class:`zoo.train.settings.RunSettings`.
    """

    data: Sequence[str | Path] = ()
    validate: str | Path | None = None
    low: str | Path | None = None
    low_name: str | None = None
    is_high: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    settings: Sequence[str] = ()
    backend: str | None = None
    threads: int | None = None
    validate_every: int | None = None
    save_every: int | None = None
    log_every: int | None = None
