"""Applies a new policy to a running decision state: all of it takes effect, or nothing changes. Pure.

Used by `nonrt.supervision` at a reload.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.context.decision_state import (
    ActiveRule,
    DecisionState,
    InFlightAction,
    PendingRestart,
    ProcessTrack,
    WaitingAction,
)
from fieldstack.ha.decision.orphaned_rules import is_orphaned
from fieldstack.ha.model.vocabulary import ClearWhen
from fieldstack.ha.policy.in_force.errors import PolicyError, Problem
from fieldstack.ha.policy.in_force.table import RuleRow
from fieldstack.ha.policy.in_force.view import Policy


def apply_policy(state: DecisionState, old: Policy, new: Policy, file: str) -> DecisionState:
    """The state that continues under `new`.

    What was ordered stays in force until it is cleared, and what waits to be ordered still waits. Budgets
    still count. Windows and debounce of changed rules begin again.

    Raises:
        PolicyError: an active rule that holds the cell is not in `new`, so nobody could clear it.
    """
    problems = [_problem(one) for one in state.active_rules if is_orphaned(one, new) and _holds(one)]
    if problems:
        raise PolicyError(file, tuple(problems))
    active_rules = tuple(_clear_as_now(one, new) for one in state.active_rules if not is_orphaned(one, new))
    keys = {one.key for one in active_rules}
    same = {name for name, row in new.table.rows.items() if old.table.get(name) == row}
    waiting = (one for one in state.waiting if one.key in keys)
    return replace(
        state,
        active_rules=active_rules,
        watches=tuple(one for one in state.watches if one.key.rule in same),
        waiting=tuple(found for one in waiting if (found := _wait_on(one, new)) is not None),
        in_flight_actions=tuple(replace(one, place=_place(one, new)) for one in state.in_flight_actions),
        rt=_with_place(state.rt, new),
        core=_with_place(state.core, new),
    )


def _place(one: WaitingAction | InFlightAction | PendingRestart, new: Policy) -> int:
    """The place of the same action on the same target in the rule's list now; -1: none."""
    row = new.table.get(one.key.rule) if one.key else None
    if row is None or one.order is None or one.place < 0:
        return -1
    meant = (one.order.action, one.order.target)
    return next((at for at, order in enumerate(row.orders) if (order.action, order.target) == meant), -1)


def _wait_on(one: WaitingAction, new: Policy) -> WaitingAction | None:
    """A waiting action as the rule orders it now; None: the rule does not order it any more."""
    place, row = _place(one, new), new.table.get(one.key.rule)
    if place < 0 or row is None:
        return one if one.place < 0 else None  # an escalation is in no list
    order = row.orders[place]
    due_ns = one.due_ns - one.order.defer_ns + order.defer_ns if one.due_ns and order.defer_ns else 0
    return replace(one, order=order, place=place, due_ns=due_ns)


def _with_place(track: ProcessTrack, new: Policy) -> ProcessTrack:
    if track.pending is None:
        return track
    return replace(track, pending=replace(track.pending, place=_place(track.pending, new)))


def _holds(one: ActiveRule) -> bool:
    return one.stops or one.hold is not None or one.clear is not ClearWhen.GONE


def _clear_as_now(one: ActiveRule, new: Policy) -> ActiveRule:
    """How an active rule is cleared from now on. If it already waits for a person, it never gets easier to
    clear."""
    row: RuleRow | None = new.table.get(one.key.rule)
    if row is None or one.clear is not ClearWhen.GONE:
        return one
    return replace(one, clear=row.clear)


def _problem(one: ActiveRule) -> Problem:
    return Problem(
        "rules",
        "",
        f"rule {one.key.rule} counts now for {one.key.subject} ({one.cause}), and is not in this policy",
        "let its cause go away, reset or acknowledge it, then reload again; or keep the rule",
    )
