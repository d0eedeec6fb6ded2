"""A decision while it is made: the state so far and the actions so far."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from fieldstack.ha.actions import Action, ActionKind
from fieldstack.ha.decision_state import ActiveCondition, DecisionState, ProcessTrack
from fieldstack.ha.facts import Facts, ProcessFacts
from fieldstack.ha.policy.schema import FailoverPolicy, ProcessPolicy
from fieldstack.ha.vocabulary import Condition, PolicyAction, ProcessName

_ORDERS = {
    PolicyAction.EMERGENCY_STOP: ActionKind.EMERGENCY_STOP,
    PolicyAction.SAFE_MODE_ENTER: ActionKind.SAFE_MODE_ENTER,
    PolicyAction.SEND_ALERT: ActionKind.SEND_ALERT,
}

_ONE_A_DECISION = frozenset({ActionKind.STOP_PROCESS, ActionKind.START_PROCESS, ActionKind.REBOOT_PROCESS})


class Draft:
    """Work sheet of one decision; `state` is replaced, never changed."""

    def __init__(self, now_ns: int, state: DecisionState, facts: Facts, policy: FailoverPolicy) -> None:
        self.now_ns = now_ns
        self.state = state
        self.facts = facts
        self.policy = policy
        self.actions: list[Action] = []

    def order(self, kind: ActionKind, rule: str, cause: str, subject: str = "cell") -> None:
        self.actions.append(Action(kind, rule, cause, subject))

    def has(self, kind: ActionKind) -> bool:
        return any(action.kind is kind for action in self.actions)

    def handled(self, name: ProcessName) -> bool:
        """Whether a start or stop of the process was ordered in this decision."""
        return any(action.process is name and action.kind in _ONE_A_DECISION for action in self.actions)

    def section(self, name: ProcessName) -> ProcessPolicy:
        return self.policy.process(name)

    def process(self, name: ProcessName) -> ProcessFacts | None:
        return self.facts.rt if name is ProcessName.RT else self.facts.core

    def set_track(self, track: ProcessTrack) -> None:
        if track.name is ProcessName.RT:
            self.state = replace(self.state, rt=track)
        else:
            self.state = replace(self.state, core=track)

    def enter(self, condition: Condition, cause: str) -> None:
        """A condition begins (or happens anew): its rule's actions but REBOOT_PROCESS are ordered."""
        rule = self.policy.rule(condition)
        for wanted in rule.actions:
            if (kind := _ORDERS.get(wanted)) is not None:
                self.actions.append(Action(kind, rule.name, cause, until=rule.clear))
        self.drop({condition})
        fresh = ActiveCondition(condition, self.now_ns, cause)
        self.state = replace(self.state, conditions=(*self.state.conditions, fresh))

    def drop(self, conditions: Collection[Condition]) -> None:
        kept = tuple(one for one in self.state.conditions if one.condition not in conditions)
        self.state = replace(self.state, conditions=kept)
