"""Arrays of any type, byte order and layout: right, or one error; on every back end."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.errors import PluginError, ShapeError, UsageError

CFG = """\
[net]
channels={channels}
color={color}
range={range}

[convolutional]
filters=8
size=3
pad=1
activation=relu

[convolutional]
filters={last}
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""
DTYPES = [
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "longdouble",
]
LAYOUTS = ("C", "F", "reversed", "strided", "readonly", "unaligned", "turned")


def load(tmp_path_factory, channels, backend, range_=1):
    cfg = tmp_path_factory.mktemp("arrays") / "net.cfg"
    color = "rgb" if channels == 3 else "y"
    cfg.write_text(
        CFG.format(channels=channels, color=color, last=4 * channels, range=range_)
    )
    try:
        net = zoo.load(cfg, backend=backend, threads=2)
    except PluginError as missing:
        pytest.skip(str(missing))
    net.network.initialize(3)
    return net


@pytest.fixture(scope="module", params=[1, 3])
def truth(request, tmp_path_factory):
    return load(tmp_path_factory, request.param, "numpy")


@pytest.fixture(scope="module", params=["native", "torch"])
def other(request, truth, tmp_path_factory):
    return load(tmp_path_factory, truth.network.pixels.channels, request.param)


def lay_out(image: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers, otherwise in memory."""
    match layout:
        case "F":
            return np.asfortranarray(image)
        case "reversed":
            return image[::-1, :, ::-1].copy()[::-1, :, ::-1]
        case "strided":
            wide = np.zeros((2 * image.shape[0], 3 * image.shape[1], image.shape[2]))
            wide = wide.astype(image.dtype)
            wide[::2, 1::3] = image
            return wide[::2, 1::3]
        case "readonly":
            image = image.copy()
            image.setflags(write=False)
            return image
        case "unaligned":
            raw = np.zeros(image.nbytes + 1, np.uint8)
            view = raw[1:].view(image.dtype).reshape(image.shape)
            view[...] = image
            return view
        case "turned":
            return image.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    return image


def picture(dtype: str, channels: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((7, 9, channels))
    values[0, 0], values[0, 1] = 0, 1  # black and white
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return values.astype(kind)
    top = np.iinfo(kind).max
    image = (values * float(top) * 0.999).astype(kind)
    image[0, 0], image[0, 1] = 0, top
    return image


@settings(deadline=None, max_examples=60)
@given(
    dtype=st.sampled_from(DTYPES),
    order=st.sampled_from("<>"),
    layout=st.sampled_from(LAYOUTS),
    as_float=st.booleans(),
)
def test_every_array_gives_the_same_on_every_back_end(
    truth, other, dtype, order, layout, as_float
):
    channels = truth.network.pixels.channels
    plain = picture(dtype, channels)
    image = lay_out(plain.astype(plain.dtype.newbyteorder(order)), layout)
    before = image.copy()
    expected = truth(plain, as_float=as_float)
    for net in (truth, other):
        result = net(image, as_float=as_float)
        np.testing.assert_array_equal(image, before)
        assert result.dtype == (np.float32 if as_float else image.dtype)
        scale = float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else 1
        # A halfway case may round either way; in 32 bits and more float32 is coarser.
        unit = 1 / scale if image.dtype.kind == "u" and not as_float else 0
        size = max(1.0, float(np.abs(expected.astype(np.float64) / scale).max()))
        np.testing.assert_allclose(
            result.astype(np.float64) / scale,
            expected.astype(np.float64) / scale,
            atol=size * (2e-3 if dtype == "float16" else 2e-6) + unit,
        )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_white_stays_white(tmp_path, dtype, backend):
    """A network that copies: white in 32 bits must not become 0."""
    cfg = tmp_path / "copy.cfg"
    cfg.write_text("[net]\nchannels=1\ncolor=y\n[upsample]\nstride=2\n")
    try:
        net = zoo.load(cfg, backend=backend)
    except PluginError as missing:
        pytest.skip(str(missing))
    top = np.iinfo(dtype).max
    for order in "<>":
        image = np.full((4, 4), top, np.dtype(dtype).newbyteorder(order))
        image[0, 0] = 0
        result = net(image)
        assert result.dtype == image.dtype
        np.testing.assert_array_equal(result, image.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), bool),
        np.zeros((4, 4), np.int16),
        np.zeros((4, 4), complex),
        np.zeros((4, 4), "datetime64[s]"),
        np.full((4, 4), "a"),
        np.full((4, 4), None),
        np.zeros((4, 4), "i4,f4"),
        [[1, 2], [3, 4]],
        np.ma.masked_equal(np.eye(4), 1),
        np.float32(3),
        np.zeros((0, 4)),
        np.zeros((1, 2, 3, 4, 5)),
    ],
    ids=lambda image: str(np.asarray(image).dtype) + str(np.shape(image)),
)
def test_what_is_no_picture_is_one_error(truth, image):
    with pytest.raises(ShapeError):
        truth(image)


def test_signed_integers_need_a_white(truth):
    image = np.full((4, 5, truth.network.pixels.channels), 100, np.int16)
    with pytest.raises(ShapeError, match="which value is white"):
        truth(image)
    result = truth(image, white=200)
    expected = truth(np.full(image.shape, 0.5, np.float32)) * 200
    np.testing.assert_allclose(result, np.rint(expected), atol=1)


@pytest.mark.parametrize("white", [0, -1, np.nan, np.inf, 1e300])
def test_white_is_a_number_above_0(truth, white):
    with pytest.raises(ShapeError, match="white"):
        truth(np.zeros((4, 4), np.float64), white=white)


def test_other_orders_of_axes_are_named(truth, tmp_path_factory):
    color = load(tmp_path_factory, 3, "numpy")
    with pytest.raises(ShapeError, match=r"3 x 30 x 40 looks like C x H x W.*moveaxis"):
        color(np.zeros((3, 30, 40), np.uint8))
    with pytest.raises(ShapeError, match=r"looks like N x C x H x W"):
        color(np.zeros((2, 3, 30, 40), np.uint8))
    with pytest.raises(ShapeError, match=r"N x H x W x 1 is expected"):
        color(np.zeros((5, 30, 40), np.uint8))
    with pytest.raises(ShapeError, match="alpha apart"):
        color(np.zeros((30, 40, 4), np.uint8))


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_is_refused_or_kept_where_it_is(tmp_path_factory, backend, dtype, value):
    net = load(tmp_path_factory, 3, backend)
    image = picture("float32", 3).astype(dtype)
    clean = net(image)
    image[3, 4, 1] = value
    with pytest.raises(ShapeError, match=r"1 pixels are NaN"):
        net(image)
    result = net(image, nan="keep")
    assert result.dtype == image.dtype
    bad = np.isnan(result).all(axis=2)
    assert bad[6:8, 8:10].all()
    assert bad.sum() == 4
    assert np.isfinite(result[~bad]).all()
    far = np.abs(np.arange(14)[:, None] - 7) > 7  # beyond the receptive field
    far = far | (np.abs(np.arange(18)[None, :] - 9) > 7)
    np.testing.assert_array_equal(result[far], clean[far])


def test_nothing_but_nan_is_kept_too(truth):
    shape = (4, 4, truth.network.pixels.channels)
    assert np.isnan(truth(np.full(shape, np.nan, np.float32), nan="keep")).all()
    too_large = np.zeros(shape)
    too_large[1, 1] = 1e300
    with pytest.raises(ShapeError, match="beyond float32"):
        truth(too_large)
    with pytest.raises(UsageError, match="nan="):
        truth(too_large, nan="zero")


def test_slices_are_no_colours(tmp_path_factory):
    net = load(tmp_path_factory, 3, "numpy")
    slices = picture("uint16", 3)
    apart = net(slices, channels="each")
    assert not np.array_equal(apart, net(slices))
    for index in range(3):
        np.testing.assert_array_equal(apart[..., index], net(slices[..., index]))
    five = net(picture("uint8", 5)[None], channels="each")
    assert five.shape == (1, 14, 18, 5)


def test_float16_that_cannot_hold_the_result(truth):
    image = np.full((4, 4, truth.network.pixels.channels), 60000, np.float16)
    image[1::2] = 0
    net = copy.deepcopy(truth)
    net[1].biases[...] += 2
    with pytest.raises(ShapeError, match="float16 ends at 65504"):
        net(image, white=60000)


def call(net: zoo.Model, image: np.ndarray) -> np.ndarray:
    return net(image)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_model_is_pickled_and_copied(tmp_path_factory, backend):
    net = load(tmp_path_factory, 3, backend)
    image = picture("uint8", 3)
    expected = net(image)  # its plan is there and stays behind
    for twin in (
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
        copy.copy(net),
    ):
        np.testing.assert_array_equal(twin(image), expected)
        assert twin.kernels.threads == net.kernels.threads
    twin = copy.deepcopy(net)
    twin[0].weights[...] += 1
    assert not np.array_equal(twin(image), expected)
    np.testing.assert_array_equal(net(image), expected)


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_model_in_a_pool_of_processes(tmp_path_factory, start):
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"the start method {start} is not there")
    net = load(tmp_path_factory, 3, None)
    images = [picture("uint8", 3, seed) for seed in range(4)]
    expected = [net(image) for image in images]
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        results = list(pool.map(call, [net] * 4, images, timeout=60))
    for result, right in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, right)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_model_in_several_threads(tmp_path_factory, backend):
    net = load(tmp_path_factory, 3, backend)
    images = [
        np.random.default_rng(seed).random((8 + seed % 3, 9, 3), np.float32)
        for seed in range(12)
    ]
    expected = [net(image) for image in images]
    net = copy.deepcopy(net)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(net, images * 4))
    for result, right in zip(results, expected * 4, strict=True):
        np.testing.assert_array_equal(result, right)
