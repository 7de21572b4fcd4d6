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
from zoo.train.interrupts import deferred_signals
from zoo.train.learner import Learner, Outcome
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder, Snapshot

__all__ = ["Report", "Trainer", "TrainingError"]

_SMOOTHING = 0.02  # of the running mean of the loss: about the last 50 updates
_EXPLOSION = 20.0  # times the running mean: such a loss is not learned from
_PATIENCE = 20  # bad updates in a row

_PROGRESS = ("mean_loss", "psnr", "best", "skipped", "bad_in_a_row", "seconds")
"""Attributes of the trainer that a checkpoint keeps."""

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
    seconds_per_update: float
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
        self.update = 0
        self.saved_at = -1
        self.mean_loss: float | None = None
        self.psnr: float | None = None
        self.best: float | None = None
        self.skipped = 0
        self.bad_in_a_row = 0
        self.seconds = 0.0
        self.seconds_per_update = 0.0

    def resume(self) -> None:
        """Continue from the folder's checkpoint as if it had never stopped."""
        snapshot = self.folder.load()
        self.learner.restore(snapshot.learner)
        self.sampler.state = snapshot.sampler
        self.update = snapshot.update
        for name in _PROGRESS:
            setattr(self, name, snapshot.progress[name])
        self.saved_at = self.update
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
        KeyboardInterrupt
            At Ctrl-C, or what else SIGTERM means, with a checkpoint, when the update
            is done.
        """
        last = min(until or self.recipe.updates, self.recipe.updates)
        begun = time.monotonic()
        spent_before = self.seconds
        with deferred_signals() as asked_to_stop:
            while self.update < last:
                started = time.monotonic()
                self._one_update()
                self._time_one(time.monotonic() - started)
                self.seconds = spent_before + time.monotonic() - begun
                is_over = self.update >= last or (
                    seconds is not None and time.monotonic() - begun >= seconds
                )
                if self.update % self.log_every == 0 or is_over:
                    self._log()
                if self.update % self.validate_every == 0 or is_over:
                    self._validate()
                stops = asked_to_stop()
                is_well = self.bad_in_a_row == 0
                is_due = self.update % self.save_every == 0 or stops
                if (is_due and is_well) or is_over:
                    self.save()
                if self.report is not None:
                    self.report(self._report())
                if is_over or stops:
                    return

    def save(self) -> None:
        """Write a checkpoint."""
        self.folder.save(
            Snapshot(
                update=self.update,
                learner=self.learner.state(),
                sampler=self.sampler.state,
                recipe=self.recipe.to_dict(),
                progress={name: getattr(self, name) for name in _PROGRESS},
            )
        )
        self.saved_at = self.update

    def _one_update(self) -> None:
        low, high = self.sampler.draw()
        limit = math.inf if self.mean_loss is None else _EXPLOSION * self.mean_loss
        outcome = self.learner.step(low, high, self.schedule(self.update), limit)
        self.update += 1
        if not outcome.applied:
            self._note_bad(outcome)
            return
        self.bad_in_a_row = 0
        if self.mean_loss is None:
            self.mean_loss = outcome.loss
        # While young, an average is over all updates so far.
        young = 1 / (self.update - self.skipped)
        self.mean_loss += max(_SMOOTHING, young) * (outcome.loss - self.mean_loss)
        if self.recipe.average:
            self.learner.update_average(max(self.recipe.average, young))

    def _time_one(self, seconds: float) -> None:
        """Follow the time that an update takes; validation does not count."""
        if not self.seconds_per_update:
            self.seconds_per_update = seconds
        self.seconds_per_update += 0.1 * (seconds - self.seconds_per_update)

    def _note_bad(self, outcome: Outcome) -> None:
        """Count an update that was left out; give up after too many in a row."""
        self.skipped += 1
        self.bad_in_a_row += 1
        if self.bad_in_a_row < _PATIENCE:
            return
        # The last good update may be what broke the network. A checkpoint made
        # right after it is no place to go on from.
        if self.saved_at >= self.update - self.bad_in_a_row:
            self.folder.step_back()
        what = (
            f"the loss was {outcome.loss:.4g}"
            if math.isnan(outcome.norm)
            else f"the gradient had the norm {outcome.norm:.4g}"
        )
        usual = "" if self.mean_loss is None else f", usually {self.mean_loss:.4g}"
        raise TrainingError(
            f"{what}{usual} at update {self.update}, and as bad {self.bad_in_a_row} "
            f"times in a row; resume from the last checkpoint ({self.folder.last}) "
            f"with a lower --learning-rate or with --clip-gradient"
        )

    def _validate(self) -> None:
        weights = self.learner.best_weights()
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
            self.seconds_per_update,
            self.psnr,
            self.best,
            self.skipped,
        )
