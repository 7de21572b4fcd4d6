"""Random networks against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.graphs.comparing import error
from tests.graphs.random_graphs import build

SIZES = ((24, 32), (40, 16))


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_random_networks_are_those_of_onnxruntime(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 20):
        writer, output = build(seed)
        path = writer.save(tmp_path / "net.onnx", output)
        difference, _ = error(path, SIZES)
        # Norms of what hardly varies amplify rounding.
        has_norm = any("Norm" in node.op_type for node in writer.nodes)
        assert difference < (1e-2 if has_norm else 1e-4), seed
