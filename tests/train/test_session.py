"""What a run is put together from, and the files that come out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_sessions import assert_equal_checkpoints, begin, go_on, training_options
from tiny_training import BATCHNORM, pictures, tiny_cfg

from zoo.checkpoints.files import load_weights
from zoo.errors import PluginError, UsageError, ZooError
from zoo.network import Network
from zoo.parsers.safetensors import SafetensorsReader, write_safetensors
from zoo.plugins.numpy import NumpyKernels
from zoo.train import session as session_module
from zoo.train.learner import Learner, Outcome
from zoo.train.network_learner import NetworkLearner
from zoo.train.options import TrainingOptions
from zoo.train.recipe import Recipe
from zoo.train.session import Session


def test_killed_before_the_first_checkpoint_the_folder_can_be_used(
    tmp_path: Path,
) -> None:
    cfg = tiny_cfg(tmp_path)
    session = begin(tmp_path, "run", cfg)
    session.folder.last.unlink()
    with pytest.raises(UsageError, match="no run with a checkpoint"):
        go_on(tmp_path / "run")
    begin(tmp_path, "run", cfg).trainer.run(until=1)
    with pytest.raises(UsageError, match="already holds a run"):
        begin(tmp_path, "run", cfg)


def test_a_cfg_to_start_from_needs_weights(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    with pytest.raises(UsageError, match="goes with --from"):
        options = TrainingOptions(data=[pictures(tmp_path / "data")])
        Session.start(cfg, tmp_path / "run", options, from_cfg=cfg)


def test_files_of_a_run(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    session = begin(tmp_path, "run", cfg)
    session.trainer.run()
    text = session.conclusion()
    folder = session.folder
    assert "10 of 10" in text
    assert str(folder.best) in text
    entries = [json.loads(line) for line in folder.log.read_text().splitlines()]
    assert [e["update"] for e in entries if "loss" in e] == [2, 4, 6, 8, 10]
    assert [e["update"] for e in entries if "psnr" in e] == [5, 10]
    assert folder.curve.read_bytes().startswith(b"\x89PNG")
    network = Network.read(folder.cfg)
    load_weights(network, folder.best)  # with our fingerprint: no warning
    assert network.trained
    best = max(e["psnr"] for e in entries if "psnr" in e)
    assert session.trainer.best == best
    metadata = SafetensorsReader.read(folder.best).metadata
    assert float(metadata["psnr"]) == pytest.approx(best, abs=1e-4)


def test_validation_folder(tmp_path: Path) -> None:
    own = pictures(tmp_path / "valid", count=1)
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), validate=str(own))
    session.trainer.run(until=1)
    assert len(session.trainer.validate.cases) == 1
    with pytest.raises(UsageError, match="no folder"):
        begin(tmp_path, "other", tiny_cfg(tmp_path), validate=str(tmp_path / "none"))
    assert not (tmp_path / "other").exists()


def test_other_pictures_leave_the_validation_folder(tmp_path: Path) -> None:
    own = pictures(tmp_path / "valid", count=1)
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), validate=str(own))
    session.trainer.run(until=1)
    other = [pictures(tmp_path / "other")]
    resumed = go_on(tmp_path / "run", data=other)
    assert len(resumed.trainer.validate.cases) == 1
    session.folder.data.write_text("{")
    with pytest.raises(UsageError, match="name the pictures with --data"):
        go_on(tmp_path / "run")
    again = go_on(tmp_path / "run", data=other).trainer
    assert len(again.validate.cases) == 1  # kept out of those to learn from
    assert len(again.sampler.pairs) == 2


def test_network_of_luma_learns_from_luma(tmp_path: Path) -> None:
    cfg = tmp_path / "luma.cfg"
    cfg.write_text(
        "[net]\nchannels=1\ncolor=y\n\n[convolutional]\nfilters=4\nsize=3\npad=1\n"
        "activation=linear\n\n[shuffler]\nscale=2\n"
    )
    session = begin(tmp_path, "run", cfg)
    session.trainer.run()
    assert session.trainer.best is not None


def test_networks_that_cannot_learn_from_pictures(tmp_path: Path) -> None:
    cfg = tmp_path / "odd.cfg"
    for text, reason in (
        ("[net]\nchannels=3\n[convolutional]\nsize=2\nstride=2\n", "whole number"),
        ("[net]\nchannels=2\n[convolutional]\n", "2 channels"),
    ):
        cfg.write_text(text)
        with pytest.raises(UsageError, match=reason):
            begin(tmp_path, "run", cfg)
    assert not (tmp_path / "run").exists()


def test_output_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ZooError, match="folder"):
        begin(tmp_path, "file/run", tiny_cfg(tmp_path))


def resumed(path: Path, said: list[str] | None = None, **options: object) -> Session:
    """A session that resumes a run on what the run remembers."""
    session = Session.resume(path, training_options(**options))
    session.prepare((said if said is not None else []).append)
    return session


def test_resumed_run_remembers_and_says_so(tmp_path: Path) -> None:
    begin(tmp_path, "run", tiny_cfg(tmp_path)).trainer.run(until=4)
    said: list[str] = []
    session = resumed(tmp_path / "run", said)
    trainer = session.trainer
    assert trainer.validate.kernels.name == "numpy"
    assert trainer.validate_every == 5
    assert (trainer.save_every, trainer.log_every) == (4, 2)
    recipe = "adam, learning rate 0.001 (constant), cost mae, batch 2, patch 6"
    data = tmp_path / "data"
    assert said == [
        f"goes on after update 4 of 10 on numpy: {recipe}",
        f"learns from {data}; validated on pictures of these every 5 updates",
    ]
    resumed(tmp_path / "run", log_every=3)
    assert resumed(tmp_path / "run").trainer.log_every == 3


def test_runs_of_older_versions_are_resumed(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    session.trainer.run(until=4)
    best = session.trainer.best
    folders = [str(tmp_path / "data")]
    session.folder.data.write_text(json.dumps({"folders": folders, "validate": None}))
    said: list[str] = []
    trainer = resumed(tmp_path / "run", said, backend="numpy").trainer
    assert (trainer.save_every, trainer.best) == (200, best)
    assert len(said) == 2
    trainer.run()


def test_back_end_that_is_gone(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    settings = replace(session.settings, backend="numpy:gone")
    session.folder.write_settings(settings)
    with pytest.raises(PluginError, match="run was on numpy:gone, --backend names"):
        resumed(tmp_path / "run")


def test_other_seed_is_refused(tmp_path: Path) -> None:
    begin(tmp_path, "run", tiny_cfg(tmp_path), seed=3).trainer.run(until=1)
    with pytest.raises(UsageError, match="of its seed 3; leave seed 4 out"):
        resumed(tmp_path / "run", seed=4)
    assert resumed(tmp_path / "run", seed=3).recipe.seed == 3


def test_other_validation_counts_anew(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    session.trainer.run(until=4)
    # On an easier picture: the old best must not stay because of that.
    session.trainer.best = 99.0
    session.trainer.save()
    other = pictures(tmp_path / "other", count=3)
    said: list[str] = []
    trainer = resumed(tmp_path / "run", said, validate=other).trainer
    assert trainer.best is None
    assert "on other pictures than before" in said[-1]
    assert session.folder.entries()[-1] == {"update": 4, "validation": str(other)}
    # Killed before the next checkpoint, it is not forgotten.
    again = resumed(tmp_path / "run", said := [])
    assert again.trainer.best is None
    assert len(said) == 2
    again.trainer.run()
    assert again.trainer.best is not None
    assert again.trainer.best < 99
    # The same pictures in another place are the same.
    other.rename(tmp_path / "moved")
    best = resumed(tmp_path / "run", validate=tmp_path / "moved").trainer.best
    assert best == again.trainer.best


def test_other_pictures_are_noted_once(tmp_path: Path) -> None:
    begin(tmp_path, "run", tiny_cfg(tmp_path), validate=pictures(tmp_path / "valid"))
    (tmp_path / "data" / "p2.png").unlink()
    said: list[str] = []
    resumed(tmp_path / "run", said)
    assert said[-1] == "the pictures are not those of before (3 then, 2 now)"
    resumed(tmp_path / "run", said := [])
    assert len(said) == 2


def test_other_optimizer_and_cost_begin_afresh(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    begin(tmp_path, "run", cfg, average=0.1).trainer.run(until=4)
    changes = {"optimizer": "momentum", "cost": "mse", "average": 0.0}
    said: list[str] = []
    session = resumed(tmp_path / "run", said, **changes)
    assert said[-1] == "momentum starts afresh: the checkpoint is of adam"
    assert session.trainer.guard.mean_loss is None
    session.trainer.run()
    learner = session.folder.load().learner
    assert learner.updates == 6
    assert {name.partition("/")[0] for name in learner.optimizer} == {"v"}
    assert learner.average == {}
    assert learner.optimizer_name == "momentum"


def test_checkpoints_of_older_versions_are_of_the_recipes_optimizer(
    tmp_path: Path,
) -> None:
    begin(tmp_path, "run", tiny_cfg(tmp_path)).trainer.run(until=4)
    last = tmp_path / "run" / "last.safetensors"
    checkpoint = SafetensorsReader.read(last)
    plain = json.loads(checkpoint.metadata["zoo.run"])
    assert plain.pop("optimizer") == "adam"
    write_safetensors(last, checkpoint.tensors, {"zoo.run": json.dumps(plain)})
    same = resumed(tmp_path / "run").trainer.learner.state()
    assert same.updates == 4
    assert same.optimizer
    said: list[str] = []
    session = resumed(tmp_path / "run", said, optimizer="momentum")
    assert said[-1] == "momentum starts afresh: the checkpoint is of adam"
    assert session.trainer.learner.state().optimizer == {}


def test_keys_without_effect_are_named(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path, keys="angle=7\nhue=.1")
    data = pictures(tmp_path / "data")
    session = Session.start(
        cfg, tmp_path / "run", training_options(data=[data], patch=6)
    )
    said: list[str] = []
    session.prepare(said.append)
    assert f"without effect in {cfg}: [net] angle, hue" in said


def test_failed_start_leaves_nothing(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for options, reason in (
        ({"data": [broken]}, "no picture is left"),
        ({"validate": broken}, "can be validated on"),
        ({"patch": 100}, "smaller than a patch"),
        ({"backend": "nowhere"}, "nowhere"),
    ):
        with pytest.raises(ZooError, match=reason):
            begin(tmp_path, "run", cfg, **options)
        assert not (tmp_path / "run").exists()


def test_patch_too_small_for_the_network(tmp_path: Path) -> None:
    middle = "[maxpool]\nsize=4\nstride=4\npadding=0\n\n[upsample]\nstride=4\n"
    cfg = tiny_cfg(tmp_path, middle=middle)
    for patch, reason in (
        (3, "a patch of 3 does not fit: .*window of 4"),
        (6, "not 12"),
    ):
        with pytest.raises(UsageError, match=reason):
            begin(tmp_path, "run", cfg, patch=patch)
    begin(tmp_path, "fits", cfg, patch=4)
    assert not (tmp_path / "run").exists()


class _Refusing(NumpyKernels):
    """Finds out in the first step that it cannot train the network."""

    def learner(self, network: Network, recipe: Recipe) -> Learner:
        class Refusing(NetworkLearner):
            def step(self, *given: object, **named: object) -> Outcome:
                raise PluginError("no such layer")

        return Refusing(network, self, recipe)


def test_back_end_that_refuses_in_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = tiny_cfg(tmp_path)
    begin(tmp_path, "run", cfg).trainer.run(until=4)
    before = (tmp_path / "run" / "data.json").read_bytes()
    monkeypatch.setattr(session_module, "select", lambda *_: _Refusing())
    with pytest.raises(PluginError, match="no such layer"):
        begin(tmp_path, "new", cfg)
    assert not (tmp_path / "new").exists()
    # A resumed run keeps the back end on which it went well.
    with pytest.raises(PluginError, match="no such layer"):
        resumed(tmp_path / "run", backend="refusing")
    assert (tmp_path / "run" / "data.json").read_bytes() == before


def test_trying_a_step_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = tiny_cfg(tmp_path, middle=BATCHNORM)
    begin(tmp_path, "tried", cfg).trainer.run()
    monkeypatch.setattr(session_module, "_try_a_step", lambda *_: None)
    begin(tmp_path, "plain", cfg).trainer.run()
    assert_equal_checkpoints(
        tmp_path / "tried" / "last.safetensors", tmp_path / "plain" / "last.safetensors"
    )


def test_options_of_a_resumed_run_are_safe_at_once(tmp_path: Path) -> None:
    begin(tmp_path, "run", tiny_cfg(tmp_path)).trainer.run(until=4)
    go_on(tmp_path / "run", learning_rate=5e-6, cost="mse").close()  # and is killed
    recipe = go_on(tmp_path / "run", learning_rate=None).recipe
    assert (recipe.learning_rate, recipe.cost) == (5e-6, "mse")


def test_fewer_updates_than_are_done(tmp_path: Path) -> None:
    begin(tmp_path, "run", tiny_cfg(tmp_path)).trainer.run(until=4)
    with pytest.raises(UsageError, match="has done 4 updates already"):
        go_on(tmp_path / "run", updates=3)


def test_a_backward_that_fails_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Network, *arguments: object, **keywords: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Network, "backward_parameters", fail)
    with pytest.raises(MemoryError):
        begin(tmp_path, "run", tiny_cfg(tmp_path))
    assert not (tmp_path / "run").exists()
