"""Which networks there are, and where their files lie.

A network is a cfg file. Those that ship lie in ``zoo/cfg``, their weights in
``zoo/weights``. A distribution that registers a family (``zoo.models``) may ship
networks too: as ``cfg/*.cfg`` and ``weights/*`` in its own top-level package,
where they are found without importing anything, and are named
``PACKAGE/STEM``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UnknownNetworkError, did_you_mean
from zoo.registry import OWN_DISTRIBUTION, distribution_of, registry

__all__ = [
    "CFG_FOLDER",
    "RUN_BEST",
    "RUN_CFG",
    "WEIGHT_SUFFIXES",
    "Entry",
    "cfg_of_weights",
    "find_cfg",
    "find_weights",
    "networks",
]

CFG_FOLDER = Path(__file__).parent / "cfg"
"""Where the networks are that ship with zoo."""

RUN_CFG, RUN_BEST = "model.cfg", "best.safetensors"
"""The network of a training run, and its best weights, in the run's folder."""

WEIGHT_SUFFIXES = (".safetensors", ".weights", ".npz")
"""Endings of files of weights, the preferred one first."""


_LONGEST_LINE = 4096


@dataclass(frozen=True)
class Entry:
    """A network that is installed.

    Attributes
    ----------
    name : str
        What commands take: ``edsr_x2``, or ``PACKAGE/STEM`` for a third party's.
    cfg : Path
    weights : Path or None
        The weights that come with it.
    distribution : str
        Who installed it.
    """

    name: str
    cfg: Path
    weights: Path | None
    distribution: str

    @property
    def family(self) -> str:
        """Name of the family that the file's name begins with; "" if none.

        A file with another name may say it in its first line: ``# edsr: ...``, which is
        what families write.
        """
        stem = self.cfg.stem.lower()
        known = [
            name
            for name in registry("zoo.models")
            if stem == name.rpartition("/")[2]
            or stem.startswith(name.rpartition("/")[2] + "_")
        ]
        return max(known, key=len, default="") or self._written_by

    @property
    def _written_by(self) -> str:
        with open(self.cfg, encoding="utf-8", errors="replace") as file:
            word = file.readline(_LONGEST_LINE).removeprefix("# ").partition(":")[0]
        return word if word in registry("zoo.models") else ""


def networks() -> list[Entry]:
    """All networks that are installed, zoo's own first, sorted by name."""
    own = [
        Entry(path.stem, path, find_weights(path), OWN_DISTRIBUTION)
        for path in _cfg_files(CFG_FOLDER)
    ]
    others = [
        Entry(f"{package}/{path.stem}", path, find_weights(path), distribution)
        for package, (distribution, folder) in sorted(_third_party_folders().items())
        for path in _cfg_files(folder)
    ]
    return own + others


def find_cfg(name_or_path: str | Path) -> Path:
    """Find a network's cfg file.

    Parameters
    ----------
    name_or_path : str or Path
        A file; the folder of a training run; or the name of a network that is
        installed, with or without ``.cfg``, in upper or lower case.

    Returns
    -------
    Path
        Of a file that exists.

    Raises
    ------
    UnknownNetworkError
        If there is no such file or network, with the nearest name that there is.
    """
    path = Path(name_or_path)
    wanted = str(name_or_path)
    if path.is_file():
        _require_no_picture(path)
        return path
    if (path / RUN_CFG).is_file():
        return path / RUN_CFG  # the folder of a training run
    if path.is_dir():
        raise UnknownNetworkError(
            f"{wanted} is a folder, and of no training run; give a cfg file or a "
            f"network's name"
        )
    key = wanted.lower().removesuffix(".cfg")
    # Most names are of this kind: it spares to look for the weights of all networks.
    own = CFG_FOLDER / f"{key}.cfg"
    if key == Path(key).name and own.is_file():
        return own
    known = {entry.name.lower(): entry for entry in networks()}
    if key in known:
        return known[key].cfg
    stems = {name.rpartition("/")[2] for name in known}
    hint = did_you_mean(Path(key).name, sorted(stems))
    what = "no cfg file" if _looks_like_path(wanted) else "no network and no cfg file"
    raise UnknownNetworkError(
        f"there is {what} {wanted!r}{hint} (`zoo list` shows the networks)"
    )


def _require_no_picture(path: Path) -> None:
    """Say that a picture stands where a network should, as in swapped arguments."""
    from zoo.formats import by_suffix

    if path.suffix != ".cfg" and by_suffix(path) is not None:
        raise UnknownNetworkError(
            f"{path} is a picture, not a network; the network comes first: "
            f"zoo COMMAND NETWORK {path}"
        )


def find_weights(cfg: str | Path) -> Path | None:
    """Find the weights that belong to a cfg file by their place and name.

    They have the stem of the cfg file and lie beside it; or, where the cfg lies
    in a folder ``cfg``, in the folder ``weights`` next to that one, as in zoo
    itself and in most projects that use Darknet. Links are followed, so that
    ``cfg/edsr_x2.cfg`` of a checkout finds ``zoo/weights``. Those of the network of a
    training run (``RUN/model.cfg``) are its best.

    Parameters
    ----------
    cfg : str or Path
        A cfg file.

    Returns
    -------
    Path or None
        A .safetensors, .weights or .npz file; None if there is none.
    """
    given = Path(cfg)
    real = given.resolve()
    if given.name == RUN_CFG and (given.parent / RUN_BEST).is_file():
        return given.parent / RUN_BEST
    folders = [given.parent, real.parent]
    folders += [folder.parent / "weights" for folder in folders if folder.name == "cfg"]
    for folder in folders:
        for suffix in WEIGHT_SUFFIXES:
            # Not with_suffix: a stem may hold dots, as in edsr_r16f64_x2.div2k.cfg.
            candidate = folder / f"{given.stem}{suffix}"
            if candidate.is_file():
                return candidate
    return None


def cfg_of_weights(weights: str | Path) -> Path | None:
    """Find the cfg file that weights belong to: :func:`find_weights` turned round.

    It lies beside them, with their stem; in the folder ``cfg`` next to their folder
    ``weights``; or is ``model.cfg`` of their training run. None if there is none.
    """
    given = Path(weights)
    name = f"{given.name.removesuffix(given.suffix)}.cfg"
    places = [given.with_name(name), given.parent.parent / "cfg" / name]
    if given.name == RUN_BEST:
        places.append(given.with_name(RUN_CFG))
    return next((place for place in places if place.is_file()), None)


def _cfg_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.cfg") if path.is_file())


def _looks_like_path(text: str) -> bool:
    return text.lower().endswith(".cfg") or any(mark in text for mark in "/\\")


def _third_party_folders() -> dict[str, tuple[str, Path]]:
    """Top-level packages of others' families: distribution and folder of cfg."""
    from importlib.util import find_spec

    found: dict[str, tuple[str, Path]] = {}
    for entry in registry("zoo.models").entries():
        package = entry.value.partition(":")[0].partition(".")[0].strip()
        if package in ("", "zoo") or package in found:
            continue
        try:
            # Of a top-level name, this finds the folder and imports nothing.
            spec = find_spec(package)
        except (ImportError, ValueError):
            continue
        for place in _places(spec.submodule_search_locations if spec else None):
            if (place / "cfg").is_dir():
                found[package] = (distribution_of(entry), place / "cfg")
                break
    return found


def _places(locations: list[str] | None) -> Iterator[Path]:
    return (Path(location) for location in locations or ())
