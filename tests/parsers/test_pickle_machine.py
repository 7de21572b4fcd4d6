"""The pickle machine: equal to Python's on data, inert on everything else."""

from __future__ import annotations

import argparse
import collections
import decimal
import pickle
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ReaderError
from zoo.parsers._pickle import PickleMachine
from zoo.parsers._pickle_values import Global, Opaque, Unnamed
from zoo.parsers._torch_objects import CONSTRUCTORS


def load(data: bytes, **options: Any) -> Any:
    return PickleMachine(
        data, source="test", constructors=CONSTRUCTORS, **options
    ).run()


KEYS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=9)
LEAVES = (
    KEYS
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
    | st.text(max_size=300)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner, max_size=5)
        | st.sets(KEYS, max_size=5)
        | st.frozensets(KEYS, max_size=5).map(lambda keys: set(keys))
    ),
    max_leaves=20,
)


@given(VALUES, st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_equals_python_on_plain_data(value: Any, protocol: int) -> None:
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_ordered_and_default_dicts_are_dicts(protocol: int) -> None:
    ordered = collections.OrderedDict(b=1, a=[2])
    ordered.version = 3  # type: ignore[attr-defined]
    assert list(load(pickle.dumps(ordered, protocol)).items()) == [("b", 1), ("a", [2])]
    default = collections.defaultdict(list, {"x": [1]})
    assert load(pickle.dumps(default, protocol)) == {"x": [1]}


def test_python_2_strings() -> None:
    assert load(b"U\x03abcT\x03\x00\x00\x00\xff\xfe\xfd\x86.") == (
        "abc",
        b"\xff\xfe\xfd",
    )
    assert load(b"S'a\\x41\\n\\101'\n.") == "aA\nA"
    for wrong in (b"S'\\q'\n.", b"S'\\777'\n.", b"Sabc\n.", b"S'\xe9'\n."):
        with pytest.raises(ReaderError):
            load(wrong)


def test_what_is_shared_stays_shared() -> None:
    inner: list[Any] = []
    inner.append(inner)
    value = load(pickle.dumps([inner, inner], 2))
    assert value[0] is value[1]
    assert value[0][0] is value[0]


def test_bytearray_and_position() -> None:
    for protocol in range(6):
        assert load(pickle.dumps(bytearray(b"x\xff"), protocol)) == b"x\xff"
    data = pickle.dumps(bytearray(b"xyz"), 5)
    machine = PickleMachine(data + b"more", source="", constructors={})
    assert machine.run() == b"xyz"
    assert machine.position == len(data)


class Attack:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "function", ["os.system", "builtins.eval", "builtins.exec", "subprocess.call"]
)
def test_attacks_are_refused_and_not_run(
    tmp_path: Path, function: str, protocol: int
) -> None:
    import importlib

    module, _, name = function.rpartition(".")
    real = getattr(importlib.import_module(module), name)
    mark = tmp_path / "executed"
    code = {
        "os.system": f"touch {mark}",
        "subprocess.call": ["touch", str(mark)],
    }.get(function, f"open({str(mark)!r}, 'w')")
    data = pickle.dumps({"state_dict": Attack(real, code)}, protocol)
    with pytest.raises(ReaderError, match=r"refused, and nothing was run"):
        load(data)
    assert not mark.exists()
    pickle.loads(data)  # The attack is a real one.
    assert mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"(S'true'\nios\nsystem\n.",
        b"(cos\nsystem\nS'true'\no.",
        b"cposix\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cos.path\njoin\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x0aset.__init\x93.",
    ],
)
def test_attacks_written_by_hand_are_refused(data: bytes) -> None:
    with pytest.raises(ReaderError, match="refused"):
        load(data)


def test_unknown_modules_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "imported"
    (tmp_path / "zoo_trap.py").write_text(f"open({str(mark)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    data = (
        b"\x80\x02czoo_trap\nMake\n)R}(X\x01\x00\x00\x00aK\x01ub"
        b"czoo_trap\nClass\n(K\x01K\x02t\x81czoo_trap\nName\n\x87."
    )
    made, new, name = load(data)
    assert isinstance(made, Opaque)
    assert (str(made.function), made.state) == ("zoo_trap.Make", {"a": 1})
    assert isinstance(new, Opaque)
    assert new.arguments == (1, 2)
    assert name == Global("zoo_trap", "Name")
    assert "zoo_trap" not in sys.modules
    assert not mark.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_other_objects_become_inert(protocol: int) -> None:
    space = argparse.Namespace(scale=2)
    value = load(pickle.dumps([space, decimal.Decimal("1.5")], protocol))
    assert all(isinstance(item, Opaque) for item in value)
    if protocol >= 2:
        assert str(value[0].function) == "argparse.Namespace"
        assert value[0].state == {"scale": 2}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "STOP"),
        (b"N", "STOP"),
        (b".", "no value"),
        (b"NN.", "left on the stack"),
        (b"\xff.", "no pickle opcode"),
        (b"\x82\x01.", "no pickle opcode"),
        (b"\x80\x06N.", "protocol 6"),
        (b"X\xff\xff\xff\xffab.", "announced"),
        (b"\x8d" + b"\xff" * 8 + b".", "announced"),
        (b"\x95" + b"\xff" * 8 + b"N.", "frame"),
        (b"\x8b\xff\xff\xff\x7f.", "too long"),
        (b"\x8b\xff\xff\xff\xff.", "too long"),
        (b"I" + b"9" * 5000 + b"\n.", "too long"),
        (b"Ix\n.", "is none"),
        (b"Fx\n.", "is none"),
        (b"I5.", "no end"),
        (b"X\x01\x00\x00\x00\xff.", "UTF-8"),
        (b"h\x05.", "before it is written"),
        (b"p1\n.", "no value"),
        (b"Np-1\n.", "no place"),
        (b"t.", "no mark"),
        (b"(.", "no value"),
        (b"(00t.", "no value"),
        (b"Na.", "no value"),
        (b"NNa.", "added to a NoneType"),
        (b"NNNs.", "set in a NoneType"),
        (b"}(Nu.", "no value"),
        (b"NNR.", "is called"),
        (b"cx\ny\nNR.", "without a tuple"),
        (b"NNb.", "given attributes"),
        (b"NQ.", "no container"),
        (b"\x80\x04NN\x93.", "not a text"),
        (b"(o.", "no class"),
    ],
)
def test_malformed_streams_are_refused_with_the_reason(
    data: bytes, reason: str
) -> None:
    with pytest.raises(ReaderError, match=reason) as caught:
        load(data)
    assert "at byte" in str(caught.value)


@pytest.mark.parametrize("data", [b"}]Ns.", b"}F1.5\nNs."])
def test_keys_that_are_no_plain_values_stand_for_themselves(data: bytes) -> None:
    (key,) = load(data)
    assert isinstance(key, Unnamed)


def test_calls_that_make_no_sense_stay_inert_with_their_reason() -> None:
    made = load(b"ccollections\nOrderedDict\n(K\x01tR.")
    assert isinstance(made, Opaque)
    assert "pairs" in made.reason


def bounded(data: bytes, memory: int, **options: Any) -> Any:
    """Load and return the value or the error; fail if it takes too much."""
    tracemalloc.start()
    begin = time.monotonic()
    try:
        result = load(data, **options)
    except ReaderError as error:
        result = error
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < memory
    assert time.monotonic() - begin < 20
    return result


BOMBS = {
    # A tuple of twice itself, 100 times, as a key: hashing takes 2^100 steps.
    "deep key": b"}N" + b"2\x86" * 100 + b"Ns.",
    "deep set": b"\x8f(N" + b"2\x86" * 100 + b"\x90.",
    # Whole numbers with one hash.
    "one hash": b"}("
    + b"".join(
        b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little", signed=True) + b"N"
        for k in range(20000)
    )
    + b"u.",
    # One long list, copied over and over.
    "copied": b"](" + b"N" * 100000 + b"e\x940c__builtin__\nset\nq\x01"
    b"0(" + b"h\x01h\x00\x85R" * 100000 + b"t.",
    "encoded": b"X\x40\x42\x0f\x00" + b"a" * 1000000 + b"q\x000"
    b"c_codecs\nencode\nq\x010(" + b"h\x01h\x00\x85R" * 5000 + b"t.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_harmless(name: str) -> None:
    result = bounded(BOMBS[name], memory=400 << 20)
    if name in ("copied", "encoded"):
        assert isinstance(result, ReaderError)
    else:
        # Such keys are never hashed.
        assert all(isinstance(key, (int, Unnamed)) for key in result)


@pytest.mark.parametrize("opcode", [b"\x8f", b"}", b"]", b"(", b"2", b"N0"])
def test_memory_and_time_are_charged_to_the_budget(opcode: bytes) -> None:
    budget = 2 << 20
    value = bounded(b"N" + opcode * 140_000 + b".", 3 * budget, budget=budget)
    assert "far more than its size" in str(value)


@pytest.mark.parametrize(
    "opcode", [b"\x85", b"q\x020cx\ny\nh\x02\x85R", b"]h\x01a\x94"]
)
def test_deep_nesting_does_not_overflow_the_stack(opcode: bytes) -> None:
    try:
        load(b"Nq\x00q\x01" + opcode * 60_000 + b".")
    except ReaderError as error:
        assert "left on the stack" in str(error)


SAMPLE = pickle.dumps(
    collections.OrderedDict(
        a=[1, 2.5, "text", b"bytes", (None, True)], b={"c": {1, 2}, "d": -(2**70)}
    ),
    2,
)


@pytest.mark.parametrize("protocol", range(6))
def test_every_truncation_is_refused(protocol: int) -> None:
    data = pickle.dumps(load(SAMPLE), protocol)
    for size in range(len(data)):
        with pytest.raises(ReaderError):
            load(data[:size])


def test_every_flipped_bit_gives_a_value_or_an_error() -> None:
    for at in range(len(SAMPLE)):
        for bit in range(8):
            flipped = bytearray(SAMPLE)
            flipped[at] ^= 1 << bit
            try:
                load(bytes(flipped))
            except ReaderError:
                continue


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_noise_gives_a_value_or_an_error(noise: bytes) -> None:
    try:
        load(noise)
    except ReaderError as error:
        assert "test:" in str(error)
