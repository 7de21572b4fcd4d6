"""PyTorch's exporters, old and new, against onnxruntime."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.graphs.comparing import error
from tests.graphs.modules import MODULES

FROZEN = {  # into which the exporter writes the size, if that is not open
    "channel_shuffle",
    "contrast_attention",
    "linear_over_channels",
    "spatial_attention",
    "unshuffled",
    "valid_u_net",
}
TOLERANCE = {"half_precision": 2e-2}


def export(name: str, path: Path, opset: int, dynamo: bool, is_open: bool) -> None:
    torch.manual_seed(0)
    module = MODULES[name]().eval()
    dtype = next(module.parameters()).dtype
    picture = torch.rand(1, 3, 32, 40).to(dtype)
    how: dict[str, Any] = {}
    if is_open and dynamo:
        sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}

        how["dynamic_shapes"] = (sizes,)
    elif is_open:
        how["dynamic_axes"] = {"x": {2: "h", 3: "w"}}
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (picture,),
            str(path),
            dynamo=dynamo,
            opset_version=opset,
            input_names=["x"],
            output_names=["y"],
            **how,
        )


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("name", MODULES)
def test_torchscript_exports(name: str, is_open: bool, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export(name, path, 17, False, is_open)
    difference, made = error(path)
    assert difference < TOLERANCE.get(name, 1e-5)
    if is_open or name not in FROZEN:
        assert made.fixed is None  # whatever the file declares
    else:
        assert made.fixed == (32, 40)


@pytest.mark.parametrize("name", ["partial_large_kernel", "valid_u_net", "weight_norm"])
def test_torch_export_exports(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    path = tmp_path / "net.onnx"
    export(name, path, 18, True, True)
    assert error(path)[0] < 1e-5


@pytest.mark.parametrize("opset", [11, 13, 20])
def test_opsets(opset: int, tmp_path: Path) -> None:
    for name in ("contrast_attention", "partial_large_kernel", "weight_norm"):
        path = tmp_path / f"{name}.onnx"
        export(name, path, opset, False, True)
        assert error(path)[0] < 1e-5
