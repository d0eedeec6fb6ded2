"""The rule of a restore: does the cell continue from its checkpoint, or from a safe initial state?

It is a pure function of what is known. The table `RULES` is read from the top, and the first rule that
applies decides. Budgets and latches are kept in either case. If they cannot be read, EMERGENCY_STOP is
latched in their place, so nothing that holds the cell is ever lost. Used by the StateCheckpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from fieldstack.ha.model.facts import PositionCheck

MAX_CHECKPOINT_AGE_NS = 12 * 3600 * 10**9
"""Longer than a shift. After this time a machine does not resume its work by itself."""


class RestoreMode(StrEnum):
    """GO_ON: running tasks do what each declares. SAFE_INITIAL_STATE: the axes stand until a person lets them
    move: by a reset if something is latched or an axis is elsewhere, else by resuming each task, which
    asks."""

    GO_ON = "go on"
    SAFE_INITIAL_STATE = "safe initial state"


class Source(StrEnum):
    """Where the checkpoint was found: `memory` survives processes, `file` survives a reboot."""

    NONE = "none"
    MEMORY = "memory"
    FILE = "file"


class LastEnd(StrEnum):
    """How the cell's last life ended."""

    FIRST = "first start"
    REQUEST = "by request"
    FAILURE = "by failure"


class PlanMatch(StrEnum):
    """Whether the checkpoint is of the present bus configuration."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RestoreFacts:
    """All that a restore is decided from.

    `unreadable`: why what is there cannot be used (checksum, version). `age_ns`: since the positions were
    taken; None: unknown, as after a change of the wall clock. `positions`: what RT found when it compared.
    `unresolved`: why a restore before had tasks ask, if no Main Core has obeyed that since.
    `asking`: tasks under way that declare to ask; `continuing`: those that go on or start again by
    themselves, which all do after an orderly end of the Main Core.
    """

    source: Source = Source.NONE
    unreadable: str = ""
    ended: LastEnd = LastEnd.FIRST
    rt_ran_on: bool = False
    age_ns: int | None = 0
    boot_changed: bool = False
    plan: PlanMatch = PlanMatch.SAME
    positions: PositionCheck = PositionCheck.PENDING
    latched: str = ""
    unresolved: str = ""
    asking: tuple[str, ...] = field(default=())
    continuing: int = 0
    max_age_ns: int = MAX_CHECKPOINT_AGE_NS


@dataclass(frozen=True, slots=True)
class RestoreRule:
    """`use_positions`: RT compares the axes with the checkpoint before they get power. (Never with one of
    another bus, whichever rule decides.) `tasks_ask`: tasks under way ask, whatever they declare, as they do
    with any rule if the verdict before had them ask and no Core has obeyed it.
    """

    name: str
    applies: Callable[[RestoreFacts], bool]
    verdict: RestoreMode
    use_positions: bool
    reason: Callable[[RestoreFacts], str]
    tasks_ask: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of a restore; `rule` is the name of the rule that decided."""

    verdict: RestoreMode
    rule: str
    reason: str
    use_positions: bool
    tasks_ask: bool

    def to_dict(self) -> dict[str, str | bool]:
        return {
            "verdict": str(self.verdict),
            "rule": self.rule,
            "reason": self.reason,
            "positions": self.use_positions,
            "tasks_ask": self.tasks_ask,
        }


_GO_ON, _INITIAL = RestoreMode.GO_ON, RestoreMode.SAFE_INITIAL_STATE


def _age(facts: RestoreFacts) -> str:
    seconds = (facts.age_ns or 0) / 1e9
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"


def _go_on(facts: RestoreFacts) -> str:
    run = "of the machine's run before" if facts.boot_changed else "of this run of the machine"
    positions = {
        PositionCheck.AGREE: "the axes are where it says",
        PositionCheck.PENDING: "RT compares the axes with it before they get power",
    }[facts.positions]
    asks = f"; {', '.join(facts.asking)} will ask" if facts.asking else ""
    return f"it is whole, {_age(facts)} old, {run}; the last life ended {facts.ended}; {positions}{asks}"


UNREADABLE = "unreadable"
"""The rule for a checkpoint about which nothing is known, not even what a person had latched."""

RULES: tuple[RestoreRule, ...] = (
    RestoreRule(
        "positions-differ",
        lambda f: f.positions is PositionCheck.DIFFER,
        _INITIAL,
        True,
        lambda _: "the axes are not where the checkpoint says: a reset confirms where they are",
        tasks_ask=False,
    ),
    RestoreRule(
        "rt-ran-on",
        lambda f: f.rt_ran_on,
        _GO_ON,
        True,
        lambda _: "the RT process ran on: nothing was interrupted but its supervision",
        tasks_ask=False,
    ),
    RestoreRule(
        "latched",
        lambda f: bool(f.latched),
        _INITIAL,
        True,
        lambda f: f"EMERGENCY_STOP is latched ({f.latched}): a reset clears it",
        tasks_ask=False,
    ),
    RestoreRule(
        "unresolved",
        lambda f: bool(f.unresolved),
        _INITIAL,
        True,
        lambda f: f"as at the start before, since which no Main Core ran: {f.unresolved}",
    ),
    RestoreRule(
        UNREADABLE,
        lambda f: f.source is Source.NONE and bool(f.unreadable),
        _INITIAL,
        False,
        lambda f: f"there is no usable checkpoint: {f.unreadable}",
    ),
    RestoreRule(
        "first-start",
        lambda f: f.source is Source.NONE,
        _INITIAL,
        False,
        lambda _: "there is no checkpoint yet",
        tasks_ask=False,
    ),
    RestoreRule(
        "other-bus",
        lambda f: f.plan is PlanMatch.OTHER,
        _INITIAL,
        False,
        lambda _: "it is of another bus configuration: its positions mean nothing here",
    ),
    RestoreRule(
        "age-unknown",
        lambda f: f.age_ns is None,
        _INITIAL,
        True,
        lambda _: "its age is not known: the wall clock was put back",
    ),
    RestoreRule(
        "too-old",
        lambda f: f.ended is LastEnd.FAILURE and f.age_ns is not None and f.age_ns > f.max_age_ns,
        _INITIAL,
        True,
        lambda f: (
            f"the cell failed and its checkpoint is {_age(f)} old, "
            f"at most {f.max_age_ns // 3_600_000_000_000} h are allowed"
        ),
    ),
    RestoreRule(
        "plan-unknown",
        lambda f: f.plan is PlanMatch.UNKNOWN and f.boot_changed,
        _INITIAL,
        True,
        lambda _: "it does not say of which bus configuration it is, and the machine has started again",
    ),
    RestoreRule(
        "all-tasks-ask",
        lambda f: bool(f.asking) and not f.continuing,
        _INITIAL,
        True,
        lambda f: f"all tasks under way ask before they go on: {', '.join(f.asking)}",
        tasks_ask=False,
    ),
    RestoreRule("go-on", lambda _: True, _GO_ON, True, _go_on, tasks_ask=False),
)


def decide_restore(facts: RestoreFacts) -> Judgement:
    """Returns the first rule that applies; the last one always does."""
    rule = next(rule for rule in RULES if rule.applies(facts))
    same_bus = facts.plan is not PlanMatch.OTHER or facts.rt_ran_on
    tasks_ask = rule.tasks_ask or bool(facts.unresolved)
    reason = rule.reason(facts)
    if tasks_ask and not rule.tasks_ask:
        reason += f"; tasks ask, as at the start before: {facts.unresolved}"
    return Judgement(rule.verdict, rule.name, reason, rule.use_positions and same_bus, tasks_ask)
