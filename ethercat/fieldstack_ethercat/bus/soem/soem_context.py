"""The bridge from pysoem to SOEM's own context, for the native cycle.

Why: docs/decisions/0001-native-cycle-on-pysoems-context.md.

pysoem embeds SOEM's context in its master object, and its extension module exports `ecx_send_processdata` and
`ecx_receive_processdata`. The native cycle calls these two on that context, without Python. Nothing of this
is public, so before an address is handed out everything found there is compared with what pysoem's public API
says; any difference is a SoemLayoutError, and no pointer is followed before it is found in the memory map.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from ctypes import c_uint16, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pysoem
from pysoem import pysoem as extension

from fieldstack_ethercat.bus.errors import BusClosedError, SoemLayoutError
from fieldstack_ethercat.bus.soem.memory_map import MemoryMap
from fieldstack_ethercat.bus.soem.soem_structs import (
    MAX_GROUPS,
    MAX_IO_SEGMENTS,
    MAX_SLAVES,
    Context,
    Group,
    Slave,
)
from fieldstack_ethercat.wire.registers import Register

TESTED_VERSIONS = ("1.1.13",)
IO_MAP_BYTES = 4096
WORD = ctypes.sizeof(ctypes.c_void_p)
TEST_PATTERN = 0xA5
LATCH_TIMEOUT_US = 2000

Structure = TypeVar("Structure", bound=ctypes.Structure)


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
    configured anew; `master` keeps the memory alive.
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


def disagree(field: str, detail: str) -> SoemLayoutError:
    """The error for a field that is not what it must be."""
    return SoemLayoutError(pysoem.__version__, TESTED_VERSIONS, field, detail)


class SoemView:
    """SOEM's context of a master after `config_init`, checked against the public API."""

    def __init__(self, master: Any) -> None:
        if not master.slaves:
            raise BusClosedError(
                "the SOEM context can only be found after slaves have been; call configure first"
            )
        if pysoem.__version__ not in TESTED_VERSIONS:
            raise disagree("version", "this version is not one of the tested ones")
        self.master = master
        self._memory = MemoryMap.read()
        self._low = id(master)
        size = extension.CdefMaster.__basicsize__
        self._high = self._low + size
        if not self._memory.writable(self._low, size):
            raise disagree("CdefMaster", f"its {size} bytes are not all in memory")
        self.address = self._find_context()
        self.context = self._at(Context, self.address, "ecx_contextt")
        self._check_context()
        self._check_identities()

    def slave(self, position: int) -> Slave:
        """SOEM's record of the slave at that position (0-based; SOEM's own number 0 is the master)."""
        address = self._pointer("slavelist") + (position + 1) * ctypes.sizeof(Slave)
        return self._at(Slave, address, f"slavelist[{position + 1}]")

    def give_mapping(self, position: int, output_bits: int, input_bits: int) -> None:
        """Tell SOEM a slave's mapping, which is known, so that `config_map` does not read it again.

        As SOEM's own table of known slaves does: outputs in sync manager 2, inputs in 3. Of no effect if the
        slave has no process data.
        """
        if not output_bits and not input_bits:
            return
        record = self.slave(position)
        record.configuration_index = 1
        record.output_bits, record.input_bits = output_bits, input_bits
        record.sync_managers[2].length = (output_bits + 7) // 8
        record.sync_managers[3].length = (input_bits + 7) // 8

    def set_slave_count(self, count: int) -> None:
        """How many records of its list SOEM goes through from now on."""
        ctypes.c_int.from_address(self._pointer("slavecount")).value = count

    def group(self) -> Group:
        """SOEM's record of the one group that pysoem has."""
        return self._at(Group, self._pointer("grouplist"), "grouplist[0]")

    @property
    def port(self) -> int:
        """Address of the `ecx_portt`: its sockets and frame indexes."""
        return self._pointer("port")

    def latch_receive_times(self) -> bool:
        """Broadcast a write to register 0x0900: each distributed clock keeps the time at which it saw that
        frame. False if the frame was lost or met no clock."""
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int, c_void_p, c_uint16, c_uint16, c_uint16, c_void_p, ctypes.c_int
        )
        broadcast_write = prototype(self.function("ecx_BWR"))
        port, nothing = self._pointer("port"), ctypes.c_uint32(0)
        size = ctypes.sizeof(nothing)
        address = ctypes.addressof(nothing)
        counter = int(broadcast_write(port, 0, Register.DC_RECEIVE_TIME, size, address, LATCH_TIMEOUT_US))
        return counter > 0

    def _find_context(self) -> int:
        """The word after the `_master` pointer in a CdefSlave object."""
        slave = self.master.slaves[0]
        words = extension.CdefSlave.__basicsize__ // WORD
        raw = ctypes.string_at(id(slave), words * WORD)
        found = [int.from_bytes(raw[at : at + WORD], "little") for at in range(0, words * WORD, WORD)]
        if id(self.master) not in found[: min(8, words - 1)]:
            raise disagree("CdefSlave", "no pointer to its master where one is expected")
        return found[found.index(id(self.master)) + 1]

    def _at(self, kind: type[Structure], address: int, field: str) -> Structure:
        size = ctypes.sizeof(kind)
        if not (self._low <= address and address + size <= self._high):
            raise disagree(field, f"its address 0x{address:x} does not lie inside the master object")
        return kind.from_address(address)

    def _pointer(self, field: str) -> int:
        value = int(getattr(self.context, field) or 0)
        if not self._low <= value < self._high:
            raise disagree(f"ecx_contextt.{field}", f"0x{value:x} does not lie inside the master object")
        return value

    def _check_context(self) -> None:
        for field in (
            "port",
            "slavelist",
            "slavecount",
            "grouplist",
            "esibuf",
            "elist",
            "idxstack",
            "dc_time",
        ):
            self._pointer(field)
        expect("ecx_contextt.maxslave", self.context.maxslave, MAX_SLAVES)
        expect("ecx_contextt.maxgroup", self.context.maxgroup, MAX_GROUPS)
        wanted = self.master.manual_state_change
        expect("ecx_contextt.manualstatechange", self.context.manual_state_change, wanted)
        count = ctypes.c_int.from_address(self._pointer("slavecount")).value
        expect("ecx_contextt.slavecount", count, len(self.master.slaves))

    def _check_identities(self) -> None:
        for position, public in enumerate(self.master.slaves):
            record, field = self.slave(position), f"slavelist[{position + 1}]"
            expect(f"{field}.eep_man", record.vendor, public.man)
            expect(f"{field}.eep_id", record.product, public.id)
            expect(f"{field}.eep_rev", record.revision, public.rev)
            expect(f"{field}.name", record.name.decode("utf-8", "replace"), public.name)

    def mapped(self) -> SoemContext:
        """The context after `config_map`, with sizes, working counter and image checked as well."""
        group = self.group()
        self._check_group(group)
        images = tuple(self._image(position, group) for position in range(len(self.master.slaves)))
        self._check_image_is_live(images, group)
        send, receive = (self.function(name) for name in ("ecx_send_processdata", "ecx_receive_processdata"))
        return SoemContext(
            address=self.address,
            send_address=send,
            receive_address=receive,
            outputs_address=int(group.outputs),
            outputs_size=group.output_bytes,
            inputs_address=int(group.inputs),
            inputs_size=group.input_bytes,
            logical_start=group.logical_start,
            segments=group.segments,
            expected_wkc=self.master.expected_wkc,
            slaves=images,
            stations=tuple(self.slave(at).configured_address for at in range(len(images))),
            master=self.master,
        )

    def _check_group(self, group: Group) -> None:
        size = group.output_bytes + group.input_bytes
        outputs = int(group.outputs or 0)
        if not 0 < size <= IO_MAP_BYTES:
            raise disagree("grouplist[0].Obytes and Ibytes", f"{size} bytes of {IO_MAP_BYTES}")
        if not (self._low <= outputs and outputs + IO_MAP_BYTES <= self._high):
            raise disagree("grouplist[0].outputs", f"0x{outputs:x} is not inside the master object")
        expect("grouplist[0].inputs", int(group.inputs or 0), outputs + group.output_bytes)
        wkc = 2 * group.outputs_wkc + group.inputs_wkc
        expect("grouplist[0].outputsWKC and inputsWKC", wkc, self.master.expected_wkc)
        if not 1 <= group.segments <= MAX_IO_SEGMENTS:
            raise disagree("grouplist[0].nsegments", f"{group.segments} is not within 1 to {MAX_IO_SEGMENTS}")
        expect("grouplist[0].IOsegment", sum(group.io_segments[: group.segments]), size)

    def _image(self, position: int, group: Group) -> SlaveImage:
        record, public, field = (
            self.slave(position),
            self.master.slaves[position],
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

    def _check_image_is_live(self, images: tuple[SlaveImage, ...], group: Group) -> None:
        """What the public API writes must appear at the addresses found; the image is restored."""
        memory = (ctypes.c_uint8 * group.output_bytes).from_address(int(group.outputs or 0))
        for position, (image, public) in enumerate(zip(images, self.master.slaves, strict=True)):
            size = (image.output_bits + 7) // 8
            if not size:
                continue
            before = bytes(memory)
            pattern = bytes([TEST_PATTERN]) * size
            public.output = pattern
            seen = bytes(memory[image.output_offset : image.output_offset + size])
            ctypes.memmove(memory, before, len(before))
            expect(f"slavelist[{position + 1}].outputs content", seen.hex(), pattern.hex())

    def function(self, name: str) -> int:
        """Address of one of SOEM's functions, which the extension module exports."""
        library = ctypes.CDLL(extension.__file__, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
        try:
            function: Callable[..., Any] = getattr(library, name)
        except AttributeError as error:
            raise disagree(name, "pysoem's extension module does not export it") from error
        address = ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
        home = self._memory.code_of(address)
        if not home or not Path(home).samefile(extension.__file__):
            raise disagree(
                name, f"0x{address:x} is not code of pysoem's extension module but of {home or '?'}"
            )
        return address


def expect(field: str, found: object, public: object) -> None:
    """SoemLayoutError unless what is in memory is what the public API says."""
    if found != public:
        raise disagree(field, f"memory holds {found}, pysoem's public API says {public}")


def _bytes(bits: int) -> int:
    """SOEM's size in bytes for a number of bits: 0 for less than a byte."""
    return (bits + 7) // 8 if bits >= 8 else 0


def _offset(pointer: int | None, bits: int, start: int | None, size: int) -> int | None:
    """Offset of a slave's data in its direction; None if they do not lie inside it."""
    if bits == 0:
        return 0
    offset = int(pointer or 0) - int(start or 0)
    return offset if offset >= 0 and offset + (bits + 7) // 8 <= size else None
