"""The native back end as a whole: instruction sets, threads, processes, absence."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import PluginError, UsageError
from zoo.plugins import ConvGeometry, Padding, select

try:
    from zoo.plugins.native import NativeKernels, _binding, _native, isa
except PluginError as error:
    pytest.skip(str(error), allow_module_level=True)

SAME = ConvGeometry(padding=Padding(1, 1, 1, 1))


def convolve(seed: int, threads: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1, 40, 40, 16)).astype(np.float32)
    weights = rng.standard_normal((3, 3, 16, 16)).astype(np.float32)
    return NativeKernels(threads).conv2d(x, weights, None, SAME)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_select_finds_it() -> None:
    native = select("native", threads=2)
    assert isinstance(native, NativeKernels)
    assert native.threads == 2
    names = ("portable C", "AVX2+FMA", "AVX-512", "AMX+AVX-512")
    assert native.instruction_set in names


def test_portable_is_always_there() -> None:
    assert isa.available()[0] == "portable"
    assert NativeKernels(1, isa="portable").instruction_set == "portable C"


def test_the_environment_caps_the_instruction_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZOO_ISA", "portable")
    assert NativeKernels(1).isa == "portable"
    monkeypatch.setenv("ZOO_ISA", "sse9")
    with pytest.raises(UsageError, match="sse9"):
        NativeKernels(1)


def test_a_missing_instruction_set_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isa, "available", lambda: ("portable",))
    with pytest.raises(PluginError, match=isa.LEVELS[-1]):
        NativeKernels(1, isa=isa.LEVELS[-1])


def test_unknown_algorithm_is_an_error() -> None:
    with pytest.raises(UsageError, match="fft"):
        NativeKernels(1, algorithm="fft")  # type: ignore[arg-type]


@pytest.mark.skipif("avx2" not in isa.LEVELS, reason="about x86")
@pytest.mark.parametrize(
    ("flags", "has", "reasons"),
    [
        ("avx2 fma f16c", 1, {}),
        ("avx2 fma", 0, {}),
        ("", 0, {}),
        ("avx2 fma f16c", 0, {"avx2": "it was not compiled in"}),
        (
            "avx2 fma f16c avx512f avx512dq avx512bw avx512vl amx_tile amx_bf16",
            2,
            {"amx": "does not let this process use AMX tiles"},
        ),
        (
            "avx2 fma f16c amx_tile amx_bf16",
            1,
            {"amx": "avx512 is not there, which it builds on"},
        ),
    ],
)
def test_what_is_not_used_is_explained(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    flags: str,
    has: int,
    reasons: dict[str, str],
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr(isa, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(_native, "cpu_level", lambda: has)
    monkeypatch.setattr(isa, "available", lambda: isa.LEVELS[: has + 1])
    found = isa.why_not(has)
    assert found.keys() == reasons.keys()
    assert all(reason in found[name] for name, reason in reasons.items())
    if has < len(isa.LEVELS) - 1:
        with pytest.raises(PluginError, match="cannot be used here"):
            isa.choose(isa.LEVELS[-1])


def test_an_instruction_set_left_unused_by_wish_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isa, "available", lambda: isa.LEVELS[:2])
    monkeypatch.setattr(_native, "cpu_level", lambda: 1)
    monkeypatch.setenv("ZOO_ISA", "portable")
    found = NativeKernels(1).unused_instruction_sets
    assert found[isa.LEVELS[1]] == "ZOO_ISA is portable"


def test_a_library_compiled_for_another_version_is_recognised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_native, "BINDING", 0)
    with pytest.raises(PluginError, match="another version"):
        importlib.reload(_binding)


def test_several_python_threads_at_once() -> None:
    truth = [convolve(seed, 1) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(convolve, range(8), [2] * 8))
    for result, expected in zip(results, truth, strict=True):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_compute_too() -> None:
    code = """
import os, sys
import numpy as np
from zoo.plugins import ConvGeometry, Padding
from zoo.plugins.native import NativeKernels
x = np.random.default_rng(0).standard_normal((1, 40, 40, 16)).astype("f")
w = np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype("f")
def convolve():
    kernels = NativeKernels(3)
    return kernels.conv2d(x, w, None, ConvGeometry(padding=Padding(1, 1, 1, 1)))
truth = convolve()
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(convolve(), truth) for _ in range(5))
        os._exit(0 if same else 1)
    assert np.array_equal(convolve(), truth)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_many_thread_counts_in_turn() -> None:
    truth = convolve(9, 1)
    for threads in (5, 2, 7, 1, 3, 2, 9, 4) * 8:
        np.testing.assert_array_equal(convolve(9, threads), truth)


def test_a_missing_extension_is_one_clear_sentence() -> None:
    code = """
import sys
sys.modules["zoo.plugins.native._native"] = None
from zoo.errors import PluginError
try:
    import zoo.plugins.native
except PluginError as error:
    print(error)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert "compiler" in done.stdout
    assert "pip install --force-reinstall" in done.stdout


def test_the_binding_checks_sizes() -> None:
    x = np.zeros((1, 4, 4, 2), np.float32)
    weights = np.zeros((3, 3, 2, 5), np.float32)
    steps = ((1, 1), (1, 1), (0, 0, 0, 0), 0, 1, 0, 0, 0.0)
    right = np.zeros((1, 2, 2, 5), np.float32)
    wrong = np.zeros((1, 2, 3, 5), np.float32)
    _native.conv2d(0, 1, x, weights, None, *steps, right)
    with pytest.raises(ValueError, match="shape"):
        _native.conv2d(0, 1, x, weights, None, *steps, wrong)
    with pytest.raises(ValueError, match="shape"):
        biases = np.zeros(4, np.float32)
        _native.conv2d(0, 1, x, weights, biases, *steps, right)
    with pytest.raises(ValueError, match="available"):
        _native.conv2d(9, 1, x, weights, None, *steps, right)
    with pytest.raises(ValueError, match="padding"):
        _native.pool(0, 1, False, x, (1, 1), (1, 1), (-1, 0, 0, 0), right)
    with pytest.raises(ValueError, match="channels"):
        _native.shuffle(1, True, 3, False, x, right)
