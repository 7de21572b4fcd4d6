"""Names in files become a family's own, or stay unknown."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.models.base import NotRecognized
from zoo.models.naming import Naming
from zoo.models.state_dict import StateDict, unwrapped
from zoo.parsers.base import Checkpoint


def checkpoint(*names: str) -> Checkpoint:
    return Checkpoint("torch", {name: np.zeros((2, 1, 3, 3)) for name in names})


def renamed(naming: Naming, *names: str) -> dict[str, str]:
    held = checkpoint(*names)
    state = naming.state_dict(held, unwrapped(held))
    return {state.original(name): name for name in state}


NAMING = Naming(
    "theirs",
    (
        ("conv1", "head.0"),
        ("trunk.{b+1}.{k}", "body.{b}.body.{2k}"),
        ("bias{2b+1}", "body.{b}.bias"),
        ("trunk.{n+1}", "body.{n}"),
        ("same.{k}.{k}", "same.{k}"),
    ),
    counts={"n": "trunk.{b+1}.0"},
)


def test_rules() -> None:
    assert renamed(
        NAMING,
        "conv1.weight",
        "conv1.weight_g",
        "conv1.running_mean",
        "trunk.1.0.weight",
        "trunk.1.1.weight",
        "trunk.2.0.weight",
        "trunk.3.bias",
        "bias9",
        "same.4.4.bias",
    ) == {
        "conv1.weight": "head.0.weight",
        "conv1.weight_g": "head.0.weight_g",
        "conv1.running_mean": "head.0.running_mean",
        "trunk.1.0.weight": "body.0.body.0.weight",
        "trunk.1.1.weight": "body.0.body.2.weight",
        "trunk.2.0.weight": "body.1.body.0.weight",
        "trunk.3.bias": "body.2.bias",
        "bias9": "body.4.bias",
        "same.4.4.bias": "same.4.bias",
    }


@pytest.mark.parametrize(
    "name",
    [
        "head.0.weight",  # the family's own, which this naming does not have
        "conv1.else",
        "trunk.0.0.weight",  # counts from 1
        "bias4",  # odd numbers only
        "same.4.5.bias",
        "conv1.weight.weight",
        "xconv1.weight",
    ],
)
def test_what_no_rule_fits_stays_unknown(name: str) -> None:
    assert renamed(NAMING, name) == {name: f"?{name}"}


def test_two_tensors_never_get_one_name() -> None:
    twice = Naming("x", (("a", "c"), ("b", "c")))
    assert renamed(twice, "a.bias", "b.bias") == {
        "a.bias": "?a.bias",
        "b.bias": "?b.bias",
    }


def test_without_rules_names_are_the_familys_own() -> None:
    assert renamed(Naming("own"), "x.weight") == {"x.weight": "x.weight"}


def test_wrappers_are_dropped_only_where_all_names_have_them() -> None:
    def names(*given: str) -> list[str]:
        return list(unwrapped(checkpoint(*given)))

    assert names("module.a", "module.b.c") == ["a", "b.c"]
    assert names("model.module.a", "model.module.b") == ["a", "b"]
    assert names("module.a", "b") == ["module.a", "b"]
    assert names() == []


def test_state_dict() -> None:
    held = Checkpoint(
        "keras",
        {
            "k": np.arange(24).reshape(1, 2, 3, 4),
            "a.0.weight": np.zeros((8, 1, 3, 3)),
            "a.2.weight": np.zeros(1),
            "x.weight_g": np.zeros(3),
        },
    )
    names = {"c.weight": "k", **{name: name for name in held.tensors if name != "k"}}
    state = StateDict(held, names, "HWIO")
    assert state.shape("c.weight") == (4, 3, 1, 2)
    assert state["c.weight"].shape == (4, 3, 1, 2)
    assert state["c.weight"][3, 2, 0, 1] == held.tensors["k"][0, 1, 2, 3]
    assert state.kernel("c") == (4, 3, 1, 2)
    assert state.has("a") and state.has("a.0") and not state.has("a.1")
    assert state.count("a.{}") == 1
    assert state.weight_names("x") == ("x.weight_g", "x.weight_v")
    with pytest.raises(NotRecognized, match=r"no tensor 'x\.weight_v'"):
        state.kernel("x")
    with pytest.raises(NotRecognized, match="has 1 axes in place of 4"):
        state.kernel("a.2")
