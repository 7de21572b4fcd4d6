"""Runs of the trainer: exact resuming, the guard, the average, the folder."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_sessions import assert_equal_checkpoints, begin, go_on, tensors
from tiny_training import BATCHNORM, pictures, tiny_cfg

from zoo.errors import ReaderError, UsageError, WeightsError, ZooError
from zoo.network import Network
from zoo.parsers.safetensors import SafetensorsReader
from zoo.plugins.numpy import NumpyKernels
from zoo.state import load_weights
from zoo.train.learner import NetworkLearner, training_arrays
from zoo.train.loop import Report, Trainer, TrainingError
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder
from zoo.train.session import Session


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize("average", [0.0, 0.1])
def test_ten_updates_are_five_and_five(
    tmp_path: Path, optimizer: str, average: float
) -> None:
    cfg = tiny_cfg(tmp_path, middle=BATCHNORM)
    choice = {"optimizer": optimizer, "average": average, "policy": "poly"}
    begin(tmp_path, "whole", cfg, **choice).trainer.run()
    begin(tmp_path, "parts", cfg, **choice).trainer.run(until=5)
    go_on(tmp_path / "parts").trainer.run()
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    assert_equal_checkpoints(whole.last, parts.last)
    ours, theirs = whole.load(), parts.load()
    assert ours.update == theirs.update == 10
    assert ours.sampler == theirs.sampler
    assert ours.learner.random == theirs.learner.random
    assert ours.learner.random  # the dropout's
    assert ours.progress["mean_loss"] == theirs.progress["mean_loss"]
    assert bool(ours.learner.average) == bool(average)


KILLED = """
import sys
from tiny_sessions import begin
from pathlib import Path
folder = Path(sys.argv[1])
session = begin(folder, "killed", folder / "tiny.cfg", updates=4000, save_every=3)
print("ready", flush=True)
session.trainer.run()
"""


def test_killed_at_a_random_moment_nothing_is_lost(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path, middle=BATCHNORM)
    pictures(tmp_path / "data")
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path[:0] = {paths!r}\n{KILLED}",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0.05, 0.8))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    done = RunFolder(tmp_path / "killed").load().update
    session = go_on(tmp_path / "killed", save_every=3)
    assert session.trainer.update == done
    assert [path for path in (tmp_path / "killed").glob(".*")] == []
    session.trainer.run(until=done + 4)
    begin(tmp_path, "whole", cfg, updates=4000).trainer.run(until=done + 4)
    assert_equal_checkpoints(
        tmp_path / "whole" / "last.safetensors",
        tmp_path / "killed" / "last.safetensors",
    )
    updates = [e["update"] for e in session.folder.entries() if "loss" in e]
    assert updates == sorted(set(updates))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_an_update(tmp_path: Path, number: int) -> None:
    cfg = tiny_cfg(tmp_path, middle=BATCHNORM)
    pictures(tmp_path / "data")
    session = begin(tmp_path, "ended", cfg, updates=50, save_every=40)

    def end(report: Report) -> None:
        if report.update == 6:
            signal.raise_signal(number)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    session.trainer.report = end
    before = signal.signal(number, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            session.trainer.run()
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, before)
    assert RunFolder(tmp_path / "ended").load().update == 7
    go_on(tmp_path / "ended").trainer.run(until=12)
    begin(tmp_path, "whole", cfg, updates=50).trainer.run(until=12)
    assert_equal_checkpoints(
        tmp_path / "whole" / "last.safetensors",
        tmp_path / "ended" / "last.safetensors",
    )


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


def test_what_is_validated_and_kept_is_the_average(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), average=0.01)
    session.trainer.run()
    last = session.folder.load().learner
    best = tensors(session.folder.best)
    for name, array in best.items():
        np.testing.assert_array_equal(array, last.average[name])
        assert not np.array_equal(array, last.weights[name])


def test_average_is_the_mean_of_all_weights_while_young(tmp_path: Path) -> None:
    network = Network.read(tiny_cfg(tmp_path)).initialize()
    learner = NetworkLearner(network, NumpyKernels(), Recipe())
    name = "0.convolutional.weights"
    learner.update_average(0.5)
    first = network.tensors[name].copy()
    network.tensors[name][...] = 2
    learner.update_average(0.25)
    np.testing.assert_allclose(
        learner.best_weights()[name], 0.75 * first + 0.5, rtol=1e-6
    )


class _Broken(NetworkLearner):
    """Gives losses of our choosing."""

    losses: list[float]

    def learn(self, x, t, rate, limit=float("inf")):  # type: ignore[no-untyped-def]
        wanted = self.losses.pop(0) if self.losses else None
        if wanted is not None:
            honest = self.cost
            self.cost = lambda y, t: (wanted, honest(y, t)[1])
            try:
                return super().learn(x, t, rate, limit)
            finally:
                self.cost = honest
        return super().learn(x, t, rate, limit)


def _broken_trainer(session: Session, losses: list[float]) -> Trainer:
    learner = _Broken(session.network, NumpyKernels(), session.recipe)
    learner.losses = losses
    trainer = session.trainer
    trainer.learner = learner
    return trainer


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e6])
def test_bad_losses_change_nothing(tmp_path: Path, bad: float) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    trainer = _broken_trainer(session, [0.3, bad])
    trainer.run(until=1)
    before = {k: v.copy() for k, v in session.network.tensors.items()}
    updates = trainer.learner.state().updates
    trainer._one_update()
    for name, array in session.network.tensors.items():
        np.testing.assert_array_equal(array, before[name])
    assert trainer.learner.state().updates == updates
    assert trainer.skipped == trainer.bad_in_a_row == 1
    trainer._one_update()
    assert trainer.bad_in_a_row == 0
    assert trainer.skipped == 1


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    network = Network.read(tiny_cfg(tmp_path)).initialize()
    learner = NetworkLearner(network, NumpyKernels(), Recipe())
    honest = learner.cost
    learner.cost = lambda y, t: (0.5, honest(y, t)[1] * np.float32(np.inf))
    before = {k: v.copy() for k, v in network.tensors.items()}
    low, high = np.zeros((1, 4, 4, 3), np.uint8), np.ones((1, 8, 8, 3), np.uint8)
    with np.errstate(invalid="ignore"):
        assert not learner.step(low, high, 0.1).applied
    for name, array in network.tensors.items():
        np.testing.assert_array_equal(array, before[name])


def test_too_many_bad_losses_end_the_run_resumably(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), updates=100)
    trainer = _broken_trainer(session, [0.3] * 8 + [float("nan")] * 99)
    with pytest.raises(TrainingError, match="20 times in a row.*learning-rate"):
        trainer.run()
    # The checkpoint of update 8 came right before the trouble: the older one counts.
    assert session.folder.load().update == 4
    resumed = go_on(tmp_path / "run", learning_rate=1e-4)
    resumed.trainer.run(until=6)
    assert resumed.folder.load().recipe["learning_rate"] == 1e-4


def test_real_explosion_is_caught(tmp_path: Path) -> None:
    session = begin(
        tmp_path, "run", tiny_cfg(tmp_path), optimizer="sgd", learning_rate=1e9
    )
    session.trainer.recipe = session.recipe.changed(updates=200)
    with np.errstate(all="ignore"), pytest.raises(TrainingError):
        session.trainer.run()


def test_gradient_clipping_bounds_the_step(tmp_path: Path) -> None:
    network = Network.read(tiny_cfg(tmp_path)).initialize()
    recipe = Recipe(optimizer="sgd", clip_gradient=1e-3)
    learner = NetworkLearner(network, NumpyKernels(), recipe)
    before = {k: v.copy() for k, v in network.tensors.items()}
    rng = np.random.default_rng(0)
    low = rng.integers(256, size=(2, 6, 6, 3), dtype=np.uint8)
    high = rng.integers(256, size=(2, 12, 12, 3), dtype=np.uint8)
    outcome = learner.step(low, high, 1.0)
    assert outcome.norm > 1e-2
    moved = sum(np.sum((v - before[k]) ** 2) for k, v in network.tensors.items())
    assert np.sqrt(moved) == pytest.approx(1e-3, rel=1e-3)


def test_minutes_end_with_a_checkpoint(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), updates=10**6)
    session.trainer.run(seconds=0.2)
    done = session.trainer.update
    assert 0 < done < 10**6
    assert session.folder.load().update == done
    assert "--resume" in session.conclusion()


def test_validation_folder(tmp_path: Path) -> None:
    own = pictures(tmp_path / "valid", count=1)
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), validate=str(own))
    session.trainer.run(until=1)
    assert len(session.trainer.validate.cases) == 1
    with pytest.raises(UsageError, match="no folder"):
        begin(tmp_path, "other", tiny_cfg(tmp_path), validate=str(tmp_path / "none"))
    assert not (tmp_path / "other").exists()


def test_network_of_luma_learns_from_luma(tmp_path: Path) -> None:
    cfg = tmp_path / "luma.cfg"
    cfg.write_text(
        "[net]\nchannels=1\ncolor=y\n\n[convolutional]\nfilters=4\nsize=3\npad=1\n"
        "activation=linear\n\n[shuffler]\nscale=2\n"
    )
    session = begin(tmp_path, "run", cfg)
    session.trainer.run()
    assert session.trainer.best is not None
    low = np.full((1, 2, 2, 3), (10, 200, 50), np.uint8)
    x, t = training_arrays(low, low, session.network.pixels)
    luma = (0.299 * 10 + 0.587 * 200 + 0.114 * 50) / 255
    np.testing.assert_allclose(x, luma, rtol=1e-5)
    np.testing.assert_allclose(t, luma, rtol=1e-5)


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


def test_damaged_checkpoints(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    session.trainer.run()
    last = session.folder.last
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReaderError):
        go_on(tmp_path / "run")
    last.write_bytes(whole.replace(b"optimizer_updates", b"optimizer_updatez"))
    with pytest.raises(ReaderError, match="before.safetensors"):
        go_on(tmp_path / "run")
    last.write_bytes(session.folder.best.read_bytes())
    with pytest.raises(WeightsError, match="no checkpoint of a training run"):
        go_on(tmp_path / "run")
    session.folder.before.replace(last)
    assert go_on(tmp_path / "run").trainer.update == 8


def test_log_survives_a_line_cut_short(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append({"update": 1, "loss": float("nan")})
    with open(folder.log, "a") as file:
        file.write('{"update": 2, "lo')
    assert folder.entries() == [{"update": 1, "loss": None}]
    folder.forget_after(1)
    folder.append({"update": 2})
    assert [e["update"] for e in folder.entries()] == [1, 2]


def test_output_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ZooError, match="folder"):
        begin(tmp_path, "file/run", tiny_cfg(tmp_path))
