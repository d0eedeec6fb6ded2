"""A decision while it is made: the state so far and the actions so far."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.decision_state import (
    ActiveRule,
    DecisionState,
    InFlightAction,
    Key,
    ProcessTrack,
    WaitingAction,
    Watch,
)
from fieldstack.ha.model.actions import Action, ActionKind, Evidence
from fieldstack.ha.model.facts import Facts, ProcessFacts
from fieldstack.ha.model.measures import FactKind, Measure, unknown_facts
from fieldstack.ha.model.vocabulary import REMEDIES, STOPPING_ACTIONS, ClearWhen, PolicyAction, ProcessName
from fieldstack.ha.policy.table import Order, RuleRow
from fieldstack.ha.policy.view import Policy, Watching

_START_STOP = frozenset({ActionKind.STOP_PROCESS, ActionKind.START_PROCESS, ActionKind.REBOOT_PROCESS})


class DecisionContext:
    """Work sheet of one decision. The records in it are frozen; the sheet's own tables are not.

    `new_failures`: failures of processes that began in this decision; `requested`: what operators
    ask rules for; `unknown`: facts that nobody can tell of now, because their probe fails.
    """

    def __init__(self, now_ns: int, state: DecisionState, facts: Facts, policy: Policy) -> None:
        self.now_ns = now_ns
        self.state = state
        self.facts = facts
        self.policy = policy
        self.actions: list[Action] = []
        self.active_rules: dict[Key, ActiveRule] = {one.key: one for one in state.active_rules}
        self.watches: dict[Key, Watch] = {one.key: one for one in state.watches}
        self.in_flight_actions: dict[int, InFlightAction] = {one.id: one for one in state.in_flight_actions}
        self.waiting: list[WaitingAction] = list(state.waiting)
        self.unknown = unknown_facts(facts.measures)
        self.new_failures: set[tuple[FactKind, str]] = set()
        self.requested: list[Measure] = []

    def result(self) -> DecisionState:
        return replace(
            self.state,
            active_rules=tuple(self.active_rules.values()),
            watches=tuple(self.watches.values()),
            in_flight_actions=tuple(self.in_flight_actions.values()),
            waiting=tuple(self.waiting),
        )

    # ---- processes ----

    def section(self, name: ProcessName) -> Watching:
        return self.policy.process(name)

    def process(self, name: ProcessName) -> ProcessFacts | None:
        return self.facts.rt if name is ProcessName.RT else self.facts.core

    def set_track(self, track: ProcessTrack) -> None:
        if track.name is ProcessName.RT:
            self.state = replace(self.state, rt=track)
        else:
            self.state = replace(self.state, core=track)

    def handled(self, subject: str) -> bool:
        """Whether a start or stop of the process was ordered in this decision."""
        return any(action.subject == subject and action.kind in _START_STOP for action in self.actions)

    def restarting(self, subject: str) -> bool:
        """Whether a remedy for the subject is in flight, or ordered in this decision."""
        in_flight = any(
            one.subject == subject and one.order.action in REMEDIES for one in self.in_flight_actions.values()
        )
        return in_flight or self.handled(subject)

    # ---- orders ----

    def order(self, kind: ActionKind, rule: str, cause: str, subject: str = "cell") -> None:
        """An order of no rule of the policy, whose outcome nobody waits for."""
        self.actions.append(Action(kind, rule, cause, subject))

    def has(self, kind: ActionKind) -> bool:
        return any(action.kind is kind for action in self.actions)

    def row(self, key: Key) -> RuleRow | None:
        return self.policy.table.get(key.rule)

    def cause(self, key: Key) -> str:
        active_rule = self.active_rules.get(key)
        return active_rule.cause if active_rule else key.rule

    def evidence(self, key: Key) -> Evidence | None:
        active_rule = self.active_rules.get(key)
        return active_rule.evidence if active_rule else None

    def time_of(self, key: Key, order: Order) -> int:
        """ns. A stop is given up no sooner than the axes of the cell can stand. One for the loss of RT, which
        the guard confirms or the next RT process, has as long as that may take to be at work."""
        if order.action not in STOPPING_ACTIONS:
            return order.timeout_ns
        row = self.row(key)
        reboots = (one for one in row.orders if one.action is PolicyAction.REBOOT_PROCESS) if row else ()
        of_rt = (one.timeout_ns for one in reboots if (one.target or key.subject) == ProcessName.RT)
        return max(order.timeout_ns, self.policy.stop_ns, *of_rt)

    def register_in_flight(
        self, key: Key, order: Order, subject: str, place: int, deadline_ns: int = 0
    ) -> int:
        """A new flight; an earlier one of the same order of the same rule is forgotten. Its id. Its time is
        the order's from now on, unless it was given a deadline before."""
        same = [
            one.id
            for one in self.in_flight_actions.values()
            if (one.key, one.order.action, one.subject) == (key, order.action, subject)
        ]
        for old in same:
            del self.in_flight_actions[old]
        number = self.state.last_id + 1
        self.state = replace(self.state, last_id=number)
        self.in_flight_actions[number] = InFlightAction(
            number,
            key,
            order,
            subject,
            self.now_ns,
            deadline_ns or self.now_ns + self.time_of(key, order),
            place,
        )
        return number

    def order_action(
        self, key: Key, order: Order, *, subject: str = "cell", place: int = -1, cause: str = ""
    ) -> None:
        """Order an action of a rule and expect its outcome."""
        active_rule = self.active_rules.get(key)
        until = None
        if order.action.name == ActionKind.EMERGENCY_STOP.name:
            by_itself = active_rule is not None and active_rule.clear is ClearWhen.GONE
            until = ClearWhen.GONE if by_itself else ClearWhen.RESET
        self.actions.append(
            Action(
                ActionKind[order.action.name],
                key.rule,
                cause or self.cause(key),
                subject,
                until=until,
                id=self.register_in_flight(key, order, subject, place),
                timeout_ns=self.time_of(key, order),
                evidence=self.evidence(key),
            )
        )
