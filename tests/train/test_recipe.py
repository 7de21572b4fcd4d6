"""Where a recipe comes from, and what is refused."""

from __future__ import annotations

from dataclasses import fields

import pytest

from zoo.errors import UsageError
from zoo.net_section import NET_KEYS
from zoo.network import Network
from zoo.train.recipe import Recipe
from zoo.train.recipe_fields import FIELDS

LAYER = "\n[convolutional]\nfilters=3\n"


def recipe_of(text: str) -> Recipe:
    network = Network.parse("[net]\n" + text + LAYER)
    return Recipe.of(network)


def test_cfg_sets_what_it_gives_and_nothing_else() -> None:
    recipe = recipe_of(
        "batch=3\nmax_batches=70\nlearning_rate=0.5\nsteps=10,20\nscales=.5,.1\n"
        "policy=steps\noptimizer=nesterov\nema_alpha=0.01\naugment=0\nseed=4\n"
    )
    assert recipe == Recipe(
        batch=3,
        updates=70,
        learning_rate=0.5,
        steps=(10, 20),
        scales=(0.5, 0.1),
        policy="steps",
        optimizer="nesterov",
        average=0.01,
        augment=False,
        seed=4,
    )


def test_darknets_adam() -> None:
    assert recipe_of("adam=1\n").optimizer == "adam"
    assert recipe_of("adam=1\noptimizer=sgd\n").optimizer == "sgd"


def test_cost_section() -> None:
    text = "[net]\n{}" + LAYER + "[cost]\ntype=smooth\n"
    assert Recipe.of(Network.parse(text.format(""))).cost == "smooth"
    assert Recipe.of(Network.parse(text.format("cost=mse\n"))).cost == "mse"


def test_every_key_exists_and_has_a_field() -> None:
    assert set(FIELDS) <= {key.name for key in NET_KEYS}
    assert set(FIELDS.values()) == {field.name for field in fields(Recipe)}


def test_settings_are_keys_of_net() -> None:
    recipe = Recipe().with_settings(["steps=5, 7", "scales=.5,.5", "B1=0.8"])
    assert (recipe.steps, recipe.scales, recipe.beta1) == ((5, 7), (0.5, 0.5), 0.8)
    with pytest.raises(UsageError, match="did you mean patch"):
        Recipe().with_settings(["patches=5"])
    with pytest.raises(UsageError, match="batch=0"):
        Recipe().with_settings(["batch=0"])
    with pytest.raises(UsageError, match="no key of a recipe"):
        Recipe().with_settings(["batch"])


def test_settings_over_another_recipe() -> None:
    assert Recipe().settings_over(Recipe()) == {}
    cfg = Recipe(batch=3, seed=9)
    recipe = Recipe(
        updates=7,
        cost="mse",
        optimizer="nesterov",
        policy="steps",
        steps=(5, 7),
        scales=(0.5, 1e-7),
        epsilon=1e-12,
        cycle=30,
        average=0.004,
        augment=False,
    )
    settings = recipe.settings_over(cfg)
    assert settings["steps"] == "steps=5,7"
    assert settings["batch"] == "batch=16"
    assert "momentum" not in settings
    assert cfg.with_settings(list(settings.values())) == recipe


def test_plain_values_and_back() -> None:
    recipe = Recipe(policy="steps", steps=(1, 2), scales=(0.1, 0.2))
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    # What a newer zoo wrote besides does no harm.
    assert Recipe.from_dict({**recipe.to_dict(), "future": 1}) == recipe


@pytest.mark.parametrize(
    "wrong",
    [
        {"updates": 0},
        {"batch": -1},
        {"patch": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"average": 1.0},
        {"clip_gradient": -1.0},
        {"cost": "mean"},
        {"optimizer": "adman"},
        {"policy": "randm"},
        {"policy": "steps", "steps": (1,)},
    ],
)
def test_what_cannot_be_meant(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Recipe(**wrong).check()  # type: ignore[arg-type]


def test_recipe_is_no_part_of_the_fingerprint() -> None:
    plain = Network.parse("[net]\nchannels=3\n" + LAYER).fingerprint
    trained = "[net]\nbatch=8\nchannels=3\nlearning_rate=0.1\nhue=.1\n" + LAYER
    assert Network.parse(trained).fingerprint == plain
    assert Network.parse("[net]\nrange=255\n" + LAYER).fingerprint != plain


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"seed": -1}, "seed is -1; it must not be negative"),
        ({"beta2": 1.0}, r"B2 is 1.0; it must lie in \[0, 1\)"),
        ({"decay": -1.0}, "decay is -1.0"),
        ({"decay": float("nan")}, "decay is nan; it must be a finite number"),
        ({"burn_in": -5}, "burn_in is -5"),
        ({"clip_gradient": float("nan")}, "clip_gradient is nan"),
        ({"momentum": 2.0}, "momentum is 2.0"),
        ({"epsilon": 0.0}, "eps is 0.0; it must be above 0"),
        ({"scales": (0.5, float("inf"))}, "scales is 0.5,inf"),
        ({"step": 0}, "step is 0"),
        ({"policy": "exp", "gamma": 3.0}, "policy exp gives .* inf for update 10000"),
        ({"policy": "exp", "gamma": -0.9, "updates": 3}, "negative"),
    ],
)
def test_values_are_checked(setting: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Recipe(**setting).check()  # type: ignore[arg-type]


def test_value_of_a_cfg_is_named_by_its_line() -> None:
    network = Network.parse("[net]\nchannels=3\nB2=1\n" + LAYER, "a.cfg")
    with pytest.raises(UsageError, match=r"^a\.cfg:3: B2 is 1"):
        Recipe.of(network).check(network)
    with pytest.raises(UsageError, match=r"^B2 is 2"):
        Recipe.of(network).changed(beta2=2.0).check(network)
    Recipe.of(network).changed(beta2=0.9).check(network)


def test_every_policy_of_usual_values_passes() -> None:
    for policy in ("constant", "step", "exp", "poly", "sigmoid", "sgdr", "cosine"):
        Recipe(policy=policy, burn_in=10).check()
