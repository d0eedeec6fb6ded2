"""What is known about a cell at one moment: frozen records, made by the ProcessMonitor, read by `decide`.

All times are CLOCK_MONOTONIC nanoseconds; 0 means never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fieldstack.ha.model.actions import ActionOutcome
from fieldstack.ha.model.measures import Measure
from fieldstack.ha.model.vocabulary import ProcessName


class ProcessCondition(StrEnum):
    """The condition of a process, as seen from outside."""

    NEVER_SEEN = "never seen"  # not started in this life of the cell
    STARTING = "starting"  # alive, not at work yet, within its start-up grace
    RUNNING = "running"  # alive and making progress
    SILENT = "silent"  # alive without progress, or past its start-up grace
    STOPPING = "stopping"  # asked to end
    STOPPED = "stopped"  # ended in an orderly way
    DEAD = "dead"  # ended in no orderly way, or could not be started


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process. `start_id` tells one start of it from the next; `stop_requested`: Non-RT asked it to end.

    `exit_code`: of a process that has ended by itself; None while it runs, after a signal, or when unknown.
    """

    name: ProcessName
    condition: ProcessCondition = ProcessCondition.NEVER_SEEN
    start_id: int = 0
    pid: int = 0
    since_ns: int = 0
    detected_ns: int = 0
    stop_requested: bool = False
    gone: bool = True
    why: str = ""
    exit_code: int | None = None

    @property
    def down(self) -> bool:
        """It does not work, and Non-RT has not asked for a start."""
        if self.condition is ProcessCondition.STOPPED:
            return not self.stop_requested
        return self.condition in (ProcessCondition.DEAD, ProcessCondition.SILENT)


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """The native guard, as far as it concerns the present incarnation of RT.

    `watching`: armed on it. `tripped`: it stopped it; the times are those of that trip. `fence_failed`: its
    cycle thread is still there.
    """

    enabled: bool = True
    watching: bool = False
    tripped: bool = False
    last_progress_ns: int = 0
    detected_ns: int = 0
    fence_failed: bool = False
    fenced_ns: int = 0
    safe_frame_ns: int = 0
    confirmed_ns: int = 0


class PositionCheck(StrEnum):
    """Where the axes are after a start of RT, compared with the last checkpoint."""

    PENDING = "not compared yet"
    AGREE = "as in the last checkpoint"
    DIFFER = "other than in the last checkpoint"


@dataclass(frozen=True, slots=True)
class BusFacts:
    """The EtherCAT segment as RT sees it in its present incarnation.

    `wkc_good`: RT's own verdict on the working counter, the only one there is. `positions`: of the axes that
    the cell cannot do without; `displaced_groups`: groups that it can, whose axes are not where the
    checkpoint says.
    """

    cycling: bool = False
    first_cycle_ns: int = 0
    wkc: int = 0
    expected_wkc: int = 0
    wkc_good: bool = False
    consecutive_bad_wkc: int = 0
    all_op: bool = False
    positions: PositionCheck = PositionCheck.PENDING
    displaced_groups: frozenset[str] = frozenset()
    detail: str = ""

    @property
    def counted(self) -> str:
        """The working counter for people; a value below 0: no frame came back."""
        if self.wkc < 0:
            return f"none of {self.expected_wkc} (no frame comes back)"
        return f"{self.wkc} of {self.expected_wkc}"


@dataclass(frozen=True, slots=True)
class EstopFacts:
    """The EMERGENCY_STOP latch: one bit a source, and what they gave as reasons."""

    on_reset: int = 0
    on_recovery: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "; ".join(self.reasons) or "no reason given"


@dataclass(frozen=True, slots=True)
class AxisWait:
    """One axis that waits for a start. `reasons`: bit an `fs_stop` that held it since `since_ns`."""

    number: int
    reasons: int
    since_ns: int


@dataclass(frozen=True, slots=True)
class AxesFacts:
    """What RT's cycle shows of starts; `epoch` 0: nothing is known now. Masks: bit n is axis n.

    `free`: those of `waiting` that nothing else holds, `playing`: that follow setpoints. `taken`: the last
    order that RT took, `cycle` the one that showed all this. `pressed`: the cycle in which the start input
    rose, after it was seen low while the axes waited; 0: it did not. `run_on`: those that did not stop and
    are not known to stand since; an axis whose slave is reported lost is not among them.
    """

    epoch: int = 0
    cycle: int = 0
    taken: int = 0
    all: int = 0
    waiting: int = 0
    free: int = 0
    playing: int = 0
    waits: tuple[AxisWait, ...] = ()
    pressed: int = 0
    run_on: int = 0


class RequestKind(StrEnum):
    """What operators can ask for. (A policy reload is no decision: Non-RT does it between two passes.)"""

    RESET = "reset"
    START = "start"
    ACK = "ack"
    RESTART = "restart"
    RULE = "rule"
    RULE_OFF = "rule_off"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for; answered in the same decision.

    `subject`: RESTART: a process, `slave:NAME` or `module:NAME`; RULE, RULE_OFF: `operator:WORD`, which the
    policy's rules of the fact `operator_request` answer; ACK: the rule or subject that is meant, empty: all.
    """

    id: int
    kind: RequestKind
    by: str = ""
    note: str = ""
    subject: str = ""

    @property
    def who(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.by or 'an operator'}{note}"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision is made from. `core` is None in a cell without a Main Core.

    `measures`: what the probes saw now (not of kinds in `measures.BUILT_IN`: those are made here of the other
    facts). `outcomes`: what has become of ordered actions since the last decision. `safe_moment`: a restart
    now would interrupt nothing. `permitted`: the axes have the permit to move, whoever gave it. `group_of`:
    `axis:NAME` and `slave:NAME` with the `group:NAME` that fails with them, where others may stand in for it.
    `parts`: names of the groups that the others can do without. `filed_ns`: what was decided up to then is on
    the disk (None: there is none, as on paper); `filing_failure`: why it is not.
    """

    rt: ProcessFacts = field(default_factory=lambda: ProcessFacts(ProcessName.RT))
    core: ProcessFacts | None = None
    bus: BusFacts = field(default_factory=BusFacts)
    guard: GuardFacts = field(default_factory=GuardFacts)
    estop: EstopFacts = field(default_factory=EstopFacts)
    requests: tuple[Request, ...] = ()
    measures: tuple[Measure, ...] = ()
    outcomes: tuple[ActionOutcome, ...] = ()
    safe_moment: bool = False
    permitted: bool = False
    group_of: Mapping[str, str] = field(default_factory=dict)
    axes: AxesFacts = field(default_factory=AxesFacts)
    parts: tuple[str, ...] = ()
    filed_ns: int | None = None
    filing_failure: str = ""


def unhealthy(facts: Facts) -> str:
    """Why axes must not move yet, for people; empty when everything that motion needs was read back."""
    rt, bus, guard = facts.rt, facts.bus, facts.guard
    detail = _colon(bus.detail)
    compared = bus.positions is not PositionCheck.PENDING
    checks = (
        (rt.condition is ProcessCondition.RUNNING, f"the RT process is {rt.condition}{_colon(rt.why)}"),
        (bus.cycling, "RT does not cycle yet"),
        (bus.wkc_good, f"working counter {bus.counted}{detail}"),
        (bus.all_op, f"not all slaves are in OP{detail}"),
        (compared, "the axes' positions are not compared with the checkpoint yet"),
        (guard.watching or not guard.enabled, "the guard does not watch this RT process yet"),
    )
    return next((text for good, text in checks if not good), "")


def _colon(text: str) -> str:
    return f": {text}" if text else ""
