"""What of the decision core must outlive its process and the machine's run: budgets and latches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fieldstack.events.clock import boot_id
from fieldstack.ha.decision_state import ActiveCondition, DecisionState, ProcessTrack
from fieldstack.ha.facts import EstopFacts
from fieldstack.ha.policy.schema import FailoverPolicy
from fieldstack.ha.states import HaState
from fieldstack.ha.vocabulary import ClearWhen, Condition


def to_record(state: DecisionState, estop: EstopFacts, now_ns: int, wall_ns: int) -> dict[str, Any]:
    """The part to keep. Times are ages, so that another run of the machine can place them."""
    return {
        "boot": boot_id(),
        "t_ns": now_ns,
        "wall_ns": wall_ns,
        "ha": state.ha.name,
        "reason": state.reason,
        "restarts": {track.name: list(track.restarts) for track in (state.rt, state.core)},
        "conditions": {one.condition: one.cause for one in state.conditions},
        "estop_on_reset": estop.on_reset,
        "estop_reasons": list(estop.reasons),
    }


def restore(
    record: dict[str, Any] | None, policy: FailoverPolicy, now_ns: int, wall_ns: int
) -> DecisionState:
    """The state that a new Non-RT process begins with: budgets and what only a reset clears are kept."""
    fresh = DecisionState(since_ns=now_ns)
    fresh = replace(
        fresh, rt=replace(fresh.rt, started_ns=now_ns), core=replace(fresh.core, started_ns=now_ns)
    )
    if record is None:
        return fresh
    try:
        shift = _shift(record, now_ns, wall_ns)
        kept = tuple(
            ActiveCondition(Condition(name), now_ns, str(cause))
            for name, cause in record["conditions"].items()
            if policy.rule(Condition(name)).clear is ClearWhen.ON_RESET
        )
        return replace(
            fresh,
            conditions=kept,
            rt=_with_history(fresh.rt, record, shift),
            core=_with_history(fresh.core, record, shift),
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return fresh


def _shift(record: dict[str, Any], now_ns: int, wall_ns: int) -> int:
    """What to add to the record's monotonic times: across boots, only the wall clock knows."""
    if record["boot"] == boot_id():
        return 0
    age = max(0, wall_ns - int(record["wall_ns"]))
    return now_ns - age - int(record["t_ns"])


def _with_history(track: ProcessTrack, record: dict[str, Any], shift: int) -> ProcessTrack:
    times = record["restarts"].get(track.name, [])
    return replace(track, restarts=tuple(int(at) + shift for at in times))


def went_down_by_request(record: dict[str, Any] | None) -> bool:
    """Whether the cell's last life ended as asked, so that this is a start and not a recovery."""
    return record is not None and record.get("ha") == HaState.SHUTDOWN.name


def latched(record: dict[str, Any] | None) -> tuple[int, str]:
    """EMERGENCY_STOP sources that a person had raised, and why: they outlive the machine's run."""
    if record is None:
        return 0, ""
    sources, reasons = record.get("estop_on_reset", 0), record.get("estop_reasons", [])
    if not isinstance(sources, int) or not isinstance(reasons, list):
        return 0, ""
    return sources, "; ".join(str(reason) for reason in reasons)
