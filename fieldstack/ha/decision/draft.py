"""A decision while it is made: the state so far and the actions so far."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.decision_state import (
    DecisionState,
    Episode,
    Flight,
    Key,
    ProcessTrack,
    Waiting,
    Watch,
)
from fieldstack.ha.model.actions import Action, ActionKind, Evidence
from fieldstack.ha.model.facts import Facts, ProcessFacts
from fieldstack.ha.model.measures import FactKind, Measure, unknown_facts
from fieldstack.ha.model.vocabulary import REMEDIES, STOPPING_ACTIONS, ClearWhen, PolicyAction, ProcessName
from fieldstack.ha.policy.table import Order, RuleRow
from fieldstack.ha.policy.view import Policy, Watching

_LIFE = frozenset({ActionKind.STOP_PROCESS, ActionKind.START_PROCESS, ActionKind.REBOOT_PROCESS})


class Draft:
    """Work sheet of one decision. The records in it are frozen; the sheet's own tables are not.

    `fresh`: failures of processes that began in this decision; `asked`: what operators ask rules for;
    `unknown`: facts that nobody can tell of now, because their probe fails.
    """

    def __init__(self, now_ns: int, state: DecisionState, facts: Facts, policy: Policy) -> None:
        self.now_ns = now_ns
        self.state = state
        self.facts = facts
        self.policy = policy
        self.actions: list[Action] = []
        self.episodes: dict[Key, Episode] = {one.key: one for one in state.episodes}
        self.watches: dict[Key, Watch] = {one.key: one for one in state.watches}
        self.flights: dict[int, Flight] = {one.id: one for one in state.flights}
        self.waiting: list[Waiting] = list(state.waiting)
        self.unknown = unknown_facts(facts.measures)
        self.fresh: set[tuple[FactKind, str]] = set()
        self.asked: list[Measure] = []

    def result(self) -> DecisionState:
        return replace(
            self.state,
            episodes=tuple(self.episodes.values()),
            watches=tuple(self.watches.values()),
            flights=tuple(self.flights.values()),
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
        return any(action.subject == subject and action.kind in _LIFE for action in self.actions)

    def restarting(self, subject: str) -> bool:
        """Whether a remedy for the subject is in flight, or ordered in this decision."""
        flying = any(one.subject == subject and one.order.action in REMEDIES for one in self.flights.values())
        return flying or self.handled(subject)

    # ---- orders ----

    def order(self, kind: ActionKind, rule: str, cause: str, subject: str = "cell") -> None:
        """An order of no rule of the policy, whose outcome nobody waits for."""
        self.actions.append(Action(kind, rule, cause, subject))

    def has(self, kind: ActionKind) -> bool:
        return any(action.kind is kind for action in self.actions)

    def row(self, key: Key) -> RuleRow | None:
        return self.policy.table.get(key.rule)

    def cause(self, key: Key) -> str:
        episode = self.episodes.get(key)
        return episode.cause if episode else key.rule

    def evidence(self, key: Key) -> Evidence | None:
        episode = self.episodes.get(key)
        return episode.evidence if episode else None

    def time_of(self, key: Key, order: Order) -> int:
        """ns. A stop is given up no sooner than the axes of the cell can stand. One for the loss of RT, which
        the guard confirms or the next RT process, has as long as that may take to be at work."""
        if order.action not in STOPPING_ACTIONS:
            return order.timeout_ns
        row = self.row(key)
        reboots = (one for one in row.orders if one.action is PolicyAction.REBOOT_PROCESS) if row else ()
        of_rt = (one.timeout_ns for one in reboots if (one.target or key.subject) == ProcessName.RT)
        return max(order.timeout_ns, self.policy.stop_ns, *of_rt)

    def take_off(self, key: Key, order: Order, subject: str, place: int, deadline_ns: int = 0) -> int:
        """A new flight; an earlier one of the same order of the same rule is forgotten. Its id. Its time is
        the order's from now on, unless it was given a deadline before."""
        same = [
            one.id
            for one in self.flights.values()
            if (one.key, one.order.action, one.subject) == (key, order.action, subject)
        ]
        for old in same:
            del self.flights[old]
        number = self.state.last_id + 1
        self.state = replace(self.state, last_id=number)
        self.flights[number] = Flight(
            number,
            key,
            order,
            subject,
            self.now_ns,
            deadline_ns or self.now_ns + self.time_of(key, order),
            place,
        )
        return number

    def fly(self, key: Key, order: Order, *, subject: str = "cell", place: int = -1, cause: str = "") -> None:
        """Order an action of a rule and expect its outcome."""
        episode = self.episodes.get(key)
        until = None
        if order.action.name == ActionKind.EMERGENCY_STOP.name:
            by_itself = episode is not None and episode.clear is ClearWhen.GONE
            until = ClearWhen.GONE if by_itself else ClearWhen.RESET
        self.actions.append(
            Action(
                ActionKind[order.action.name],
                key.rule,
                cause or self.cause(key),
                subject,
                until=until,
                id=self.take_off(key, order, subject, place),
                timeout_ns=self.time_of(key, order),
                evidence=self.evidence(key),
            )
        )
