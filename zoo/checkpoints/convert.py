"""Published checkpoints to a cfg and weights, with an account of every tensor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from zoo.checkpoints.files import (
    assign,
    load_weights,
    refuse_run_state,
    save_weights,
)
from zoo.checkpoints.graph_way import (
    FAMILY,
    Translated,
    agrees,
    check_onnx,
    translated,
)
from zoo.checkpoints.modules import check_modules
from zoo.checkpoints.original import save_original
from zoo.checkpoints.undecided import decide, open_options
from zoo.errors import PluginError, ReaderError, UsageError, WeightsError, ZooError
from zoo.files import atomic_write, refuse_existing
from zoo.models.base import Assumption, Family, Recognition, TensorUse
from zoo.models.candidates import Candidate, stock_of
from zoo.models.identify import Identified, identify
from zoo.models.stated import as_stated
from zoo.network import Network
from zoo.parsers.base import Checkpoint, Reader
from zoo.parsers.detect import NAMELESS, reader_of
from zoo.parsers.shards import checkpoint_in, refuse_lone_shard, settings_beside

__all__ = ["Converted", "Made", "convert", "make_network"]

Target = Literal["safetensors", "weights", "npz", "torch"]

_TOLERANCE: Final = 1e-3
"""Of the range of the result: what a check allows."""


@dataclass(frozen=True)
class Converted:
    """What a conversion did.

    Attributes
    ----------
    source : Path
    sha256 : str
        Of the source.
    format : str
        Name of the reader.
    recognition : Recognition or None
        None where the caller gave the cfg.
    parameter_count : int
    uses : tuple of TensorUse
        Every tensor of the source.
    notes : tuple of str
        What else was in the source.
    written : tuple of Path
        The cfg, unless the caller gave it, and the weights.
    """

    source: Path
    sha256: str
    format: str
    recognition: Recognition | None
    parameter_count: int
    uses: tuple[TensorUse, ...]
    notes: tuple[str, ...]
    written: tuple[Path, ...]

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Hyper-parameters that the source does not state."""
        return self.recognition.assumptions if self.recognition else ()

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        known = self.recognition
        return {
            "source": str(self.source),
            "sha256": self.sha256,
            "format": self.format,
            "family": known.family if known else None,
            "layout": known.layout if known else None,
            "options": dict(known.options) if known else {},
            "assumptions": [vars(assumption) for assumption in self.assumptions],
            "parameter_count": self.parameter_count,
            "tensors": [vars(line) for line in self.uses],
            "notes": list(self.notes),
            "written": [str(path) for path in self.written],
        }


def convert(
    source: str | Path,
    output: str | Path | None = None,
    *,
    family: str | None = None,
    state: str | None = None,
    options: Mapping[str, Any] | None = None,
    cfg: str | Path | None = None,
    to: Target = "safetensors",
    licence: str = "unknown",
    lenient: bool = False,
    force: bool = False,
    check: bool = False,
    header: int | None = None,
) -> Converted:
    """Convert a checkpoint.

    Without ``cfg``, a family recognises the checkpoint, or the graph that the file
    holds is translated, and a cfg and weights are written. With it, weights that fit this cfg (Darknet's, or zoo's own) are
    written in the other format.

    Parameters
    ----------
    source : str or Path
        A checkpoint of any format that a reader knows; its content decides. A folder
        with one checkpoint in it, as Hugging Face has them.
    output : str or Path, optional
        Path of what is written, without ending; by default the name of the
        source (or of the cfg), in the current folder.
    family : str, optional
        Ask only this family; "graph" translates the file's graph whoever knows it.
    state : str, optional
        Take only the tensors whose names begin so, where the file holds several
        networks.
    options : mapping of str to object, optional
        Hyper-parameters that the checkpoint does not state. Text is read as in
        a cfg.
    cfg : str or Path, optional
        The network that the weights belong to.
    to : {"safetensors", "weights", "npz", "torch"}
        Format of the weights that are written; torch is a .pth file for the
        authors' program, of a network with its ``cfg``.
    licence : str
        SPDX identifier of the weights' licence, which goes with them.
    lenient : bool
        Read ``cfg`` as Darknet does.
    force : bool
        Overwrite files that exist.
    check : bool
        Compare the network with onnxruntime before anything is written.
    header : {16, 20}, optional
        Bytes of the header of a .weights file, where its version does not tell.

    Returns
    -------
    Converted

    Raises
    ------
    ReaderError
        If the source is unreadable, damaged, hostile or of no known format.
    WeightsError
        If it is of no known family, or does not fit ``cfg``.
    UsageError
        If files exist, or arguments contradict the checkpoint or each other.
    """
    source = Path(source)
    if source.is_dir():
        source = checkpoint_in(source)
    refuse_lone_shard(source)
    if to not in get_args(Target):
        raise UsageError(
            f"weights are written as {', '.join(get_args(Target))}, not {to!r}"
        )
    if to == "torch" and cfg is None:
        raise UsageError(
            "--to torch writes the weights of a network of zoo; give its cfg (--cfg)"
        )
    if cfg is not None:
        if family is not None or state is not None or options:
            raise UsageError(
                "a cfg says all about its network; leave family, state and options out"
            )
        return _transcode(
            source, Path(cfg), output, to, licence, lenient, force, header
        )
    reader = reader_of(source)
    if reader.name in NAMELESS:
        raise UsageError(
            f"{str(source)!r} is a Darknet .weights file, which names no layers; "
            f"give the cfg that it belongs to (--cfg)"
        )
    target = _stem(source, output, reader)
    paths = (_with_ending(target, "cfg"), _with_ending(target, to))
    _refuse_existing(paths, source, force)
    checkpoint = _read(reader, source)
    made = make_network(
        source, checkpoint, family, state, options or {}, paths[0], check
    )
    digest = _sha256(source, *(checkpoint.metadata.get("files") or ()))
    # The cfg gets its name last: it is never without the weights made with it.
    with atomic_write(paths[0]) as cfg_file:
        cfg_file.write(made.text.encode())
        save_weights(
            made.network,
            paths[1],
            source=source.name,
            licence=licence,
            extra={
                "source.sha256": digest,
                "source.format": reader.name,
                "source.layout": made.recognition.layout,
                "family": made.recognition.family,
                "options": json.dumps(dict(made.recognition.options)),
                "assumed": json.dumps(
                    [item.option for item in made.recognition.assumptions]
                ),
            },
        )
    return Converted(
        source,
        digest,
        reader.name,
        made.recognition,
        made.network.parameter_count,
        made.uses,
        made.notes,
        paths,
    )


def _read(reader: type[Reader], source: Path) -> Checkpoint:
    """Read a checkpoint, and the settings that lie beside it."""
    checkpoint = reader.read(source)
    settings = settings_beside(source)
    if not settings:
        return checkpoint
    scalars = {**settings, **(checkpoint.metadata.get("scalars") or {})}
    return replace(checkpoint, metadata={**checkpoint.metadata, "scalars": scalars})


class Made(NamedTuple):
    """A network with its weights, and how it came about."""

    network: Network
    text: str
    recognition: Recognition
    uses: tuple[TensorUse, ...]
    notes: tuple[str, ...]


def make_network(
    source: Path,
    checkpoint: Checkpoint,
    family: str | None,
    state: str | None,
    options: Mapping[str, Any],
    cfg: Path,
    check: bool = False,
) -> Made:
    """Make the network: by a family, or from the graph that the file holds.

    A family goes first, since it knows what no graph says; but where the file's graph
    computes something else, the graph is right.
    """
    refuse_run_state(source, checkpoint.metadata)
    if "output" in options and checkpoint.graph is None:
        raise UsageError(
            f"{str(source)!r} holds names and no graph, so there are no outputs to "
            f"choose from; leave output={options['output']} out (-o STEM names what is "
            f"written)"
        )
    if family == FAMILY or (family is None and "output" in options):
        return _from_graph(source, checkpoint, options, cfg, check)
    if checkpoint.graph is None or family is not None:
        if check:
            raise UsageError(
                "--check compares a graph with onnxruntime; this is not an ONNX file "
                "translated as a graph"
            )
        try:
            found = identify(checkpoint, str(source), family, state)
        except WeightsError as error:
            # Of containers that can hold a graph: what to do that it does.
            missing = checkpoint.metadata.get("graph_missing")
            raise WeightsError(
                f"{error}; {missing}" if missing else str(error)
            ) from None
        return _by_family(source, checkpoint, found, options, cfg)
    try:
        found = identify(checkpoint, str(source), family, state)
    except (WeightsError, ReaderError, UsageError):
        return _from_graph(source, checkpoint, options, cfg, check)
    made = _by_family(source, checkpoint, found, options, cfg)
    try:
        graph = translated(checkpoint.graph(), checkpoint.format, {}, cfg)
    except (WeightsError, UsageError):
        return made
    if agrees(made.network, graph):
        if check:
            made = made._replace(notes=(*made.notes, _checked(source, graph)))
        return made
    made = _from_graph(source, checkpoint, options, cfg, check)
    disagreement = (
        f"its tensors are named as those of {found.family.name}, but its own graph "
        f"computes something else; the graph was translated"
    )
    return made._replace(notes=(disagreement, *made.notes))


def _from_graph(
    source: Path,
    checkpoint: Checkpoint,
    options: Mapping[str, Any],
    cfg: Path,
    check: bool,
) -> Made:
    if checkpoint.graph is None:
        missing = checkpoint.metadata.get("graph_missing")
        raise UsageError(
            f"{str(source)!r} holds no graph, only named tensors; "
            f"{missing or 'a family must know them'}"
        )
    made = translated(checkpoint.graph(), checkpoint.format, options, cfg)
    notes = made.notes
    if check:
        notes += (_checked(source, made),)
    return Made(made.network, made.text, made.recognition, made.uses, notes)


def _checked(source: Path, made: Translated) -> str:
    """Compare with onnxruntime, and say how near it is."""
    difference = check_onnx(source, made)
    if difference > _TOLERANCE:
        raise WeightsError(
            f"{str(source)!r}: the network differs from onnxruntime by "
            f"{difference:.2g} of the range of its result; nothing was written"
        )
    return f"onnxruntime agrees to {difference:.2g} of the range"


def _by_family(
    source: Path,
    checkpoint: Checkpoint,
    found: Identified,
    options: Mapping[str, Any],
    cfg: Path,
) -> Made:
    recognition = as_stated(found.recognition, checkpoint)
    values = _parse_options(found.family, recognition, options)
    recognition = recognition.override(values)
    # What neither the file nor the caller says.
    unsaid = tuple(
        item
        for item in found.recognition.assumptions
        if item in recognition.assumptions
    )
    recognition = decide(
        recognition,
        open_options(found.family, unsaid, found.candidate.checkpoint),
        lambda known: _build(found, known, cfg)[0],
    )
    network, text, uses = _build(found, recognition, cfg)
    check_modules(checkpoint, found.candidate, network, uses, str(source))
    uses = _in_file(uses, checkpoint, found.candidate)
    return Made(network, text, recognition, uses, found.notes)


def _build(
    found: Identified, recognition: Recognition, path: Path
) -> tuple[Network, str, tuple[TensorUse, ...]]:
    """The network with its weights, its cfg, and where every tensor went."""
    kind, checkpoint = found.family, found.candidate.checkpoint
    text = kind.write(**recognition.options)
    network = Network.parse(text, str(path))
    conversion = kind.tensors(checkpoint, recognition)
    listed = [line.tensor for line in conversion.uses]
    if sorted(listed) != sorted(checkpoint.tensors):
        lost = set(checkpoint.tensors).symmetric_difference(listed)
        raise PluginError(
            f"the family {kind.name} does not account for {sorted(lost)[:3]}; this is "
            f"a mistake in the family, not in the file"
        )
    assign(network, conversion.tensors, f"the {kind.name} in {path.stem}")
    return network, text, tuple(conversion.uses)


def _in_file(
    uses: tuple[TensorUse, ...], checkpoint: Checkpoint, candidate: Candidate
) -> tuple[TensorUse, ...]:
    """The uses by the names that the file has, with the counters it holds."""
    named = [replace(line, tensor=candidate.originals[line.tensor]) for line in uses]
    counters = [
        TensorUse(name, checkpoint.shape(name), "ignored", "counts something")
        for name in stock_of(checkpoint).counters
    ]
    return (*_quantized(checkpoint, named), *counters)


def _quantized(checkpoint: Checkpoint, uses: list[TensorUse]) -> list[TensorUse]:
    """Say of dequantized tensors what they were made of, and what was unreadable."""
    parts = checkpoint.metadata.get("dequantized") or {}
    lines = [
        replace(
            line,
            where=f"{line.where}; dequantized from {part['values']} "
            f"with its minimum and maximum ({part['mode']})",
        )
        if (part := parts.get(line.tensor))
        else line
        for line in uses
    ]
    unread = checkpoint.metadata.get("ignored") or {}
    return lines + [TensorUse(name, (), "ignored", why) for name, why in unread.items()]


def _transcode(
    source: Path,
    cfg: Path,
    output: str | Path | None,
    to: Target,
    licence: str,
    lenient: bool,
    force: bool,
    header: int | None,
) -> Converted:
    """Write the weights of a known cfg in another format."""
    from zoo.catalog import find_cfg

    reader = reader_of(source)
    if reader.name not in ("safetensors", "weights", "npz"):
        raise UsageError(
            f"{str(source)!r} is a {reader.name} checkpoint, whose family writes the "
            f"cfg; leave --cfg out"
        )
    cfg = find_cfg(cfg)
    target = _with_ending(_stem(source, output, reader), "pth" if to == "torch" else to)
    _refuse_existing((target,), source, force)
    network = Network.read(cfg, lenient=lenient)
    loaded = load_weights(network, source, header=header)
    network.require_weights()
    digest = _sha256(source)
    known = loaded.metadata
    notes = [f"the network is {cfg}"]
    if to == "weights":
        save_weights(network, target)
    elif to == "torch":
        notes.append(save_original(network, cfg, target, known))
    else:
        kept = {
            key: value
            for key, value in known.items()
            if not key.startswith("zoo.") and key not in ("license", "source")
        }
        save_weights(
            network,
            target,
            source=str(known.get("source", source.name)),
            licence=licence if licence != "unknown" else known.get("license", licence),
            extra={**kept, "source.sha256": known.get("source.sha256", digest)},
        )
    uses = tuple(
        TensorUse(entry.origin, entry.shape, "stored", entry.tensor) for entry in loaded
    )
    return Converted(
        source,
        digest,
        reader.name,
        None,
        network.parameter_count,
        uses,
        tuple(notes),
        (target,),
    )


def _sha256(path: Path, *more: str) -> str:
    """Of a file, followed by others of its folder where it is in several files."""
    digest = hashlib.sha256()
    for part in (path, *(path.parent / name for name in more)):
        with open(part, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


# -- names of files and values ---------------------------------------------


def _stem(source: Path, output: str | Path | None, reader: type[Reader]) -> Path:
    """Path of what is written, without ending."""
    if output is not None:
        text = str(output)
        for ending in (".cfg", ".safetensors", ".weights", ".npz", ".pth"):
            text = text.removesuffix(ending)
        stem = Path(text)
        if text.endswith(("/", "\\")) or stem.name in ("", ".."):
            raise UsageError(f"{str(output)!r} is no name for files; give one")
        return stem
    endings = [suffix for suffix in reader.suffixes if source.name.endswith(suffix)]
    longest = max(endings, key=len, default=source.suffix)
    return Path(source.name.removesuffix(longest) or source.name)


def _with_ending(stem: Path, ending: str) -> Path:
    # Not with_suffix: a stem may hold dots.
    return stem.with_name(f"{stem.name}.{ending}")


def _refuse_existing(paths: tuple[Path, ...], source: Path, force: bool) -> None:
    for path in paths:
        if not path.exists():
            continue
        if path.samefile(source):
            raise UsageError(
                f"{str(path)!r} would overwrite the source; give another name (-o)"
            )
        if not force:
            refuse_existing(path)
        if path.is_dir():
            raise ZooError(f"{str(path)!r} is a folder; give another name (-o)")


def _parse_options(
    family: type[Family], recognition: Recognition, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Values of options; text is read as in a cfg, and checked either way."""
    table = {key.name: key for key in family.options}
    values = dict(given)
    for name, value in given.items():
        if name in table and isinstance(value, str):
            try:
                values[name] = table[name].parse(value)
            except ValueError as error:
                raise UsageError(
                    f"{name}={value}: {error} ({name}: {table[name].meaning})"
                ) from None
    complete = family.complete({**recognition.options, **values})
    return {name: complete[name] for name in values}
