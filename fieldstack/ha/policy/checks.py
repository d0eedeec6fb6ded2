"""What must hold between the values of a policy, beyond each value's own bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from fieldstack.ha.vocabulary import (
    PROCESS_LOST,
    STOPPING_ACTIONS,
    ClearWhen,
    Condition,
    PolicyAction,
    ProcessName,
)

if TYPE_CHECKING:
    from fieldstack.ha.policy.schema import FailoverPolicy, ProcessPolicy, Rule

REQUIRED_PROCESSES = (ProcessName.RT, ProcessName.CORE)

RESET_ONLY = frozenset(
    {
        Condition.EMERGENCY_STOP,
        Condition.RESTART_BUDGET_SPENT,
        Condition.RT_STOPPED,
        Condition.POSITIONS_DIFFER,
    }
)
"""Conditions that a person raised or must look at: never cleared by themselves."""

MUST_STOP = RESET_ONLY | {Condition.RT_DEAD, Condition.RT_SILENT, Condition.WORKING_COUNTER_LOST}
"""Conditions in which axes must not move."""


def fault(key: str, why: str, remedy: str) -> PydanticCustomError:
    """An error of `key` (relative to the object that is checked)."""
    context: dict[str, Any] = {"key": key, "why": why, "remedy": remedy}
    return PydanticCustomError("policy", "{why}; {remedy}", context)


def check_process(section: ProcessPolicy) -> None:
    if section.health_check_timeout_ms < section.health_check_interval_ms:
        raise fault(
            "health_check_timeout_ms",
            f"is shorter than health_check_interval_ms ({section.health_check_interval_ms}), "
            "so that every process would look silent",
            "make it at least as long",
        )
    if section.restart_backoff_max_ms < section.restart_backoff_initial_ms:
        raise fault(
            "restart_backoff_max_ms",
            f"is less than restart_backoff_initial_ms ({section.restart_backoff_initial_ms})",
            "make it at least as long",
        )


def check_rule(rule: Rule) -> None:
    if double := _doubles(rule.actions):
        raise fault("actions", f"names {double} twice", "name each action once")
    _check_clear(rule)
    _check_actions(rule)
    _check_threshold(rule)


def _check_clear(rule: Rule) -> None:
    if rule.condition in RESET_ONLY and rule.clear is not ClearWhen.ON_RESET:
        raise fault("clear", f"{rule.condition} needs a person to clear it", 'write "on_reset"')


def _check_actions(rule: Rule) -> None:
    if rule.condition in MUST_STOP and not STOPPING_ACTIONS & set(rule.actions):
        raise fault(
            "actions",
            f"{rule.condition} leaves the axes free to move",
            "add EMERGENCY_STOP or SAFE_MODE_ENTER",
        )
    if PolicyAction.REBOOT_PROCESS in rule.actions and rule.condition not in PROCESS_LOST:
        raise fault(
            "actions",
            f"REBOOT_PROCESS has no failed process to restart in {rule.condition}",
            f"use it in {', '.join(sorted(PROCESS_LOST))}",
        )


def _check_threshold(rule: Rule) -> None:
    takes = rule.condition is Condition.WORKING_COUNTER_LOST
    if takes and rule.threshold_cycles is None:
        raise fault("threshold_cycles", "is missing", "say after how many bad cycles in a row, for example 5")
    if not takes and rule.threshold_cycles is not None:
        raise fault("threshold_cycles", f"means nothing for {rule.condition}", "remove it")


def check_policy(policy: FailoverPolicy) -> None:
    names = [section.process_name for section in policy.processes]
    if double := _doubles(names):
        raise fault("processes", f"{double} has two sections", "keep one")
    if double := _doubles(rule.condition for rule in policy.rules):
        raise fault("rules", f"condition {double} has two rules", "put the actions into one")
    if double := _doubles(rule.name for rule in policy.rules):
        raise fault("rules", f"two rules are named {double}", "give each its own name")
    for name in REQUIRED_PROCESSES:
        if name not in names:
            raise fault("processes", f"{name} has no section", "add one: every process must be watched")
    ruled = {rule.condition for rule in policy.rules}
    if missing := [condition for condition in Condition if condition not in ruled]:
        raise fault(
            "rules",
            f"no rule for {', '.join(missing)}",
            'add one for each; to do nothing but record it, write "actions": []',
        )


def _doubles(items: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return None
