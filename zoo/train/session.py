"""Everything a training run is put together from, new or resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.catalog import find_weights
from zoo.checkpoints.cards import Card, digest, write_card
from zoo.checkpoints.files import save_weights
from zoo.checkpoints.passing import find_network
from zoo.errors import PluginError, ShapeError, UsageError
from zoo.evaluate.datasets import GENERATED, PictureSet
from zoo.evaluate.entrants import Bicubic
from zoo.evaluate.pairs import Pair, degraded, read_rgb, whole_scale
from zoo.evaluate.protocol import evaluate
from zoo.layers.base import Array
from zoo.network import Network
from zoo.origins import comments, origins_of
from zoo.parsers.cfg import write_cfg
from zoo.plugins import Kernels, select
from zoo.train.batches import require_pictures
from zoo.train.curve import draw_curve
from zoo.train.data import PatchSampler, hold_out, load_pairs
from zoo.train.earlier import Earlier
from zoo.train.ignored import ignored_keys
from zoo.train.learner import Learner
from zoo.train.loop import Trainer
from zoo.train.network_learner import NetworkLearner
from zoo.train.options import TrainingOptions
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder
from zoo.train.settings import RunSettings, digest_of_cases, digest_of_files
from zoo.train.transfer import transfer
from zoo.train.validation import Validator, load_cases, protocol_for

__all__ = ["Session"]

Say = Callable[[str], None]


class Session:
    """A training run: network, pictures, recipe, folder.

    Use :meth:`start` or :meth:`resume`, then :meth:`prepare`, then
    ``session.trainer.run()``. Until :meth:`close` no other process can train in the
    folder.
    """

    def __init__(
        self,
        folder: RunFolder,
        network: Network,
        cfg_text: str,
        recipe: Recipe,
        settings: RunSettings,
        *,
        threads: int | None = None,
        earlier: Earlier | None = None,
        start_from: str = "random weights",
    ) -> None:
        self.folder = folder
        self.network = network
        self.cfg_text = cfg_text
        self.recipe = recipe
        self.settings = settings
        self.threads = threads
        self.earlier = earlier
        self.start_from = start_from
        self._cases: list[Pair] = []
        self.trainer: Trainer

    @classmethod
    def start(
        cls,
        cfg: str | Path,
        output: str | Path,
        options: TrainingOptions,
        *,
        from_weights: str | Path | None = None,
        from_cfg: str | Path | None = None,
        lenient: bool = False,
        say: Say | None = None,
    ) -> Session:
        """A new run; nothing is written before :meth:`prepare`.

        Parameters
        ----------
        cfg : path
            Of the network, or the name of one that is installed.
        output : path
            Folder of the run.
        options : TrainingOptions
        from_weights, from_cfg : path, optional
            Start from these weights of this network; see
            :func:`zoo.train.transfer.transfer`.
        lenient : bool
            Read the cfg as Darknet does; the run's own copy is then plain.
        say : callable, optional
            Told, in a sentence, what was taken over from them.

        Raises
        ------
        ZooError
            If the call cannot be meant.
        """
        path = find_network(cfg)
        network = Network.read(path, lenient=lenient)
        whole_scale(network)
        require_pictures(network.pixels, network.source)
        recipe = _overridden(Recipe.of(network), options)
        recipe.check(network)
        settings = RunSettings().with_environment().changed_by(options)
        folder = RunFolder(output)
        folder.require_free()
        network.initialize(recipe.seed)
        if from_cfg and not from_weights:
            raise UsageError(f"--from-cfg {from_cfg} goes with --from WEIGHTS")
        start_from = f"random weights (seed {recipe.seed})"
        if find_weights(path) is not None:
            start_from += f", not those of {cfg}, from which --from {cfg} would start"
        if from_weights:
            taken = transfer(network, from_weights, from_cfg)
            start_from = f"{from_weights} ({taken})"
        text = write_cfg(network.sections)
        if not lenient:
            text = path.read_text(encoding="utf-8")
        text = comments(origins_of(network.kinds)) + text.removeprefix("\ufeff")
        return cls(
            folder,
            network,
            text,
            recipe,
            settings,
            threads=options.threads,
            start_from=start_from,
        )

    @classmethod
    def resume(cls, path: Path, options: TrainingOptions) -> Session:
        """An old run; options change its recipe and settings from here on.

        Raises
        ------
        ZooError
            If there is no run, another process trains it, or the call cannot be
            meant.
        """
        folder = RunFolder(path)
        if not folder.last.exists():
            raise UsageError(f"{path} holds no run with a checkpoint")
        folder.lock()
        folder.tidy()
        network = Network.read(folder.cfg)
        text = folder.cfg.read_text(encoding="utf-8")
        snapshot = folder.load()
        old = Recipe.from_dict(snapshot.recipe)
        recipe = _overridden(old, options)
        recipe.check()
        if recipe.updates < snapshot.update:
            raise UsageError(
                f"{path} has done {snapshot.update} updates already; --updates "
                f"{recipe.updates} is fewer"
            )
        if recipe.seed != old.seed:
            raise UsageError(
                f"a resumed run goes on with the random numbers of its seed "
                f"{old.seed}; leave seed {recipe.seed} out, or start another run"
            )
        try:
            known = folder.read_settings()
        except UsageError:
            if not options.data:
                raise
            known = RunSettings()
        return cls(
            folder,
            network,
            text,
            recipe,
            known.changed_by(options),
            threads=options.threads,
            earlier=Earlier(snapshot, old, known),
        )

    def close(self) -> None:
        """Let other processes train in the folder."""
        self.folder.unlock()

    def prepare(
        self,
        say: Say | None = None,
        on_entry: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """Load the pictures, make the trainer; only then make or change the folder.

        Parameters
        ----------
        say : callable, optional
            Told, in a sentence each, of pictures that are left out, and what a
            resumed run goes on with.
        on_entry : callable, optional
            Shown what is written into the log.

        Raises
        ------
        ZooError
            If there is no picture to learn from or to validate on, or the back end
            cannot train the network; the disk is as it was then.
        """
        say = say or (lambda text: None)
        ignored = ignored_keys(self.network)
        if ignored:
            say(f"without effect in {self.network.source}: {'; '.join(ignored)}")
        kernels = self._kernels()
        self._require_fitting_patch()
        scale = whole_scale(self.network)
        sets = self.settings.sets(scale)
        pairs = load_pairs(sets, scale, read_rgb, self.recipe.patch, say)
        if self.settings.validate:
            cases = load_cases(self.settings.validate, self.network, scale, say)
            measured = self.settings.validate
        else:
            pairs, cases = hold_out(pairs, scale, self.recipe.patch)
            measured = ", ".join(case.name for case in cases)
        degradation = self.recipe.degradation
        cases = [degraded(case, degradation) for case in cases]
        sampler = PatchSampler(
            pairs,
            scale=scale,
            patch=self.recipe.patch,
            batch=self.recipe.batch,
            seed=self.recipe.seed,
            augment=self.recipe.augment,
            degradation=degradation,
            permute_share=self.recipe.permute_share,
            blend_share=self.recipe.blend_share,
        )
        self.settings = replace(
            self.settings,
            pictures=digest_of_files(
                path
                for pictures in sets
                for path in (*pictures.high, *filter(None, pictures.low))
            ),
            cases=digest_of_cases(cases, low=bool(degradation)),
        )
        self._cases = list(cases)
        learner = self._learner(kernels)
        if self.earlier is not None:
            learner.restore(self.earlier.snapshot.learner)
        largest = max(map(self.recipe.batch_at, (0, *self.recipe.batch_steps)))
        _try_a_step(learner, sampler, largest)
        shown = Network.parse(self.cfg_text, str(self.folder.cfg))
        self.trainer = Trainer(
            learner,
            sampler,
            self.recipe,
            self.folder,
            validate=Validator(shown, kernels, cases, scale),
            save_best=self._save_best,
            validate_every=self.settings.validate_every,
            save_every=self.settings.save_every,
            log_every=self.settings.log_every,
            on_entry=on_entry,
        )
        if self.earlier is None:
            self._say_how_it_starts(say, sets, pairs, cases, measured)
            self.folder.create(self.cfg_text, self.settings)
            self.trainer.save()  # from now on the run can be resumed
        else:
            self.earlier.go_on(self.trainer, self.settings, kernels, say)

    def _say_how_it_starts(
        self,
        say: Say,
        sets: list[PictureSet],
        pairs: list[Pair],
        cases: list[Pair],
        measured: str,
    ) -> None:
        """What a user would ask: from what, on what, measured how, written where."""
        scale = whole_scale(self.network)
        say(f"starts from {self.start_from}; {self.recipe.updates} updates in all")
        origins = " and ".join(dict.fromkeys(pictures.origin for pictures in sets))
        worse = f"; {self.recipe.degradation}" if self.recipe.degradation else ""
        say(
            f"learns from {len(pairs)} pictures, x{scale}; small ones: {origins}{worse}"
        )
        how = protocol_for(cases)
        score = evaluate(
            Bicubic(), cases, scale, f"{GENERATED}{worse}", metrics=("psnr",), how=how
        )
        say(
            f"is measured on {len(cases)} other pictures ({measured}), on which bicubic "
            f"has {score.psnr:.2f} dB ({score.protocol})"
        )
        say(
            f"writes into {self.folder.path}: best.safetensors at the best of these, "
            f"every {self.settings.validate_every} updates; last.safetensors to go on "
            f"from, every {self.settings.save_every}"
        )

    def conclusion(self) -> str:
        """What came out, in a sentence or two; draws the learning curve."""
        self.draw_curve()
        self._write_card()
        trainer = self.trainer
        text = f"{trainer.update} of {self.recipe.updates} updates done"
        if trainer.guard.skipped:
            text += f", {trainer.guard.skipped} of them left out for their loss"
        if trainer.best is not None:
            text += f"; best PSNR {trainer.best:.2f} dB: {self.folder.best}"
        if trainer.update < self.recipe.updates:
            text += f"; go on with `zoo train --resume {self.folder.path}`"
        return text

    @property
    def protocol(self) -> str:
        """How the PSNR of this run is measured."""
        scale = whole_scale(self.network)
        return protocol_for(self._cases).describe(scale)

    def _write_card(self) -> None:
        """Say beside the best weights what they are and how good."""
        trainer = self.trainer
        if trainer.best is None or not self.folder.best.exists():
            return
        scale = whole_scale(self.network)
        cases = self._cases
        how = protocol_for(cases)
        plain = evaluate(Bicubic(), cases, scale, metrics=("psnr",), how=how)
        write_card(
            Card(
                network=Path(self.network.source).stem,
                scale=scale,
                parameters=self.network.parameter_count,
                dtype="float32",
                license="unknown",
                sha256=digest(self.folder.best),
                training={
                    "data": ", ".join(self.settings.folders),
                    "start": self.start_from,
                    "updates": trainer.update,
                    "hours": round(trainer.seconds / 3600, 2),
                    "recipe": self.recipe.to_dict(),
                },
                protocol=plain.protocol,
                scores={
                    self.settings.validate or "pictures kept for it": {
                        "psnr": round(trainer.best, 3),
                        "bicubic": round(plain.psnr, 3),
                    }
                },
            ),
            self.folder.card,
        )

    def summary(self) -> dict[str, object]:
        """What came out, for programs; numbers in dB and seconds."""
        trainer = self.trainer
        return {
            "run": str(self.folder.path),
            "updates": trainer.update,
            "updates_planned": self.recipe.updates,
            "left_out": trainer.guard.skipped,
            "loss": trainer.guard.mean_loss,
            "psnr": trainer.psnr,
            "best": trainer.best,
            "weights": str(self.folder.best) if self.folder.best.exists() else None,
            "seconds": trainer.seconds,
        }

    def draw_curve(self) -> None:
        """Draw ``curve.png`` from the log."""
        draw_curve(self.folder, self.recipe.cost, self.protocol)

    def _kernels(self) -> Kernels:
        try:
            return select(self.settings.backend, self.threads)
        except PluginError as error:
            if self.earlier is None or not self.earlier.settings.backend:
                raise
            raise PluginError(
                f"{error}; the run was on {self.earlier.settings.backend}, "
                f"--backend names another"
            ) from None

    def _learner(self, kernels: Kernels) -> Learner:
        own: Learner | None = kernels.learner(self.network, self.recipe)
        return own or NetworkLearner(self.network, kernels, self.recipe)

    def _require_fitting_patch(self) -> None:
        side = self.recipe.patch
        try:
            made = self.network.shapes(side, side)[-1]
        except ShapeError as error:
            raise UsageError(f"a patch of {side} does not fit: {error}") from None
        wanted = whole_scale(self.network) * side
        if made[:2] != (wanted, wanted):
            raise UsageError(
                f"a patch of {side} does not fit: the network makes {made[0]} x "
                f"{made[1]} of it, not {wanted} x {wanted}; give another --patch"
            )

    def _save_best(self, weights: dict[str, Array], psnr: float, update: int) -> None:
        best = Network.parse(self.cfg_text, str(self.folder.cfg))
        for name, array in best.tensors.items():
            array[...] = weights[name]
        best.trained = True
        save_weights(
            best,
            self.folder.best,
            source=f"zoo train, update {update}",
            extra={"psnr": f"{psnr:.4f}", "recipe": json.dumps(self.recipe.to_dict())},
        )
        self.draw_curve()


def _try_a_step(learner: Learner, sampler: PatchSampler, batch: int) -> None:
    """Let what cannot be trained, or fits no memory, fail now; nothing is changed."""
    before, drawn = deepcopy(learner.state()), sampler.state
    usual, sampler.batch = sampler.batch, batch
    low, high = sampler.draw()
    sampler.batch = usual
    with np.errstate(all="ignore"):
        learner.step(low, high, 0.0)
    learner.restore(before)
    sampler.state = drawn


def _overridden(recipe: Recipe, options: TrainingOptions) -> Recipe:
    """A recipe with what the options say."""
    return recipe.changed(**options.changes).with_settings(options.settings)
