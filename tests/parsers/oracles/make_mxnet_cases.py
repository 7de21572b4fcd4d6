"""Write mxnet_cases.npz: small networks by MXNet 1.9.1 (numpy 1.23.5), and what it makes of pictures.

Run where that is installed: python make_mxnet_cases.py
"""

import tempfile
from pathlib import Path

import numpy as np

np.bool = bool
import mxnet as mx

S = mx.sym
rng = np.random.default_rng(0)


def conv(x, n, k=3, p=1, **kw):
    return S.Convolution(x, kernel=(k, k), pad=(p, p), num_filter=n, **kw)


def cases():
    x = S.Variable("data")
    yield "convolution", conv(x, 6)
    yield (
        "unequal convolution",
        S.Convolution(
            x,
            kernel=(3, 5),
            pad=(1, 0),
            stride=(2, 1),
            dilate=(1, 1),
            num_filter=6,
            num_group=2,
            no_bias=True,
        ),
    )
    yield "dilated", conv(x, 3, p=2, dilate=(2, 2))
    yield (
        "deconvolution",
        S.Deconvolution(x, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=3),
    )
    yield (
        "deconvolution with bias",
        S.Deconvolution(
            x,
            kernel=(3, 3),
            stride=(2, 2),
            pad=(1, 1),
            adj=(1, 1),
            num_filter=4,
            num_group=2,
            no_bias=False,
        ),
    )
    yield (
        "activations",
        S.Activation(S.tanh(S.sigmoid(S.relu(x) + x)) * 2 - 1.3, act_type="softrelu"),
    )
    yield (
        "more activations",
        S.Activation(S.Activation(x, act_type="softsign"), act_type="sigmoid")
        + S.Activation(x, act_type="tanh")
        + S.Activation(x, act_type="relu"),
    )
    y = S.LeakyReLU(x, act_type="leaky", slope=0.1)
    y = S.LeakyReLU(y, act_type="elu", slope=0.3)
    yield "leaky", S.LeakyReLU(S.LeakyReLU(y, act_type="gelu"), act_type="selu")
    yield (
        "prelu",
        S.LeakyReLU(
            S.LeakyReLU(x, gamma=S.Variable("g4", shape=(4,)), act_type="prelu"),
            gamma=S.Variable("g1", shape=(1,)),
            act_type="prelu",
        ),
    )
    yield "clip", S.clip(x, -0.2, 0.3) + S.hard_sigmoid(x, alpha=0.3, beta=0.4)
    yield "scalars", 1.5 / (S.square(2.0 - (x * 3 + 1) / 2) + 1) ** 2.0 - x**2.0
    yield (
        "maximum",
        S.broadcast_maximum(x, S.abs(x) - 0.2)
        + S._internal._MinimumScalar(x, scalar=0.1)
        if hasattr(S._internal, "_MinimumScalar")
        else S.broadcast_maximum(x, S.abs(x) - 0.2),
    )
    yield (
        "unary",
        S.sqrt(S.abs(x) + 1) * S.exp(-x)
        + S.log(S.abs(x) + 2)
        + S.rsqrt(S.abs(x) + 1)
        + S.reciprocal(S.abs(x) + 1),
    )
    yield (
        "means",
        S.broadcast_add(
            S.broadcast_sub(x, S.mean(x, axis=(2, 3), keepdims=True)),
            S.broadcast_mul(
                S.sum(x, axis=1, keepdims=True), S.max(x, axis=(2, 3), keepdims=True)
            ),
        ),
    )
    yield "mean shift", S.broadcast_add(x, S.Variable("neg_mean", shape=(1, 4, 1, 1)))
    yield (
        "bias by reshape",
        S.broadcast_add(
            conv(x, 6, no_bias=True),
            S.Reshape(S.Variable("b", shape=(6,)), shape=(1, -1, 1, 1)),
        ),
    )
    yield (
        "batch norm",
        S.BatchNorm(
            S.BatchNorm(x, fix_gamma=False, eps=1e-3, name="bn0"),
            fix_gamma=True,
            eps=1e-2,
            name="bn1",
        ),
    )
    yield "instance norm", S.InstanceNorm(x, eps=1e-2)
    yield (
        "concat and split",
        S.Concat(
            *reversed(
                list(
                    S.SliceChannel(S.concat(x, S.relu(x), dim=1), num_outputs=4, axis=1)
                )
            ),
            dim=1,
        ),
    )
    yield (
        "sums",
        S.add_n(x, S.relu(x), S.tanh(x), S.sigmoid(x))
        - S.elemwise_mul(x, x)
        + S.elemwise_sub(x, S.relu(x)) / S.broadcast_div(x + 5, x + 4),
    )
    r = 2
    y = S.Reshape(conv(x, 12), shape=(0, -4, -1, r * r, 0, 0))
    y = S.Reshape(y, shape=(0, 0, -4, r, r, 0, 0))
    y = S.transpose(y, axes=(0, 1, 4, 2, 5, 3))
    yield "shuffle by reshape", S.Reshape(y, shape=(0, 0, -3, -3))
    yield (
        "depth to space",
        S.space_to_depth(S.depth_to_space(conv(x, 12), block_size=2), block_size=2),
    )
    yield "upsampling", S.UpSampling(x, scale=3, sample_type="nearest")
    yield (
        "bilinear",
        S.contrib.BilinearResize2D(x, scale_height=2, scale_width=2, mode="size"),
    )
    yield (
        "pads",
        S.Pad(
            S.Pad(
                S.Pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 3, 1)),
                mode="reflect",
                pad_width=(0, 0, 0, 0, 2, 1, 1, 2),
            ),
            mode="constant",
            pad_width=(0, 0, 0, 0, 1, 0, 0, 1),
            constant_value=0.4,
        ),
    )
    yield "no pad", S.Pad(x, mode="constant", pad_width=(0,) * 8)
    yield (
        "slices",
        S.slice_axis(
            S.slice(x, begin=(None, 1, 1, None), end=(None, None, -1, 5)),
            axis=1,
            begin=1,
            end=3,
        )
        + S.slice_axis(
            S.slice(x, begin=(0, 0, 1, 0), end=(1, 4, 7, 5)), axis=1, begin=-2, end=None
        ),
    )
    yield (
        "stepped slice",
        S.slice(
            x,
            begin=(None, None, None, None),
            end=(None, None, None, None),
            step=(None, None, 2, None),
        ),
    )
    yield "reverse", S.reverse(x, axis=1) + S.flip(x, axis=3)
    yield "slice like", S.slice_like(x, conv(x, 4, p=0), axes=(2, 3)) + conv(x, 4, p=0)
    yield (
        "crop",
        S.Crop(x, conv(x, 4, p=0), offset=(1, 2), num_args=2)
        + S.Crop(x, conv(x, 4, p=0), center_crop=True, num_args=2),
    )
    yield "crop to size", S.Crop(x, offset=(1, 2), h_w=(4, 3), num_args=1)
    g = S.Pooling(x, global_pool=True, pool_type="avg", kernel=(1, 1))
    f = S.Activation(S.FullyConnected(g, num_hidden=2), act_type="relu")
    f = S.sigmoid(S.FullyConnected(f, num_hidden=4, no_bias=True))
    yield "squeeze", S.broadcast_mul(x, S.Reshape(f, shape=(0, 0, 1, 1)))
    yield (
        "squeeze by convolution",
        S.broadcast_mul(x, S.sigmoid(conv(S.relu(conv(g, 2, 1, 0)), 4, 1, 0))),
    )
    yield (
        "expand",
        S.broadcast_mul(x, S.expand_dims(S.expand_dims(S.Flatten(g), axis=2), axis=3)),
    )
    yield (
        "adaptive",
        S.broadcast_mul(x, S.contrib.AdaptiveAvgPooling2D(x, output_size=(1, 1))),
    )
    yield (
        "pooling",
        S.Pooling(
            S.Pooling(
                x,
                kernel=(3, 3),
                stride=(2, 2),
                pool_type="max",
                pooling_convention="full",
            ),
            kernel=(2, 2),
            stride=(1, 1),
            pad=(1, 1),
            pool_type="avg",
        ),
    )
    yield (
        "pooling, other",
        S.Pooling(
            x,
            kernel=(3, 3),
            stride=(1, 1),
            pad=(1, 1),
            pool_type="avg",
            count_include_pad=False,
        ),
    )
    yield (
        "dropout and cast",
        S.identity(S.Cast(S.Dropout(x, p=0.5), dtype="float32")) + S.BlockGrad(x),
    )
    yield "loss", S.LinearRegressionOutput(conv(x, 2), S.Variable("label"))
    yield "two outputs", S.Group([conv(x, 2, name="first"), conv(x, 3, name="second")])


store = {}
for name, sym in cases():
    shape = (1, 4, 8, 6)
    kw = {"data": shape}
    if "label" in sym.list_arguments():
        kw["label"] = (1, 2, 8, 6)
    args, _, auxs = sym.infer_shape(**kw)
    values = {}
    for prefix, names, shapes in (
        ("arg", sym.list_arguments(), args),
        ("aux", sym.list_auxiliary_states(), auxs),
    ):
        for n, s in zip(names, shapes):
            if n in ("data", "label"):
                continue
            v = rng.normal(0, 0.3, s).astype("f4")
            if "var" in n or "gamma" in n:
                v = np.abs(v) + 0.5
            values[f"{prefix}:{n}"] = v
    x = rng.normal(0, 1, shape).astype("f4")
    ex = sym.simple_bind(mx.cpu(), grad_req="null", **kw)
    for n, v in values.items():
        k, n = n.split(":")
        (ex.arg_dict if k == "arg" else ex.aux_dict)[n][:] = v
    ex.arg_dict["data"][:] = x
    outs = [o.asnumpy() for o in ex.forward(is_train=False)]
    with tempfile.TemporaryDirectory() as d:
        mx.nd.save(
            d + "/p",
            {k: mx.nd.array(v) for k, v in values.items()}
            or {"arg:unused": mx.nd.zeros((1,))},
        )
        params = np.frombuffer(Path(d + "/p").read_bytes(), "u1")
    store[f"{name}|symbol"] = np.frombuffer(sym.tojson().encode(), "u1")
    store[f"{name}|params"] = params
    store[f"{name}|in"] = x
    for i, o in enumerate(outs):
        store[f"{name}|out{i}"] = o
np.savez_compressed(Path(__file__).with_name("mxnet_cases.npz"), **store)
