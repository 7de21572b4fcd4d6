"""The loop: exact resuming, signals, the guard, what is kept."""

from __future__ import annotations

import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sessions import assert_equal_checkpoints, begin, go_on, tensors
from tiny_training import BATCHNORM, pictures, tiny_cfg

from zoo.plugins.numpy import NumpyKernels
from zoo.train.learner import Outcome
from zoo.train.loop import Report, Trainer, TrainingError
from zoo.train.network_learner import NetworkLearner
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
from typing import Any
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


def test_a_signal_during_a_bad_update_leaves_a_checkpoint(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    session = begin(tmp_path, "ended", cfg, updates=50, save_every=40)
    learner = session.trainer.learner
    update = learner.step

    def step(low: Any, high: Any, rate: float, limit: float) -> Outcome:
        if session.trainer.update < 5:
            return update(low, high, rate, limit)
        signal.raise_signal(signal.SIGINT)
        return Outcome(math.nan, math.nan, False)

    learner.step = step  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        session.trainer.run()
    assert RunFolder(tmp_path / "ended").load().update == 6


def test_what_is_validated_and_kept_is_the_average(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), average=0.01)
    session.trainer.run()
    last = session.folder.load().learner
    best = tensors(session.folder.best)
    for name, array in best.items():
        np.testing.assert_array_equal(array, last.average[name])
        assert not np.array_equal(array, last.weights[name])


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
    assert trainer.guard.skipped == trainer.guard.bad_in_a_row == 1
    trainer._one_update()
    assert trainer.guard.bad_in_a_row == 0
    assert trainer.guard.skipped == 1


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


def test_minutes_end_with_a_checkpoint(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), updates=10**6)
    session.trainer.run(seconds=0.2)
    done = session.trainer.update
    assert 0 < done < 10**6
    assert session.folder.load().update == done
    assert "--resume" in session.conclusion()


def test_cost_below_zero_is_learned_from(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), cost="wgan", updates=40)
    session.trainer.run()
    assert session.trainer.guard.skipped == 0
    losses = [e["loss"] for e in session.folder.entries() if "loss" in e]
    assert losses[-1] < losses[0]
    assert "left out" not in session.conclusion()


def test_updates_left_out_are_said(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), updates=5)
    _broken_trainer(session, [0.3, float("nan"), 1e6]).run()
    assert "5 of 5 updates done, 2 of them left out" in session.conclusion()
    assert session.summary()["left_out"] == 2


def test_run_that_learned_nothing_fails(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path), updates=3)
    with pytest.raises(TrainingError, match="nothing was learned: the loss was nan"):
        _broken_trainer(session, [float("nan")] * 3).run()
    assert session.folder.load().update == 0


def test_broken_network_is_never_the_best(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    session = begin(tmp_path, "run", cfg, learning_rate=1e30, validate_every=1)
    with pytest.raises(TrainingError, match="values that are not finite.*--learning"):
        session.trainer.run()
    assert session.trainer.best is None
    assert not session.folder.best.exists()
    assert [e["psnr"] for e in session.folder.entries()] == [None]
    assert session.folder.load().update == 0


def test_checkpoints_in_bad_times_do_not_push_out_the_good_one(tmp_path: Path) -> None:
    """Update 4 broke the network, was saved, and the run ended among bad updates."""
    cfg = tiny_cfg(tmp_path)
    session = begin(tmp_path, "run", cfg, updates=100, save_every=2)
    trainer = _broken_trainer(session, [0.3] * 4 + [float("nan")] * 99)
    trainer.run(until=6)
    folder = session.folder
    assert folder.load().update == 6
    assert "left out" in session.conclusion()
    resumed = go_on(tmp_path / "run")
    with pytest.raises(TrainingError, match="20 times in a row"):
        _broken_trainer(resumed, [float("nan")] * 99).run()
    assert folder.load().update == 2
