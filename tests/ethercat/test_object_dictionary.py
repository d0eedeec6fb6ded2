"""The object dictionary: types, rights, limits, complete access; and the PDO mapping objects in it."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from fieldstack_ethercat.segment._native import ffi, lib
from hypothesis import given
from hypothesis import strategies as st

from fieldstack_ethercat.segment.coe.object_dictionary import ObjectDictionary, array, record, variable
from fieldstack_ethercat.segment.coe.object_entry import Cell, Entry
from fieldstack_ethercat.segment.coe.pdo_configuration import MappedEntry, PdoDirection, pack_entry
from fieldstack_ethercat.segment.description.errors import SegmentError
from fieldstack_ethercat.segment.objects.device_type import DeviceObjects
from fieldstack_ethercat.segment.objects.digital_io import DIGITAL_IO
from fieldstack_ethercat.segment.objects.drive import SERVO_DRIVE
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.sdo_abort import AbortCode, SdoAbortError
from fieldstack_ethercat.wire.sdo_info import Access, DataType, ListType

PREOP, OP = AlState.PREOP, AlState.OP
INTEGERS = {
    DataType.INTEGER8: (-(2**7), 2**7 - 1, "<b"),
    DataType.INTEGER16: (-(2**15), 2**15 - 1, "<h"),
    DataType.INTEGER32: (-(2**31), 2**31 - 1, "<i"),
    DataType.INTEGER64: (-(2**63), 2**63 - 1, "<q"),
    DataType.UNSIGNED8: (0, 2**8 - 1, "<B"),
    DataType.UNSIGNED16: (0, 2**16 - 1, "<H"),
    DataType.UNSIGNED32: (0, 2**32 - 1, "<I"),
    DataType.UNSIGNED64: (0, 2**64 - 1, "<Q"),
}


def integer(access: Access = Access.RW, value: int = 0, **limits: int) -> Entry:
    return Entry("number", DataType.INTEGER16, access, Cell(value), **limits)  # type: ignore[arg-type]


def aborted(action: Callable[[], object]) -> AbortCode:
    with pytest.raises(SdoAbortError) as caught:
        action()
    return caught.value.code


@pytest.fixture
def drive() -> DeviceObjects:
    native = ffi.new("fs_drive *")
    lib.fs_drive_init(native)
    return SERVO_DRIVE.objects(native, serial=7)


@given(st.sampled_from(list(INTEGERS)), st.data())
def test_integers_are_stored_as_they_are_written(kind: DataType, data: st.DataObject) -> None:
    low, high, layout = INTEGERS[kind]
    value = data.draw(st.integers(low, high))
    dictionary = ObjectDictionary([variable(0x2100, Entry("number", kind, Access.RW, Cell(0)))])
    dictionary.write(0x2100, 0, struct.pack(layout, value), PREOP)
    assert dictionary.entry(0x2100, 0).storage.read() == value
    assert dictionary.read(0x2100, 0, OP) == struct.pack(layout, value)


@pytest.mark.parametrize(
    ("entry", "data", "state", "code"),
    [
        (integer(), b"\x01", PREOP, AbortCode.LENGTH_TOO_LOW),
        (integer(), b"\x01\x02\x03", PREOP, AbortCode.LENGTH_TOO_HIGH),
        (integer(low=-5), b"\xfa\xff", PREOP, AbortCode.VALUE_TOO_LOW),
        (integer(high=5), b"\x06\x00", PREOP, AbortCode.VALUE_TOO_HIGH),
        (integer(allowed=frozenset({1, 3})), b"\x02\x00", PREOP, AbortCode.VALUE_RANGE),  # type: ignore[arg-type]
        (integer(Access.READ), b"\x01\x00", PREOP, AbortCode.READ_ONLY),
        (integer(Access.RW_PREOP), b"\x01\x00", OP, AbortCode.DEVICE_STATE),
        (integer(), b"\x01\x00", AlState.INIT, AbortCode.DEVICE_STATE),
        (Entry("flag", DataType.BOOLEAN, Access.RW, Cell(0)), b"\x02", PREOP, AbortCode.VALUE_TOO_HIGH),
    ],
)
def test_a_refused_write_changes_nothing(entry: Entry, data: bytes, state: int, code: AbortCode) -> None:
    dictionary = ObjectDictionary([variable(0x2100, entry)])
    before = entry.storage.read()
    assert aborted(lambda: dictionary.write(0x2100, 0, data, state)) is code
    assert entry.storage.read() == before


def test_refused_reads() -> None:
    dictionary = ObjectDictionary([variable(0x2100, integer(Access.WRITE)), variable(0x2101, integer())])
    assert aborted(lambda: dictionary.read(0x2100, 0, PREOP)) is AbortCode.WRITE_ONLY
    assert aborted(lambda: dictionary.read(0x2101, 0, AlState.INIT)) is AbortCode.DEVICE_STATE
    assert aborted(lambda: dictionary.read(0x2101, 1, PREOP)) is AbortCode.NO_SUBINDEX
    assert aborted(lambda: dictionary.read(0x2102, 0, PREOP)) is AbortCode.NO_OBJECT


def test_two_objects_at_one_index_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="0x2100"):
        ObjectDictionary([variable(0x2100, integer()), variable(0x2100, integer())])


def mixed() -> ObjectDictionary:
    entries = {
        1: Entry("byte", DataType.UNSIGNED8, Access.RW, Cell(0x11)),
        2: Entry("read-only", DataType.UNSIGNED16, Access.READ, Cell(0x2222)),
        4: Entry("secret", DataType.UNSIGNED16, Access.WRITE, Cell(0x3333)),
        5: Entry("negative", DataType.INTEGER32, Access.RW, Cell(-2)),
    }
    return ObjectDictionary([record(0x2100, "Mixed", entries)])


def test_complete_read_packs_the_entries_behind_a_padded_count() -> None:
    dictionary = mixed()
    packed = bytes.fromhex("11 2222 0000 feffffff")
    assert dictionary.read_complete(0x2100, 0, PREOP) == b"\x05\x00" + packed
    assert dictionary.read_complete(0x2100, 1, PREOP) == packed


def test_complete_write_leaves_read_only_entries_alone() -> None:
    dictionary = mixed()
    dictionary.write_complete(0x2100, 1, bytes.fromhex("aa 9999 0700 05000000"), PREOP)
    values = [entry.storage.read() for _, entry in dictionary.object(0x2100).in_use()]
    assert values == [0xAA, 0x2222, 7, 5]


@pytest.mark.parametrize(("length", "code"), [(8, AbortCode.LENGTH_TOO_LOW), (10, AbortCode.LENGTH_TOO_HIGH)])
def test_complete_write_of_another_length_changes_nothing(length: int, code: AbortCode) -> None:
    dictionary = mixed()
    before = dictionary.read_complete(0x2100, 0, PREOP)
    assert aborted(lambda: dictionary.write_complete(0x2100, 1, bytes(length), PREOP)) is code
    assert dictionary.read_complete(0x2100, 0, PREOP) == before


def test_complete_access_is_for_objects_with_entries_from_subindex_0_or_1() -> None:
    dictionary = mixed()
    dictionary.add(variable(0x2200, integer()))
    assert aborted(lambda: dictionary.read_complete(0x2200, 0, PREOP)) is AbortCode.UNSUPPORTED_ACCESS
    assert aborted(lambda: dictionary.read_complete(0x2100, 2, PREOP)) is AbortCode.UNSUPPORTED_ACCESS
    read_only = array(0x2300, "Constants", [integer(Access.READ)])
    dictionary.add(read_only)
    assert aborted(lambda: dictionary.write_complete(0x2300, 0, bytes(4), PREOP)) is AbortCode.READ_ONLY


def test_bits_are_packed_in_complete_access() -> None:
    native = ffi.new("fs_dio *")
    lib.fs_dio_init(native)
    terminal = DIGITAL_IO.objects(native, serial=1)
    for channel in (0, 3, 7):
        native.inputs[channel] = 1
    assert terminal.dictionary.read_complete(0x6000, 0, OP) == b"\x08\x00\x89"
    assert terminal.dictionary.read(0x6000, 4, OP) == b"\x01"


def test_reset_puts_python_values_back_and_leaves_the_struct_alone(drive: DeviceObjects) -> None:
    dictionary = drive.dictionary
    dictionary.write(0x2000, 0, b"scratch", PREOP)
    dictionary.write(0x6085, 0, struct.pack("<I", 12345), PREOP)
    dictionary.write(0x1C12, 0, b"\x00", PREOP)
    dictionary.reset()
    assert dictionary.read(0x2000, 0, PREOP) == bytes(512)
    assert dictionary.read(0x1C12, 0, PREOP) == b"\x01"
    assert dictionary.read(0x6085, 0, PREOP) == struct.pack("<I", 12345)


def test_every_object_of_the_drive_lives_in_its_struct(drive: DeviceObjects) -> None:
    native = ffi.new("fs_drive *")
    sizes = {name: field.type for name, field in ffi.typeof("fs_drive").fields}
    for (index, subindex), ref in drive.fields.items():
        assert ffi.sizeof(sizes[ref.field]) * 8 == ref.bits, f"0x{index:04X}:{subindex:02X}"
        assert drive.dictionary.entry(index, subindex).bit_length == ref.bits
        assert ffi.addressof(native[0], ref.field) != ffi.NULL


def test_lists_of_objects(drive: DeviceObjects) -> None:
    dictionary = drive.dictionary
    everything = dictionary.indexes()
    assert everything == tuple(sorted(everything))
    assert {0x1000, 0x1008, 0x1018, 0x1600, 0x1A00, 0x1C00, 0x1C12, 0x1C13, 0x2000, 0x6041} <= set(everything)
    assert 0x6040 in dictionary.indexes(ListType.RX_MAPPABLE)
    assert 0x6040 not in dictionary.indexes(ListType.TX_MAPPABLE)
    assert 0x6041 in dictionary.indexes(ListType.TX_MAPPABLE)
    assert 0x6085 in dictionary.indexes(ListType.SETTINGS)
    assert dictionary.indexes(ListType.BACKUP) == ()


# --- PDO mapping ---


def map_pdo(objects: DeviceObjects, index: int, entries: list[MappedEntry]) -> None:
    """The standard sequence for one mapping object."""
    objects.dictionary.write(index, 0, b"\x00", PREOP)
    for number, entry in enumerate(entries, start=1):
        objects.dictionary.write(index, number, struct.pack("<I", pack_entry(*entry)), PREOP)
    objects.dictionary.write(index, 0, bytes((len(entries),)), PREOP)


def test_the_default_mapping_is_announced_on_reset(drive: DeviceObjects) -> None:
    heard: dict[PdoDirection, tuple[MappedEntry, ...]] = {}
    drive.pdos.on_mapping_changed = heard.__setitem__
    drive.dictionary.reset()
    assert heard[PdoDirection.RX] == (
        (0x6040, 0, 16),
        (0x6060, 0, 8),
        (0, 0, 8),
        (0x607A, 0, 32),
        (0x60FF, 0, 32),
    )
    assert sum(bits for _, _, bits in heard[PdoDirection.TX]) == 128


def test_a_new_mapping_is_announced_when_its_number_is_written(drive: DeviceObjects) -> None:
    heard: list[tuple[PdoDirection, tuple[MappedEntry, ...]]] = []
    drive.pdos.on_mapping_changed = lambda direction, entries: heard.append((direction, entries))
    entries = [(0x6040, 0, 16), (0x607A, 0, 32)]
    map_pdo(drive, 0x1600, entries)
    assert heard == [(PdoDirection.RX, ()), (PdoDirection.RX, tuple(entries))]
    map_pdo(drive, 0x1A01, [(0x60F4, 0, 32)])
    assert len(heard) == 2, "0x1A01 is not assigned"
    drive.dictionary.write(0x1C13, 0, b"\x00", PREOP)
    for number, pdo in ((1, 0x1A01), (2, 0x1A00)):
        drive.dictionary.write(0x1C13, number, struct.pack("<H", pdo), PREOP)
    drive.dictionary.write(0x1C13, 0, b"\x02", PREOP)
    assert drive.pdos.mapped(PdoDirection.TX)[:2] == ((0x60F4, 0, 32), (0x6041, 0, 16))
    assert heard[-1] == (PdoDirection.TX, drive.pdos.mapped(PdoDirection.TX))


def test_mapping_by_complete_access(drive: DeviceObjects) -> None:
    data = b"\x02\x00" + struct.pack("<II", 0x60400010, 0x60FF0020)
    drive.dictionary.write_complete(0x1600, 0, data, PREOP)
    assert drive.dictionary.read_complete(0x1600, 0, PREOP) == data
    drive.dictionary.write_complete(0x1C12, 0, b"\x02\x00\x00\x16\x01\x16", PREOP)
    assert drive.pdos.assigned(PdoDirection.RX) == (0x1600, 0x1601)
    padded = b"\x01\x00" + struct.pack("<16I", 0x60400010, *[0] * 15)
    drive.dictionary.write_complete(0x1600, 0, padded, PREOP)
    assert drive.pdos.mapped(PdoDirection.RX) == ((0x6040, 0, 16),)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ((0x5FFF, 0, 16), AbortCode.NO_OBJECT),
        ((0x6040, 1, 16), AbortCode.NO_SUBINDEX),
        ((0x6041, 0, 16), AbortCode.NOT_MAPPABLE),
        ((0x1018, 1, 32), AbortCode.NOT_MAPPABLE),
        ((0x6040, 0, 8), AbortCode.LENGTH_MISMATCH),
    ],
)
def test_what_cannot_be_mapped(drive: DeviceObjects, entry: MappedEntry, code: AbortCode) -> None:
    assert aborted(lambda: map_pdo(drive, 0x1600, [entry])) is code
    data = b"\x01\x00" + struct.pack("<I", pack_entry(*entry))
    assert aborted(lambda: drive.dictionary.write_complete(0x1600, 0, data, PREOP)) is code


def test_mapping_order_and_room(drive: DeviceObjects) -> None:
    dictionary = drive.dictionary
    word = struct.pack("<I", 0x60400010)
    assert aborted(lambda: dictionary.write(0x1600, 1, word, PREOP)) is AbortCode.SUBINDEX0_NOT_ZERO
    assert aborted(lambda: dictionary.write(0x1600, 0, b"\x00", OP)) is AbortCode.DEVICE_STATE
    assert aborted(lambda: dictionary.write(0x1600, 0, b"\x11", PREOP)) is AbortCode.VALUE_TOO_HIGH
    dictionary.write(0x1601, 0, b"\x00", PREOP)
    assert aborted(lambda: dictionary.write(0x1601, 0, b"\x01", PREOP)) is AbortCode.NO_OBJECT
    full: list[MappedEntry] = [(0, 0, 255)] * 4
    map_pdo(drive, 0x1601, full)
    dictionary.write(0x1C12, 0, b"\x00", PREOP)
    dictionary.write(0x1C12, 2, struct.pack("<H", 0x1601), PREOP)
    assert aborted(lambda: dictionary.write(0x1C12, 0, b"\x02", PREOP)) is AbortCode.PDO_LENGTH
    assert aborted(lambda: map_pdo(drive, 0x1602, [(0, 0, 255)] * 5)) is AbortCode.PDO_LENGTH


def test_assignment_takes_known_pdos_once(drive: DeviceObjects) -> None:
    dictionary = drive.dictionary
    dictionary.write(0x1C12, 0, b"\x00", PREOP)
    for wrong in (0x1A00, 0x1608):
        data = struct.pack("<H", wrong)
        assert aborted(lambda data=data: dictionary.write(0x1C12, 1, data, PREOP)) is AbortCode.VALUE_RANGE  # type: ignore[misc]
    dictionary.write(0x1C12, 2, struct.pack("<H", 0x1600), PREOP)
    assert aborted(lambda: dictionary.write(0x1C12, 0, b"\x02", PREOP)) is AbortCode.VALUE_RANGE


def test_a_listener_may_refuse(drive: DeviceObjects) -> None:
    def refuse(_direction: PdoDirection, _entries: tuple[MappedEntry, ...]) -> None:
        raise SegmentError("the slave has left PRE-OP")

    drive.pdos.on_mapping_changed = refuse
    assert aborted(lambda: drive.dictionary.write(0x1C12, 0, b"\x00", PREOP)) is AbortCode.DEVICE_STATE


@given(st.lists(st.integers(0, 0xFFFFFFFF), max_size=16))
def test_a_mapping_is_taken_whole_or_refused(values: list[int]) -> None:
    native = ffi.new("fs_drive *")
    lib.fs_drive_init(native)
    objects = SERVO_DRIVE.objects(native, serial=1)
    data = bytes((len(values), 0)) + struct.pack(f"<{len(values)}I", *values)
    try:
        objects.dictionary.write_complete(0x1600, 0, data, PREOP)
    except SdoAbortError:
        assert objects.pdos.mapped(PdoDirection.RX) == ()
    else:
        assert [pack_entry(*entry) for entry in objects.pdos.mapped(PdoDirection.RX)] == values
