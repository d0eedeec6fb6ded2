"""Warm spares that fail again and again: a cell works without one, and its restarts take longer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from fieldstack.ha.measures import FactKind, Measure


class KeepsSpares(Protocol):
    def spare_failures(self) -> Mapping[str, tuple[int, str]]: ...


class Spares:
    """REFUSED_REPEATEDLY of `spare:PROCESS`."""

    def __init__(self, processes: KeepsSpares) -> None:
        self._processes = processes

    def measures(self, _now_ns: int) -> Iterable[Measure]:
        for name, (count, why) in self._processes.spare_failures().items():
            yield Measure(
                FactKind.REFUSED_REPEATEDLY, f"spare:{name}", float(count), f"its warm spare: {why}"
            )
