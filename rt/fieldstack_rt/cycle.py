"""The handle of the native cycle thread (native/cycle.c). RTExecutive starts and ends the cycle by it.

Why it is native: docs/decisions/0001-native-cycle-on-pysoems-context.md.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.soem.soem_context import SlaveImage, SoemContext
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import Rung
from fieldstack_rt.datastore.memory import process_alive
from fieldstack_rt.datastore.store import DataStore


class CycleError(OSError):
    """The cycle thread could not be started or configured."""


class BusTakenError(CycleError):
    """Another RT process of this instance is alive and has the bus: two masters are worse than none."""

    def __init__(self, instance: str, pid: int, guard_pid: int = 0) -> None:
        living = (
            f"instance {instance!r} has an RT process already (pid {pid}) and it holds the bus. "
            "Stop that one first, or give this one its own --instance and --interface"
        )
        gone = (
            f"no RT process of instance {instance!r} lives, but the guard of its Non-RT process "
            f"(pid {guard_pid}) did not hand over the bus. kill -9 {guard_pid} has that process started again"
        )
        super().__init__(errno.EBUSY, gone if guard_pid else living)
        self.pid = pid


class CycleThread:
    """Owns the native thread. It holds the bus's lock from `start` to `release`."""

    def __init__(self, store: DataStore, *, cpu: int, priority: int) -> None:
        self._store, self._cpu, self._priority = store, cpu, priority
        self._cycle: Any = ffi.NULL

    def start(self, lock_timeout_ns: int = 500_000_000) -> CycleThread:
        """Claims the bus and idles.

        Raises:
            BusTakenError: a live RT process did not let go of it within the time.
        """
        out = ffi.new("fs_cycle **")
        error = lib.fs_cycle_start(self._store.raw, self._cpu, self._priority, lock_timeout_ns, out)
        if error == errno.ETIMEDOUT:
            pid = self._store.rt_pid
            owner = int(self._store.raw.header.owner_pid)
            by_guard = not process_alive(pid) and process_alive(owner)
            raise BusTakenError(self._store.instance.name, pid, owner if by_guard else 0)
        if error:
            raise CycleError(error, f"the cycle thread did not start: {os.strerror(error)}")
        self._cycle = out[0]
        return self

    @property
    def refused(self) -> tuple[bool, bool]:
        """Whether SCHED_FIFO and the affinity were refused."""
        bits = int(lib.fs_cycle_degraded(self._cycle))
        return bool(bits & lib.FS_DEGRADED_SCHEDULER), bool(bits & lib.FS_DEGRADED_AFFINITY)

    @property
    def epoch(self) -> int:
        """Which start of RT this is, as the thread has it itself."""
        return int(lib.fs_cycle_epoch(self._cycle))

    @property
    def tid(self) -> int:
        return int(lib.fs_cycle_tid(self._cycle))

    def run(self, config: Any) -> None:
        """Begins to exchange process data; `config` is an `fs_cycle_config *`."""
        if error := lib.fs_cycle_run(self._cycle, config):
            raise CycleError(error, "the cycle's configuration has offsets outside the process image")

    def set_supervised(self, supervised: bool) -> None:
        lib.fs_cycle_set_supervised(self._cycle, int(supervised))

    def set_enabled(self, axes: int) -> None:
        """Mask of the axes that may have power."""
        lib.fs_cycle_set_enabled(self._cycle, axes)

    def set_lost(self, axes: int, wkc: int) -> None:
        """Sets the axes (mask) that must stand because of their slaves, and what these no longer add to the
        counter."""
        lib.fs_cycle_set_lost(self._cycle, axes, wkc)

    def set_essential_lost(self, lost: bool) -> None:
        """Reports that a slave is lost that the axes need: they wait for a start when it is back."""
        lib.fs_cycle_set_essential_lost(self._cycle, int(lost))

    def quiesce(self) -> None:
        """Stops the axes and switches them off; the exchange continues."""
        lib.fs_cycle_quiesce(self._cycle)

    @property
    def standing(self) -> bool:
        """Whether all axes are confirmed to stand without power in the last cycle."""
        return bool(lib.fs_cycle_standing(self._cycle) == 1)

    @property
    def standing_as_known(self) -> bool:
        """Likewise, except for axes about which nothing is known, because their inputs do not arrive."""
        return bool(lib.fs_cycle_standing(self._cycle) != 0)

    def halt(self) -> None:
        """Ends the exchange; the bus is still held."""
        lib.fs_cycle_halt(self._cycle)

    def release(self) -> None:
        """Releases the bus and ends the thread."""
        if self._cycle != ffi.NULL:
            lib.fs_cycle_release(self._cycle)
            self._cycle = ffi.NULL


def configuration(
    plan: BusPlan,
    context: SoemContext,
    *,
    nonrt_timeout_ns: int,
    fault_injection: bool,
    socket: int = -1,
) -> Any:
    """The cycle's `fs_cycle_config *` for a mapped bus; `socket` is SOEM's, -1 if it is not known."""
    config = ffi.new("fs_cycle_config *")
    config.context, config.send, config.receive = (
        context.address,
        context.send_address,
        context.receive_address,
    )
    config.outputs, config.outputs_size = context.outputs_address, context.outputs_size
    config.inputs, config.inputs_size = context.inputs_address, context.inputs_size
    config.cycle_time_ns, config.receive_timeout_us = plan.cycle_time_ns, plan.receive_timeout_us
    config.expected_wkc, config.wkc_limit = context.expected_wkc, plan.lost_cycles_limit
    config.agent.timeout_ns = nonrt_timeout_ns
    config.fault_injection = int(fault_injection)
    config.socket = socket
    config.start_input, config.start_bit = _start_input(plan, context)
    config.axis_count = len(plan.axes)
    for number, axis in enumerate(plan.axes):
        stop_category = plan.slaves[axis.slave].stop_category
        _fill_axis(config.axes[number], axis, context.slaves[axis.slave], stop_category)
        _fill_stop(config.axes[number], axis, plan, context)
    _fill_groups(config, plan, context)
    _fill_io(config, plan, context)
    safe = safe_image(plan, context)
    ffi.memmove(config.safe_image, safe, len(safe))
    return config


def _start_input(plan: BusPlan, context: SoemContext) -> tuple[int, int]:
    """Byte of the input image and bit in it; -1: there is none."""
    if plan.start_input_slave < 0:
        return -1, 0
    place = context.slaves[plan.start_input_slave]
    return divmod(place.input_offset * 8 + place.input_bit + plan.start_input_bit, 8)


def safe_image(plan: BusPlan, context: SoemContext) -> bytes:
    """The whole output image with every slave in its safe state."""
    image = 0
    for slave, place in zip(plan.slaves, context.slaves, strict=True):
        value = int.from_bytes(slave.safe_outputs, "little") & ((1 << place.output_bits) - 1)
        image |= value << (place.output_offset * 8 + place.output_bit)
    return image.to_bytes(context.outputs_size, "little")


def _place(base: int, offset: int) -> int:
    return -1 if offset < 0 else base + offset


def _fill_axis(native: Any, axis: AxisPlan, image: SlaveImage, stop_category: int) -> None:
    offsets = axis.offsets
    out, into = image.output_offset, image.input_offset
    native.controlword = _place(out, offsets.controlword)
    native.mode = _place(out, offsets.mode_of_operation)
    native.target_position = _place(out, offsets.target_position)
    native.target_velocity = _place(out, offsets.target_velocity)
    native.statusword = _place(into, offsets.statusword)
    native.mode_display = _place(into, offsets.mode_display)
    native.position = _place(into, offsets.position_actual)
    native.velocity = _place(into, offsets.velocity_actual)
    native.torque = _place(into, offsets.torque_actual)
    native.error_code = _place(into, offsets.error_code)
    native.operation_mode, native.stop_category = axis.mode_code, stop_category
    native.deceleration = axis.quick_stop_deceleration_counts_s2
    native.velocity_max = axis.velocity_max_counts_s
    native.position_min, native.position_max = axis.position_min_counts, axis.position_max_counts
    native.start_tolerance, native.velocity_beyond = axis.start_tolerance_counts, axis.jog_counts_s


def _fill_stop(native: Any, axis: AxisPlan, plan: BusPlan, context: SoemContext) -> None:
    stop = axis.stop
    native.stop_margin_ns, native.rung_ns = stop.margin_ns, stop.rung_ns
    native.stale_limit = plan.lost_cycles_limit
    native.rungs = len(stop.ladder)
    for place, rung in enumerate(stop.ladder):
        native.ladder[place] = Rung[rung.upper()]
    native.brake = -1
    if stop.brake_slave >= 0:
        image = context.slaves[stop.brake_slave]
        bit = image.output_bit + stop.brake_bit
        native.brake, native.brake_mask = image.output_offset + bit // 8, 1 << bit % 8
        native.brake_applied = native.brake_mask if stop.brake_applied else 0


def _fill_groups(config: Any, plan: BusPlan, context: SoemContext) -> None:
    config.group_count = len(plan.groups)
    for number, group in enumerate(plan.groups):
        config.groups[number].axes, config.groups[number].essential = group.mask, int(group.essential)
    config.diagnosis_cycles = plan.loss_diagnosis_ns // plan.cycle_time_ns
    config.excusable_wkc = excusable_wkc(plan, context.expected_wkc)


def excusable_wkc(plan: BusPlan, expected_wkc: int) -> int:
    """What the slaves of non-essential groups add to the working counter. It is 0 if the image is so large
    that SOEM splits it: then a slave may count more than once, and the effect of a loss on the counter is
    not known, so every loss stops all axes."""
    if expected_wkc != plan.expected_wkc:
        return 0
    lost = [at for group in plan.groups if not group.essential for at in group.slaves]
    return sum(plan.slaves[at].wkc_share for at in lost)


def _fill_io(config: Any, plan: BusPlan, context: SoemContext) -> None:
    driven = {axis.slave for axis in plan.axes}
    rest = [image for position, image in enumerate(context.slaves) if position not in driven]
    config.io_output_spans = _fill_spans(
        config.io_outputs, [(i.output_offset, i.output_bit, i.output_bits) for i in rest]
    )
    config.io_input_spans = _fill_spans(
        config.io_inputs, [(i.input_offset, i.input_bit, i.input_bits) for i in rest]
    )


def _fill_spans(native: Any, places: list[tuple[int, int, int]]) -> int:
    """Whole bytes; slaves that share a byte share its span."""
    spans: list[tuple[int, int]] = []
    for offset, bit, bits in places:
        size = (bit + bits + 7) // 8
        shared = int(bool(spans) and offset < spans[-1][0] + spans[-1][1])
        if bits and size > shared:
            spans.append((offset + shared, size - shared))
    for number, (offset, size) in enumerate(spans):
        native[number].offset, native[number].size = offset, size
    return len(spans)
