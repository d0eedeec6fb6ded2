"""The decision explored exhaustively: every fact of a small alphabet, in every state that can be reached.

Times are left out of what makes two states the same (with them there would be no end), so a state stands for
all that differ in their times alone.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cache

import pytest

from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.model.facts import EstopFacts, Facts, RequestKind
from fieldstack.ha.model.facts import ProcessCondition as C
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import FailoverPolicy, parse_policy
from tests.ha.rules_of_safety import check
from tests.ha.script import SHIPPED, Script

STEP_MS = 2500
KEPT = (
    "rt-",
    "core-dead",
    "core-stopped",
    "working-",
    "emergency",
    "slave-lost",
    "slave-restart",
    "group-reallocation",
    "restart-budget",
    "positions",
)


@cache
def small_policy() -> FailoverPolicy:
    """The shipped one, with the rules of the alphabet and one restart of anything."""
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    data["rules"] = [rule for rule in data["rules"] if rule["name"].startswith((*KEPT, "core-silent"))]
    for section in (*data["processes"], *data["budgets"]):
        section |= {"max_restart_count": 1, "restart_window_sec": 3600}
    return parse_policy(json.dumps(data))


@cache
def lives_policy(*, held: bool) -> FailoverPolicy:
    """With a rule that takes the cell down and one that holds it; or without the latter, as edited between
    two lives of the Non-RT process."""
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    data["rules"] = [rule for rule in data["rules"] if rule["name"].startswith((*KEPT, "core-silent"))]
    data["rules"].append(
        {
            "name": "ends",
            "fact": "datastore_inconsistent",
            "actions": ["SHUTDOWN"],
            "clear": {"when": "reset"},
        }
    )
    if held:
        clear = {"when": "gone", "for_ms": 1000}
        actions = ["SAFE_MODE_ENTER", "AWAIT_MANUAL"]
        data["rules"].append(
            {"name": "held", "fact": "disk_full", "threshold": 0.9, "actions": actions, "clear": clear}
        )
    return parse_policy(json.dumps(data))


def _other_policy(cell: Script) -> None:
    cell.policy = lives_policy(held=False)
    cell.new_life()


def _all_good(cell: Script) -> None:
    cell.sees(FactKind.DATASTORE_INCONSISTENT, "datastore", 0.0).sees(FactKind.DISK_FULL, "host", 0.1)


def _start_again(cell: Script) -> None:
    """After an orderly end: nothing runs, a person's latch is latched again, the causes are as they were."""
    if cell.ha is HaState.SHUTDOWN:
        cell.new_life()
        latch = EstopFacts(on_reset=cell.facts.estop.on_reset)
        cell.facts = Facts(estop=latch, measures=cell.facts.measures)


def _up(cell: Script) -> None:
    core = cell.facts.core
    if core is not None and core.condition is C.STARTING:
        cell.core(C.RUNNING)
    if cell.facts.rt.condition in (C.STARTING, C.RUNNING):
        cell.comes_up()


def _rt(condition: C, code: int | None = None) -> Callable[[Script], None]:
    def happen(cell: Script) -> None:
        if cell.facts.rt.condition in (C.STARTING, C.RUNNING):
            cell.dies()
            cell.rt(condition, why="for some reason", exit_code=code, gone=condition is not C.SILENT)

    return happen


def _core_hangs_at_a_reset(cell: Script) -> None:
    if cell.of(ProcessName.CORE).condition in (C.STARTING, C.RUNNING):
        cell.core(C.SILENT)
    cell.asks(RequestKind.RESET)


def _core_dies(cell: Script) -> None:
    if cell.of(ProcessName.CORE).condition in (C.STARTING, C.RUNNING):
        cell.core(C.DEAD)


ALPHABET: dict[str, Callable[[Script], object]] = {
    "time": lambda _: None,
    "up": _up,
    "rt dead": _rt(C.DEAD, 1),
    "rt refuses": _rt(C.DEAD, 3),
    "rt silent": _rt(C.SILENT),
    "rt stopped": _rt(C.STOPPED, 0),
    "core dead": _core_dies,
    "core hangs at a reset": _core_hangs_at_a_reset,
    "wkc low": lambda cell: cell.bus(wkc=9, consecutive_bad_wkc=50),
    "slave lost": lambda cell: cell.sees(FactKind.SLAVE_LOST, "slave:a", 1.0),
    "slave back": lambda cell: cell.sees(FactKind.SLAVE_LOST, "slave:a", 0.0),
    "estop": lambda cell: cell.operator_stops(),
    "reset": lambda cell: cell.asks(RequestKind.RESET),
    "shutdown": lambda cell: cell.asks(RequestKind.SHUTDOWN),
    "bad store": lambda cell: cell.sees(FactKind.DATASTORE_INCONSISTENT, "datastore", 1.0),
    "disk full": lambda cell: cell.sees(FactKind.DISK_FULL, "host", 0.99),
    "all good": _all_good,
    "new life": lambda cell: cell.new_life(),
    "other policy": _other_policy,
    "start again": _start_again,
}


def _same(state: DecisionState) -> Hashable:
    tracks = tuple(
        (track.proven, track.pending is not None, track.recovery and track.recovery.step)
        for track in (state.rt, state.core)
    )
    return (
        state.ha,
        frozenset(
            (one.key, one.gone_ns > 0, one.recurred, one.effects, one.hold) for one in state.active_rules
        ),
        frozenset((one.key, one.order.action) for one in state.waiting),
        frozenset((one.key, one.order.action, one.done) for one in state.in_flight_actions),
        frozenset((one.subject, len(one.restarts), bool(one.spent)) for one in state.budgets),
        frozenset(one.key for one in state.watches),
        tracks,
    )


def _world(cell: Script) -> Hashable:
    facts, core = cell.facts, cell.facts.core
    return (
        (facts.rt.condition, facts.rt.stop_requested, facts.rt.exit_code, facts.rt.gone),
        core and (core.condition, core.stop_requested),
        (facts.bus.wkc, facts.bus.cycling, facts.guard.watching, facts.guard.tripped),
        (facts.estop.on_reset, facts.estop.on_recovery),
        tuple((one.fact, one.value) for one in facts.measures),
        len(facts.outcomes),
        len(cell.policy.rules),
    )


def _copy(cell: Script) -> Script:
    twin = Script(cell.policy)
    twin.now, twin.state, twin.facts = cell.now, cell.state, cell.facts
    return twin


WAYS_OUT = {"time", "up", "slave back", "all good", "reset", "start again"}
"""What leads out of a state: time, what was mended, and a person; never one more failure."""

STOPPED_BY_RT = (
    "time", "up", "rt dead", "rt refuses", "rt silent", "rt stopped", "wkc low", "estop", "reset", "shutdown",
)  # fmt: skip
LIVES = (
    "time", "up", "bad store", "disk full", "all good", "reset", "new life", "other policy", "start again",
)  # fmt: skip
TOGETHER = ("time", "up", "rt dead", "core dead", "slave lost", "slave back", "reset")
AT_ONCE = ("time", "up", "core dead", "core hangs at a reset", "reset")


def _explore(
    letters: tuple[str, ...], policy: FailoverPolicy, *, core: bool
) -> tuple[dict[Hashable, HaState], dict[Hashable, set[Hashable]]]:
    """Every reachable state, and which follow from each on a way out of it."""
    first = Script(policy)
    if not core:
        first.facts = replace(first.facts, core=None)
    start: Hashable = (_same(first.state), _world(first))
    found, next_of = {start: first.ha}, dict[Hashable, set[Hashable]]()
    queue = deque([(start, first)])
    while queue:
        key, cell = queue.popleft()
        following = next_of.setdefault(key, set())
        over = cell.ha is HaState.SHUTDOWN  # whatever happens then, nothing follows
        for letter in [one for one in letters if not over or one == "start again"]:
            twin = _copy(cell)
            ALPHABET[letter](twin)
            before, facts = twin.state, twin.facts
            twin.later(STEP_MS)
            check(before, facts, twin)
            reached: Hashable = (_same(twin.state), _world(twin))
            if letter in WAYS_OUT:
                following.add(reached)
            if reached not in found:
                found[reached] = twin.ha
                queue.append((reached, twin))
    return found, next_of


@pytest.mark.parametrize(
    ("letters", "policy", "core", "not_reached", "at_least"),
    [
        (STOPPED_BY_RT, small_policy(), False, {HaState.DEGRADED}, 500),
        (TOGETHER, small_policy(), True, {HaState.SAFE_MODE, HaState.SHUTDOWN}, 500),
        (AT_ONCE, small_policy(), True, {HaState.SAFE_MODE, HaState.SHUTDOWN}, 50),
        (LIVES, lives_policy(held=True), False, {HaState.DEGRADED}, 100),
    ],
    ids=["rt", "together", "at once", "lives"],
)
def test_from_every_reachable_state_the_cell_can_work_again(
    letters: tuple[str, ...], policy: FailoverPolicy, core: bool, not_reached: set[HaState], at_least: int
) -> None:
    """Everything in `check` held on the way; every state was reached that should be; and none is a trap."""
    found, next_of = _explore(letters, policy, core=core)
    assert set(found.values()) == set(HaState) - not_reached
    before: dict[Hashable, set[Hashable]] = {}
    for source, targets in next_of.items():
        for target in targets:
            before.setdefault(target, set()).add(source)
    queue = deque(key for key, ha in found.items() if ha is HaState.OPERATIONAL)
    safe = set(queue)
    while queue:
        for source in before.get(queue.popleft(), ()):
            if source not in safe:
                safe.add(source)
                queue.append(source)
    ends = set() if "start again" in letters else {HaState.SHUTDOWN}
    trapped = [key for key, ha in found.items() if key not in safe and ha not in ends]
    assert trapped == []
    assert len(found) >= at_least
