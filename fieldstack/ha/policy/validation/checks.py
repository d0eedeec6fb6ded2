"""Checks that the parts of a policy fit together. Used by `schema`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fieldstack.ha.model.measures import FACTS, FactKind
from fieldstack.ha.model.vocabulary import REMEDIES, STOPPING_ACTIONS, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import matches
from fieldstack.ha.policy.validation.agent_checks import agent_faults
from fieldstack.ha.policy.validation.budget_coverage import coverage
from fieldstack.ha.policy.validation.faults import fault
from fieldstack.ha.policy.validation.mandatory_rules import NEEDED
from fieldstack.ha.policy.validation.rule_checks import all_orders
from fieldstack.ha.policy.validation.timing import worst_cases

if TYPE_CHECKING:
    from fieldstack.ha.policy.in_force.view import Budget
    from fieldstack.ha.policy.validation.schema import FailoverPolicy, Rule

REQUIRED_PROCESSES = (ProcessName.RT, ProcessName.CORE)
RT, CORE, CELL = ProcessName.RT.value, ProcessName.CORE.value, "cell"

MUST_STOP = (
    (FactKind.PROCESS_DEAD, RT),
    (FactKind.PROCESS_REFUSED, RT),
    (FactKind.PROCESS_SILENT, RT),
    (FactKind.PROCESS_STOPPED, RT),
    (FactKind.WORKING_COUNTER_LOW, CELL),
    (FactKind.POSITIONS_DIFFER, CELL),
    (FactKind.EMERGENCY_STOP, CELL),
    (FactKind.RESTART_BUDGET_SPENT, RT),
)
"""Facts in which axes must not move."""

STOPS_ANYWAY = tuple((FactKind.PROBE_BLIND, subject) for subject in NEEDED)
"""The same, with rules of their own (`floor`) where the policy has none."""

MAX_STOP_DELAY_MS = 2000
"""A rule for these may wait so long whether the fact lasts."""

REQUIRED_RULES = (
    *MUST_STOP,
    (FactKind.PROCESS_DEAD, CORE),
    (FactKind.PROCESS_SILENT, CORE),
    (FactKind.PROCESS_STOPPED, CORE),
    (FactKind.RESTART_BUDGET_SPENT, CORE),
)
"""Facts for which every cell needs a rule."""

MUST_AWAIT = ((FactKind.RESTART_BUDGET_SPENT, RT), (FactKind.RESTART_BUDGET_SPENT, CORE))
"""Facts that end in MANUAL_INTERVENTION."""


def check_policy(policy: FailoverPolicy) -> None:
    _check_doubles("processes", "section for", (one.process_name for one in policy.processes))
    _check_doubles("budgets", "section for", (one.subject for one in policy.budgets))
    _check_doubles("rules", "rule named", (rule.name for rule in policy.rules))
    for name in REQUIRED_PROCESSES:
        if all(section.process_name is not name for section in policy.processes):
            raise fault("processes", f"{name} has no section", "add one: every process must be watched")
    if any(section.process_name is ProcessName.NONRT for section in policy.processes):
        raise fault(
            "processes",
            f"{ProcessName.NONRT} is watched by RT, and restarted outside the cell",
            "use rt_agent",
        )
    for found in agent_faults(policy):
        raise fault(f"rt_agent.{found.key}", found.why, found.remedy)
    _check_required_rules(policy)
    _check_budgets(policy)
    _check_periods(policy)
    _check_targets(policy)


def _check_doubles(key: str, what: str, items: Iterable[str]) -> None:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise fault(key, f"there is more than one {what} {item}", "keep one")
        seen.add(item)


def _rules_of(policy: FailoverPolicy, fact: FactKind, subject: str) -> list[Rule]:
    return [rule for rule in policy.rules if rule.fact is fact and matches(rule.subject, subject)]


def _check_required_rules(policy: FailoverPolicy) -> None:
    if missing := [f"{fact} of {who}" for fact, who in REQUIRED_RULES if not _rules_of(policy, fact, who)]:
        raise fault(
            "rules",
            f"no rule for {', '.join(missing)}",
            'add one for each; to do nothing but record it, write "actions": []',
        )
    for fact, who in (*MUST_STOP, *STOPS_ANYWAY):
        stopping = [rule for rule in _rules_of(policy, fact, who) if STOPPING_ACTIONS & rule.action_names]
        if not stopping and (fact, who) in STOPS_ANYWAY:
            continue
        if not stopping:
            raise fault(
                "rules",
                f"{fact} of {who} leaves the axes free to move",
                "add EMERGENCY_STOP or SAFE_MODE_ENTER to the actions of a rule for it",
            )
        delay_ms = min(_delay_ms(policy, rule) for rule in stopping)
        if delay_ms > MAX_STOP_DELAY_MS:
            raise fault(
                "rules",
                f"{fact} of {who} leaves the axes free to move for {round(delay_ms)} ms",
                f"let debounce_ms (and a threshold in cycles or ms) be {MAX_STOP_DELAY_MS} ms at most",
            )
    for fact, who in MUST_AWAIT:
        orders = [order for rule in _rules_of(policy, fact, who) for order in rule.actions]
        if not any(order.action is PolicyAction.AWAIT_MANUAL and order.after is None for order in orders):
            raise fault("rules", f"{fact} of {who} waits for nobody", "add AWAIT_MANUAL to a rule for it")


def _delay_ms(policy: FailoverPolicy, rule: Rule) -> float:
    """How long the fact has to be seen before the rule takes effect."""
    unit_ms = {"cycles": policy.timing.cycle_us / 1000, "ms": 1.0}.get(FACTS[rule.fact].unit, 0.0)
    return rule.debounce_ms + (rule.threshold or 0.0) * unit_ms


def _check_budgets(policy: FailoverPolicy) -> None:
    """Everything that restarts has a budget, and people are always told when it is spent."""
    for place, rule in enumerate(policy.rules):
        for order in all_orders(rule.actions):
            subject = order.target or rule.subject
            if order.action not in REMEDIES:
                continue
            if order.action is PolicyAction.REALLOCATE and not subject.startswith("group:"):
                subject = "group:*"  # the group of the axis or slave
            if policy.budget(subject) is None:
                raise fault(
                    f"rules[{place}].actions",
                    f"{order.action} of {subject} has no restart budget",
                    f'add a section to budgets with "subject": "{subject}"',
                )
            if not _rules_of(policy, FactKind.RESTART_BUDGET_SPENT, subject):
                raise fault(
                    "rules",
                    f"no rule for restart_budget_spent of {subject}",
                    "add one, at least with SEND_ALERT: its restarts end when the budget does",
                )


def _check_periods(policy: FailoverPolicy) -> None:
    """Checks that failures of no pace between the two budgets go on for ever."""
    sections: list[tuple[str, int, Budget]] = [
        ("processes", place, one) for place, one in enumerate(policy.processes)
    ]
    sections += [("budgets", place, one) for place, one in enumerate(policy.budgets)]
    for key, place, budget in sections:
        found = coverage(budget)
        if found.uncaught_from_ns is not None:
            raise fault(
                f"{key}[{place}].long_restart_window_sec",
                f"what fails {found.uncaught_from_ns / 1e9:.4g} s after each restart spends no budget, and "
                "goes on for ever",
                "lengthen long_restart_window_sec, or lower long_max_restart_count or restart_backoff_max_ms",
            )


def _check_targets(policy: FailoverPolicy) -> None:
    for place, case in enumerate(worst_cases(policy)):
        if case.exceeds:
            raise fault(
                f"rules[{place}].target_ms",
                f"the worst case of {case.rule} is {case.confirmed:g} ms (detected after {case.detection:g}, "
                f"ordered after {case.ordered:g}), more than the target of {case.target} ms",
                "shorten window, debounce, deferral or time-outs, or state a longer target",
            )
