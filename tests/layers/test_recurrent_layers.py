"""[rnn], [gru], [lstm], [crnn], [conv_lstm], [history]: PyTorch's modules, and formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.engine import Plan
from zoo.errors import ShapeError
from zoo.layers.conv_lstm import ConvLstm
from zoo.layers.crnn import Crnn
from zoo.layers.gru import Gru
from zoo.layers.history import History
from zoo.layers.lstm import Lstm
from zoo.layers.rnn import Rnn
from zoo.network import Network
from zoo.plugins import select
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_gradients, check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)
STEPS, SEQUENCES = 3, 2
VECTOR = Shape(1, 1, 5)
PICTURE = Shape(5, 4, 2)

LAYERS: dict[str, tuple[type, dict[str, Any], Shape]] = {
    "rnn": (Rnn, {"output": 3, "hidden": 4, "activation": "tanh"}, VECTOR),
    "rnn of a picture": (Rnn, {"output": 3, "hidden": 4, "activation": "elu"}, PICTURE),
    "rnn with shortcut": (
        Rnn,
        {
            "output": 3,
            "hidden": 4,
            "activation": "tanh",
            "shortcut": True,
            "logistic": 1,
        },
        VECTOR,
    ),
    "gru": (Gru, {"output": 4}, VECTOR),
    "gru with tanh": (Gru, {"output": 4, "tanh": True}, VECTOR),
    "lstm": (Lstm, {"output": 4}, VECTOR),
    "crnn": (
        Crnn,
        {"output": 2, "hidden": 3, "pad": True, "activation": "tanh"},
        PICTURE,
    ),
    "crnn with shortcut and groups": (
        Crnn,
        {
            "output": 2,
            "hidden": 4,
            "pad": True,
            "activation": "elu",
            "shortcut": True,
            "groups": 2,
        },
        PICTURE,
    ),
    "conv_lstm": (ConvLstm, {"output": 3, "pad": True}, PICTURE),
    "conv_lstm with peepholes": (
        ConvLstm,
        {"output": 3, "pad": True, "peephole": True, "lstm_activation": "leaky"},
        PICTURE,
    ),
    "conv_lstm with a bottleneck": (
        ConvLstm,
        {"output": 2, "pad": True, "bottleneck": True, "activation": "tanh"},
        PICTURE,
    ),
    "conv_lstm that is constrained": (
        ConvLstm,
        {"output": 3, "pad": True, "state_constrain": 0.2},
        PICTURE,
    ),
    "history": (History, {"history_size": 3}, PICTURE),
}


@pytest.mark.parametrize("name", LAYERS)
def test_one_step_keeps_the_rules(name: str) -> None:
    """Gradients are for whole sequences: in one step the state's weights see zeros."""
    kind, values, shape = LAYERS[name]
    check_layer(kind(**values), [shape], gradient=False)


@pytest.mark.parametrize(
    ("name", "normalized"),
    [
        (name, normalized)
        for name, (kind, _, _) in LAYERS.items()
        for normalized in (False, True)
        if not (normalized and kind is History)  # which has no batch normalization
    ],
)
def test_gradients_through_time(name: str, normalized: bool) -> None:
    kind, values, shape = LAYERS[name]
    if normalized:
        values = {**values, "batch_normalize": True}
    layer = kind(**values, time_steps=STEPS)
    build_randomly(layer, [shape])
    inputs = random_inputs([shape], batch=STEPS * SEQUENCES)
    check_gradients(layer, inputs, samples=6, tolerance=2e-5)


def built(kind: type, values: dict[str, Any], shape: Shape) -> tuple[Any, Any]:
    layer = kind(**values, time_steps=STEPS)
    build_randomly(layer, [shape], seed=3)
    (x,) = random_inputs([shape], batch=STEPS * SEQUENCES, seed=4)
    return layer, x


def test_lstm_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    layer, x = built(Lstm, {"output": 4}, VECTOR)
    module = torch.nn.LSTM(VECTOR.channels, 4)
    t = {name: torch.from_numpy(array) for name, array in layer.parameters.items()}
    with torch.no_grad():  # PyTorch's order: input, forget, cell, output
        for name, gate in (("ih", "u"), ("hh", "w")):
            weights = torch.cat([t[f"{gate}{part}_weights"] for part in "ifgo"])
            getattr(module, f"weight_{name}_l0").copy_(weights)
            biases = torch.cat([t[f"{gate}{part}_biases"] for part in "ifgo"])
            getattr(module, f"bias_{name}_l0").copy_(biases)
        want = module(torch.from_numpy(x.reshape(STEPS, SEQUENCES, -1)))[0]
    got = layer.forward(x, kernels=KERNELS).reshape(STEPS, SEQUENCES, -1)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-5, atol=1e-6)


def test_rnn_without_its_output_is_pytorchs() -> None:
    """Darknet's state is a sum of two activations; linear ones are one of the sum."""
    torch = pytest.importorskip("torch")
    values = {"output": 3, "hidden": 4, "activation": "linear"}
    layer, x = built(Rnn, values, VECTOR)
    for tensor in layer.parameters.values():
        tensor *= 0.3
    module = torch.nn.RNN(VECTOR.channels, 4, nonlinearity="relu")
    p = {name: torch.from_numpy(array) for name, array in layer.parameters.items()}
    with torch.no_grad():
        module.weight_ih_l0.copy_(p["input_weights"])
        module.bias_ih_l0.copy_(p["input_biases"])
        module.weight_hh_l0.copy_(p["self_weights"])
        module.bias_hh_l0.copy_(p["self_biases"] + 100)  # above zero relu is linear
        states = module(torch.from_numpy(x.reshape(STEPS, SEQUENCES, -1)))[0]
    layer.parameters["self_biases"] += 100
    got = layer.forward(x, kernels=KERNELS).reshape(STEPS, SEQUENCES, -1)
    want = states.numpy() @ layer.parameters["output_weights"].T
    want += layer.parameters["output_biases"]
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-3)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def doubles(layer: Any) -> dict[str, np.ndarray]:
    return {name: tensor.astype(np.float64) for name, tensor in layer.tensors.items()}


@pytest.mark.parametrize("name", ["rnn", "rnn with shortcut"])
def test_rnn_is_its_formula(name: str) -> None:
    kind, values, shape = LAYERS[name]
    layer, x = built(kind, values, shape)
    p = doubles(layer)
    of_self = logistic if values.get("logistic") else np.tanh
    state, wanted = np.zeros((SEQUENCES, 4)), []
    for step in x.astype(np.float64).reshape(STEPS, SEQUENCES, -1):
        new = np.tanh(step @ p["input_weights"].T + p["input_biases"])
        new += of_self(state @ p["self_weights"].T + p["self_biases"])
        state = new + state if values.get("shortcut") else new
        wanted.append(np.tanh(state @ p["output_weights"].T + p["output_biases"]))
    got = layer.forward(x, kernels=KERNELS).reshape(STEPS, SEQUENCES, -1)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tanh", [False, True])
def test_gru_is_its_formula(tanh: bool) -> None:
    layer, x = built(Gru, {"output": 4, "tanh": tanh}, VECTOR)
    p = doubles(layer)

    def part(name: str, values: np.ndarray) -> np.ndarray:
        return values @ p[f"{name}_weights"].T + p[f"{name}_biases"]

    state, wanted = np.zeros((SEQUENCES, 4)), []
    for step in x.astype(np.float64).reshape(STEPS, SEQUENCES, -1):
        z = logistic(part("input_z", step) + part("state_z", state))
        r = logistic(part("input_r", step) + part("state_r", state))
        new = part("input_h", step) + part("state_h", state * r)
        new = np.tanh(new) if tanh else logistic(new)
        state = z * state + (1 - z) * new
        wanted.append(state)
    got = layer.forward(x, kernels=KERNELS).reshape(STEPS, SEQUENCES, -1)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_convolutional_layers_of_one_pixel_are_the_connected_ones() -> None:
    """A 1x1 window on one pixel: crnn becomes rnn, conv_lstm becomes lstm."""
    pairs = (
        (Crnn, Rnn, {"output": 3, "hidden": 4, "activation": "tanh"}),
        (ConvLstm, Lstm, {"output": 4}),
    )
    for convolutional, connected, values in pairs:
        a, x = built(convolutional, {**values, "size": 1}, VECTOR)
        b, _ = built(connected, values, VECTOR)
        for name, tensor in b.parameters.items():
            given = a.parameters[name]
            tensor[...] = given[0, 0].T if name.endswith("weights") else given
        np.testing.assert_allclose(
            a.forward(x, kernels=KERNELS), b.forward(x, kernels=KERNELS), rtol=1e-5
        )


def test_crnn_is_pytorchs_convolutions() -> None:
    torch = pytest.importorskip("torch")
    kind, values, shape = LAYERS["crnn"]
    layer, x = built(kind, values, shape)
    p = {name: torch.from_numpy(array) for name, array in layer.parameters.items()}

    def part(name: str, values: Any) -> Any:
        kernel = p[f"{name}_weights"].permute(3, 2, 0, 1)
        made = torch.nn.functional.conv2d(
            values, kernel, p[f"{name}_biases"], padding=1
        )
        return torch.tanh(made)

    state, wanted = torch.zeros(SEQUENCES, 3, *shape[:2]), []
    for step in torch.from_numpy(x).permute(0, 3, 1, 2).split(SEQUENCES):
        state = part("input", step) + part("self", state)
        wanted.append(part("output", state))
    got = layer.forward(x, kernels=KERNELS)
    want = torch.cat(wanted).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_conv_lstm_with_peepholes_is_its_formula() -> None:
    torch = pytest.importorskip("torch")
    values = {"output": 3, "pad": True, "peephole": True}
    layer, x = built(ConvLstm, values, PICTURE)
    p = {name: torch.from_numpy(array) for name, array in doubles(layer).items()}

    def part(name: str, values: Any) -> Any:
        kernel = p[f"{name}_weights"].permute(3, 2, 0, 1)
        return torch.nn.functional.conv2d(
            values, kernel, p[f"{name}_biases"], padding=1
        )

    h = c = torch.zeros(SEQUENCES, 3, *PICTURE[:2], dtype=torch.float64)
    wanted = []
    for step in torch.from_numpy(x).double().permute(0, 3, 1, 2).split(SEQUENCES):
        f = torch.sigmoid(part("wf", h) + part("uf", step) + part("vf", c))
        i = torch.sigmoid(part("wi", h) + part("ui", step) + part("vi", c))
        g = torch.tanh(part("wg", h) + part("ug", step))
        c = f * c + i * g
        o = torch.sigmoid(part("wo", h) + part("uo", step) + part("vo", c))
        h = o * torch.tanh(c)
        wanted.append(h)
    got = layer.forward(x, kernels=KERNELS)
    want = torch.cat(wanted).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_history_puts_earlier_pictures_beside() -> None:
    layer = History(history_size=3, time_steps=4)
    x = np.arange(8, dtype=np.float32).reshape(8, 1, 1, 1)  # two sequences
    got = layer.forward(x, kernels=KERNELS)[:, 0, 0]
    want = [
        *([0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 1, 0]),
        *([4, 2, 0], [5, 3, 1], [6, 4, 2], [7, 5, 3]),
    ]
    np.testing.assert_array_equal(got, want)


CFG = """
[net]
inputs=5
time_steps=4
[lstm]
output=6
[connected]
output=2
activation=linear
"""


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_plan_takes_whole_sequences(backend: str) -> None:
    network = Network.parse(CFG).initialize(1)
    assert network[0].time_steps == 4  # type: ignore[attr-defined]
    (x,) = random_inputs([VECTOR], batch=8)
    want = network.forward(x, kernels=KERNELS)
    try:
        kernels = select(backend)
    except Exception as error:  # noqa: BLE001
        pytest.skip(str(error))
    np.testing.assert_allclose(Plan(network, 1, 1, kernels)(x), want, rtol=1e-5)
    with pytest.raises(ShapeError, match="no whole number of sequences"):
        network.forward(x[:7], kernels=KERNELS)


def test_the_state_must_keep_its_size() -> None:
    with pytest.raises(ShapeError, match=r"state is 4x3x3 .* dialect=pjreddie"):
        Crnn(output=2, hidden=3).output_shape(Shape(6, 5, 2))


def test_pjreddies_crnn() -> None:
    network = Network.parse(
        "[net]\nheight=6\nwidth=5\nchannels=2\ndialect=pjreddie\n"
        "[crnn]\nhidden_filters=3\noutput_filters=4\nactivation=leaky\n"
    )
    assert network.shapes(6, 5) == [(6, 5, 4)]
    assert network[0].parameters["self_weights"].shape == (3, 3, 3, 3)
