"""Makes measures that no probe makes: of processes, bus, latch, requests and the decision's own record.

Steps of `decide` use it.
"""

from __future__ import annotations

from collections.abc import Iterator

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.model.facts import PositionCheck, ProcessCondition, ProcessFacts
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.vocabulary import ClearWhen, PolicyAction, ProcessName

POLICY_BIT = 1 << 2
"""The bit FS_ESTOP_POLICY in the latch's words."""

CELL = "cell"
_LOST = (FactKind.PROCESS_DEAD, FactKind.PROCESS_REFUSED, FactKind.PROCESS_SILENT)


def builtin_measures(context: DecisionContext) -> Iterator[Measure]:
    for name in (ProcessName.RT, ProcessName.CORE):
        process = context.process(name)
        if process is not None:
            yield from _lost_measures(context, process)
            yield _stopped(context, process)
    yield _emergency_stop(context)
    yield from _positions(context)
    yield from _working_counter(context)
    yield from context.findings.requested


def lost_fact(context: DecisionContext, process: ProcessFacts) -> FactKind | None:
    """In which way the process counts as lost; None: it does not."""
    if process.condition is ProcessCondition.SILENT:
        return FactKind.PROCESS_SILENT
    if process.condition is not ProcessCondition.DEAD:
        return None
    refused = process.exit_code in context.section(process.name).refusal_exit_codes
    return FactKind.PROCESS_REFUSED if refused else FactKind.PROCESS_DEAD


def lost_text(process: ProcessFacts) -> str:
    return f"{process.name} (pid {process.pid}) is {process.condition}: {process.why or 'cause unknown'}"


def _lost_measures(context: DecisionContext, process: ProcessFacts) -> Iterator[Measure]:
    """A lost process is well again when it is proven, not when it merely runs. When its restart is under way,
    its failure is dealt with."""
    name = process.name
    track = context.tracks.of(name)
    lost = lost_fact(context, process)
    if lost and track.pending is None and not context.actions.start_or_stop(name):
        value = float(process.exit_code or 1) if lost is FactKind.PROCESS_REFUSED else 1.0
        yield Measure(lost, name, value, lost_text(process))
    elif lost is None and track.proven:
        for fact in _LOST:
            yield Measure(fact, name, 0.0)


def _stopped(context: DecisionContext, process: ProcessFacts) -> Measure:
    """Once a reset has ordered a new start, `failed_start` says that this end was dealt with."""
    stopped = process.condition is ProcessCondition.STOPPED and not process.stop_requested
    new = process.start_id != context.tracks.of(process.name).failed_start
    if not (stopped and new):
        return Measure(FactKind.PROCESS_STOPPED, process.name, 0.0)
    text = f"{process.name} ended in an orderly way: {process.why or 'unasked'}"
    return Measure(FactKind.PROCESS_STOPPED, process.name, 1.0, text)


def _emergency_stop(context: DecisionContext) -> Measure:
    """Latched sources but the policy's own bit while a rule that raised it still counts."""
    own = any(
        one.clear is not ClearWhen.GONE and PolicyAction.EMERGENCY_STOP in one.effects
        for one in context.rules
    )
    sources = context.facts.estop.on_reset & ~(POLICY_BIT if own else 0)
    return Measure(FactKind.EMERGENCY_STOP, CELL, float(sources), context.facts.estop.text)


def _positions(context: DecisionContext) -> Iterator[Measure]:
    bus, rt = context.facts.bus, context.facts.rt
    if bus.positions is PositionCheck.PENDING:
        return
    differ = bus.positions is PositionCheck.DIFFER and rt.start_id != context.cell.accepted_start
    text = bus.detail or "axes are not where the checkpoint says"
    yield Measure(FactKind.POSITIONS_DIFFER, CELL, float(differ), text)
    for name in context.facts.parts:
        differ = name in bus.displaced_groups and rt.start_id != context.cell.accepted_start
        text = "its axes are not where the checkpoint says; the other groups go on"
        yield Measure(FactKind.GROUP_POSITIONS_DIFFER, f"group:{name}", float(differ), text if differ else "")


def _working_counter(context: DecisionContext) -> Iterator[Measure]:
    """Judged when RT is proven, or after its start-up grace: a bus that is coming up counts less."""
    bus, rt = context.facts.bus, context.facts.rt
    if rt.condition is not ProcessCondition.RUNNING or not bus.cycling:
        return
    if bus.wkc_good:
        yield Measure(FactKind.WORKING_COUNTER_LOW, CELL, 0.0)
    elif bus.consecutive_bad_wkc and (context.tracks.rt.proven or past_grace(context)):
        detail = f": {bus.detail}" if bus.detail else ""
        text = f"working counter {bus.counted} for {bus.consecutive_bad_wkc} cycles{detail}"
        yield Measure(FactKind.WORKING_COUNTER_LOW, CELL, float(bus.consecutive_bad_wkc), text)


def past_grace(context: DecisionContext) -> bool:
    """Whether the present RT process had its start-up grace and is not proven yet."""
    return context.now_ns - context.tracks.rt.started_ns > context.section(ProcessName.RT).startup_grace_ns


def spent_measures(context: DecisionContext) -> list[Measure]:
    """Subjects whose restarts have ended until a reset."""
    return [
        Measure(FactKind.RESTART_BUDGET_SPENT, one.subject, 1.0, one.spent)
        for one in context.budgets
        if one.spent
    ]
