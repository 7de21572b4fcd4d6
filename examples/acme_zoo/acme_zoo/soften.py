"""A family of networks without weights: enlarge, then blur."""

from __future__ import annotations

from typing import Any

from zoo.keys import Key
from zoo.models import Family


class Soften(Family):
    """Nearest-neighbour enlargement with its steps smoothed away."""

    name = "acme/soften"
    summary = "enlarge, then blur"
    options = (
        Key("scale", "int", 2, "factor of both sides", minimum=1, maximum=16),
        Key("times", "int", 1, "how often to blur", minimum=1, maximum=1000),
    )

    @classmethod
    def write(cls, **options: Any) -> str:
        chosen = cls.complete(options)
        return (
            "[net]\n"
            "channels=3\n"
            "\n"
            "[upsample]\n"
            f"stride={chosen['scale']}\n"
            "\n"
            "[acme/blur]\n"
            f"times={chosen['times']}\n"
        )
