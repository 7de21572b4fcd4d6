"""The networks that ship: family and hyper-parameters of each ``zoo/cfg`` file.

``python -m zoo.models.shipped`` writes them all again; a test checks that this
changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.files import atomic_write
from zoo.models.base import Family
from zoo.registry import registry

__all__ = ["SHIPPED", "cfg_text", "write_all"]

SHIPPED: dict[str, tuple[str, dict[str, Any]]] = {
    # EDSR-baseline.
    "edsr_x2": ("edsr", {"scale": 2}),
    "edsr_x3": ("edsr", {"scale": 3}),
    "edsr_x4": ("edsr", {"scale": 4}),
    # Small siblings, for slow machines and for a first look.
    "edsr_r8f32_x2": ("edsr", {"scale": 2, "blocks": 8, "filters": 32}),
    # For photographs as JPEG files: the same networks, other weights.
    "photo_x2": ("edsr", {"scale": 2}),
    "photo_x4": ("edsr", {"scale": 4}),
    "photo_r8f32_x2": ("edsr", {"scale": 2, "blocks": 8, "filters": 32}),
    "photo_r8f32_x4": ("edsr", {"scale": 4, "blocks": 8, "filters": 32}),
    # Of luma, for gray and medical pictures.
    "edsr_y_x2": (
        "edsr",
        {"scale": 2, "channels": 1, "color": "y", "mean": (111.3904,)},
    ),
    "edsr_y_x4": (
        "edsr",
        {"scale": 4, "channels": 1, "color": "y", "mean": (111.3904,)},
    ),
    # WDSR-A, 16 blocks, 32 filters, 128 wide.
    "wdsr_x2": ("wdsr", {"scale": 2}),
    "wdsr_x3": ("wdsr", {"scale": 3}),
    "wdsr_x4": ("wdsr", {"scale": 4}),
    # The two networks of the founding thesis, its tables 3.1 and 3.2. Its WDSR
    # weights are Keras ones, hence the padding and the normalisation.
    "edsr_r32f256_x2": (
        "edsr",
        {"scale": 2, "blocks": 32, "filters": 256, "res_scale": 0.1},
    ),
    "wdsr_a_r32f32w192_x4": (
        "wdsr",
        {
            "scale": 4,
            "blocks": 32,
            "width": 192,
            "padding": "symmetric",
            "range": 255.0,
            "mean": (),
            "std": (127.5,),
            "order": "dcr",
        },
    ),
}
"""By the name of the network: its family and the options that are no defaults."""


def cfg_text(name: str) -> str:
    """The text of the cfg of a network that ships."""
    kind, options = SHIPPED[name]
    family: type[Family] = registry("zoo.models").load(kind)
    return family.write(**options)


def write_all(folder: Path) -> list[Path]:
    """Write every cfg into a folder."""
    written = []
    for name in SHIPPED:
        path = folder / f"{name}.cfg"
        with atomic_write(path) as file:
            file.write(cfg_text(name).encode())
        written.append(path)
    return written


if __name__ == "__main__":
    for path in write_all(Path(__file__).parents[1] / "cfg"):
        print(path)
