"""Networks that are sent to workers, which keep them by their hash."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from zoo.errors import WeightsError
from zoo.run.files import NetworkFile

__all__ = ["anywhere", "keep", "packed", "placed"]

_MARK = "sent:"
_store: list[str] = []  # the folder of this process


def anywhere(network: NetworkFile) -> NetworkFile:
    """A network by absolute paths and its hash, for workers that see the same disk."""
    cfg, weights = network.cfg, network.weights
    if os.path.exists(cfg):
        cfg = os.path.abspath(cfg)
    if weights is not None:
        weights = os.path.abspath(weights)
    return replace(network, cfg=cfg, weights=weights, sha256=network.fingerprint())


def packed(
    networks: Sequence[NetworkFile],
) -> tuple[tuple[NetworkFile, ...], dict[str, dict[str, bytes]]]:
    """Networks to be sent, and their files by a hash and their names.

    Returns
    -------
    networks : tuple of NetworkFile
        That :func:`placed` finds where :func:`keep` was called.
    files : dict of str to dict of str to bytes
    """
    from zoo.checkpoints.cards import card_of

    sent, files = [], {}
    for network in networks:
        cfg, origin = network.find(), network.origin
        paths = [cfg]
        if origin is not None:
            paths += [Path(origin), *filter(None, [card_of(origin)])]
        group = {path.name: path.read_bytes() for path in paths}
        digest = sha256()
        for name, data in group.items():
            digest.update(name.encode() + b"\0" + sha256(data).digest())
        key = digest.hexdigest()
        files[key] = group
        weights = None if origin is None else f"{_MARK}{key}/{Path(origin).name}"
        sent.append(
            replace(
                network,
                cfg=f"{_MARK}{key}/{cfg.name}",
                weights=weights,
                settings=(),
                sha256=network.fingerprint(),
            )
        )
    return tuple(sent), files


def keep(files: Mapping[str, Mapping[str, bytes]], place: str | None = None) -> None:
    """Keep networks that were sent to this process; those of a known hash are there.

    ``place`` is where Dask lets a worker write, and cleans up after one that was killed.
    """
    if not _store:
        _store.append(tempfile.mkdtemp(prefix="zoo-networks-", dir=place))
        import atexit
        import shutil

        atexit.register(shutil.rmtree, _store[0], ignore_errors=True)
    for key, group in files.items():
        folder = Path(_store[0], key)
        if folder.exists():
            continue
        part = Path(tempfile.mkdtemp(dir=_store[0]))
        for name, data in group.items():
            (part / name).write_bytes(data)
        part.rename(folder)


def placed(network: NetworkFile) -> NetworkFile:
    """A network by the paths that it has in this process."""
    if not network.cfg.startswith(_MARK):
        return network
    cfg, weights = network.cfg, network.weights
    if not _store or not Path(_store[0], cfg.removeprefix(_MARK)).exists():
        raise WeightsError(f"the network {Path(cfg).name} was not sent to this worker")
    cfg = str(Path(_store[0], cfg.removeprefix(_MARK)))
    if weights is not None:
        weights = str(Path(_store[0], weights.removeprefix(_MARK)))
    return replace(network, cfg=cfg, weights=weights)
