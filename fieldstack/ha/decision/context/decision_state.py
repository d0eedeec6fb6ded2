"""What the decision core remembers from one decision to the next: frozen, comparable records.

`decide` takes and returns a `DecisionState`; `nonrt.supervision` keeps it between two passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fieldstack.ha.model.actions import Evidence, Step
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import STOPPING_ACTIONS, ClearWhen, Hold, PolicyAction, ProcessName
from fieldstack.ha.policy.in_force.table import Key, Order

__all__ = [
    "LIMITS_UNKNOWN",
    "ActiveRule",
    "BudgetUse",
    "DecisionState",
    "InFlightAction",
    "InterlockCause",
    "Key",
    "Limits",
    "PendingRestart",
    "ProcessTrack",
    "Recovery",
    "RestartInterlock",
    "StartOrder",
    "WaitingAction",
    "Watch",
]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a rule remembers of a subject's readings: since when they exceed the threshold, and samples of its
    window."""

    key: Key
    over_ns: int = 0
    samples: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ActiveRule:
    """A rule that is active for a subject, from taking effect until it is cleared.

    `gone_ns`: since when its cause is gone, 0 while it is there. `recurred`: the cause came back and is not
    debounced yet. `effects`: those of its orders that last as long as it does. `hold`: what a person has to
    do (reset or acknowledge); None: nothing (any more).
    """

    key: Key
    since_ns: int
    cause: str
    clear: ClearWhen
    evidence: Evidence | None = None
    gone_ns: int = 0
    recurred: bool = False
    effects: frozenset[PolicyAction] = frozenset()
    override_percent: int = 100
    groups: tuple[str, ...] = ()
    hold: Hold | None = None

    @property
    def stops(self) -> bool:
        return bool(STOPPING_ACTIONS & self.effects)


@dataclass(frozen=True, slots=True)
class WaitingAction:
    """An action that is ordered later: at a safe moment, after others, or when its subject is free.

    `not_before_ns`: backoff (`delayed`), or time to see the cause again. `due_ns`: when it waits for a safe
    moment no longer (0: it never did). `place` in the rule's list. `counted_ns`: it has counted as a restart
    then, and waits for the disk; `reported`: people know that.
    """

    key: Key
    order: Order
    place: int
    due_ns: int = 0
    not_before_ns: int = 0
    delayed: bool = False
    counted_ns: int = 0
    reported: bool = False


@dataclass(frozen=True, slots=True)
class InFlightAction:
    """An ordered action whose outcome is not known yet. `place`: in its rule's list; -1: in no list.

    `done`: it was confirmed, and the cause has to go away before `deadline_ns`, too.
    """

    id: int
    key: Key
    order: Order
    subject: str
    ordered_ns: int
    deadline_ns: int
    place: int = -1
    done: bool = False


@dataclass(frozen=True, slots=True)
class PendingRestart:
    """A restart that waits for its time, for the process to be gone, and for RT's safe outputs.

    `deadline_ns`: when people are told, as of any order that is not confirmed, that it still waits (0: they
    were); it goes on waiting.
    """

    due_ns: int
    rule: str
    cause: str
    deadline_ns: int
    counted: bool = True
    order: Order | None = None
    key: Key | None = None
    place: int = -1


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery under way: the last step that it reached, and when."""

    began_ns: int
    rule: str
    cause: str
    attempt: int
    step: Step = Step.DETECTED
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class ProcessTrack:
    """What happened to one process.

    `failed_start` is the start whose failure was dealt with; `proven`: the present start was seen to do
    all that is expected of it. `counted_ns`: when its next start has counted as a restart (0: not yet), which
    has to be on the disk before that; `count_unsaved`: it is not, and people were told.
    """

    name: ProcessName
    failed_start: int = -1
    started_ns: int = 0
    proven: bool = False
    pending: PendingRestart | None = None
    recovery: Recovery | None = None
    counted_ns: int = 0
    count_unsaved: bool = False


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """The times of a subject's counted restarts. `spent`: why no more are ordered until a reset; empty: more
    are."""

    subject: str
    restarts: tuple[int, ...] = ()
    spent: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that DEGRADE rules set: speed, and groups that have to stand."""

    override_percent: int = 100
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InterlockCause:
    """Why motion stopped, by which rule (or built-in reason). `within_ns`: it may resume by itself when the
    axes stood for less; 0: a person starts it. `axes`: mask of those that it concerns; 0: all."""

    key: Key
    text: str
    within_ns: int = 0
    axes: int = 0


@dataclass(frozen=True, slots=True)
class StartOrder:
    """A start, or an order to wait for one, that RT has not been seen to take."""

    epoch: int
    sequence: int
    axes: int
    ordered_ns: int
    go: bool = True


@dataclass(frozen=True, slots=True)
class RestartInterlock:
    """Why the cell's axes wait for a start, all of it, and since when they stand; no causes: they do not.
    Of single axes RT knows it (`AxesFacts`) as long as it lives: what it has stopped alone is here, too."""

    since_ns: int = 0
    causes: tuple[InterlockCause, ...] = ()

    def of(self, number: int) -> tuple[InterlockCause, ...]:
        """What concerns this axis."""
        return tuple(one for one in self.causes if not one.axes or one.axes >> number & 1)

    @property
    def of_all(self) -> bool:
        """Whether something concerns all axes."""
        return any(not one.axes for one in self.causes)

    def still(self, waiting: int) -> RestartInterlock:
        """The part that remains for single axes when these wait."""
        kept = (replace(one, axes=one.axes & waiting) for one in self.causes if one.axes & waiting)
        return RestartInterlock(0, tuple(kept))


RECORD_UNREADABLE = "record-unreadable"
"""Rule name of the wait for a person when something that was kept could not be read."""
FIRST_START = "first-start"
AT_FIRST_START = InterlockCause(Key(FIRST_START, "cell"), "the first start of the cell (auto_start)", 1 << 62)
"""Nothing has moved yet in this life of the cell, and the person who started it wants motion."""

LIMITS_UNKNOWN = Limits(override_percent=-1)
"""Limits that are not known, for example because the DEGRADE rules that set them are gone. No set of rules
gives this value, so the next decision orders the limits that are right."""


@dataclass(frozen=True, slots=True)
class DecisionState:
    """State of the decision core. `accepted_start`: the RT start whose positions a person accepted, until RT
    has confirmed them. `after_failure`: the cell's life before did not end by request. `pressed`: epoch and
    cycle of the last press of the start input that was dealt with. `cell_start_id`: which start of
    the whole cell this is. `reset_ns`: when a person's reset was accepted last.

    `reason` and `held_by` are of now: why the cell is still in its state, and the rules that hold it there;
    `since_ns` is the state's.
    """

    ha: HaState = HaState.NEVER
    since_ns: int = 0
    reason: str = "the Non-RT process starts"
    held_by: tuple[Key, ...] = ()
    active_rules: tuple[ActiveRule, ...] = ()
    watches: tuple[Watch, ...] = ()
    waiting: tuple[WaitingAction, ...] = ()
    in_flight_actions: tuple[InFlightAction, ...] = ()
    budgets: tuple[BudgetUse, ...] = ()
    limits: Limits = Limits()
    rt: ProcessTrack = field(default_factory=lambda: ProcessTrack(ProcessName.RT))
    core: ProcessTrack = field(default_factory=lambda: ProcessTrack(ProcessName.CORE))
    interlock: RestartInterlock = RestartInterlock(causes=(AT_FIRST_START,))
    start_order: StartOrder | None = None
    pressed: tuple[int, int] = (0, 0)
    cell_start_id: str = ""
    reset_ns: int = 0
    accepted_start: int = -1
    after_failure: bool = False
    last_id: int = 0

    def track(self, name: ProcessName) -> ProcessTrack:
        return self.rt if name is ProcessName.RT else self.core

    def active_rule(self, key: Key) -> ActiveRule | None:
        return next((one for one in self.active_rules if one.key == key), None)

    def active(self, rule: str) -> ActiveRule | None:
        """The first subject for which a rule counts."""
        return next((one for one in self.active_rules if one.key.rule == rule), None)

    def budget(self, subject: str) -> BudgetUse:
        return next((one for one in self.budgets if one.subject == subject), BudgetUse(subject))

    def with_budget(self, use: BudgetUse) -> DecisionState:
        others = tuple(one for one in self.budgets if one.subject != use.subject)
        return replace(self, budgets=(*others, use))
