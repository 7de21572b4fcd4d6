"""A file that holds a graph, as a network: translated, probed, and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checkpoints.assign import assign
from zoo.checkpoints.drawn import evaluate
from zoo.checkpoints.graph_probe import probed, smooth, told
from zoo.errors import ShapeError, UsageError, WeightsError
from zoo.graphs.graph import Graph
from zoo.graphs.picture_keys import Assumed
from zoo.graphs.translate import NORMALIZED, Translation, translate
from zoo.models.base import Assumption, Recognition, TensorUse
from zoo.network import Network
from zoo.parsers.cfg import write_cfg

__all__ = ["Translated", "agrees", "check_onnx", "translated"]

FAMILY = "graph"
"""What ``--family`` calls this way."""

_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Translated:
    """What a graph became.

    Attributes
    ----------
    network : Network
    text : str
        Its cfg.
    recognition : Recognition
    uses : tuple of TensorUse
    notes : tuple of str
    translation : Translation
    """

    network: Network
    text: str
    recognition: Recognition
    uses: tuple[TensorUse, ...]
    notes: tuple[str, ...]
    translation: Translation


def translated(
    graph: Graph, container: str, settings: Mapping[str, Any], cfg: Path
) -> Translated:
    """Translate a graph and give the network its weights.

    Parameters
    ----------
    graph : Graph
    container : str
        Name of the reader.
    settings : mapping of str to object
        What the graph does not say: :data:`zoo.graphs.translate.OPTIONS`, and values
        of inputs beside the picture.
    cfg : Path
        What the cfg will be called.

    Raises
    ------
    WeightsError
        If operators have no layer, or the network takes no size.
    UsageError
        If a setting is wrong or missing.
    """
    texts = {name: str(value) for name, value in settings.items()}
    made, text, network = _made(graph, texts, cfg)
    found = {} if "result" in texts else told(network, made)
    if found:
        given = {name: str(value) for name, value in found.items()}
        made, text, network = _made(graph, {**texts, **given}, cfg)
        for name, value in found.items():
            del made.stated[name]
            made.assumed.append(
                Assumed(name, value, "as a picture tells that was drawn for it")
            )
    recognition = Recognition(
        FAMILY,
        container,
        {**made.stated, **{item.option: item.value for item in made.assumed}},
        tuple(Assumption(a.option, a.value, a.reason) for a in made.assumed),
    )
    uses = tuple(TensorUse(*line) for line in made.uses)
    notes = (*made.notes, *probed(network, made))
    return Translated(network, text, recognition, uses, notes, made)


def _made(
    graph: Graph, settings: Mapping[str, str], cfg: Path
) -> tuple[Translation, str, Network]:
    made = translate(graph, settings)
    text = write_cfg(made.sections)
    network = Network.parse(text, str(cfg))
    assign(network, made.tensors, f"the graph in {graph.source}")
    return made, text, network


# -- running --------------------------------------------------------------------


def agrees(one: Network, other: Translated) -> bool:
    """Whether a family's network computes what the file's own graph computes.

    Both are given the same numbers. What the program does that a file was made for
    only the family knows: it may take the mean off the picture, or add the enlarged
    picture to the result.
    """
    if one.pixels.channels != other.network.pixels.channels:
        return False
    picture = smooth(other.translation, one.pixels.channels)
    picture = picture * np.float32(one.pixels.range)
    try:
        with np.errstate(all="ignore"):
            theirs = evaluate(other.network, picture)
            with_ends = evaluate(one, picture)
            without = one.forward(picture[None])[0]
    except (ShapeError, WeightsError):
        return False
    scale = theirs.shape[0] // picture.shape[0]
    forms = [theirs]
    if theirs.shape == (picture.shape[0] * scale, picture.shape[1] * scale, 3):
        forms.append(theirs + picture.repeat(scale, 0).repeat(scale, 1))
    span = max(float(np.ptp(theirs)), 1e-6)
    return any(
        ours.shape == form.shape
        and float(np.abs(ours - form).max()) <= _TOLERANCE * span
        for ours in (with_ends, without)
        for form in forms
    )


# -- onnxruntime ------------------------------------------------------------------


def check_onnx(path: Path, made: Translated) -> float:
    """Largest difference from onnxruntime, as a share of the range of the output.

    Raises
    ------
    UsageError
        If onnxruntime is not installed.
    WeightsError
        If it cannot run the file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UsageError(
            "--check compares with onnxruntime, which is not installed; "
            "`pip install cfgzoo[onnx]`"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.graph_optimization_level = level
    translation = made.translation
    margin = translation.margin
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        (fed_input,) = (
            item for item in session.get_inputs() if item.name == translation.fed
        )
    except Exception as error:  # noqa: BLE001 - whatever the runtime raises
        raise _not_run(path, error) from None
    sides = _stated_sides(fed_input.shape, translation.layout, margin)
    picture = smooth(translation, made.network.pixels.channels, sides)
    picture = picture * np.float32(made.network.pixels.range)
    mine = evaluate(made.network, picture)
    if margin:
        mode = made.recognition.options["pad"]
        borders = ((margin, margin), (margin, margin), (0, 0))
        kind: Any = {"zero": "constant"}.get(str(mode), mode)
        picture = np.pad(picture, borders, mode=kind)
    layout = translation.layout
    x = picture if layout.endswith("C") else picture.transpose(2, 0, 1)
    try:
        kind = {"tensor(float16)": "float16", "tensor(uint8)": "uint8"}.get(
            fed_input.type, "float32"
        )
        batch = (x if len(layout) == 3 else x[None]).astype(kind)
        fed = {translation.fed: np.ascontiguousarray(batch), **translation.others}
        (theirs,) = session.run([translation.output], fed)
    except Exception as error:  # noqa: BLE001 - whatever the runtime raises
        raise _not_run(path, error) from None
    wanted = theirs[0] if theirs.ndim == 4 else theirs
    if wanted.shape != mine.shape:
        wanted = wanted.transpose(1, 2, 0)
    if wanted.shape != mine.shape:
        raise WeightsError(
            f"{str(path)!r}: onnxruntime gives {'x'.join(map(str, wanted.shape))}, zoo "
            f"{'x'.join(map(str, mine.shape))}; this is a mistake in zoo"
        )
    wanted = wanted.astype(np.float64) * translation.gain
    if made.recognition.options.get("result") == NORMALIZED:
        pixels = made.network.pixels
        wanted = wanted * np.asarray(pixels.std) + np.asarray(pixels.mean)
    span = max(float(np.ptp(wanted)), 1e-6)
    return float(np.abs(wanted - mine).max()) / span


def _stated_sides(
    shape: Sequence[Any], layout: str, margin: int
) -> tuple[int | None, int | None]:
    """Height and width of the picture behind an input that states its shape."""
    sides = [
        side - 2 * margin if isinstance(side, int) and side > 2 * margin else None
        for side in (shape[layout.index(axis)] for axis in "HW")
    ]
    return sides[0], sides[1]


def _not_run(path: Path, error: Exception) -> WeightsError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return WeightsError(f"onnxruntime cannot run {str(path)!r}: {reason}")
