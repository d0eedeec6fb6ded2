"""The results of faults outside RT: distributions, losses, bounds.

`incident_command` makes and shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.incident import Incident
from fieldstack.bench.failover.losses import total
from fieldstack.bench.harness.checks import Check
from fieldstack.bench.harness.percentiles import Percentiles

COLUMNS = ("detect", "react", "back", "moving_again")
_MOVE = "axes move again"
_RESTART = ("Non-RT knows", "restart", "heartbeat back", _MOVE)
MEANINGS: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.NONRT_KILL: ("RT knows", "axes begin to stop", "RT adopted", _MOVE),
    FaultKind.BOTH_KILL: ("first watchdog", "all outputs safe", "bus in OP", _MOVE),
    FaultKind.SLAVE_LOSS: (
        "RT knows",
        "axes begin to stop",
        "from power: slave recovered",
        f"from power: {_MOVE}",
    ),
    FaultKind.SLOW_SLAVE: (
        "RT knows of another loss",
        "that slave is back",
        "the slow one is back",
        _MOVE,
    ),
    FaultKind.BUS_POWER: (
        "RT knows",
        "axes begin to stop",
        "from power: a slave recovered",
        f"from power: {_MOVE}",
    ),
    FaultKind.RT_MAIN_STOPPED: ("alert", "axes begin to stop", "bus in OP again", _MOVE),
    FaultKind.CORE_KILL: _RESTART,
    FaultKind.CORE_DEADLOCK: _RESTART,
    FaultKind.MEMORY_LEAK: ("alert", "Core ended, as planned", "started again", _MOVE),
    FaultKind.DISK_FULL: ("saver knows", "alert", "from room: saved", "from room: all as before"),
    FaultKind.PROBE_EXCEPTION: (
        "supervision knows",
        "axes begin to stop",
        "from its end: it sees again",
        f"from its end: {_MOVE}",
    ),
    FaultKind.IGNORED_STOP: (
        "RT names the axis",
        "its power is off",
        "it stands",
        f"from its repair: {_MOVE}",
    ),
}
"""What the columns mean for each fault."""
LIMITS_MS: dict[FaultKind, dict[str, tuple[str, float]]] = {
    FaultKind.NONRT_KILL: {"detect": ("p50", 5.0), "react": ("p50", 10.0)},
    FaultKind.BOTH_KILL: {"react": ("max", 150.0)},
    FaultKind.SLAVE_LOSS: {"detect": ("p50", 5.0), "react": ("p50", 20.0)},
    FaultKind.SLOW_SLAVE: {"detect": ("p50", 100.0), "react": ("p50", 500.0)},
    FaultKind.BUS_POWER: {"detect": ("p50", 5.0), "react": ("p50", 20.0)},
    FaultKind.RT_MAIN_STOPPED: {"detect": ("p50", 1000.0), "react": ("p50", 1200.0)},
    FaultKind.CORE_KILL: {"detect": ("p50", 40.0), "react": ("p50", 60.0)},
    FaultKind.CORE_DEADLOCK: {"detect": ("p50", 3000.0)},
    FaultKind.MEMORY_LEAK: {"detect": ("max", 100_000.0)},
    FaultKind.DISK_FULL: {"detect": ("p50", 2000.0), "react": ("p50", 10_000.0)},
    FaultKind.PROBE_EXCEPTION: {"detect": ("p50", 60.0), "react": ("p50", 250.0), "back": ("max", 1500.0)},
    FaultKind.IGNORED_STOP: {"detect": ("p50", 80.0), "react": ("p50", 180.0), "back": ("p50", 500.0)},
}
BACK_FACTOR = 1.5
"""The ratio of back p50 to its references, if the process or bus was started again."""


@dataclass(frozen=True, slots=True)
class IncidentResult:
    """`reference_ns`: by name. `restart_ns`: what the recovery is compared with; empty: nothing."""

    kind: FaultKind
    incidents: tuple[Incident, ...]
    references_ns: dict[str, list[int]]
    compared: tuple[str, ...]

    @property
    def timed(self) -> tuple[Incident, ...]:
        return tuple(one for one in self.incidents if not one.latched)

    def column(self, name: str) -> Percentiles | None:
        """In ms; None if it was never seen."""
        found = (getattr(one, f"{name}_ns") for one in self.timed)
        values = [value / 1e6 for value in found if value is not None]
        return Percentiles.of(values, name) if values else None

    def reference(self, name: str) -> Percentiles:
        return Percentiles.of((value / 1e6 for value in self.references_ns[name]), name)

    @property
    def allowed_back_ms(self) -> float | None:
        if not self.compared:
            return None
        return BACK_FACTOR * sum(self.reference(name).p50 for name in self.compared)

    def checks(self) -> list[Check]:
        lost = total([one.losses for one in self.incidents]).to_json()
        found = [Check(f"lost: {name}", count, 0) for name, count in lost.items()]
        for name, (share, limit) in LIMITS_MS[self.kind].items():
            column = self.column(name)
            unseen = sum(getattr(one, f"{name}_ns") is None for one in self.timed)
            found.append(Check(f"runs in which nobody saw: {self.meaning(name)}", unseen, 0))
            if column is not None:
                value = round(getattr(column, share), 1)
                found.append(Check(f"{self.meaning(name)} {share}", value, limit, "ms"))
        back, allowed = self.column("back"), self.allowed_back_ms
        if back is not None and allowed is not None:
            found.append(Check(f"{self.meaning('back')} p50", round(back.p50, 1), round(allowed, 1), "ms"))
        return found

    def meaning(self, name: str) -> str:
        return MEANINGS[self.kind][COLUMNS.index(name)]

    def to_json(self) -> dict[str, Any]:
        columns = {name: self.column(name) for name in COLUMNS}
        return {
            "fault": self.kind.value,
            "runs": len(self.timed),
            "latched_runs": len(self.incidents) - len(self.timed),
            **{f"{name}_ms": found and found.to_json() for name, found in columns.items()},
            "meaning": {name: self.meaning(name) for name in COLUMNS},
            "lost": total([one.losses for one in self.incidents]).to_json(),
            **{f"reference_{name}_ms": self.reference(name).to_json() for name in self.references_ns},
            "checks": [check.to_json() for check in self.checks()],
            "each": [one.to_json() for one in self.incidents],
        }
