"""What must hold after every decision, whatever has happened: checked by the machine and the exploration."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from fieldstack.ha.decision.context.decision_state import ActiveRule, DecisionState
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.actions import ActionKind as A
from fieldstack.ha.model.facts import Facts, RequestKind
from fieldstack.ha.model.states import MOVING, NEXT, HaState
from fieldstack.ha.model.vocabulary import REMEDIES, ClearWhen, PolicyAction, ProcessName
from tests.ha.script import Script

LIFE = (A.STOP_PROCESS, A.START_PROCESS, A.REBOOT_PROCESS, A.RESTART_SLAVE, A.RESTART_MODULE, A.REALLOCATE)
BEGINNINGS = {A.START_PROCESS, A.REBOOT_PROCESS, A.RESTART_SLAVE, A.RESTART_MODULE, A.REALLOCATE}
PERSONS = {RequestKind.RESET, RequestKind.ACK, RequestKind.SHUTDOWN}


def check(before: DecisionState, facts: Facts, cell: Script) -> None:
    after, actions = cell.state, cell.actions
    asked = {one.kind for one in facts.requests}
    assert after.ha is before.ha or after.ha in NEXT[before.ha].values()
    assert all(one.kind <= other.kind for one, other in pairwise(actions))
    assert after.ha is not HaState.SHUTDOWN or not BEGINNINGS & {one.kind for one in actions}
    _one_at_a_time(after, actions)
    _one_deadline(after, actions)
    _emergency_stop_holds(before, after, actions, asked)
    _safe_mode_holds(before, after, actions)
    if RequestKind.RESET not in asked and after.ha is not HaState.SHUTDOWN:
        _cleared_as_declared(before, cell)
    if before.ha is HaState.MANUAL_INTERVENTION and after.ha is not before.ha:
        assert asked & PERSONS or any(PolicyAction.SHUTDOWN in one.effects for one in after.active_rules)
    spent = any(after.budget(name).spent for name in ProcessName)
    assert not spent or after.ha in (HaState.MANUAL_INTERVENTION, HaState.SHUTDOWN)
    assert all(one.deadline_ns > cell.now for one in after.in_flight_actions)
    _starts_are_asked_for(before, after, facts, actions, cell)
    assert len([one for one in actions if one.kind is A.ANSWER]) == len(facts.requests)


def _starts_are_asked_for(
    before: DecisionState, after: DecisionState, facts: Facts, actions: tuple[Action, ...], cell: Script
) -> None:
    """Nothing starts that nobody asked for, unless all that stopped it lets it resume, and in time."""
    for one in actions:
        if one.kind is not A.START:
            continue
        assert after.ha in MOVING
        assert not one.axes & ~facts.axes.free
        assert one.seen_cycle <= facts.axes.cycle
        if one.rule == RequestKind.START:
            assert RequestKind.START in {asked.kind for asked in facts.requests}
            continue
        assert not facts.estop.on_reset
        assert RequestKind.RESET not in {asked.kind for asked in facts.requests}
        stopped_ns = cell.now - before.interlock.since_ns
        causes = before.interlock.causes
        first = any(cause.key.rule == "first-start" for cause in causes)
        assert all(cause.within_ns > 0 for cause in causes)
        assert first or all(stopped_ns < cause.within_ns for cause in causes)


def _one_at_a_time(after: DecisionState, actions: tuple[Action, ...]) -> None:
    """Never two actions at once on one subject."""
    ordered = Counter(action.subject for action in actions if action.kind in LIFE)
    flying = Counter(one.subject for one in after.in_flight_actions if one.order.action in REMEDIES)
    assert max(ordered.values(), default=0) <= 1
    assert max(flying.values(), default=0) <= 1


def _one_deadline(after: DecisionState, actions: tuple[Action, ...]) -> None:
    """An action brings the deadline that the decision keeps of it, and no other."""
    kept = {one.id: one.deadline_ns for one in after.in_flight_actions}
    assert all(one.deadline_ns == kept.get(one.id, one.deadline_ns) for one in actions if one.id)
    assert all(bool(one.deadline_ns) == bool(one.id) for one in actions)


def _emergency_stop_holds(
    before: DecisionState, after: DecisionState, actions: tuple[Action, ...], asked: set[RequestKind]
) -> None:
    """A rule that raised it ends with its own clear condition or a reset, by no lesser rule."""
    raised = [one for one in after.active_rules if PolicyAction.EMERGENCY_STOP in one.effects]
    if raised:
        assert after.ha not in MOVING
        assert not any(one.kind is A.SAFE_MODE_EXIT for one in actions)
        assert not any(one.kind is A.CLEAR_LATCH and one.until is ClearWhen.GONE for one in actions)
    kept = {one.key for one in raised}
    for one in before.active_rules:
        if PolicyAction.EMERGENCY_STOP in one.effects and one.key not in kept:
            assert RequestKind.RESET in asked or one.clear is ClearWhen.GONE


def _safe_mode_holds(before: DecisionState, after: DecisionState, actions: tuple[Action, ...]) -> None:
    """Left only when no rule stops the axes any more, and through RECOVERY."""
    if after.ha in MOVING:
        assert not any(one.stops or one.hold for one in after.active_rules)
        assert before.ha in MOVING | {HaState.RECOVERY}
    if any(one.kind is A.SAFE_MODE_EXIT for one in actions):
        assert before.ha is HaState.RECOVERY


def _cleared_as_declared(before: DecisionState, cell: Script) -> None:
    """What stops the axes ends when its cause was gone for as long as its rule says."""
    kept = {one.key for one in cell.state.active_rules}
    for one in before.active_rules:
        row = cell.policy.table.get(one.key.rule)
        if one.stops and one.key not in kept:
            assert row is not None
            assert one.clear is ClearWhen.GONE
            assert one.hold is None
            assert not row.clear_ns or (one.gone_ns and cell.now - one.gone_ns >= row.clear_ns)


class Starts:
    """Keeps its own account, beside the decision's, of what must not resume by itself."""

    def __init__(self) -> None:
        self._person = False

    def note(self, cell: Script) -> None:
        """After a decision. What a person raised, cleared or has to look at, a person starts."""
        facts, state = cell.decided_on, cell.state
        started = [one for one in cell.actions if one.kind is A.START]
        assert not self._person or all(one.rule == RequestKind.START for one in started)
        if any(one.rule == RequestKind.START for one in started):
            self._person = False
        strict = any((one.stops or one.hold) and not _may_resume(one, cell) for one in state.active_rules)
        self._person |= bool(facts.estop.on_reset) or strict or state.ha is HaState.MANUAL_INTERVENTION


def _may_resume(one: ActiveRule, cell: Script) -> bool:
    row = cell.policy.table.get(one.key.rule)
    return row is not None and row.resume_ns > 0 and one.clear is ClearWhen.GONE and not one.hold


class Restarts:
    """Counts restarts that rules ordered, and knows how many each subject may have in its window."""

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = {}

    def note(self, before: DecisionState, cell: Script) -> None:
        for use in before.budgets:
            if use.spent and not cell.state.budget(use.subject).spent:
                self._times.pop(use.subject, None)  # a person has reset it
        for action in cell.actions:
            if action.kind in LIFE and action.id and action.rule not in ("restart", "reset"):
                self._count(cell, action.subject)

    def _count(self, cell: Script, subject: str) -> None:
        times = self._times.setdefault(subject, [])
        times.append(cell.now)
        budget = cell.policy.budget(subject)
        assert budget is not None
        inside = [at for at in times if cell.now - at < budget.window_ns]
        assert len(inside) <= budget.max_restart_count, f"{subject}: endless restarts"
