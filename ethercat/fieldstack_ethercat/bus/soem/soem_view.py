"""Finds pysoem's own SOEM context in its master object and checks it: records of slaves and of the group.

Why: docs/decisions/0001-native-cycle-on-pysoems-context.md.

pysoem embeds SOEM's context in its master object, and its extension module exports SOEM's functions. Nothing
of this is public, so before an address is handed out everything found there is compared with what pysoem's
public API says; any difference is a SoemLayoutError, and no pointer is followed before it is found in the
memory map. The steps of a bring-up work on it; `soem_context.py` makes of it what the native cycle needs.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from ctypes import c_uint16, c_void_p
from pathlib import Path
from typing import Any, TypeVar

import pysoem
from pysoem import pysoem as extension

from fieldstack_base.proc.memory_map import MemoryMap
from fieldstack_ethercat.bus.errors import BusClosedError, SoemLayoutError
from fieldstack_ethercat.bus.soem.soem_structs import (
    MAX_GROUPS,
    MAX_SLAVES,
    Context,
    Group,
    Slave,
)
from fieldstack_ethercat.wire.registers import Register

TESTED_VERSIONS = ("1.1.13",)
WORD = ctypes.sizeof(ctypes.c_void_p)
LATCH_TIMEOUT_US = 2000

Structure = TypeVar("Structure", bound=ctypes.Structure)


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

    def holds(self, address: int, size: int) -> bool:
        """Whether those bytes lie inside pysoem's master object."""
        return self._low <= address and address + size <= self._high

    def _at(self, kind: type[Structure], address: int, field: str) -> Structure:
        size = ctypes.sizeof(kind)
        if not self.holds(address, size):
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
