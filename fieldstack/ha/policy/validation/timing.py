"""Worst-case detection and reaction times, computed from the policy.

    detection   the cause is there -> the rule takes effect: age of the reading, cycles in a row, time-outs,
                window of a mean, debounce, and a supervision pass for each of them that is counted in passes
    ordered     detection, and what the rule may wait for a safe moment
    confirmed   ordered, RT's safe outputs, and the time-outs of its actions (a restart's holds the wait for
                the old process's end): all are read back, or their escalation begins
    escalated   confirmed, and the time-outs of the longest chain of escalations

A counter's growth within a window is noticed a pass after it is reached, so its window costs no time.
Restart delay and backoff come on top where a restart is not the first in its window. A process that hangs
while it starts is silent after its start-up grace: nothing moves then, and no target counts it. Used by
`checks` and `files.cell_targets`; `fieldstack policy` prints them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldstack.ha.model.measures import FACTS, Comparison, FactKind
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy.in_force.table import Order, RuleRow, matches
from fieldstack.ha.policy.in_force.windows import BUCKETS

if TYPE_CHECKING:
    from fieldstack.ha.policy.validation.schema import FailoverPolicy


@dataclass(frozen=True, slots=True)
class WorstCase:
    """Times of one rule, in ms. `stopped`: until its stopping actions are confirmed; None: it has none."""

    rule: str
    detection: float
    stopped: float | None
    ordered: float
    confirmed: float
    escalated: float
    target: int | None

    @property
    def exceeds(self) -> bool:
        return self.target is not None and self.confirmed > self.target


def worst_cases(policy: FailoverPolicy) -> list[WorstCase]:
    """Of each rule, in the policy's order."""
    return [_worst_case(policy, policy.table.rows[rule.name], rule.target_ms) for rule in policy.rules]


def in_cell(
    policy: FailoverPolicy, cycle_us: int = 0, supervision_interval_ms: int = 0, stop_ms: int = 0
) -> FailoverPolicy:
    """The policy with the times of a cell that is slower than the policy takes for granted (0: it is not)."""
    timing = policy.timing.model_copy(
        update={
            "cycle_us": max(cycle_us, policy.timing.cycle_us),
            "supervision_interval_ms": max(supervision_interval_ms, policy.timing.supervision_interval_ms),
            "stop_ms": max(stop_ms, policy.timing.stop_ms),
        }
    )
    return policy.model_copy(update={"timing": timing})


def _worst_case(policy: FailoverPolicy, row: RuleRow, target: int | None) -> WorstCase:
    detection = _detection_ms(policy, row)
    at_once = [order for order in row.orders if not order.defer_ns and not order.in_turn]
    stop_ms = float(policy.timing.stop_ms)
    stops = [_time_ms(order, stop_ms) for order in at_once if order.action.name in _STOPS]
    wait = max((order.defer_ns for order in row.orders), default=0) / 1e6
    ordered = detection + wait + _delay_ms(policy, row)
    begun = ordered + _outputs_ms(policy, row)
    return WorstCase(
        row.name,
        detection,
        detection + max(stops) if stops else None,
        ordered,
        begun + _in_sequence_ms(row.orders, stop_ms, deep=False),
        begun + _in_sequence_ms(row.orders, stop_ms, deep=True),
        target,
    )


_STOPS = ("EMERGENCY_STOP", "SAFE_MODE_ENTER")


def _time_ms(order: Order, stop_ms: float) -> float:
    """A stop has at least the time in which the axes can stand."""
    own_ms = order.timeout_ns / 1e6
    return max(own_ms, stop_ms) if order.action.name in _STOPS else own_ms


def _detection_ms(policy: FailoverPolicy, row: RuleRow) -> float:
    timing, meaning = policy.timing, FACTS[row.fact]
    total = float(meaning.age_ms + timing.supervision_interval_ms)
    pass_ms = timing.supervision_interval_ms
    if row.fact is FactKind.PROCESS_SILENT:
        watched = (one for one in policy.processes if matches(row.subject, one.process_name))
        total += max((one.silent_ms(pass_ms) for one in watched), default=0)
    if meaning.unit == "cycles" and row.over is Comparison.AT_LEAST:
        total += row.threshold * timing.cycle_us / 1000
    if meaning.unit == "ms":
        total += row.threshold
    if row.over is not Comparison.GROWN and row.window_ns:
        total += row.window_ns * (1 + 1 / BUCKETS) / 1e6 + pass_ms  # it begins up to a bucket early
    if row.debounce_ns:
        total += row.debounce_ns / 1e6 + pass_ms
    return total


def _delay_ms(policy: FailoverPolicy, row: RuleRow) -> float:
    """Delay before the first restart that the rule may order."""
    budgets = (policy.budget(order.target or row.subject) for order in row.orders if _restarts(order))
    return max((float(budget.restart_delay_ms) for budget in budgets if budget), default=0.0)


def _outputs_ms(policy: FailoverPolicy, row: RuleRow) -> float:
    """RT is not started again before its outputs are safe, or have had their time."""
    rt = policy.process(ProcessName.RT)
    reboots = (order.target or row.subject for order in row.orders if order.action.name == "REBOOT_PROCESS")
    return float(rt.safe_output_timeout_ms) if any(matches(one, rt.process_name) for one in reboots) else 0.0


def _restarts(order: Order) -> bool:
    return order.action.name in ("REBOOT_PROCESS", "RESTART_SLAVE", "RESTART_MODULE", "REALLOCATE")


def _in_sequence_ms(orders: Sequence[Order], stop_ms: float, *, deep: bool) -> float:
    """Actions run side by side; one that begins `after` the others adds its time to theirs. An alert is no
    reaction of the machine."""
    before = longest = 0.0
    for order in orders:
        if order.action.name == "SEND_ALERT":
            continue
        if order.in_turn:
            before = longest
        chain = _in_sequence_ms(order.on_failure, stop_ms, deep=True) if deep else 0.0
        longest = max(longest, before + _time_ms(order, stop_ms) + chain)
    return longest
