"""A model of RT's part of a start (native/start.c): four axes of one group, all held in the same way.

Used by `model_cell`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.facts import AxesFacts, AxisWait, Facts, ProcessCondition
from fieldstack.ha.model.measures import FactKind
from fieldstack_rt.datastore.layout import Stop

ALL = 0b1111
_MS = 1_000_000
_WKC_ROW = 20
_FACTS = {FactKind.DRIVE_FAULT: Stop.AXIS_FAULT, FactKind.SLAVE_LOST: Stop.SLAVE_LOST}


class ModelAxes:
    """Holds what waits. `apply_actions` tells it what was ordered, `axes_facts` asks how things are."""

    def __init__(self) -> None:
        self._permit = False
        self._epoch = self._taken = self._held_at = 0
        self._waiting = False
        self._reasons = self._since_ns = 0
        self.pressed = 0
        self.starts = 0
        """Orders that have let axes move."""

    @property
    def moves(self) -> bool:
        return self._epoch > 0 and not self._waiting

    def apply_actions(self, actions: tuple[Action, ...], now_ns: int) -> None:
        for action in actions:
            if action.kind in (ActionKind.SAFE_MODE_ENTER, ActionKind.SAFE_MODE_EXIT):
                self._permit = action.kind is ActionKind.SAFE_MODE_EXIT
            elif action.kind in (ActionKind.START, ActionKind.AWAIT_START) and self._epoch:
                self._taken += 1
                self._take(action, now_ns)

    def stop_axes(self, reason: Stop, now_ns: int) -> None:
        """For what no rule knows, and no longer than a moment."""
        self._wait(1 << reason, now_ns)

    def _take(self, action: Action, now_ns: int) -> None:
        if action.kind is ActionKind.AWAIT_START:
            self._wait(1 << Stop.START, now_ns)
        elif self._waiting and self._held_at < action.seen_cycle:
            self._waiting, self._reasons, self._since_ns = False, 0, 0
            self.starts += 1

    def _wait(self, reasons: int, now_ns: int) -> None:
        self._since_ns = self._since_ns if self._waiting else now_ns
        self._waiting = True
        self._reasons |= reasons

    def axes_facts(self, now_ns: int, facts: Facts) -> AxesFacts:
        if facts.rt.condition is not ProcessCondition.RUNNING or not facts.bus.cycling:
            return AxesFacts()
        epoch = facts.rt.start_id + 1
        if epoch != self._epoch:
            self._epoch, self._taken, self._waiting, self._reasons = epoch, 0, False, 0
            self._wait(1 << Stop.START, now_ns)
        held = sum(1 << one for one in set(self._stops(facts)))
        cycle = now_ns // _MS
        if held:
            self._wait(held, now_ns)
            self._held_at = cycle
        core = facts.core
        plays = not self._waiting and (core is None or core.condition is ProcessCondition.RUNNING)
        numbers = range(4) if self._waiting else ()
        return AxesFacts(
            epoch=epoch,
            cycle=cycle,
            taken=self._taken,
            all=ALL,
            waiting=ALL if self._waiting else 0,
            free=ALL if self._waiting and not held else 0,
            playing=ALL if plays else 0,
            pressed=self.pressed,
            run_on=int(any(one.fact is FactKind.AXIS_RUNS_ON and one.value >= 1 for one in facts.measures)),
            waits=tuple(AxisWait(one, self._reasons, self._since_ns) for one in numbers),
        )

    def _stops(self, facts: Facts) -> Iterator[Stop]:
        if facts.estop.on_reset or facts.estop.on_recovery:
            yield Stop.ESTOP
        if not self._permit:
            yield Stop.PERMIT
        if facts.bus.consecutive_bad_wkc >= _WKC_ROW:
            yield Stop.WKC
        for measure in facts.measures:
            if measure.fact in _FACTS and measure.value:
                yield _FACTS[measure.fact]
