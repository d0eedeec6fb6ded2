"""What the native cycle needs of SOEM: addresses, sizes, and where in the image each slave's data are.

Why: docs/decisions/0001-native-cycle-on-pysoems-context.md.

pysoem's extension module exports `ecx_send_processdata` and `ecx_receive_processdata`. The native cycle calls
these two on SOEM's context, without Python. As in `soem_view.py` all is checked before it is handed out.
RT's cycle and the guard's plan are made from it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from fieldstack_ethercat.bus.soem.soem_structs import MAX_IO_SEGMENTS, Group
from fieldstack_ethercat.bus.soem.soem_view import SoemView, disagree, expect

IO_MAP_BYTES = 4096
TEST_PATTERN = 0xA5


@dataclass(frozen=True, slots=True)
class SlaveImage:
    """Where a slave's data are: byte offset from the start of outputs (inputs), first bit in that byte, bits.

    A slave without data in a direction has 0 bits and offset 0 there.
    """

    output_offset: int
    output_bit: int
    output_bits: int
    input_offset: int
    input_bit: int
    input_bits: int


@dataclass(frozen=True, slots=True)
class SoemContext:
    """What the native cycle needs: addresses in this process, sizes in bytes, the expected working counter.

    `address` is the `ecx_contextt *`; `send_address` is `int (*)(ecx_contextt *)`, `receive_address` is
    `int (*)(ecx_contextt *, int timeout_us)`. Outputs lie at logical addresses `logical_start` and up, inputs
    right after them; `segments` is the number of frames of an exchange. Valid until the bus is closed or
    configured again; `master` keeps the memory alive.
    """

    address: int
    send_address: int
    receive_address: int
    outputs_address: int
    outputs_size: int
    inputs_address: int
    inputs_size: int
    logical_start: int
    segments: int
    expected_wkc: int
    slaves: tuple[SlaveImage, ...]
    stations: tuple[int, ...]
    """Configured station addresses (0x0010), by position."""
    master: Any


def context_of(view: SoemView) -> SoemContext:
    """The context after `config_map`, with sizes, working counter and image checked as well."""
    group = view.group()
    _check_group(view, group)
    images = tuple(_image(view, position, group) for position in range(len(view.master.slaves)))
    _check_image_is_live(view, images, group)
    send, receive = (view.function(name) for name in ("ecx_send_processdata", "ecx_receive_processdata"))
    return SoemContext(
        address=view.address,
        send_address=send,
        receive_address=receive,
        outputs_address=int(group.outputs),
        outputs_size=group.output_bytes,
        inputs_address=int(group.inputs),
        inputs_size=group.input_bytes,
        logical_start=group.logical_start,
        segments=group.segments,
        expected_wkc=view.master.expected_wkc,
        slaves=images,
        stations=tuple(view.slave(at).configured_address for at in range(len(images))),
        master=view.master,
    )


def _check_group(view: SoemView, group: Group) -> None:
    size = group.output_bytes + group.input_bytes
    outputs = int(group.outputs or 0)
    if not 0 < size <= IO_MAP_BYTES:
        raise disagree("grouplist[0].Obytes and Ibytes", f"{size} bytes of {IO_MAP_BYTES}")
    if not view.holds(outputs, IO_MAP_BYTES):
        raise disagree("grouplist[0].outputs", f"0x{outputs:x} is not inside the master object")
    expect("grouplist[0].inputs", int(group.inputs or 0), outputs + group.output_bytes)
    wkc = 2 * group.outputs_wkc + group.inputs_wkc
    expect("grouplist[0].outputsWKC and inputsWKC", wkc, view.master.expected_wkc)
    if not 1 <= group.segments <= MAX_IO_SEGMENTS:
        raise disagree("grouplist[0].nsegments", f"{group.segments} is not within 1 to {MAX_IO_SEGMENTS}")
    expect("grouplist[0].IOsegment", sum(group.io_segments[: group.segments]), size)


def _image(view: SoemView, position: int, group: Group) -> SlaveImage:
    record, public, field = (
        view.slave(position),
        view.master.slaves[position],
        f"slavelist[{position + 1}]",
    )
    outputs = _offset(record.outputs, record.output_bits, group.outputs, group.output_bytes)
    inputs = _offset(record.inputs, record.input_bits, group.inputs, group.input_bytes)
    if outputs is None or inputs is None:
        raise disagree(f"{field}.outputs and inputs", "they do not lie inside the process image")
    # only now, for the public API follows the same pointers
    expect(f"{field}.Obytes", _bytes(record.output_bits), record.output_bytes)
    expect(f"{field}.Ibytes", _bytes(record.input_bits), record.input_bytes)
    expect(f"{field}.outputs size", (record.output_bits + 7) // 8, len(public.output))
    expect(f"{field}.inputs size", (record.input_bits + 7) // 8, len(public.input))
    return SlaveImage(
        output_offset=outputs,
        output_bit=record.output_start_bit,
        output_bits=record.output_bits,
        input_offset=inputs,
        input_bit=record.input_start_bit,
        input_bits=record.input_bits,
    )


def _check_image_is_live(view: SoemView, images: tuple[SlaveImage, ...], group: Group) -> None:
    """What the public API writes must appear at the addresses found; the image is restored."""
    memory = (ctypes.c_uint8 * group.output_bytes).from_address(int(group.outputs or 0))
    for position, (image, public) in enumerate(zip(images, view.master.slaves, strict=True)):
        size = (image.output_bits + 7) // 8
        if not size:
            continue
        before = bytes(memory)
        pattern = bytes([TEST_PATTERN]) * size
        public.output = pattern
        seen = bytes(memory[image.output_offset : image.output_offset + size])
        ctypes.memmove(memory, before, len(before))
        expect(f"slavelist[{position + 1}].outputs content", seen.hex(), pattern.hex())


def _bytes(bits: int) -> int:
    """SOEM's size in bytes for a number of bits: 0 for less than a byte."""
    return (bits + 7) // 8 if bits >= 8 else 0


def _offset(pointer: int | None, bits: int, start: int | None, size: int) -> int | None:
    """Offset of a slave's data in its direction; None if they do not lie inside it."""
    if bits == 0:
        return 0
    offset = int(pointer or 0) - int(start or 0)
    return offset if offset >= 0 and offset + (bits + 7) // 8 <= size else None
