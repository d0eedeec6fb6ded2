"""Restart of slaves by command while the others run: stand, INIT, set up anew, SAFE-OP, OP; then the answer.

One command at a time, one step a housekeeping pass. The recovery of lost slaves does the way up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from fieldstack_ethercat.bus.bringup import Bus
from fieldstack_ethercat.bus.errors import BusError
from fieldstack_ethercat.bus.plan import BusPlan
from fieldstack_ethercat.bus.states import SlaveState
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore.errors import TornRecordError
from fieldstack_rt.datastore.layout import AxisMode, BusCommandKind, EventCode
from fieldstack_rt.datastore.store import DataStore
from fieldstack_rt.losses import lost_of

STAND_TIMEOUT_NS = 5_000_000_000
UP_TIMEOUT_NS = 10_000_000_000
TEXT_BYTES = 127
_MOVING = frozenset({AxisMode.FOLLOWING, AxisMode.RAMPING})
_OPERATION_ENABLED = 0x27


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command, as `fs_rt_bus.command_*` tells it."""

    sequence: int = 0
    ok: bool = False
    text: str = ""


class _Phase(Enum):
    IDLE = auto()
    STANDING = auto()
    GOING_DOWN = auto()
    COMING_UP = auto()


class SlaveRestart:
    """Obeys `fs_bus_command`. `slaves`: those in restart, to be counted as lost from their axes' stop on."""

    def __init__(self, store: DataStore, plan: BusPlan, bus: Bus) -> None:
        self._store, self._plan, self._bus = store, plan, bus
        self._phase = _Phase.IDLE
        self._since_ns = 0
        self._sequence = 0
        self.slaves: frozenset[int] = frozenset()
        self.answer = self._left_by_predecessor()

    @property
    def busy(self) -> bool:
        return self._phase is not _Phase.IDLE

    def run(self, now_ns: int, states: Sequence[SlaveState], status: Any, axes: int) -> bool:
        """One pass, after AL states were read. `axes`: mask of who must stand first. True: answered."""
        before = self.answer
        if self._phase is _Phase.IDLE:
            self._take_command(now_ns)
        elif self._phase is _Phase.STANDING:
            self._await_stand(now_ns, status, axes)
        elif self._phase is _Phase.GOING_DOWN:
            if self.slaves <= lost_of(states):
                self._enter(_Phase.COMING_UP, now_ns)
            else:
                self._await_up(now_ns, states)
        elif not self.slaves & lost_of(states):
            self._finish(ok=True, text=f"{self._names()} back in OP")
        else:
            self._await_up(now_ns, states)
        return self.answer is not before

    def _left_by_predecessor(self) -> Answer:
        """A command that an RT process before this one left undone is answered, not obeyed late."""
        try:
            sequence, bus = int(self._store.bus_command().sequence), self._store.rt_bus()
        except TornRecordError:
            return Answer()
        if int(bus.command_done) == sequence:
            text = ffi.string(bus.command_text).decode(errors="replace")
            return Answer(sequence, bool(bus.command_ok), text)
        return (
            Answer(sequence, text="the RT process was started anew, and every slave with it")
            if sequence
            else Answer()
        )

    def _take_command(self, now_ns: int) -> None:
        if int(self._store.raw.bus_command.sequence) == self.answer.sequence:
            return
        try:
            command = self._store.bus_command()
        except TornRecordError:
            return  # its writer died inside it: it comes again, or never
        self._sequence = int(command.sequence)
        self.slaves = frozenset(_positions(command.slaves))
        if command.kind != BusCommandKind.RESTART_SLAVE:
            self._finish(ok=False, text=f"unknown kind {int(command.kind)}")
        elif not self.slaves or max(self.slaves) >= len(self._plan.slaves):
            self._finish(ok=False, text=f"give positions from 0 to {len(self._plan.slaves) - 1}")
        else:
            for position in sorted(self.slaves):
                self._store.host_events.push(EventCode.SLAVE_RESTART, position, self._sequence)
            self._enter(_Phase.STANDING, now_ns)

    def _await_stand(self, now_ns: int, status: Any, axes: int) -> None:
        numbers = [number for number in range(len(self._plan.axes)) if axes >> number & 1]
        found = [status.axes[number] for number in numbers]
        live = [a for n, a in zip(numbers, found, strict=True) if self._plan.axes[n].slave not in self._gone]
        if all(a.state not in _MOVING and a.statusword & 0x6F != _OPERATION_ENABLED for a in live):
            self._take_down(now_ns)
        elif now_ns - self._since_ns > STAND_TIMEOUT_NS:
            self._finish(ok=False, text=f"{self._names()}: axes do not come to a stand without power")

    _gone: frozenset[int] = frozenset()
    """Slaves that did not answer when the command came: what their drives said last is stale."""

    def _take_down(self, now_ns: int) -> None:
        try:
            for position in sorted(self.slaves):
                self._bus.request_slave(position, AlState.INIT)
        except BusError as error:
            self._finish(ok=False, text=str(error))
            return
        self._enter(_Phase.GOING_DOWN, now_ns)

    def _await_up(self, now_ns: int, states: Sequence[SlaveState]) -> None:
        if now_ns - self._since_ns <= UP_TIMEOUT_NS:
            return
        late = "; ".join(state.text() for state in states if state.position in self.slaves)
        self._finish(ok=False, text=f"not restarted in time: {late}")

    def note_states(self, states: Sequence[SlaveState]) -> None:
        """Remembers who does not answer, for a command that comes now."""
        if self._phase is _Phase.IDLE:
            self._gone = frozenset(state.position for state in states if not state.answers)

    def _enter(self, phase: _Phase, now_ns: int) -> None:
        self._phase, self._since_ns = phase, now_ns

    def _finish(self, *, ok: bool, text: str) -> None:
        self._phase, self.slaves = _Phase.IDLE, frozenset()
        self.answer = Answer(self._sequence, ok, text.encode()[:TEXT_BYTES].decode(errors="ignore"))
        self._store.host_events.push(EventCode.BUS_COMMAND, a=self._sequence, b=int(ok))

    def _names(self) -> str:
        return ", ".join(self._plan.slaves[position].name for position in sorted(self.slaves))


def _positions(words: Sequence[int]) -> Iterator[int]:
    for number in range(4):
        for bit in range(64):
            if int(words[number]) >> bit & 1:
                yield number * 64 + bit
