"""Describes an object dictionary to an SDO information client (ETG.1000.6, 5.6.3). `CoeServer` owns it."""

from __future__ import annotations

from collections.abc import Callable

from fieldstack_ethercat.segment.coe.object_dictionary import ObjectDictionary
from fieldstack_ethercat.segment.coe.object_entry import Entry
from fieldstack_ethercat.wire.sdo_abort import AbortCode, SdoAbortError
from fieldstack_ethercat.wire.sdo_info import (
    HEADER_SIZE,
    EntryDescription,
    EntryRequest,
    ListType,
    ObjectDescription,
    Opcode,
    SdoInfoMessage,
    ValueInfo,
    pack_error,
    pack_words,
    unpack_words,
)

_ALWAYS = ValueInfo.ACCESS_RIGHTS | ValueInfo.CATEGORY | ValueInfo.PDO_MAPPING
_LENGTHS_OF = tuple(kind for kind in ListType if kind is not ListType.LENGTHS)


class SdoInfoServer:
    """Answers requests of the service; `payload_size` is a CoE message's room in the mailbox, in bytes."""

    def __init__(self, dictionary: ObjectDictionary, payload_size: int) -> None:
        self._dictionary = dictionary
        self._room = payload_size - HEADER_SIZE
        self._answers: dict[int, tuple[Opcode, Callable[[bytes], bytes]]] = {
            Opcode.OD_LIST_REQUEST: (Opcode.OD_LIST_RESPONSE, self._list),
            Opcode.OBJECT_REQUEST: (Opcode.OBJECT_RESPONSE, self._object),
            Opcode.ENTRY_REQUEST: (Opcode.ENTRY_RESPONSE, self._entry),
        }

    def answer(self, payload: bytes) -> list[bytes]:
        """The fragments of the response. Raises WireError for a request that is cut short."""
        request = SdoInfoMessage.unpack(payload)
        try:
            if request.opcode not in self._answers:
                raise SdoAbortError(AbortCode.COMMAND)
            opcode, describe = self._answers[request.opcode]
            return self._fragments(opcode, describe(request.data))
        except SdoAbortError as error:
            return self._fragments(Opcode.ERROR, pack_error(error.code))

    def _fragments(self, opcode: Opcode, data: bytes) -> list[bytes]:
        room = self._room & ~1  # indexes in a list are not torn apart
        parts = [data[at : at + room] for at in range(0, len(data), room)]
        last = len(parts) - 1
        return [SdoInfoMessage(opcode, part, last - at).pack() for at, part in enumerate(parts)]

    def _list(self, data: bytes) -> bytes:
        number, _ = unpack_words("OD list request", data[:2])
        if number == ListType.LENGTHS:
            return pack_words(number, tuple(len(self._dictionary.indexes(kind)) for kind in _LENGTHS_OF))
        try:
            return pack_words(number, self._dictionary.indexes(ListType(number)))
        except ValueError:
            raise SdoAbortError(AbortCode.UNSUPPORTED_ACCESS) from None

    def _object(self, data: bytes) -> bytes:
        index, _ = unpack_words("object description request", data[:2])
        item = self._dictionary.object(index)
        return ObjectDescription(index, item.data_type, item.max_subindex, item.code, item.name).pack()

    def _entry(self, data: bytes) -> bytes:
        request = EntryRequest.unpack(data)
        entry = self._dictionary.entry(request.index, request.subindex)
        info, extras = _extras(entry, ValueInfo(request.value_info & 0x7F))
        return EntryDescription(
            request.index,
            request.subindex,
            info,
            entry.data_type,
            entry.bit_length,
            entry.access,
            extras + entry.name.encode("ascii"),
        ).pack()


def _extras(entry: Entry, wanted: ValueInfo) -> tuple[ValueInfo, bytes]:
    """What is wanted and known: which, and the bytes. Strings have no limits, and too long a default."""
    info, extras = wanted & _ALWAYS, b""
    if entry.is_string:
        return info, extras
    known = (
        (ValueInfo.DEFAULT, entry.default),
        (ValueInfo.MINIMUM, entry.low),
        (ValueInfo.MAXIMUM, entry.high),
    )
    for kind, value in known:
        if wanted & kind and value is not None:
            info |= kind
            extras += entry.encode(value)
    return info, extras
