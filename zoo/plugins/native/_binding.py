"""The compiled kernels, checked to be those of this version of zoo."""

from __future__ import annotations

from zoo.errors import NotCompiledError, PluginError

try:
    # The form with "from" would blame a circular import for a missing file.
    import zoo.plugins.native._native as _native  # noqa: PLR0402
except ModuleNotFoundError as error:
    raise NotCompiledError(
        "the native kernels were not compiled (no C compiler when zoo was installed); "
        "install a C compiler and run `pip install -e .` in a checkout, or "
        f"`pip install --force-reinstall --no-cache-dir cfgzoo` ({error})"
    ) from error
except ImportError as error:
    raise PluginError(
        f"the native kernels do not load here ({error}); compile them again: "
        f"`pip install -e .` in a checkout, or "
        f"`pip install --force-reinstall --no-cache-dir cfgzoo`"
    ) from error

__all__ = ["_native"]

_BINDING = 8  # of _native.pyx

if getattr(_native, "BINDING", None) != _BINDING:
    raise PluginError(
        "the native kernels were compiled for another version of zoo; compile them "
        "again: `pip install -e .` in a checkout, or "
        "`pip install --force-reinstall --no-cache-dir cfgzoo`"
    )
