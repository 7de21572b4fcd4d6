"""Hostile files: what strangers may hand to a reader, by name.

:func:`corpus` gives (name, ending, bytes) of files that were written by hand against
one weakness each; :func:`mutations` damages an honest file in the ways that disks,
networks and fuzzers do. Neither needs PyTorch.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from graphdef_builder import constant, node, opencv_edsr

__all__ = ["MARK", "corpus", "edsr_tensors", "mutations", "samples"]

MARK = "EXECUTED"
"""A file of this name in the current folder shows that code was run."""


def edsr_tensors(filters: int = 4) -> dict[str, np.ndarray]:
    """A tiny EDSR x2 in the official names."""
    rng = np.random.default_rng(0)

    def conv(out: int, into: int) -> np.ndarray:
        return rng.normal(0, 0.1, (out, into, 3, 3)).astype(np.float32)

    names = {
        "head.0": (filters, 3),
        "body.0.body.0": (filters, filters),
        "body.0.body.2": (filters, filters),
        "body.1": (filters, filters),
        "tail.0.0": (4 * filters, filters),
        "tail.1": (3, filters),
    }
    state = {}
    for name, (out, into) in names.items():
        state[f"{name}.weight"] = conv(out, into)
        state[f"{name}.bias"] = rng.normal(0, 0.1, out).astype(np.float32)
    return state


# -- honest files, to be damaged ----------------------------------------------


def torch_zip(tensors: dict[str, np.ndarray], wrap: str = "") -> bytes:
    """What torch.save writes, without PyTorch."""
    body = io.BytesIO()
    data = b"\x80\x02"
    if wrap:
        data += b"}" + _text(wrap)
    data += b"}("
    for index, (name, tensor) in enumerate(tensors.items()):
        data += _text(name) + _tensor(str(index), tensor)
    data += b"u" + (b"s" if wrap else b"") + b"."
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("net/data.pkl", data)
        archive.writestr("net/byteorder", b"little")
        for index, tensor in enumerate(tensors.values()):
            archive.writestr(f"net/data/{index}", tensor.tobytes())
        archive.writestr("net/version", b"3\n")
    return body.getvalue()


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _number(value: int) -> bytes:
    if 0 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + data


def _numbers(values: Any) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"


def _tensor(
    key: str,
    tensor: np.ndarray,
    *,
    offset: int = 0,
    size: Any = None,
    stride: Any = None,
    count: int | None = None,
    kind: bytes = b"FloatStorage",
) -> bytes:
    strides = [step // tensor.itemsize for step in tensor.strides]
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
        + kind
        + b"\n"
        + _text(key)
        + _text("cpu")
        + _number(tensor.size if count is None else count)
        + b"tQ"
        + _number(offset)
        + _numbers(tensor.shape if size is None else size)
        + _numbers(strides if stride is None else stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def safetensors_bytes(tensors: dict[str, np.ndarray], **metadata: str) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at, data = 0, b""
    for name, tensor in tensors.items():
        raw = tensor.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(raw)],
        }
        at += len(raw)
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


CFG = b"""[net]
width=16
height=16
channels=3
filters=4

[convolutional]
filters=$filters
size=3
pad=1
activation=relu

[shortcut]
from=-1
activation=linear

[convolutional]
filters=12
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""


def samples() -> dict[str, tuple[str, bytes]]:
    """Honest files by kind: ending and bytes."""
    state = edsr_tensors()
    floats = np.arange(4 * 27 + 4 + 36 * 12 + 12, dtype="<f4") / 1000
    found = {
        "torch zip": (".pth", torch_zip(state)),
        "torch zip training": (".ckpt", torch_zip(state, "state_dict")),
        "numpy pickle 2": (".pkl", pickle.dumps(state, 2)),
        "numpy pickle 4": (".pkl", pickle.dumps(state, 4)),
        "numpy pickle 0": (".pkl", pickle.dumps(state, 0)),
        "graph": (".pb", opencv_edsr(1, 4, 2)[0]),
        "safetensors": (".safetensors", safetensors_bytes(state, note="a")),
        "npz": (".npz", _npz(state)),
        "cfg": (".cfg", CFG),
        "darknet": (".weights", struct.pack("<iiiQ", 0, 2, 5, 7) + floats.tobytes()),
        "index": (
            ".index.json",
            json.dumps({"weight_map": dict.fromkeys(state, "absent.bin")}).encode(),
        ),
    }
    return found


def _npz(tensors: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **tensors)
    return file.getvalue()


def tfjs() -> dict[str, bytes]:
    """An honest TFJS model of two convolutions and a shuffle: two files by name."""

    def conv(name: str, filters: int, **more: Any) -> dict[str, Any]:
        config = {"name": name, "filters": filters, "kernel_size": [3, 3], **more}
        config |= {"strides": [1, 1], "padding": "same", "use_bias": True}
        return {"class_name": "Conv2D", "config": config}

    shape = [None, None, None, 3]
    layers = [
        conv("a", 4, activation="relu", batch_input_shape=shape),
        conv("b", 12, activation="linear"),
        {"class_name": "PixelShuffle2x", "config": {"name": "c"}},
    ]
    network = {"class_name": "Sequential", "config": {"name": "n", "layers": layers}}
    shapes = {"a/kernel": (3, 3, 3, 4), "a/bias": (4,)}
    shapes |= {"b/kernel": (3, 3, 4, 12), "b/bias": (12,)}
    rng = np.random.default_rng(0)
    model = {
        "format": "layers-model",
        "modelTopology": {"model_config": network},
        "weightsManifest": [
            {
                "paths": ["group1-shard1of1.bin"],
                "weights": [
                    {"name": name, "shape": list(size), "dtype": "float32"}
                    for name, size in shapes.items()
                ],
            }
        ],
    }
    data = b"".join(
        rng.normal(size=size).astype("<f4").tobytes() for size in shapes.values()
    )
    return {"model.json": json.dumps(model).encode(), "group1-shard1of1.bin": data}


# -- damage --------------------------------------------------------------------


def mutations(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Damage of every kind, ``count`` times."""
    rng = random.Random(seed)
    kinds = (
        *("bit", "bits", "byte", "cut", "zeros", "ones", "repeat", "swap", "insert"),
        *("number", "huge", "drop", "tail", "head"),
    )
    for index in range(count):
        kind = kinds[index % len(kinds)]
        out = bytearray(data)
        at = rng.randrange(len(out))
        length = min(rng.choice((1, 2, 4, 8, 64, 512)), len(out) - at)
        if kind in ("bit", "bits"):
            for _ in range(1 if kind == "bit" else 20):
                out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        elif kind == "byte":
            out[at] = rng.randrange(256)
        elif kind == "cut":
            del out[at:]
        elif kind in ("zeros", "ones"):
            out[at : at + length] = bytes([0 if kind == "zeros" else 255]) * length
        elif kind == "repeat":
            out[at:at] = out[at : at + length] * rng.choice((1, 3, 50))
        elif kind == "swap":
            other = rng.randrange(len(out))
            out[at : at + 8], out[other : other + 8] = (
                out[other : other + 8],
                out[at : at + 8],
            )
        elif kind == "insert":
            out[at:at] = rng.randbytes(length)
        elif kind == "number":
            value = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**20))
            out[at : at + 4] = struct.pack("<I", value)
        elif kind == "huge":
            out[at : at + 8] = struct.pack("<Q", rng.choice((2**63, 2**62, 2**64 - 1)))
        elif kind == "drop":
            del out[at : at + length]
        elif kind == "tail":
            out += rng.randbytes(length)
        elif kind == "head":
            del out[: rng.randrange(1, 16)]
        yield f"{kind} {index}", bytes(out)


# -- files written against one weakness each -------------------------------------


def _zip(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return body.getvalue()


def _pickled_zip(data: bytes, **storages: bytes) -> bytes:
    entries = {"a/data.pkl": data}
    entries |= {f"a/data/{key}": value for key, value in storages.items()}
    return _zip(entries)


ATTACKS: dict[str, bytes] = {
    "os.system": b"cos\nsystem\n(V touch EXECUTED\ntR",
    "posix": b"cposix\nsystem\n(V touch EXECUTED\ntR",
    "subprocess": b"csubprocess\ncall\n((Vtouch\nVEXECUTED\nltR",
    "eval": b"c__builtin__\neval\n(Vopen('EXECUTED','w')\ntR",
    "exec": b"cbuiltins\nexec\n(Vopen('EXECUTED','w')\ntR",
    "import": b"cbuiltins\n__import__\n(Vos\ntR",
    "runpy": b"crunpy\n_run_code\n(Vopen('EXECUTED','w')\n}tR",
    "pickle": b"cpickle\nloads\n(VXXXX\ntR",
    "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nVx\ntR",
    "partial": b"cfunctools\npartial\n(cos\nsystem\nVtouch EXECUTED\ntR",
    "inst": b"(Vtouch EXECUTED\nios\nsystem\n",
    "obj": b"(cos\nsystem\nVtouch EXECUTED\no",
    "newobj": b"cos\nsystem\n(Vtouch EXECUTED\nt\x81",
    "stack global": b"\x8c\x02os\x8c\x06system\x93\x8c\x0etouch EXECUTED\x85R",
    "webbrowser": b"cwebbrowser\nopen\n(Vx\ntR",
    "shutil": b"cshutil\nrmtree\n(V/nowhere\ntR",
    "socket": b"csocket\nsocket\n)R",
    "ctypes": b"cctypes\nCDLL\n(Vlibc.so.6\ntR",
    "code": b"ctypes\nCodeType\n)R",
    "torch hub": b"ctorch.hub\nload\n(Vx\nVy\ntR",
    "torch load": b"ctorch.serialization\nload\n(Vx\ntR",
    "numpy load": b"cnumpy\nload\n(Vx\ntR",
    "unknown class": b"cevil\nRun\n(VEXECUTED\ntR",
}


def _pickles() -> Iterator[tuple[str, bytes]]:
    for name, data in ATTACKS.items():
        yield f"attack {name}", b"\x80\x02" + data + b"."
        yield (
            f"attack {name} beside weights",
            (b"\x80\x04}(\x8c\x01x" + data + b"\x8c\x01yK\x01u."),
        )
        yield f"attack {name} in a list", b"\x80\x04](" + data + b"e."
        yield f"attack {name} as state", b"\x80\x04cx\ny\n)R" + data + b"b."
        yield f"attack {name} as persistent id", b"\x80\x04" + data + b"Q."
    deep = {
        "deep list": b"]" * 100000 + b"a" * 99999,
        "deep tuple": b"N" + b"\x85" * 200000,
        "deep dict": b"}" + b"K\x01}" * 50000 + b"s" * 50000,
        "deep key": b"}N" + b"2\x86" * 200 + b"Ns",
        "deep marks": b"(" * 500000 + b"t" * 10,
        "doubling tuple": b"N" + b"2\x86" * 60,
        "doubling list": b"](" + b"h\x00" * 3,
        "self in list": b"]q\x00h\x00a",
        "self in dict": b"}q\x00X\x01\x00\x00\x00ah\x00s",
        "self as state": b"cx\ny\n)Rq\x00h\x00b",
        "many memo": b"N" + b"".join(b"r" + struct.pack("<I", i) for i in range(50000)),
        "far memo": b"Nr\xff\xff\xff\xff",
        "long int": b"\x8b\xff\xff\xff\x7f",
        "text int": b"I" + b"9" * 100000 + b"\n",
        "big bytes": b"B\xff\xff\xff\xff",
        "big text": b"\x8d" + b"\xff" * 8,
        "big frame": b"\x95" + b"\xff" * 8,
        "float keys": b"}("
        + b"".join(b"G" + struct.pack(">d", i) + b"N" for i in range(9))
        + b"u",
        "same hash": b"}("
        + b"".join(
            b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little", signed=True) + b"N"
            for k in range(20000)
        )
        + b"u",
        "nothing": b"",
        "none": b"N",
        "mark left": b"(N",
        "unknown opcode": b"\xff",
        "extension": b"\x82\x01",
        "next buffer": b"\x97",
    }
    for name, data in deep.items():
        yield name, b"\x80\x04" + data + b"."
    # One dictionary of many tensors under many names.
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tc_codecs\n"
        b"encode\n(X\x01\x00\x00\x00bX\x06\x00\x00\x00latin1tRtRq\x05(K\x01(K\x04t"
        b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4K\x00K\x01tR(K\x03X\x01\x00\x00\x00<NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89C\x10" + bytes(16) + b"tb"
    )
    yield "a numpy array", b"\x80\x03}X\x01\x00\x00\x00a" + array + b"s."
    inner = b"}(" + b"".join(_text(f"t{i}") + b"h\x05" for i in range(3000)) + b"uq\x06"
    yield (
        "one dictionary under many keys",
        (
            b"\x80\x03"
            + array
            + b"0"
            + inner
            + b"0}("
            + b"".join(_text(f"k{i}") + b"h\x06" for i in range(3000))
            + b"u."
        ),
    )
    yield (
        "dictionaries of dictionaries",
        (
            b"\x80\x03"
            + array
            + b"0}X\x01\x00\x00\x00ah\x05sq\x06"
            + b"".join(
                b"0}(X\x01\x00\x00\x00ah%bX\x01\x00\x00\x00bh%bu"
                % (bytes([6 + i]), bytes([6 + i]))
                + b"q"
                + bytes([7 + i])
                for i in range(30)
            )
            + b"."
        ),
    )
    # A big-endian array whose bytes come from the memo again and again.
    raw = bytes(1 << 20)
    big = (
        b"\x80\x03B" + struct.pack("<I", len(raw)) + raw + b"q\x000"
        b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4K\x00K\x01tR(K\x03X\x01\x00\x00\x00>NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbq\x010}("
    )
    for index in range(4000):
        big += _text(f"t{index}") + (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
            b"(K\x01(J" + struct.pack("<i", len(raw) // 4) + b"th\x01\x89h\x00tb"
        )
    yield "memo of a big-endian array", big + b"u."


def _tensors() -> Iterator[tuple[str, bytes]]:
    honest = np.arange(6, dtype="<f4").reshape(2, 3)
    strange: dict[str, dict[str, Any]] = {
        "beyond": {"size": [7], "stride": [1]},
        "far": {"size": [2], "stride": [2**61]},
        "offset": {"offset": 6, "size": [1], "stride": [1]},
        "far offset": {"offset": 2**61, "size": [1], "stride": [1]},
        "negative offset": {"offset": -1},
        "negative size": {"size": [-1], "stride": [1]},
        "negative stride": {"size": [2], "stride": [-1]},
        "expanded": {"size": [10**5, 10**5], "stride": [0, 0]},
        "expanded far": {"size": [2**61, 2**61], "stride": [0, 0]},
        "empty and huge": {"size": [0, 2**61], "stride": [1, 1]},
        "many axes": {"size": [1] * 64, "stride": [1] * 64},
        "other strides": {"size": [2, 3], "stride": [1]},
        "more announced": {"count": 7},
        "fewer announced": {"count": 5},
        "huge announced": {"count": 2**60},
        "unknown storage": {"kind": b"EvilStorage"},
        "quantized storage": {"kind": b"QInt8Storage"},
        "complex storage": {"kind": b"ComplexDoubleStorage"},
        "bool storage": {"kind": b"BoolStorage"},
        "double storage": {"kind": b"DoubleStorage"},
        "half storage": {"kind": b"HalfStorage"},
    }
    for name, changes in strange.items():
        tensor = _tensor("0", honest, **changes)
        data = b"\x80\x02}" + _text("a") + tensor + b"s."
        yield f"tensor {name}", _pickled_zip(data, **{"0": honest.tobytes()})
        whole = torch_zip(edsr_tensors())
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            entries = {item: archive.read(item) for item in archive.namelist()}
        entries["net/data.pkl"] = entries["net/data.pkl"].replace(
            _text("tail.1.bias") + _tensor("11", edsr_tensors()["tail.1.bias"]),
            _text("tail.1.bias")
            + _tensor("11", edsr_tensors()["tail.1.bias"], **changes),
        )
        yield f"weights with a tensor {name}", _zip(entries)
    yield (
        "storage missing",
        _pickled_zip(b"\x80\x02}" + _text("a") + _tensor("0", honest) + b"s."),
    )
    big = np.zeros(1 << 16, "<f4")
    shared = b"".join(_text(f"t{i}") + _tensor("0", big) for i in range(2000))
    yield (
        "one storage for all",
        _pickled_zip(b"\x80\x02}(" + shared + b"u.", **{"0": big.tobytes()}),
    )
    expanded = b"".join(
        _text(f"t{i}") + _tensor("0", honest, size=[10**6], stride=[0])
        for i in range(500)
    )
    yield (
        "expanded many times",
        _pickled_zip(b"\x80\x02}(" + expanded + b"u.", **{"0": honest.tobytes()}),
    )


def _archives() -> Iterator[tuple[str, bytes]]:
    honest = torch_zip(edsr_tensors())
    yield "bomb", _zip({"a/data.pkl": bytes(60 << 20)}, zipfile.ZIP_DEFLATED)
    yield "two pickles", _zip({"a/data.pkl": b"N.", "b/data.pkl": b"N."})
    yield "path above", _zip({"../../x/data.pkl": b"\x80\x02}.", "../../EXECUTED": b""})
    yield "absolute path", _zip({"/data.pkl": b"\x80\x02}."})
    yield "no entries", _zip({})
    yield (
        "many entries",
        _zip(
            {f"a/data/{i}": b"" for i in range(20000)} | {"a/data.pkl": b"\x80\x02}."}
        ),
    )
    yield "lzma", _zip({"a/data.pkl": b"\x80\x02}."}, zipfile.ZIP_LZMA)
    yield "directory only", honest[honest.find(b"PK\x01\x02") :]
    yield "zip in zip", _zip({"a/data.pkl": honest})
    at = honest.find(b"PK\x01\x02")
    for name, offset, value in (
        ("entry of 4 GB", 24, b"\xff\xff\xff\xff"),
        ("entry at 4 GB", 42, b"\xff\xff\xff\xff"),
        ("entry of 2 GB", 24, b"\xff\xff\xff\x7f"),
        ("encrypted", 8, b"\x01\x00"),
        ("method 99", 10, b"\x63\x00"),
        ("long name", 28, b"\xff\xff"),
    ):
        changed = bytearray(honest)
        changed[at + offset : at + offset + len(value)] = value
        yield name, bytes(changed)
    overlap = bytearray(honest)
    first = honest.find(b"PK\x01\x02")
    second = honest.find(b"PK\x01\x02", first + 1)
    overlap[second + 42 : second + 46] = honest[first + 42 : first + 46]
    yield "overlapping entries", bytes(overlap)


def _header(values: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _safetensors() -> Iterator[tuple[str, bytes]]:
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for name, values in {
        "shape 2^62": {"a": {**one, "shape": [2**62]}},
        "shape 2^64": {"a": {**one, "shape": [2**64]}},
        "shape 0 x 2^62": {"a": {**one, "shape": [0, 2**62], "data_offsets": [0, 0]}},
        "negative": {"a": {**one, "shape": [-2]}},
        "text shape": {"a": {**one, "shape": "2"}},
        "offsets swapped": {"a": {**one, "data_offsets": [8, 0]}},
        "offsets beyond": {"a": {**one, "data_offsets": [0, 2**60]}},
        "offsets negative": {"a": {**one, "data_offsets": [-8, 0]}},
        "unknown type": {"a": {**one, "dtype": "X9"}},
        "no type": {"a": {"shape": [2], "data_offsets": [0, 8]}},
        "gap": {"a": one, "b": {**one, "data_offsets": [100, 108]}},
        "overlap": {"a": one, "b": one},
        "metadata numbers": {"__metadata__": {"a": 5}, "a": one},
        "metadata list": {"__metadata__": [1], "a": one},
        "list": [1, 2],
        "control characters": {"\u001b[2J\n\r": one},
        "many axes": {"a": {**one, "shape": [1] * 999 + [2]}},
        "float8": {"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}},
        "format 99": {"__metadata__": {"zoo.format": "99"}, "a": one},
        "format text": {"__metadata__": {"zoo.format": "x" * 5000}, "a": one},
        "checksum": {"__metadata__": {"zoo.format": "1", "zoo.crc32": "zz"}, "a": one},
    }.items():
        yield f"safetensors {name}", _header(values, bytes(8))
    yield "safetensors deep", _header(b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}")
    yield "safetensors long header", _header({"a": one}, bytes(8), 2**40)
    yield "safetensors header 2^63", _header({"a": one}, bytes(8), 2**63)
    yield "safetensors no header", struct.pack("<Q", 0)
    yield "safetensors not UTF-8", _header(b'{"\xff": 1}')
    yield (
        "safetensors twice a name",
        _header(
            b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
            b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
            bytes(8),
        ),
    )
    count = 4000
    halves = {
        f"t{i}": {"dtype": "BF16", "shape": [1], "data_offsets": [2 * i, 2 * i + 2]}
        for i in range(count)
    }
    yield "safetensors many halves", _header(halves, bytes(2 * count))
    empty = {
        f"t{i}": {"dtype": "F32", "shape": [0, 2**31], "data_offsets": [0, 0]}
        for i in range(count)
    }
    yield "safetensors many empty", _header(empty)


def _cfgs() -> Iterator[tuple[str, bytes]]:
    net = b"[net]\nwidth=8\nheight=8\nchannels=3\n"
    conv = b"[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=relu\n"
    for key, values in {
        "height": (b"2000000000", b"0", b"-1", b"1e999", b"9" * 400),
        "width": (b"2000000000", b"99999999999999999999"),
        "channels": (b"2000000000", b"0", b"-3", b"1000000"),
        "batch": (b"2000000000", b"-1"),
        "range": (b"0", b"nan", b"-inf", b"1e400"),
        "mean": (b"," * 10000, b"1," * 100000 + b"1", b"nan,nan,nan"),
        "color": (b"", b"\x1b[2J", b"rgb" * 10000),
    }.items():
        for value in values:
            yield (
                f"cfg net {key}={value[:12]!r}",
                net + key.encode() + b"=" + value + b"\n" + conv,
            )
            yield (
                f"cfg net only {key}={value[:12]!r}",
                (b"[net]\n" + key.encode() + b"=" + value + b"\n" + conv),
            )
    for key, values in {
        "filters": (b"2000000000", b"0", b"-1", b"9" * 5000, b"1e9"),
        "size": (b"2000000000", b"0", b"-3", b"65535"),
        "stride": (b"2000000000", b"0", b"-1"),
        "dilation": (b"2000000000", b"0"),
        "padding": (b"2000000000", b"-1"),
        "groups": (b"0", b"3", b"2000000000"),
        "activation": (b"", b"x" * 100000, b"../../etc/passwd"),
    }.items():
        for value in values:
            yield (
                f"cfg conv {key}={value[:12]!r}",
                (net + b"[convolutional]\n" + key.encode() + b"=" + value + b"\n"),
            )
    for kind, lines in {
        "shortcut": (b"from=-9", b"from=5", b"from=99999999999", b"from=-1\nalpha=nan"),
        "route": (
            b"layers=-1," * 20000,
            b"layers=",
            b"layers=7",
            b"layers=-99999999999",
        ),
        "shuffler": (b"scale=2000000000", b"scale=0", b"scale=-2", b"scale=3"),
        "upsample": (b"stride=2000000000", b"stride=0", b"scale=1e300"),
        "maxpool": (b"size=2000000000", b"stride=0", b"padding=-99999"),
        "pad": (b"size=2000000000", b"size=-5", b"mode=evil"),
        "connected": (b"output=2000000000", b"output=0"),
        "deconvolutional": (b"filters=2000000000", b"size=0"),
        "reorg3d": (b"stride=2000000000", b"stride=3"),
        "trim": (b"size=2000000000", b"left=-4"),
        "evil": (b"a=1", b""),
    }.items():
        for line in lines:
            yield (
                f"cfg {kind} {line[:16]!r}",
                (net + conv + b"[" + kind.encode() + b"]\n" + line + b"\n"),
            )
    yield (
        "cfg variables",
        (
            b"[net]\nchannels=3\na="
            + b"x" * 14000
            + b"\n"
            + (b"[convolutional]\nfilters=" + b"$a" * 1000 + b"\n") * 60
        ),
    )
    yield "cfg itself", b"[net]\na=$a\n"
    yield "cfg long line", b"[net]\n" + b"a" * 10_000_000
    yield "cfg many sections", net + b"[shortcut]\nfrom=-1\n" * 20000
    yield "cfg many keys", b"[net]\n" + b"a=1\n" * 200000
    yield "cfg NUL", b"[net]\n\0"
    yield "cfg latin", b"[net]\n# \xff\nchannels=3\n"
    yield "cfg UTF-16", "[net]\nchannels=3\n".encode("utf-16")
    yield "cfg control characters", b"[net]\n\x1b[2J=3\n"
    yield "cfg empty", b" \n"
    yield "cfg no sections", b"channels=3\n"
    yield (
        "cfg doubling",
        net + conv + b"".join(b"[route]\nlayers=-1,-1\n" for _ in range(200)),
    )
    yield (
        "cfg growing",
        net + conv + b"".join(b"[upsample]\nstride=2\n" for _ in range(200)),
    )


def _nameless() -> Iterator[tuple[str, str, bytes]]:
    header = struct.pack("<iiiQ", 0, 2, 5, 7)
    for name, data in {
        "none": b"",
        "header only": header,
        "short header": header[:9],
        "half a number": header + b"\0\0",
        "NaN": header + np.full(700, np.nan, "<f4").tobytes(),
        "infinity": header + np.full(700, np.inf, "<f4").tobytes(),
        "version 2^31": struct.pack("<iiiQ", 2**31 - 1, 2**31 - 1, -1, 2**63)
        + bytes(64),
        "negative": struct.pack("<iiiQ", -1, -1, -1, 0) + bytes(64),
    }.items():
        yield f"weights {name}", ".weights", data
    for name, value in {
        "list": [],
        "number": 5,
        "no map": {},
        "map of numbers": {"weight_map": {"a": 5}},
        "path above": {"weight_map": {"a": "../../etc/passwd"}},
        "absolute": {"weight_map": {"a": "/etc/passwd"}},
        "device": {"weight_map": {"a": "/dev/zero"}},
        "folder": {"weight_map": {"a": "."}},
        "above": {"weight_map": {"a": ".."}},
        "empty name": {"weight_map": {"a": ""}},
        "NUL": {"weight_map": {"a": "a\0b"}},
        "itself": {"weight_map": {"a": "x.index.json"}},
        "many": {"weight_map": {f"t{i}": f"f{i}" for i in range(20000)}},
    }.items():
        yield f"index {name}", ".index.json", json.dumps(value).encode()
    yield "index deep", ".index.json", b'{"weight_map":' + b"[" * 200000
    yield "index not UTF-8", ".index.json", b'{"weight_map": "\xff"}'
    aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    card: dict[str, Any] = {
        "network": "n",
        "scale": 2,
        "parameters": 5,
        "dtype": "float32",
        "license": "MIT",
        "sha256": "0" * 64,
        "training": {"updates": 3, "data": "x"},
        "protocol": "p",
        "scores": {"Set5": {"psnr": 30.0, "bicubic": 28.0}},
    }
    yield "card aliases", ".yaml", aliases.encode()
    yield "card deep", ".yaml", b"[" * 100000
    yield "card deep map", ".yaml", b"".join(b" " * i + b"a:\n" for i in range(2000))
    yield "card tag", ".yaml", b"!!python/object/apply:os.system ['touch EXECUTED']\n"
    yield "card tag new", ".yaml", b"!!python/object/new:os.system ['touch EXECUTED']\n"
    yield "card NUL", ".yaml", b"\0\0"
    yield "card not UTF-8", ".yaml", b"network: \xff\xfe"
    yield "card large", ".yaml", b"a: " + b"x" * (2 << 20)
    for key in card:
        for value in (None, 5, "x", [1], {"a": 1}, True, -1, 1e400):
            changed = {**card, key: value}
            text = json.dumps(changed).replace("Infinity", ".inf")
            yield f"card {key}={value!r}", ".yaml", text.encode()
        yield (
            f"card without {key}",
            ".yaml",
            json.dumps(
                {name: item for name, item in card.items() if name != key}
            ).encode(),
        )


def _graphs() -> Iterator[tuple[str, str, bytes]]:
    values = constant("v", np.zeros(1 << 18, np.uint8))
    ends = constant("low", np.float32(0)) + constant("high", np.float32(1))
    many = b"".join(
        node(f"d{i}", "Dequantize", "v", "low", "high", mode="MIN_FIRST")
        for i in range(3000)
    )
    yield "graph many Dequantize", ".pb", values + ends + many
    yield (
        "graph of itself",
        ".pb",
        constant("a", np.zeros(3, np.float32)) + node("b", "Relu", "b"),
    )
    yield "graph of nothing", ".pb", node("a", "Relu", "b")
    yield "graph without weights", ".pb", node("a", "Placeholder")
    yield "graph twice", ".pb", 2 * constant("a", np.zeros(3, np.float32))
    yield (
        "graph many nodes",
        ".pb",
        constant("n0", np.zeros(3, np.float32))
        + b"".join(node(f"n{i + 1}", "Relu", f"n{i}") for i in range(20000)),
    )


_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
"""What files of PyTorch's old format begin with."""


def corpus() -> Iterator[tuple[str, str, bytes]]:
    """Name, ending and bytes of every hostile file."""
    for name, data in _pickles():
        yield f"pickle {name}", ".pkl", data
        yield f"zip of pickle {name}", ".pth", _pickled_zip(data)
        yield f"legacy {name}", ".pt", _LEGACY + data + b"\x80\x02]."
    for name, data in _tensors():
        yield name, ".pth", data
    for name, data in _archives():
        yield f"archive {name}", ".pth", data
    for name, data in _safetensors():
        yield name, ".safetensors", data
    for name, data in _cfgs():
        yield name, ".cfg", data
    yield from _nameless()
    yield from _graphs()
