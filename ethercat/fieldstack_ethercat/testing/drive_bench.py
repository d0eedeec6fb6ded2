"""Runs one drive with a master and an ESC acted out, for tests of the drive that hold the clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldstack_ethercat.drives.cia402 import Controlword, State, state_of
from fieldstack_ethercat.segment._native import ffi, lib

REVOLUTION = 131072
"""Encoder counts."""
STEP_S = 250e-6
STATES = list(State)
"""In the order of `enum fs_drive_state`."""


class DriveBench:
    """A drive, and what a master and an ESC do with it: setpoints each millisecond, steps of `step_s`."""

    def __init__(self, step_s: float = STEP_S) -> None:
        self.drive: Any = ffi.new("fs_drive *")
        self.step_s = step_s
        self.time_s = 0.0
        lib.fs_drive_init(self.drive)

    @property
    def state(self) -> State:
        return STATES[int(self.drive.state)]

    @property
    def velocity(self) -> float:
        """In revolutions a second."""
        return float(self.drive.velocity) / REVOLUTION

    def step(self, controlword: int | None = None, *, valid: bool = True) -> State:
        if controlword is not None:
            self.drive.controlword = controlword
        lib.fs_drive_step(self.drive, self.step_s, valid)
        self.time_s += self.step_s
        assert state_of(self.drive.statusword) is self.state  # noqa: S101 - this is test support
        return self.state

    def run(self, seconds: float, *, valid: bool = True) -> Iterator[float]:
        """Steps, yielding the velocity in revolutions a second after each."""
        for _ in range(round(seconds / self.step_s)):
            self.step(valid=valid)
            yield self.velocity

    def enable(self) -> None:
        for controlword in (0, Controlword.SHUTDOWN, Controlword.SWITCH_ON):
            self.step(controlword)
        self.drive.target_position = self.drive.position_actual
        assert self.step(Controlword.ENABLE_OPERATION) is State.OPERATION_ENABLED  # noqa: S101

    def command(self, target: float) -> None:
        """A position setpoint in counts, as the ESC delivers it."""
        self.drive.target_position = (round(target) + 2**31) % 2**32 - 2**31
        self.drive.setpoint_count += 1

    def drive_at(self, revolutions_s: float, acceleration: float = 100.0, seconds: float = 0.5) -> None:
        """Accelerates in CSP and goes on at that velocity."""
        target, velocity = float(self.drive.position_actual), 0.0
        for _ in range(round(seconds * 1000)):
            velocity = min(revolutions_s, velocity + acceleration * 1e-3)
            target += velocity * REVOLUTION * 1e-3
            self.command(target)
            for _ in range(round(1e-3 / self.step_s)):
                self.step()
        assert abs(self.velocity / revolutions_s - 1) < 0.02  # noqa: S101 - this is test support


def in_state(state: State) -> DriveBench:
    """A drive that has got to `state`."""
    bench = DriveBench()
    if state is State.NOT_READY_TO_SWITCH_ON:
        return bench
    bench.step(0)
    if state is State.SWITCH_ON_DISABLED:
        return bench
    if state in (State.FAULT, State.FAULT_REACTION_ACTIVE, State.QUICK_STOP_ACTIVE):
        bench.enable()
        bench.drive_at(5.0, seconds=0.2)
        if state is State.QUICK_STOP_ACTIVE:
            bench.drive.quick_stop_option_code = 6
            bench.step(Controlword.QUICK_STOP)
            return bench
        lib.fs_drive_fault(bench.drive, 0x5400)
        while state is State.FAULT and bench.state is not State.FAULT:
            bench.step(0)
        return bench
    for controlword in (Controlword.SHUTDOWN, Controlword.SWITCH_ON, Controlword.ENABLE_OPERATION):
        if bench.step(controlword) is state:
            break
    return bench


def deceleration(velocities: list[float], step_s: float = STEP_S) -> float:
    """In revolutions/s^2, between 80 % and 20 % of the first velocity."""
    begin = next(i for i, v in enumerate(velocities) if v < 0.8 * velocities[0])
    end = next(i for i, v in enumerate(velocities) if v < 0.2 * velocities[0])
    return (velocities[begin] - velocities[end]) / ((end - begin) * step_s)
