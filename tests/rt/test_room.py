"""How many axes, slaves and bytes there is room for: one number each, which the bus configuration keeps."""

from __future__ import annotations

from fieldstack_ethercat.bus.config import plan
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import layout


def test_a_bus_configuration_allows_what_the_shared_memory_holds() -> None:
    assert plan.MAX_AXES == layout.MAX_AXES
    assert plan.MAX_SLAVES < layout.MAX_SLAVES
    assert plan.MAX_PROCESS_IMAGE == lib.FS_IMAGE_BYTES


def test_the_records_hold_as_many() -> None:
    status, setpoint, bus = (ffi.new(f"{name} *") for name in ("fs_rt_status", "fs_setpoint", "fs_rt_bus"))
    assert len(status.axes) == len(setpoint.position) == len(setpoint.velocity) == layout.MAX_AXES
    assert len(status.io_inputs) == len(status.io_outputs) == len(setpoint.io) == layout.IO_BYTES
    assert len(bus.slaves) == len(ffi.new("fs_guard_plan *").stations) == layout.MAX_SLAVES
    assert 64 * len(ffi.new("fs_guard_losses *").absent) >= layout.MAX_SLAVES
