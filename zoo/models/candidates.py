"""Which tensors of a checkpoint may be a network: every part of the file is asked.

A file holds more than a network: an average of the weights beside the weights, a
discriminator beside a generator, the networks of a loss beside both, an optimizer.
And it holds them under names that tell who held them: ``module.``,
``state_dict.model.``, ``generator_ema.``. A *candidate* is what lies under one
beginning of names, with that beginning removed; the families are asked about each,
from the top down.

Names that only tell what wrapped a module (``_orig_mod`` of torch.compile, wherever
it stands) are removed first, masks of torch.nn.utils.prune are multiplied in, and
single numbers that count something are set aside.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from numpy.typing import NDArray

from zoo.parsers.base import Checkpoint
from zoo.parsers.lazy import LazyTensors

__all__ = [
    "Candidate",
    "Stock",
    "is_auxiliary",
    "is_average",
    "is_training",
    "is_usual",
    "stock_of",
]

_FEWEST: Final = 3
# Of all tensors of the file, the part that must lie under a name to be asked about.
_FEWEST_OF_A_NAME: Final = 0.02
_FEWEST_OF_A_NUMBER: Final = 0.1

# Components of a name that a wrapper put there, wherever they stand.
_WRAPPED = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module"
    r"|_forward_module)\."
)
# Counters that modules, averages and profilers keep beside weights.
_COUNTER = re.compile(
    r"(?:^|\.)(?:num_batches_tracked|n_averaged|step_counter|num_updates|decay|initted"
    r"|step|total_ops|total_params|epoch|global_step|iteration|iter)$"
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_AVERAGE: Final = frozenset({"ema", "swa", "averaged", "average", "shadow", "polyak"})
_USUAL: Final = frozenset(
    {
        *("params", "state", "model", "net", "network", "generator", "gen", "g"),
        *("netg", "weights", "module", "sr", "student"),
    }
)
# What is no network for pictures, or only helped to train one: words of a name, and
# whole names without their underscores.
_TRAINING: Final = frozenset(
    {
        *("optimizer", "optimizers", "optim", "scheduler", "schedulers", "momentum"),
        *("velocity", "expavg", "expavgsq", "maxexpavgsq", "gradscaler", "optimizerd"),
    }
)
_TRAINING_NAMES: Final = frozenset(
    {*("opt", "grad", "grads", "scaler", "amp", "buffer", "loops", "statestep")}
)
_HELPERS: Final = frozenset(
    {
        *("discriminator", "discriminators", "disc", "critic", "vgg", "vgg16", "vgg19"),
        *("loss", "losses", "perceptual", "lpips", "criterion", "criterions", "cri"),
        *("metric", "metrics", "psnr", "ssim", "inception", "preprocessor", "dists"),
        *("teacher", "arcface", "fid", "niqe"),
    }
)
_HELPER_NAMES: Final = frozenset(
    {*("d", "netd", "modeld", "dis", "netdis", "featureextractor", "stylenet")}
)


def _words(name: str) -> set[str]:
    """The words of a component: ``netG_ema`` has net, g and ema."""
    found = {word.lower() for word in _WORD.findall(name[:200])}
    return found | {name.lower(), name.lower().replace("_", "")}


def is_average(path: str) -> bool:
    """Whether a path names averages of weights, wherever and however spelled."""
    return any(_words(part) & _AVERAGE for part in path.split("."))


def is_usual(path: str) -> bool:
    """Whether a path is one under which scripts keep the network that matters."""
    last = path.rpartition(".")[2]
    return bool(_words(last) & _USUAL)


def is_auxiliary(path: str) -> bool:
    """Whether a path names what only helps to train a network."""
    return is_training(path) or _has(path, _HELPERS, _HELPER_NAMES)


def is_training(path: str) -> bool:
    """Whether a path names an optimizer's values or the like, which are no weights."""
    return _has(path, _TRAINING, _TRAINING_NAMES)


def _has(path: str, words: frozenset[str], names: frozenset[str]) -> bool:
    """Whether a component of a path is one of some names, or has one of some words."""
    return any(
        part.lower().replace("_", "") in words | names or _words(part) & words
        for part in path.split(".")
    )


@dataclass(frozen=True)
class Candidate:
    """A part of a checkpoint that may be a network.

    Attributes
    ----------
    path : str
        Where it lies, without the dot at the end; "" is the whole file.
    checkpoint : Checkpoint
        Its tensors, with the path removed from their names.
    originals : mapping of str to str
        The names in the file.
    filled : tuple of str
        Names whose tensors are not averages, since the averages lack them.
    """

    path: str
    checkpoint: Checkpoint
    originals: Mapping[str, str]
    filled: tuple[str, ...] = ()

    @property
    def is_average(self) -> bool:
        """Whether it holds averages of weights."""
        return is_average(self.path)


@dataclass
class Stock:
    """The tensors of a file under clean names.

    Attributes
    ----------
    checkpoint : Checkpoint
    originals : dict of str to str
        For each clean name the name in the file.
    counters : tuple of str
        Names in the file of single numbers that count something.
    masks : dict of str to str
        For a pruned tensor's clean name, the name of its mask in the file.
    """

    checkpoint: Checkpoint
    originals: dict[str, str]
    counters: tuple[str, ...]
    masks: dict[str, str] = field(default_factory=dict)

    def candidate(self, path: str) -> Candidate | None:
        """The part under a path; None if nothing is there."""
        start = f"{path}." if path else ""
        originals = {
            name[len(start) :]: original
            for name, original in self.originals.items()
            if name.startswith(start)
        }
        return self._of(path, originals) if originals else None

    def _of(
        self, path: str, originals: dict[str, str], filled: tuple[str, ...] = ()
    ) -> Candidate:
        tensors, masks = self.checkpoint.tensors, self.masks

        def read(name: str) -> NDArray[Any]:
            original = originals[name]
            tensor = tensors[original]
            mask = masks.get(original)
            return tensor if mask is None else tensor * tensors[mask]

        shapes = {
            name: self.checkpoint.shape(original)
            for name, original in originals.items()
        }
        part = replace(self.checkpoint, tensors=LazyTensors(shapes, read))
        return Candidate(path, part, originals, filled)

    def without_prefix(self) -> Candidate | None:
        """All tensors without what all names begin with, where no dot ends it."""
        names = list(self.originals)
        prefix = os.path.commonprefix(names)
        prefix = prefix[: max(prefix.rfind(mark) for mark in "_/:-|") + 1]
        if not prefix or len(names) < _FEWEST or prefix.rfind(".") >= 0:
            return None
        originals = {
            name.removeprefix(prefix): original
            for name, original in self.originals.items()
        }
        return self._of(prefix, originals)

    def start_of(self, candidate: Candidate) -> str:
        """What the names of a candidate begin with in the file."""
        name, original = next(iter(candidate.originals.items()))
        return original.removesuffix(name)

    def paths(self, below: str = "") -> Iterator[str]:
        """Paths one step below a path that hold enough tensors, largest first."""
        start = f"{below}." if below else ""
        counts: dict[str, int] = {}
        for name in self.originals:
            if name.startswith(start):
                head, dot, _ = name[len(start) :].partition(".")
                if dot:
                    counts[head] = counts.get(head, 0) + 1
        depth = start.count(".")
        for head in sorted(counts, key=lambda head: -counts[head]):
            # Numbers count the parts of one network, except for lists at the top.
            part = _FEWEST_OF_A_NUMBER if head.isdecimal() else _FEWEST_OF_A_NAME
            if head.isdecimal() and depth > 1:
                continue
            if counts[head] >= max(_FEWEST, part * len(self.originals)):
                yield start + head

    def average_of(self, path: str, network: Candidate) -> Candidate | None:
        """Averages under a path as a candidate, where they are of a network.

        Averages lack what is not trained, and some are written without the dots in
        their names; what they lack comes from the network itself.
        """
        found = self.candidate(path)
        if found is None:
            return None
        plain = {name.replace(".", ""): name for name in network.originals}
        originals = dict(network.originals)
        taken = set()
        ordered = _by_order(found, network)
        for name, original in found.originals.items():
            match: str | None = ordered.get(name, name)
            if match not in network.originals:
                match = plain.get(name)
            if match is None:
                match = _ending(name, network.originals)
            if match is None or self.checkpoint.shape(original) != (
                network.checkpoint.shape(match)
            ):
                return None
            originals[match] = original
            taken.add(match)
        lacking = tuple(name for name in originals if name not in taken)
        if 2 * len(lacking) > len(originals):
            return None
        return self._of(path, originals, lacking)


def _by_order(found: Candidate, network: Candidate) -> dict[str, str]:
    """Partners of averages that were kept as a list, in the order of parameters."""
    if not all(name.rpartition(".")[2].isdecimal() for name in found.originals):
        return {}
    trained = [
        name
        for name in network.originals
        if not re.search(r"_mean\.(weight|bias)$|\.running_(mean|var)$", name)
    ]
    if len(trained) != len(found.originals):
        return {}
    return dict(zip(found.originals, trained, strict=True))


def _ending(name: str, names: Mapping[str, str]) -> str | None:
    """A name without what wrapped its module, if that is one of the names."""
    for wrapper in ("module.", "model."):
        if name.startswith(wrapper) and name.removeprefix(wrapper) in names:
            return name.removeprefix(wrapper)
    for wrapper in ("module.", "model."):
        if wrapper + name in names:
            return wrapper + name
    return None


def stock_of(checkpoint: Checkpoint) -> Stock:
    """Clean the names of a checkpoint."""
    names = list(checkpoint.tensors)
    counters = tuple(
        name
        for name in names
        if _COUNTER.search(name) and _is_single(checkpoint.shape(name))
    )
    set_aside = set(counters)
    kept = [name for name in names if name not in set_aside]
    clean = {name: _WRAPPED.sub("", name) for name in kept}
    if len(set(clean.values())) != len(clean):  # two would have the same name
        clean = {name: name for name in kept}
    originals = {short: name for name, short in clean.items()}
    masks = {}
    for short in list(originals):
        base = short.removesuffix("_mask")
        if base != short and f"{base}_orig" in originals and base not in originals:
            masks[originals[f"{base}_orig"]] = originals.pop(short)
            originals[base] = originals.pop(f"{base}_orig")
    return Stock(checkpoint, originals, counters, masks)


def _is_single(shape: tuple[int, ...]) -> bool:
    return shape in ((), (1,))
