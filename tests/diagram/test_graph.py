"""zoo graph: folding, layout and the drawing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from zoo.cli import main
from zoo.diagram import draw_network
from zoo.diagram.folding import Block, blocks_of
from zoo.diagram.layout import lay_out
from zoo.network import Network

CONV = "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation={}\n"
BLOCK = CONV.format("relu") + CONV.format("linear") + "[shortcut]\nfrom=-3\n"
HEAD = "[net]\n" + "[convolutional]\nfilters=8\nactivation=linear\n"


def blocks(text: str) -> list[Block]:
    network = Network.parse(text)
    return blocks_of(network, network.shapes(*network.nominal_size))


def test_repeated_blocks_are_folded() -> None:
    assert blocks(HEAD + 5 * BLOCK) == [Block(0, 1), Block(1, 3, 5)]
    other = BLOCK.replace("relu", "leaky")
    assert blocks(HEAD + 2 * BLOCK + 3 * other) == [
        Block(0, 1),
        Block(1, 3, 2),
        Block(7, 3, 3),
    ]


def test_what_is_read_from_outside_is_not_hidden() -> None:
    text = HEAD + 3 * BLOCK + "[route]\nlayers=-1,4\n"  # 4 is in the second block
    assert [block.times for block in blocks(text)].count(3) == 0
    every = [i for block in blocks(text) for i in range(block.start, block.stop)]
    assert every == list(range(11))


@pytest.mark.parametrize(
    ("name", "times", "most"), [("edsr_x2", 16, 12), ("wdsr_x2", 16, 12)]
)
def test_networks_that_ship(name: str, times: int, most: int) -> None:
    layout = lay_out(Network.read(Path(f"cfg/{name}.cfg")), 96, 96)
    assert [frame.times for frame in layout.frames] == [times]
    assert len(layout.rows) <= most
    assert layout.columns == 1


def test_the_drawing_is_xml_that_names_every_layer() -> None:
    network = Network.parse(HEAD + 5 * BLOCK + "[route]\nlayers=0,-1\n")
    root = ET.fromstring(draw_network(network, 12, 10))
    texts = [
        "".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")
    ]
    assert "5 times, to 15" in texts
    assert "12x10x16" in texts and "route" in texts
    assert sum(text == "conv 3x3 8 relu" for text in texts) == 1
    titles = [node.text or "" for node in root.iter() if node.tag.endswith("title")]
    assert len(titles) == 6  # the input, layer 0, a block of three, and the route


def test_many_layers_stand_in_columns_of_one_height() -> None:
    text = "[net]\n" + "".join(
        f"[convolutional]\nfilters={n}\nactivation=linear\n" for n in range(1, 121)
    )
    layout = lay_out(Network.parse(text), 8, 8)
    counts = [
        sum(row.column == column for row in layout.rows)
        for column in range(layout.columns)
    ]
    assert layout.columns == 3 and max(counts) - min(counts) <= 3


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.svg"
    assert main(["graph", "edsr_x2", "-o", str(path), "--size", "40x30"]) == 0
    assert "30x40x64" in path.read_text()
    assert main(["graph", "edsr_x2", "-o", str(path)]) == 2
    assert main(["graph", "edsr_x2", "-o", str(tmp_path / "a.png")]) == 2
    assert "name the file .svg" in capsys.readouterr().err
