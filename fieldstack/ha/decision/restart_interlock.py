"""Keeps why the axes stand until they are started, and decides whether motion resumes by itself. Pure.

Steps of `decide` use it; status shows its texts.
"""

from __future__ import annotations

from collections.abc import Iterator

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import (
    FIRST_START,
    ActiveRule,
    DecisionState,
    InterlockCause,
    Key,
    RestartInterlock,
)
from fieldstack.ha.model.facts import AxesFacts, AxisWait, ProcessCondition, ProcessFacts
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import MOVING
from fieldstack.ha.model.vocabulary import ClearWhen, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import RuleRow
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore.layout import Stop

_BY_RULE = {
    Stop.AXIS_FAULT: FactKind.DRIVE_FAULT,
    Stop.SLAVE_LOST: FactKind.SLAVE_LOST,
    Stop.WKC: FactKind.WORKING_COUNTER_LOW,
}
"""The facts for which RT stops by itself, faster than the rules of the same fact can judge."""
_NONRT = frozenset({Stop.NONRT_SILENT, Stop.NONRT_DEAD})
_ORDERED = frozenset({Stop.START, Stop.PERMIT, Stop.BLOCKED, Stop.ESTOP})
"""Stop reasons that Non-RT, or who raised the latch, has ordered; the causes say why."""
_LOST = frozenset({FactKind.PROCESS_DEAD, FactKind.PROCESS_SILENT})
STOPPED_BY_RT = Key("rt-stopped", "axes")
_MAX_NAMED = 3
"""How many causes a text names."""


def note_latched_estop(context: DecisionContext) -> None:
    """Takes back what a request of this decision removes, before any rule has judged it."""
    if context.facts.estop.on_reset:
        add_cause(context, Key("emergency-stop", "cell"), f"EMERGENCY_STOP: {context.facts.estop.text}")


def note_reset_cause(context: DecisionContext, who: str) -> None:
    """After a reset, what stands waits for a start."""
    if context.interlock.now.causes or context.facts.axes.waiting or context.cell.ha not in MOVING:
        add_cause(context, Key("reset", "cell"), f"reset by {who}: a reset is no start")


def note_stop_causes(context: DecisionContext) -> None:
    """Adds what stops the axes in this decision. A state without motion always has a cause."""
    for one in context.rules:
        row = context.row(one.key)
        if one.stops or one.hold or _rt_loss(one, row):
            add_cause(context, one.key, one.cause, _within(one, row), _began(context, one))
    if core := context.facts.core:
        _note_core_loss(context, core)
    if context.cell.ha not in MOVING and not context.interlock.now.of_all:
        add_cause(context, Key("stopped", "cell"), context.cell.reason)
    _note_rt_stops(context)


def _note_rt_stops(context: DecisionContext) -> None:
    """Adds axes that RT has stopped by itself for a reason that lets nothing resume: RT's successor would not
    know."""
    waits = [one for one in context.facts.axes.waits if _unexplained(context, one)]
    if not waits or not context.tracks.rt.proven or context.cell.ha not in MOVING:
        return
    mask = sum(1 << one.number for one in waits)
    context.interlock.add_axes(InterlockCause(STOPPED_BY_RT, "RT has stopped axes by itself", 0, mask))


def _unexplained(context: DecisionContext, wait: AxisWait) -> bool:
    """An EMERGENCY_STOP does not belong to a first start: the process that knew of it lost its records."""
    causes = context.interlock.now.of(wait.number)
    if wait.reasons >> Stop.ESTOP & 1 and all(one.key.rule == FIRST_START for one in causes):
        return True
    return not causes and not may_resume_after_rt_stop(context, wait)


def add_cause(context: DecisionContext, key: Key, text: str, within_ns: int = 0, since_ns: int = 0) -> None:
    """One more cause; of the same, the stricter word counts."""
    context.interlock.add(InterlockCause(key, text, within_ns), since_ns or context.now_ns)


def _rt_loss(one: ActiveRule, row: RuleRow | None) -> bool:
    return row is not None and row.fact in _LOST and one.key.subject == ProcessName.RT


def _within(one: ActiveRule, row: RuleRow | None) -> int:
    return row.resume_ns if row is not None and not one.hold and one.clear is ClearWhen.GONE else 0


def _began(context: DecisionContext, one: ActiveRule) -> int:
    """When the cause began. A lost process was lost before the rule saw it."""
    recovery = context.tracks.rt.recovery
    return recovery.began_ns if recovery and one.key.subject == ProcessName.RT else one.since_ns


# ---- the Main Core ----


def core_at_work(context: DecisionContext) -> bool:
    core = context.facts.core
    return core is None or (core.condition is ProcessCondition.RUNNING and context.tracks.core.proven)


def _note_core_loss(context: DecisionContext, core: ProcessFacts) -> None:
    """Without Core, which had worked before, the axes come to the end of their setpoints and stand."""
    started = core.condition in (ProcessCondition.NEVER_SEEN, ProcessCondition.STARTING)
    if core.condition is ProcessCondition.RUNNING or (started and context.tracks.core.recovery is None):
        return
    since_ns = _core_stop_ns(context, core)
    losses = [one for one in context.rules if _core_restart(context, one)]
    for one in losses:
        add_cause(context, one.key, one.cause, _within(one, context.row(one.key)), since_ns)
    if not losses:
        add_cause(context, Key("stopped", core.name), f"{core.name} was {core.condition}", 0, since_ns)


def _core_restart(context: DecisionContext, one: ActiveRule) -> bool:
    """A rule that found Core lost, or that has it restarted."""
    row = context.row(one.key)
    if row is None or one.key.subject != ProcessName.CORE:
        return False
    return row.fact in _LOST or any(order.action is PolicyAction.REBOOT_PROCESS for order in row.orders)


def _core_stop_ns(context: DecisionContext, core: ProcessFacts) -> int:
    """When Core was lost, at the latest: when it was last known to make progress."""
    silent_ns = context.section(core.name).health_check_timeout_ms * NS_PER_MS
    at_ns = core.detected_ns or context.now_ns
    return at_ns - silent_ns if core.condition is ProcessCondition.SILENT else at_ns


# ---- may it resume by itself ----


def may_resume(context: DecisionContext, wait: AxisWait) -> bool:
    """Whether everything that stopped the axis lets it move again by itself, and it stood for less."""
    causes = context.interlock.now.of(wait.number)
    if not causes or any(one.within_ns == 0 for one in causes):
        return False
    if any(one.key.rule == FIRST_START for one in causes):
        return True  # nothing was interrupted: what failed while the cell came up is no reason to wait
    stopped_ns = context.now_ns - context.interlock.now.since_ns
    own_ns = context.now_ns - wait.since_ns
    return stopped_ns < min(one.within_ns for one in causes) and all(
        own_ns < within for within in _own_limits(context, wait.reasons)
    )


def may_resume_after_rt_stop(context: DecisionContext, wait: AxisWait) -> bool:
    """The same for an axis that only RT has stopped, because no rule had the time."""
    if any(bit in _ORDERED for bit in _bits(wait.reasons)):
        return False  # who ordered it to stand has left no reason
    own_ns = context.now_ns - wait.since_ns
    return wait.reasons != 0 and all(own_ns < within for within in _own_limits(context, wait.reasons))


def _own_limits(context: DecisionContext, reasons: int) -> Iterator[int]:
    """For each of RT's own reasons, the time within which it may resume."""
    for bit in _bits(reasons):
        if bit in _NONRT:
            yield context.policy.rt_agent.resume_within_ms * NS_PER_MS
        elif (fact := _BY_RULE.get(Stop(bit))) is not None:
            rows = [row for row in context.policy.table.rows.values() if row.fact is fact]
            yield _first(rows).resume_ns if rows else 0
        elif bit not in _ORDERED:
            yield 0  # its drive let go by itself; RT went down


def _first(rows: list[RuleRow]) -> RuleRow:
    """The rule that would have taken effect first; if the stop ended before, others do not matter."""
    return min(rows, key=lambda row: (row.threshold, row.debounce_ns, row.resume_ns))


def _bits(mask: int) -> Iterator[Stop]:
    return (bit for bit in Stop if mask >> bit & 1)


def reason_text(state: DecisionState, axes: AxesFacts) -> str:
    """The state's reason, and what motion waits for in a cell that is ready."""
    if (
        state.ha not in MOVING
        or not axes.free
        or (state.interlock.causes and _is_first_start(state.interlock))
    ):
        return state.reason
    if not state.interlock.of_all:
        return f"{state.reason}; axes that RT has stopped wait for start (fieldstack start)"
    return f"ready, waits for start (fieldstack start): {cause_text(state.interlock)}"


def _is_first_start(interlock: RestartInterlock) -> bool:
    return all(one.key.rule == FIRST_START for one in interlock.causes)


def cause_text(interlock: RestartInterlock) -> str:
    """For people; empty: nothing waits by any rule."""
    texts = [one.text for one in interlock.causes if one.key.rule != FIRST_START]
    more = f" (and {len(texts) - _MAX_NAMED} more)" if len(texts) > _MAX_NAMED else ""
    return "; ".join(texts[:_MAX_NAMED]) + more
