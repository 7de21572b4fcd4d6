"""What a layer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from zoo.errors import ShapeError, WeightsError
from zoo.keys import Key
from zoo.plugins.base import Kernels
from zoo.program.operations import Operation
from zoo.shapes import Array, Shape

__all__ = ["INPUT", "Array", "Layer", "Optimizer", "Window"]

INPUT = -1
"""Index of the network's input among the sources of a layer."""


class Window(NamedTuple):
    """What one output pixel sees of a layer's input, along one axis.

    ``size`` input pixels, from one output pixel to the next ``stride`` input
    pixels further; ``scale`` output pixels are made from each input pixel.
    """

    size: float = 1
    stride: int = 1
    scale: int = 1


class Optimizer(Protocol):
    """What :meth:`Layer.update` needs of an optimizer."""

    def step(
        self, name: str, parameter: Array, gradient: Array, factor: float = 1.0
    ) -> None:
        """Change a parameter in place, at ``factor`` times the learning rate.

        ``name`` is stable over a training run.
        """


class Layer:
    """One layer of a network: keys, shape rule, forward, backward, update.

    Subclasses declare ``keys`` and override :meth:`output_shape` and
    :meth:`forward`; a layer with weights overrides :meth:`parameter_shapes`, one
    that can be trained :meth:`backward`. Arrays are float32 N x H x W x C.

    Parameters
    ----------
    **values
        Values of the declared keys, by attribute name; the others take their
        defaults. Each becomes an attribute.

    Raises
    ------
    TypeError
        If a value has no key, or a required key no value.
    ValueError
        If a value is out of its key's range.

    Attributes
    ----------
    parameters : dict of str to ndarray
        What training changes. Empty arrays until :meth:`build`.
    statistics : dict of str to ndarray
        What is stored with the parameters but not learned by gradients
        (rolling means of batch normalisation).
    gradients : dict of str to ndarray
        Made by :meth:`backward`, same keys and shapes as ``parameters``.
    frozen : bool
        Training leaves parameters and statistics as they are: ``dont_update=1``, or
        a layer from here on has ``stopbackward=1``. Statistics are then used as
        inference uses them.
    """

    summary: ClassVar[str] = ""
    """One line for ``zoo layers``."""
    is_output: ClassVar[bool] = False
    """Whether the layer is an output of its network though another one reads it."""
    mixes_batch: ClassVar[bool] = False
    """Whether the output of one picture depends on the others of its batch."""
    keys: ClassVar[tuple[Key, ...]] = ()
    """The cfg keys that this layer understands."""
    dialects: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Other defaults of keys (by attribute) in a dialect that [net] names."""

    def __init__(self, **values: Any) -> None:
        known = {key.attribute: key for key in self.keys}
        for attribute in values:
            if attribute not in known:
                raise TypeError(f"{type(self).__name__} has no key {attribute!r}")
        for attribute, key in known.items():
            if attribute not in values and key.required:
                raise TypeError(f"{type(self).__name__} needs the key {key.name!r}")
            value = values.get(attribute, key.default)
            if value is not key.default:  # which may stand outside of the range
                try:
                    key.check(value)
                except ValueError as error:
                    raise ValueError(f"{key.name}={value}: {error}") from None
            setattr(self, attribute, value)
        self.parameters: dict[str, Array] = {}
        self.statistics: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.frozen = bool(getattr(self, "dont_update", False))
        self._saved: Any = None
        """What a training ``forward`` keeps for ``backward``: see :meth:`_recall`."""

    # -- structure ---------------------------------------------------------

    def sources(self, index: int) -> tuple[int, ...]:
        """Indices of the layers that feed this one, if it stands at ``index``.

        INPUT, which is -1, is the network's. The default is the layer before.
        """
        return (index - 1,)

    def owner(self, index: int) -> int | None:
        """Index of the layer whose parameters this one uses, if it stands at ``index``.

        None, the default, for those that have their own.
        """
        return None

    def reads(self, index: int) -> tuple[int, ...]:
        """Those of :meth:`sources` whose values count, the first ones.

        Of the others only the shape does. What :meth:`lower` returns is given these.
        """
        return self.sources(index)

    @property
    def is_special(self) -> bool:
        """Whether its keys ask for what only its own forward does.

        Back ends and writers that rebuild the layers of its class leave this one alone.
        """
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output for inputs of the given shapes.

        Raises
        ------
        ShapeError
            If inputs of these shapes cannot be processed.
        """
        raise NotImplementedError

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Shapes of the learned parameters, by name, in the order of storage."""
        return {}

    def statistics_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Shapes of the stored statistics, by name."""
        return {}

    def lower(self, *inputs: Shape) -> Operation | None:
        """What a compiled plan does in place of :meth:`forward`.

        None, the default, lets the plan call forward itself.
        """
        return None

    def operations(self, *inputs: Shape) -> int:
        """Floating-point operations for one image, a multiply-add counting two."""
        return 0

    def window(self) -> tuple[Window, Window]:
        """What an output pixel sees of the input, along height and width."""
        return Window(), Window()

    # -- parameters --------------------------------------------------------

    def build(self, *inputs: Shape) -> None:
        """Allocate parameters (zeros) and statistics for inputs of these shapes."""
        self.parameters = {
            name: np.zeros(shape, np.float32)
            for name, shape in self.parameter_shapes(*inputs).items()
        }
        self.statistics = {
            name: np.zeros(shape, np.float32)
            for name, shape in self.statistics_shapes(*inputs).items()
        }

    def initialize(self, rng: np.random.Generator) -> None:
        """Fill the parameters with the values from which training starts."""

    @property
    def tensors(self) -> dict[str, Array]:
        """Parameters and statistics together, which is what a weights file holds."""
        return {**self.parameters, **self.statistics}

    @property
    def weights(self) -> Array:
        """The parameter named "weights".

        Raises
        ------
        WeightsError
            If the layer has none.
        """
        return self._parameter("weights")

    @property
    def biases(self) -> Array:
        """The parameter named "biases".

        Raises
        ------
        WeightsError
            If the layer has none.
        """
        return self._parameter("biases")

    def _parameter(self, name: str) -> Array:
        try:
            return self.parameters[name]
        except KeyError:
            raise WeightsError(
                f"the {type(self).__name__} layer has no {name}"
            ) from None

    @property
    def rate_factor(self) -> float:
        """What the learning rate is multiplied by here, the key ``learning_rate``."""
        return float(getattr(self, "learning_rate", 1.0))

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        """Compute the output.

        Parameters
        ----------
        *inputs : ndarray, float32, N x H x W x C
            One for each of :meth:`sources`; never written to.
        kernels : Kernels
            The back end that does the heavy work.
        training : bool
            Whether :meth:`backward` will follow: keep what it needs, use
            statistics of the batch. False must not change the layer, so that
            several threads may run one network.

        Returns
        -------
        ndarray, float32, N x H x W x C
            May be (a view of) an input.
        """
        raise NotImplementedError

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        """Propagate gradients back through the last training ``forward``.

        Parameters
        ----------
        delta : ndarray, the output's shape
            Gradient of the cost with respect to the output; not written to.
        kernels : Kernels
            The back end that does the heavy work.

        Returns
        -------
        tuple of ndarray
            Gradient with respect to each input, new arrays or (views of) delta: the
            network may add to what does not share memory with delta.
            ``self.gradients`` holds those with respect to the parameters.
        """
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def backward_parameters(self, delta: Array, *, kernels: Kernels) -> None:
        """As :meth:`backward` where nobody wants the gradients by the inputs."""
        self.backward(delta, kernels=kernels)

    def forget(self) -> None:
        """Drop what the last training ``forward`` kept for ``backward``.

        A layer that keeps it elsewhere than in ``_saved`` overrides this, or holds
        that memory until its next training ``forward``.
        """
        self._saved = None

    def _recall(self) -> Any:
        """What the last training ``forward`` put into ``_saved``.

        Raises
        ------
        RuntimeError
            If there was none, or :meth:`forget` came after it.
        """
        if self._saved is None:
            raise RuntimeError(
                f"the {type(self).__name__} layer has nothing to go back from; "
                f"call forward with training=True before backward"
            )
        return self._saved

    def update(self, optimizer: Optimizer, prefix: str = "") -> None:
        """Let an optimizer change every parameter by its gradient, in place."""
        factor = self.rate_factor
        for name, gradient in self.gradients.items():
            known = (f"{prefix}{name}", self.parameters[name], gradient)
            if factor == 1:  # which optimizers without factors can do as well
                optimizer.step(*known)
            else:
                optimizer.step(*known, factor)


def one_input(inputs: Sequence[Shape], layer: str) -> Shape:
    """Return the only input's shape, or raise ShapeError."""
    if len(inputs) != 1:
        raise ShapeError(f"{layer} takes one input, not {len(inputs)}")
    return inputs[0]


def window_output(
    length: int, size: int, stride: int, before: int, after: int, dilation: int = 1
) -> int:
    """Number of windows along one axis: floor((L + p - d(k-1) - 1) / s) + 1, or <= 0."""
    return (length + before + after - dilation * (size - 1) - 1) // stride + 1
