"""Whether a family writes networks, and knows its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.models.base import Family
from zoo.network import Network
from zoo.parsers.base import Checkpoint
from zoo.testing.values import numpy_kernels

__all__ = ["check_family"]


def check_family(
    family: type[Family],
    options: Mapping[str, Any] | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    seed: int = 0,
) -> Network:
    """Check that a family keeps the rules of :class:`zoo.models.Family`.

    The cfg that it writes is the same twice, is read strictly, runs, and learns: a
    gradient reaches every parameter's layer. It takes no checkpoint of strange names.
    One of its own, if given, is recognised with all options, becomes every tensor of
    the network and no other, finite and of its shape, and its uses have a line for
    every tensor of the checkpoint.

    Parameters
    ----------
    family : type of Family
    options : mapping, optional
        Hyper-parameters of a small member; the defaults if None. With a checkpoint
        they are what it should be recognised as, as far as they are given.
    checkpoint : Checkpoint, optional
        Of such a member.
    seed : int
        Of everything random.

    Returns
    -------
    Network
        The member, with the checkpoint's weights if there was one.

    Raises
    ------
    AssertionError
        Which rule is broken.
    """
    name, options = family.name, dict(options or {})
    assert family.summary, f"{name}: it has no summary for `zoo new`"
    strange = Checkpoint("npz", {"a.strange.name": np.zeros((3, 3), np.float32)})
    assert family.recognize(strange) is None, f"{name}: it takes any checkpoint"
    if checkpoint is not None:
        return _check_conversion(family, options, checkpoint)
    return _check_member(family, options, seed)


def _check_member(
    family: type[Family], options: Mapping[str, Any], seed: int
) -> Network:
    name = family.name
    text = family.write(**options)
    assert text == family.write(**options), f"{name}: the same options, another text"
    network = Network.parse(text, f"{name}.cfg").initialize(seed)
    kernels = numpy_kernels()
    channels = network.pixels.channels
    x = np.random.default_rng(seed).random((1, 24, 24, channels), np.float32)
    output = network.forward(x, kernels=kernels, training=True)
    assert isinstance(output, np.ndarray) and np.isfinite(output).all(), (
        f"{name}: the output of a fresh network is not finite"
    )
    network.backward(np.ones_like(output), kernels=kernels)
    for index, layer in enumerate(network):
        for key, gradient in layer.gradients.items():
            assert np.isfinite(gradient).all(), (
                f"{name}: layer {index} ({network.kinds[index]}): the gradient of "
                f"{key} is not finite"
            )
    return network


def _check_conversion(
    family: type[Family], options: Mapping[str, Any], checkpoint: Checkpoint
) -> Network:
    name = family.name
    known = family.recognize(checkpoint)
    if known is None:
        raise AssertionError(
            f"{name}: it does not know the checkpoint: "
            f"{family.mismatch(checkpoint).reason}"
        )
    for option, value in options.items():
        found = known.options[option]
        assert found == value, f"{name}: {option} is taken for {found!r}, not {value!r}"
    network = Network.parse(family.write(**known.options), f"{name}.cfg")
    made = family.tensors(checkpoint, known)
    _same_names(f"{name}: tensors of the network", made.tensors, network.tensors)
    for key, tensor in network.tensors.items():
        value = made.tensors[key]
        assert value.shape == tensor.shape, (
            f"{name}: {key} is {value.shape}, not {tensor.shape}"
        )
        assert np.isfinite(value).all(), f"{name}: {key} is not finite"
        tensor[...] = value
    network.trained = True
    lines = [line.tensor for line in made.uses]
    assert len(lines) == len(set(lines)), f"{name}: its uses name a tensor twice"
    _same_names(f"{name}: its uses", lines, checkpoint.tensors)
    return network


def _same_names(
    what: str, found: Sequence[str] | Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    missing = [name for name in wanted if name not in set(found)]
    extra = [name for name in found if name not in wanted]
    assert not missing, f"{what}: {', '.join(missing[:5])} missing"
    assert not extra, f"{what}: {', '.join(extra[:5])} too many"
