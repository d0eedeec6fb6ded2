"""Transfers SDOs as scripts: it looks at mailboxes, and never waits (ETG.1000.4, 5.6; ETG.1000.6, 5.6.2).

The recovery sets slaves up with it; bring-up and scan use SOEM's transfers (`soem_objects.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from fieldstack_ethercat.bus.errors import MailboxSilentError, SdoAbortedError
from fieldstack_ethercat.bus.script import AT_ONCE, Script, pause_ns
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.wire import coe, mailbox, sdo
from fieldstack_ethercat.wire.coe import CoeMessage, CoeService, Emergency
from fieldstack_ethercat.wire.errors import WireError
from fieldstack_ethercat.wire.mailbox import MailboxTelegram, MailboxType
from fieldstack_ethercat.wire.registers import sync_manager_register
from fieldstack_ethercat.wire.sdo_abort import abort_text

PATIENCE_NS = 3_000_000_000
"""How long an answer is waited for; nobody else waits meanwhile."""
_STATUS, _ACTIVATE = 5, 6
_FULL, _REPEAT = 1 << 3, 1 << 1
_SM1 = sync_manager_register(1)

Response = sdo.SdoResponse
Matches = Callable[[Response], bool]


class CoeClient:
    """Reads and writes the objects of one slave in PRE-OP or above. `on_emergency` is called with each
    emergency message that comes in between."""

    def __init__(self, link: SlaveLink, on_emergency: Callable[[Emergency], None] | None = None) -> None:
        self._link = link
        self._on_emergency = on_emergency
        record = link.record
        self._out = (int(record.mailbox_write_offset), int(record.mailbox_write_length))
        self._in = (int(record.mailbox_read_offset), int(record.mailbox_read_length))
        self._lost = False
        self._repeat: bytes | None = None

    def upload(self, index: int, sub: int, complete: bool = False) -> Script[bytes]:
        """An object's value. SdoAbortedError, MailboxSilentError."""
        place = f"0x{index:04X}:{sub:02X}"
        request = sdo.UploadRequest(index, sub, complete).pack()
        first = yield from self._ask(request, place, _initiates(sdo.UploadResponse, index, sub))
        if not isinstance(first, sdo.UploadResponse):
            raise self._unexpected(place)
        size = first.size if first.size is not None else len(first.data)
        data, toggle = first.data[:size], 0
        while len(data) < size:
            request = sdo.UploadSegmentRequest(toggle).pack()
            part = yield from self._ask(request, place, _segment(sdo.UploadSegmentResponse, toggle))
            if not isinstance(part, sdo.UploadSegmentResponse):
                raise self._unexpected(place)
            data, toggle = data + part.data, 1 - toggle
            if part.last:
                break
        return data

    def download(self, index: int, sub: int, data: bytes, complete: bool = False) -> Script[None]:
        """Writes an object. SdoAbortedError, MailboxSilentError."""
        place = f"0x{index:04X}:{sub:02X}"
        expedited = len(data) <= sdo.EXPEDITED_MAX and not complete
        room = self._out[1] - mailbox.HEADER_SIZE - coe.HEADER_SIZE
        first = data if expedited else data[: room - sdo.INITIATE_SIZE]
        request = sdo.DownloadRequest(index, sub, first, len(data), complete, expedited).pack()
        yield from self._ask(request, place, _initiates(sdo.DownloadResponse, index, sub))
        at, toggle, step = len(first), 0, room - sdo.SEGMENT_HEADER_SIZE
        while at < len(data):
            part = data[at : at + step]
            at += len(part)
            request = sdo.DownloadSegmentRequest(toggle, at >= len(data), part).pack()
            yield from self._ask(request, place, _segment(sdo.DownloadSegmentResponse, toggle))
            toggle = 1 - toggle

    def _ask(self, request: bytes, place: str, matches: Matches) -> Script[Response]:
        """One request, and the answer that belongs to it; what else comes is an older one's.

        Where the frame that brings the request gets lost on its way back, the slave has it and nobody knows:
        the same telegram is sent again, and the slave knows it by its counter.
        """
        now_ns = yield AT_ONCE
        began_ns = now_ns
        telegram, tried, sent = self._telegram(request), False, False
        while now_ns - began_ns <= PATIENCE_NS:
            answer, empty = self._read_mailbox()
            if answer is not None and (found := self._match_answer(answer, place, matches, sent=tried)):
                return found
            if empty and not sent:  # what was left there is out
                tried, sent = True, self._link.put(self._out[0], telegram)
            now_ns = yield now_ns + pause_ns(now_ns - began_ns)
        raise MailboxSilentError(self._link.position, self._link.name, place, PATIENCE_NS / 1e9)

    def _telegram(self, request: bytes) -> bytes:
        """Writes a telegram as long as the mailbox, because its last byte hands it over. SOEM's counter
        continues."""
        record = self._link.record
        record.mailbox_counter = mailbox.next_counter(int(record.mailbox_counter))
        message = CoeMessage(CoeService.SDO_REQUEST, request).pack()
        telegram = MailboxTelegram(MailboxType.COE, message, int(record.mailbox_counter)).pack()
        return telegram.ljust(self._out[1], b"\0")

    def _read_mailbox(self) -> tuple[bytes | None, bool]:
        """What lies in the mailbox, and whether it is known to be empty."""
        if self._lost:
            self._ask_again()
            return None, False
        status = self._link.get(_SM1 + _STATUS, 1)
        if status is None:
            return None, False
        if not status[0] & _FULL:
            return None, True
        found = self._link.get(*self._in)
        self._lost = found is None  # it may have been taken, and its frame lost
        return found, False

    def _ask_again(self) -> None:
        """Toggle the repeat request (0x080E, bit 1), so that the last telegram comes again. The value is
        computed once, because a second toggle would undo it."""
        if self._repeat is None:
            activate = self._link.get(_SM1 + _ACTIVATE, 1)
            if activate is None:
                return
            self._repeat = bytes([activate[0] ^ _REPEAT])
        if self._link.put(_SM1 + _ACTIVATE, self._repeat):
            self._lost, self._repeat = False, None

    def _match_answer(self, answer: bytes, place: str, matches: Matches, *, sent: bool) -> Response | None:
        """What lay there before the request was sent can be an emergency, but no answer to it."""
        if sent:
            return self._understand(answer, place, matches)
        with contextlib.suppress(SdoAbortedError):
            self._understand(answer, place, matches)
        return None

    def _understand(self, answer: bytes, place: str, matches: Matches) -> Response | None:
        try:
            telegram = MailboxTelegram.unpack(answer)
            if telegram.type == MailboxType.ERROR:
                raise self._aborted(
                    place, 0, f"the mailbox refuses it: {mailbox.error_detail(telegram).name}"
                )
            if telegram.type != MailboxType.COE:
                return None
            message = CoeMessage.unpack(telegram.data)
            if message.service == CoeService.EMERGENCY:
                self._report_emergency(Emergency.unpack(message.payload))
                return None
            if message.service not in (CoeService.SDO_RESPONSE, CoeService.SDO_REQUEST):
                return None
            response = sdo.unpack_response(message.payload)
        except WireError:
            return None
        if isinstance(response, sdo.Abort) and _place_of(response) == place:
            raise self._aborted(place, response.code, abort_text(response.code))
        return response if matches(response) else None

    def _report_emergency(self, emergency: Emergency) -> None:
        if self._on_emergency is not None:
            self._on_emergency(emergency)

    def _aborted(self, place: str, code: int, text: str) -> SdoAbortedError:
        return SdoAbortedError(self._link.position, self._link.name, place, code, text)

    def _unexpected(self, place: str) -> SdoAbortedError:
        return self._aborted(place, 0, "an answer that does not fit the request")


def _place_of(abort: sdo.Abort) -> str:
    return f"0x{abort.index:04X}:{abort.subindex:02X}"


def _initiates(kind: type[Response], index: int, sub: int) -> Matches:
    def matches(response: Response) -> bool:
        place = (getattr(response, "index", None), getattr(response, "subindex", None))
        return isinstance(response, kind) and place == (index, sub)

    return matches


def _segment(kind: type[Response], toggle: int) -> Matches:
    return lambda response: isinstance(response, kind) and getattr(response, "toggle", None) == toggle
