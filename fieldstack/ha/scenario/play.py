"""Plays a scenario through the decision core, and compares the result with what it expects.

Used by `fieldstack policy simulate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.decision.decide import decide
from fieldstack.ha.decision.restart_interlock import cause_text
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.states import HaState
from fieldstack.ha.policy.validation.schema import FailoverPolicy
from fieldstack.ha.scenario.document import Expectation, Scenario
from fieldstack.ha.scenario.model_cell import ModelCell

BEGIN_NS = 10**12
SETTLE_NS = 2 * 10**9
_SILENT = frozenset({ActionKind.RECORD_STEP, ActionKind.READ_CHECKPOINT})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline. `at_ns` since the scenario's beginning. One of the three texts is not empty."""

    at_ns: int
    state: HaState
    happened: str = ""
    changed: str = ""
    action: Action | None = None


@dataclass(slots=True)
class Played:
    """What came of a scenario: its timeline, and what was not as expected."""

    scenario: Scenario
    entries: list[Entry] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    decisions: int = 0


def play(scenario: Scenario, policy: FailoverPolicy) -> Played:
    """Pure: the same scenario and policy always come to the same."""
    return _Player(scenario, policy).run()


class _Player:
    def __init__(self, scenario: Scenario, policy: FailoverPolicy) -> None:
        self._scenario, self._policy = scenario, policy
        self._played = Played(scenario)
        self._now_ns = BEGIN_NS
        self._cell = ModelCell(scenario, BEGIN_NS)
        self._state = DecisionState(since_ns=BEGIN_NS)
        self._since: list[Action] = []
        if scenario.begin == "operational":
            self._settle()
        self._zero_ns = self._now_ns

    def _settle(self) -> None:
        """From cold to OPERATIONAL, before the timeline begins."""
        while self._now_ns < BEGIN_NS + SETTLE_NS:
            self._decide(20_000_000, quiet=True)

    def run(self) -> Played:
        moments = sorted(self._scenario.timeline, key=lambda one: one.at)
        expected = sorted(self._scenario.expect, key=lambda one: one.at)
        while moments or expected:
            at_ns = self._now_ns - self._zero_ns
            while moments and moments[0].at <= at_ns:
                moment = moments.pop(0)
                self._played.entries.append(Entry(at_ns, self._state.ha, happened=moment.what))
                self._cell.apply_moment(moment, self._now_ns)
            self._decide(self._scenario.every)
            while expected and expected[0].at <= at_ns:
                self._check_expectation(expected.pop(0))
                self._since.clear()
        return self._played

    def _decide(self, step_ns: int, *, quiet: bool = False) -> None:
        before, at_ns = self._state, self._now_ns - (self._now_ns if quiet else self._zero_ns)
        facts = self._cell.facts_at(self._now_ns)
        self._state, actions = decide(self._now_ns, before, facts, self._policy)
        self._cell.apply_actions(actions, self._now_ns)
        self._now_ns += step_ns
        if quiet:
            return
        self._played.decisions += 1
        self._since += actions
        if self._state.ha is not before.ha:
            text = f"{before.ha.name} -> {self._state.ha.name}: {self._state.reason}"
            self._played.entries.append(Entry(at_ns, self._state.ha, changed=text))
        shown = [action for action in actions if action.kind not in _SILENT]
        self._played.entries += [Entry(at_ns, self._state.ha, action=action) for action in shown]

    def _check_expectation(self, wanted: Expectation) -> None:
        for text in self._faults(wanted):
            self._played.unmet.append(f"at {wanted.at / 1e9:g} s: {text}")

    def _faults(self, wanted: Expectation) -> list[str]:
        state, faults = self._state, []
        ordered = [f"{one.kind.name} {one.subject}" for one in self._since]
        rules = sorted({one.key.rule for one in state.active_rules})
        if wanted.state is not None and state.ha is not wanted.state:
            faults.append(f"the state is {state.ha.name} ({state.reason}), not {wanted.state.name}")
        if wanted.reason is not None and wanted.reason not in state.reason:
            faults.append(f"the reason is {state.reason!r}, without {wanted.reason!r}")
        if wanted.rules is not None and rules != sorted(wanted.rules):
            faults.append(f"the rules that count are {rules}, not {sorted(wanted.rules)}")
        listed = ", ".join(ordered) or "nothing"
        faults += [
            f"{one} was not ordered; ordered: {listed}" for one in wanted.actions if not _in(one, ordered)
        ]
        faults += [f"{one} was ordered" for one in wanted.never if _in(one, ordered)]
        answers = [one.cause for one in self._since if one.kind is ActionKind.ANSWER]
        if wanted.answer is not None and not any(wanted.answer in one for one in answers):
            faults.append(f"the answer is {answers}, without {wanted.answer!r}")
        moves, waits = self._cell.axes.moves, cause_text(state.interlock)
        if wanted.moves is not None and moves is not wanted.moves:
            faults.append(f"the axes {'move' if moves else 'wait for a start'} ({waits})")
        if wanted.waits_for_start is not None and wanted.waits_for_start not in waits:
            faults.append(f"a start is waited for by {waits!r}, without {wanted.waits_for_start!r}")
        percent = state.limits.override_percent
        if wanted.override_percent is not None and percent != wanted.override_percent:
            faults.append(f"the speed is {percent} %, not {wanted.override_percent} %")
        return faults


def _in(wanted: str, ordered: list[str]) -> bool:
    return any(one == wanted or one.startswith(f"{wanted} ") for one in ordered)
