"""Write keras_cases.npz: small networks by Keras 3.15 and tf_keras 2, and what it makes of pictures.

Run where that is installed: python make_keras_cases.py
"""

import os
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf


def build(K, three):
    L = K.layers

    def shuffle_layer():
        class PixelShuffle(L.Layer):
            def __init__(self, scale=2, **kw):
                super().__init__(**kw)
                self.scale = scale

            def call(self, x):
                return tf.nn.depth_to_space(
                    x[0] if isinstance(x, list) else x, self.scale
                )

            def compute_output_shape(self, s):
                return (s[0], None, None, s[3] // self.scale**2)

            def get_config(self):
                return {**super().get_config(), "scale": self.scale}

        class MultiplyBeta(L.Layer):
            def __init__(self, beta=0.2, **kw):
                super().__init__(**kw)
                self.beta = beta

            def call(self, x):
                return x * self.beta

            def compute_output_shape(self, s):
                return s

            def get_config(self):
                return {**super().get_config(), "beta": self.beta}

        return PixelShuffle, MultiplyBeta

    PS, MB = shuffle_layer()
    C = {}

    def case(f):
        C[f.__name__] = f
        return f

    def model(f, ch=4):
        x = L.Input((None, None, ch))
        return K.Model(x, f(x))

    @case
    def esrgan():
        def f(x):
            y = L.Conv2D(6, 3, padding="same", activation="relu")(x)
            z = L.Conv2D(4, 3, padding="same")(L.Concatenate()([x, y]))
            y = L.Add()([MB(0.2)(z), x])
            y = L.UpSampling2D(2)(y)
            return L.Conv2D(3, 3, padding="same")(
                PS(2)(L.Conv2D(16, 3, padding="same", use_bias=False)(y))
            )

        return model(f)

    @case
    def convolutions():
        def f(x):
            y = L.Conv2D(6, (3, 5), strides=2, padding="same", activation="tanh")(x)
            y = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(y)
            y = L.SeparableConv2D(5, 3, padding="same", activation="sigmoid")(y)
            y = L.Conv2D(5, 3, dilation_rate=2, padding="same")(y)
            y = L.Conv2DTranspose(4, 4, strides=2, padding="same")(y)
            return L.Conv2D(3, 1, padding="valid", activation="elu")(y)

        return model(f)

    @case
    def activations():
        def f(x):
            ys = [
                L.Activation(a)(x)
                for a in (
                    "relu",
                    "sigmoid",
                    "tanh",
                    "softplus",
                    "softsign",
                    "selu",
                    "elu",
                    "swish",
                    "gelu",
                    "linear",
                )
            ]
            ys += [
                L.ReLU(6.0)(x),
                L.ReLU(negative_slope=0.1)(x),
                L.LeakyReLU(0.2)(x),
                L.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal")(x),
                L.ReLU()(x),
            ]
            return L.Concatenate()(
                [
                    L.Add()(ys[:3]),
                    *ys[3:],
                    L.Average()(ys[:2]),
                    L.Multiply()(ys[:3]),
                    L.Subtract()(ys[:2]),
                    L.Maximum()(ys[:3]),
                    L.Minimum()(ys[1:3]),
                ]
            )

        return model(f)

    @case
    def shapes():
        def f(x):
            y = L.ZeroPadding2D(((1, 2), (0, 3)))(x)
            y = L.Cropping2D(((1, 0), (2, 1)))(y)
            y = L.MaxPooling2D(2)(y)
            y = L.UpSampling2D((2, 3), interpolation="bilinear")(y)
            y = L.AveragePooling2D(3, strides=1, padding="same")(y)
            y = L.Conv2D(2, 1)(y)
            return L.Rescaling(1 / 255.0, offset=-0.5)(L.Dropout(0.4)(y))

        return model(f)

    @case
    def squeeze():
        def f(x):
            y = L.GlobalAveragePooling2D()(x)
            y = L.Reshape((1, 1, 4))(y)
            y = L.Dense(2, activation="relu")(y)
            y = L.Dense(4, activation="sigmoid", use_bias=False)(y)
            return L.Multiply()([x, y])

        return model(f)

    @case
    def normalised():
        return model(
            lambda x: L.BatchNormalization(center=False)(
                L.BatchNormalization(scale=False, epsilon=1e-2)(
                    L.BatchNormalization()(L.Conv2D(4, 3, use_bias=False)(x))
                )
            )
        )

    @case
    def sequential():
        return K.Sequential(
            [
                L.Input((None, None, 4)),
                L.Conv2D(5, 3, padding="same"),
                L.LeakyReLU(0.1),
                L.Conv2D(2, 3),
            ]
        )

    @case
    def nested():
        def inner():
            x = L.Input((None, None, 4))
            return K.Model(
                x,
                L.Add()([x, L.Conv2D(4, 3, padding="same", name="deep")(x)]),
                name="block",
            )

        block = inner()
        seq = K.Sequential(
            [L.Input((None, None, 4)), L.Conv2D(3, 1, name="last")], name="tail"
        )
        return model(lambda x: seq(block(x)))

    @case
    def shared():
        conv = L.Conv2D(4, 3, padding="same", activation="relu")
        return model(lambda x: L.Add()([conv(conv(x)), x]))

    @case
    def two_outputs():
        def f(x):
            return [L.Conv2D(3, 3, padding="same")(x), L.Conv2D(2, 1)(x)]

        return model(f)

    @case
    def grouped():
        return model(lambda x: L.Conv2D(6, 3, groups=2, padding="same")(x))

    if not three:

        @case
        def functions():
            def f(x):
                y = L.Conv2D(16, 3, padding="same")((x - 0.5) / 0.25)
                y = tf.nn.depth_to_space(tf.nn.leaky_relu(y, alpha=0.1), 2)
                y = tf.clip_by_value(tf.multiply(y, 0.3) + y * 2, -1.0, 1.5)
                return tf.tanh(tf.subtract(y, tf.nn.relu(y))) + tf.nn.sigmoid(y)

            return model(f)

    return C


store = {}


def run(K, label, three):
    rng = np.random.default_rng(0)
    for name, f in build(K, three).items():
        K.backend.clear_session()
        K.utils.set_random_seed(1)
        m = f()
        for wt in m.weights:
            v = rng.normal(0, 0.3, wt.shape).astype("f4")
            if "variance" in wt.name or "gamma" in wt.name:
                v = abs(v) + 0.5
            wt.assign(v)
        x = rng.normal(0, 1, (1, 8, 6, 4)).astype("f4")
        out = m.predict(x, verbose=0)
        outs = out if isinstance(out, list) else [out]
        with tempfile.TemporaryDirectory() as d:
            m.save(d + "/m.h5")
            store[f"{label}{name}|file"] = np.frombuffer(
                Path(d, "m.h5").read_bytes(), "u1"
            )
        store[f"{label}{name}|in"] = x
        for i, o in enumerate(outs):
            store[f"{label}{name}|out{i}"] = o


import keras

run(keras, "3 ", True)
try:
    import tf_keras

    run(tf_keras, "2 ", False)
except ImportError as e:
    print(e)
np.savez_compressed(Path(__file__).with_name("keras_cases.npz"), **store)
