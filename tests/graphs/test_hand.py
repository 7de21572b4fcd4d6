"""Every idea of tests/graphs/hand.py against onnxruntime, at several sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.graphs.comparing import error
from tests.graphs.hand import CASES, Writer

TOLERANCE = 1e-5


@pytest.mark.parametrize("name", CASES)
def test_result_is_that_of_onnxruntime(name: str, tmp_path: Path) -> None:
    writer = Writer()
    path = writer.save(tmp_path / f"{name}.onnx", CASES[name](writer))
    difference, _ = error(path)
    assert difference < TOLERANCE
