"""Weights of zoo under the names of the authors' programs, read by PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

from test_every_family import SMALL

from zoo.checkpoints.convert import convert
from zoo.checkpoints.files import save_weights
from zoo.checkpoints.torch_file import write_state_dict
from zoo.errors import UsageError
from zoo.models.network_family import NetworkFamily
from zoo.network import Network
from zoo.parsers.detect import read_checkpoint
from zoo.registry import registry

FAMILIES: dict[str, type[NetworkFamily]] = {
    name: family
    for name in SMALL
    if (family := registry("zoo.models").load(name)).exports
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name: str, **options: Any) -> Network:
    """A network with random weights on file: NAME.cfg and NAME.safetensors."""
    family = FAMILIES[name]
    text = family.write(**{**SMALL[name], **dict(family.program), **options})
    Path(f"{name}.cfg").write_text(text)
    network = Network.parse(text).initialize(5)
    rng = np.random.default_rng(5)
    for layer in network:
        for parameter in layer.parameters.values():
            parameter += 0.01 * rng.standard_normal(parameter.shape, np.float32)
    save_weights(network, Path(f"{name}.safetensors"))
    return network


@pytest.mark.parametrize("name", FAMILIES)
def test_there_and_back(name: str, folder: Path) -> None:
    network = make(name)
    result = convert(f"{name}.safetensors", "out", cfg=f"{name}.cfg", to="torch")
    assert result.written == (Path("out.pth"),)
    back = convert("out.pth", "back", family=name)
    assert back.recognition is not None
    again = Network.read("back.cfg")
    assert again.fingerprint == network.fingerprint
    from zoo.checkpoints.files import load_weights

    load_weights(again, Path("back.safetensors"))
    for key, tensor in network.tensors.items():
        np.testing.assert_allclose(again.tensors[key], tensor, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["edsr", "wdsr", "rrdbnet", "compact"])
def test_pytorch_reads_it(name: str, folder: Path) -> None:
    torch = pytest.importorskip("torch")
    make(name)
    convert(f"{name}.safetensors", "out", cfg=f"{name}.cfg", to="torch")
    loaded = torch.load("out.pth", weights_only=True)
    key = {"rrdbnet": "params_ema", "compact": "params_ema"}.get(name)
    state = loaded[key] if key else loaded
    checkpoint = read_checkpoint(Path("out.pth"))
    assert len(state) == len(checkpoint.tensors)
    for full, tensor in checkpoint.tensors.items():
        given = state[full.removeprefix(f"{key}.")]
        assert given.dtype == torch.float32 and given.is_contiguous()
        np.testing.assert_array_equal(given.numpy(), tensor)


def test_the_programs_own_network_gives_the_same_picture(folder: Path) -> None:
    """EDSR's, whose names and mean a module of ours has."""
    torch = pytest.importorskip("torch")
    from test_edsr import build_torch
    from torch_modules import IMAGE, assert_same, run_torch

    import zoo

    make("edsr", blocks=2, filters=6, scale=2)
    convert("edsr.safetensors", "out", cfg="edsr.cfg", to="torch")
    module = build_torch(2, 6, 2)
    module.load_state_dict(torch.load("out.pth", weights_only=True), strict=True)
    ours = zoo.load("edsr.cfg", backend="numpy")(IMAGE, as_float=True)
    assert_same(ours, run_torch(module, IMAGE))


@pytest.mark.parametrize("options", [{}, {"range": 255.0, "mean": (), "std": (127.5,)}])
def test_either_program_of_wdsr(options: dict[str, Any], folder: Path) -> None:
    torch = pytest.importorskip("torch")
    from test_wdsr import build_torch
    from torch_modules import IMAGE, assert_same, run_torch

    import zoo

    make("wdsr", blocks=2, filters=8, scale=3, **options)
    convert("wdsr.safetensors", "out", cfg="wdsr.cfg", to="torch")
    layout = "wdsr_ntire2018" if options else "ychfan/wdsr"
    module = build_torch(layout, "a", 3, blocks=2)
    module.load_state_dict(torch.load("out.pth", weights_only=True), strict=True)
    ours = zoo.load("wdsr.cfg", backend="numpy")(IMAGE, as_float=True)
    assert_same(ours, run_torch(module, IMAGE))


def test_the_same_weights_give_the_same_bytes(folder: Path) -> None:
    arrays = {"a.weight": np.arange(12, dtype=np.float32).reshape(3, 4).T}
    write_state_dict(Path("a.pth"), arrays)
    write_state_dict(Path("b.pth"), arrays)
    assert Path("a.pth").read_bytes() == Path("b.pth").read_bytes()
    torch = pytest.importorskip("torch")
    read = torch.load("a.pth", weights_only=True)["a.weight"]
    np.testing.assert_array_equal(read.numpy(), arrays["a.weight"])


def test_what_cannot_be_written(folder: Path) -> None:
    make("edsr", tail="single")
    with pytest.raises(UsageError, match="has tail=official, not single"):
        convert("edsr.safetensors", "out", cfg="edsr.cfg", to="torch")
    text = Path("edsr.cfg").read_text()
    Path("edsr.cfg").write_text(text.replace("# ", "#-"))
    with pytest.raises(UsageError, match="does not say of which family"):
        convert("edsr.safetensors", "out", cfg="edsr.cfg", to="torch")
    with pytest.raises(UsageError, match="give its cfg"):
        convert("edsr.safetensors", "out", to="torch")
    assert not Path("out.pth").exists()


def test_a_cfg_that_was_changed_is_not_taken_for_what_it_says(folder: Path) -> None:
    make("compact")
    text = Path("compact.cfg").read_text()
    Path("compact.cfg").write_text(text.replace("blocks=1", "blocks=2"))
    with pytest.raises(UsageError, match="or was changed since"):
        convert("compact.safetensors", "out", cfg="compact.cfg", to="torch")
