"""SDO services: upload and download, expedited, normal and segmented (ETG.1000.6, 5.6.2).

Each structure packs to, and is read from, the payload of a CoE message. Names are those of the standard:
a download goes to the slave, an upload comes from it. Sizes are in bytes.
The master's CoE client sends them, and the virtual slaves' SDO server answers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fieldstack_ethercat.wire.errors import MalformedError, fits, need

_INITIATE = struct.Struct("<BHBI")
INITIATE_SIZE = _INITIATE.size
"""Command, index, subindex and four bytes: data, a size or an abort code."""
SEGMENT_HEADER_SIZE = 1
MINIMUM_SEGMENT = 7
"""A shorter segment is padded to this length, and its command says by how much."""
EXPEDITED_MAX = 4

_SIZE_INDICATED, _EXPEDITED, _COMPLETE, _TOGGLE, _LAST = 0x01, 0x02, 0x10, 0x10, 0x01
_DOWNLOAD_SEGMENT, _DOWNLOAD, _UPLOAD, _UPLOAD_SEGMENT, _ABORT = 0, 1, 2, 3, 4
"""Client command specifiers, bits 7 to 5 of the command."""
_S_UPLOAD_SEGMENT, _S_DOWNLOAD_SEGMENT, _S_UPLOAD, _S_DOWNLOAD = 0, 1, 2, 3
"""Server command specifiers."""
ABORT_COMMAND = _ABORT << 5
"""The first byte of an abort, whichever side sends it."""


def _complete(complete: bool) -> int:
    return _COMPLETE if complete else 0


@dataclass(frozen=True, slots=True)
class Abort:
    """Either side ends the transfer; `code` is an AbortCode or another number as read."""

    index: int
    subindex: int
    code: int

    def pack(self) -> bytes:
        return _INITIATE.pack(ABORT_COMMAND, self.index, self.subindex, self.code)


@dataclass(frozen=True, slots=True)
class _Initiate:
    """A transfer's beginning that carries data: expedited, or `data` as the first part of `size` bytes.

    `size` is the whole transfer's; None in an expedited transfer whose size is not indicated.
    """

    index: int
    subindex: int
    data: bytes
    size: int | None
    complete: bool = False
    expedited: bool = False

    def _pack(self, specifier: int) -> bytes:
        command = specifier << 5 | _complete(self.complete)
        if not self.expedited:
            size = fits(type(self).__name__, "size", self.size or 0, 32)
            return _INITIATE.pack(command | _SIZE_INDICATED, self.index, self.subindex, size) + self.data
        fits(type(self).__name__, "unused", EXPEDITED_MAX - len(self.data), 2)
        if self.size is not None:
            command |= _SIZE_INDICATED | (EXPEDITED_MAX - len(self.data)) << 2
        value = int.from_bytes(self.data, "little")
        return _INITIATE.pack(command | _EXPEDITED, self.index, self.subindex, value)


class DownloadRequest(_Initiate):
    """Writes an object, or its first part."""

    __slots__ = ()

    def pack(self) -> bytes:
        """Raises FieldRangeError for expedited data of no or of more than four bytes."""
        return self._pack(_DOWNLOAD)


class UploadResponse(_Initiate):
    """An object's value, or its first part."""

    __slots__ = ()

    def pack(self) -> bytes:
        """Raises FieldRangeError for expedited data of no or of more than four bytes."""
        return self._pack(_S_UPLOAD)


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """Asks for an object's value."""

    index: int
    subindex: int
    complete: bool = False

    def pack(self) -> bytes:
        return _INITIATE.pack(_UPLOAD << 5 | _complete(self.complete), self.index, self.subindex, 0)


@dataclass(frozen=True, slots=True)
class DownloadResponse:
    """The object, or its first part, has arrived."""

    index: int
    subindex: int
    complete: bool = False

    def pack(self) -> bytes:
        return _INITIATE.pack(_S_DOWNLOAD << 5 | _complete(self.complete), self.index, self.subindex, 0)


@dataclass(frozen=True, slots=True)
class _Segment:
    """A further part of a transfer; `toggle` is 0 in the first segment and alternates."""

    toggle: int
    last: bool
    data: bytes

    def pack(self) -> bytes:
        unused = max(MINIMUM_SEGMENT - len(self.data), 0)
        command = (_TOGGLE if self.toggle else 0) | (_LAST if self.last else 0) | unused << 1
        return bytes((command,)) + self.data + bytes(unused)


class DownloadSegmentRequest(_Segment):
    """A further part of what is written."""

    __slots__ = ()


class UploadSegmentResponse(_Segment):
    """A further part of what is read."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UploadSegmentRequest:
    """Asks for the next part."""

    toggle: int

    def pack(self) -> bytes:
        """Padded to the length that masters use."""
        return bytes((_UPLOAD_SEGMENT << 5 | (_TOGGLE if self.toggle else 0),)) + bytes(INITIATE_SIZE - 1)


@dataclass(frozen=True, slots=True)
class DownloadSegmentResponse:
    """The part has arrived."""

    toggle: int

    def pack(self) -> bytes:
        return bytes((_S_DOWNLOAD_SEGMENT << 5 | (_TOGGLE if self.toggle else 0),)) + bytes(INITIATE_SIZE - 1)


SdoRequest = DownloadRequest | UploadRequest | DownloadSegmentRequest | UploadSegmentRequest | Abort
SdoResponse = UploadResponse | DownloadResponse | UploadSegmentResponse | DownloadSegmentResponse | Abort


def _unpack_initiate(payload: bytes) -> tuple[int, int, bytes, int | None, bool, bool]:
    need("SDO initiate", payload, INITIATE_SIZE)
    command, index, subindex, value = _INITIATE.unpack_from(payload)
    complete, expedited = bool(command & _COMPLETE), bool(command & _EXPEDITED)
    if not expedited:
        return index, subindex, bytes(payload[INITIATE_SIZE:]), value, complete, False
    size = EXPEDITED_MAX - (command >> 2 & 3) if command & _SIZE_INDICATED else None
    data = value.to_bytes(EXPEDITED_MAX, "little")[: EXPEDITED_MAX if size is None else size]
    return index, subindex, data, size, complete, True


def _unpack_segment(payload: bytes) -> tuple[int, bool, bytes]:
    need("SDO segment", payload, SEGMENT_HEADER_SIZE + MINIMUM_SEGMENT)
    command, data = payload[0], bytes(payload[1:])
    if len(data) == MINIMUM_SEGMENT:
        data = data[: MINIMUM_SEGMENT - (command >> 1 & 7)]
    return int(bool(command & _TOGGLE)), bool(command & _LAST), data


def _unpack_abort(payload: bytes) -> Abort:
    need("SDO abort", payload, INITIATE_SIZE)
    return Abort(*_INITIATE.unpack_from(payload)[1:])


def unpack_request(payload: bytes) -> SdoRequest:
    """What a client asks. Raises ShortBufferError or, for an unknown command, MalformedError."""
    need("SDO request", payload, 1)
    command = payload[0]
    specifier = command >> 5
    if specifier == _DOWNLOAD:
        return DownloadRequest(*_unpack_initiate(payload))
    if specifier == _UPLOAD:
        need("SDO initiate", payload, INITIATE_SIZE)
        _, index, subindex, _ = _INITIATE.unpack_from(payload)
        return UploadRequest(index, subindex, bool(command & _COMPLETE))
    if specifier == _DOWNLOAD_SEGMENT:
        return DownloadSegmentRequest(*_unpack_segment(payload))
    if specifier == _UPLOAD_SEGMENT:
        return UploadSegmentRequest(int(bool(command & _TOGGLE)))
    if specifier == _ABORT:
        return _unpack_abort(payload)
    raise MalformedError("SDO request", f"command 0x{command:02X} is in no standard")


def unpack_response(payload: bytes) -> SdoResponse:
    """What a server answers. Raises ShortBufferError or, for an unknown command, MalformedError."""
    need("SDO response", payload, 1)
    command = payload[0]
    specifier = command >> 5
    if specifier == _S_UPLOAD:
        return UploadResponse(*_unpack_initiate(payload))
    if specifier == _S_DOWNLOAD:
        need("SDO initiate", payload, INITIATE_SIZE)
        _, index, subindex, _ = _INITIATE.unpack_from(payload)
        return DownloadResponse(index, subindex, bool(command & _COMPLETE))
    if specifier == _S_UPLOAD_SEGMENT:
        return UploadSegmentResponse(*_unpack_segment(payload))
    if specifier == _S_DOWNLOAD_SEGMENT:
        return DownloadSegmentResponse(int(bool(command & _TOGGLE)))
    if specifier == _ABORT:
        return _unpack_abort(payload)
    raise MalformedError("SDO response", f"command 0x{command:02X} is in no standard")
