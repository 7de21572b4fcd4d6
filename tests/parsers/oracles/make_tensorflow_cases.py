"""Write tensorflow_cases.npz: small networks by TensorFlow 2.21, and what it makes of pictures.

Run where that is installed: python make_tensorflow_cases.py
"""

import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
rng = np.random.default_rng(0)


def w(*s):
    return tf.constant(rng.normal(0, 0.3, s).astype("f4"))


def prelu_abs(x, a):
    return tf.nn.relu(x) + a * (x - tf.abs(x)) * 0.5


def prelu_neg(x, a):
    return tf.nn.relu(x) - a * tf.nn.relu(tf.zeros_like(x) - x)


C = {}


def case(f):
    C[f.__name__] = f
    return f


@case
def convolutions(x):
    y = tf.nn.conv2d(x, w(3, 3, 4, 6), 1, "SAME") + w(6)
    y = tf.nn.conv2d(y, w(2, 4, 6, 5), 1, "SAME")
    y = tf.nn.bias_add(tf.nn.conv2d(y, w(3, 3, 5, 5), 2, "SAME"), w(5))
    return tf.nn.conv2d(y, w(1, 2, 5, 3), 1, [[0, 0], [1, 0], [2, 1], [0, 0]])


@case
def dilated(x):
    return tf.nn.conv2d(x, w(3, 3, 4, 6), 1, "SAME", dilations=2)


@case
def depthwise(x):
    return tf.nn.depthwise_conv2d(x, w(3, 3, 4, 2), [1, 1, 1, 1], "SAME")


@case
def transposed(x):
    y = tf.nn.conv2d_transpose(x, w(4, 4, 3, 4), [1, 16, 12, 3], 2, "SAME")
    return tf.nn.conv2d_transpose(y, w(3, 3, 5, 3), [1, 32, 24, 5], 2, "SAME")


@case
def transposed_small(x):
    return tf.nn.conv2d_transpose(x, w(1, 2, 3, 4), [1, 24, 18, 3], 3, "SAME")


@case
def transposed_valid(x):
    return tf.nn.conv2d_transpose(x, w(3, 3, 3, 4), [1, 17, 13, 3], 2, "VALID")


@case
def activations(x):
    return (
        tf.nn.relu6(x * 9)
        + tf.nn.leaky_relu(x, 0.1)
        + tf.nn.elu(x)
        + tf.nn.selu(x)
        + tf.sigmoid(x)
        + tf.tanh(x)
        + tf.nn.softplus(x)
        + tf.nn.softsign(x)
        + tf.nn.relu(x)
        + tf.math.erf(x)
    )


@case
def prelus(x):
    return prelu_neg(prelu_abs(x, w(4)), w(4))


@case
def arithmetic(x):
    y = (
        tf.square(x)
        + tf.sqrt(tf.abs(x) + 1) * tf.exp(-x)
        - tf.math.rsqrt(tf.abs(x) + 1)
    )
    y = (
        tf.maximum(y, 0.1) / tf.minimum(x, 5.0)
        + tf.math.squared_difference(x, y)
        + tf.math.log(tf.abs(x) + 2)
    )
    y = tf.add_n([y, x, tf.pow(tf.abs(x), 1.5), tf.math.reciprocal(tf.abs(x) + 1)])
    return tf.clip_by_value(tf.round(y * 8) / 8, -2.0, 3.0) + tf.math.floor(x)


@case
def shuffles(x):
    return tf.nn.space_to_depth(
        tf.nn.depth_to_space(tf.nn.conv2d(x, w(1, 1, 4, 12), 1, "SAME"), 2), 2
    )


@case
def transposes(x):
    return tf.transpose(tf.nn.depth_to_space(x, 2), [0, 3, 1, 2])


@case
def reshuffled(x):
    s = tf.shape(x)
    y = tf.reshape(x, [s[0], s[1], s[2], 2, 2, 1])
    return tf.reshape(
        tf.transpose(y, [0, 1, 3, 2, 4, 5]), [s[0], s[1] * 2, s[2] * 2, 1]
    )


@case
def pieces(x):
    a, b = tf.split(x, 2, axis=3)
    c, d, e = tf.split(x, [1, 2, 1], axis=-1)
    y = tf.concat([b, a, e, d, c], 3)
    y = y[:, 1:-1, ::2, 2:] + tf.strided_slice(
        y, [0, 1, 0, 0], [1, 7, 6, 6], [1, 1, 2, 1]
    )
    y = tf.slice(y, [0, 1, 0, 1], [-1, 4, 3, -1])
    z = tf.stack(tf.unstack(y, axis=3)[::-1], axis=3)
    return tf.concat([y, z], axis=3) + y[..., :1] + tf.expand_dims(y[..., 2], 3)


@case
def pads(x):
    y = tf.pad(x, [[0, 0], [1, 2], [3, 1], [0, 0]])
    y = tf.pad(y, [[0, 0], [2, 1], [1, 2], [0, 0]], "REFLECT")
    y = tf.pad(y, [[0, 0], [1, 1], [1, 2], [0, 0]], "SYMMETRIC")
    return tf.pad(y, [[0, 0], [1, 0], [0, 1], [0, 0]], constant_values=0.5)


@case
def resized(x):
    s = tf.shape(x)[1:3]
    y = v1.image.resize_nearest_neighbor(x, s * 2)
    y = v1.image.resize_bilinear(
        y, [32, 24], half_pixel_centers=True
    ) + v1.image.resize_bilinear(y, tf.shape(y)[1:3] * 2)
    return y + v1.image.resize_bilinear(x, [32, 24], align_corners=True)


@case
def resized_nn(x):
    return tf.image.resize(x, [16, 12], "nearest")


@case
def cubic(x):
    return v1.image.resize_bicubic(
        x, [16, 12], half_pixel_centers=True
    ) + v1.image.resize_bicubic(x, [16, 12])


@case
def pooled(x):
    y = tf.nn.max_pool2d(x, 2, 2, "SAME")
    y = y + w(4)
    return tf.nn.avg_pool2d(y, 3, 1, "SAME") + tf.nn.avg_pool2d(x, 2, 2, "VALID")


@case
def squeeze(x):
    y = tf.reduce_mean(x, [1, 2], keepdims=True)
    y = tf.nn.relu(tf.nn.conv2d(y, w(1, 1, 4, 2), 1, "SAME"))
    return x * tf.sigmoid(tf.nn.conv2d(y, w(1, 1, 2, 4), 1, "SAME"))


@case
def dense(x):
    y = tf.reduce_mean(x, [1, 2])
    y = tf.nn.relu(tf.matmul(y, w(4, 2)) + w(2))
    return x * tf.reshape(
        tf.sigmoid(tf.matmul(y, w(4, 2), transpose_b=True)), [-1, 1, 1, 4]
    )


@case
def read_variables(x):
    def r(*s):
        return tf.identity(tf.identity(w(*s), name="read"))

    y = tf.nn.depthwise_conv2d(x, r(3, 3, 4, 1), [1, 1, 1, 1], "SAME")
    return tf.nn.bias_add(
        tf.nn.conv2d_transpose(y, r(2, 2, 3, 4), [1, 16, 12, 3], 2, "SAME"), r(3)
    )


@case
def normalised(x):
    y, _, _ = v1.nn.fused_batch_norm(
        x, w(4), w(4), w(4), tf.abs(w(4)) + 0.5, epsilon=1e-3, is_training=False
    )
    m, v = tf.nn.moments(y, [1, 2], keepdims=True)
    return tf.nn.batch_normalization(y, m, v, w(4), w(4), 1e-3)


@case
def weight_norm(x):
    v = w(3, 3, 4, 5)
    return tf.nn.conv2d(x, tf.nn.l2_normalize(v, [0, 1, 2]) * w(5), 1, "SAME")


@case
def masked(x):
    return (
        tf.where(x > 0, x, x * 0.1)
        + tf.cast(tf.cast(x, tf.float16), tf.float32) * 0
        + tf.reverse(x, [3])
        + tf.gather(x, [3, 2, 1, 0], axis=3)
    )


@case
def tiled(x):
    return tf.tile(x, [1, 2, 1, 1]) + tf.broadcast_to(
        tf.reduce_max(x, [1, 2], keepdims=True), [1, 16, 6, 4]
    )


@case
def outputs(x):
    return [tf.nn.conv2d(x, w(1, 1, 4, 3), 1, "SAME"), tf.nn.relu(x)]


store = {}
for name, f in C.items():
    with tf.Graph().as_default() as g, v1.Session(graph=g) as s:
        x = v1.placeholder(tf.float32, [None, None, None, 4], name="input")
        ys = f(x)
        ys = ys if isinstance(ys, list) else [ys]
        ys = [tf.identity(y, name=f"out{i}") for i, y in enumerate(ys)]
        v = rng.normal(0, 1, (1, 8, 6, 4)).astype("f4")
        outs = s.run(ys, {x: v})
        gd = v1.graph_util.extract_sub_graph(
            g.as_graph_def(), [f"out{i}" for i in range(len(ys))]
        )
        store[f"{name}|graph"] = np.frombuffer(gd.SerializeToString(), "u1")
        store[f"{name}|in"] = v
        for i, o in enumerate(outs):
            store[f"{name}|out{i}"] = o
np.savez_compressed(Path(__file__).with_name("tensorflow_cases.npz"), **store)
