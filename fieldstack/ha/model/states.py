"""The HA states of a cell, and the table that says which state follows which.

`NEXT[state][verdict]` is the state that follows when the facts lead to this verdict. `docs/ha-states.md` is
generated from it. Used by the decision core; events, diagrams and scenarios name the states.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class HaState(IntEnum):
    """State of a cell; the numbers are those of `enum fs_ha_state` in shared memory."""

    NEVER = 0
    OPERATIONAL = 1
    DEGRADED = 2
    SAFE_MODE = 3
    RECOVERY = 4
    MANUAL_INTERVENTION = 5
    SHUTDOWN = 6


MEANING = {
    HaState.NEVER: "no supervision has run yet",
    HaState.OPERATIONAL: "everything runs; the axes may move",
    HaState.DEGRADED: "the axes may move, slower or not all of them, or what they do not need is down",
    HaState.SAFE_MODE: "the axes stand until a cause has gone or a person resets",
    HaState.RECOVERY: "the RT process is started or checked; the axes stand",
    HaState.MANUAL_INTERVENTION: "automatic recovery has given up: a person has to act",
    HaState.SHUTDOWN: "the cell was asked to go down",
}

MOVING = frozenset({HaState.OPERATIONAL, HaState.DEGRADED})
"""States in which axes may move."""


class CellCondition(StrEnum):
    """What all facts together ask for, worst first."""

    GO_DOWN = "go down"
    PERSON = "person needed"
    RT_DOWN = "RT down"
    RT_COMING = "RT coming"
    STOP = "stop"
    CHECK = "check"
    LIMITED = "limited"
    WELL = "well"


CONDITION_MEANING = {
    CellCondition.GO_DOWN: "a person or a rule asked for SHUTDOWN",
    CellCondition.PERSON: "a rule with AWAIT_MANUAL counts, and nobody has reset (or acknowledged) it",
    CellCondition.RT_DOWN: "RT is not at work and no restart of it is under way",
    CellCondition.RT_COMING: "RT is started, restarted or not proven yet",
    CellCondition.STOP: "a rule with EMERGENCY_STOP or SAFE_MODE_ENTER counts, or the latch is set",
    CellCondition.CHECK: "nothing stops the axes, but not everything that motion needs was read back",
    CellCondition.LIMITED: "a rule with DEGRADE counts, or the Main Core is down",
    CellCondition.WELL: "all checks passed",
}

_S, _V = HaState, CellCondition
_ALWAYS = {_V.GO_DOWN: _S.SHUTDOWN, _V.PERSON: _S.MANUAL_INTERVENTION}
_MOVING_ROW = _ALWAYS | {
    _V.RT_DOWN: _S.SAFE_MODE,
    _V.RT_COMING: _S.RECOVERY,
    _V.STOP: _S.SAFE_MODE,
    _V.LIMITED: _S.DEGRADED,
    _V.WELL: _S.OPERATIONAL,
}
_STANDING_ROW = _ALWAYS | {
    _V.RT_DOWN: _S.SAFE_MODE,
    _V.RT_COMING: _S.RECOVERY,
    _V.STOP: _S.SAFE_MODE,
    _V.CHECK: _S.SAFE_MODE,
    # Never directly back to motion: RECOVERY checks bus and positions first.
    _V.LIMITED: _S.RECOVERY,
    _V.WELL: _S.RECOVERY,
}

NEXT: dict[HaState, dict[CellCondition, HaState]] = {
    _S.NEVER: dict(_STANDING_ROW),
    # A moving cell is stopped by rules, not by the checks that a standing one has to pass.
    _S.OPERATIONAL: _MOVING_ROW | {_V.CHECK: _S.OPERATIONAL},
    _S.DEGRADED: _MOVING_ROW | {_V.CHECK: _S.DEGRADED},
    _S.SAFE_MODE: dict(_STANDING_ROW),
    _S.RECOVERY: _MOVING_ROW | {_V.CHECK: _S.RECOVERY},
    # A reset or an acknowledgement takes back PERSON; whatever is left then, a recovery looks at it first.
    _S.MANUAL_INTERVENTION: _ALWAYS
    | dict.fromkeys((_V.RT_DOWN, _V.RT_COMING, _V.STOP, _V.CHECK, _V.LIMITED, _V.WELL), _S.RECOVERY),
    _S.SHUTDOWN: dict.fromkeys(_V, _S.SHUTDOWN),
}

TRANSITIONS: dict[HaState, frozenset[HaState]] = {
    source: frozenset(row.values()) - {source} for source, row in NEXT.items()
}
"""The states that can follow each state."""
