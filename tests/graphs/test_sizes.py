"""The search for sizes, with trials that are made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from zoo.graphs.draft import Draft
from zoo.graphs.errors import Untranslatable, WrongSize
from zoo.graphs.sizes import Survey, survey
from zoo.shapes import Shape

Rule = Callable[[Shape], float]


def search(rule: Rule, fixed: tuple[tuple[int, int], ...] = ()) -> Survey:
    """Search where a network has one factor, which a rule gives for each size."""

    def attempt(shape: Shape, writes: bool) -> tuple[Draft, Counter[str]]:
        draft = Draft(shape)
        draft.output = draft.affine(draft.input, rule(shape), 0)
        return draft, Counter()

    return survey(attempt, 3, fixed)


def test_what_is_the_same_everywhere_is_open() -> None:
    found = search(lambda shape: 2.0)
    assert (found.multiple, found.fixed) == (1, False)


@pytest.mark.parametrize("multiple", [2, 3, 4, 8, 12])
def test_multiples_are_found(multiple: int) -> None:
    def rule(shape: Shape) -> float:
        if shape.height % multiple or shape.width % multiple:
            raise WrongSize("no multiple")
        return 2.0

    assert search(rule).multiple == multiple


def test_even_and_odd_sizes_that_differ_make_a_multiple_of_2() -> None:
    found = search(lambda shape: float(shape.height % 2 + 2 * (shape.width % 2)) + 1)
    assert found.multiple == 2


def test_what_depends_on_the_size_works_at_the_declared_one() -> None:
    found = search(lambda shape: 1 / (shape.height * shape.width), ((64, 48),))
    assert found.fixed and found.shape == (64, 48, 3)


def test_without_a_declared_size_it_is_refused() -> None:
    with pytest.raises(WrongSize, match="depends on the size"):
        search(lambda shape: 1 / (shape.height * shape.width))


def test_what_differs_for_small_pictures_only_is_noticed() -> None:
    found = search(lambda shape: 1.0 if min(shape[:2]) > 40 else 2.0)
    assert found.multiple > 40


def test_problems_are_counted_in_one_message() -> None:
    def attempt(shape: Shape, writes: bool) -> tuple[Draft, Counter[str]]:
        return Draft(shape), Counter({"Softmax": 2, "GridSample": 1})

    with pytest.raises(Untranslatable, match=r"^Softmax \(2 times\); GridSample$"):
        survey(attempt, 3, ())
