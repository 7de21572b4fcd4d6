"""The error by which results are judged."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.agreement import relative_error

TRUTH = np.array([0.0, 10.0, 4.0], np.float32)


def test_error_is_a_part_of_the_range() -> None:
    assert relative_error(TRUTH, TRUTH) == 0
    assert relative_error(TRUTH + 1, TRUTH) == pytest.approx(0.1)
    assert relative_error(TRUTH * 0 + 3, TRUTH * 0 + 1) == 2


def test_other_shapes_never_agree() -> None:
    assert relative_error(TRUTH[:1], TRUTH) == np.inf
    assert relative_error(TRUTH[:, None], TRUTH) == np.inf


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_never_agree(value: float) -> None:
    bad = TRUTH.copy()
    bad[1] = value
    for output, truth in ((bad, TRUTH), (TRUTH, bad), (bad, bad)):
        assert relative_error(output, truth) == np.inf
