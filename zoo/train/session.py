"""Everything a training run is put together from, new or resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.catalog import find_cfg
from zoo.charts import Line, Panel, draw
from zoo.errors import UsageError
from zoo.evaluate import Case, cases_in, evaluate, read_rgb
from zoo.files import atomic_write
from zoo.layers.base import Array
from zoo.network import Network
from zoo.plugins import Kernels, select
from zoo.state import save_weights
from zoo.train.data import PatchSampler, load_pairs, picture_files
from zoo.train.learner import Learner, NetworkLearner
from zoo.train.loop import Trainer
from zoo.train.recipe import Recipe
from zoo.train.run import RunFolder
from zoo.train.transfer import transfer

__all__ = ["Session"]


class Session:
    """A training run: network, pictures, recipe, folder.

    Use :meth:`start` or :meth:`resume`, then :meth:`prepare`, then
    ``session.trainer.run()``.
    """

    def __init__(
        self, folder: RunFolder, network: Network, recipe: Recipe, data: dict[str, Any]
    ) -> None:
        self.folder = folder
        self.network = network
        self.recipe = recipe
        self.data = data
        self.is_new = not folder.last.exists()
        self.trainer: Trainer

    @classmethod
    def start(cls, options: Mapping[str, Any]) -> Session:
        """A new run; its folder is made and the cfg copied into it."""
        path = find_cfg(options["cfg"])
        network = Network.read(path)
        given = {entry.key for entry in network.sections[0].entries}
        recipe = Recipe.from_settings(network.settings, given)
        recipe = _overridden(recipe, options)
        recipe.check()
        data = {
            "folders": [str(Path(folder).resolve()) for folder in options["data"]],
            "validate": options["validate"]
            and str(Path(options["validate"]).resolve()),
        }
        picture_files(data["folders"])
        folder = RunFolder(options["output"])
        network.initialize(recipe.seed)
        if options["from_weights"]:
            transfer(network, options["from_weights"], options["from_cfg"])
        folder.create(path.read_text(encoding="utf-8"))
        with atomic_write(folder.path / "data.json") as file:
            file.write(json.dumps(data, indent=1).encode())
        return cls(folder, network, recipe, data)

    @classmethod
    def resume(cls, path: Path) -> Session:
        """An old run."""
        folder = RunFolder(path)
        if not folder.last.exists():
            raise UsageError(f"{path} holds no run with a checkpoint")
        network = Network.read(folder.cfg)
        recipe = Recipe.from_dict(folder.load().recipe)
        data = json.loads((folder.path / "data.json").read_text(encoding="utf-8"))
        return cls(folder, network, recipe, data)

    def prepare(self, options: Mapping[str, Any]) -> None:
        """Load the pictures and make the trainer."""
        if not self.is_new:
            self.recipe = _overridden(self.recipe, options)
            self.recipe.check()
            if options["data"]:
                self.data["folders"] = list(options["data"])
            if options["validate"]:
                self.data["validate"] = options["validate"]
        scale = _whole_scale(self.network)
        pairs = load_pairs(
            picture_files(self.data["folders"]), scale, read_rgb, self.recipe.patch
        )
        sampler = PatchSampler(
            pairs,
            scale=scale,
            patch=self.recipe.patch,
            batch=self.recipe.batch,
            seed=self.recipe.seed,
        )
        kernels = select(options["backend"], options["threads"])
        self.trainer = Trainer(
            self._learner(kernels, options),
            sampler,
            self.recipe,
            self.folder,
            validate=_Validator(
                self.folder.cfg, kernels, self._cases(scale, pairs), scale
            ),
            save_best=self._save_best,
            validate_every=options["validate_every"],
            save_every=options["save_every"],
            log_every=options["log_every"],
        )
        if self.is_new:
            self.trainer.save()  # from now on the run can be resumed
        else:
            self.trainer.resume()

    def conclusion(self) -> str:
        """What came out, in a sentence or two; draws the learning curve."""
        self._draw_curve()
        trainer = self.trainer
        text = f"{trainer.update} of {self.recipe.updates} updates done"
        if trainer.best is not None:
            text += f"; best PSNR {trainer.best:.2f} dB: {self.folder.best}"
        if trainer.update < self.recipe.updates:
            text += f"; go on with `zoo train --resume {self.folder.path}`"
        return text

    def _learner(self, kernels: Kernels, options: Mapping[str, Any]) -> Learner:
        if options.get("device") and kernels.name != "torch":
            raise UsageError("--device goes with --backend torch")
        return NetworkLearner(self.network, kernels, self.recipe)

    def _cases(self, scale: int, pairs: list[Any]) -> list[Case]:
        """Validation pictures; a few of the training ones where none are given."""
        if self.data["validate"]:
            return list(cases_in(self.data["validate"], scale)[0])
        return [Case(pair.name, pair.low, pair.high) for pair in pairs[:5]]

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
        self._draw_curve()

    def _draw_curve(self) -> None:
        import cv2

        entries = self.folder.entries()
        losses = [(e["update"], e["loss"]) for e in entries if "loss" in e]
        scores = [(e["update"], e["psnr"]) for e in entries if "psnr" in e]
        panels = [
            Panel("training", "update", name, [Line(line, *zip(*points, strict=True))])
            for name, line, points in (
                ("loss", self.recipe.cost, losses),
                ("PSNR dB", "validation", scores),
            )
            if points
        ]
        if panels:
            _, data = cv2.imencode(".png", draw(panels))
            with atomic_write(self.folder.curve) as file:
                file.write(data.tobytes())


class _Validator:
    """PSNR of a set of weights on the validation pictures."""

    def __init__(
        self, cfg: Path, kernels: Kernels, cases: list[Case], scale: int
    ) -> None:
        from zoo.api import Model

        self.network = Network.read(cfg)
        self.network.trained = True
        self.kernels = kernels
        self.cases = cases
        self.scale = scale
        self._model = Model

    def __call__(self, weights: dict[str, Array]) -> float:
        for name, array in self.network.tensors.items():
            array[...] = weights[name]
        # A new model each time: plans may keep packed copies of the weights.
        model = self._model(self.network, self.kernels)
        return evaluate(model, self.cases, self.scale).psnr


def _overridden(recipe: Recipe, options: Mapping[str, Any]) -> Recipe:
    names = (
        "updates batch patch cost optimizer learning_rate policy decay "
        "clip_gradient average burn_in seed"
    )
    return recipe.changed(**{name: options[name] for name in names.split()})


def _whole_scale(network: Network) -> int:
    scale = network.scale
    if scale < 1 or scale != int(scale):
        raise UsageError(
            f"{network.source} enlarges {scale:g} times; "
            f"training on pictures needs a whole number"
        )
    return int(scale)
