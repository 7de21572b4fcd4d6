"""The cfg files that ship are what their families write."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.catalog import CFG_FOLDER
from zoo.models.shipped import SHIPPED, cfg_text, write_all
from zoo.network import Network

COUNTS = {
    "edsr_x2": (1_369_859, 2),
    "edsr_x3": (1_554_499, 3),
    "edsr_x4": (1_517_571, 4),
    "photo_x2": (1_369_859, 2),
    "photo_x4": (1_517_571, 4),
    "photo_r8f32_x2": (195_971, 2),
    "photo_r8f32_x4": (195_971 + 36_992, 4),
    "edsr_y_x2": (1_369_859 - 2 * 2 * 9 * 64 - 2, 2),
    "edsr_y_x4": (1_517_571 - 2 * 2 * 9 * 64 - 2, 4),
    "wdsr_x2": (1_187_484, 2),
    "wdsr_x3": (1_192_959, 3),
    "wdsr_x4": (1_200_624, 4),
    "edsr_r8f32_x2": (896 + 17 * 9_248 + 36_992 + 867, 2),
    "edsr_r32f256_x2": (40_729_603, 2),
    "wdsr_a_r32f32w192_x4": (3_564_528, 4),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_writing_again_changes_nothing(name: str) -> None:
    assert (CFG_FOLDER / f"{name}.cfg").read_bytes() == cfg_text(name).encode()


def test_all_are_written(tmp_path: Path) -> None:
    assert {path.stem for path in write_all(tmp_path)} == set(SHIPPED)
    assert {path.stem for path in tmp_path.iterdir()} == set(SHIPPED)


@pytest.mark.parametrize("name, expected", COUNTS.items())
def test_published_parameter_counts(name: str, expected: tuple[int, int]) -> None:
    network = Network.read(CFG_FOLDER / f"{name}.cfg")
    assert (network.parameter_count, network.scale) == expected


def test_every_network_that_ships_is_counted() -> None:
    assert set(COUNTS) == set(SHIPPED)


def test_the_thesis_networks_are_those_of_its_tables() -> None:
    """Weights alone, without biases: tables 3.1 and 3.2, the skip put right."""

    def rows(name: str) -> list[int]:
        network = Network.read(CFG_FOLDER / f"{name}.cfg")
        return [layer.weights.size for layer in network if layer.parameters]

    edsr = rows("edsr_r32f256_x2")
    assert edsr == [6_912, *[589_824] * 64, 589_824, 2_359_296, 6_912]
    assert sum(edsr) == 40_711_680
    wdsr = rows("wdsr_a_r32f32w192_x4")
    assert wdsr == [864, *[55_296] * 64, 13_824, 3_600]
    assert sum(wdsr) == 3_557_232
