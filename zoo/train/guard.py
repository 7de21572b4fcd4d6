"""Which losses are learned from, and when to give up."""

from __future__ import annotations

import math
from typing import Any

from zoo.errors import ZooError
from zoo.train.learner import Outcome

__all__ = ["Guard", "TrainingError"]

_SMOOTHING = 0.02  # of the running means: about the last 50 updates
_EXPLOSION = 20.0  # times the usual size: such a loss is not learned from
_PATIENCE = 20  # bad updates in a row


class TrainingError(ZooError):
    """Training cannot go on: the loss is not finite or exploded, again and again."""


class Guard:
    """Follows the loss, and says how large the next one may be.

    The measure is the usual *size* of the loss, |loss|: that of wgan is negative,
    that of hinge comes down to zero. A loss no larger than the very first one is
    never too large.

    Attributes
    ----------
    mean_loss : float or None
        Running mean of the losses learned from.
    skipped : int
        Updates that were left out.
    bad_in_a_row : int
        How many of them came last.
    """

    def __init__(self) -> None:
        self.mean_loss: float | None = None
        self.size: float | None = None
        self.first = 0.0
        self.skipped = 0
        self.bad_in_a_row = 0

    @property
    def limit(self) -> float:
        """The largest loss to learn from."""
        if self.size is None:
            return math.inf
        return max(_EXPLOSION * self.size, self.first)

    @property
    def has_to_give_up(self) -> bool:
        """Whether too many updates in a row were left out."""
        return self.bad_in_a_row >= _PATIENCE

    def note(self, outcome: Outcome, update: int) -> float:
        """Follow the outcome of an update.

        Parameters
        ----------
        outcome : Outcome
        update : int
            Its number, from 1.

        Returns
        -------
        float
            One over the number of updates learned from: as long as that is large,
            averages are over all of them.
        """
        young = 1 / max(1, update - self.skipped)
        if not outcome.applied:
            self.skipped += 1
            self.bad_in_a_row += 1
            return young
        self.bad_in_a_row = 0
        size = abs(outcome.loss)
        if self.mean_loss is None or self.size is None:
            self.mean_loss, self.size, self.first = outcome.loss, size, size
        share = max(_SMOOTHING, young)
        self.mean_loss += share * (outcome.loss - self.mean_loss)
        self.size += share * (size - self.size)
        return young

    def forget_losses(self) -> None:
        """Start anew with the next loss, which is of another kind."""
        self.mean_loss, self.size, self.first = None, None, 0.0

    def what_is_wrong(self, outcome: Outcome) -> str:
        """The trouble with an update that was left out, as the start of a sentence."""
        usual = "" if self.mean_loss is None else f", usually {self.mean_loss:.4g}"
        if math.isnan(outcome.norm):
            return f"the loss was {outcome.loss:.4g}{usual}"
        return f"the gradient had the norm {outcome.norm:.4g}"

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return dict(vars(self))

    def restore(self, state: dict[str, Any]) -> None:
        """Undo :meth:`state`; checkpoints of older versions lack the sizes."""
        for name in vars(self):
            if name in state:
                setattr(self, name, state[name])
        if "size" not in state and self.mean_loss is not None:
            self.size = abs(self.mean_loss)
