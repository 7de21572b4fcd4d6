"""The training loop, to be read from top to bottom.

Draw patches, take a step, now and then validate and write a checkpoint. The
same loop serves every learner: the layers' own backward on any back end of
kernels, and the torch plugin.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.errors import ZooError
from zoo.layers.base import Array
from zoo.train.data import PatchSampler
from zoo.train.learner import Learner
from zoo.train.recipe import Recipe
from zoo.train.run import RunFolder, Snapshot

__all__ = ["Report", "Trainer", "TrainingError"]

_SMOOTHING = 0.02  # of the running mean of the loss: about the last 50 updates
_EXPLOSION = 20.0  # times the running mean
_PATIENCE = 20  # bad updates in a row

Validate = Callable[[dict[str, Array]], float]
"""PSNR in dB of a set of weights on the validation pictures."""


class TrainingError(ZooError):
    """Training cannot go on: the loss is not finite or exploded, again and again."""


@dataclass
class Report:
    """What a progress display shows after an update."""

    update: int
    updates: int
    loss: float
    rate: float
    seconds: float
    psnr: float | None
    best: float | None
    skipped: int


class Trainer:
    """Trains, and can be stopped and continued at any checkpoint exactly.

    Parameters
    ----------
    learner : Learner
    sampler : PatchSampler
    recipe : Recipe
    folder : RunFolder
        Created; with a checkpoint, :meth:`resume` continues from it.
    validate : callable
        Gives the PSNR of a set of weights.
    save_best : callable
        Writes a set of weights with its PSNR and update as ``best.safetensors``.
    validate_every, save_every, log_every : int
        In updates.
    report : callable, optional
        Shown a :class:`Report` after each update.
    """

    def __init__(
        self,
        learner: Learner,
        sampler: PatchSampler,
        recipe: Recipe,
        folder: RunFolder,
        *,
        validate: Validate,
        save_best: Callable[[dict[str, Array], float, int], None],
        validate_every: int = 1000,
        save_every: int = 200,
        log_every: int = 50,
        report: Callable[[Report], None] | None = None,
    ) -> None:
        self.learner = learner
        self.sampler = sampler
        self.recipe = recipe
        self.folder = folder
        self.validate = validate
        self.save_best = save_best
        self.validate_every = validate_every
        self.save_every = save_every
        self.log_every = log_every
        self.report = report
        self.schedule = recipe.make_schedule()
        self.average: dict[str, Array] = {}
        self.update = 0
        self.mean_loss: float | None = None
        self.psnr: float | None = None
        self.best: float | None = None
        self.skipped = 0
        self.bad_in_a_row = 0
        self.seconds = 0.0

    def resume(self) -> None:
        """Continue from the folder's checkpoint as if it had never stopped."""
        snapshot = self.folder.load()
        self.learner.restore(
            snapshot.weights, snapshot.optimizer, snapshot.optimizer_updates
        )
        self.sampler.state = snapshot.sampler
        self.average = snapshot.average
        self.update = snapshot.update
        for name, value in snapshot.progress.items():
            setattr(self, name, value)
        self.folder.forget_after(self.update)

    def run(self, until: int | None = None, seconds: float | None = None) -> None:
        """Train up to an update (by default the recipe's last), or for a time.

        Parameters
        ----------
        until : int, optional
            Updates in all, counted over all sessions of the run.
        seconds : float, optional
            Stop, with a checkpoint, after so long.

        Raises
        ------
        TrainingError
            If the loss explodes again and again; the last checkpoint stays.
        """
        last = min(until or self.recipe.updates, self.recipe.updates)
        begun = time.monotonic()
        spent_before = self.seconds
        while self.update < last:
            self._one_update()
            self.seconds = spent_before + time.monotonic() - begun
            is_over = self.update >= last or (
                seconds is not None and time.monotonic() - begun >= seconds
            )
            if self.update % self.log_every == 0 or is_over:
                self._log()
            if self.update % self.validate_every == 0 or is_over:
                self._validate()
            if self.update % self.save_every == 0 or is_over:
                self.save()
            if self.report is not None:
                self.report(self._report())
            if is_over:
                return

    def save(self) -> None:
        """Write a checkpoint."""
        arrays, updates = self.learner.state()
        self.folder.save(
            Snapshot(
                update=self.update,
                weights=self.learner.weights(),
                optimizer=arrays,
                optimizer_updates=updates,
                sampler=self.sampler.state,
                recipe=self.recipe.to_dict(),
                average=self.average,
                progress={
                    "mean_loss": self.mean_loss,
                    "psnr": self.psnr,
                    "best": self.best,
                    "skipped": self.skipped,
                    "bad_in_a_row": self.bad_in_a_row,
                    "seconds": self.seconds,
                },
            )
        )

    def _one_update(self) -> None:
        low, high = self.sampler.draw()
        outcome = self.learner.step(low, high, self.schedule(self.update))
        self.update += 1
        if not outcome.applied or self._explodes(outcome.loss):
            self._note_bad(outcome.loss)
        else:
            self.bad_in_a_row = 0
        if outcome.applied and math.isfinite(outcome.loss):
            if self.mean_loss is None:
                self.mean_loss = outcome.loss
            self.mean_loss += _SMOOTHING * (outcome.loss - self.mean_loss)
            self._follow()

    def _explodes(self, loss: float) -> bool:
        return self.mean_loss is not None and loss > _EXPLOSION * self.mean_loss

    def _note_bad(self, loss: float) -> None:
        self.skipped += 1
        self.bad_in_a_row += 1
        if self.bad_in_a_row >= _PATIENCE:
            raise TrainingError(
                f"the loss was {loss:.4g} at update {self.update} and bad "
                f"{self.bad_in_a_row} times in a row; the last checkpoint "
                f"({self.folder.last}) is from before: resume it with a lower "
                f"--learning-rate or with --clip-gradient"
            )

    def _follow(self) -> None:
        """Let the moving average follow the weights."""
        share = self.recipe.average
        if not share:
            return
        weights = self.learner.weights()
        if not self.average:
            self.average = weights
            return
        # While young, the average is over all updates so far.
        share = max(share, 1 / (self.update + 1))
        for name, array in self.average.items():
            array += array.dtype.type(share) * (weights[name] - array)

    def _validate(self) -> None:
        weights = self.average or self.learner.weights()
        self.psnr = self.validate(weights)
        self.folder.append(
            {"update": self.update, "psnr": self.psnr, "seconds": self.seconds}
        )
        if math.isfinite(self.psnr) and (self.best is None or self.psnr > self.best):
            self.best = self.psnr
            self.save_best(weights, self.psnr, self.update)

    def _log(self) -> None:
        entry: dict[str, Any] = {
            "update": self.update,
            "loss": self.mean_loss,
            "rate": self.schedule(self.update - 1),
            "seconds": self.seconds,
        }
        self.folder.append(entry)

    def _report(self) -> Report:
        return Report(
            self.update,
            self.recipe.updates,
            self.mean_loss if self.mean_loss is not None else math.nan,
            self.schedule(self.update - 1),
            self.seconds,
            self.psnr,
            self.best,
            self.skipped,
        )
