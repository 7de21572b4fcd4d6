"""EDSR in the ways people save it: the right picture, or a refusal with its reason."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parent))

from awkward_files import Kind, kinds, modules

import zoo
from zoo.checkpoints.convert import convert
from zoo.errors import ZooError

IMAGE = np.random.default_rng(1).integers(0, 256, (7, 9, 3), np.uint8)
KINDS = kinds()


@functools.cache
def expected(name: str) -> np.ndarray:
    import torch

    with torch.no_grad():
        x = torch.from_numpy(IMAGE.astype(np.float32)).permute(2, 0, 1)[None]
        result: np.ndarray = modules()[name](x)[0].permute(1, 2, 0).numpy()
    return result


def test_there_are_enough_kinds_and_they_differ() -> None:
    assert len(KINDS) >= 226
    names = ("raw", "ema", "other", "scaled", "pruned", "constant")
    pictures = [expected(name) for name in names]
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            assert np.abs(one - other).max() > 0.5


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.filterwarnings("ignore")
def test_awkward_checkpoints(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Kind = KINDS[name]
    monkeypatch.chdir(tmp_path)
    path = kind.write(tmp_path)
    out = tmp_path / "out"
    if kind.refused:
        with pytest.raises(ZooError, match=f"(?s){kind.refused}") as caught:
            convert(path, out)
        assert "something unexpected" not in str(caught.value)
        assert not out.with_suffix(".cfg").exists()
        return
    convert(path, out)
    net = zoo.load(out.with_suffix(".cfg"), backend="numpy")
    picture = net(IMAGE, as_float=True)
    np.testing.assert_allclose(picture, expected(kind.right), atol=3e-3)


def made(folder: Path, name: str, **how: Any) -> np.ndarray:
    """The picture of what a kind of file gives with some options of convert."""
    convert(KINDS[name].write(folder), folder / "out", force=True, **how)
    net = zoo.load(folder / "out.cfg", backend="numpy")
    return net(IMAGE, as_float=True)


def test_the_caller_says_which_part_is_meant(tmp_path: Path) -> None:
    for state, name in (("net_a", "raw"), ("net_b", "other"), (" net_b. ", "other")):
        picture = made(tmp_path, "two networks", state=state)
        np.testing.assert_allclose(picture, expected(name), atol=3e-3)
    picture = made(tmp_path, "average params_ema", state="params")
    np.testing.assert_allclose(picture, expected("raw"), atol=3e-3)
    # What may belong to the network is left out only where the caller says so.
    picture = made(tmp_path, "part of a larger network", state="sr")
    np.testing.assert_allclose(picture, expected("raw"), atol=3e-3)


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = KINDS["two networks"].write(tmp_path)
    with pytest.raises(ZooError, match=r"under 'net_c'; did you mean 'net_[ab]'"):
        convert(path, tmp_path / "out", state="net_c")
    with pytest.raises(ZooError, match="of no known family"):
        convert(path, tmp_path / "out", state="net_a.body")


def test_what_was_chosen_is_said(tmp_path: Path) -> None:
    done = convert(KINDS["mmagic"].write(tmp_path), tmp_path / "out")
    assert "the averaged weights are 'state_dict.generator_ema'" in done.notes[0]
    assert any(note.startswith("left aside: ") for note in done.notes)
    used = {line.use for line in done.uses if "step_counter" in line.tensor}
    assert used == {"ignored"}
    done = convert(
        KINDS["average of parameters only"].write(tmp_path),
        tmp_path / "out",
        force=True,
    )
    assert any("4 tensors that the averages lack" in note for note in done.notes)
    done = convert(
        KINDS["res_scale in args"].write(tmp_path), tmp_path / "out", force=True
    )
    (scale,) = [item for item in done.assumptions if item.option == "res_scale"]
    assert (scale.value, scale.reason) == (0.1, "as the file says in args.res_scale")
