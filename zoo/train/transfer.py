"""Start from the weights of another network: fine-tuning, other scales."""

from __future__ import annotations

from pathlib import Path

from zoo.catalog import find_cfg, find_weights
from zoo.checkpoints.files import load_weights
from zoo.errors import CfgError, UsageError, WeightsError
from zoo.network import Network
from zoo.parsers.safetensors import read_metadata

__all__ = ["transfer"]


def transfer(
    network: Network, weights: str | Path, cfg: str | Path | None = None
) -> tuple[int, int]:
    """Copy into a network what another one has in common with it.

    Layers are matched in order, from both ends: the head and the body of a
    network of another scale carry over, its last convolution too where shapes
    agree, and only the upsampling part starts afresh.

    Parameters
    ----------
    network : Network
        Initialised; its other parameters stay.
    weights : str or Path
        Weights of ``cfg``, or the name of a network that has some.
    cfg : str or Path, optional
        The other network; by default the one that is named, or lies beside the
        weights with their stem, or is that of the run that they are from, or
        ``network`` itself.

    Returns
    -------
    tuple of int
        How many tensors were copied, and how many the network has.

    Raises
    ------
    UsageError
        If there is no such file.
    WeightsError
        If the networks have nothing in common.
    """
    path = Path(weights)
    if not path.is_file():
        path, cfg = _of_name(str(weights), cfg)
    if path.suffix == ".safetensors" and "zoo.run" in read_metadata(path):
        raise UsageError(
            f"{path} is the checkpoint of a run; its weights are in "
            f"{path.with_name('best.safetensors')}"
        )
    if cfg is None:
        beside = (path.with_suffix(".cfg"), path.parent / "model.cfg")
        cfg = next((place for place in beside if place.is_file()), None)
    if cfg is None:
        other = Network(network.sections)
    else:
        other = Network.read(find_cfg(cfg))
    try:
        load_weights(other, path)
    except WeightsError as error:
        if cfg is not None:
            raise
        raise UsageError(f"{error}; name their own cfg with --from-cfg") from None
    ours, theirs = _shapes(network), _shapes(other)
    pairs = _common_prefix(ours, theirs)
    taken_ours = {index for index, _ in pairs}
    taken_theirs = {index for _, index in pairs}
    for (mine, my_shapes), (its, its_shapes) in zip(
        reversed(ours), reversed(theirs), strict=False
    ):
        if my_shapes != its_shapes or mine in taken_ours or its in taken_theirs:
            break
        pairs.append((mine, its))
    copied = 0
    for mine, its in pairs:
        source = other.layers[its].tensors
        for name, tensor in network.layers[mine].tensors.items():
            tensor[...] = source[name]
            copied += 1
    if not copied:
        raise WeightsError(f"{path} has nothing in common with {network.source}")
    return copied, len(network.tensors)


def _of_name(name: str, cfg: str | Path | None) -> tuple[Path, str | Path]:
    """Weights and cfg of a network that is named."""
    try:
        found = find_cfg(name)
    except CfgError:
        raise UsageError(f"there is no file of weights {name!r}") from None
    weights = find_weights(found)
    if weights is None:
        raise UsageError(f"{name!r} has no weights; give a file of them")
    return weights, cfg or found


_Layers = list[tuple[int, dict[str, tuple[int, ...]]]]


def _shapes(network: Network) -> _Layers:
    """Index and tensor shapes of the layers that have any."""
    return [
        (index, {name: tensor.shape for name, tensor in layer.tensors.items()})
        for index, layer in enumerate(network.layers)
        if layer.tensors
    ]


def _common_prefix(ours: _Layers, theirs: _Layers) -> list[tuple[int, int]]:
    pairs = []
    for (mine, my_shapes), (its, its_shapes) in zip(ours, theirs, strict=False):
        if my_shapes != its_shapes:
            break
        pairs.append((mine, its))
    return pairs
