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

import numpy as np

from zoo.layers.base import Array
from zoo.train.data import PatchSampler
from zoo.train.guard import Guard, TrainingError
from zoo.train.interrupts import deferred_signals
from zoo.train.learner import Learner, Outcome
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder, Snapshot

__all__ = ["Report", "Trainer", "TrainingError"]

_PROGRESS = ("psnr", "best", "seconds")
"""Attributes of the trainer that a checkpoint keeps, beside those of the guard."""

Validate = Callable[[dict[str, Array]], float]
"""PSNR in dB of a set of weights; NaN if what they give is not finite."""


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
    on_entry : callable, optional
        Shown what is written into the log.
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
        on_entry: Callable[[dict[str, Any]], None] | None = None,
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
        self.on_entry = on_entry
        self.schedule = recipe.make_schedule()
        self.update = 0
        self.saved_at = -1
        self.guard = Guard()
        self.psnr: float | None = None
        self.best: float | None = None
        self.seconds = 0.0
        self.seconds_per_update = 0.0

    def resume(self, snapshot: Snapshot) -> None:
        """Continue from the folder's checkpoint as if it had never stopped."""
        self.learner.restore(snapshot.learner)
        self.sampler.state = snapshot.sampler
        self.update = snapshot.update
        for name in _PROGRESS:
            setattr(self, name, snapshot.progress[name])
        self.guard.restore(snapshot.progress)
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
            If the loss explodes again and again, if no update could be learned
            from, or if the network gives no finite pictures any more; there is a
            checkpoint from before the trouble.
        KeyboardInterrupt
            At Ctrl-C, or what else SIGTERM means, with a checkpoint, when the update
            is done.
        """
        last = min(until or self.recipe.updates, self.recipe.updates)
        begun = time.monotonic()
        spent_before = self.seconds
        learned_before = self.update - self.guard.skipped
        # What overflows is found in loss, norm and validation; NumPy need not warn.
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with quiet, deferred_signals() as asked_to_stop:
            while self.update < last:
                started = time.monotonic()
                outcome = self._one_update()
                self._time_one(time.monotonic() - started)
                self.seconds = spent_before + time.monotonic() - begun
                is_over = self.update >= last or (
                    seconds is not None and time.monotonic() - begun >= seconds
                )
                if is_over and self.update - self.guard.skipped == learned_before:
                    self._give_up(f"nothing was learned: {self._trouble(outcome)}")
                if self.update % self.log_every == 0 or is_over:
                    self._log()
                if self.update % self.validate_every == 0 or is_over:
                    self._validate()
                stops = asked_to_stop()
                is_well = self.guard.bad_in_a_row == 0
                is_due = self.update % self.save_every == 0
                if (is_due and is_well) or is_over or stops:
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
                progress={
                    **{name: getattr(self, name) for name in _PROGRESS},
                    **self.guard.state(),
                },
            ),
            keep_before=self._last_is_doubtful(),
        )
        self.saved_at = self.update

    def _one_update(self) -> Outcome:
        self.sampler.batch = self.recipe.batch_at(self.update)
        low, high = self.sampler.draw()
        rate = self.schedule(self.update)
        outcome = self.learner.step(low, high, rate, self.guard.limit)
        self.update += 1
        young = self.guard.note(outcome, self.update)
        if self.guard.has_to_give_up:
            times = f"and as bad {self.guard.bad_in_a_row} times in a row"
            self._give_up(f"{self._trouble(outcome)}, {times}")
        if outcome.applied and self.recipe.average:
            self.learner.update_average(max(self.recipe.average, young))
        return outcome

    def _time_one(self, seconds: float) -> None:
        """Follow the time that an update takes; validation does not count."""
        if not self.seconds_per_update:
            self.seconds_per_update = seconds
        self.seconds_per_update += 0.1 * (seconds - self.seconds_per_update)

    def _trouble(self, outcome: Outcome) -> str:
        return f"{self.guard.what_is_wrong(outcome)} at update {self.update}"

    def _last_is_doubtful(self) -> bool:
        """Whether the last checkpoint holds the weights that bad updates began with.

        The last good update may be what broke the network.
        """
        bad = self.guard.bad_in_a_row
        return bad > 0 and self.saved_at >= self.update - bad

    def _give_up(self, why: str) -> None:
        """Go back to a checkpoint that is safe to go on from, and say what to do."""
        if self._last_is_doubtful():
            self.folder.step_back()
        raise TrainingError(
            f"{why}; resume from the last checkpoint ({self.folder.last}) with a "
            f"lower --learning-rate or with --clip-gradient"
        )

    def _validate(self) -> None:
        weights = self.learner.best_weights()
        psnr = self.validate(weights)
        self.write({"update": self.update, "psnr": psnr, "seconds": self.seconds})
        if math.isnan(psnr):
            self._give_up(
                f"at update {self.update} the network gives values that are not finite"
            )
        self.psnr = psnr
        if self.best is None or psnr > self.best:
            self.best = psnr
            self.save_best(weights, psnr, self.update)

    def write(self, entry: dict[str, Any]) -> None:
        """Add to the log."""
        self.folder.append(entry)
        if self.on_entry is not None:
            self.on_entry(entry)

    def _log(self) -> None:
        entry: dict[str, Any] = {
            "update": self.update,
            "loss": self.guard.mean_loss,
            "rate": self.schedule(self.update - 1),
            "seconds": self.seconds,
        }
        self.write(entry)

    def _report(self) -> Report:
        return Report(
            self.update,
            self.recipe.updates,
            math.nan if self.guard.mean_loss is None else self.guard.mean_loss,
            self.schedule(self.update - 1),
            self.seconds,
            self.seconds_per_update,
            self.psnr,
            self.best,
            self.guard.skipped,
        )
