"""Networks of zoo for the programs of their authors: state dicts in their names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.checkpoints.torch_file import write_state_dict
from zoo.errors import UsageError, ZooError
from zoo.models.network_family import NetworkFamily
from zoo.network import Network
from zoo.registry import registry

__all__ = ["save_original"]


def save_original(
    network: Network, cfg: Path, path: Path, metadata: Mapping[str, Any]
) -> str:
    """Write a network's weights under the names that its authors' program reads.

    Parameters
    ----------
    network : Network
        With weights.
    cfg : Path
        Its cfg, whose first comments say what ``zoo new`` wrote.
    path : Path
        A .pth file.
    metadata : mapping
        Of the weights: family and options, if they were converted.

    Returns
    -------
    str
        Which program that is, as a phrase.

    Raises
    ------
    UsageError
        If the network is none that a family with such a program writes.
    """
    family, options = _family_of(network, cfg, metadata)
    tensors = family.export(options, network.tensors)
    write_state_dict(path, tensors, family.export_key)
    return f"{family.name} with the names of {family.namings[0].name}"


def _family_of(
    network: Network, cfg: Path, metadata: Mapping[str, Any]
) -> tuple[type[NetworkFamily], dict[str, Any]]:
    """The family and the hyper-parameters that give this very network."""
    for name, options in (_converted(metadata), _commented(cfg)):
        if name not in registry("zoo.models"):
            continue
        family = registry("zoo.models").load(name)
        if not issubclass(family, NetworkFamily):
            continue
        try:
            values = family.complete(_parsed(family, options))
            same = Network.parse(family.write(**values)).fingerprint
        except ZooError:
            continue
        if same == network.fingerprint:
            return family, values
    raise UsageError(
        f"{str(cfg)!r} does not say of which family it is, or was changed since; its "
        f"first lines must be the comments that `zoo new` and `zoo convert` write"
    )


def _converted(metadata: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What the conversion that made the weights wrote down."""
    try:
        options = json.loads(str(metadata.get("options", "{}")))
    except ValueError:
        options = {}
    return str(metadata.get("family", "")), options if isinstance(options, dict) else {}


def _commented(cfg: Path) -> tuple[str, dict[str, Any]]:
    """What the comments at the top of a cfg say: name, title, paper, key=value ..."""
    name, options = "", {}
    for line in cfg.read_text("utf-8", "replace").splitlines():
        if not line.startswith("#"):
            break
        text = line.removeprefix("#").strip()
        if not name:
            name = text.partition(":")[0]
        words = [word.partition("=") for word in text.split()]
        if all(sign for _, sign, _ in words):
            options = {key: value for key, _, value in words}
    return name, options


def _parsed(family: type[NetworkFamily], options: Mapping[str, Any]) -> dict[str, Any]:
    """Values from text or from JSON, whose lists are no tuples."""
    table = {key.name: key for key in family.options}
    parsed = {}
    for name, value in options.items():
        if name not in table:
            raise UsageError(f"the family {family.name} has no option {name!r}")
        if value == "auto":
            value = ()
        elif isinstance(value, str):
            try:
                value = table[name].parse(value)
            except ValueError as error:
                raise UsageError(f"{name}={value}: {error}") from None
        parsed[name] = tuple(value) if isinstance(value, list) else value
    return parsed
