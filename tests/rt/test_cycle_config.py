"""A configuration is run only if all that the cycle reads and writes by it lies in the process image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import MAX_AXES, Rung

OUTPUTS, INPUTS = 64, 48
OUTPUT_OBJECTS = {"controlword": 2, "mode": 1, "target_position": 4, "target_velocity": 4, "brake": 1}
INPUT_OBJECTS = {
    "statusword": 2, "mode_display": 1, "position": 4, "velocity": 4, "torque": 2, "error_code": 2,
}  # fmt: skip
MOST_SPANS = 64


def good() -> Any:
    config = ffi.new("fs_cycle_config *")
    config.outputs_size, config.inputs_size, config.cycle_time_ns = OUTPUTS, INPUTS, 1_000_000
    config.axis_count = config.group_count = 1
    config.groups[0].axes = 1
    config.start_input = -1
    for name in (*OUTPUT_OBJECTS, *INPUT_OBJECTS):
        setattr(config.axes[0], name, -1)
    return config


def fits(change: Callable[[Any], object]) -> bool:
    config = good()
    change(config)
    return bool(lib.fs_cycle_config_fits(config))


def object_fits(name: str, offset: int) -> bool:
    return fits(lambda config: setattr(config.axes[0], name, offset))


@pytest.mark.parametrize(
    ("name", "size", "image"),
    [
        *((name, size, OUTPUTS) for name, size in OUTPUT_OBJECTS.items()),
        *((name, size, INPUTS) for name, size in INPUT_OBJECTS.items()),
    ],
)
def test_an_object_lies_in_its_image_as_a_whole(name: str, size: int, image: int) -> None:
    assert object_fits(name, -1), "not mapped"
    assert object_fits(name, 0)
    assert object_fits(name, image - size)
    assert not object_fits(name, image - size + 1)
    for offset in (image, 2**31 - size, 2**31 - 1):  # the end of these would wrap to what is in the image
        assert not object_fits(name, offset)


@pytest.mark.parametrize(("spans", "image"), [("io_outputs", OUTPUTS), ("io_inputs", INPUTS)])
def test_a_span_lies_in_its_image_as_a_whole(spans: str, image: int) -> None:
    def with_span(offset: int, size: int) -> bool:
        def change(config: Any) -> None:
            setattr(config, f"{spans[:-1]}_spans", 1)
            getattr(config, spans)[0].offset, getattr(config, spans)[0].size = offset, size

        return fits(change)

    assert with_span(0, image)
    assert with_span(image, 0)
    assert with_span(image - 1, 1)
    for offset, size in ((image, 1), (1, image), (2**32 - 4, 8), (8, 2**32 - 4), (2**32 - 1, 2**32 - 1)):
        assert not with_span(offset, size), (offset, size)


def test_the_start_input_is_a_bit_of_the_inputs() -> None:
    def with_input(byte: int, bit: int) -> bool:
        def change(config: Any) -> None:
            config.start_input, config.start_bit = byte, bit

        return fits(change)

    assert with_input(INPUTS - 1, 7)
    assert not with_input(INPUTS, 0)
    assert not with_input(2**31 - 1, 0)
    assert not with_input(0, 8)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: setattr(config, "axis_count", MAX_AXES + 1),
        lambda config: setattr(config, "axis_count", 2**32 - 1),
        lambda config: setattr(config, "group_count", MAX_AXES + 1),
        lambda config: setattr(config, "group_count", 0),
        lambda config: setattr(config, "io_output_spans", MOST_SPANS + 1),
        lambda config: setattr(config, "io_input_spans", MOST_SPANS + 1),
        lambda config: setattr(config, "outputs_size", lib.FS_IMAGE_BYTES + 1),
        lambda config: setattr(config, "cycle_time_ns", 0),
        lambda config: setattr(config.groups[0], "axes", 2),
        lambda config: setattr(config.axes[0], "rungs", 9),
    ],
)
def test_counts_stay_within_their_arrays(change: Callable[[Any], object]) -> None:
    assert lib.fs_cycle_config_fits(good())
    assert not fits(change)


def test_a_ladder_has_only_rungs_that_there_are() -> None:
    def with_rung(rung: int) -> bool:
        def change(config: Any) -> None:
            config.axes[0].rungs = 1
            config.axes[0].ladder[0] = rung

        return fits(change)

    assert with_rung(Rung.END_RT)
    assert not with_rung(Rung.END_RT + 1)
    assert not with_rung(255)
