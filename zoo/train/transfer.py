"""Start from the weights of another network: fine-tuning, other scales."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import RUN_BEST, RUN_CFG, find_weights
from zoo.checkpoints.files import load_weights
from zoo.checkpoints.passing import find_network
from zoo.errors import CfgError, UsageError, WeightsError
from zoo.layers.base import Layer
from zoo.layers.shuffler import Shuffler
from zoo.network import Network
from zoo.parsers.safetensors import read_metadata
from zoo.train.alignment import align, recolored

__all__ = ["Transfer", "transfer"]

_SHOWN = 4


@dataclass(frozen=True)
class Transfer:
    """What a network took over from another, by the names of its tensors.

    Attributes
    ----------
    copied : tuple of str
        Taken as they are.
    converted : tuple of str
        Summed or spread over colours, from RGB to luma or back.
    fresh : tuple of str
        Left with the values that they had.
    unused : tuple of str
        Tensors of the other network that nobody took.
    """

    copied: tuple[str, ...]
    converted: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def count(self) -> tuple[int, int]:
        """How many tensors were taken over, and how many the network has."""
        taken = len(self.copied) + len(self.converted)
        return taken, taken + len(self.fresh)

    def __str__(self) -> str:
        taken, total = self.count
        text = f"{taken} of {total} tensors"
        for what, names in (
            ("summed over colours", self.converted),
            ("starting afresh", self.fresh),
            ("not taken", self.unused),
        ):
            if names:
                more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                text += f"; {what}: {', '.join(names[:_SHOWN])}{more}"
        return text


def transfer(
    network: Network, weights: str | Path, cfg: str | Path | None = None
) -> Transfer:
    """Copy into a network what another one has in common with it.

    The layers that have weights are aligned so that as many weights as possible lie
    beside their like, in order, wherever they stand: head, body and last convolution
    of a network of another scale or depth carry over, and only what fits nothing
    starts afresh. The first and the last convolution of a network of colours become
    those of one of luma, and the other way round: a gray picture is three equal
    channels, so the weights of the three are summed, and luma is
    0.299 R + 0.587 G + 0.114 B.

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
            f"{path.with_name(RUN_BEST)}"
        )
    if cfg is None:
        beside = (path.with_suffix(".cfg"), path.parent / RUN_CFG)
        cfg = next((place for place in beside if place.is_file()), None)
    if cfg is None:
        other = Network(network.sections)
    else:
        other = Network.read(find_network(cfg))
    try:
        load_weights(other, path)
    except WeightsError as error:
        if cfg is not None:
            raise
        raise UsageError(f"{error}; name their own cfg with --from-cfg") from None
    done = _take_over(network, other)
    if not done.copied and not done.converted:
        raise WeightsError(f"{path} has nothing in common with {network.source}")
    return done


def _take_over(network: Network, other: Network) -> Transfer:
    copied: list[str] = []
    converted: list[str] = []
    used: set[str] = set()
    for mine, its in align(network, other):
        source = other.layers[its].tensors
        same = _shapes(network.layers[mine]) == _shapes(other.layers[its])
        for name, tensor in network.layers[mine].tensors.items():
            # Same layers of other colours are told apart by _weight alone.
            value = source[name]
            if not same:
                value = recolored(value, tensor.shape, _order(other, its))
            tensor[...] = value
            (copied if same else converted).append(_name(network, mine, name))
            used.add(_name(other, its, name))
    taken = {*copied, *converted}
    return Transfer(
        tuple(copied),
        tuple(converted),
        tuple(name for name in network.tensors if name not in taken),
        tuple(name for name in other.tensors if name not in used),
    )


def _of_name(name: str, cfg: str | Path | None) -> tuple[Path, str | Path]:
    """Weights and cfg of a network that is named."""
    try:
        found = find_network(name)
    except CfgError:
        raise UsageError(f"there is no file of weights {name!r}") from None
    weights = find_weights(found)
    if weights is None:
        raise UsageError(f"{name!r} has no weights; give a file of them")
    return weights, cfg or found


def _name(network: Network, index: int, tensor: str) -> str:
    return f"{index}.{network.canonical_kinds[index]}.{tensor}"


def _shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in layer.tensors.items()}


def _order(network: Network, index: int) -> str | None:
    """The order of the pixel shuffle behind a layer; None if there is none."""
    for reader, sources in enumerate(network.sources):
        layer = network.layers[reader]
        if index in sources and isinstance(layer, Shuffler):
            return layer.order
    return None
