"""Describes SOEM's structures as pysoem 1.1.13 compiles them (SOEM 1.4, `ethercatmain.h`), to read in place.

Pointers are plain integers here, to be checked against the process' memory map before they are followed.
`soem_view.py` looks at SOEM's memory through them; bring-up and recovery read a slave's record.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_int, c_int16, c_int32, c_uint8, c_uint16, c_uint32, c_void_p

MAX_SLAVES = 200
MAX_GROUPS = 1
MAX_IO_SEGMENTS = 64
MAX_SYNC_MANAGERS = 8
MAX_FMMUS = 4
NAME_BYTES = 41

MAILBOX_COE = 0x0004
COE_COMPLETE_ACCESS = 0x20


class AlStatusRecord(ctypes.LittleEndianStructure):
    """`ec_alstatust`: registers 0x0130 to 0x0135."""

    _pack_ = 1
    _fields_ = [("status", c_uint16), ("unused", c_uint16), ("code", c_uint16)]


class SyncManager(ctypes.LittleEndianStructure):
    """`ec_smt`: a sync manager as it is written to registers 0x0800 and up."""

    _pack_ = 1
    _fields_ = [("start", c_uint16), ("length", c_uint16), ("flags", c_uint32)]


class Fmmu(ctypes.LittleEndianStructure):
    """`ec_fmmut`: an FMMU as it is written to registers 0x0600 and up."""

    _pack_ = 1
    _fields_ = [
        ("logical_start", c_uint32),
        ("length", c_uint16),
        ("start_bit", c_uint8),
        ("end_bit", c_uint8),
        ("physical_start", c_uint16),
        ("physical_start_bit", c_uint8),
        ("kind", c_uint8),
        ("active", c_uint8),
        ("unused1", c_uint8),
        ("unused2", c_uint16),
    ]


class Slave(ctypes.Structure):
    """`ec_slavet`."""

    _fields_ = [
        ("state", c_uint16),
        ("al_status_code", c_uint16),
        ("configured_address", c_uint16),
        ("alias", c_uint16),
        ("vendor", c_uint32),
        ("product", c_uint32),
        ("revision", c_uint32),
        ("serial", c_uint32),
        ("interface_type", c_uint16),
        ("device_type", c_uint16),
        ("output_bits", c_uint16),
        ("output_bytes", c_uint32),
        ("outputs", c_void_p),
        ("output_start_bit", c_uint8),
        ("input_bits", c_uint16),
        ("input_bytes", c_uint32),
        ("inputs", c_void_p),
        ("input_start_bit", c_uint8),
        ("sync_managers", SyncManager * MAX_SYNC_MANAGERS),
        ("sync_manager_types", c_uint8 * MAX_SYNC_MANAGERS),
        ("fmmus", Fmmu * MAX_FMMUS),
        ("fmmu_functions", c_uint8 * MAX_FMMUS),
        ("mailbox_write_length", c_uint16),
        ("mailbox_write_offset", c_uint16),
        ("mailbox_read_length", c_uint16),
        ("mailbox_read_offset", c_uint16),
        ("mailbox_protocols", c_uint16),
        ("mailbox_counter", c_uint8),
        ("has_dc", c_uint8),
        ("physical_type", c_uint8),
        ("topology", c_uint8),
        ("active_ports", c_uint8),
        ("consumed_ports", c_uint8),
        ("parent", c_uint16),
        ("parent_port", c_uint8),
        ("entry_port", c_uint8),
        ("dc_receive_times", c_int32 * 4),
        ("propagation_delay", c_int32),
        ("dc_next", c_uint16),
        ("dc_previous", c_uint16),
        ("dc_cycle", c_int32),
        ("dc_shift", c_int32),
        ("dc_active", c_uint8),
        ("configuration_index", c_uint16),
        ("sii_index", c_uint16),
        ("eeprom_8_bytes", c_uint8),
        ("eeprom_pdi", c_uint8),
        ("coe_details", c_uint8),
        ("foe_details", c_uint8),
        ("eoe_details", c_uint8),
        ("soe_details", c_uint8),
        ("ebus_current", c_int16),
        ("block_lrw", c_uint8),
        ("group", c_uint8),
        ("first_unused_fmmu", c_uint8),
        ("is_lost", c_uint8),
        ("config_hook", c_void_p),
        ("config_hook_with_context", c_void_p),
        ("user", c_void_p),
        ("name", c_char * NAME_BYTES),
    ]


class Group(ctypes.Structure):
    """`ec_groupt`."""

    _fields_ = [
        ("logical_start", c_uint32),
        ("output_bytes", c_uint32),
        ("outputs", c_void_p),
        ("input_bytes", c_uint32),
        ("inputs", c_void_p),
        ("has_dc", c_uint8),
        ("dc_next", c_uint16),
        ("ebus_current", c_int16),
        ("block_lrw", c_uint8),
        ("segments", c_uint16),
        ("input_segment", c_uint16),
        ("input_offset", c_uint16),
        ("outputs_wkc", c_uint16),
        ("inputs_wkc", c_uint16),
        ("check_state", c_uint8),
        ("io_segments", c_uint32 * MAX_IO_SEGMENTS),
    ]


class Context(ctypes.Structure):
    """`ecx_contextt`."""

    _fields_ = [
        ("port", c_void_p),
        ("slavelist", c_void_p),
        ("slavecount", c_void_p),
        ("maxslave", c_int),
        ("grouplist", c_void_p),
        ("maxgroup", c_int),
        ("esibuf", c_void_p),
        ("esimap", c_void_p),
        ("esislave", c_uint16),
        ("elist", c_void_p),
        ("idxstack", c_void_p),
        ("ecaterror", c_void_p),
        ("dc_offset", c_uint16),
        ("dc_length", c_uint16),
        ("dc_time", c_void_p),
        ("sm_comm_type", c_void_p),
        ("pdo_assign", c_void_p),
        ("pdo_description", c_void_p),
        ("eeprom_sm", c_void_p),
        ("eeprom_fmmu", c_void_p),
        ("foe_hook", c_void_p),
        ("eoe_hook", c_void_p),
        ("manual_state_change", c_int),
        ("user_data", c_void_p),
    ]
