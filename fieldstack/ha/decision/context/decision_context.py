"""What the steps of one decision share: its inputs, and parts that each have one owner class.

A step asks a part, or changes it, by a method with a purpose; no part gives out its own tables.
`decide.ALWAYS`, `WHILE_UP` and `GOING_DOWN` say which step may change which part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fieldstack.ha.decision.context.active_rule_set import ActiveRuleSet, Watches
from fieldstack.ha.decision.context.cell_record import CellRecord
from fieldstack.ha.decision.context.decision_state import DecisionState, InFlightAction, Key
from fieldstack.ha.decision.context.emitted_actions import EmittedActions
from fieldstack.ha.decision.context.findings import Findings
from fieldstack.ha.decision.context.in_flight_set import InFlightSet
from fieldstack.ha.decision.context.motion_records import InterlockRecord, LimitsRecord, StartRecord
from fieldstack.ha.decision.context.restart_records import ProcessTracks, RestartBudgets
from fieldstack.ha.decision.context.waiting_actions import WaitingActions
from fieldstack.ha.model.actions import Action, ActionKind, Evidence
from fieldstack.ha.model.facts import Facts, ProcessFacts
from fieldstack.ha.model.measures import Measure, unknown_facts
from fieldstack.ha.model.vocabulary import STOPPING_ACTIONS, ClearWhen, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import Order, RuleRow
from fieldstack.ha.policy.in_force.view import Policy, Watching


class DecisionContext:
    """`unknown`: facts that are not known now, because their probe fails."""

    def __init__(self, now_ns: int, state: DecisionState, facts: Facts, policy: Policy) -> None:
        self.now_ns: Final = now_ns
        self.policy: Final = policy
        self.before: Final = state
        self.unknown: Final = unknown_facts(facts.measures)
        self._facts = facts
        self.rules: Final = ActiveRuleSet(state.active_rules)
        self.watches: Final = Watches(state.watches)
        self.waiting: Final = WaitingActions(state.waiting)
        self.in_flight: Final = InFlightSet(state.in_flight_actions, state.last_id)
        self.tracks: Final = ProcessTracks(state.rt, state.core)
        self.budgets: Final = RestartBudgets(state.budgets)
        self.interlock: Final = InterlockRecord(state.interlock)
        self.starts: Final = StartRecord(state.start_order, state.pressed)
        self.limits: Final = LimitsRecord(state.limits)
        self.cell: Final = CellRecord(state)
        self.findings: Final = Findings()
        self.actions: Final = EmittedActions()

    def result(self) -> tuple[DecisionState, tuple[Action, ...]]:
        """The next state, and the actions, worst first."""
        cell = self.cell
        return DecisionState(
            ha=cell.ha,
            since_ns=cell.since_ns,
            reason=cell.reason,
            held_by=cell.held_by,
            active_rules=self.rules.records(),
            watches=self.watches.records(),
            waiting=self.waiting.records(),
            in_flight_actions=self.in_flight.records(),
            budgets=self.budgets.records(),
            limits=self.limits.now,
            rt=self.tracks.rt,
            core=self.tracks.core,
            interlock=self.interlock.now,
            start_order=self.starts.order,
            pressed=self.starts.pressed,
            cell_start_id=self.before.cell_start_id,
            reset_ns=cell.reset_ns,
            accepted_start=cell.accepted_start,
            after_failure=self.before.after_failure,
            last_id=self.in_flight.last_id,
        ), self.actions.records()

    # ---- facts: two steps judge them other than they came ----

    @property
    def facts(self) -> Facts:
        return self._facts

    def take_latch_as_cleared(self) -> None:
        """A reset of this decision clears the latch: the steps after it find it so."""
        self._facts = replace(self._facts, estop=replace(self._facts.estop, on_reset=0))

    def take_measures(self, measures: tuple[Measure, ...]) -> None:
        """The steps after this one judge these measures."""
        self._facts = replace(self._facts, measures=measures)

    # ---- processes ----

    def section(self, name: ProcessName) -> Watching:
        return self.policy.process(name)

    def process(self, name: ProcessName) -> ProcessFacts | None:
        return self._facts.rt if name is ProcessName.RT else self._facts.core

    def restarting(self, subject: str) -> bool:
        """Whether a remedy for the subject is in flight, or ordered in this decision."""
        return self.in_flight.has_remedy_for(subject) or self.actions.start_or_stop(subject)

    # ---- rules ----

    def row(self, key: Key) -> RuleRow | None:
        return self.policy.table.get(key.rule)

    def cause(self, key: Key) -> str:
        active_rule = self.rules.get(key)
        return active_rule.cause if active_rule else key.rule

    def evidence(self, key: Key) -> Evidence | None:
        active_rule = self.rules.get(key)
        return active_rule.evidence if active_rule else None

    def drop_rule(self, key: Key) -> None:
        """End the rule; what it still waited to order is not ordered."""
        self.rules.remove(key)
        self.waiting.forget_rule(key)

    # ---- orders ----

    def order(self, kind: ActionKind, rule: str, cause: str, subject: str = "cell") -> None:
        """An order that comes from no rule of the policy and whose outcome nobody waits for."""
        self.actions.emit(Action(kind, rule, cause, subject))

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
    ) -> InFlightAction:
        """An action of a rule, whose outcome is expected. Its time is the order's from now on, unless it was
        given a deadline before."""
        deadline_ns = deadline_ns or self.now_ns + self.time_of(key, order)
        return self.in_flight.register(
            InFlightAction(0, key, order, subject, self.now_ns, deadline_ns, place)
        )

    def order_action(
        self, key: Key, order: Order, *, subject: str = "cell", place: int = -1, cause: str = ""
    ) -> None:
        """Order an action of a rule and expect its outcome."""
        active_rule = self.rules.get(key)
        until = None
        if order.action.name == ActionKind.EMERGENCY_STOP.name:
            by_itself = active_rule is not None and active_rule.clear is ClearWhen.GONE
            until = ClearWhen.GONE if by_itself else ClearWhen.RESET
        in_flight = self.register_in_flight(key, order, subject, place)
        self.actions.emit(
            Action(
                ActionKind[order.action.name],
                key.rule,
                cause or self.cause(key),
                subject,
                until=until,
                id=in_flight.id,
                deadline_ns=in_flight.deadline_ns,
                evidence=self.evidence(key),
            )
        )
