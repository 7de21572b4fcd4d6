"""What no tensor tells is told by a picture, if the network was trained.

Trained is here: features drawn at random, and the last convolution fitted so that a
picture comes out enlarged.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

from test_convolution_families import rfdn, rlfn
from torch.nn import functional as F
from torch_functions import Tensors

from zoo.checkpoints.assign import assign
from zoo.checkpoints.convert import convert
from zoo.checkpoints.drawn import drawn_pair
from zoo.checkpoints.undecided import decide, open_options
from zoo.models.base import Assumption, Recognition
from zoo.models.fsrcnn import FSRCNN
from zoo.models.identify import identify
from zoo.models.rfdn import RFDN
from zoo.network import Network
from zoo.parsers.base import Checkpoint
from zoo.parsers.detect import reader_of
from zoo.resize import imresize


class Fitted(Tensors):
    """The last convolution is fitted to a target when it is asked for."""

    target: Any = None

    def conv(self, name: str, x: Any, filters: int, size: int = 3, **keys: Any) -> Any:
        if self.target is not None and name == "upsampler.0":
            columns = F.unfold(x, 3, padding=1)[0].T.double()
            columns = torch.cat([columns, torch.ones(len(columns), 1)], 1)
            square = columns.T @ columns
            square += 1e-6 * torch.trace(square) / len(square) * torch.eye(len(square))
            weights = torch.linalg.solve(square, columns.T @ self.target).float()
            shape = filters, x.shape[1], 3, 3
            self.state[f"{name}.weight"] = weights[:-1].T.reshape(shape).contiguous()
            self.state[f"{name}.bias"] = weights[-1].contiguous()
        return super().conv(name, x, filters, size, **keys)


def state_of(
    function: Any, white: float = 1, enlarged: bool = False, trained: bool = True
) -> dict[str, Any]:
    """A state dict of a network x2, of 16 features."""
    scale = 2
    rng = np.random.default_rng(3)
    noise = imresize(rng.random((24, 24, 3)), 4) + 0.3 * rng.random((96, 96, 3))
    large = np.clip(np.concatenate([noise, drawn_pair(3, 3)[0]]), 0, 1)
    small = np.clip(imresize(large, 1 / scale), 0, 1)
    x, y = (
        torch.from_numpy(np.float32(p)).permute(2, 0, 1)[None] for p in (small, large)
    )
    options = {"filters": 16, "scale": scale}
    drawn = Tensors(5)
    fitted = Fitted()
    with torch.no_grad():
        function(drawn, x * white, **options)
        for name, tensor in drawn.state.items():
            # Offsets as large as the features: it matters what white is.
            factor = white if name.endswith("bias") and ".esa." not in name else 0.7
            if name.endswith("esa.conv1.weight"):
                factor = 0.3 / white
            if "upsampler" not in name or not trained:
                fitted.state[name] = tensor * factor
        if enlarged:
            y = y - F.interpolate(x, scale_factor=scale, mode="bilinear")
        if trained:
            fitted.target = F.pixel_unshuffle(y * white, scale)[0].flatten(1).T.double()
        function(fitted, x * white, **options)
    return fitted.state


def options_of(state: dict[str, Any], folder: Path, **given: Any) -> dict[str, Any]:
    torch.save(state, folder / "net.pth")
    made = convert(folder / "net.pth", folder / "net", options=given)
    assert made.recognition is not None
    return dict(made.recognition.options)


@pytest.mark.parametrize("white", [1.0, 255.0])
@pytest.mark.parametrize("enlarged", [False, True])
def test_rlfn(white: float, enlarged: bool, tmp_path: Path) -> None:
    found = options_of(state_of(rlfn, white, enlarged), tmp_path)
    assert (found["range"], found["enlarged"]) == (white, enlarged)


def test_rfdn(tmp_path: Path) -> None:
    found = options_of(state_of(rfdn, 255), tmp_path)
    assert (found["dilations"], found["range"]) == ((1, 1, 1), 255)


@pytest.mark.parametrize("right", [(1, 1, 1), (1, 2, 5)])
def test_the_nearest_to_the_original_is_taken(right: tuple[int, ...]) -> None:
    """A cubic enlargement, as if it had been learned, against a nearest one."""

    def build(known: Recognition) -> Network:
        mode = "bicubic" if known.options["dilations"] == right else "nearest"
        return Network.parse(f"[net]\nchannels=3\n[upsample]\nstride=2\nmode={mode}")

    usual = Assumption("dilations", (1, 1, 1), "as published")
    known = Recognition("rfdn", "RFDN", {"scale": 2, "dilations": (1, 1, 1)}, (usual,))
    found = decide(
        known, open_options(RFDN, known.assumptions, Checkpoint("torch", {})), build
    )
    assert found.options["dilations"] == right
    assert (found.assumptions == (usual,)) == (right == (1, 1, 1))


@pytest.mark.parametrize("function", [rfdn, rlfn])
def test_random_weights_leave_the_usual(function: Any, tmp_path: Path) -> None:
    found = options_of(state_of(function, 255, trained=False), tmp_path)
    assert found["range"] == 1
    assert found.get("dilations", (1, 1, 1)) == (1, 1, 1)
    assert not found.get("enlarged", False)


def test_the_caller_knows_better(tmp_path: Path) -> None:
    state = state_of(rlfn, 255)
    assert options_of(state, tmp_path, range=7.0)["range"] == 7


def test_scale_of_residual_branches(tmp_path: Path) -> None:
    """The network that ships, its branches ten times as strong: then 0.1 is right."""
    import zoo

    network = zoo.load("edsr_x2").network
    from zoo.models.edsr import EDSR

    options = {"blocks": 16, "filters": 64, "scale": 2}
    state = EDSR.export(EDSR.complete(options), network.tensors)
    for name, tensor in state.items():
        if ".body.2." in name:
            state[name] = 10 * tensor
    tensors = {name: torch.from_numpy(np.array(t)) for name, t in state.items()}
    assert options_of(tensors, tmp_path)["res_scale"] == 0.1


def test_scale_of_a_transposed_convolution() -> None:
    """FSRCNN's tensors are those of every scale; this file is for scale 2."""
    path = Path(__file__).parents[3] / "shared" / "data" / "weights" / "fsrcnn_x2.pth"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    checkpoint = reader_of(path).read(path)
    found = identify(checkpoint, "x")

    def build(known: Recognition) -> Network:
        network = Network.parse(FSRCNN.write(**known.options))
        assign(network, FSRCNN.tensors(found.candidate.checkpoint, known).tensors)
        return network

    known = found.recognition.override({"scale": 3})
    assumed = Assumption("scale", 3, "a wrong guess")
    known = replace(known, assumptions=(*known.assumptions, assumed))
    right = decide(known, {"scale": (3, 2, 4)}, build)
    assert right.options["scale"] == 2
    assert "dB better" in right.assumptions[-1].reason


def test_large_networks_are_left_as_usual() -> None:
    large = Checkpoint("torch", {"w": np.broadcast_to(np.float32(0), (3000, 7000))})
    assert open_options(FSRCNN, (Assumption("scale", 2, ""),), large) == {}
