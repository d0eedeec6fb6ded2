"""Orders restarts and reallocation: one at a time for each subject, within its budget and backoff.

Used by `orders`, `pending_restarts`, `requests` and `supervise`.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import Key, PendingRestart, WaitingAction
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.facts import ProcessFacts
from fieldstack.ha.model.vocabulary import PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.restart_budget import delay_ns, spent, to_keep
from fieldstack.ha.policy.in_force.table import default_order
from fieldstack_base.units import NS_PER_MS

SAVE_WARNING_NS = 2000 * NS_PER_MS
"""People are told if writing a count to the disk takes longer than this; usually it takes milliseconds."""
_ON_BUS = ("slave:", "axis:", "group:")
_PROCESSES = {str(name): name for name in (ProcessName.RT, ProcessName.CORE)}


def launch_remedy(context: DecisionContext, waiting: WaitingAction) -> None:
    """Order it now, or let it wait for its subject or its backoff, or report that its budget is spent."""
    subject = waiting.order.target or waiting.key.subject
    if waiting.order.action is PolicyAction.REALLOCATE:
        _reallocate(context, subject, waiting)
        return
    name = _PROCESSES.get(subject)
    process = context.process(name) if name else None
    if name and process is None:
        return  # not part of this cell
    if process is not None and process.down:
        _schedule(context, process, waiting)
    else:
        _order_remedy(context, subject, waiting)


def _order_remedy(context: DecisionContext, subject: str, waiting: WaitingAction) -> None:
    if busy(context, subject):
        _wait_for_cause(context, waiting)
    elif waiting.counted_ns:
        _order_counted(context, subject, waiting)
    elif within_budget(context, subject, context.cause(waiting.key)) and not _backs_off(
        context, subject, waiting
    ):
        count_restart(context, subject)
        _order_counted(context, subject, replace(waiting, counted_ns=context.now_ns))


def _order_counted(context: DecisionContext, subject: str, waiting: WaitingAction) -> None:
    """Order it when its count is on the disk."""
    if count_is_saved(context, subject):
        _order(context, subject, waiting)
        return
    late = context.now_ns - waiting.counted_ns >= SAVE_WARNING_NS
    if late and not waiting.reported:
        report_unsaved_count(context, waiting.key, subject, context.cause(waiting.key))
    context.waiting.add(replace(waiting, reported=waiting.reported or late))


def _reallocate(context: DecisionContext, subject: str, waiting: WaitingAction) -> None:
    """Reallocate once for each group, however many of its axes and slaves fail. Without another group that
    can do the same, nothing happens."""
    group = subject if subject.startswith("group:") else context.facts.group_of.get(subject, "")
    if not group or context.facts.core is None or _out_of_use(context, group, waiting.key):
        return
    if active_rule := context.rules.get(waiting.key):
        effects = active_rule.effects | {PolicyAction.REALLOCATE}
        context.rules.update(replace(active_rule, effects=effects))
    _order_remedy(context, group, waiting)


def _out_of_use(context: DecisionContext, group: str, but: Key) -> bool:
    """Whether another active rule or subject has taken the group out of use."""
    return any(
        PolicyAction.REALLOCATE in one.effects
        and context.facts.group_of.get(one.key.subject, one.key.subject) == group
        for one in context.rules
        if one.key != but
    )


def busy(context: DecisionContext, subject: str) -> bool:
    """Whether an action on the subject, or on a part that it needs, is under way already."""
    if context.restarting(subject):
        return True
    if subject.startswith("group:") and context.facts.core is not None:
        return _unsettled(context, ProcessName.CORE) or _unsettled(context, ProcessName.RT)
    if subject.startswith(_ON_BUS):
        return _unsettled(context, ProcessName.RT)
    name = _PROCESSES.get(subject)
    return name is not None and _unsettled(context, name)


def _unsettled(context: DecisionContext, name: ProcessName) -> bool:
    track = context.tracks.of(name)
    return not track.proven or track.pending is not None or context.restarting(name)


def _wait_for_cause(context: DecisionContext, waiting: WaitingAction) -> None:
    """After another restart the rule has to see its cause again, for as long as that takes."""
    row = context.row(waiting.key)
    settle_ns = row.settle_ns if row else 0
    context.waiting.add(replace(waiting, not_before_ns=context.now_ns + settle_ns))


def within_budget(context: DecisionContext, subject: str, cause: str) -> bool:
    """False: the subject's budget is spent; this is recorded, and is a fact of its own."""
    use, budget = context.budgets.of(subject), context.policy.budget(subject)
    if use.spent:
        return False
    if budget is None:
        text = f"{subject} has no restart budget in the policy"
    elif found := spent(use.restarts, context.now_ns, budget):
        text = f"{subject} was restarted {found}; last: {cause}"
    else:
        return True
    context.budgets.mark_spent(subject, text)
    return False


def _backs_off(context: DecisionContext, subject: str, waiting: WaitingAction) -> bool:
    budget = context.policy.budget(subject)
    if waiting.delayed or budget is None:
        return False
    wait_ns = delay_ns(context.budgets.of(subject).restarts, context.now_ns, budget)
    if wait_ns:
        context.waiting.add(replace(waiting, not_before_ns=context.now_ns + wait_ns, delayed=True))
    return bool(wait_ns)


def count_restart(context: DecisionContext, subject: str) -> None:
    """Count one restart of the subject."""
    use, budget = context.budgets.of(subject), context.policy.budget(subject)
    restarts = (*use.restarts, context.now_ns)
    kept = to_keep(restarts, context.now_ns, budget) if budget else restarts
    context.budgets.count(subject, kept)


def count_is_saved(context: DecisionContext, subject: str) -> bool:
    """Whether its last restart is counted on the disk, so that no end of a process and no power cut can lose
    it."""
    filed_ns, restarts = context.facts.filed_ns, context.budgets.of(subject).restarts
    return filed_ns is None or not restarts or restarts[-1] <= filed_ns


def report_unsaved_count(context: DecisionContext, key: Key, subject: str, cause: str) -> None:
    """Tells people that a restart waits for the disk; it continues when the disk has taken the count."""
    why = f" ({context.facts.filing_failure})" if context.facts.filing_failure else ""
    text = (
        f"the restart of {subject} waits: its count cannot be written to the disk{why}, and no restart is "
        f"made that would not count; free or repair the state folder's disk; it was ordered because: {cause}"
    )
    context.order_action(key, default_order(PolicyAction.SEND_ALERT), subject=subject, cause=text)


def _order(context: DecisionContext, subject: str, waiting: WaitingAction) -> None:
    if waiting.order.action is not PolicyAction.REBOOT_PROCESS:
        context.order_action(waiting.key, waiting.order, subject=subject, place=waiting.place)
        return
    key = waiting.key
    in_flight = context.register_in_flight(key, waiting.order, subject, waiting.place)
    action = Action(
        ActionKind.STOP_PROCESS,
        key.rule,
        context.cause(key),
        subject,
        id=in_flight.id,
        deadline_ns=in_flight.deadline_ns,
        evidence=context.evidence(key),
    )
    restart_in_order(context, _PROCESSES[subject], action)


def restart_in_order(context: DecisionContext, name: ProcessName, stop: Action) -> None:
    """Asks a living process to end; it is started again when it has ended."""
    context.actions.emit(stop)
    context.tracks.put(replace(context.tracks.of(name), proven=False, started_ns=context.now_ns))


def _schedule(context: DecisionContext, process: ProcessFacts, waiting: WaitingAction) -> None:
    """The process is down already: its restart waits for its backoff, the fence and the outputs."""
    name = process.name
    track = context.tracks.of(name)
    if (
        track.pending is not None
        or context.actions.start_or_stop(name)
        or not within_budget(context, name, context.cause(waiting.key))
    ):
        return
    budget = context.section(name)
    wait_ns = 0 if waiting.delayed else delay_ns(context.budgets.of(name).restarts, context.now_ns, budget)
    key = waiting.key
    due_ns = context.now_ns + wait_ns
    outputs_ns = budget.safe_output_timeout_ns if name is ProcessName.RT else 0
    pending = PendingRestart(
        due_ns,
        key.rule,
        context.cause(key),
        due_ns + outputs_ns + waiting.order.timeout_ns,
        order=waiting.order,
        key=key,
        place=waiting.place,
    )
    context.tracks.put(replace(track, pending=pending, counted_ns=waiting.counted_ns, count_unsaved=False))
