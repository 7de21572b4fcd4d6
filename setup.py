"""Build of the C extension; everything else is in setup.cfg.

The extension is optional: where there is no compiler, or no Cython, zoo
installs without it and runs on the NumPy back end (``zoo info`` says so).
"""

from glob import glob

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    extensions = []
else:
    folder = "zoo/plugins/native"
    generated = f"{folder}/_native.c"
    native = Extension(
        "zoo.plugins.native._native",
        sources=[
            f"{folder}/_native.pyx",
            *sorted(set(glob(f"{folder}/*.c")) - {generated}),
        ],
        depends=glob(f"{folder}/*.h"),
        optional=True,
    )
    extensions = cythonize([native], language_level=3)

setup(ext_modules=extensions)
