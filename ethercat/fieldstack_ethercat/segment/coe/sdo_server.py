"""Serves one SDO client's transfers, one at a time (ETG.1000.6, 5.6.2). `CoeServer` owns it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fieldstack_ethercat.segment.coe.object_dictionary import ObjectDictionary
from fieldstack_ethercat.wire.errors import MalformedError
from fieldstack_ethercat.wire.sdo import (
    EXPEDITED_MAX,
    INITIATE_SIZE,
    SEGMENT_HEADER_SIZE,
    Abort,
    DownloadRequest,
    DownloadResponse,
    DownloadSegmentRequest,
    DownloadSegmentResponse,
    SdoResponse,
    UploadRequest,
    UploadResponse,
    UploadSegmentRequest,
    UploadSegmentResponse,
    unpack_request,
)
from fieldstack_ethercat.wire.sdo_abort import AbortCode, SdoAbortError


@dataclass(slots=True)
class _Upload:
    index: int
    subindex: int
    rest: bytes
    toggle: int = 0


@dataclass(slots=True)
class _Download:
    index: int
    subindex: int
    complete: bool
    size: int
    data: bytearray = field(default_factory=bytearray)
    toggle: int = 0


class SdoServer:
    """Answers SDO requests; `payload_size` is the room that a CoE message leaves in the mailbox, in bytes."""

    def __init__(self, dictionary: ObjectDictionary, al_state: Callable[[], int], payload_size: int) -> None:
        self._dictionary = dictionary
        self._al_state = al_state
        self._payload_size = payload_size
        self._transfer: _Upload | _Download | None = None

    def reset(self) -> None:
        """Forgets a transfer that is under way."""
        self._transfer = None

    def answer(self, payload: bytes) -> bytes | None:
        """The response; None to an abort. Raises ShortBufferError for a request that is cut short."""
        try:
            response = self._dispatch(payload)
        except SdoAbortError as error:
            self._transfer = None
            response = Abort(error.index, error.subindex, error.code)
        return response.pack() if response else None

    def _dispatch(self, payload: bytes) -> SdoResponse | None:
        try:
            request = unpack_request(payload)
        except MalformedError:
            raise self._abort(AbortCode.COMMAND) from None
        if isinstance(request, DownloadRequest):
            return self._download(request)
        if isinstance(request, UploadRequest):
            return self._upload(request)
        if isinstance(request, DownloadSegmentRequest):
            return self._download_segment(request)
        if isinstance(request, UploadSegmentRequest):
            return self._upload_segment(request)
        self._transfer = None
        return None

    def _abort(self, code: AbortCode) -> SdoAbortError:
        """Concerns the transfer under way, if there is one."""
        transfer = self._transfer
        return SdoAbortError(code, transfer.index, transfer.subindex) if transfer else SdoAbortError(code)

    # --- upload ---

    def _upload(self, request: UploadRequest) -> UploadResponse:
        self._transfer = None
        index, subindex, complete = request.index, request.subindex, request.complete
        read = self._dictionary.read_complete if complete else self._dictionary.read
        data = read(index, subindex, self._al_state())
        if 0 < len(data) <= EXPEDITED_MAX:
            return UploadResponse(index, subindex, data, len(data), complete, expedited=True)
        room = self._payload_size - INITIATE_SIZE
        if len(data) > room:
            self._transfer = _Upload(index, subindex, data[room:])
        return UploadResponse(index, subindex, data[:room], len(data), complete)

    def _upload_segment(self, request: UploadSegmentRequest) -> UploadSegmentResponse:
        transfer = self._transfer
        if not isinstance(transfer, _Upload):
            raise self._abort(AbortCode.COMMAND)
        if request.toggle != transfer.toggle:
            raise self._abort(AbortCode.TOGGLE)
        room = self._payload_size - SEGMENT_HEADER_SIZE
        data, transfer.rest = transfer.rest[:room], transfer.rest[room:]
        transfer.toggle ^= 1
        if not transfer.rest:
            self._transfer = None
        return UploadSegmentResponse(request.toggle, not transfer.rest, data)

    # --- download ---

    def _download(self, request: DownloadRequest) -> DownloadResponse:
        self._transfer = None
        index, subindex, complete = request.index, request.subindex, request.complete
        largest = self._largest(index, subindex, complete)
        data = request.data
        size = len(data) if request.size is None else request.size
        if request.expedited and request.size is None:
            data = data[:largest]
            size = len(data)
        if size > largest:
            raise SdoAbortError(AbortCode.LENGTH_TOO_HIGH, index, subindex)
        if len(data) > size:
            raise SdoAbortError(AbortCode.LENGTH_MISMATCH, index, subindex)
        if len(data) < size:
            self._transfer = _Download(index, subindex, complete, size, bytearray(data))
        else:
            self._write(index, subindex, complete, data)
        return DownloadResponse(index, subindex, complete)

    def _download_segment(self, request: DownloadSegmentRequest) -> DownloadSegmentResponse:
        transfer = self._transfer
        if not isinstance(transfer, _Download):
            raise self._abort(AbortCode.COMMAND)
        if request.toggle != transfer.toggle:
            raise self._abort(AbortCode.TOGGLE)
        transfer.data += request.data
        transfer.toggle ^= 1
        if len(transfer.data) > transfer.size or (request.last and len(transfer.data) < transfer.size):
            raise self._abort(AbortCode.LENGTH_MISMATCH)
        if request.last:
            self._write(transfer.index, transfer.subindex, transfer.complete, bytes(transfer.data))
            self._transfer = None
        return DownloadSegmentResponse(request.toggle)

    def _largest(self, index: int, subindex: int, complete: bool) -> int:
        if complete:
            return self._dictionary.writable_size_complete(index, subindex, self._al_state())
        return self._dictionary.writable_size(index, subindex, self._al_state())

    def _write(self, index: int, subindex: int, complete: bool, data: bytes) -> None:
        write = self._dictionary.write_complete if complete else self._dictionary.write
        write(index, subindex, data, self._al_state())
