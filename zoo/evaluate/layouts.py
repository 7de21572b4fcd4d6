"""What names say of pictures: large or small, by how much, and of which picture.

Data sets come in many layouts. Their authors' names are read here and nowhere else:
DIV2K (``DIV2K_valid_HR``, ``DIV2K_valid_LR_bicubic/X2/0801x2.png``), EDSR-PyTorch
(``HR``, ``LR_bicubic/X2``), BasicSR (``GTmod12``, ``LRbicx2``; ``..._sub``), RCAN
(``HR/Set5/x2/baby_HR_x2.png``, ``LR/LRBI/Set5/x2/baby_LRBI_x2.png``), Huang et al.
(``image_SRF_2/img_001_SRF_2_HR.png``), ours (``x2/hr``, ``x2/lr``).
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal, NamedTuple

__all__ = [
    "Role",
    "Sign",
    "partner_stems",
    "plain_stem",
    "sign_of_file",
    "sign_of_path",
]

Role = Literal["high", "low"]

_HIGH = re.compile(
    r"hr|gt|gtmod\d*|high|highres|original|originals|groundtruth|target", re.IGNORECASE
)
_LOW = re.compile(
    r"lr|lq|lrbi|lrbic|lrbicx\d|lrbicubic|lrx\d|lrunknown|lrmild|lrwild|lrdifficult|low|lowres",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z]+\d*")
# X2, x2, SRF_2, LRbicx2, 2x
_SCALE = re.compile(
    r"(?:SRF_?|(?<![A-Za-z])x|(?<=bic)x|(?<=lr)x)(\d)(?!\d)", re.IGNORECASE
)
_STEM_SCALE = re.compile(r"(?<=[\w-])[_-]?x(\d)[mdw]?$", re.IGNORECASE)
_STEM_ROLE = re.compile(r"[_-](?:HR|LR|LRBI|GT|LQ)$", re.IGNORECASE)
_STEM_SRF = re.compile(r"[_-]SRF_?\d$", re.IGNORECASE)


class Sign(NamedTuple):
    """What a name says: role and enlargement, None where it does not."""

    role: Role | None = None
    scale: int | None = None


def sign_of_path(place: PurePath) -> Sign:
    """What the names of folders say; the deepest that says something counts."""
    role: Role | None = None
    scale: int | None = None
    for part in place.parts:
        found = _role(part)
        role = found or role
        number = _SCALE.search(part)
        if number is not None:
            scale = int(number[1])
    return Sign(role, scale)


def _role(name: str) -> Role | None:
    words = [word.lower() for word in _WORDS.findall(name)]
    # The last word that is one: DIV2K_valid_LR_bicubic, and LR/HR_again.
    for word in reversed(words):
        if _LOW.fullmatch(word):
            return "low"
        if _HIGH.fullmatch(word):
            return "high"
    return None


def sign_of_file(stem: str) -> Sign:
    """What a file's name says by its end: ``img_001_SRF_2_LR``, ``0801x2``."""
    number = _STEM_SCALE.search(stem)
    rest = stem[: number.start()] if number else stem
    scale = int(number[1]) if number else None
    found = _STEM_ROLE.search(rest)
    if found is None:
        return Sign(None, scale)
    srf = _SCALE.search(rest)
    if scale is None and srf is not None:
        scale = int(srf[1])
    return Sign("low" if found[0][1:].upper().startswith("L") else "high", scale)


def plain_stem(stem: str) -> str:
    """The name of the picture itself: without its role and scale."""
    rest = _STEM_SCALE.sub("", stem)
    rest = _STEM_ROLE.sub("", rest)
    return _STEM_SRF.sub("", _STEM_SCALE.sub("", rest))


def partner_stems(stem: str, scale: int) -> list[str]:
    """Stems that the small picture of a large one of this stem may have.

    The likeliest first: the same, DIV2K's ``0801x2`` (``0801x2m`` of its mild track),
    and those that name their role.
    """
    plain = plain_stem(stem)
    return list(
        dict.fromkeys(
            [
                stem,
                *(f"{plain}{end}" for end in ("", f"x{scale}", f"_x{scale}")),
                *(f"{plain}x{scale}{track}" for track in "mdw"),
                f"{plain}_LR",
                f"{plain}_LQ",
                f"{plain}_SRF_{scale}_LR",
                *(f"{plain}_{role}_x{scale}" for role in ("LR", "LRBI")),
            ]
        )
    )
