"""Measurements kept in a file, and compared with a later one.

Seconds of two days, let alone of two machines, say little: a machine is never quite
idle. How many times as fast as an engine measured in the same run zoo was says more;
a comparison shows both.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.bench.peers import OURS
from zoo.bench.report import duration, times
from zoo.errors import UsageError, ZooError
from zoo.files import atomic_write, refuse_existing
from zoo.tables import printable, table

if TYPE_CHECKING:
    from zoo.bench.kernels import KernelRow
    from zoo.bench.layers import LayerRow
    from zoo.bench.results import NetReport

__all__ = ["Kept", "Timed", "timed_kernels", "timed_layers", "timed_net"]

_LARGEST = 1 << 26
_FORMAT = "zoo bench 1"


@dataclass(frozen=True)
class Timed:
    """One thing that was measured in one or more engines, in turn.

    Attributes
    ----------
    what : str
        Two measurements of the same thing have the same words here.
    seconds : dict of str to float
        Median by engine, zoo's first.
    """

    what: str
    seconds: dict[str, float]


def timed_net(report: NetReport) -> list[Timed]:
    """Warm runs of a network, and whole processes where they were measured."""
    name = f"{Path(report.source).name} {report.width}x{report.height}"
    name += f" {report.precision}, threads: {report.threads}"
    kinds = (
        ("", {r.name: r.warm for r in report.results}),
        (", cold", {r.name: r.cold for r in report.results}),
    )
    return [
        Timed(name + kind, {k: s.median for k, s in stats.items() if s is not None})
        for kind, stats in kinds
        if any(s is not None for s in stats.values())
    ]


def timed_layers(rows: Sequence[LayerRow]) -> list[Timed]:
    """Single layers."""
    return [
        Timed(
            f"{row.case.name} {'x'.join(map(str, row.case.input))} {row.direction}, "
            f"threads: {row.threads}",
            {name: stats.median for name, stats in row.seconds.items()},
        )
        for row in rows
        if row.seconds
    ]


def timed_kernels(rows: Sequence[KernelRow]) -> list[Timed]:
    """zoo's operations; each way of doing one stands alone."""
    return [
        Timed(
            " ".join(
                filter(None, (row.case.name, "x".join(map(str, row.case.input)),
                              row.back_end, row.isa, row.algorithm))
            )
            + f", threads: {row.threads}",
            {OURS: row.seconds.median},
        )
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A measurement as it is kept.

    Attributes
    ----------
    kind : {"net", "layers", "kernels"}
    machine : dict
        See :func:`zoo.bench.machine.describe`.
    timed : list of Timed
    date : str
        ISO 8601, UTC.
    details : dict
        All that was found out, as ``--json`` prints it.
    """

    kind: str
    machine: dict[str, Any]
    timed: list[Timed]
    date: str = field(
        default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    )
    details: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write a new file.

        Raises
        ------
        UsageError
            If there is one of that name.
        ZooError
            If it cannot be written.
        """
        refuse_existing(path)
        with atomic_write(path) as file:
            plain = {"format": _FORMAT, **asdict(self)}
            file.write(json.dumps(plain, indent=1).encode())

    @classmethod
    def read(cls, path: Path, kind: str) -> Kept:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : Path
        kind : str
            What it must be about.

        Raises
        ------
        UsageError
            If it is about something else.
        ZooError
            If it cannot be read or is nothing of the kind.
        """
        try:
            with path.open("rb") as file:
                text = file.read(_LARGEST + 1)
        except OSError as error:
            raise ZooError(f"cannot read {str(path)!r}: {error.strerror}") from None
        try:
            plain = json.loads(text) if len(text) <= _LARGEST else None
            kept = cls._from(plain)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ZooError(
                f"{str(path)!r} is nothing that zoo bench --save wrote"
            ) from None
        if kept.kind != kind:
            raise UsageError(
                f"{str(path)!r} was saved by zoo bench {printable(kept.kind)}, "
                f"not by zoo bench {kind}"
            )
        return kept

    @classmethod
    def _from(cls, plain: Any) -> Kept:
        if plain["format"] != _FORMAT:
            raise ValueError(plain["format"])
        timed = [
            Timed(
                str(entry["what"]),
                {str(name): float(s) for name, s in entry["seconds"].items()},
            )
            for entry in plain["timed"]
        ]
        machine = {str(key): value for key, value in plain["machine"].items()}
        return cls(str(plain["kind"]), machine, timed, str(plain["date"]))

    def changes(self, before: Kept) -> list[dict[str, Any]]:
        """What was measured both times, and what became of it.

        Parameters
        ----------
        before : Kept
            The earlier measurement.

        Returns
        -------
        list of dict
            ``what``, ``engine``, seconds ``before`` and ``now``; and for other engines
            how many times as fast zoo was and is (``ratio_before``, ``ratio_now``),
            else None.
        """
        earlier = {timed.what: timed.seconds for timed in before.timed}
        return [
            change
            for timed in self.timed
            if timed.what in earlier
            for change in _changes(timed.what, earlier[timed.what], timed.seconds)
        ]

    def compared(self, before: Kept) -> str:
        """The same as a table for people."""
        since = printable(f"before: {before.date}, zoo {before.machine.get('zoo')}")
        changes = self.changes(before)
        if not changes:
            return f"nothing of this was measured in the file ({since})"
        rows = [
            (
                *(change["what"], change["engine"]),
                *(duration(change["before"]), duration(change["now"])),
                times(_ratio(change["before"], change["now"])),
                *(times(change["ratio_before"]), times(change["ratio_now"])),
            )
            for change in changes
        ]
        header = ("what", "engine", "before", "now", "faster", "zoo was", "zoo is")
        lines = [table(header, rows, "llrrrrr"), since]
        mine, theirs = (
            (m.get("processor"), m.get("processors"))
            for m in (self.machine, before.machine)
        )
        if mine != theirs:
            other = printable(f"{theirs[0]}, {theirs[1]} processors")
            lines.append(
                f"that was another machine ({other}): "
                f'only "zoo was" and "zoo is" can be compared'
            )
        return "\n".join(lines)


def _changes(
    what: str, before: dict[str, float], now: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """One for every engine that was measured both times."""
    common = [name for name in now if name in before]
    ours = next((name for name in common if name.split()[0] == OURS), None)
    for name in common:
        peer_of = ours if name.split()[0] != OURS else None
        yield {
            "what": what,
            "engine": name,
            "before": before[name],
            "now": now[name],
            "ratio_before": _ratio(before[name], before[peer_of]) if peer_of else None,
            "ratio_now": _ratio(now[name], now[peer_of]) if peer_of else None,
        }


def _ratio(seconds: float, ours: float) -> float | None:
    return seconds / ours if ours > 0 else None
