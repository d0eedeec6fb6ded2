"""The emulated digital terminal."""

from __future__ import annotations

from typing import Any

import pytest
from fieldstack_ethercat.segment._native import ffi, lib

from fieldstack_ethercat.segment.coe.pdo_configuration import PdoDirection
from fieldstack_ethercat.segment.objects.digital_io import DIGITAL_IO, FIELDS


@pytest.fixture
def terminal() -> Any:
    native = ffi.new("fs_dio *")
    lib.fs_dio_init(native)
    return native


def test_outputs_reach_the_clamps_only_while_they_are_valid(terminal: Any) -> None:
    terminal.outputs[2] = terminal.outputs[7] = 1
    lib.fs_dio_step(terminal, 1e-3, 1)
    assert list(terminal.driven) == [0, 0, 1, 0, 0, 0, 0, 1]
    lib.fs_dio_step(terminal, 1e-3, 0)
    assert list(terminal.driven) == [0] * 8
    assert terminal.output_changes == 2


def test_inputs_are_what_is_wired(terminal: Any) -> None:
    terminal.wired[0] = terminal.wired[5] = 1
    terminal.outputs[1] = 1
    lib.fs_dio_step(terminal, 1e-3, 1)
    assert list(terminal.inputs) == [1, 0, 0, 0, 0, 1, 0, 0]


def test_loop_back_wires_outputs_to_inputs(terminal: Any) -> None:
    assert not terminal.loop_back
    terminal.loop_back = 1
    terminal.outputs[4] = 1
    lib.fs_dio_step(terminal, 1e-3, 1)
    assert list(terminal.inputs) == [0, 0, 0, 0, 1, 0, 0, 0]
    lib.fs_dio_step(terminal, 1e-3, 0)
    assert list(terminal.inputs) == [0] * 8


def test_without_power_everything_is_zero_and_stays_so(terminal: Any) -> None:
    terminal.wired[0] = terminal.outputs[0] = 1
    lib.fs_dio_step(terminal, 1e-3, 1)
    lib.fs_dio_power(terminal, 0)
    for _ in range(2):
        assert list(terminal.driven) == list(terminal.inputs) == [0] * 8
        lib.fs_dio_step(terminal, 1e-3, 1)
    lib.fs_dio_power(terminal, 1)
    lib.fs_dio_step(terminal, 1e-3, 1)
    assert list(terminal.inputs) == [1, 0, 0, 0, 0, 0, 0, 0]
    assert list(terminal.driven) == [0] * 8, "the master has to command them again"


def test_default_mapping_is_one_bit_a_channel(terminal: Any) -> None:
    objects = DIGITAL_IO.objects(terminal, serial=1)
    assert objects.pdos.mapped(PdoDirection.RX) == tuple((0x7000, n, 1) for n in range(1, 9))
    assert objects.pdos.mapped(PdoDirection.TX) == tuple((0x6000, n, 1) for n in range(1, 9))
    for ref in FIELDS.values():
        assert ref.element is not None
        assert ffi.addressof(terminal[0], ref.field, ref.element) != ffi.NULL
