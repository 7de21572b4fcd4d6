"""A folder in which the commands of the documents run as they stand; not a test.

The documents show what people do: photographs, hours of training. Here the files of the
same names are tiny, ``zoo`` is a program that makes a few options small before it calls
zoo, and programs that are not ours (pip, ffmpeg, make) have stand-ins that check what
they are asked for.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from doc_blocks import ROOT
from graphdef_builder import opencv_edsr
from pretend_installed import Groups, declare, entry_points
from tiny_training import pictures

from zoo.checkpoints.files import save_weights
from zoo.images import Image, read, write
from zoo.network import Network

__all__ = ["Workshop"]

# What a command is given in place of the number that a page shows ("=") or besides.
SMALLER = {
    "view": {"--no-open": ""},
    "serve": {"--no-open": ""},
    "list --time": {"": "edsr_r8*"},
    "run": {"=--width": "60"},
    "train": {"--updates": "2", "--batch": "1", "--patch": "8", "--log-every": "1"},
    "train --resume": {"--updates": "4"},
    "bench net": {
        "--size": "16x16",
        "--runs": "1",
        "--cold": "1",
        "-j": "1",
        "--against": "onnxruntime",
    },
    "bench layers": {"--size": "40x40", "--batch": "1", "--runs": "1", "-j": "1"},
    "bench kernels": {"--size": "16x16", "--runs": "1", "-j": "1"},
}

_SAVED = r"Save this as `([\w.]+)`:\n\n```ini\n(.*?)```"
_TOML = r"^```toml\n(.*?)^```$"
_PYTHON_BLOCK = r"^```python\n(.*?)^```$"

_ZOO = """\
import os, signal, sys, threading
from zoo.cli import main

args = sys.argv[1:]
for command, options in {smaller!r}.items():
    words = command.split()
    if args[: len(words)] == words:
        chosen = options
for option, value in locals().get("chosen", {{}}).items():
    if option[:1] != "=":
        args += [word for word in (option, value) if word]
    elif option[1:] in args:
        args[args.index(option[1:]) + 1] = value
if __name__ == "__main__":  # which worker processes are not
    if args[:1] == ["serve"]:  # until Ctrl-C
        threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        sys.exit(main(args) not in (0, 130))
    sys.exit(main(args))
"""

_FFMPEG = """\
import sys

if "yuv4mpegpipe" in sys.argv:
    sys.stdout.buffer.write(b"YUV4MPEG2 W16 H16 F25:1 Ip C420jpeg\\n")
    for _ in range(2):
        sys.stdout.buffer.write(b"FRAME\\n" + bytes(range(256)) + bytes(128))
else:
    video = sys.stdin.buffer.read()
    assert video.startswith(b"YUV4MPEG2 W32 H32") and video.count(b"FRAME") == 2
    open(sys.argv[-1], "wb").write(video)
"""

_PIP = """\
import configparser, os, re, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pretend_installed import declare, entry_points

install, *words = sys.argv[1:]
assert install == "install"
known = configparser.RawConfigParser()
known.read({setup!r})
lines = "\\n".join(known["options.extras_require"].values())
names = set(re.findall(r"^[\\w-]+", lines, re.MULTILINE)) | {{"tensorflow-cpu"}}
if words[0] == "-e":
    folder = Path(words[1])
    site = Path({site!r})
    declare(site, folder.name, entry_points(folder / "pyproject.toml"))
    package = folder.name.replace("-", "_")
    os.symlink((folder / package).resolve(), site / package)
else:
    assert set(words) <= names, set(words) - names
"""

_PYTHON = """\
import os, sys

args = sys.argv[1:]
if "--updates" in args:
    args[args.index("--updates") + 1] = "2"
os.execv(sys.executable, [sys.executable, *args])
"""

_PYTEST = """\
import sys, pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


class Workshop:
    """A folder with programs, and with the files that a text names."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder / "here"
        self.folder.mkdir()
        programs, site = folder / "bin", folder / "site"
        programs.mkdir()
        site.mkdir()
        tests = str(ROOT / "tests")
        for name, code in {
            "zoo": _ZOO.format(smaller=SMALLER),
            "ffmpeg": _FFMPEG,
            "pip": _PIP.format(
                tests=tests, setup=str(ROOT / "setup.cfg"), site=str(site)
            ),
            "pytest": _PYTEST,
            "python": _PYTHON,
        }.items():
            self._program(programs / name, code)
        (programs / "make").write_text(
            f'#!/bin/sh\nexec /usr/bin/env -i PATH=/usr/bin:/bin make -n -C {ROOT} "$@"\n'
        )
        (programs / "make").chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(site),
            "ZOO_CACHE": str(folder / "cache"),
            "ZOO_OFFLINE": "1",
            # Small pictures, and tests that run beside each other.
            "ZOO_NUM_THREADS": "1",
        }
        for name, make in _FILES.items():
            if name in text and not (self.folder / name).exists():
                make(self.folder / name)
        for name, cfg in re.findall(_SAVED, text, re.DOTALL):
            (self.folder / name).write_text(cfg, encoding="utf-8")
        self._declare_plugins(site, text)

    def _declare_plugins(self, site: Path, text: str) -> None:
        """Install the Python that a page shows, as its entry points say."""
        groups: Groups = {}
        for toml in re.finditer(_TOML, text, re.MULTILINE | re.DOTALL):
            (self.folder / "points.toml").write_text(toml[1], encoding="utf-8")
            for group, names in entry_points(self.folder / "points.toml").items():
                groups.setdefault(group, {}).update(names)
                for point in names.values():
                    module, _, name = point.partition(":")
                    path = site / f"{module.replace('.', '/')}.py"
                    path.parent.mkdir(exist_ok=True)
                    defined = rf"^(?:class|def) {name}\b"
                    path.write_text(
                        next(
                            code
                            for code in reversed(
                                re.findall(
                                    _PYTHON_BLOCK, text, re.MULTILINE | re.DOTALL
                                )
                            )
                            if re.search(defined, code, re.MULTILINE)
                        ),
                        encoding="utf-8",
                    )
        if groups:
            declare(site, "acme-shown", groups)

    def _program(self, path: Path, code: str) -> None:
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)


def _photo(path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(256, size=(24, 20, 3), dtype=np.uint8)
    write(path, Image(noise))


def _slide(path: Path) -> None:
    import zarr

    noise = np.random.default_rng(1).integers(256, size=(24, 20, 3), dtype=np.uint8)
    zarr.create_array(str(path), data=noise)


def _slice(path: Path) -> None:
    noise = np.random.default_rng(3).integers(256, size=(12, 12, 1), dtype=np.uint8)
    write(path, Image(noise.repeat(4, axis=0).repeat(4, axis=1)))


def _scan(path: Path) -> None:
    """As large as the scanner's slice of matplotlib, which is no extra."""
    noise = np.random.default_rng(4).integers(1000, size=(256, 256)).astype(">u2")
    path.write_bytes(gzip.compress(noise.tobytes()))


def _some(path: Path) -> None:
    pictures(path)


def _volume(path: Path, side: int = 14, slices: int = 10) -> None:
    import nibabel

    rng = np.random.default_rng(2)
    values = np.zeros((side, side - 2, slices), np.float32)
    values[1:-1, 1:-1] = 100 + 900 * rng.random((side - 2, side - 4, slices))
    if "brain" in path.name:
        values = (values > 0).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 1.0, 1.0])), path)


def _volumes(path: Path) -> None:
    path.mkdir()
    _volume(path / "s1.nii.gz", 48)  # patches of 32 are learned from


def _results(path: Path) -> None:
    """What a network made of pictures and volumes, beside them."""
    here = path.parent
    for folder in ("photos", "large"):
        pictures(here / folder, 2)
    for picture in (here / "photos").glob("p?.png"):
        for made in (picture, here / "large" / picture.name):
            pixels = read(picture).pixels.repeat(2, axis=0).repeat(2, axis=1)
            write(made.with_name(f"{made.stem}_x2.png"), Image(pixels))
    for name in ("photo", "small"):
        _photo(here / f"{name}.png")
    large = read(here / "photo.png").pixels.repeat(2, axis=0).repeat(2, axis=1)
    for name in ("photo_x2", "a", "b", "hr"):
        write(here / f"{name}.png", Image(large))
    _volume(here / "t1.nii.gz")
    _volume(here / "t1_x2.nii.gz")


def _exported(path: Path) -> None:
    """A network of ours under the names of its authors' program, or as a graph."""
    from zoo.cli import main

    here = path.parent
    with TemporaryDirectory() as name:
        stem = Path(name) / path.stem
        cfg, weights = f"{stem}.cfg", f"{stem}.safetensors"
        family = ["new", "edsr", "--blocks", "1", "--filters", "8", "-o", cfg]
        assert main(family) == 0
        save_weights(Network.read(cfg).initialize(0), weights)
        if path.suffix == ".pth":
            call = ["convert", weights, "--cfg", cfg, "--to", "torch"]
            assert main([*call, "-o", str(here / path.stem)]) == 0
        else:
            call = ["export", cfg, "--weights", weights, "--onnx", str(path)]
            assert main(call) == 0
            _with_two_outputs(path)


def _with_two_outputs(path: Path) -> None:
    """Call a graph's result x2, and give what the first convolution makes, too."""
    import onnx

    model = onnx.load(path)
    (result,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["x2" if o == result.name else o for o in node.output]
    result.name = "x2"
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    kind = onnx.TensorProto.FLOAT
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(first.output[0], kind, [1, 8, None, None])
    )
    onnx.save(model, path)


def _series(path: Path) -> None:
    """A file for each slice, as a scanner leaves them."""
    sys.path.insert(0, str(ROOT / "tests" / "volumes"))
    from dicom_files import write_series

    values = np.arange(16 * 14 * 5, dtype=np.int16).reshape(16, 14, 5)
    write_series(path, values, np.diag([1.0, 1.0, 3.0, 1.0]))


def _frozen(path: Path) -> None:
    path.write_bytes(opencv_edsr(scale=2)[0])


_FILES: dict[str, Callable[[Path], None]] = {
    "hr.png": _results,
    **dict.fromkeys(("photo.png", "a.png", "slide.tif"), _photo),
    "slide.zarr": _slide,
    "s1045.png": _slice,
    "s1045.ima.gz": _scan,
    **dict.fromkeys(("photos", "pictures", "T91", "Set5", "Set14", "theirs"), _some),
    # This example learns patches of 64 pixels.
    "finetune_mri": lambda path: _volume(path.with_name("t1.nii.gz"), 72, 16),
    "in.mp4": Path.touch,
    "a.mp4": Path.touch,
    **dict.fromkeys(
        ("t1.nii.gz", "t1_brain.nii.gz", "a.nii.gz", "b.nii.gz")
        + ("a_brain.nii.gz", "b_brain.nii.gz"),
        _volume,
    ),
    **dict.fromkeys(("subjects", "volumes", "others"), _volumes),
    "EDSR_x2.pb": _frozen,
    "dicom/t1": _series,
    **dict.fromkeys(("model.pth", "model.onnx"), _exported),
    "examples/": lambda path: path.symlink_to(ROOT / "examples"),
}
