"""The cfg parser: strict, lenient as Darknet is, and never a stray exception."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import CfgError
from zoo.keys import REQUIRED, Key
from zoo.parsers.cfg import (
    Section,
    fingerprint,
    parse_cfg,
    read_cfg,
    read_values,
    write_cfg,
)

DARKNET = Path(__file__).parents[2] / ".." / "shared" / "data" / "darknet"
KEYS = (
    Key("filters", "int", 1, "number of filters", minimum=1),
    Key("pad", "bool", False, "whether to pad"),
    Key("activation", "str", "logistic", "what follows", choices=("linear", "relu")),
    Key("scales", "floats", (), "some factors"),
)
LINKS = (Key("from", "ints", REQUIRED, "layers to add", aliases=("index",)),)


def values(line: str, keys: tuple[Key, ...] = KEYS, **options: bool) -> dict:
    (section,) = parse_cfg(f"[layer]\n{line}\n", "a.cfg", **options)
    return read_values(section, keys, **options)


# -- text ------------------------------------------------------------------


def test_sections_entries_and_lines() -> None:
    text = (
        "\ufeff# top\r\n[net]\r\nwidth = 4  # four\r\n\r\n;old\r\n[ conv ] # c\r\na=b=c"
    )
    net, conv = parse_cfg(text, "a.cfg")
    assert (net.kind, net.line, net.source) == ("net", 2, "a.cfg")
    assert [(e.key, e.value, e.line) for e in net.entries] == [("width", "4", 3)]
    assert (conv.kind, conv.line) == ("conv", 6)
    assert [(e.key, e.value) for e in conv.entries] == [("a", "b=c")]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "a.cfg", "no sections"),
        ("# only\n", "a.cfg", "no sections"),
        ("width=3\n[net]", "a.cfg:1", "before the first section"),
        ("[net]\nwidth", "a.cfg:2", "neither"),
        ("[net]\nwidth=", "a.cfg:2", "no value"),
        ("[net]\nwidth= # 3", "a.cfg:2", "no value"),
        ("[net]\n=3", "a.cfg:2", "not the name of a key"),
        ("[net]\nwi dth=3", "a.cfg:2", "not the name of a key"),
        ("[net]\n\n[foo", "a.cfg:3", "no section"),
        ("[net]\n[]", "a.cfg:2", "no section"),
        ("[net]\n[a b]", "a.cfg:2", "no section"),
        ("[net]\n[a]]", "a.cfg:2", "no section"),
        ("[net]\n[a] x=3", "a.cfg:2", "no section"),
    ],
)
def test_strict_text_errors(text: str, where: str, what: str) -> None:
    with pytest.raises(CfgError, match=what) as caught:
        parse_cfg(text, "a.cfg")
    assert str(caught.value).startswith(f"{where}: ")


def test_hash_without_blank_is_no_comment() -> None:
    with pytest.raises(CfgError, match=r"a\.cfg:2: .*filters=32#x: '32#x' is not"):
        values("filters=32#x")


def test_variables() -> None:
    text = "[net]\nfilters=64\nskip=-3\n[conv]\nfilters=$filters\n[route]\nx=-1,$skip"
    net, conv, route = parse_cfg(text)
    assert conv.entries[0].value == "64"
    assert route.entries[0].value == "-1,-3"
    # What is used as a variable needs no declaration; the others still do.
    assert read_values(net, ()) == {}
    unused = parse_cfg("[net]\nfilters=64\n[conv]\nfilters=6")[0]
    with pytest.raises(CfgError, match="no key 'filters'"):
        read_values(unused, ())
    assert write_cfg([net, conv, route]).split() == text.split()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[net]\nwidth=1\n[a]\nb=$widht", r"<text>:4: \$widht .* mean \$width"),
        ("[net]\nwidth=1\n[a]\nb=$", r"<text>:4: \$ is not defined"),
        ("[net]\nwidth=$height\nheight=2", r"<text>:2: .*cannot use"),
        ("[a]\nb=1\n[c]\nd=$b", "not defined"),
    ],
)
def test_wrong_variables(text: str, what: str) -> None:
    with pytest.raises(CfgError, match=what):
        parse_cfg(text)


# -- values ----------------------------------------------------------------


def test_values_and_defaults() -> None:
    assert values("filters=3\nscales=.1, 2") == {
        "filters": 3,
        "pad": False,
        "activation": "logistic",
        "scales": (0.1, 2.0),
    }
    assert values("index=-3", LINKS) == {"from": (-3,)}


@pytest.mark.parametrize(
    ("line", "keys", "what"),
    [
        ("filtres=3", KEYS, "a.cfg:2: .*no key 'filtres'; did you mean 'filters'"),
        ("FILTERS=3", KEYS, "a.cfg:2: .*did you mean 'filters'"),
        ("zzz=3", KEYS, "a.cfg:2: .*it has filters, pad, activation, scales"),
        ("zzz=3", (), "a.cfg:2: .*it has none at all"),
        ("pad=1\npad=1", KEYS, "a.cfg:3: .*pad is already given in line 2"),
        ("from=1\nindex=1", LINKS, "a.cfg:3: .*index is another name of from.*line 2"),
        ("filters=x", KEYS, "a.cfg:2: .*filters=x: 'x' is not a.*number of filters"),
        ("filters=0", KEYS, "a.cfg:2: .*filters=0: 0 is below 1"),
        ("activation=reluu", KEYS, "a.cfg:2: .*did you mean relu"),
        ("# nothing", LINKS, "a.cfg:1: .*needs the key 'from'.*layers to add"),
    ],
)
def test_strict_value_errors(line: str, keys: tuple[Key, ...], what: str) -> None:
    with pytest.raises(CfgError, match=what):
        values(line, keys)


def test_error_names_the_line_of_a_key() -> None:
    (section,) = parse_cfg("[conv]\nsize=3\n\npad=1", "a.cfg")
    assert str(section.error("is odd", "pad")) == "a.cfg:4: [conv] is odd"
    assert str(section.error("is odd", "no")) == "a.cfg:1: [conv] is odd"


# -- Darknet's way ---------------------------------------------------------


def test_lenient_lexer() -> None:
    text = (
        "lost=1\n[n e t]\n w i d t h = 4 0 # x\nalone\nempty=\n=5\n; c\n # c\n"
        "[Gaussian_yolo]\nlayers = -1, 271 ###S4\n"
    )
    with pytest.warns(UserWarning) as caught:
        net, yolo = parse_cfg(text, "a.cfg", lenient=True)
    assert [str(w.message).split(": ")[0] for w in caught] == [
        f"a.cfg:{line}" for line in (1, 4, 5, 6)
    ]
    assert (net.kind, yolo.kind) == ("net", "Gaussian_yolo")
    assert [(e.key, e.value) for e in net.entries] == [("width", "40")]
    layers = Key("layers", "ints", REQUIRED, "layers")
    assert read_values(yolo, (layers,), lenient=True) == {"layers": (-1, 271)}


def test_lenient_values() -> None:
    with pytest.warns(UserWarning) as caught:
        found = values("filters=40#2\nfilters=3\nbeta=1\npad=2", lenient=True)
    assert found["filters"] == 40  # the first one wins
    assert found["pad"] is True
    messages = [str(w.message) for w in caught]
    assert len(messages) == 2
    assert messages[0].startswith("a.cfg:3: ")
    assert "'beta'" in messages[1]
    with pytest.raises(CfgError, match="did you mean relu"):
        values("activation=reluu", lenient=True)
    word = Key("activation", "str", "linear", "f", choices=("relu",), fallback="relu")
    with pytest.warns(UserWarning, match="as in Darknet, relu is taken"):
        assert values("activation=what", (word,), lenient=True)["activation"] == "relu"
    assert values("activation=relu#x", (word,), lenient=True)["activation"] == "relu"
    with pytest.raises(CfgError, match="needs the key 'from'"):
        values("#", LINKS, lenient=True)


def darknet_files() -> list[Path]:
    files = sorted((DARKNET / "cfg").rglob("*.cfg"))
    if not files:
        pytest.skip("the Darknet cfg files are not beside this checkout")
    return files


@pytest.mark.parametrize("lenient", [False, True])
def test_all_darknet_files_have_the_known_number_of_layers(lenient: bool) -> None:
    files = darknet_files()
    expected = json.loads((DARKNET / "expected.json").read_text())
    assert len(files) == len(expected) == 61
    for path in files:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sections = read_cfg(path, lenient=lenient)
        name = path.relative_to(DARKNET / "cfg").as_posix()
        layers = expected.get(name, expected.get(path.name))["layers"]
        assert len(sections) - 1 == layers, name
        assert sections[0].kind in ("net", "network")


def test_strict_and_lenient_agree_on_darknet_files() -> None:
    """Blanks aside; inline comments, which only three files have, are left out."""
    for path in darknet_files():
        strict = [
            (s.kind, [(e.key, "".join(e.value.split()), e.line) for e in s.entries])
            for s in read_cfg(path)
        ]
        lenient = [
            (s.kind, [(e.key, e.value, e.line) for e in s.entries])
            for s in read_cfg(path, lenient=True)
        ]
        assert strict == lenient, path.name


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "classes= 20\ntrain  = /a.txt\nnames = voc.names\nbackup = b\n",
            r"\.data file",
        ),
        ("aeroplane\nbicycle\ndining table\n", r"\.names file"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
            "Git LFS",
        ),
        ("\n<!DOCTYPE html>\n<html>\n[x]\n</html>", "page of HTML"),
        ("[net]\rwidth=3\r[conv]\r", "old Macs"),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_what_is_no_cfg_is_named(text: str, what: str, lenient: bool) -> None:
    with pytest.raises(CfgError, match=what):
        parse_cfg(text, "a.cfg", lenient=lenient)


# -- files -----------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_bytes(b"\xef\xbb\xbf[net]\r\nwidth=3\r\n")
    assert read_cfg(path)[0].entries[0].value == "3"
    with pytest.raises(CfgError, match="there is no file"):
        read_cfg(tmp_path / "b.cfg")
    with pytest.raises(CfgError, match="is a folder"):
        read_cfg(tmp_path)
    with pytest.raises(CfgError, match="cannot be read"):
        read_cfg("a\0b")
    path.write_bytes(b"[net]\n\0")
    with pytest.raises(CfgError, match="not a text file"):
        read_cfg(path)
    path.write_bytes(b"[net]\n# \xe9t\xe9\nwidth=3")
    with pytest.raises(CfgError, match=r"a\.cfg:2: byte 8 is not UTF-8"):
        read_cfg(path)
    assert read_cfg(path, lenient=True)[0].entries[0].value == "3"
    path.write_bytes(b"")
    with pytest.raises(CfgError, match="no sections"):
        read_cfg(path)
    with path.open("wb") as file:
        file.truncate(2**31)  # a hole; must not be read into memory
    with pytest.raises(CfgError, match="larger than 16 MiB"):
        read_cfg(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_text("[net]")
    path.chmod(0)
    with pytest.raises(CfgError, match="cannot be read: Permission denied"):
        read_cfg(path)


# -- writing and hashing ---------------------------------------------------


def test_write() -> None:
    text = write_cfg(
        [
            ("net", {"channels": 3, "mean": (114.444, 0.5), "denormalize": True}),
            ("acme/blur", [("scale", 0.1), ("from", [-1, 4])]),
            ("softmax", {}),
        ],
        comments=["EDSR\nx2", ""],
    )
    assert text == (
        "# EDSR\n# x2\n#\n\n"
        "[net]\nchannels=3\nmean=114.444,0.5\ndenormalize=1\n\n"
        "[acme/blur]\nscale=0.1\nfrom=-1,4\n\n[softmax]\n"
    )
    assert [s.kind for s in parse_cfg(text)] == ["net", "acme/blur", "softmax"]


@pytest.mark.parametrize("value", ["", "a\nb", " a", "a # b", "#a"])
def test_what_would_not_be_read_back_is_not_written(value: str) -> None:
    expected = value == "#a"  # a value like any other only after a key
    if expected:
        text = write_cfg([("net", {"a": value})])
        assert parse_cfg(text)[0].entries[0].value == value
        return
    with pytest.raises(ValueError, match="cannot be written"):
        write_cfg([("net", {"a": value})])
    with pytest.raises(ValueError, match="cannot be written"):
        write_cfg([("net", {value: 1})])


def test_darknet_files_survive_rewriting() -> None:
    for path in darknet_files():
        sections = read_cfg(path)
        again = parse_cfg(write_cfg(sections, comments=["rewritten"]))
        assert fingerprint(again) == fingerprint(sections), path.name


def test_fingerprint() -> None:
    base = fingerprint(parse_cfg("[net]\nwidth=3\nmean=1,2\n[conv]\n"))
    same = "# c\n[net]\n\nmean = 1, 2 # x\nwidth=3\n[ conv ]"
    assert fingerprint(parse_cfg(same)) == base
    assert len(base) == 64
    for other in (
        "[net]\nwidth=4\nmean=1,2\n[conv]\n",
        "[net]\nwidth=3\n[conv]\nmean=1,2\n",
        "[net]\nwidth=3\nmean=1,2\n[conv]\n[conv]",
        "[conv]\n[net]\nwidth=3\nmean=1,2\n",
    ):
        assert fingerprint(parse_cfg(other)) != base
    with_variable = "[net]\nn=3\n[conv]\nfilters=$n"
    literal = "[net]\nn=3\n[conv]\nfilters=3"
    assert fingerprint(parse_cfg(with_variable)) == fingerprint(parse_cfg(literal))


# -- whatever comes --------------------------------------------------------

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            (
                "[net]",
                "[layer]",
                "filters=3",
                "filters=$width",
                "width=$filters",
                "pad = 1 # x",
                "pad=2",
                "scales=1,2,",
                "activation=relu",
                "; c",
                "$",
                "=",
                "[",
                "[]",
            )
        ),
        st.text(max_size=20),
    ),
    max_size=12,
)


def read_everything(sections: list[Section], lenient: bool) -> None:
    for section in sections:
        read_values(section, KEYS, lenient=lenient)


COMMENTS = st.sampled_from(("", "", " # 86", "\t#x=[1", "  ## a,b"))
READABLE = st.builds(
    lambda blank, line, comment: blank + line + comment,
    st.sampled_from(("", " ", "\t ")),
    st.sampled_from(
        (
            "[layer]",
            "[ layer ]",
            "filters=3",
            "filters = 3",
            "pad=1",
            "pad = 0",
            "scales=1,2",
            "scales = 0.5, 2e1 , .3",
            "activation=relu",
            "activation = linear",
            "# filters=8",
            "; x",
            "",
        )
    ),
    COMMENTS,
)


@given(st.lists(READABLE, max_size=12), st.sampled_from(("\n", "\r\n")))
def test_lenient_reads_what_strict_reads(lines: list[str], end: str) -> None:
    """With the same values, and without a warning."""
    text = end.join(["[net]", *lines])

    def read(lenient: bool) -> list[object]:
        sections = parse_cfg(text, "a.cfg", lenient=lenient)
        return [
            fingerprint(sections),
            *((s.kind, read_values(s, KEYS, lenient=lenient)) for s in sections),
        ]

    try:
        strict = read(lenient=False)
    except CfgError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(lenient=True) == strict


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(LINES, st.sampled_from(("\n", "\r\n", "\r")), st.booleans())
def test_any_text_is_sections_or_a_cfg_error(
    lines: list[str], end: str, lenient: bool
) -> None:
    try:
        sections = parse_cfg(end.join(lines), "a.cfg", lenient=lenient)
        fingerprint(sections)
        read_everything(sections, lenient)
    except CfgError as error:
        assert str(error).startswith("a.cfg")


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None)
@given(data=st.binary(max_size=200), lenient=st.booleans())
def test_any_bytes_are_sections_or_a_cfg_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, lenient: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.cfg"
    path.write_bytes(data)
    try:
        read_everything(read_cfg(path, lenient=lenient), lenient)
    except CfgError as error:
        assert "any.cfg" in str(error)


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
VALUES = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(), min_size=1, max_size=4),
    st.from_regex(r"[a-z0-9#]([a-z #]?[a-z0-9,])*", fullmatch=True).filter(
        lambda text: " #" not in text
    ),
)


@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES, VALUES)), min_size=1))
def test_what_is_written_is_read_back(sections: list[tuple[str, dict]]) -> None:
    text = write_cfg(sections)
    found = parse_cfg(text)
    assert [s.kind for s in found] == [kind for kind, _ in sections]
    for section, (_, entries) in zip(found, sections, strict=True):
        assert [e.key for e in section.entries] == list(entries)
        for entry, value in zip(section.entries, entries.values(), strict=True):
            if isinstance(value, float):
                assert float(entry.value) == value
            elif isinstance(value, str):
                assert entry.value == value
    assert write_cfg(found) == text
