"""Build of the C extensions; everything else is in setup.cfg.

They are optional: where there is no compiler, or no Cython, zoo
installs without them, runs on the NumPy back end (``zoo info`` says so) and leaves
PNG to OpenCV.

Each instruction set has a file of its own that switches it on for itself
(``isa_*.c``), so nothing here depends on the machine that compiles.
"""

import os
import sys
from glob import glob

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    extensions = []
else:
    folder = "zoo/plugins/native"
    generated = f"{folder}/_native.c"
    windows = sys.platform == "win32"
    # Sums stay in the order of the text (no -ffast-math: NaN and infinity must
    # pass), but a * b + c may be one instruction.
    flags = (
        ["/O2", "/std:c11"]
        if windows
        else [
            "-O3",
            "-g0",
            "-std=gnu11",
            "-fno-math-errno",
            "-fno-trapping-math",
            "-ffp-contract=fast",
            "-pthread",
        ]
    )
    native = Extension(
        "zoo.plugins.native._native",
        sources=[
            f"{folder}/_native.pyx",
            *sorted(set(glob(f"{folder}/*.c")) - {generated}),
        ],
        depends=glob(f"{folder}/*.h") + glob(f"{folder}/*.pxi"),
        extra_compile_args=flags + os.environ.get("ZOO_CFLAGS", "").split(),
        extra_link_args=[] if windows else ["-pthread"],
    )
    unfilter = Extension("zoo.images._unfilter", ["zoo/images/_unfilter.pyx"])
    extensions = cythonize([native, unfilter], language_level=3)
    for extension in extensions:
        extension.optional = True  # cythonize does not take it over

setup(ext_modules=extensions)
