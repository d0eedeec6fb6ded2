"""Checks one rule, and each of its actions. Used by `rules` and `checks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fieldstack.ha.model.measures import FACTS, Comparison, FactKind
from fieldstack.ha.model.vocabulary import (
    DEFAULT_TIMEOUT_MS,
    DEFERRABLE,
    REMEDIES,
    STOPPING_ACTIONS,
    ClearWhen,
    PolicyAction,
)
from fieldstack.ha.policy.in_force.windows import BUCKETS
from fieldstack.ha.policy.validation.faults import fault
from fieldstack.ha.policy.validation.subjects import can_match, possible_subjects

if TYPE_CHECKING:
    from fieldstack.ha.policy.validation.rules import ActionOrder, Rule

MAX_DEPTH = 4
"""Escalations of escalations: the chain has an end."""

MIN_GONE_MS = 100
"""SAFE_MODE is not left because of one fresh reading."""

PROVEN_FACTS = frozenset({FactKind.PROCESS_DEAD, FactKind.PROCESS_SILENT})
"""Facts that are gone only when the process did all that is expected of it, and that need no extra time."""

RESET_ONLY = frozenset(
    {
        FactKind.EMERGENCY_STOP,
        FactKind.RESTART_BUDGET_SPENT,
        FactKind.PROCESS_STOPPED,
        FactKind.PROCESS_REFUSED,
        FactKind.POSITIONS_DIFFER,
        FactKind.GROUP_POSITIONS_DIFFER,
    }
)
"""Facts that a person raised or must look at: they are never cleared by themselves."""

AT_ONCE = frozenset({FactKind.RESTART_BUDGET_SPENT, FactKind.OPERATOR_REQUEST, FactKind.EMERGENCY_STOP})
"""Facts that are decided upon in the pass that sees them."""

_OPTIONS = {
    "override_percent": {PolicyAction.DEGRADE},
    "groups": {PolicyAction.DEGRADE},
    "until": {PolicyAction.AWAIT_MANUAL},
    "target": set(REMEDIES),
}
_TARGETS = {
    PolicyAction.REBOOT_PROCESS: ("fieldstack-rt", "fieldstack-core"),
    PolicyAction.RESTART_SLAVE: ("slave:", "axis:"),
    PolicyAction.RESTART_MODULE: ("module:",),
    PolicyAction.REALLOCATE: ("group:", "axis:", "slave:"),
}


def check_order(order: ActionOrder) -> None:
    for key, actions in _OPTIONS.items():
        if getattr(order, key) is not None and order.action not in actions:
            raise fault(
                key, f"means nothing for {order.action}", f"it belongs to {', '.join(sorted(actions))}"
            )
    if order.after is not None and order.action in STOPPING_ACTIONS:
        raise fault("after", f"{order.action} waits for nothing", "remove it: axes are stopped at once")
    if _depth(order) > MAX_DEPTH:
        raise fault("on_failure", f"is nested deeper than {MAX_DEPTH} levels", "end with AWAIT_MANUAL")


def _depth(order: ActionOrder) -> int:
    return 1 + max((_depth(one) for one in order.on_failure or ()), default=0)


def all_orders(orders: list[ActionOrder]) -> Iterator[ActionOrder]:
    """The orders of a list with those of their escalations."""
    for order in orders:
        yield order
        yield from all_orders(order.on_failure or [])


def check_rule(rule: Rule) -> None:
    if not can_match(rule.subject, rule.fact):
        known = ", ".join(possible_subjects(rule.fact))
        raise fault("subject", f"{rule.fact} never has the subject {rule.subject!r}", f"known are: {known}")
    _check_doubles(rule)
    _check_threshold(rule)
    _check_window(rule)
    _check_clear(rule)
    _check_targets(rule)
    _check_time_outs(rule)
    _check_resumption(rule)
    if rule.defer is not None and not DEFERRABLE & rule.action_names:
        raise fault("defer", "none of the actions can wait", f"only {', '.join(sorted(DEFERRABLE))} can")


def _check_resumption(rule: Rule) -> None:
    """After what a person has to look at, a person starts."""
    if not rule.resume_within_ms:
        return
    if rule.clear.when is not ClearWhen.GONE:
        why = f'means nothing with clear "when": "{rule.clear.when}": a reset is no start'
        raise fault("resume_within_ms", why, "remove it")
    if PolicyAction.AWAIT_MANUAL in rule.action_names:
        raise fault("resume_within_ms", "means nothing with AWAIT_MANUAL: a person starts", "remove it")


def _check_doubles(rule: Rule) -> None:
    seen: set[tuple[PolicyAction, str | None]] = set()
    for order in rule.actions:
        key = (order.action, order.target)
        if key in seen:
            raise fault("actions", f"names {order.action} twice", "name each action once")
        seen.add(key)


def _check_threshold(rule: Rule) -> None:
    meaning = FACTS[rule.fact]
    if meaning.over is Comparison.TRUE and rule.threshold is not None:
        raise fault("threshold", f"means nothing for {rule.fact}, which is there or not", "remove it")
    if meaning.over is not Comparison.TRUE and rule.threshold is None:
        raise fault("threshold", "is missing", f"say from when on {rule.fact} counts, in {meaning.unit}")
    rising = meaning.over in (Comparison.AT_LEAST, Comparison.GROWN)
    if rising and rule.threshold is not None and rule.threshold <= 0:
        raise fault("threshold", f"is always reached by {rule.fact}", "make it more than 0")


def _check_window(rule: Rule) -> None:
    over = FACTS[rule.fact].over
    if over is Comparison.GROWN and rule.window_ms == 0:
        raise fault("window_ms", "is missing", f"say within which time {rule.fact} has to grow that much")
    if rule.window_ms and (over is Comparison.TRUE or _is_consecutive(rule)):
        raise fault("window_ms", f"means nothing for {rule.fact}, which is no quantity", "use debounce_ms")
    if rule.fact in AT_ONCE and rule.debounce_ms:
        raise fault("debounce_ms", f"{rule.fact} is decided upon when it is seen", "remove it")


def _is_consecutive(rule: Rule) -> bool:
    return FACTS[rule.fact].unit == "cycles" and FACTS[rule.fact].over is Comparison.AT_LEAST


def _check_clear(rule: Rule) -> None:
    clear = rule.clear
    if rule.fact in RESET_ONLY and clear.when is not ClearWhen.RESET:
        raise fault("clear.when", f"{rule.fact} needs a person to clear it", 'write "reset"')
    if clear.when is not ClearWhen.GONE:
        for key in ("for_ms", "threshold"):
            if getattr(clear, key):
                raise fault(f"clear.{key}", f'means nothing with "when": "{clear.when}"', "remove it")
        return
    stops = any(order.action in STOPPING_ACTIONS for order in all_orders(rule.actions))
    if stops and rule.fact not in PROVEN_FACTS and clear.for_ms < MIN_GONE_MS:
        raise fault(
            "clear.for_ms", "one fresh reading would set the axes free", f"make it at least {MIN_GONE_MS}"
        )
    _check_clear_threshold(rule)


def _check_clear_threshold(rule: Rule) -> None:
    over, level = FACTS[rule.fact].over, rule.clear.threshold
    if level is None:
        return
    if over is Comparison.TRUE or rule.threshold is None:
        raise fault("clear.threshold", f"means nothing for {rule.fact}, which is there or not", "remove it")
    wrong = level < rule.threshold if over is Comparison.AT_MOST else level > rule.threshold
    if wrong:
        raise fault(
            "clear.threshold",
            f"is on the bad side of the rule's threshold ({rule.threshold:g})",
            "choose the same value or one on the good side",
        )


def _check_targets(rule: Rule) -> None:
    for order in all_orders(rule.actions):
        starts = _TARGETS.get(order.action)
        subject = order.target or rule.subject
        if starts and not subject.startswith(starts):
            raise fault(
                "actions",
                f"{order.action} cannot act upon {subject!r}",
                f"narrow the rule's subject, or add a target, to one that begins with {' or '.join(starts)}",
            )
        if rule.fact is FactKind.RESTART_BUDGET_SPENT and starts:
            raise fault(
                "actions", f"{order.action} needs a budget, and that is spent", "leave it to a person"
            )


def _check_time_outs(rule: Rule) -> None:
    """The mean over a window has to have a chance to fall before its remedy counts as failed."""
    meaning = FACTS[rule.fact]
    if meaning.over is Comparison.GROWN:
        return
    needed = rule.window_ms + rule.window_ms // BUCKETS + meaning.age_ms
    for order in all_orders(rule.actions):
        timeout = order.timeout_ms or DEFAULT_TIMEOUT_MS[order.action]
        if order.action in REMEDIES and timeout < needed:
            raise fault(
                "actions",
                f"{order.action} counts as failed after {timeout} ms, but {rule.fact} may be seen to be gone "
                f"as late as after {needed} ms (window and age of its readings)",
                f"give it a timeout_ms of more than {needed}",
            )
