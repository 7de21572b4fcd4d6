"""Everything a training run is put together from, new or resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo import charts
from zoo.catalog import find_cfg
from zoo.charts import Line, Panel
from zoo.errors import UsageError
from zoo.evaluate import cases_in, enlarger, evaluate
from zoo.layers.base import Array
from zoo.network import Network
from zoo.pairs import Pair, read_rgb, whole_scale
from zoo.plugins import Kernels, select
from zoo.state import save_weights
from zoo.train.data import PatchSampler, load_pairs, picture_files
from zoo.train.learner import Learner, NetworkLearner, require_pictures
from zoo.train.loop import Trainer
from zoo.train.options import TrainingOptions
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder
from zoo.train.transfer import transfer

__all__ = ["Session"]

_OWN_CASES = 5  # training pictures to validate on where no others are given


class Session:
    """A training run: network, pictures, recipe, folder.

    Use :meth:`start` or :meth:`resume`, then :meth:`prepare`, then
    ``session.trainer.run()``.
    """

    def __init__(
        self,
        folder: RunFolder,
        network: Network,
        recipe: Recipe,
        data: dict[str, Any],
        options: TrainingOptions,
    ) -> None:
        self.options = options
        self.folder = folder
        self.network = network
        self.recipe = recipe
        self.data = data
        self.is_new = not folder.last.exists()
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
        say: Callable[[str], None] | None = None,
    ) -> Session:
        """A new run; its folder is made and the cfg copied into it.

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
        say : callable, optional
            Told, in a sentence, what was taken over from them.

        Raises
        ------
        ZooError
            Before anything is written, if the call cannot be meant.
        """
        path = find_cfg(cfg)
        network = Network.read(path)
        whole_scale(network)
        require_pictures(network.pixels, network.source)
        recipe = _overridden(Recipe.of(network), options)
        data = _data(options, {"folders": [], "validate": None})
        folder = RunFolder(output)
        network.initialize(recipe.seed)
        if from_cfg and not from_weights:
            raise UsageError(f"--from-cfg {from_cfg} goes with --from WEIGHTS")
        if from_weights:
            copied, total = transfer(network, from_weights, from_cfg)
            if say is not None:
                say(f"{copied} of {total} tensors from {from_weights}")
        folder.create(path.read_text(encoding="utf-8"), data)
        return cls(folder, network, recipe, data, options)

    @classmethod
    def resume(cls, path: Path, options: TrainingOptions) -> Session:
        """An old run; options change its recipe from here on.

        Raises
        ------
        ZooError
            If there is no run, or the call cannot be meant.
        """
        folder = RunFolder(path)
        if not folder.last.exists():
            raise UsageError(f"{path} holds no run with a checkpoint")
        folder.tidy()
        network = Network.read(folder.cfg)
        recipe = _overridden(Recipe.from_dict(folder.load().recipe), options)
        try:
            known = folder.read_data()
        except UsageError:
            if not options.data:
                raise
            known = {"folders": [], "validate": None}
        data = _data(options, known)
        if options.data or options.validate:
            folder.write_data(data)
        return cls(folder, network, recipe, data, options)

    def prepare(self, say: Callable[[str], None] | None = None) -> None:
        """Load the pictures and make the trainer.

        Parameters
        ----------
        say : callable, optional
            Told, in a sentence each, of pictures that are left out.
        """
        scale = whole_scale(self.network)
        pairs = load_pairs(
            picture_files(self.data["folders"]), scale, read_rgb, self.recipe.patch, say
        )
        sampler = PatchSampler(
            pairs,
            scale=scale,
            patch=self.recipe.patch,
            batch=self.recipe.batch,
            seed=self.recipe.seed,
            augment=self.recipe.augment,
        )
        kernels = select(self.options.backend, self.options.threads)
        self.trainer = Trainer(
            self._learner(kernels),
            sampler,
            self.recipe,
            self.folder,
            validate=_Validator(
                self.folder.cfg, kernels, self._cases(scale, pairs), scale
            ),
            save_best=self._save_best,
            validate_every=self.options.validate_every,
            save_every=self.options.save_every,
            log_every=self.options.log_every,
        )
        if self.is_new:
            self.trainer.save()  # from now on the run can be resumed
        else:
            self.trainer.resume()

    def conclusion(self) -> str:
        """What came out, in a sentence or two; draws the learning curve."""
        self.draw_curve()
        trainer = self.trainer
        text = f"{trainer.update} of {self.recipe.updates} updates done"
        if trainer.best is not None:
            text += f"; best PSNR {trainer.best:.2f} dB: {self.folder.best}"
        if trainer.update < self.recipe.updates:
            text += f"; go on with `zoo train --resume {self.folder.path}`"
        return text

    def draw_curve(self) -> None:
        """Draw ``curve.png`` from the log."""
        entries = self.folder.entries()
        panels = []
        for name, key, line in (
            ("loss", "loss", self.recipe.cost),
            ("PSNR dB", "psnr", "validation"),
        ):
            points = [(e["update"], e[key]) for e in entries if e.get(key) is not None]
            if points:
                x, y = zip(*points, strict=True)
                panels.append(Panel("training", "update", name, [Line(line, x, y)]))
        if panels:
            charts.save(panels, self.folder.curve)

    def _learner(self, kernels: Kernels) -> Learner:
        own: Learner | None = kernels.learner(self.network, self.recipe)
        return own or NetworkLearner(self.network, kernels, self.recipe)

    def _cases(self, scale: int, pairs: list[Pair]) -> list[Pair]:
        """Validation pictures; a few of the training ones where none are given."""
        if self.data["validate"]:
            return list(cases_in(self.data["validate"], scale)[0])
        return pairs[:_OWN_CASES]

    def _save_best(self, weights: dict[str, Array], psnr: float, update: int) -> None:
        best = Network.read(self.folder.cfg)
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


class _Validator:
    """PSNR of a set of weights on the validation pictures."""

    def __init__(
        self, cfg: Path, kernels: Kernels, cases: list[Pair], scale: int
    ) -> None:
        self.network = Network.read(cfg)
        self.network.trained = True
        self.kernels = kernels
        self.cases = cases
        self.scale = scale

    def __call__(self, weights: dict[str, Array]) -> float:
        from zoo.api import Model

        for name, array in self.network.tensors.items():
            array[...] = weights[name]
        # A new model each time: plans may keep packed copies of the weights.
        model = Model(self.network, self.kernels)
        scores = evaluate(enlarger(model), self.cases, self.scale, metrics=("psnr",))
        return scores.psnr


def _overridden(recipe: Recipe, options: TrainingOptions) -> Recipe:
    """A recipe with what the options say, checked."""
    recipe = recipe.changed(**options.changes).with_settings(options.settings)
    recipe.check()
    return recipe


def _data(options: TrainingOptions, known: dict[str, Any]) -> dict[str, Any]:
    """Where the pictures are, absolute, checked to exist."""
    data = dict(known)
    if options.data:
        data["folders"] = [str(Path(folder).resolve()) for folder in options.data]
    if options.validate:
        data["validate"] = str(Path(options.validate).resolve())
    picture_files(data["folders"])
    if data["validate"]:
        cases_in(data["validate"], 1)
    return data
