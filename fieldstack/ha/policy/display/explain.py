"""Explains which rule, fact and threshold led to an action that has happened, from its event alone.

Used by `fieldstack policy explain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.events.event import Event
from fieldstack.ha.model.measures import FACTS, Comparison, FactKind
from fieldstack.ha.policy.validation.schema import FailoverPolicy

_BUILT_IN = {
    "start": "the cell starts",
    "restart": "an operator asked for a restart",
    "reset": "an operator's reset",
    "recovered": "everything that motion needs was read back",
    "shutdown": "the cell was asked to go down",
    "limits-lifted": "no rule limits the motion any more",
    "action-unconfirmed": "an order of no rule that counts was not confirmed",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation: `lines` for people, `data` for programs."""

    lines: tuple[str, ...]
    data: dict[str, Any]


class UnexplainedError(ValueError):
    """The event is not of an action, so no rule led to it."""


def explain(event: Event, policy: FailoverPolicy | None) -> Explanation:
    """`policy`: the one that is in force now, to say whether the rule is still the same; None: unknown.

    Raises:
        UnexplainedError: nothing decided led to this event.
    """
    data = event.data
    rule = data.get("rule")
    if not isinstance(rule, str) or not rule:
        raise UnexplainedError(
            f"event {event.sequence} ({event.text}) is of no action: explain one of kind ha.action, "
            "ha.action_failed, ha.recovery_step or ha.alert"
        )
    lines = [f"event {event.sequence}, {event.when.isoformat(timespec='milliseconds')}: {event.text}"]
    lines += _rule_lines(rule, policy)
    lines.append(f"cause     {data.get('cause', 'unknown')}")
    if "fact" in data:
        lines += _fact_lines(event)
    if outcome := data.get("outcome"):
        lines.append(f"outcome   {outcome}")
    return Explanation(tuple(lines), {"seq": event.sequence, "text": event.text, **data})


def _rule_lines(rule: str, policy: FailoverPolicy | None) -> list[str]:
    if rule in _BUILT_IN:
        return [f"rule      built in: {_BUILT_IN[rule]}"]
    if policy is None:
        return [f"rule      {rule}"]
    try:
        found = policy.rule(rule)
    except KeyError:
        return [f"rule      {rule}; the policy does not have it any more"]
    actions = ", ".join(order.action for order in found.actions) or "nothing"
    return [f"rule      {rule}: {found.fact} of {found.subject} -> {actions}; cleared: {found.clear.when}"]


def _fact_lines(event: Event) -> list[str]:
    data = event.data
    name = str(data["fact"])
    meaning = FACTS[FactKind(name)] if name in FactKind.__members__.values() else None
    lines = [f"fact      {name} of {data.get('fact_subject')}" + (f": {meaning.text}" if meaning else "")]
    if meaning is not None and meaning.over is not Comparison.TRUE:
        window = f" over {data['window_ms']} ms" if data.get("window_ms") else ""
        lines.append(
            f"value     {data.get('value'):g} {meaning.unit}{window}, "
            f"threshold {data.get('threshold')} {meaning.unit}"
        )
    since = data.get("over_since_ns")
    if isinstance(since, int) and since and event.t_ns >= since:
        lines.append(f"seen      {(event.t_ns - since) / 1e6:.1f} ms before this event for the first time")
    return lines
