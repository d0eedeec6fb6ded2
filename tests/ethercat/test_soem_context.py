"""The bridge to SOEM refuses every memory that is not as pysoem's public API says; none of it crashes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysoem
import pytest

from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.bus.errors import BusClosedError, SoemLayoutError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.soem.soem_context import context_of
from fieldstack_ethercat.bus.soem.soem_view import SoemView
from fieldstack_ethercat.testing.running_segment import running_segment

PLAN = plan_from_file(Path(__file__).parents[2] / "config" / "ethercat" / "cell.yaml")


@pytest.fixture(scope="module")
def bus() -> Iterator[Bus]:
    with running_segment("drive*4,dio") as segment, Bus(PLAN, segment.interface) as configured:
        configured.configure()
        yield configured


@contextmanager
def changed(structure: Any, field: str, value: Any) -> Iterator[None]:
    before = getattr(structure, field)
    setattr(structure, field, value)
    try:
        yield
    finally:
        setattr(structure, field, before)


def refused(bus: Bus) -> SoemLayoutError:
    with pytest.raises(SoemLayoutError) as caught:
        context_of(SoemView(bus.master))
    return caught.value


def test_what_it_finds_is_what_the_public_api_writes_and_reads(bus: Bus) -> None:
    context = context_of(SoemView(bus.master))
    for place, public in zip(context.slaves, bus.master.slaves, strict=True):
        before = public.output
        public.output = bytes(range(1, len(before) + 1))
        seen = ctypes.string_at(context.outputs_address + place.output_offset, len(before))
        public.output = before
        assert seen == bytes(range(1, len(before) + 1))
        inputs = ctypes.string_at(context.inputs_address + place.input_offset, len(public.input))
        assert inputs == public.input


def test_checking_leaves_the_outputs_as_they_were(bus: Bus) -> None:
    context = bus.soem_context()
    before = ctypes.string_at(context.outputs_address, context.outputs_size)
    context_of(SoemView(bus.master))
    assert ctypes.string_at(context.outputs_address, context.outputs_size) == before


def test_the_native_functions_exchange_process_data(bus: Bus) -> None:
    """The two addresses called as the native cycle calls them."""
    context = bus.soem_context()
    send = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(context.send_address)
    receive = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(context.receive_address)
    assert send(context.address) > 0
    assert receive(context.address, 50_000) == 5  # in SAFE-OP only inputs count


@pytest.mark.parametrize("field", ["port", "slavelist", "slavecount", "grouplist", "idxstack", "dc_time"])
@pytest.mark.parametrize("wild", [0, 8, 0xDEADBEEF, 2**63])
def test_a_wild_pointer_is_refused_before_it_is_followed(bus: Bus, field: str, wild: int) -> None:
    with changed(SoemView(bus.master).context, field, wild):
        error = refused(bus)
    assert error.field == f"ecx_contextt.{field}"
    assert "does not lie inside the master object" in error.detail


@pytest.mark.parametrize(("field", "value"), [("maxslave", 64), ("maxgroup", 2)])
def test_another_constant_is_refused(bus: Bus, field: str, value: int) -> None:
    with changed(SoemView(bus.master).context, field, value):
        error = refused(bus)
    assert str(value) in error.detail


def test_another_slave_count_is_refused(bus: Bus) -> None:
    view = SoemView(bus.master)
    count = ctypes.c_int.from_address(view.context.slavecount)
    with changed(count, "value", 4):
        assert refused(bus).field == "ecx_contextt.slavecount"


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("output_bits", 88, "slavelist[2].Obytes"),
        ("input_bits", 8, "slavelist[2].Ibytes"),
        ("outputs", 0x1000, "slavelist[2].outputs and inputs"),
        ("inputs", 0x1000, "slavelist[2].outputs and inputs"),
    ],
)
def test_another_slave_record_is_refused(bus: Bus, field: str, value: int, named: str) -> None:
    public = bus.master.slaves[1]
    sizes = len(public.output), len(public.input)
    record = SoemView(bus.master).slave(1)
    with changed(record, field, value):
        error = refused(bus)
    assert error.field == named
    assert (len(public.output), len(public.input)) == sizes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("output_bytes", 48),
        ("output_bytes", 5000),
        ("input_bytes", 0),
        ("outputs", 0),
        ("inputs", 8),
        ("segments", 0),
        ("segments", 65),
    ],
)
def test_another_group_record_is_refused(bus: Bus, field: str, value: int) -> None:
    with changed(SoemView(bus.master).group(), field, value):
        assert refused(bus).field.startswith("grouplist[0]")


def test_an_untested_version_is_refused_with_the_tested_ones_named(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pysoem, "__version__", "1.2.0")
    error = refused(bus)
    assert error.field == "version"
    assert "pysoem 1.2.0" in str(error)
    assert "tested with pysoem 1.1.13" in str(error)


def test_there_is_nothing_to_find_before_the_slaves_are(bus: Bus) -> None:
    fresh = type(bus.master)()
    with pytest.raises(BusClosedError):
        SoemView(fresh)
