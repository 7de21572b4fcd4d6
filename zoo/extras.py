"""Packages that zoo can use and does not need, and how to get them."""

from __future__ import annotations

__all__ = ["PACKAGES", "how_to_install"]

PACKAGES: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "onnx": ("onnx", "onnxruntime"),
    "keras": ("h5py",),
    "mri": ("nibabel",),
    "dicom": ("pydicom", "nibabel"),
    "perceptual": ("flip-evaluator",),
    "dask": ("distributed",),
    "zarr": ("zarr",),
    "page": ("starlette", "uvicorn"),
    "bench": ("onnx", "onnxruntime", "openvino", "ncnn"),
}
"""What each extra of setup.cfg installs. Advice names these and not ``cfgzoo[...]``,
for zoo itself may come from a folder, and then no index knows that name."""


def how_to_install(extra: str) -> str:
    """The command that brings what an extra needs: ``pip install h5py``."""
    return f"pip install {' '.join(PACKAGES[extra])}"
