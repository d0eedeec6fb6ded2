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
from rules_of_safety import check
from script import SHIPPED, Script

from fieldstack.ha.decision_state import DecisionState
from fieldstack.ha.facts import ProcessCondition as C
from fieldstack.ha.facts import RequestKind
from fieldstack.ha.measures import FactKind
from fieldstack.ha.policy import FailoverPolicy, parse_policy
from fieldstack.ha.states import HaState
from fieldstack.ha.vocabulary import ProcessName

STEP_MS = 2500
KEPT = (
    "rt-",
    "core-dead",
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
    "wkc low": lambda cell: cell.bus(wkc=9, bad_row=50),
    "slave lost": lambda cell: cell.sees(FactKind.SLAVE_LOST, "slave:a", 1.0),
    "slave back": lambda cell: cell.sees(FactKind.SLAVE_LOST, "slave:a", 0.0),
    "estop": lambda cell: cell.operator_stops(),
    "reset": lambda cell: cell.asks(RequestKind.RESET),
    "shutdown": lambda cell: cell.asks(RequestKind.SHUTDOWN),
}


def _same(state: DecisionState) -> Hashable:
    tracks = tuple(
        (track.proven, track.pending is not None, track.recovery and track.recovery.step)
        for track in (state.rt, state.core)
    )
    return (
        state.ha,
        frozenset((one.key, one.gone_ns > 0, one.again, one.effects, one.hold) for one in state.episodes),
        frozenset((one.key, one.order.action) for one in state.waiting),
        frozenset((one.key, one.order.action, one.done) for one in state.flights),
        frozenset((one.subject, len(one.restarts), bool(one.spent)) for one in state.budgets),
        frozenset(one.key for one in state.watches),
        tracks,
    )


def _world(cell: Script) -> Hashable:
    facts, core = cell.facts, cell.facts.core
    return (
        (facts.rt.condition, facts.rt.asked, facts.rt.exit_code, facts.rt.gone),
        core and (core.condition, core.asked),
        (facts.bus.wkc, facts.bus.cycling, facts.guard.watching, facts.guard.tripped),
        (facts.estop.on_reset, facts.estop.on_recovery),
        tuple((one.fact, one.value) for one in facts.measures),
        len(facts.outcomes),
    )


def _copy(cell: Script) -> Script:
    twin = Script(cell.policy)
    twin.now, twin.state, twin.facts = cell.now, cell.state, cell.facts
    return twin


RT_ALONE = (
    "time", "up", "rt dead", "rt refuses", "rt silent", "rt stopped", "wkc low", "estop", "reset", "shutdown",
)  # fmt: skip
TOGETHER = ("time", "up", "rt dead", "core dead", "slave lost", "slave back", "reset")


def _explore(
    letters: tuple[str, ...], *, core: bool
) -> tuple[dict[Hashable, HaState], dict[Hashable, set[Hashable]]]:
    """Every reachable state, and which follow from each."""
    first = Script(small_policy())
    if not core:
        first.facts = replace(first.facts, core=None)
    start = (_same(first.state), _world(first))
    found, next_of = {start: first.ha}, dict[Hashable, set[Hashable]]()
    queue = deque([(start, first)])
    while queue:
        key, cell = queue.popleft()
        following = next_of.setdefault(key, set())
        for letter in letters:
            twin = _copy(cell)
            ALPHABET[letter](twin)
            before, facts = twin.state, twin.facts
            twin.later(STEP_MS)
            check(before, facts, twin)
            reached = (_same(twin.state), _world(twin))
            following.add(reached)
            if reached not in found:
                found[reached] = twin.ha
                if twin.ha is not HaState.SHUTDOWN:  # whatever happens then, nothing follows
                    queue.append((reached, twin))
    return found, next_of


@pytest.mark.parametrize(
    ("letters", "core", "not_reached"),
    [(RT_ALONE, False, {HaState.DEGRADED}), (TOGETHER, True, {HaState.SAFE_MODE, HaState.SHUTDOWN})],
    ids=["rt", "together"],
)
def test_from_every_reachable_state_the_cell_can_work_again(
    letters: tuple[str, ...], core: bool, not_reached: set[HaState]
) -> None:
    """Everything in `check` held on the way; every state was reached that should be; and none is a trap."""
    found, next_of = _explore(letters, core=core)
    assert set(found.values()) == set(HaState) - not_reached
    good = {key for key, ha in found.items() if ha in (HaState.OPERATIONAL, HaState.SHUTDOWN)}
    before: dict[Hashable, set[Hashable]] = {}
    for source, targets in next_of.items():
        for target in targets:
            before.setdefault(target, set()).add(source)
    queue = deque(key for key in good if found[key] is HaState.OPERATIONAL)
    safe = set(queue)
    while queue:
        for source in before.get(queue.popleft(), ()):
            if source not in safe:
                safe.add(source)
                queue.append(source)
    trapped = [key for key, ha in found.items() if key not in safe and ha is not HaState.SHUTDOWN]
    assert trapped == []
    assert len(found) > 500
