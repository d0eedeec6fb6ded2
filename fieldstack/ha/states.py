"""HA states of a cell, as one table: a transition that is not in it raises and changes nothing."""

from __future__ import annotations

from enum import IntEnum


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
    HaState.DEGRADED: "the axes may move, but a process that they do not need is down",
    HaState.SAFE_MODE: "the axes stand until a cause has gone or a person resets",
    HaState.RECOVERY: "the RT process is started or checked; the axes stand",
    HaState.MANUAL_INTERVENTION: "automatic recovery has given up: a person has to act, then reset",
    HaState.SHUTDOWN: "the cell was asked to go down",
}

MOVING = frozenset({HaState.OPERATIONAL, HaState.DEGRADED})
"""States in which axes may move."""

_ANY_FAILURE = frozenset({HaState.SAFE_MODE, HaState.RECOVERY, HaState.MANUAL_INTERVENTION, HaState.SHUTDOWN})

TRANSITIONS: dict[HaState, frozenset[HaState]] = {
    HaState.NEVER: _ANY_FAILURE,
    HaState.OPERATIONAL: _ANY_FAILURE | {HaState.DEGRADED},
    HaState.DEGRADED: _ANY_FAILURE | {HaState.OPERATIONAL},
    # Never straight back to motion: RECOVERY checks bus and positions first.
    HaState.SAFE_MODE: frozenset({HaState.RECOVERY, HaState.MANUAL_INTERVENTION, HaState.SHUTDOWN}),
    HaState.RECOVERY: MOVING | {HaState.SAFE_MODE, HaState.MANUAL_INTERVENTION, HaState.SHUTDOWN},
    # Left only by an operator's reset, which starts a recovery.
    HaState.MANUAL_INTERVENTION: frozenset({HaState.RECOVERY, HaState.SHUTDOWN}),
    HaState.SHUTDOWN: frozenset(),
}


class IllegalTransitionError(RuntimeError):
    """A transition that the table does not have, for example SAFE_MODE to OPERATIONAL."""

    def __init__(self, source: HaState, target: HaState) -> None:
        allowed = ", ".join(state.name for state in sorted(TRANSITIONS[source])) or "none"
        super().__init__(
            f"{source.name} can not be followed by {target.name} (allowed: {allowed}); "
            "the state is unchanged; this is a fault of the decision core: please report it"
        )
        self.source = source
        self.target = target


def transition(source: HaState, target: HaState) -> HaState:
    """`target`, if the table allows it after `source` (staying is always allowed).

    Raises:
        IllegalTransitionError: it does not.
    """
    if target is not source and target not in TRANSITIONS[source]:
        raise IllegalTransitionError(source, target)
    return target
