"""EDSR checkpoints in the many ways in which people save them.

:func:`kinds` gives for each name a function that writes such a file (or folder) and
what must come of it: the weights of which module, or the reason of a refusal.
"""

from __future__ import annotations

import argparse
import collections
import functools
import gzip
import json
import pickle
import types
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

MEAN = (0.4488, 0.4371, 0.4040)


class Kind(NamedTuple):
    """A way to save: who writes it, and what it must give."""

    write: Callable[[Path], Path]
    right: str = ""
    refused: str = ""


class Block(nn.Module):
    def __init__(self, filters: int, res_scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(filters, filters, 3, padding=1),
            nn.ReLU(True),
            nn.Conv2d(filters, filters, 3, padding=1),
        )
        self.res_scale = res_scale

    def forward(self, x: Any) -> Any:
        return x + self.body(x) * self.res_scale


class Shift(nn.Conv2d):
    def __init__(self, sign: int) -> None:
        super().__init__(3, 3, 1)
        self.weight.data = torch.eye(3).view(3, 3, 1, 1)
        self.bias.data = sign * 255 * torch.tensor(MEAN)
        for parameter in self.parameters():
            parameter.requires_grad = False


class EDSR(nn.Module):
    """The official network, small."""

    def __init__(
        self, filters: int = 8, scale: int = 2, res_scale: float = 1.0
    ) -> None:
        super().__init__()
        self.sub_mean, self.add_mean = Shift(-1), Shift(1)
        self.head = nn.Sequential(nn.Conv2d(3, filters, 3, padding=1))
        blocks = [Block(filters, res_scale) for _ in range(2)]
        self.body = nn.Sequential(*blocks, nn.Conv2d(filters, filters, 3, padding=1))
        up = nn.Sequential(
            nn.Conv2d(filters, filters * scale**2, 3, padding=1), nn.PixelShuffle(scale)
        )
        self.tail = nn.Sequential(up, nn.Conv2d(filters, 3, 3, padding=1))

    def forward(self, x: Any) -> Any:
        x = self.head(self.sub_mean(x))
        return self.add_mean(self.tail(x + self.body(x)))


class Holder(nn.Module):
    """A module around modules, as Lightning has one."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def _loss() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))


def _critic() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3)]
    for _ in range(20):
        layers += [nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 1))


@functools.cache
def modules() -> dict[str, EDSR]:
    """The networks: ``raw``, its average ``ema``, another one, one with res_scale."""
    made = {}
    for seed, name in enumerate(("raw", "ema", "other")):
        torch.manual_seed(seed)
        made[name] = EDSR()
    torch.manual_seed(9)
    made["scaled"] = EDSR(res_scale=0.1)
    made["half"] = EDSR()
    made["half"].load_state_dict(
        {key: value.half() for key, value in made["raw"].state_dict().items()}
    )
    made["bfloat16"] = EDSR()
    made["bfloat16"].load_state_dict(
        {key: value.bfloat16() for key, value in made["raw"].state_dict().items()}
    )
    torch.manual_seed(4)
    made["x3"] = EDSR(scale=3)
    mask = EDSR()
    mask.load_state_dict(made["raw"].state_dict())
    mask.head[0].weight.data[:, 0] = 0
    made["pruned"] = mask
    constant = EDSR()
    constant.load_state_dict(made["raw"].state_dict())
    constant.body[2].weight.data[:] = 0.01
    constant.body[2].bias.data[:] = 0.5
    made["constant"] = constant
    return made


def _state(name: str = "raw") -> dict[str, Any]:
    return dict(modules()[name].state_dict())


def _prefixed(prefix: str, state: dict[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


def _saver(make: Callable[[], Any], **options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "net.pth"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.save(make(), path, **options)
        return path

    return write


def _training(name: str = "raw") -> dict[str, Any]:
    model = EDSR()
    model.load_state_dict(_state(name))
    optimizer = torch.optim.Adam(p for p in model.parameters() if p.requires_grad)
    model(torch.rand(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    return {"epoch": 3, "optimizer": optimizer.state_dict(), "loss": torch.tensor(0.5)}


def _optimizer() -> Any:
    model = EDSR()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    return optimizer


def _nested(state: dict[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for name, value in state.items():
        *parts, last = name.split(".")
        here = root
        for part in parts:
            here = here.setdefault(part, {})
        here[last] = value
    return root


EXTRAS: dict[str, Callable[[], Any]] = {
    "optimizer object": _optimizer,
    "partial": lambda: functools.partial(np.mean, axis=0),
    "partial of torch": lambda: functools.partial(torch.clamp, min=0),
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "text array": lambda: np.array(["a", "bc"]),
    "bytes array": lambda: np.array([b"a", b"bc"]),
    "object array": lambda: np.array([None, "x", 3], dtype=object),
    "structured array": lambda: np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]),
    "datetime array": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "namespace": lambda: argparse.Namespace(lr=1e-4, name="edsr", sizes=[1, 2]),
    "simple namespace": lambda: types.SimpleNamespace(lr=1e-4),
    "path": lambda: Path("/data"),
    "slice": lambda: slice(0, 3),
    "range": lambda: range(4),
    "complex": lambda: 3 + 2j,
    "counter": lambda: collections.Counter("abc"),
    "deque": lambda: collections.deque([1.0, 2.0], maxlen=4),
    "frozenset": lambda: frozenset({1, "a"}),
    "float keys": lambda: {0.5: 1, 1.5: 2},
    "big keys": lambda: {10**30: 1},
    "tuple keys": lambda: {(1, (2, 3)): 4},
    "generator state": lambda: torch.get_rng_state(),
    "numpy state": lambda: np.random.get_state(),
    "numpy generator": lambda: np.random.default_rng(3),
    "dtype": lambda: torch.float16,
    "device": lambda: torch.device("cpu"),
    "size": lambda: torch.Size([1, 2]),
    "scheduler": lambda: torch.optim.lr_scheduler.StepLR(_optimizer(), 5),
    "scheduler state": lambda: torch.optim.lr_scheduler.OneCycleLR(
        _optimizer(), 0.1, total_steps=9
    ).state_dict(),
    "loss module": lambda: nn.L1Loss(),
    "bound method": lambda: collections.OrderedDict().get,
    "builtin": lambda: len,
    "exception": lambda: ValueError("no"),
    "type": lambda: dict,
    "complex tensor": lambda: torch.ones(2, dtype=torch.complex64),
    "sparse tensor": lambda: torch.eye(3).to_sparse(),
    "quantized tensor": lambda: torch.quantize_per_tensor(
        torch.ones(2), 0.1, 0, torch.qint8
    ),
    "float8 tensor": lambda: torch.ones(2).to(torch.float8_e5m2),
    "meta tensor": lambda: torch.ones(2, device="meta"),
    "metrics": lambda: {"psnr": [31.5, 32.0], "best": np.float64(32.0)},
    "nan": lambda: float("nan"),
    "decimal": lambda: __import__("decimal").Decimal("1.5"),
    "date": lambda: __import__("datetime").datetime(2020, 1, 1),
    "uuid": lambda: __import__("uuid").UUID(int=5),
    "enum": lambda: __import__("http").HTTPStatus.OK,
    "deep": lambda: functools.reduce(lambda inner, _: [inner], range(90), 1),
}


def _bad(change: Callable[[Any], Any]) -> dict[str, Any]:
    state = _state()
    name = "body.0.body.0.weight"
    state[name] = change(state[name])
    return state


def _raw_bytes(data: Callable[[], bytes], name: str = "net.pth") -> Any:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data())
        return path

    return write


def _no_checksum(folder: Path) -> Path:
    torch.serialization.set_crc32_options(False)
    try:
        return _saver(_state)(folder)
    finally:
        torch.serialization.set_crc32_options(True)


def _compiled(folder: Path) -> Path:
    state = {
        name.replace("body.0.", "body.0._orig_mod.", 1): value
        for name, value in _state().items()
    }
    return _saver(lambda: state)(folder)


def _shards(folder: Path, kind: str) -> Path:
    from safetensors.torch import save_file

    state = _state()
    names = list(state)
    parts = {1: names[:8], 2: names[8:]}
    stem, ending = (
        ("pytorch_model", "bin") if kind == "torch" else ("model", "safetensors")
    )
    where = {}
    for number, part in parts.items():
        file = f"{stem}-{number:05}-of-00002.{ending}"
        chosen = {name: state[name].contiguous() for name in part}
        if kind == "torch":
            torch.save(chosen, folder / file)
        else:
            save_file(chosen, folder / file)
        where |= dict.fromkeys(part, file)
    index = folder / f"{stem}.{ending}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": where}))
    return index


def _one_shard(folder: Path) -> Path:
    index = _shards(folder, "torch")
    index.unlink()
    return folder / "pytorch_model-00001-of-00002.bin"


def _shard_beside_index(folder: Path) -> Path:
    _shards(folder, "torch")
    return folder / "pytorch_model-00001-of-00002.bin"


def _missing_shard(folder: Path) -> Path:
    index = _shards(folder, "torch")
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    return index


def _hub(folder: Path, files: list[str], kind: str = "torch") -> Path:
    from safetensors.torch import save_file

    place = folder / "hub"
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"model_type": "EDSR"}))
    (place / "README.md").write_text("a network")
    for file in files:
        if kind == "torch":
            torch.save(_state(), place / file)
        else:
            save_file({n: t.contiguous() for n, t in _state().items()}, place / file)
    return place


def _hub_scaled(folder: Path) -> Path:
    place = folder / "hub"
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"res_scale": 0.1, "scale": 2}))
    torch.save(_state("scaled"), place / "pytorch_model.bin")
    return place


def _folder_of_shards(folder: Path, kind: str) -> Path:
    place = folder / "hub"
    place.mkdir()
    (place / "config.json").write_text("{}")
    _shards(place, kind)
    return place


def _safetensors(make: Callable[[], dict[str, Any]]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        from safetensors.torch import save_file

        path = folder / "net.safetensors"
        save_file({name: value.contiguous() for name, value in make().items()}, path)
        return path

    return write


def _script(folder: Path) -> Path:
    path = folder / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(modules()["raw"], torch.rand(1, 3, 6, 6)).save(path)
    return path


def _exported(folder: Path) -> Path:
    path = folder / "net.pt2"
    program = torch.export.export(modules()["raw"], (torch.rand(1, 3, 6, 6),))
    torch.export.save(program, path)
    return path


def _without_dots(state: dict[str, Any]) -> dict[str, Any]:
    """As latent diffusion's LitEma names its averages, which are of parameters."""
    return {
        name.replace(".", ""): value
        for name, value in state.items()
        if "_mean" not in name
    }


def _pruned() -> dict[str, Any]:
    module = EDSR()
    module.load_state_dict(_state())
    mask = torch.ones_like(module.head[0].weight)
    mask[:, 0] = 0
    prune.custom_from_mask(module.head[0], "weight", mask)
    return module.state_dict()


def _with(module: EDSR, change: Callable[[EDSR], None]) -> EDSR:
    import copy

    module = copy.deepcopy(module)
    change(module)
    return module


def _set_padding(module: EDSR) -> None:
    module.body[0].body[0] = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")


def _set_activation(module: EDSR) -> None:
    for block in module.body[:2]:
        block.body[1] = nn.LeakyReLU(0.2)


def _constant() -> dict[str, Any]:
    state = _state("constant")
    state["body.2.weight"] = torch.tensor(0.01).expand(8, 8, 3, 3)
    state["body.2.bias"] = torch.tensor([0.5]).expand(8)
    return state


def kinds() -> dict[str, Kind]:
    """All ways, by name."""
    found: dict[str, Kind] = {}
    # Containers.
    for protocol in range(6):
        for zipped in (True, False):
            found[f"protocol {protocol} {'zip' if zipped else 'legacy'}"] = Kind(
                _saver(
                    _state,
                    pickle_protocol=protocol,
                    _use_new_zipfile_serialization=zipped,
                ),
                "raw",
            )
        found[f"bare pickle {protocol}"] = Kind(
            _raw_bytes(functools.partial(_pickled, protocol)), "raw"
        )
        found[f"numpy pickle {protocol}"] = Kind(
            _raw_bytes(functools.partial(_numpy_pickled, protocol), "net.pkl"), "raw"
        )
    found["no checksums"] = Kind(_no_checksum, "raw")
    for kind in ("half", "bfloat16"):
        dtype = getattr(torch, {"half": "float16"}.get(kind, kind))
        found[kind] = Kind(
            _saver(lambda dtype=dtype: {n: t.to(dtype) for n, t in _state().items()}),
            kind,
        )
        found[f"{kind} safetensors"] = Kind(
            _safetensors(
                lambda dtype=dtype: {n: t.to(dtype) for n, t in _state().items()}
            ),
            kind,
        )
    found["double"] = Kind(
        _saver(lambda: {n: t.double() for n, t in _state().items()}), "raw"
    )
    found["safetensors"] = Kind(_safetensors(_state), "raw")
    found["channels last"] = Kind(
        _saver(
            lambda: modules()["raw"].to(memory_format=torch.channels_last).state_dict()
        ),
        "raw",
    )
    found["transposed"] = Kind(
        _saver(
            lambda: _bad(
                lambda t: t.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
            )
        ),
        "raw",
    )
    found["one storage"] = Kind(_saver(_one_storage), "raw")
    found["expanded"] = Kind(_saver(_constant), "constant")
    found["parameters"] = Kind(
        _saver(lambda: dict(modules()["raw"].named_parameters())), "raw"
    )
    # Keys around the state_dict, and what else is there.
    for key in (
        *("state_dict", "params", "model", "model_state_dict", "net", "netG", "net_g"),
        *("network", "generator", "G", "weights", "my_model", "edsr", "module"),
        *("model_state", "sr_model", "best_model", "student", "0"),
    ):
        found[f"under {key}"] = Kind(
            _saver(lambda key=key: {**_training(), key: _state()}), "raw"
        )
    for prefix in (
        *("module.", "model.", "module.module.", "_orig_mod.", "module._orig_mod."),
        *("_orig_mod.module.", "net.", "generator.", "net_g.", "sr.", "backbone."),
        *("model.net.", "model.generator.", "a.b.c.d.", "_forward_module.model."),
        *("params.", "params_ema.", "state_dict.model.", "edsr_model."),
    ):
        found[f"prefix {prefix}"] = Kind(
            _saver(lambda prefix=prefix: _prefixed(prefix, _state())), "raw"
        )
        found[f"training with prefix {prefix}"] = Kind(
            _saver(
                lambda prefix=prefix: {
                    **_training(),
                    "state_dict": _prefixed(prefix, _state()),
                }
            ),
            "raw",
        )
        found[f"safetensors with prefix {prefix}"] = Kind(
            _safetensors(lambda prefix=prefix: _prefixed(prefix, _state())), "raw"
        )
    for prefix in ("edsr_", "net/", "G:", "my-net-"):
        found[f"prefix {prefix} without a dot"] = Kind(
            _saver(lambda prefix=prefix: _prefixed(prefix, _state())), "raw"
        )
    found["pairs"] = Kind(_saver(lambda: list(_state().items())), "raw")
    found["pairs in a dictionary"] = Kind(
        _saver(lambda: {"params": list(_state().items()), "epoch": 3}), "raw"
    )
    found["packed again"] = Kind(_packed_again, "raw")
    found["compiled in the middle"] = Kind(_compiled, "raw")
    found["a list"] = Kind(_saver(lambda: [_state(), _training()]), "raw")
    found["a tuple"] = Kind(_saver(lambda: (7, _state())), "raw")
    found["nested dictionaries"] = Kind(_saver(lambda: _nested(_state())), "raw")
    found["nested under a key"] = Kind(
        _saver(lambda: {"model": _nested(_state()), "epoch": 1}), "raw"
    )
    found["the same twice"] = Kind(
        _saver(lambda: {"state_dict": _state(), "best_state_dict": _state()}), "raw"
    )
    found["five levels down"] = Kind(
        _saver(lambda: {"a": {"b": {"c": {"d": {"e": _state()}}}}}), "raw"
    )
    # Averages.
    for raw, average in (
        *(("params", "params_ema"), ("params", "params-ema"), ("state_dict", "ema")),
        *(("model", "model_ema"), ("model", "ema_model"), ("netG", "netG_ema")),
        *(("generator", "generator_ema"), ("generator", "g_ema"), ("g", "gEMA")),
        *(("state_dict", "ema_state_dict"), ("state_dict", "state_dict_ema")),
        *(("model", "averaged_model"), ("model", "swa_model"), ("model", "EMA")),
        *(("model", "modelEma"), ("online", "ema"), ("net", "shadow")),
    ):
        found[f"average {average}"] = Kind(
            _saver(
                lambda raw=raw, average=average: {
                    raw: _state(),
                    average: _state("ema"),
                    **_training(),
                }
            ),
            "ema",
        )
        found[f"flat average {average}"] = Kind(
            _saver(
                lambda raw=raw, average=average: (
                    _prefixed(f"{raw}.", _state())
                    | _prefixed(f"{average}.", _state("ema"))
                )
            ),
            "ema",
        )
        found[f"flat average {average} in Lightning"] = Kind(
            _saver(
                lambda raw=raw, average=average: {
                    "state_dict": _prefixed(f"{raw}.", _state())
                    | _prefixed(f"{average}.", _state("ema")),
                    **_training(),
                }
            ),
            "ema",
        )
    found["average below a module"] = Kind(
        _saver(
            lambda: {
                "model": _state(),
                "ema": {"module": _state("ema"), "decay": 0.999, "updates": 5},
            }
        ),
        "ema",
    )
    found["average with module."] = Kind(
        _saver(lambda: {"model": _state(), "ema": _prefixed("module.", _state("ema"))}),
        "ema",
    )
    found["average of parameters only"] = Kind(
        _saver(
            lambda: {
                "model": _state(),
                "ema": {n: t for n, t in _state("ema").items() if "_mean" not in n},
            }
        ),
        "ema",
    )
    found["average without dots"] = Kind(
        _saver(
            lambda: {
                "state_dict": _prefixed("model.", _state())
                | _prefixed("model_ema.", _without_dots(_state("ema")))
                | {"model_ema.decay": torch.tensor(0.9999)}
                | {"model_ema.num_updates": torch.tensor(5)}
            }
        ),
        "ema",
    )
    found["average as a list"] = Kind(
        _saver(
            lambda: {
                "model": _state(),
                "ema": {
                    "decay": 0.99,
                    "shadow_params": [
                        t for n, t in _state("ema").items() if "_mean" not in n
                    ],
                },
            }
        ),
        "ema",
    )
    found["AveragedModel"] = Kind(
        _saver(
            lambda: torch.optim.swa_utils.AveragedModel(modules()["raw"]).state_dict()
        ),
        "raw",
    )
    found["Lightning callback"] = Kind(
        _saver(
            lambda: {
                "state_dict": _prefixed("model.", _state()),
                "callbacks": {
                    "EMA": {"ema_state_dict": _prefixed("model.", _state("ema"))}
                },
            }
        ),
        "ema",
    )
    # Helpers beside.
    for name, beside in (
        *(("discriminator", _critic), ("netD", _critic), ("D", _critic)),
        *(
            ("loss", _loss),
            ("criterion", _loss),
            ("vgg", _loss),
            ("perceptual_loss", _loss),
        ),
        *(("lpips", _loss), ("feature_extractor", _loss), ("loss_fn", _loss)),
        *(("cri_perceptual", _loss), ("train_metrics", _loss), ("critic", _critic)),
    ):
        found[f"beside {name}"] = Kind(
            _saver(
                lambda name=name, beside=beside: Holder(
                    net=modules()["raw"], **{name: beside()}
                ).state_dict()
            ),
            "raw",
        )
        found[f"keys beside {name}"] = Kind(
            _saver(
                lambda name=name, beside=beside: {
                    "net": _state(),
                    name: beside().state_dict(),
                }
            ),
            "raw",
        )
    found["mmagic"] = Kind(
        _saver(
            lambda: {
                "meta": {"epoch": 1},
                "state_dict": _prefixed("generator.", _state())
                | _prefixed("generator_ema.", _state("ema"))
                | _prefixed("discriminator.", _critic().state_dict())
                | {
                    "step_counter": torch.tensor(5),
                    "data_preprocessor.mean": torch.zeros(3, 1, 1),
                },
            }
        ),
        "ema",
    )
    found["profiled"] = Kind(
        _saver(
            lambda: (
                _state()
                | {"total_ops": torch.zeros(1, dtype=torch.float64)}
                | {"head.0.total_params": torch.zeros(1, dtype=torch.float64)}
            )
        ),
        "raw",
    )
    found["pruned"] = Kind(_saver(_pruned), "pruned")
    for name, make in EXTRAS.items():
        found[f"extra {name}"] = Kind(
            _saver(lambda make=make: {"state_dict": _state(), "extra": make()}), "raw"
        )
    for name in (
        "partial",
        "ellipsis",
        "text array",
        "namespace",
        "enum",
        "bound method",
    ):
        found[f"extra {name} in a bare pickle"] = Kind(
            _raw_bytes(
                lambda make=EXTRAS[name]: pickle.dumps(
                    {"sd": _state(), "extra": make()}
                )
            ),
            "raw",
        )
    # Settings in the file, and whole modules.
    for key in ("args", "opt", "hyper_parameters"):
        found[f"res_scale in {key}"] = Kind(
            _saver(
                lambda key=key: {
                    "state_dict": _state("scaled"),
                    key: argparse.Namespace(res_scale=0.1, n_feats=8),
                }
            ),
            "scaled",
        )
    found["res_scale in a dictionary"] = Kind(
        _saver(
            lambda: {
                "params": _state("scaled"),
                "opt": {"network_g": {"res_scale": 0.1}},
            }
        ),
        "scaled",
    )
    found["a module"] = Kind(_saver(lambda: modules()["raw"]), "raw")
    found["a module with res_scale"] = Kind(
        _saver(lambda: modules()["scaled"]), "scaled"
    )
    found["a module in a dictionary"] = Kind(
        _saver(lambda: {"model": modules()["raw"], "epoch": 3}), "raw"
    )
    found["a parallel module"] = Kind(
        _saver(lambda: nn.DataParallel(modules()["raw"])), "raw"
    )
    found["a module and its average"] = Kind(
        _saver(lambda: {"model": modules()["raw"], "ema": modules()["ema"]}), "ema"
    )
    found["a legacy module"] = Kind(
        _saver(lambda: modules()["raw"], _use_new_zipfile_serialization=False), "raw"
    )
    found["a module with reflection"] = Kind(
        _saver(lambda: _with(modules()["raw"], _set_padding)), refused="padding_mode"
    )
    found["a module with another activation"] = Kind(
        _saver(lambda: _with(modules()["raw"], _set_activation)), refused="LeakyReLU"
    )
    # Hugging Face, shards.
    for kind in ("torch", "safetensors"):
        found[f"shards {kind}"] = Kind(functools.partial(_shards, kind=kind), "raw")
        found[f"folder of shards {kind}"] = Kind(
            functools.partial(_folder_of_shards, kind=kind), "raw"
        )
    found["a folder"] = Kind(
        functools.partial(_hub, files=["pytorch_model.bin"]), "raw"
    )
    found["a safetensors folder"] = Kind(
        functools.partial(_hub, files=["model.safetensors"], kind="safetensors"), "raw"
    )
    found["a folder with settings"] = Kind(_hub_scaled, "scaled")
    found["a folder of scales"] = Kind(
        functools.partial(_hub, files=["pytorch_model_2x.pt", "pytorch_model_4x.pt"]),
        refused="pytorch_model_2x.pt.*pytorch_model_4x.pt",
    )
    found["a folder of nothing"] = Kind(
        functools.partial(_hub, files=[]), refused="no checkpoint"
    )
    found["a shard alone"] = Kind(_one_shard, refused="shard 1 of 2")
    found["a shard beside its index"] = Kind(
        _shard_beside_index, refused="pytorch_model.bin.index.json"
    )
    found["a missing shard"] = Kind(_missing_shard, refused="00002-of-00002")
    # What cannot be right.
    found["two networks"] = Kind(
        _saver(lambda: {"net_a": _state(), "net_b": _state("other")}), refused="--state"
    )
    found["two scales"] = Kind(
        _saver(lambda: {"x2": _state(), "x3": _state("x3")}), refused="--state"
    )
    found["part of a larger network"] = Kind(
        _saver(lambda: Holder(sr=modules()["raw"], refine=_loss()).state_dict()),
        refused="--state sr",
    )
    found["float8"] = Kind(
        _saver(lambda: _bad(lambda t: t.to(torch.float8_e4m3fn))), refused="float8"
    )
    found["float8 safetensors"] = Kind(
        _safetensors(lambda: _bad(lambda t: t.to(torch.float8_e4m3fn))),
        refused="F8_E4M3",
    )
    found["quantized"] = Kind(
        _saver(
            lambda: _bad(lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8))
        ),
        refused="quantize",
    )
    found["quantized legacy"] = Kind(
        _saver(
            lambda: _bad(lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8)),
            _use_new_zipfile_serialization=False,
        ),
        refused="quantize",
    )
    found["sparse"] = Kind(
        _saver(lambda: _bad(lambda t: t.to_sparse())), refused="sparse"
    )
    found["complex"] = Kind(
        _saver(lambda: _bad(lambda t: t.to(torch.complex64))), refused="complex"
    )
    found["meta"] = Kind(_saver(lambda: _bad(lambda t: t.to("meta"))), refused="meta")
    found["NaN"] = Kind(_saver(lambda: _bad(lambda t: t * float("nan"))), refused="NaN")
    found["TorchScript"] = Kind(_script, refused="TorchScript")
    found["exported"] = Kind(_exported, refused="torch.export")
    found["one tensor"] = Kind(_saver(lambda: torch.ones(3)), refused="single tensor")
    found["a number"] = Kind(_saver(lambda: 3), refused="int was saved")
    found["nothing"] = Kind(_saver(dict), refused="no tensors")
    found["a missing tensor"] = Kind(
        _saver(lambda: {n: t for n, t in _state().items() if n != "body.2.weight"}),
        refused="body.2",
    )
    found["a tensor too many"] = Kind(
        _saver(lambda: _state() | {"gate.weight": torch.ones(8)}), refused="gate"
    )
    found["optimizer only"] = Kind(_saver(_training), refused="no known family")
    found["optimizer object only"] = Kind(
        _saver(_optimizer), refused="no known family|Adam"
    )
    found["averages of Adam by name"] = Kind(
        _saver(lambda: {"optimizer": {"exp_avg": _state()}}), refused="no known family"
    )
    found["truncated"] = Kind(_truncated, refused="damaged|cut|truncated|zip")
    found["empty"] = Kind(_raw_bytes(lambda: b""), refused="empty")
    found["a discriminator"] = Kind(
        _saver(lambda: _critic().state_dict()), refused="no known family"
    )
    return found


def _packed_again(folder: Path) -> Path:
    """Unpacked and packed by hand, compressed and without the folder around."""
    path = _saver(_state)(folder)
    out = folder / "again.pth"
    with (
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name.partition("/")[2], old.read(name))
    return out


def _truncated(folder: Path) -> Path:
    path = _saver(_state)(folder)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def _pickled(protocol: int) -> bytes:
    return pickle.dumps(_state(), protocol)


def _numpy_pickled(protocol: int) -> bytes:
    return pickle.dumps({n: t.numpy() for n, t in _state().items()}, protocol)


def _one_storage() -> dict[str, Any]:
    """Every tensor a view of one long vector, as FSDP and flattening leave them."""
    state = _state()
    flat = torch.cat([tensor.reshape(-1) for tensor in state.values()])
    views, at = {}, 0
    for name, tensor in state.items():
        views[name] = flat[at : at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    return views


def gzipped(path: Path) -> Path:
    """The same file, compressed."""
    out = path.with_name(path.name + ".gz")
    out.write_bytes(gzip.compress(path.read_bytes()))
    return out
