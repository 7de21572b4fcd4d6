"""Darknet's contrastive loss, which only trains."""

from __future__ import annotations

from zoo.keys import Key
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.passing import PassThrough

__all__ = ["Contrastive"]


class Contrastive(PassThrough):
    """y = x: the embeddings that AlexeyAB's Darknet learns to tell objects apart by.

    Its loss (Chen et al., "A simple framework for contrastive learning", 2020) belongs
    to the training of detectors, which zoo leaves to Darknet.
    """

    summary = "embeddings of a detector, as they are; its loss is Darknet's"
    keys = (
        Key("classes", "int", 1000, "Darknet's, for its loss", unused=True),
        Key("yolo_layer", "int", 0, "Darknet's, for its loss", unused=True),
        Key("temperature", "float", 1.0, "Darknet's, for its loss", unused=True),
        Key("cls_normalizer", "float", 1.0, "Darknet's, for its loss", unused=True),
        Key("max_delta", "float", 0.0, "Darknet's, for its loss", unused=True),
        Key("contrastive_neg_max", "int", 3, "Darknet's, for its loss", unused=True),
        *COMMON_KEYS,
    )
