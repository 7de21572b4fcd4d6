"""A pytest plugin: a few examples of each Hypothesis test, for what runs it slowly.

``pytest -p few_examples``, with tests/ among the places where Python looks.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

EXAMPLES = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        test = getattr(item, "obj", None)
        inner = getattr(test, "_hypothesis_internal_use_settings", None)
        if inner is not None:
            test._hypothesis_internal_use_settings = settings(
                inner,
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                phases=(Phase.explicit, Phase.generate),
            )
