"""Cards, and that what they say of the weights that ship is true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from zoo.api import load
from zoo.catalog import networks
from zoo.checkpoints.cards import Card, card_of, digest, read_card, write_card
from zoo.errors import ReaderError, WeightsError
from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import NetworkEntrant
from zoo.evaluate.protocol import cases_in, evaluate

SETS = Path(__file__).parents[3] / "shared" / "data" / "benchmarks"
SHIPPED = [entry for entry in networks() if entry.weights is not None]

CARD = Card(
    network="a",
    scale=2,
    parameters=3,
    dtype="float16",
    license="MIT",
    sha256="0" * 64,
    training={"data": "photographs", "updates": 5},
    protocol="by eye",
    scores={"Set5": {"psnr": 30.0, "ssim": 0.9, "bicubic": 29.0}},
)


def test_there_and_back(tmp_path):
    write_card(CARD, tmp_path / "a.yaml")
    assert read_card(tmp_path / "a.yaml") == CARD
    assert "30.00 dB (bicubic 29.00)" in str(CARD)


def test_a_card_of_other_weights_is_refused(tmp_path):
    weights = tmp_path / "a.safetensors"
    weights.write_bytes(b"some weights")
    assert card_of(weights) is None
    write_card(replace(CARD, sha256=digest(weights)), tmp_path / "a.yaml")
    path = card_of(weights)
    assert path == tmp_path / "a.yaml"
    read_card(path, weights)
    weights.write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="SHA-256"):
        read_card(path, weights)


@pytest.mark.parametrize(
    "text", ["", "- a list", "network: a", "{", "a: !!python/object/apply:os.getcwd []"]
)
def test_what_is_no_card(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ReaderError, match="card"):
        read_card(path)


def test_weights_ship():
    assert SHIPPED


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_every_shipped_file_of_weights_has_its_card(entry):
    path = card_of(entry.weights)
    assert path is not None
    card = read_card(path, entry.weights)
    model = load(entry.cfg)
    assert card.network == entry.name
    assert card.scale == model.scale
    assert card.parameters == model.network.parameter_count
    assert "Set5" not in str(card.training)


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_scores_of_shipped_weights(entry):
    card = read_card(card_of(entry.weights))
    folder = SETS / "Set5" / f"x{card.scale}"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    scores = evaluate(
        NetworkEntrant(entry.name, load(entry.cfg)),
        cases_in(find_set(folder, card.scale), card.scale),
        card.scale,
    )
    assert scores.psnr == pytest.approx(card.scores["Set5"]["psnr"], abs=0.005)
    assert scores.ssim == pytest.approx(card.scores["Set5"]["ssim"], abs=0.0005)
    assert scores.psnr > card.scores["Set5"]["bicubic"] + 2
