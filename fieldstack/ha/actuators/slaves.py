"""Carries out RESTART_SLAVE: RT's housekeeping does it; its answer and the slave's AL state OP confirm it.

Used by the FailoverManager.
"""

from __future__ import annotations

from typing import Any

from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import BusCommandKind, DataStore, TornRecordError

CONFIRM_TIMEOUT_NS = 10_000 * NS_PER_MS
_AL_OP = 8


class SlaveRestarts:
    """Several restarts can be under way; a command is written when RT has taken the one before."""

    def __init__(self, store: DataStore, cell: CellMap) -> None:
        self._store, self._cell = store, cell
        self._sequence = self._last_sequence()
        self._until_ns = 0

    def _last_sequence(self) -> int:
        """A new Non-RT process continues the count; what RT has answered counts, too."""
        try:
            return max(int(self._store.bus_command().sequence), int(self._store.rt_bus().command_taken))
        except TornRecordError:
            return int(self._store.raw.bus_command.sequence)

    def execute(self, action: Action) -> ExecutionResult:
        position = self._cell.slave_position(action.subject)
        if position is None:
            known = ", ".join(self._cell.slaves) or "none"
            return Outcome(False, f"no {action.subject} in the bus configuration (there are: {known})")
        sequence = 0

        def poll(now_ns: int) -> Outcome | str:
            nonlocal sequence
            bus = self._bus()
            if isinstance(bus, str):
                return bus
            if not sequence:
                if int(bus.command_taken) < self._sequence and now_ns < self._until_ns:
                    return "an earlier bus command has not been taken yet"
                sequence = self._send(position)
                self._until_ns = action.deadline_ns or now_ns + CONFIRM_TIMEOUT_NS
            return self._restart_result(bus, sequence, position)

        return PendingReadback(poll, CONFIRM_TIMEOUT_NS, action.subject)

    def _bus(self) -> Any:
        try:
            return self._store.rt_bus()
        except TornRecordError as error:
            return str(error)

    def _send(self, position: int) -> int:
        self._sequence += 1
        record = ffi.new("fs_bus_command *")
        record.sequence, record.kind = self._sequence, BusCommandKind.RESTART_SLAVE
        record.slaves[position // 64] = 1 << position % 64
        self._store.write_bus_command(record)
        return self._sequence

    @staticmethod
    def _restart_result(bus: Any, sequence: int, position: int) -> Outcome | str:
        slave = bus.slaves[position]
        if int(slave.restart_done) < sequence and int(bus.command_done) < sequence:
            return "RT has not answered the bus command"
        said = ""
        if int(bus.command_done) == sequence:
            said = bytes(ffi.buffer(bus.command_text)).split(b"\0", 1)[0].decode(errors="replace")
        ok = slave.restart_ok if int(slave.restart_done) >= sequence else bus.command_ok
        if not ok:
            return Outcome(False, said or "RT could not restart it")
        state = int(slave.al_state)
        return Outcome(True, said or "back in OP") if state == _AL_OP else f"AL state 0x{state:02X}, not OP"
