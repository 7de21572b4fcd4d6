"""A network as a graph in ONNX's vocabulary: what readers of graphs return.

A reader of a container that holds a graph (ONNX, ncnn, TensorFlow, MXNet, Keras,
TFJS) only translates words: each operation of the file becomes one or a few
:class:`Node` with the operator, the order of inputs and the attributes that ONNX
defines, as of opset 20 unless :attr:`Graph.opset` says otherwise. It simplifies
nothing, folds nothing, and infers no shapes: :mod:`zoo.graphs.trace` does, for all
of them. How a reader hands it over: ``Checkpoint.graph`` is a function without
arguments that returns a :class:`Graph`, called only when no family knows the names.

What readers should know:

- **Axes are ONNX's**: Conv, ConvTranspose, pooling, Resize, DepthToSpace,
  SpaceToDepth, PRelu, BatchNormalization and InstanceNormalization take N, C, H, W;
  weights of Conv are O, I/g, kh, kw, those of ConvTranspose I, O/g, kh, kw. A
  container that has the channels last gets a Transpose before and one after each
  of them (:meth:`Graph.channels_first`, :meth:`Graph.channels_last`); Transpose,
  Reshape, Squeeze, Unsqueeze, Flatten and Identity cost nothing. Everything else is
  as in the file: Concat, Slice, Add, ReduceMean, Pad with the file's own axes.
- **Arguments are inputs where ONNX has inputs**: the axes of Squeeze, Unsqueeze and
  the Reduce family, starts, ends, axes and steps of Slice, pads of Pad, scales or
  sizes of Resize, low and high of Clip are values (:meth:`Graph.constant`, or
  computed from Shape). A missing input is "". Attributes are int, float, str, or
  tuples of these; a value's type never matters except for Cast, Div and Mod of
  integers, which round as ONNX says.
- **Arithmetic broadcasts** as NumPy does, aligned at the last axis.
- **Activations**: Relu, LeakyRelu(alpha=0.01), PRelu(x, slope), Sigmoid, Tanh, Clip,
  Elu, Selu, Softplus, Softsign, HardSigmoid, HardSwish, Mish, Gelu(approximate),
  Erf, Exp, Swish(alpha).
- **Words of our own**, with ``domain="zoo"``, for what ONNX says only in many nodes:

  ``CropLike(x, like; top, left)``
      Rows and columns of x (N, C, H, W), as many as like has, from (top, left);
      -1, -1 takes the middle.
  ``ResizeLike(x, like; mode, coordinate_transformation_mode, ...)``
      Resize of x to the rows and columns of like (N, C, H, W).
  ``Reshape(x; codes)``
      MXNet's Reshape: 0 copies a length, -1 infers one, -2 copies all that are
      left, -3 joins two, -4 splits one into the next two numbers.
  ``ReverseChannels(x)``
      Of N, C, H, W: the channels in the opposite order.

- **What has no translation** becomes a node with the file's own word and
  ``domain`` set to the container's name (``"tensorflow"``, ``"ncnn"``): it is
  reported with all others of its kind, once, by name and count. Do not raise for it.
- Nodes may be added in any order; names of values must be unique.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Graph", "GraphInput", "Node"]


class GraphInput(NamedTuple):
    """What the graph is fed with.

    Attributes
    ----------
    name : str
    shape : tuple of (int or None), or None
        Declared lengths of its axes, None for one that is open; None if the file
        declares nothing.
    dtype : str
        NumPy's name: float32, float16, uint8, ...
    layout : str
        Which axis is what: "NCHW", "NHWC", "CHW", "HWC"; "" if the file does not
        say, and the lengths must tell.
    """

    name: str
    shape: tuple[int | None, ...] | None = None
    dtype: str = "float32"
    layout: str = ""


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes
    ----------
    op : str
        ONNX's name of the operator ("Conv").
    inputs : tuple of str
        Names of values; "" for an optional one that is not given.
    outputs : tuple of str
        Names of the values it makes; "" for one that nobody reads.
    attributes : mapping of str to object
        int, float, str, tuples of these, ndarray, or :class:`Graph` (the branches
        of If).
    name : str
        The operation's name in the file, for messages.
    domain : str
        "" for ONNX's operators, "zoo" for those listed above, else foreign.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    domain: str = ""

    @property
    def title(self) -> str:
        """The operator, with its domain if it is foreign."""
        return f"{self.domain}::{self.op}" if self.domain else self.op

    def __str__(self) -> str:
        called = self.name or next(filter(None, self.outputs), "")
        return f"{self.title} {called[:80]!r}"


@dataclass
class Graph:
    """Operations, constants, inputs and outputs.

    Attributes
    ----------
    source : str
        The file, for messages.
    inputs : list of GraphInput
        What is fed at run time; constants are not among them.
    outputs : list of str
        Names of values, in the file's order.
    nodes : list of Node
        In any order.
    constants : dict of str to ndarray
        Weights and other fixed values, by the name of the value.
    origins : dict of str to str
        The name in the file of constants that are called otherwise here; several
        constants may come from one tensor.
    opset : int
        Version of ONNX's operators that the nodes speak.
    notes : list of str
        What the user should know of the file, one phrase each.
    """

    source: str
    inputs: list[GraphInput] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    opset: int = 20
    notes: list[str] = field(default_factory=list)
    _made: int = field(default=0, repr=False)

    # -- for readers -----------------------------------------------------------

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str = "",
        *,
        name: str = "",
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node with one output and return the output's name.

        Parameters
        ----------
        op : str
        inputs : sequence of str
        output : str, optional
            Name of the value it makes; by default a new one.
        name : str
            The operation's name in the file.
        domain : str
        **attributes
        """
        made = output or self.fresh(op)
        self.nodes.append(Node(op, tuple(inputs), (made,), attributes, name, domain))
        return made

    def constant(self, value: Any, name: str = "", origin: str = "") -> str:
        """Add a constant and return its name.

        Parameters
        ----------
        value : array_like
            Python integers become int64, floats float32.
        name : str, optional
            Name of the value; by default a new one.
        origin : str, optional
            The tensor of the file that it was made of, where the name differs.
        """
        array = np.asarray(value)
        if not isinstance(value, (np.ndarray, np.generic)) and array.dtype.kind == "f":
            array = array.astype(np.float32)
        made = name or self.fresh("constant")
        self.constants[made] = array
        if origin:
            self.origins[made] = origin
        return made

    def channels_first(self, value: str) -> str:
        """N, H, W, C to N, C, H, W: append the Transpose and return its output."""
        return self.add("Transpose", [value], perm=(0, 3, 1, 2))

    def channels_last(self, value: str, output: str = "") -> str:
        """N, C, H, W to N, H, W, C: append the Transpose and return its output."""
        return self.add("Transpose", [value], output, perm=(0, 2, 3, 1))

    def fresh(self, stem: str) -> str:
        """A name that no value has."""
        self._made += 1
        return f"{stem}/{self._made}#"
