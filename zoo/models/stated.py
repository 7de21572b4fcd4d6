"""What a file says beside its tensors: the settings of its training.

Names and shapes leave hyper-parameters open, which families then assume as
published. Where a script wrote its settings into the file, or a module was pickled
whole with its attributes, those are facts and come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from zoo.models.base import Assumption, Recognition
from zoo.parsers.base import Checkpoint

__all__ = ["as_stated"]

# Words that scripts have for hyper-parameters of families.
_SYNONYMS: Final[Mapping[str, str]] = {
    "res_scale": "res_scale",
    "residual_scale": "res_scale",
    "residual_scaling": "res_scale",
    "rgb_range": "range",
}


def as_stated(recognition: Recognition, checkpoint: Checkpoint) -> Recognition:
    """Replace what was assumed by what the file's settings say.

    A setting counts only where the file says it once, or always the same.
    """
    said: dict[str, set[float]] = {}
    place: dict[str, str] = {}
    for path, value in (checkpoint.metadata.get("scalars") or {}).items():
        option = _SYNONYMS.get(path.rpartition(".")[2])
        if option and isinstance(value, (int, float)) and not isinstance(value, bool):
            said.setdefault(option, set()).add(float(value))
            place.setdefault(option, path)
    assumed = {item.option: item for item in recognition.assumptions}
    options, assumptions = dict(recognition.options), []
    for option, item in assumed.items():
        values = said.get(option, set())
        if len(values) != 1:
            assumptions.append(item)
            continue
        value = values.pop()
        options[option] = value
        reason = f"as the file says in {place[option]}"
        assumptions.append(Assumption(option, value, reason))
    return replace(recognition, options=options, assumptions=tuple(assumptions))
