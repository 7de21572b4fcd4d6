"""Means that programs after EDSR keep as two frozen 1 x 1 convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.models.base import NotRecognized
from zoo.models.conventions import mean_of
from zoo.models.network_family import Constants
from zoo.models.state_dict import StateDict

__all__ = ["mean_buffers", "mean_shift", "mean_shift_tensors", "of_gray", "shortest"]

_PARTS = ("weight", "bias")


def mean_shift(
    state: StateDict, subtract: str = "sub_mean", add: str = "add_mean"
) -> Constants:
    """Mean, std and range of [net] from the two modules, if they are there.

    The first computes x / std - mean / std, the second x std + mean. EDSR's published
    code divides by std there too, which is the same for std = 1, the only one in use.

    Raises
    ------
    NotRecognized
        If one is missing, or does not undo the other.
    """
    names = [f"{module}.{part}" for module in (subtract, add) for part in _PARTS]
    held = [name in state for name in names]
    if not any(held):
        return Constants()
    if not all(held):
        raise NotRecognized(f"there is no tensor {names[held.index(False)]!r}")
    sub_weight, sub_bias, add_weight, add_bias = (
        np.asarray(state[name], np.float64) for name in names
    )
    channels = sub_bias.size
    square = (channels, channels)
    if sub_weight.size != channels**2 or add_weight.size != channels**2:
        raise NotRecognized(f"{subtract}.weight is no square matrix")
    diagonal = np.diagonal(sub_weight.reshape(square))
    if not (diagonal > 0).all():
        raise NotRecognized(
            f"{subtract}.weight does not divide by a standard deviation"
        )
    std = 1 / diagonal
    mean = -sub_bias * std
    inverse = np.allclose(add_bias, mean, rtol=1e-5, atol=1e-6) and np.allclose(
        add_weight.reshape(square), np.diag(std), rtol=1e-5, atol=1e-6
    )
    off_diagonal = sub_weight.reshape(square) - np.diag(diagonal)
    if not inverse or off_diagonal.any():
        raise NotRecognized(f"{add} does not undo {subtract}")
    options: dict[str, Any] = {
        "mean": tuple(shortest(value) for value in mean),
        "std": tuple(shortest(value) for value in std),
    }
    if mean.any():
        options["range"] = 255.0 if np.abs(mean).max() > 1 else 1.0
    if options["std"] == (1.0,) * channels:
        options["std"] = (1.0,)
    where = "mean and std of [net]"
    return Constants(options, {name: ("stated", where) for name in names})


def mean_shift_tensors(options: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """The tensors that :func:`mean_shift` reads, for a std of 1."""
    mean = np.asarray(mean_of(options), np.float32)
    mean = np.broadcast_to(mean, options["channels"])
    identity = np.eye(len(mean), dtype=np.float32)[:, :, None, None]
    return {
        "sub_mean.weight": identity,
        "sub_mean.bias": -mean,
        "add_mean.weight": identity,
        "add_mean.bias": mean,
    }


def mean_buffers(state: StateDict) -> Constants:
    """Mean and std as arrays of their own: ``mean``, ``std``, and less it ``neg_mean``.

    ``mean255`` is the mean of pictures from 0 to 1 in a program that multiplies them,
    less it, by 255.

    Raises
    ------
    NotRecognized
        If the two means are not each other's.
    """
    constants = Constants()
    for name in ("mean", "std"):
        if name in state:
            values = np.asarray(state[name], np.float64).ravel()
            constants.options[name] = tuple(shortest(value) for value in values)
            constants.uses[name] = ("stated", f"{name} of [net]")
    if "mean255" in state:
        values = 255 * np.asarray(state["mean255"], np.float64).ravel()
        constants.options["mean"] = tuple(shortest(value) for value in values)
        constants.options["range"] = 255.0
        constants.uses["mean255"] = ("stated", "mean of [net], times 255")
    if "neg_mean" in state:
        negative = -np.asarray(state["neg_mean"], np.float64).ravel()
        if not np.allclose(negative, constants.options.get("mean", ())):
            raise NotRecognized("the mean that is added is not the one subtracted")
        constants.uses["neg_mean"] = ("stated", "mean of [net]")
    return constants


def of_gray(constants: Constants, channels: int) -> Constants:
    """Without the means of three channels, which a network of one cannot apply.

    The published programs make them so even for gray networks.
    """
    if channels != 1 or len(constants.options.get("mean", ())) != 3:
        return constants
    why = "of three channels, and the network takes one"
    return Constants(
        {"std": (1.0,)},
        {name: ("ignored", why) for name in constants.uses},
        {"mean": ((0.0,), f"the file's is {why}")},
    )


def shortest(value: float) -> float:
    """The shortest decimal number that is the same in float32."""
    return float(str(np.float32(value)))
