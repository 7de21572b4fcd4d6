"""EDSR in the ways people save it: the right picture, or a refusal with its reason."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

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
