"""Restarts slaves by command while the others run: standstill, INIT, set-up, SAFE-OP, OP; then the answer.

Housekeeping calls it in each pass. Several commands are carried out at the same time, one step in each pass,
so a slow slave delays no other restart. The recovery of lost slaves does the way up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import BusError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.recovery import Recovery
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.drives.cia402 import operation_enabled
from fieldstack_ethercat.wire.al import ERROR, AlState
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore.errors import TornRecordError
from fieldstack_rt.datastore.layout import BusCommandKind, EventCode, Stand
from fieldstack_rt.datastore.store import DataStore
from fieldstack_rt.slave_losses import lost_slaves

STAND_TIMEOUT_NS = 5_000_000_000
UP_TIMEOUT_NS = 30_000_000_000
"""Four states at the times that slaves may take for them (slave_scripts.STATE_TIMEOUT_NS)."""
TEXT_BYTES = 127
_FEEDING = frozenset({AlState.SAFEOP, AlState.OP})


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command, as `fs_rt_bus.command_*` shows it."""

    sequence: int = 0
    ok: bool = False
    text: str = ""


class _Phase(Enum):
    STANDING = auto()
    GOING_DOWN = auto()
    COMING_UP = auto()


@dataclass(slots=True)
class _Job:
    """One command on its way. `gone`: slaves that gave no inputs when it came: what their drives said last
    is stale."""

    sequence: int
    slaves: frozenset[int]
    gone: frozenset[int]
    since_ns: int
    phase: _Phase = _Phase.STANDING


class SlaveRestart:
    """Obeys `fs_bus_command`. `answer`: the last one; `answers`: of each slave, by position."""

    def __init__(self, store: DataStore, plan: BusPlan, bus: Bus, recovery: Recovery) -> None:
        self._store, self._plan, self._bus, self._recovery = store, plan, bus, recovery
        self._jobs: list[_Job] = []
        self.answer = self._left_by_predecessor()
        self.taken = self.answer.sequence
        """Sequence of the last command that was read."""
        self.answers: dict[int, Answer] = {}
        self._gone: frozenset[int] = frozenset()

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    @property
    def slaves(self) -> frozenset[int]:
        """Those in restart, to be counted as lost from their axes' stop on."""
        return frozenset().union(*(job.slaves for job in self._jobs))

    def run(self, now_ns: int, states: Sequence[SlaveState], status: Any, axes: int) -> bool:
        """One pass, after AL states were read. `axes`: mask of who must stand first. True: it has news."""
        before = self.answer, self.taken
        for job in tuple(self._jobs):
            self._carry_on(job, now_ns, states, status, axes)
        self._take_command(now_ns)
        return (self.answer, self.taken) != before

    def _carry_on(self, job: _Job, now_ns: int, states: Sequence[SlaveState], status: Any, axes: int) -> None:
        if job.phase is _Phase.STANDING:
            self._await_stand(job, now_ns, status, axes)
        elif job.phase is _Phase.GOING_DOWN and job.slaves <= lost_slaves(states):
            self._enter(job, _Phase.COMING_UP, now_ns)
        elif job.phase is _Phase.COMING_UP and not job.slaves & lost_slaves(states):
            self._finish(job, ok=True, text=f"{self._names(job)} back in OP")
        else:
            self._await_up(job, now_ns, states)

    def _left_by_predecessor(self) -> Answer:
        """A command that an earlier RT process left undone is answered, but not carried out late."""
        try:
            command, bus = self._store.bus_command(), self._store.rt_bus()
        except TornRecordError:
            return Answer(int(self._store.raw.rt_bus.command_taken))
        whole = self._store.bus_command_valid(command)
        sequence = int(command.sequence if whole else bus.command_taken)
        if int(bus.command_done) == sequence:
            text = ffi.string(bus.command_text).decode(errors="replace")
            return Answer(sequence, bool(bus.command_ok), text)
        return (
            Answer(sequence, text="the RT process was started again, and every slave with it")
            if sequence
            else Answer()
        )

    def _take_command(self, now_ns: int) -> None:
        if int(self._store.raw.bus_command.sequence) == self.taken:
            return
        try:
            command = self._store.bus_command()
        except TornRecordError:
            return  # its writer died inside it: it comes again, or never
        if not self._store.bus_command_valid(command):
            return
        job = _Job(int(command.sequence), frozenset(_positions(command.slaves)), self._gone, now_ns)
        self.taken = job.sequence
        if command.kind != BusCommandKind.RESTART_SLAVE:
            self._finish(job, ok=False, text=f"unknown kind {int(command.kind)}")
        elif not job.slaves or max(job.slaves) >= len(self._plan.slaves):
            self._finish(job, ok=False, text=f"give positions from 0 to {len(self._plan.slaves) - 1}")
        else:
            for position in sorted(job.slaves):
                self._store.host_events.push(EventCode.SLAVE_RESTART, position, job.sequence)
            self._overtake(job.slaves)
            self._jobs.append(job)

    def _overtake(self, slaves: frozenset[int]) -> None:
        """A slave is asked for again before it was done: the older command ends, and its work continues."""
        for job in tuple(self._jobs):
            if job.slaves & slaves:
                self._finish(job, ok=False, text=f"{self._names(job)}: overtaken by a later command")

    def _await_stand(self, job: _Job, now_ns: int, status: Any, axes: int) -> None:
        numbers = [number for number in range(len(self._plan.axes)) if axes >> number & 1]
        live = [status.axes[number] for number in numbers if self._plan.axes[number].slave not in job.gone]
        if all(one.stand == Stand.STANDING and not operation_enabled(one.statusword) for one in live):
            self._take_down(job, now_ns)
        elif now_ns - job.since_ns > STAND_TIMEOUT_NS:
            text = f"{self._names(job)}: axes do not come to a stand without power"
            self._finish(job, ok=False, text=text)

    def _take_down(self, job: _Job, now_ns: int) -> None:
        """One that is being set up from INIT on already is left to that: to begin again would only delay it.

        What does not answer has nothing to be taken down from; the recovery looks for it.
        """
        again = [at for at in sorted(job.slaves) if at not in self._recovery.setting_up]
        self._recovery.restart_slaves(again)
        for position in again:
            try:
                self._bus.states.request_of(position, AlState.INIT | ERROR)
            except BusError:
                continue
        self._enter(job, _Phase.GOING_DOWN, now_ns)

    def _await_up(self, job: _Job, now_ns: int, states: Sequence[SlaveState]) -> None:
        if now_ns - job.since_ns <= UP_TIMEOUT_NS:
            return
        late = "; ".join(state.text() for state in states if state.position in job.slaves)
        self._finish(job, ok=False, text=f"not restarted in time: {late}")

    def note_states(self, states: Sequence[SlaveState]) -> None:
        """Remembers who gives no inputs (no answer, or below SAFE-OP), for a command that comes now."""
        self._gone = frozenset(one.position for one in states if one.state not in _FEEDING)

    @staticmethod
    def _enter(job: _Job, phase: _Phase, now_ns: int) -> None:
        job.phase, job.since_ns = phase, now_ns

    def _finish(self, job: _Job, *, ok: bool, text: str) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
        self.answer = Answer(job.sequence, ok, text.encode()[:TEXT_BYTES].decode(errors="ignore"))
        self.answers.update(dict.fromkeys(job.slaves, self.answer))
        self._store.host_events.push(EventCode.BUS_COMMAND, a=job.sequence, b=int(ok))

    def _names(self, job: _Job) -> str:
        return ", ".join(self._plan.slaves[position].name for position in sorted(job.slaves))


def _positions(words: Sequence[int]) -> Iterator[int]:
    for position in range(64 * len(words)):
        if int(words[position // 64]) >> position % 64 & 1:
            yield position
