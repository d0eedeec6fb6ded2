"""How faults are told from events, and what counts as lost: without a cell."""

from __future__ import annotations

from typing import Any

import pytest

from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.incident import Incident
from fieldstack.bench.failover.incident_result import COLUMNS, LIMITS_MS, MEANINGS, IncidentResult
from fieldstack.bench.failover.losses import Losses, missing_events, positions_differed, total
from fieldstack.bench.failover.signs import SIGNS, first
from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind, Severity

MS = 1_000_000
OTHERS = [kind for kind in FaultKind if not kind.of_rt]


def event(number: int, t_ms: int, kind: EventKind, **data: Any) -> Event:
    return Event(number, t_ms * MS, 0, "boot", kind, Severity.INFO, "", data)


def test_every_fault_has_its_signs_meanings_and_limits() -> None:
    assert set(SIGNS) == set(MEANINGS) == set(LIMITS_MS) == set(OTHERS)
    for kind in OTHERS:
        assert len(MEANINGS[kind]) == len(COLUMNS)
        assert set(LIMITS_MS[kind]) <= set(COLUMNS)


def test_the_first_sign_since_the_fault_counts() -> None:
    log = [
        event(1, 5, EventKind.RT, code="nonrt_dead"),
        event(2, 20, EventKind.RT, code="nonrt_slow"),
        event(3, 31, EventKind.RT, code="nonrt_silent"),
        event(4, 30, EventKind.RT, code="nonrt_dead"),
        event(5, 40, EventKind.PROCESS_ADOPTED, process="fieldstack-rt"),
    ]
    signs = SIGNS[FaultKind.NONRT_KILL]
    assert first(signs.detect, log, 10 * MS) == 30 * MS
    assert first(signs.back, log, 10 * MS) == 40 * MS
    assert first(signs.react, log, 10 * MS) is None
    assert first(None, log, 0) is None


@pytest.mark.parametrize(
    ("numbers", "lost"), [([5, 6, 7], 0), ([], 0), ([5, 7], 1), ([7], 2), ([5, 6, 6, 7], 0)]
)
def test_missing_numbers_are_lost_events(numbers: list[int], lost: int) -> None:
    assert missing_events([event(n, 1, EventKind.SUPERVISION) for n in numbers], 4) == lost


def test_what_the_log_says_is_lost_counts_too() -> None:
    log = [event(5, 1, EventKind.LOG_LOST, count=3), event(6, 1, EventKind.RT, code="positions_differ")]
    assert missing_events(log, 4) == 3
    assert positions_differed(log) == 1


def incident(detect_ms: int | None, losses: Losses, *, latched: bool = False) -> Incident:
    detect_ns = None if detect_ms is None else detect_ms * MS
    return Incident(1, 0, detect_ns, 5 * MS, 100 * MS, 200 * MS, losses, latched=latched)


def checks(result: IncidentResult) -> dict[str, bool]:
    return {check.name: check.held for check in result.checks()}


def test_losses_and_late_reactions_miss_their_bounds() -> None:
    runs = (incident(2, Losses()), incident(None, Losses(events=1)), incident(None, Losses(), latched=True))
    result = IncidentResult(FaultKind.NONRT_KILL, runs, {"nonrt_start": [50 * MS]}, ("nonrt_start",))
    held = checks(result)
    assert not held["lost: events"]
    assert held["lost: latches"]
    assert not held["runs in which nobody saw: RT knows"]
    assert held["RT knows p50"]
    assert not held["RT adopted p50"]
    found = result.to_json()
    assert (found["runs"], found["latched_runs"], found["detect_ms"]["count"]) == (2, 1, 1)
    assert total([one.losses for one in runs]) == Losses(events=1)
