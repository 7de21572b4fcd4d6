"""What a network refuses, and how it says so; layer by layer forward."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import CfgError, ShapeError, UsageError, WeightsError
from zoo.network import Network
from zoo.parsers.cfg import Entry, Section, read_cfg
from zoo.plugins import select

DARKNET = Path(__file__).parents[1] / ".." / "shared" / "data" / "darknet"

HEAD = "[net]\nchannels=2\n"
CONV = "[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=linear\n"
SHUFFLE = "[convolutional]\nfilters=8\nsize=1\nactivation=linear\n[shuffler]\nscale=2\n"


def parse(text: str) -> Network:
    return Network.parse(text, "a.cfg")


# -- refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", r"^a\.cfg: there are no sections"),
        ("[convolutional]\n", r"^a\.cfg:1: the first section must be \[net\], not \[c"),
        ("[net]\n", r"^a\.cfg:1: there is no layer after \[net\]"),
        (HEAD + "[convolutionl]\n", r"^a\.cfg:3: there is no layer \[convolutionl\]; "),
        (HEAD + "[convolutionl]\n", r"did you mean \[convolutional\]\?"),
        (HEAD + CONV + "[net]\n", r"^a\.cfg:8: \[net\] comes once, as the first"),
        ("[net]\nchanels=2\n" + CONV, r"^a\.cfg:2: .*did you mean 'channels'"),
        ("[net]\nchannels=0\n" + CONV, r"^a\.cfg:2: .*channels=0: 0 is below 1"),
        ("[net]\nmean=1,2\n" + CONV, r"mean has 2 values for 3 channels"),
        ("[net]\nstd=0\n" + CONV, r"std must not be zero"),
        ("[net]\ncolor=y\n" + CONV, r"color=y needs channels=1, not 3"),
        (
            HEAD + "[convolutional]\nsize=x\n",
            r"^a\.cfg:4: .*size=x: 'x' is not a whole",
        ),
        (HEAD + "[convolutional]\nfiltres=4\n", r"^a\.cfg:4: .*mean 'filters'"),
        (HEAD + "[route]\n", r"^a\.cfg:3: .*\[route\] needs the key 'layers'"),
        # Cycles: itself, a later layer, one beyond the end.
        (HEAD + CONV + "[route]\nlayers=1\n", r"^a\.cfg:8: layer 1 .*reads layer 1,"),
        (HEAD + "[route]\nlayers=1\n" + CONV, r"^a\.cfg:3: .*no cycles"),
        (HEAD + CONV + "[shortcut]\nfrom=9\n", r"^a\.cfg:8: .*reads layer 9, which"),
        (
            HEAD + CONV + "[shortcut]\nfrom=0\n[route]\nlayers=-1,2\n",
            r"layer 2 .*cycles",
        ),
        # Before the first layer.
        (HEAD + CONV + "[route]\nlayers=-5\n", r"reads layer -4, which does not exist"),
    ],
)
def test_refused(text: str, what: str) -> None:
    with pytest.raises(CfgError, match=what):
        parse(text)


def test_no_sections_at_all() -> None:
    with pytest.raises(CfgError, match="no sections"):
        Network([])


def test_layers_that_do_not_fit() -> None:
    text = HEAD + CONV + "[convolutional]\ngroups=2\nfilters=2\n"
    with pytest.raises(CfgError, match=r"^a\.cfg:8: layer 1 \[convolutional\]: 3 chan"):
        parse(text)


def test_absurd_numbers_of_weights() -> None:
    one = "[convolutional]\nfilters=2147483647\nsize=9\npad=1\n"
    with pytest.raises(CfgError, match=r"^a\.cfg:3: layer 0 .*more than 2\^31"):
        parse(HEAD + one)
    many = "[net]\nchannels=65536\n" + "[convolutional]\nfilters=32767\n" * 9
    with pytest.raises(CfgError, match=r"^a\.cfg:5: layer 1 .*reaches \d+ weights"):
        parse(many)


def test_weights_that_depend_on_an_open_size() -> None:
    connected = "[connected]\noutput=3\n"
    with pytest.raises(
        CfgError, match=r"^a\.cfg:8: layer 1 .*depends on the picture; give height"
    ):
        parse(HEAD + CONV + connected)
    network = parse("[net]\nheight=4\nwidth=5\n" + CONV + connected)
    assert network[1].weights.shape == (3, 60)
    # Behind a global average the size no longer matters.
    assert parse(HEAD + CONV + "[avgpool]\n" + connected)[2].weights.shape == (3, 3)


def test_picture_too_small() -> None:
    network = parse(HEAD + "[convolutional]\nsize=5\nfilters=2\n").initialize()
    with pytest.raises(ShapeError, match=r"^a\.cfg:3: layer 0 \[convolutional\]: "):
        network.shapes(4, 9)
    with pytest.raises(ShapeError, match=r"^a\.cfg:3: layer 0 \[convolutional\]: "):
        network.forward(np.zeros((1, 4, 9, 2), np.float32), kernels=select("numpy"))
    assert network.shapes(5, 9)[0] == (1, 5, 2)


def test_array_of_the_wrong_kind() -> None:
    network = parse(HEAD + CONV).initialize()
    for shape in ((4, 4, 2), (1, 4, 4, 3)):
        with pytest.raises(ShapeError, match=r"takes N x H x W x 2 arrays, not "):
            network.forward(np.zeros(shape, np.float32), kernels=select("numpy"))


def test_no_weights_yet() -> None:
    network = parse(HEAD + CONV)
    assert not network.trained
    with pytest.raises(WeightsError, match="a.cfg has no weights yet"):
        network.forward(np.zeros((1, 4, 4, 2), np.float32), kernels=select("numpy"))
    # Nothing to be learned: ready at once.
    assert parse(HEAD + "[upsample]\nstride=2\n").trained


# -- structure -------------------------------------------------------------


def test_structure() -> None:
    network = parse(HEAD + CONV + "[conv]\nfilters=3\n[shortcut]\nfrom=-2\n" + SHUFFLE)
    assert len(network) == 5
    assert network.kinds == ["convolutional", "conv", "shortcut", "convolutional"] + [
        "shuffler"
    ]
    assert network.canonical_kinds[1] == "convolutional"
    assert network.sources == [(-1,), (0,), (1, 0), (2,), (3,)]
    assert network.shapes(5, 7)[-1] == (10, 14, 2)
    assert network.scale == 2
    assert network.operations(5, 7) == [2 * 35 * n for n in (54, 9, 0, 24, 0)]
    assert network.last_uses() == {-1: 0, 0: 2, 1: 2, 2: 3, 3: 4}
    assert list(network.tensors)[:3] == [
        "0.convolutional.weights",
        "0.convolutional.biases",
        "1.convolutional.weights",
    ]
    assert network.parameter_count == (3 * 3 * 2 * 3 + 3) + (9 + 3) + (24 + 8)
    assert network.where(2) == "a.cfg:10: layer 2 [shortcut]"
    assert parse("# x\n" + HEAD + CONV).fingerprint == parse(HEAD + CONV).fingerprint


def test_what_training_leaves_alone_is_no_part_of_the_fingerprint() -> None:
    frozen = CONV + "dont_update=1\nlearning_rate=0.5\nstopbackward=1\n"
    assert parse(HEAD + frozen).fingerprint == parse(HEAD + CONV).fingerprint
    assert parse(HEAD + CONV + "clip=1\n").fingerprint != parse(HEAD + CONV).fingerprint


def test_layers_up_to_a_stop_are_frozen() -> None:
    network = parse(HEAD + CONV + SHUFFLE + "stopbackward=1\n" + CONV)
    assert network.stop == 2
    assert [layer.frozen for layer in network] == [True, True, True, False]
    network.initialize()
    kernels = select("numpy")
    y = network.forward(
        np.ones((1, 4, 4, 2), np.float32), kernels=kernels, training=True
    )
    with pytest.raises(UsageError, match=r"layer 2 \[shuffler\] has stopbackward=1"):
        network.backward(y, kernels=kernels)
    network.backward_parameters(y, kernels=kernels)
    assert [bool(layer.gradients) for layer in network] == [False] * 3 + [True]


def test_variables_of_net() -> None:
    text = "[net]\nchannels=2\nfilters=5\n[conv]\nfilters=$filters\nsize=1\n"
    assert parse(text)[0].weights.shape == (1, 1, 2, 5)
    with pytest.raises(CfgError, match=r"^a\.cfg:3: \[net\] has no key 'filters'"):
        parse(text.replace("$filters", "5"))


# -- computation -----------------------------------------------------------


def test_forward_is_the_formula() -> None:
    """conv -> conv -> their sum -> beside the first -> pixel shuffle, by hand."""
    network = parse(
        HEAD + "[convolutional]\nfilters=2\nsize=1\nactivation=relu\n"
        "[convolutional]\nfilters=2\nsize=1\nactivation=linear\n"
        "[shortcut]\nfrom=-2\nalpha=0.5\nbeta=2\n"
        "[route]\nlayers=-1,0\n[shuffler]\nscale=2\n"
    ).initialize(3)
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 2)).astype(np.float32)
    first, second = network[0], network[1]
    a = np.maximum(x @ first.weights[0, 0] + first.biases, 0)
    b = a @ second.weights[0, 0] + second.biases
    both = np.concatenate([0.5 * b + 2 * a, a], axis=3)
    expected = np.empty((2, 6, 8, 1), np.float32)
    for channel in range(4):
        expected[:, channel // 2 :: 2, channel % 2 :: 2, 0] = both[..., channel]
    found = network.forward(x, kernels=select("numpy"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_layer_that_nobody_reads_is_an_output() -> None:
    network = parse(HEAD + CONV + "[route]\nlayers=0\n[route]\nlayers=0\n")
    network.initialize()
    x = np.ones((1, 4, 4, 2), np.float32)
    truth = parse(HEAD + CONV).initialize().forward(x, kernels=select("numpy"))
    for y in network.forward(x, kernels=select("numpy")):
        np.testing.assert_array_equal(y, truth)


def test_gradient_through_links() -> None:
    """Gradients of layers read twice add up: checked by finite differences."""
    network = parse(
        HEAD + "[convolutional]\nfilters=2\nsize=3\npad=1\nactivation=tanh\n"
        "[convolutional]\nfilters=2\nsize=1\nactivation=linear\n"
        "[shortcut]\nfrom=-2\n[route]\nlayers=-1,0\n"
    ).initialize(1)
    for layer in network:
        layer.parameters = {
            name: value.astype(np.float64) for name, value in layer.parameters.items()
        }
    rng = np.random.default_rng(0)
    x, delta = rng.standard_normal((1, 4, 5, 2)), rng.standard_normal((1, 4, 5, 4))
    kernels = select("numpy")
    network.forward(x, kernels=kernels, training=True)
    gradient = network.backward(delta, kernels=kernels)
    for index in ((0, 0, 0, 0), (0, 2, 3, 1), (0, 3, 4, 0)):
        costs = []
        for step in (1e-6, -1e-6):
            moved = x.copy()
            moved[index] += step
            costs.append((network.forward(moved, kernels=kernels) * delta).sum())
        numeric = (costs[0] - costs[1]) / 2e-6
        assert gradient[index] == pytest.approx(numeric, rel=1e-6, abs=1e-8)


# -- Darknet's own files ---------------------------------------------------


@pytest.mark.parametrize("lenient", [False, True])
def test_darknet_networks_of_known_layers(lenient: bool) -> None:
    """Files whose every layer exists here give Darknet's sizes."""
    for name, last in (
        ("extraction.conv.cfg", (1, 1, 1000)),
        ("resnext152-32x4d.cfg", (1, 1, 1000)),
    ):
        path = DARKNET / "cfg" / name
        if not path.exists():
            pytest.skip("the Darknet cfg files are not beside this checkout")
        sections = read_cfg(path, lenient=lenient)
        # Training's cost has no output; it is not a layer here.
        sections = [
            replace(s, kind="dropout", entries=()) if s.kind == "cost" else s
            for s in sections
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            network = Network(sections, lenient=lenient)
        assert network.shapes(*network.nominal_size)[-1] == last, name


# -- whatever comes --------------------------------------------------------

KINDS = ("convolutional", "shortcut", "route", "maxpool", "shuffler", "upsample")
NAMES = ("filters", "size", "stride", "from", "layers", "scale", "pad", "groups", "x")
VALUES = st.one_of(
    st.integers(-4, 9).map(str),
    st.sampled_from(("2147483647", "0", "-1,-2", "1,", "relu", "1e9", "65536", "")),
    st.text("0123456789,-. #$a", max_size=5),
)
SECTIONS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    ),
    max_size=5,
)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(sections=SECTIONS, lenient=st.booleans())
def test_any_cfg_is_a_network_or_a_cfg_error(
    sections: list[tuple[str, dict[str, str]]], lenient: bool
) -> None:
    text = HEAD + "".join(
        f"[{kind}]\n" + "".join(f"{key}={value}\n" for key, value in entries.items())
        for kind, entries in sections
    )
    try:
        network = Network.parse(text, "a.cfg", lenient=lenient)
    except CfgError as error:
        assert str(error).startswith("a.cfg:")
        assert "\n" not in str(error)
        return
    assert len(network) == len(sections)
    for shape in network.shapes(*network.nominal_size):
        assert min(shape) > 0


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=4))
def test_links_point_back_or_are_refused(links: list[int]) -> None:
    """Whatever a cfg says, every layer reads only earlier ones: no cycles."""
    sections = [Section("net", 1, (Entry("channels", "2", 2),), "a.cfg")]
    for line, link in enumerate(links, start=3):
        entries = (Entry("layers", str(link), line),)
        sections.append(Section("route", line, entries, "a.cfg"))
    try:
        network = Network(sections)
    except CfgError:
        return
    for index, sources in enumerate(network.sources):
        assert all(-1 <= source < index for source in sources)
