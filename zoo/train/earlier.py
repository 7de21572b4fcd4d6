"""A run that stopped, and how it goes on with what is new."""

from __future__ import annotations

from collections.abc import Callable

from zoo.plugins import Kernels
from zoo.train.loop import Trainer
from zoo.train.recipe import Recipe
from zoo.train.run_folder import Snapshot
from zoo.train.settings import RunSettings

__all__ = ["Earlier"]


class Earlier:
    """What a run was when it stopped.

    Parameters
    ----------
    snapshot : Snapshot
        Its checkpoint.
    recipe : Recipe
    settings : RunSettings
    """

    def __init__(
        self, snapshot: Snapshot, recipe: Recipe, settings: RunSettings
    ) -> None:
        self.snapshot = snapshot
        self.recipe = recipe
        self.settings = settings

    def go_on(
        self,
        trainer: Trainer,
        settings: RunSettings,
        kernels: Kernels,
        say: Callable[[str], None],
    ) -> None:
        """Put the trainer where the run stopped, and write what is remembered.

        Parameters
        ----------
        trainer : Trainer
            New, with the recipe from here on.
        settings : RunSettings
            From here on.
        kernels : Kernels
        say : callable
            Told what the run goes on with, and what is other than before.
        """
        recipe = trainer.recipe
        trainer.resume(self.snapshot)
        if recipe.cost != self.recipe.cost:
            trainer.guard.forget_losses()
        say(
            f"goes on after update {trainer.update} of {recipe.updates} on "
            f"{settings.backend or kernels.name}: {recipe.summary}"
        )
        say(
            f"learns from {', '.join(settings.folders)}; validated on "
            f"{settings.validate or 'pictures of these'} every "
            f"{settings.validate_every} updates"
        )
        kept_by = self.snapshot.learner.optimizer_name
        if kept_by != recipe.optimizer:
            say(f"{recipe.optimizer} starts afresh: the checkpoint is of {kept_by}")
        old, new = self.settings.pictures, settings.pictures
        if old and old != new:
            counts = f"{old.partition(':')[0]} then, {new.partition(':')[0]} now"
            say(f"the pictures are not those of before ({counts})")
        is_on_others = self._is_validated_on_others(settings)
        if is_on_others:
            trainer.best = trainer.psnr = None
            trainer.write(
                {"update": trainer.update, "validation": settings.validate or ""}
            )
            say("validation is on other pictures than before: the best counts anew")
        if is_on_others or recipe != self.recipe:
            # Before the settings: a run that is killed between the two compares
            # with no best, and what was asked for is not half forgotten.
            trainer.save()
        trainer.folder.write_settings(settings)

    def _is_validated_on_others(self, settings: RunSettings) -> bool:
        if self.settings.cases:
            return self.settings.cases != settings.cases
        # A run of an older version: only the folders are known.
        return (
            self.settings.validate != settings.validate
            or not settings.validate
            and self.settings.folders != settings.folders
        )
