"""Reads from RT's record which axes wait for a start and which run on. Used by `process_monitor`."""

from __future__ import annotations

from typing import Any

from fieldstack.ha.model.facts import AxesFacts, AxisWait
from fieldstack_rt.datastore.layout import MAX_AXES, Stop


def axes_facts(status: Any) -> AxesFacts:
    """`status` is a `fs_rt_status` of the present epoch; None: nothing is known."""
    if status is None:
        return AxesFacts()
    every = (1 << min(int(status.axis_count), MAX_AXES)) - 1
    waiting = int(status.axes_await_start) & every
    numbers = [number for number in range(MAX_AXES) if waiting >> number & 1]
    held_all = int(status.stop_reason) > Stop.START
    return AxesFacts(
        epoch=int(status.epoch),
        cycle=int(status.cycle),
        taken=int(status.start_taken),
        all=every,
        waiting=waiting,
        free=sum(1 << one for one in numbers if not held_all and int(status.axes[one].stop) <= Stop.START),
        playing=int(status.axes_playing) & every,
        waits=tuple(
            AxisWait(one, int(status.await_reasons[one]), int(status.await_since_ns[one])) for one in numbers
        ),
        pressed=int(status.start_pressed),
        run_on=int(status.axes_run_on) & ~int(status.axes_standing) & ~int(status.axes_lost) & every,
    )
