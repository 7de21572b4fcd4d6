"""PyTorch as a back end: whole networks on its CPU or GPU kernels, and training.

An extra (``torch``). What is run layer by layer runs in
NumPy, as everywhere; a network that is run or trained as a whole is handed to
PyTorch.

functions   the operations of a program on torch tensors
compiled    a program, run by PyTorch
layers      the layers on torch tensors, as they are trained
foreign     layers of third parties: their own forward and backward, on the CPU
module      a network as a ``torch.nn.Module``, with its layers' parameters
learner     training such a module
"""

from __future__ import annotations

from typing import Any

from zoo.errors import PluginError
from zoo.extras import how_to_install
from zoo.plugins.base import Precision
from zoo.plugins.numpy import NumpyKernels
from zoo.program.compiled import Cache, Compiled
from zoo.program.program import Program

__all__ = ["TorchKernels", "import_torch"]


class TorchKernels(NumpyKernels):
    """PyTorch on one device.

    Parameters
    ----------
    threads : int, optional
        See :class:`zoo.plugins.base.Kernels`; PyTorch's own setting is changed.
    device : str
        "cpu", "cuda", "cuda:1", ...

    Raises
    ------
    PluginError
        If PyTorch is not installed or has no such device.
    """

    name = "torch"
    has_devices = True

    def __init__(self, threads: int | None = None, device: str = "cpu") -> None:
        super().__init__(threads)
        torch = import_torch()
        try:
            self.device: Any = torch.device(device)
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).partition("\n")[0]
            raise PluginError(
                f"PyTorch {torch.__version__} has no device {device!r} here ({reason})"
            ) from None
        torch.set_num_threads(self.threads)

    @property
    def instruction_set(self) -> str:
        """PyTorch's version, and the device or the CPU's instruction set."""
        torch = import_torch()
        if self.device.type == "cuda":
            where = torch.cuda.get_device_name(self.device)
        elif self.device.type == "cpu":
            where = torch.backends.cpu.get_cpu_capability()
        else:
            where = str(self.device)
        return f"PyTorch {torch.__version__} ({where})"

    def compile(
        self,
        program: Program,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",  # "bf16" permits more; it is not used here
    ) -> Compiled:
        from zoo.torch.compiled import TorchProgram

        return TorchProgram(program, self.device, {} if cache is None else cache)

    def learner(self, network: Any, recipe: Any) -> Any:
        from zoo.torch.learner import TorchLearner

        return TorchLearner(network, recipe, self.device)


def import_torch() -> Any:
    """The package torch.

    Raises
    ------
    PluginError
        If it is not installed, or broken.
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        raise PluginError(
            f"the back end torch needs PyTorch ({error}); {how_to_install('torch')}"
        ) from None
    return torch
